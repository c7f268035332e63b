# cython: language_level=3
"""A tuple of an item of each of several async iterators; see ``row.pyx``."""

from cpython.object cimport PyObject


cdef class Row:
    cdef list parts  # the iterators after the first
    cdef Py_ssize_t filled  # items that are there
    cdef object got  # the first of a pair, or a list of those that are there

    cdef bint completes(self, PyObject** result) except -1
    cdef int forget(self) except -1
