# cython: language_level=3, freethreading_compatible=True
"""Token ids as uint32 numpy arrays.

Plan: few ids are copied into an array that numpy makes, many stay where they are and get an owner. numpy is imported
when the first array is asked for, and is no dependency of the build: the one function of its C interface that is used
here is taken from the table that it publishes, whose order is part of its binary interface. (``numpy.empty`` takes
100 ns, a fourth of what a call with 100 bytes of text takes; this way it is 45.)
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

cdef extern from *:
    """
    /* The first field of every version's array object. Read only after a check against the buffer protocol, which costs
     * 70 ns a call. */
    typedef struct { PyObject_HEAD char *data; } ids_array_head;

    typedef PyObject *(*ids_new_array)(PyTypeObject *, PyObject *, int, const Py_ssize_t *, const Py_ssize_t *, void *,
                                       int, PyObject *);
    typedef unsigned (*ids_abi_version)(void);

    /* PyArray_NewFromDescr of the table, or NULL if that is of an unknown major version. */
    static ids_new_array ids_find_new(void **table) {
        unsigned abi = ((ids_abi_version)table[0])() >> 24;
        return abi == 1 || abi == 2 ? (ids_new_array)table[94] : NULL;
    }

    /* A new array of this type and element type; steals no reference, though numpy does. */
    static PyObject *ids_call_new(ids_new_array make, PyObject *type, PyObject *descr, Py_ssize_t count) {
        Py_INCREF(descr);
        return make((PyTypeObject *)type, descr, 1, &count, NULL, NULL, 0, NULL);
    }
    """
    ctypedef struct ids_array_head:
        char *data
    ctypedef void *ids_new_array
    ids_new_array ids_find_new(void **table)
    object ids_call_new(ids_new_array make, object type, object descr, Py_ssize_t count)

cdef object _frombuffer = None
cdef object _empty = None
cdef object _array = None
cdef object _uint32 = None
cdef ids_new_array _make = NULL
cdef bint _direct = False


cdef int load_numpy() except -1:
    global _frombuffer, _empty, _array, _uint32, _make, _direct
    cdef Py_buffer view
    import numpy
    table = None
    try:
        from numpy._core import _multiarray_umath as compiled
        table = getattr(compiled, "_ARRAY_API", None)
    except ImportError:  # before numpy 2 it was elsewhere
        pass
    if table is not None:
        _make = ids_find_new(<void **>PyCapsule_GetPointer(table, NULL))
    array = numpy.empty(1, numpy.uint32)
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    _direct = (<ids_array_head *>array).data == <char *>view.buf
    PyBuffer_Release(&view)
    _frombuffer, _empty, _array = numpy.frombuffer, numpy.empty, numpy.ndarray
    _uint32 = numpy.dtype(numpy.uint32)
    return 0


@cython.final
cdef class IdBlock:
    """Ids as they were made: owns the memory that an array shows."""

    cdef uint32_t *ids
    cdef Py_ssize_t size  # bytes

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.ids, self.size, False, flags)

    def __dealloc__(self):
        PyMem_RawFree(self.ids)


cdef object new_ids(const uint32_t *ids, size_t count):
    """A new array with a copy of the ids."""
    cdef Py_buffer view
    if _uint32 is None:
        load_numpy()
    array = ids_call_new(_make, _array, _uint32, count) if _make != NULL else _empty(count, _uint32)
    if _direct and count:
        memcpy((<ids_array_head *>array).data, ids, count * sizeof(uint32_t))
    elif count:
        PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
        memcpy(view.buf, ids, count * sizeof(uint32_t))
        PyBuffer_Release(&view)
    return array


cdef object adopt_ids(uint32_t *ids, size_t count):
    """An array that shows the ids, which come from ``PyMem_RawMalloc``. It frees them, as an error here does."""
    cdef IdBlock block
    cdef uint32_t *fitting
    try:
        if _uint32 is None:
            load_numpy()
        block = IdBlock()
    except BaseException:
        PyMem_RawFree(ids)
        raise
    fitting = <uint32_t *>PyMem_RawRealloc(ids, count * sizeof(uint32_t))
    block.ids = fitting if fitting != NULL else ids
    block.size = count * sizeof(uint32_t)
    return _frombuffer(block, _uint32)
