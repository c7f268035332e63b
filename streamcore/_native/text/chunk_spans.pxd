# cython: language_level=3
"""Chunks of a batch that still lie in their text; see chunk_spans.pyx."""

from libc.stdint cimport int64_t


cdef class ChunkSpans:
    cdef object text  # str that the chunks lie in
    cdef long long base, shift  # where the spans say that it begins; what their values lack to the stream's
    cdef Py_ssize_t count
    cdef int64_t *spans  # start and stop of each chunk

    cdef object make_text(self, Py_ssize_t index)
    cdef object make(self, Py_ssize_t index)
    cdef object places(self, Py_ssize_t which)
