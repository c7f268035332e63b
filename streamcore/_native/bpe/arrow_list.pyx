# cython: language_level=3, freethreading_compatible=True
"""Lists of ids through the Arrow C data interface (arrow_list.h); the twin, ``_pure.bpe.arrow_list``, cannot do it."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t

from streamcore._shared.options import check_offsets

cdef extern from "bpe/arrow_list.h":
    object arrow_list_type(int narrow)
    object arrow_list_data(int64_t n, const void *offsets, int64_t count, const void *values, object owner)
    int arrow_wants_narrow(object requested) except -1


def list_type():
    """The type of ``export_lists`` as a capsule."""
    return arrow_list_type(False)


def export_lists(values, offsets, requested_schema=None):
    """Capsules of type and data: list ``i`` is ``values[offsets[i]:offsets[i + 1]]``, of uint32 and n + 1 int64 values.

    The type is large_list, whose offsets have 64 bits, so that nothing is copied; or list, if ``requested_schema`` asks
    for that and the offsets fit.
    """
    cdef bint narrow = requested_schema is not None and arrow_wants_narrow(requested_schema)
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
    data = arrow_list_data(len(offsets) - 1, offset_data, len(values), value_data, (values, offsets))
    return arrow_list_type(narrow), data


cdef const void *memory_of(object array) except? NULL:
    """Where the data of a numpy array lies, for as long as the array lives."""
    cdef Py_buffer view
    cdef const void *data
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    data = view.buf
    PyBuffer_Release(&view)
    return data
