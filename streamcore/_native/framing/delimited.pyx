# cython: language_level=3, freethreading_compatible=True
"""Items between delimiters (twin: ``_pure.framing.delimited``).

Plan: ``delimiters.h`` runs the automaton of all delimiters over the fragment and notes where items end and begin,
some hundreds ahead; ``take()`` uses these events up.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memset

from streamcore._native.cpython cimport new_bytes
from streamcore._native.engine.span_engine cimport AS_BYTES, Engine
from streamcore._native.kernels.scan cimport kernels, sc_kernels, sc_set, sc_set_add, sc_set_init

from streamcore._shared import options
from streamcore._shared.delimiters import Automaton, delimiter_option

cdef extern from "framing/delimiters.h" nogil:
    ctypedef struct sc_node:
        int32_t child, sibling, failure, depth, found, found_count
        uint8_t byte, matched

    ctypedef struct sc_automaton:
        const sc_node *nodes
        const int32_t *found
        sc_set first
        const uint8_t *only
        size_t only_size

    ctypedef struct sc_run:
        ptrdiff_t *ends
        ptrdiff_t *starts
        size_t end_count, start_count
        int32_t node
        int open

    void sc_run_end(sc_run *run, ptrdiff_t at) noexcept
    size_t sc_run_span(const sc_automaton *a, const sc_kernels *k, sc_run *run, const uint8_t *p, size_t at, size_t n,
                       size_t capacity, size_t spare) noexcept
    void sc_run_finish(const sc_automaton *a, sc_run *run, ptrdiff_t at) noexcept

cdef enum:
    SPAN = 1 << 16  # bytes scanned ahead at most: what take() then copies is still in L2


cdef class DelimitedEngine(Engine):
    """Cuts at delimiters: the one that starts first wins, and of those that start together the longest."""

    cdef bint keep_delimiter
    cdef bint single  # every delimiter is one byte
    cdef Py_ssize_t scanned
    cdef size_t ends_used, starts_used, capacity, spare
    cdef sc_automaton automaton
    cdef sc_run run
    cdef sc_node *nodes
    cdef int32_t *pairs
    cdef bytes longest

    def __cinit__(self, *delimiters, keep=False, max_size=options.DEFAULT_MAX_SIZE, on_oversize="raise",
                  on_incomplete="emit", as_=bytes, borrow=False):
        self.keep_delimiter = options.flag_option("keep", keep)
        self.build(Automaton(delimiter_option(delimiters)))
        self.configure("Delimited", as_, borrow, max_size, on_oversize, on_incomplete)

    def __dealloc__(self):
        PyMem_RawFree(self.nodes)
        PyMem_RawFree(self.pairs)
        PyMem_RawFree(self.run.ends)

    cdef int build(self, automaton) except -1:
        """Copy the automaton into C and make room for its events."""
        cdef Py_ssize_t count = len(automaton.depth), pairs = 0, i, j
        cdef int32_t previous
        self.nodes = <sc_node *> PyMem_RawMalloc(count * sizeof(sc_node))
        self.longest = automaton.delimiters[0]
        self.single = len(self.longest) == 1
        self.spare = len(self.longest) + 2
        self.capacity = max(512, 2 * self.spare)
        self.run.ends = <ptrdiff_t *> PyMem_RawMalloc(2 * self.capacity * sizeof(ptrdiff_t))
        self.pairs = <int32_t *> PyMem_RawMalloc(sum(map(len, automaton.found)) * 2 * sizeof(int32_t) + 1)
        if self.nodes == NULL or self.run.ends == NULL or self.pairs == NULL:
            raise MemoryError()
        self.run.starts = self.run.ends + self.capacity
        memset(self.nodes, 0, count * sizeof(sc_node))
        for i in range(count):
            self.nodes[i].byte = automaton.last[i]
            self.nodes[i].depth = automaton.depth[i]
            self.nodes[i].matched = automaton.matched[i] > 0
            self.nodes[i].failure = automaton.failure[i]
            self.nodes[i].found = <int32_t> pairs
            self.nodes[i].found_count = <int32_t> len(automaton.found[i])
            for start, stop in automaton.found[i]:
                self.pairs[2 * pairs] = start
                self.pairs[2 * pairs + 1] = stop
                pairs += 1
            previous = 0
            for j in automaton.children[i].values():
                self.nodes[j].sibling = previous
                previous = <int32_t> j
            self.nodes[i].child = previous
        self.automaton.nodes = self.nodes
        self.automaton.found = self.pairs
        sc_set_init(&self.automaton.first)
        for byte in automaton.children[0]:
            sc_set_add(&self.automaton.first, byte)
        if len(automaton.delimiters) == 1:
            self.automaton.only = <const uint8_t *> PyBytes_AS_STRING(self.longest)
            self.automaton.only_size = len(self.longest)
        return 0

    cdef int begin(self) except -1:
        # progress: state is the node, open as in sc_run, flag says that the end of the item was used already.
        self.scanned = 0
        self.ends_used = self.starts_used = 0
        self.run.end_count = self.run.start_count = 0
        self.run.node = <int32_t> self.progress.state
        self.run.open = False
        if self.progress.open:
            if self.progress.flag:
                self.run.open = True
            else:
                sc_run_end(&self.run, -self.nodes[self.run.node].depth)
        return 0

    cdef int remember(self) noexcept:
        self.progress.state = self.run.node
        self.progress.open = self.run.open
        return 0

    cdef bint scan(self) noexcept:
        """Find events in what is not yet scanned; False when all is. Call it when all ends or starts are used up."""
        cdef uint32_t block[256]
        cdef size_t done = 0, found, i
        cdef sc_run *run = &self.run
        if self.scanned >= self.length:
            return False
        # With keep an end may wait for its start: at most one.
        if self.ends_used < run.end_count:
            run.ends[0] = run.ends[self.ends_used]
            run.end_count = 1
        else:
            run.end_count = 0
        run.start_count = self.ends_used = self.starts_used = 0
        if self.single:
            found = kernels().set(self.ptr + self.scanned, min(self.length - self.scanned, SPAN),
                                  &self.automaton.first, block, 256, &done)
            for i in range(found):
                run.ends[i] = self.scanned + block[i]
                run.starts[i] = run.ends[i] + 1
            run.end_count = run.start_count = found
            self.scanned += done
        else:
            self.scanned = sc_run_span(&self.automaton, kernels(), run, self.ptr, self.scanned,
                                       min(self.length, self.scanned + SPAN), self.capacity, self.spare)
        return True

    cdef int end(self) except -1:
        sc_run_finish(&self.automaton, &self.run, 0)
        return 0

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t start, stop
        cdef PyObject *item
        while True:
            if self.progress.flag and self.starts_used < self.run.start_count:
                self.progress.start = self.run.starts[self.starts_used]
                self.starts_used += 1
                self.progress.flag = False
            elif not self.progress.flag and self.ends_used < self.run.end_count:
                start = self.progress.start
                stop = self.run.ends[self.ends_used]
                if self.progress.discard:
                    self.progress.discard = False
                    item = NULL
                elif stop - start > self.max_size:
                    item = self.oversized(start)
                    if self.error is not None:
                        return NULL
                else:
                    if self.keep_delimiter:
                        if self.starts_used == self.run.start_count:
                            if self.scan():
                                continue
                            self.remember()
                            return NULL
                        stop = self.run.starts[self.starts_used]
                    if start >= 0 and self.kind == AS_BYTES:
                        item = new_bytes(<const char *> self.ptr + start, stop - start)
                    else:
                        item = self.cut(start, stop)
                        if item == NULL:
                            return NULL
                self.ends_used += 1
                self.progress.flag = True
                if item != NULL:
                    return item
            elif not self.scan():
                return self.take_last()

    cdef PyObject *take_last(self) except? NULL:
        """Nothing but the unfinished item is left: hold against the limit what cannot be part of a delimiter."""
        cdef Py_ssize_t start = self.progress.start, decided
        self.remember()
        if self.ended:
            return self.incomplete()
        if self.progress.flag:
            return NULL
        decided = self.length - self.nodes[self.run.node].depth
        if self.progress.discard:
            self.progress.start = decided
        elif decided - start > self.max_size:
            return self.overrun(start, decided)
        return NULL

    cdef int settle(self) except -1:
        if self.progress.flag:
            return self.keep(self.length - self.nodes[self.run.node].depth)
        return self.keep(self.progress.start)
