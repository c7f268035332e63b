# cython: language_level=3, freethreading_compatible=True
"""What ends a stream of text, for the engines that make text."""

from libc.stdint cimport uint8_t, uint32_t


cdef class StopFinder:
    cdef readonly object first_characters
    cdef readonly object found     # the stop string that ended the text, else None
    cdef bint stops                # whether there are any
    cdef uint8_t entrance[32]      # a bit for each lowest byte of a character that one begins with
    cdef list whole                # for each beginning of a stop string: the longest of them that it ends with, or ""
    cdef uint32_t *nodes           # one allocation for the five arrays below
    cdef uint32_t *size            # of each beginning, in characters
    cdef uint32_t *whole_size      # of what `whole` holds
    cdef uint32_t *shorter         # the longest other beginning that it ends with
    cdef uint32_t *first_edge      # count + 1 places in the edges: those of one beginning in the order of characters
    cdef uint32_t *characters
    cdef uint32_t *longer          # the beginning that is longer by this character
    cdef object held               # text that begins with what may become a stop string
    cdef uint32_t at               # the beginning that it ends with; 0: nothing is held
    cdef object match              # the first stop string in it, or ""
    cdef Py_ssize_t start          # and where that begins
    cdef int _build(self, list edges) except -1
    cdef int clear(self) except -1
    cdef bint passes(self, object text) noexcept
    cdef uint32_t step(self, uint32_t at, uint32_t char) noexcept nogil
    cdef str cut(self, str text, bint final)
