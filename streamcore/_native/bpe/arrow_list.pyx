# cython: language_level=3, freethreading_compatible=True
"""Lists of ids through the Arrow C data interface; the twin, ``_pure.bpe.arrow_list``, cannot do it."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport strcmp

from streamcore._shared.options import check_offsets

from streamcore._native.arrow.structures cimport (
    ArrowArray, arrow_fill_array, arrow_fill_type, arrow_new_array, arrow_new_type, arrow_requested, ArrowSchema,
)


def list_type():
    """The type of ``export_lists`` as a capsule."""
    return new_type(False)


def export_lists(values, offsets, requested_schema=None):
    """Capsules of type and data: list ``i`` is ``values[offsets[i]:offsets[i + 1]]``, of uint32 and n + 1 int64 values.

    The type is large_list, whose offsets have 64 bits, so that nothing is copied; or list, if ``requested_schema`` asks
    for that and the offsets fit.
    """
    cdef bint narrow = requested_schema is not None and wants_narrow(requested_schema)
    cdef const void *value_data
    cdef const void *offset_data
    import numpy
    values = numpy.ascontiguousarray(values, numpy.uint32)
    offsets = numpy.ascontiguousarray(offsets, numpy.int64)
    check_offsets(values, offsets)
    if narrow and offsets[-1] >= 1 << 31:
        narrow = False
    if narrow:
        offsets = offsets.astype(numpy.int32)
    value_data, offset_data = memory_of(values), memory_of(offsets)
    data = new_data(len(offsets) - 1, offset_data, len(values), value_data, (values, offsets))
    return new_type(narrow), data


cdef object new_type(bint narrow):
    """The type: large_list, or list, of uint32."""
    cdef ArrowSchema *schema = NULL
    capsule = arrow_new_type(&schema)
    if arrow_fill_type(schema, "+l" if narrow else "+L", "", 1) < 0:
        raise MemoryError()
    if arrow_fill_type(schema.children[0], "I", "item", 0) < 0:
        raise MemoryError()
    return capsule


cdef object new_data(int64_t n, const void *offsets, int64_t count, const void *values, object owner):
    """n lists; owner keeps offsets and values."""
    cdef ArrowArray *array = NULL
    capsule = arrow_new_array(&array)
    if arrow_fill_array(array, n, 0, 2, offsets, NULL, <PyObject *> owner, 1) < 0:
        raise MemoryError()
    if arrow_fill_array(array.children[0], count, 0, 2, values, NULL, <PyObject *> owner, 0) < 0:
        raise MemoryError()
    return capsule


cdef bint wants_narrow(object requested) except -1:
    """Whether a consumer asks for list, and not for large_list."""
    cdef ArrowSchema *schema = arrow_requested(requested)
    return schema.format != NULL and strcmp(schema.format, "+l") == 0


cdef const void *memory_of(object array) except? NULL:
    """Where the data of a numpy array lies, for as long as the array lives."""
    cdef Py_buffer view
    cdef const void *data
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    data = view.buf
    PyBuffer_Release(&view)
    return data
