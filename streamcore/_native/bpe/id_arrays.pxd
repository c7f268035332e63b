# cython: language_level=3, freethreading_compatible=True
"""Token ids as numpy arrays, for the native modules that make them."""

from libc.stdint cimport uint32_t


cdef object new_ids(const uint32_t *ids, size_t count)
cdef object adopt_ids(uint32_t *ids, size_t count)
