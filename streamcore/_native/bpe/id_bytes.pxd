# cython: language_level=3, freethreading_compatible=True
"""Ids to the bytes of their tokens, for the native modules that decode."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from streamcore._native.bpe.core cimport bpe_decoder

cdef enum:
    SMALL = 512   # bytes that are made on the stack


cdef struct Output:      # bytes being made
    uint8_t *data        # SMALL bytes of the caller's (own is False) until they are too few
    size_t made, room
    bint own


cdef void begin_output(Output *out, uint8_t *small) noexcept
cdef void free_output(Output *out) noexcept
cdef int reserve_output(Output *out, size_t more) except -1
cdef bint copy_tokens(const bpe_decoder *tokens, object ids, size_t *known, Output *out) except -1
