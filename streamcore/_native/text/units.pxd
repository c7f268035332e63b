# cython: language_level=3
"""Engines whose fragments are str or bytes-like: units of 1, 2 or 4 bytes, and offsets that count them."""

from streamcore._native.engine.span_engine cimport Engine

cdef enum:
    ANY_INPUT = 0
    BYTES_INPUT = 1
    TEXT_INPUT = 2


cdef class UnitEngine(Engine):
    cdef int input  # what fragments were until now: ANY_INPUT ...
    cdef bint text  # the fragment is str; so is what comes of none at all
    cdef int width  # bytes that a unit of the fragment has

    cdef int take_kind(self) except -1  # for settle(): the stream is of this kind from now on
    cdef object units(self, Py_ssize_t start, Py_ssize_t stop)  # the str or bytes in the fragment, start >= 0
