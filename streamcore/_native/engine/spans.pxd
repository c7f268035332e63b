# cython: language_level=3
"""Items of a batch that still lie in their fragment; see spans.pyx."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t


cdef class Spans:
    cdef object owner  # keeps ptr alive
    cdef const unsigned char *ptr  # the fragment
    cdef int kind  # AS_BYTES ...
    cdef object head  # the first item when it began in an earlier fragment
    cdef bint has_head
    cdef Py_ssize_t count  # items, the head included
    cdef Py_ssize_t size  # bytes of all items
    cdef Py_ssize_t first  # where the first item after the head starts at ptr
    cdef Py_ssize_t limit  # where the last of them has ended, with its separator
    cdef Py_ssize_t gap  # bytes between two items in the fragment; -1: an LF, or a CR and an LF, or see starts
    cdef int64_t *ends  # of the items in data(): `count` values
    cdef Py_ssize_t capacity  # of ends
    cdef int64_t *starts  # of the items at ptr, when gap is -1: given with them, or made when asked for

    cdef int set_head(self, PyObject *item) except -1
    cdef int64_t *grow(self, Py_ssize_t more) except NULL
    cdef int64_t *grow_starts(self) except NULL
    cdef int locate(self) except -1
    cdef Py_ssize_t start_of(self, Py_ssize_t index) noexcept
    cdef Py_ssize_t within(self, Py_ssize_t start, Py_ssize_t index) noexcept
    cdef Py_ssize_t size_of(self, Py_ssize_t index) noexcept
    cdef object make(self, Py_ssize_t index)


cdef Spans new_spans(object owner, const unsigned char *ptr, int kind)
