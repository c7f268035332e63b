# cython: language_level=3
"""An iterator whose items stand in the place of one; see ``inner.pyx``."""

from cpython.object cimport PyObject


cdef class Inner:
    cdef object opened  # has the iterators that are open
    cdef object iterator  # the one whose items come next, or None

    cdef int opens(self) except -1
    cdef bint drawn(self, object config, bint* stepping, PyObject** result) except -1
