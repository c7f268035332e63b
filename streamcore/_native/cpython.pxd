# cython: language_level=3
"""The C-API that Cython's own ``cpython`` lacks, or declares otherwise than the core needs it.

A ``PyObject *`` that a function here returns is a new reference. ``steal()`` makes an object of it; ``own()`` makes one
of an object.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.pythread cimport PyThread_type_lock
from libc.stdint cimport uint32_t

cdef extern from *:
    """
    static inline PyObject *streamcore_steal(PyObject *item) { return item; }
    static inline int streamcore_raise_set(void) { return -1; }
    """
    object steal "streamcore_steal"(PyObject *item)  # the reference is handed over
    int raise_set "streamcore_raise_set"() except -1  # the exception that the C-API has set is raised

    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) except NULL
    PyObject *new_bytes_or_null "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) noexcept
    PyObject *new_text "PyUnicode_New"(Py_ssize_t size, uint32_t maxchar) except NULL
    PyObject *new_character "PyUnicode_FromOrdinal"(int ordinal) except NULL
    void *text_data "PyUnicode_DATA"(PyObject *text)

    bint PyUnicode_IS_ASCII(object text)
    uint32_t PyUnicode_READ(int kind, void *data, Py_ssize_t index) noexcept nogil

    PyObject *PyIter_Next(object iterator) except? NULL  # NULL without an exception at the end
    int PyList_SetSlice(object items, Py_ssize_t start, Py_ssize_t stop, PyObject *put) except -1  # NULL: delete
    PyObject *call_or_null "PyObject_CallOneArg"(object fn, object item) noexcept
    PyObject *call_two_or_null "PyObject_CallFunctionObjArgs"(  # a function of any number: NULL after the last
        object fn, PyObject *first, PyObject *second, PyObject *last) noexcept
    int truth_or_error "PyObject_IsTrue"(object item) noexcept  # -1: an exception is set
    int equal_or_error "PyObject_RichCompareBool"(object item, object other, int op) noexcept  # likewise
    void Py_SET_SIZE(object item, Py_ssize_t size) noexcept

    # Locks: Cython's own may raise, and know nothing of a time limit.
    ctypedef enum PyLockStatus:
        PY_LOCK_FAILURE
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyThread_type_lock PyThread_allocate_lock() noexcept nogil
    void PyThread_free_lock(PyThread_type_lock lock) noexcept nogil
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait) noexcept nogil
    PyLockStatus PyThread_acquire_lock_timed(
        PyThread_type_lock lock, long long microseconds, int interruptible) noexcept nogil
    void PyThread_release_lock(PyThread_type_lock lock) noexcept nogil
    unsigned long PyThread_get_thread_ident() noexcept nogil

    Py_ssize_t index_or_clip "PyNumber_AsSsize_t"(object number, PyObject *overflow) except? -1


cdef inline Py_ssize_t clipped_index(object number) except? -1:
    """An int as Py_ssize_t, the nearest one if it is too large."""
    return index_or_clip(number, NULL)


cdef inline PyObject *own(object item) noexcept:
    Py_INCREF(item)
    return <PyObject *> item
