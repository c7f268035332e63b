# cython: language_level=3, freethreading_compatible=True
"""JSON Lines, and JSON text sequences (twin: ``_pure.framing.json_lines``).

Goals: each byte is looked at once, and still in L1 when ``loads`` reads it; blank lines are not held; what ``loads``
raises spoils no other line. Plan: white space that opens a line is passed over first, so that a line is known to be
blank without a second look; then ``memchr`` finds its end. ``progress.flag`` says how far the line is, ``state`` counts
the lines that have ended; ``open`` says that white space of its beginning was let go of, and ``discarded`` then where
the line begins.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject, Py_EQ, Py_NE
from libc.string cimport memchr

from streamcore._native.cpython cimport own, steal
from streamcore._native.engine.span_engine cimport (
    AS_BYTES, AS_VIEW, DROP_INCOMPLETE, Engine, RAISE_INCOMPLETE, SKIP_OVERSIZE,
)
from streamcore._native.kernels.utf8_text cimport text_of

import json

from streamcore._shared import options, records
from streamcore.errors import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge

cdef const char *BYTE_ORDER_MARK = "\xef\xbb\xbf"
cdef Py_ssize_t LEAD = records.LEAD, SHOWN = records.SHOWN

cdef enum Mode:
    MARK  # at the start of the stream, perhaps in a byte-order mark
    BLANK  # nothing but white space has come of the line
    RECORD

cdef enum:
    FAIL
    SKIP
    YIELD


@cython.final
cdef class InvalidRecord:
    """InvalidRecord(line, offset, raw, error)
    --

    A record that ``loads`` refused: the number of its line, from 1, the byte offset of that, its bytes, and the
    exception.
    """

    cdef readonly long long line
    cdef readonly long long offset
    cdef readonly bytes raw
    cdef readonly object error

    __match_args__ = ("line", "offset", "raw", "error")

    def __cinit__(self, line, offset, raw, error):
        self.line, self.offset, self.raw, self.error = records.checked_record(line, offset, raw, error)

    def __repr__(self):
        return f"InvalidRecord(line={self.line}, offset={self.offset}, raw={self.raw!r}, error={self.error!r})"

    def __hash__(self):
        return hash((self.line, self.offset, self.raw, type(self.error)))

    def __richcmp__(self, other, int op):
        """Whether it is the same record, refused by an exception of the same type and arguments."""
        cdef InvalidRecord one
        if type(other) is not InvalidRecord or op not in (Py_EQ, Py_NE):
            return NotImplemented
        one = <InvalidRecord> other
        same = (self.line == one.line and self.offset == one.offset and self.raw == one.raw
                and type(self.error) is type(one.error) and self.error.args == one.error.args)
        return bool(same) is (op == Py_EQ)

    def __reduce__(self):
        return InvalidRecord, (self.line, self.offset, self.raw, self.error)


@cython.final
cdef class JSONLinesEngine(Engine):
    """JSONLinesEngine(loads=json.loads, *, on_error='raise', sequence=False, max_size=67108864, ...)
    --

    Cuts lines and gives what ``loads`` makes of each; with ``sequence`` the texts of RFC 7464. Batches have the lines.
    """

    cdef object loads
    cdef int on_error
    cdef bint sequence
    cdef int end_byte
    cdef bint bare  # batches are made, of the lines
    cdef Py_ssize_t scanned

    def __cinit__(self, loads=json.loads, *, on_error="raise", sequence=False, max_size=options.DEFAULT_MAX_SIZE,
                  on_oversize="raise", on_incomplete="emit", as_=bytes):
        self.loads = records.loads_option(loads)
        self.on_error = options.choice_option("on_error", on_error, ("raise", "skip", "yield"))
        self.sequence = options.flag_option("sequence", sequence)
        self.end_byte = 0x1E if self.sequence else 0x0A
        self.configure("JSONLines", as_, False, max_size, records.oversize_option(on_oversize), on_incomplete)

    cdef int begin(self) except -1:
        self.scanned = 0
        return 0

    cdef int settle(self) except -1:
        return self.keep(self.progress.start)

    cdef object take_batch(self):
        self.bare = True
        try:
            return Engine.take_batch(self)
        finally:
            self.bare = False

    # ---- lines ----

    cdef PyObject *take(self) except? NULL:
        cdef const unsigned char *found
        cdef Py_ssize_t at, stop
        cdef PyObject *item
        if self.error is not None:
            return NULL
        if self.ended:
            return self.take_last()
        if self.progress.flag == MARK and not self.pass_mark():
            return NULL
        while True:
            at = max(self.scanned, self.progress.start)
            if self.progress.flag == BLANK:
                while at < self.length and self.is_white(self.ptr[at]):
                    at += 1
                if at < self.length and self.ptr[at] != self.end_byte:
                    self.begin_record(at)
            found = NULL
            if at < self.length:
                found = <const unsigned char *> memchr(self.ptr + at, self.end_byte, self.length - at)
            if found == NULL:
                self.scanned = self.length
                self.hold()
                return NULL
            stop = found - self.ptr
            self.scanned = stop
            item = NULL
            if self.progress.flag == RECORD and not self.progress.discard:
                if self.base + stop - self.line_at() > self.max_size:
                    self.leave_out(self.line_at())
                else:
                    item = self.record(self.progress.start, stop)
                if self.error is not None:
                    return NULL
            self.end_line(stop + 1)
            if item != NULL:
                return item

    cdef PyObject *take_last(self) except? NULL:
        """At the end of input, what on_incomplete makes of the carry: an item, or NULL (dropped, or failed)."""
        cdef Py_ssize_t start = self.progress.start
        cdef PyObject *item = NULL
        cdef long long offset = self.progress.discarded if self.progress.discard else self.line_at()
        if start == 0 and not self.progress.discard or self.progress.flag == BLANK:
            return NULL
        if not self.progress.discard and self.base - offset > self.max_size:  # what only began like a mark
            self.leave_out(offset)
        if self.error is None and self.on_incomplete == RAISE_INCOMPLETE and not self.has_line_end(start):
            self.fail(IncompleteItem(self.base - offset, offset), self.base)
        if self.error is not None:
            return NULL
        if not self.progress.discard and (self.on_incomplete != DROP_INCOMPLETE or self.has_line_end(start)):
            item = self.record(start, 0)
            if self.error is not None:
                return NULL
        self.end_line(0)
        return item

    cdef bint is_white(self, unsigned char byte) noexcept:
        return byte == c" " or byte == c"\t" or byte == c"\r" or (byte == c"\n" and self.sequence)

    cdef long long line_at(self) noexcept:
        """The stream offset of the line."""
        return self.progress.discarded if self.progress.open else self.base + self.progress.start

    cdef bint pass_mark(self) noexcept:
        """False if all that is there may be the beginning of a byte-order mark."""
        cdef Py_ssize_t start = self.progress.start, size = 0
        if self.base + start == 0:
            while size < 3 and start + size < self.length:
                if self.at(start + size) != <unsigned char> BYTE_ORDER_MARK[size]:
                    break
                size += 1
            if size < 3 and start + size == self.length:
                return False
        self.progress.flag = BLANK
        if size == 3:
            self.progress.start = start + 3
        elif start < 0:
            self.progress.flag = RECORD
        return True

    cdef int begin_record(self, Py_ssize_t at) noexcept:
        """The byte at ``at`` is the first one of the line that is no white space."""
        cdef long long line_at = self.line_at()
        self.progress.flag = RECORD
        if self.base + at - line_at > LEAD:
            self.let_go(at, line_at)
        return 0

    cdef int let_go(self, Py_ssize_t stop, long long line_at) noexcept:
        """Of the white space that opens the line."""
        self.progress.open = True
        self.progress.discarded = line_at
        self.progress.start = stop
        return 0

    cdef int end_line(self, Py_ssize_t after) noexcept:
        self.progress.flag = BLANK
        self.progress.open = self.progress.discard = False
        self.progress.state += 1
        self.progress.start = self.scanned = after
        return 0

    cdef int hold(self) except -1:
        """The fragment ends within a line."""
        cdef long long line_at = self.line_at(), size = self.base + self.length - line_at
        if self.progress.discard:
            self.progress.start = self.length
        elif self.progress.flag == BLANK:
            if size > LEAD:
                self.let_go(self.length, line_at)
        elif size > self.max_size:
            self.leave_out(line_at)
        return 0

    cdef int leave_out(self, long long line_at) except -1:
        """The line is too large: it vanishes up to its end, or fails."""
        if self.on_oversize == SKIP_OVERSIZE:
            self.progress.skipped += 1
            self.progress.discard = True
            self.progress.discarded = line_at
            self.progress.start = self.length
        else:
            self.fail(ItemTooLarge(self.max_size + 1, self.max_size, line_at), line_at)
        return 0

    # ---- records ----

    cdef PyObject *record(self, Py_ssize_t start, Py_ssize_t stop) except? NULL:
        """What becomes of the record [start, stop); NULL if it is bad, and skipped or failed."""
        cdef PyObject *item = NULL
        try:
            if self.sequence and not self.bare:
                self.check_text(start, stop)
            loaded = self.text(start, stop)
            if not self.bare:
                loaded = self.loads(loaded)
            item = own(loaded)
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            item = self.refused(error, start, stop)
        return item

    cdef object text(self, Py_ssize_t start, Py_ssize_t stop):
        """What ``loads`` gets, and batches."""
        if self.kind == AS_BYTES:
            return steal(self.cut(start, stop))
        if self.kind == AS_VIEW:
            view = steal(self.cut(start, stop))
            return view if self.bare else memoryview(view)  # parsers take no other type of view
        joined = self.join(start, stop)
        failure = None
        try:
            return text_of(<const unsigned char *> PyBytes_AS_STRING(joined), PyBytes_GET_SIZE(joined))
        except UnicodeDecodeError as error:
            bad = joined[error.start:error.end]
            offset = self.base + start + error.start
            failure = InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, offset)
        raise failure

    cdef int check_text(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        """InvalidFrame for a text of a sequence that breaks the format, whatever JSON it is."""
        if self.progress.state == 0:
            raise InvalidFrame(records.BEFORE_THE_FIRST, self.line_at())
        if not self.is_white(self.at(stop - 1)):
            while self.is_white(self.at(start)):
                start += 1
            if self.at(start) not in b'{["':
                raise InvalidFrame(records.UNTERMINATED, self.line_at())
        return 0

    cdef bint has_line_end(self, Py_ssize_t start) noexcept:
        """Whether the text of a sequence that the end of input ends has its line end."""
        cdef Py_ssize_t at = 0
        if not self.sequence or self.progress.discard:
            return False
        while at > start and self.is_white(self.at(at - 1)):
            at -= 1
            if self.at(at) == c"\n":
                return True
        return False

    cdef PyObject *refused(self, error, Py_ssize_t start, Py_ssize_t stop) except? NULL:
        """What becomes of a record that is bad because of ``error``."""
        cdef Py_ssize_t line = self.number()
        if self.on_error == SKIP:
            self.progress.skipped += 1
            return NULL
        if self.on_error == YIELD and not self.bare:
            raw = self.join(start, stop)
            return own(InvalidRecord(line, self.line_at(), raw, BaseException.with_traceback(error, None)))
        raw = self.join(start, min(stop, start + SHOWN))
        where = records.place_of(line, self.line_at(), self.sequence)
        self.error = records.noted(error, f"{where}: {raw!r}")
        return NULL

    cdef Py_ssize_t number(self) noexcept:
        """The number of the line, from 1; of a text of a sequence, of the separator before it."""
        return self.progress.state + (not self.sequence)

    cdef int fail(self, object error, long long offset) except -1:
        self.error = records.noted(error, records.place_of(self.number(), offset, self.sequence))
        return 0
