# cython: language_level=3, freethreading_compatible=True
"""Lines (twin: ``_pure.framing.lines``).

Goals: every line is known by one kernel pass over its bytes; a line inside a fragment costs its object and, for
``bytes``, one memcpy. Plan: a kernel fills a block with the offsets of the next few hundred ends, ``take()`` uses
them up; a batch takes whole blocks and makes no item at all.
"""

from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memchr

from streamcore._native.cpython cimport new_bytes, new_bytes_or_null
from streamcore._native.engine.span_engine cimport (
    AHEAD_BYTES, AHEAD_ITEMS, AS_BYTES, AS_STR, BATCH_BYTES, BATCH_ITEMS, Engine, Progress,
)
from streamcore._native.engine.spans cimport Spans, new_spans
from streamcore._native.kernels.scan cimport kernels

from streamcore._shared import options
from streamcore.batch import Batch

cdef extern from "framing/line_ends.h" nogil:
    size_t sc_count_crlf(const uint8_t *p, const uint32_t *found, size_t n, int at_start) noexcept
    void sc_ends_alike(const uint32_t *found, size_t n, int64_t shift, int64_t drop, int64_t *ends) noexcept
    void sc_ends_mixed(const uint8_t *p, const uint32_t *found, size_t n, int at_start, int64_t shift,
                       int64_t *ends) noexcept
    void sc_ends_rising(int64_t least, size_t n, int64_t *ends) noexcept

cdef enum:
    BLOCK = 1024  # offsets found ahead: 4 KiB of them
    SPAN = 1 << 16  # bytes scanned ahead at most: what take() then copies is still in L2
    LONG_LINE = 64  # bytes of a line from which memchr line by line beats a scan ahead: 18.4 against 21 ns at 100 bytes
    NOTHING = 0
    SWALLOW = 1  # a line ended with the CR at the end of a fragment: an LF that follows belongs to it
    HELD = 2  # the same with keepends: the line is emitted once the next byte is known

cdef tuple _types = (bytes, str, "view")


cdef class LinesEngine(Engine):
    """Cuts lines: at LF and CRLF (``newline="lf"``), or also at a lone CR (``"universal"``)."""

    cdef bint keepends, universal, long_lines
    cdef Py_ssize_t scanned, block_base
    cdef size_t found, used
    cdef uint32_t block[BLOCK]

    def __cinit__(self, *, keepends=False, newline="lf", max_size=options.DEFAULT_MAX_SIZE, on_oversize="raise",
                  on_incomplete="emit", as_=bytes, borrow=False):
        self.keepends = options.flag_option("keepends", keepends)
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
                        item = new_bytes(<const char *> self.ptr + start, stop - start)
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
            item = new_bytes_or_null(<const char *> ptr + start, size)
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
            item = new_bytes_or_null(<const char *> p, size)
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
