# cython: language_level=3
"""``TextChunk``; see text_chunk.pyx."""


cdef class TextChunk:
    cdef str _text
    cdef long long _start, _stop


cdef TextChunk new_chunk(str text, long long start, long long stop)
