# cython: language_level=3
"""Special tokens to look for in UTF-8; see special_tokens.pyx."""

from libc.stdint cimport uint8_t, uint32_t
from libc.stddef cimport size_t

cdef extern from "bpe/text.h" nogil:
    ctypedef struct bpe_names:
        uint32_t count
        const uint8_t *bytes
        const size_t *starts
        const uint32_t *ids

    void bpe_names_index(bpe_names *names)


cdef class SpecialTokens:
    cdef bpe_names names
    cdef list texts           # the same as str
    cdef object matcher       # what finds them where they have flags, else None
    cdef bytes data
    cdef size_t *starts
    cdef uint32_t *ids
