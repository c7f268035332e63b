# cython: language_level=3, freethreading_compatible=True
"""Frames that begin with their length (twin: ``_pure.framing.length_prefixed``).

Goals: a frame inside a fragment costs its object and, for ``bytes``, one memcpy; what a frame declares is held against
the limit before any of its body is held, and never allocated. Plan: ``lengths.h`` reads the field; as long as a frame
is unfinished its head, a few bytes, is read again for each fragment: no state is kept beside where the frame starts.
"""

from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

from streamcore._native.cpython cimport new_bytes_or_null
from streamcore._native.engine.span_engine cimport (
    AHEAD_BYTES, AHEAD_ITEMS, AS_BYTES, AS_STR, BATCH_BYTES, BATCH_ITEMS, EMIT_INCOMPLETE, Engine, Progress,
    SKIP_OVERSIZE, TRUNCATE_OVERSIZE,
)
from streamcore._native.engine.spans cimport Spans, new_spans

from streamcore._shared import length_prefixes, options
from streamcore.batch import Batch
from streamcore.errors import InvalidFrame, ItemTooLarge

cdef extern from "framing/lengths.h" nogil:
    enum:
        SC_LENGTH_BIG
        SC_LENGTH_LITTLE
        SC_LENGTH_VARINT
        SC_LENGTH_ASCII

    enum:
        SC_LENGTH_MORE
        SC_LENGTH_READY
        SC_LENGTH_VARINT_RANGE
        SC_LENGTH_DIGIT
        SC_LENGTH_ZERO
        SC_LENGTH_DIGITS
        SC_LENGTH_NEGATIVE
        SC_LENGTH_BYTES

    ctypedef struct sc_prefix:
        int kind
        unsigned int width
        int64_t adjust

    ctypedef struct sc_length:
        uint64_t value
        int last
        uint8_t wrong
        uint64_t body
        size_t used

    int sc_read_length(const sc_prefix *f, const uint8_t *p, size_t n, sc_length *out) noexcept

cdef enum:
    BLOCK = 256  # frames of a batch between two looks at its room

cdef tuple _types = (bytes, str, "view")


cdef class LengthPrefixedEngine(Engine):
    """Cuts frames: ``offset`` bytes, a length field, and as many bytes of body as that says."""

    cdef sc_prefix prefix
    cdef Py_ssize_t offset_size  # bytes before the field
    cdef bint keep_head, limited
    cdef Py_ssize_t tail  # bytes behind the body: the comma of a netstring
    cdef object checked  # the options, for messages

    def __cinit__(self, prefix="u32be", *, offset=0, adjust=0, includes_prefix=False, keep_head=False,
                  max_size=options.DEFAULT_MAX_SIZE, on_oversize="raise", on_incomplete="raise", as_=bytes,
                  borrow=False):
        checked = length_prefixes.Prefix(prefix, offset, adjust, includes_prefix)
        self.checked = checked
        self.offset_size = checked.offset
        self.prefix.adjust = checked.adjust
        self.prefix.width = checked.width
        self.prefix.kind = SC_LENGTH_LITTLE if checked.order == "little" else SC_LENGTH_BIG
        if checked.varint:
            self.prefix.kind = SC_LENGTH_VARINT
        elif checked.ascii:
            self.prefix.kind = SC_LENGTH_ASCII
            self.tail = 1
        self.keep_head = options.flag_option("keep_head", keep_head)
        self.limited = max_size is not None
        self.configure("LengthPrefixed", as_, borrow, max_size, on_oversize, on_incomplete)

    cdef int read_head(self, Py_ssize_t start, sc_length *found) noexcept:
        """The length of the frame at ``start``."""
        cdef uint8_t field[SC_LENGTH_BYTES]
        cdef Py_ssize_t at = start + self.offset_size, size = self.length - at, i
        if size <= 0:
            return SC_LENGTH_MORE
        if at >= 0:
            return sc_read_length(&self.prefix, self.ptr + at, size, found)
        size = min(size, SC_LENGTH_BYTES)
        for i in range(size):
            field[i] = self.at(at + i)
        return sc_read_length(&self.prefix, field, size, found)

    cdef PyObject *take(self) except? NULL:
        # progress, inside an oversized frame: state is how much of its body is to come, open the bytes after that.
        cdef sc_length found
        cdef Py_ssize_t start, body, stop
        cdef int status
        cdef PyObject *item
        while not self.ended:
            if self.progress.discard:
                if not self.pass_over():
                    return NULL
                continue
            start = self.progress.start
            status = self.read_head(start, &found)
            if status != SC_LENGTH_READY:
                if status != SC_LENGTH_MORE:
                    self.refuse(status, &found)
                return NULL
            body = start + self.offset_size + found.used
            if found.body > <uint64_t> self.max_size:
                item = self.take_oversized(body, &found)
                if item != NULL or not self.progress.discard:
                    return item
                continue
            if not self.has(body, found.body):
                return NULL
            stop = body + <Py_ssize_t> found.body
            if self.tail and self.at(stop) != c",":
                self.fail_end(self.at(stop), self.base + start)
                return NULL
            if self.keep_head:
                item = self.cut(start, stop + self.tail)
            else:
                item = self.cut(body, stop)
            if item != NULL:
                self.progress.start = stop + self.tail
            return item
        return self.take_last()

    cdef inline bint has(self, Py_ssize_t body, uint64_t size) noexcept:
        """Whether a body of ``size`` bytes, with what ends it, is there; ``size`` fits into a Py_ssize_t."""
        return <Py_ssize_t> size <= self.length - body - self.tail

    cdef PyObject *take_oversized(self, Py_ssize_t body, sc_length *found) except? NULL:
        """What max_size makes of the frame whose head is read: its beginning, or NULL, with or without ``discard``."""
        cdef Py_ssize_t start = self.progress.start, stop = body
        cdef PyObject *item = NULL
        if not self.limited:  # larger than memory: the end of input will come before
            return NULL
        if self.on_oversize == TRUNCATE_OVERSIZE:
            if self.length - body < self.max_size:
                return NULL
            stop = body + self.max_size
            item = self.cut(start if self.keep_head else body, self.whole_characters(body, stop))
            if item == NULL:
                return NULL
        elif self.on_oversize == SKIP_OVERSIZE:
            self.progress.skipped += 1
        else:
            self.fail(ItemTooLarge(self.declared(found) + self.checked.adjust, self.max_size, self.base + start),
                      self.base + start)
            return NULL
        self.progress.discard = True
        self.progress.discarded = self.base + start
        self.progress.start = stop
        self.progress.state = <Py_ssize_t> min(found.body - <uint64_t> (stop - body), <uint64_t> PY_SSIZE_T_MAX)
        self.progress.open = <int> self.tail
        return item

    cdef Py_ssize_t whole_characters(self, Py_ssize_t body, Py_ssize_t stop) noexcept:
        """``stop``, or for str where a character begins that does not fit before it."""
        cdef Py_ssize_t at = stop
        cdef uint8_t byte
        if self.kind != AS_STR:
            return stop
        while at > body and at > stop - 3:
            at -= 1
            byte = self.at(at)
            if byte < 0x80:
                return stop
            if byte >= 0xC0:
                return at if at + (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) > stop else stop
        return stop

    cdef bint pass_over(self) except -1:
        """Leave out what is there of an oversized frame; True once its end was there."""
        cdef Py_ssize_t size = min(self.progress.state, self.length - self.progress.start)
        self.progress.start += size
        self.progress.state -= size
        if self.progress.state:
            return False
        if self.progress.open:
            if self.progress.start == self.length:
                return False
            if self.at(self.progress.start) != c",":
                self.fail_end(self.at(self.progress.start), self.progress.discarded)
                return False
            self.progress.start += 1
            self.progress.open = 0
        self.progress.discard = False
        return True

    cdef PyObject *take_last(self) except? NULL:
        """The end of input, perhaps in a frame: what is there of its body, if that is wanted and has begun."""
        cdef Py_ssize_t start = self.progress.start, body, stop = 0
        cdef PyObject *item = NULL
        cdef sc_length found
        if self.progress.discard or start == 0 or self.on_incomplete != EMIT_INCOMPLETE:
            return self.incomplete()
        if self.read_head(start, &found) == SC_LENGTH_READY:
            body = start + self.offset_size + found.used
            if body < 0:
                if found.body < <uint64_t> -body:
                    stop = body + <Py_ssize_t> found.body
                item = self.cut(start if self.keep_head else body, stop)
                if item == NULL:
                    return NULL
        self.progress.start = 0
        return item

    # ---- many at once ----

    cdef int take_some(self, PyObject **items) except -1:
        # The common case with nothing in it but the cut; anything else is left to take().
        cdef Py_ssize_t start = self.progress.start, body, total = 0, size
        cdef uint64_t limit = self.max_size
        cdef sc_length found
        cdef int count = 0
        cdef PyObject *item
        if self.kind != AS_BYTES or start < 0 or self.progress.discard or self.ended:
            return Engine.take_some(self, items)
        while count < AHEAD_ITEMS and total < AHEAD_BYTES:
            body = self.complete(start, limit, &found)
            if body < 0:
                break
            size = <Py_ssize_t> found.body
            if self.keep_head:
                item = new_bytes_or_null(<const char *> self.ptr + start, body - start + size + self.tail)
            else:
                item = new_bytes_or_null(<const char *> self.ptr + body, size)
            if item == NULL:
                break
            items[count] = item
            count += 1
            total += size
            start = body + size + self.tail
        PyErr_Clear()  # out of memory after some items, or before the first: what follows tries again
        self.progress.start = start
        return count if count else Engine.take_some(self, items)

    cdef inline Py_ssize_t complete(self, Py_ssize_t start, uint64_t limit, sc_length *found) noexcept:
        """Where the body of the frame at ``start`` begins; -1 unless it is right, small enough and all here."""
        cdef Py_ssize_t at = start + self.offset_size, body
        if at >= self.length or sc_read_length(&self.prefix, self.ptr + at, self.length - at, found) != SC_LENGTH_READY:
            return -1
        body = at + found.used
        if found.body > limit or not self.has(body, found.body):
            return -1
        if self.tail and self.ptr[body + <Py_ssize_t> found.body] != c",":
            return -1
        return body

    cdef object take_batch(self):
        # A first frame that began in earlier fragments is made here, the others stay in the fragment.
        cdef Progress saved = self.progress
        if saved.discard or self.kind == AS_STR or self.ended or self.gathered is not None:
            return Engine.take_batch(self)
        try:
            batch = self.take_frames()
        except BaseException:
            self.progress = saved
            raise
        if batch is None and self.error is None:
            return Engine.take_batch(self)
        return batch

    cdef object take_frames(self):
        cdef Spans spans = new_spans(self.owner, self.ptr, self.kind)
        cdef PyObject *item
        if self.progress.start < 0:
            item = self.take()
            if item == NULL:
                return None
            spans.set_head(item)
        if self.progress.start >= 0 and not self.progress.discard:
            self.take_spans(spans)
        if not spans.count:
            return None
        batch = Batch.__new__(Batch)
        batch._spans = spans
        if self.kind != AS_BYTES:
            batch.as_ = _types[self.kind]
        return batch

    cdef int take_spans(self, Spans spans) except -1:
        cdef Py_ssize_t start = self.progress.start, last = start + BATCH_BYTES, body = 0, at, size, total = spans.size
        cdef uint64_t limit = self.max_size
        cdef bint scattered = not self.prefix.width and not self.keep_head
        cdef int64_t *ends
        cdef int64_t *starts = NULL
        cdef sc_length found
        cdef Py_ssize_t count
        spans.gap = 0 if self.keep_head else self.offset_size + self.prefix.width
        spans.first = start if self.keep_head else start + spans.gap
        if scattered:
            spans.gap = -1
        while body >= 0 and spans.count <= BATCH_ITEMS - BLOCK and start < last:
            ends = spans.grow(BLOCK)
            if scattered:
                starts = spans.grow_starts()
            count = 0
            while count < BLOCK and start < last:
                body = self.complete(start, limit, &found)
                if body < 0:
                    break
                size = <Py_ssize_t> found.body
                at = start if self.keep_head else body
                start = body + size + self.tail
                total += start - at if self.keep_head else size
                if scattered:
                    starts[count] = at
                ends[count] = total
                count += 1
            spans.count += count
        spans.size = total
        spans.limit = self.progress.start = start
        return 0

    # ---- errors ----

    cdef object declared(self, sc_length *found):
        """The value of the length field, which may be beyond 64 bits in a netstring."""
        return found.value if found.last < 0 else found.value * <object> 10 + found.last

    cdef int refuse(self, int status, sc_length *found) except -1:
        cdef long long offset = self.base + self.progress.start
        if status == SC_LENGTH_VARINT_RANGE:
            reason = length_prefixes.VARINT_TOO_LARGE
        elif status == SC_LENGTH_ZERO:
            reason = length_prefixes.LEADING_ZERO
        elif status == SC_LENGTH_DIGITS:
            reason = length_prefixes.TOO_MANY_DIGITS
        elif status == SC_LENGTH_DIGIT:
            reason = length_prefixes.wrong_digit(found.wrong)
        else:
            reason = self.checked.negative(self.declared(found))
        return self.fail(InvalidFrame(reason, offset), offset)

    cdef int fail_end(self, uint8_t byte, long long offset) except -1:
        return self.fail(InvalidFrame(length_prefixes.wrong_end(byte), offset), offset)

    cdef int settle(self) except -1:
        return self.keep(self.progress.start)
