# cython: language_level=3
"""What iterators over a source that they own have in common; see ``closing.pyx``."""

from cpython.object cimport PyObject

ctypedef PyObject* (*iternext)(object) except? NULL


cdef class Stream:
    cdef object source  # what is pulled; None once the end has begun
    cdef iternext next_item
    cdef bint passes  # items go through as they come: ``step`` is not called
    cdef bint running  # a pull or the end is under way
    cdef object __weakref__

    cdef int over(self, source) except -1
    cdef object pull(self, source, bint* ended)
    cdef int end(self, error) except -1

    # For subclasses to fill.
    cdef int let_go(self) noexcept
    cdef object step(self, source, bint* ended)
    cdef list detach(self, error)
