# cython: language_level=3, freethreading_compatible=True
"""Engines that cut by size, at line ends, or at delimiters (twin: ``_pure.framing.chunkers``).

Goals: every item is known by one kernel pass over its bytes; an item inside a fragment costs its object and, for
``bytes``, one memcpy. Plan: a kernel fills a block with the offsets of the next few hundred ends, ``take()`` uses
them up; a batch takes whole blocks and makes no item at all.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memchr, memset

from streamcore._native.engine.span_engine cimport (
    AHEAD_BYTES, AHEAD_ITEMS, AS_BYTES, AS_STR, BATCH_BYTES, BATCH_ITEMS, Engine, Progress,
)
from streamcore._native.kernels.scan cimport kernels, sc_kernels, sc_set, sc_set_add, sc_set_init
from streamcore._native.engine.spans cimport Spans, new_spans

from streamcore._shared import options
from streamcore._shared.delimiters import Automaton, delimiter_option
from streamcore.batch import Batch

cdef extern from *:
    PyObject *PyBytes_FromStringAndSize(const char *data, Py_ssize_t size) except NULL
    PyObject *sc_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) noexcept
    void PyErr_Clear() noexcept

cdef extern from "framing/line_ends.h" nogil:
    size_t sc_count_crlf(const uint8_t *p, const uint32_t *found, size_t n, int at_start) noexcept
    void sc_ends_alike(const uint32_t *found, size_t n, int64_t shift, int64_t drop, int64_t *ends) noexcept
    void sc_ends_mixed(const uint8_t *p, const uint32_t *found, size_t n, int at_start, int64_t shift,
                       int64_t *ends) noexcept
    void sc_ends_rising(int64_t least, size_t n, int64_t *ends) noexcept

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
    BLOCK = 1024  # offsets found ahead: 4 KiB of them
    SPAN = 1 << 16  # bytes scanned ahead at most: what take() then copies is still in L2
    LONG_LINE = 64  # bytes of a line from which memchr line by line beats a scan ahead: 18.4 against 21 ns at 100 bytes
    NOTHING = 0
    SWALLOW = 1  # a line ended with the CR at the end of a fragment: an LF that follows belongs to it
    HELD = 2  # the same with keepends: the line is emitted once the next byte is known

cdef tuple _types = (bytes, str, "view")


cdef class FixedSizeEngine(Engine):
    """Cuts items of ``size`` bytes; the last one may be shorter.

    ``as_`` is ``"view"``, ``bytes`` or ``str`` (each item decoded as UTF-8 by itself).
    """

    cdef Py_ssize_t size

    def __cinit__(self, size, *, on_incomplete="emit", as_="view", borrow=False):
        self.size = options.size_option("size", size)
        self.configure("FixedSize", as_, borrow, None, "raise", on_incomplete)

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t start = self.progress.start
        cdef PyObject *item
        if self.ended:
            return self.incomplete()
        if self.length - start < self.size:
            return NULL
        item = self.cut(start, start + self.size)
        if item != NULL:
            self.progress.start = start + self.size
        return item

    cdef int settle(self) except -1:
        return self.keep(self.progress.start)


cdef class LinesEngine(Engine):
    """Cuts lines: at LF and CRLF (``newline="lf"``), or also at a lone CR (``"universal"``)."""

    cdef bint keepends, universal, long_lines
    cdef Py_ssize_t scanned, block_base
    cdef size_t found, used
    cdef uint32_t block[BLOCK]

    def __cinit__(self, *, keepends=False, newline="lf", max_size=options.DEFAULT_MAX_SIZE, on_oversize="raise",
                  on_incomplete="emit", as_=bytes, borrow=False):
        self.keepends = bool(keepends)
        self.universal = options.choice_option("newline", newline, ("lf", "universal"))
        self.configure("Lines", as_, borrow, max_size, on_oversize, on_incomplete)

    cdef int begin(self) except -1:
        self.scanned = self.block_base = 0
        self.found = self.used = 0
        if self.progress.state == SWALLOW and self.length:
            self.progress.state = NOTHING
            if self.ptr[0] == c"\n":
                self.progress.start = 1
        return 0

    cdef bint scan(self) noexcept:
        """Fill the block from what is not yet scanned; False when all is."""
        cdef size_t done = 0
        cdef Py_ssize_t span = min(self.length - self.scanned, SPAN)
        cdef const unsigned char *stop
        if span <= 0:
            return False
        self.block_base = self.scanned
        self.used = 0
        if self.long_lines:  # only the next line end: take_long() finds the others
            stop = <const unsigned char *>memchr(self.ptr + self.scanned, c"\n", self.length - self.scanned)
            self.scanned = stop + 1 - self.ptr if stop != NULL else self.length
            self.block_base = self.scanned - 1
            self.block[0] = 0
            self.found = stop != NULL
            return True
        if self.universal:
            self.found = kernels().newline(self.ptr + self.scanned, span, &self.progress.flag, self.block, BLOCK, &done)
        else:
            self.found = kernels().byte(self.ptr + self.scanned, span, c"\n", self.block, BLOCK, &done)
        self.scanned += done
        return True

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t start, stop, after
        cdef PyObject *item
        if self.progress.state == HELD:
            return self.take_held()
        while True:
            while self.used < self.found:
                start = self.progress.start
                stop = self.block_base + self.block[self.used]
                after = stop + 1
                if self.universal:
                    if stop < start:  # an LF after the CR that was one itself when it was looked for: lent memory
                        self.used += 1
                        continue
                    if self.ptr[stop] == c"\r":
                        if after < self.length:
                            after += self.ptr[after] == c"\n"
                        elif not self.keepends or self.progress.discard or stop - start > self.max_size:
                            self.progress.state = SWALLOW
                        else:
                            return NULL  # settle() holds the line
                elif start >= 0:
                    if stop > start and self.ptr[stop - 1] == c"\r":
                        stop -= 1
                elif self.at(stop - 1) == c"\r":
                    stop -= 1
                if self.progress.discard:
                    self.progress.discard = False
                    item = NULL
                elif stop - start > self.max_size:
                    item = self.oversized(start)
                    if self.error is not None:
                        return NULL
                else:
                    if self.keepends:
                        stop = after
                    if start >= 0 and self.kind == AS_BYTES:
                        item = PyBytes_FromStringAndSize(<const char *> self.ptr + start, stop - start)
                    else:
                        item = self.cut(start, stop)
                        if item == NULL:
                            return NULL
                self.progress.start = after
                self.used += 1
                if item != NULL:
                    return item
            if not self.scan():
                return self.take_last()

    cdef int take_some(self, PyObject **items) except -1:
        # The common case with nothing in it but the cut; anything else is left to take().
        cdef Py_ssize_t start = self.progress.start, stop, limit = self.max_size, size, total = 0
        cdef const unsigned char *ptr = self.ptr
        cdef size_t used
        cdef int count = 0
        cdef bint keepends = self.keepends
        cdef PyObject *item
        if self.universal or self.kind != AS_BYTES or start < 0 or self.progress.discard or self.ended:
            return Engine.take_some(self, items)
        if self.used == self.found:
            if self.long_lines and self.scanned <= start < self.length:
                return self.take_long(items)
            if not self.scan():
                return Engine.take_some(self, items)
        used = self.used
        while used < self.found and count < AHEAD_ITEMS and total < AHEAD_BYTES:
            stop = self.block_base + self.block[used]
            size = stop - start
            if size and ptr[stop - 1] == c"\r":
                size -= 1
            if size > limit:
                break
            if keepends:
                size = stop + 1 - start
            item = sc_bytes(<const char *> ptr + start, size)
            if item == NULL:
                break
            items[count] = item
            count += 1
            used += 1
            total += size
            start = stop + 1
        self.progress.start = start
        self.used = used
        PyErr_Clear()  # out of memory after some items, or before the first: what follows tries again
        if count:
            self.long_lines = total >= count * LONG_LINE
            return count
        return Engine.take_some(self, items)

    cdef int take_long(self, PyObject **items) except -1:
        # As take_some(), for lines that are best found one by one: each is still in L1 when it is copied.
        cdef Py_ssize_t limit = self.max_size, size, total = 0
        cdef const unsigned char *p = self.ptr + self.progress.start
        cdef const unsigned char *last = self.ptr + self.length
        cdef const unsigned char *stop = p
        cdef int count = 0
        cdef bint keepends = self.keepends
        cdef PyObject *item
        while count < AHEAD_ITEMS and total < AHEAD_BYTES:
            stop = <const unsigned char *>memchr(p, c"\n", last - p)
            if stop == NULL:
                break
            size = stop - p
            if size and stop[-1] == c"\r":
                size -= 1
            if size > limit:
                break
            if keepends:
                size = stop + 1 - p
            item = sc_bytes(<const char *> p, size)
            if item == NULL:
                break
            items[count] = item
            count += 1
            total += size
            p = stop + 1
        self.progress.start = p - self.ptr
        self.scanned = self.length if stop == NULL else self.progress.start
        self.used = self.found = 0
        PyErr_Clear()  # out of memory after some items, or before the first: what follows tries again
        if count:
            self.long_lines = total >= count * LONG_LINE
            return count
        return Engine.take_some(self, items)

    cdef PyObject *take_held(self) except? NULL:
        """The line that ended with the CR at the end of the fragment before, once that cannot be a CRLF any more."""
        cdef Py_ssize_t stop = 0
        cdef PyObject *item
        if not self.length and not self.ended:
            return NULL
        if self.length and self.ptr[0] == c"\n":
            stop = 1
        item = self.cut(self.progress.start, stop)
        if item != NULL:
            self.progress.start = stop
            self.progress.state = NOTHING
        return item

    cdef PyObject *take_last(self) except? NULL:
        """Nothing but the unfinished line is left: hold it against the limit."""
        cdef Py_ssize_t start = self.progress.start, stop = self.length
        if self.ended:
            return self.incomplete()
        if self.progress.discard:
            self.progress.start = stop
            return NULL
        if stop - start > self.max_size and not self.universal and self.at(stop - 1) == c"\r":
            stop -= 1
        if stop - start > self.max_size:
            return self.overrun(start, self.length)
        return NULL

    cdef int settle(self) except -1:
        self.keep(self.progress.start)
        if self.used < self.found:
            self.progress.state = HELD
        return 0

    cdef object take_batch(self):
        # Without these no line needs a look of its own. A first line that began in earlier fragments is made here,
        # the others stay in the fragment.
        cdef Progress saved = self.progress
        if (self.universal or saved.discard or self.kind == AS_STR or self.ended
                or self.length - saved.start > self.max_size):
            return Engine.take_batch(self)
        try:
            return self.take_lines()
        except BaseException:
            self.progress = saved
            self.begin()
            self.scanned = max(saved.start, 0)
            raise

    cdef object take_lines(self):
        cdef Spans spans = new_spans(self.owner, self.ptr, self.kind)
        cdef PyObject *item
        if self.progress.start < 0:
            item = self.take()
            if item == NULL:
                return None
            spans.set_head(item)
        return self.take_spans(spans)

    cdef object take_spans(self, Spans spans):
        cdef Py_ssize_t start = self.progress.start, last = start + BATCH_BYTES, carriage_returns = 0
        cdef const unsigned char *p
        cdef const uint32_t *found
        cdef bint at_start
        cdef size_t count, crlf
        cdef int64_t *out
        cdef int64_t shift
        spans.first = start
        while True:
            count = self.found - self.used
            if count:
                out = spans.grow(count)
                p = self.ptr + self.block_base
                found = self.block + self.used
                at_start = self.block_base == 0
                # From an offset in this block to an end in the compacted data.
                shift = spans.size + self.block_base - self.progress.start
                crlf = 0 if self.keepends else sc_count_crlf(p, found, count, at_start)
                if crlf:
                    sc_ends_mixed(p, found, count, at_start, shift, out)
                    if self.lent:
                        sc_ends_rising(spans.size, count, out)
                else:
                    sc_ends_alike(found, count, shift + self.keepends, not self.keepends, out)
                carriage_returns += crlf
                spans.count += count
                spans.size = out[count - 1]
                self.progress.start = self.block_base + found[count - 1] + 1
                self.used = self.found
            if spans.count > BATCH_ITEMS - BLOCK or self.progress.start >= last or not self.scan():
                break
        if not spans.count:
            return None
        spans.limit = self.progress.start
        if self.keepends:
            spans.gap = 0
        elif carriage_returns:
            spans.gap = 2 if carriage_returns == spans.count - spans.has_head else -1
        batch = Batch.__new__(Batch)  # as Batch._of_spans(), which would cost as much as scanning 15 KB
        batch._spans = spans
        if self.kind != AS_BYTES:
            batch.as_ = _types[self.kind]
        return batch


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
        self.keep_delimiter = bool(keep)
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
                        item = PyBytes_FromStringAndSize(<const char *> self.ptr + start, stop - start)
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
