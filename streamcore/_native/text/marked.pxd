# cython: language_level=3
"""Markers in a stream of text or bytes, for the engines that cut there; the automaton is in markers.h."""

from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport uint32_t, uint8_t

from streamcore._native.kernels.scan cimport sc_kernels, sc_set
from streamcore._native.text.units cimport UnitEngine

cdef extern from "text/markers.h" nogil:
    enum:
        MARKERS_FIRSTS

    ctypedef struct markers:
        const uint32_t *size
        const uint32_t *shorter
        const uint32_t *whole
        const uint32_t *first_edge
        const uint32_t *edge_units
        const uint32_t *longer
        const uint32_t *units
        const uint32_t *string
        const uint32_t *marker_size
        const uint32_t *match
        const uint32_t *match_start
        uint32_t firsts[4]
        int first_count
        sc_set set
        uint8_t low[256]
        uint8_t only[2]
        size_t only_size
        int longest

    ctypedef struct markers_run:
        ptrdiff_t position
        ptrdiff_t start
        uint32_t at
        uint32_t match
        const uint32_t *held
        ptrdiff_t held_size

    uint32_t markers_step(const markers *m, uint32_t at, uint32_t unit) noexcept
    int markers_find(
        const markers *m, const sc_kernels *k, markers_run *run, const void *p, int width, ptrdiff_t n) noexcept
    void markers_begin(const markers *m, markers_run *run, uint32_t at) noexcept
    void markers_restart(markers_run *run, ptrdiff_t position) noexcept
    void markers_first(
        const markers *m, uint32_t *match, uint32_t *match_start, uint32_t at, uint32_t parent) noexcept


cdef class Markers:
    cdef markers m
    cdef uint32_t *memory  # of all arrays of m
    cdef list strings      # the markers
    cdef list of           # for each node, a marker that begins with its string

    cdef int build(self, list edges, Py_ssize_t units) except -1
    cdef int number(self, list edges, object string) except -1
    cdef int fill(self, list edges) except -1


cdef class MarkedEngine(UnitEngine):
    # progress.start: where what was not given yet begins; progress.flag: the node, when a fragment begins
    cdef list by_kind      # lists of Markers, those for bytes and those for text
    cdef Markers current   # what is looked for
    cdef object before     # a str or bytes that the fragment continues: its first `held` units come before the fragment
    cdef Py_ssize_t held
    cdef markers_run run
    cdef bint found        # `run` has found a marker that was not dealt with yet

    cdef int set_markers(self, list groups, bint longest) except -1
    cdef int look_for(self, Py_ssize_t group) except -1
    cdef bint find(self) noexcept
    cdef Py_ssize_t match_stop(self) noexcept
    cdef Py_ssize_t sure(self) noexcept
    cdef Py_ssize_t sure_with_marker(self) noexcept
    cdef object piece(self, Py_ssize_t start, Py_ssize_t stop)
    cdef Py_ssize_t group(self) noexcept
