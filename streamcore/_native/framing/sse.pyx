# cython: language_level=3, freethreading_compatible=True
"""Server-sent events (twin: ``_pure.framing.sse``): "interpreting an event stream" of the WHATWG HTML standard.

Goals: one kernel pass over the bytes; an event of one data line inside a fragment costs its object and one memcpy; what
is passed over (comments, unknown fields, blank lines) is never held.
Plan: a kernel fills a block with the line ends. ``advance()`` takes a part of a line, ``end_line()`` its end; the usual
data line and the blank line are recognised before. Data lies where it came, as the last span, as long as it can: a
second line moves it to ``work``, the end of the fragment to ``carry``. ``now`` is the state, ``kept`` that of the
beginning of the fragment, to which ``begin()`` goes back; only ``settle()`` changes what fragments before have left.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy

from streamcore._native.buffers.view cimport make_view
from streamcore._native.cpython cimport new_bytes, own
from streamcore._native.engine.span_engine cimport (
    AS_STR, AS_VIEW, DROP_INCOMPLETE, Engine, RAISE_INCOMPLETE, RAISE_OVERSIZE, SKIP_OVERSIZE,
    TRUNCATE_OVERSIZE,
)
from streamcore._native.framing.event cimport Event
from streamcore._native.kernels.scan cimport kernels
from streamcore._native.kernels.utf8_text cimport decode_span, NO_CHARACTER

from streamcore._shared import options
from streamcore._shared.events import event_kind, stop_option
from streamcore.errors import IncompleteItem, ItemTooLarge
from streamcore.event_batch import EventBatch

cdef extern from "kernels/utf8_char.h" nogil:
    size_t utf8_held(const uint8_t *p, size_t n, int surrogates) noexcept

cdef enum:
    BLOCK = 1024  # line ends found ahead: 4 KiB of them
    SPAN = 1 << 16  # bytes scanned ahead at most: what take() then copies is still in L2
    KEPT_WORK = 1 << 20  # larger buffers are given back once their event is complete
    NONE = -1  # of retry, and of offsets
    INVALID = -2

cdef enum Mode:  # where in its line the next byte stands
    MARK  # in a byte-order mark
    NAME
    COLON  # behind the colon
    VALUE
    PASS  # in a line that is passed over

cdef enum Field:
    DATA
    EVENT
    ID
    RETRY

cdef extern from *:
    """
    static const char *const sse_names[] = {"data", "event", "id", "retry"};
    static const int sse_sizes[] = {4, 5, 2, 5};
    static const unsigned char sse_mark[] = {0xEF, 0xBB, 0xBF};
    """
    const char **NAMES "sse_names"
    const int *SIZES "sse_sizes"
    const unsigned char *BOM "sse_mark"

cdef struct Parse:
    int mode
    int field
    int matched  # bytes of the mark, or of a name that may be that of `field`
    bint after_cr  # the last line ended with the CR at the end of the fragment: an LF that follows belongs to it
    bint tail  # the line that the fragment does not end was taken in
    bint has_data, dropping, full, done
    long long line_at  # stream offset of the line
    long long first  # stream offset of the first line with data, event or id
    Py_ssize_t data_size, event_size, id_size  # bytes held of the event
    Py_ssize_t line_size  # of the value of the event or id line under way
    Py_ssize_t held  # bytes of the data in carry
    Py_ssize_t worked  # then in work
    Py_ssize_t start, stop  # then in the fragment
    Py_ssize_t value_held  # bytes of the value under way in value
    Py_ssize_t value_start, value_stop  # then in the fragment
    long long line_retry, block_retry, last_retry


cdef struct Room:
    unsigned char *data
    Py_ssize_t capacity


cdef int make_room(Room *room, Py_ssize_t size) except -1:
    cdef void *grown
    cdef Py_ssize_t capacity = max(size, room.capacity + (room.capacity >> 1), 64)
    if size <= room.capacity:
        return 0
    grown = PyMem_RawRealloc(room.data, capacity)
    if grown == NULL:
        raise MemoryError()
    room.data = <unsigned char *> grown
    room.capacity = capacity
    return 0


cdef int shrink(Room *room) noexcept:
    if room.capacity > KEPT_WORK:
        PyMem_RawFree(room.data)
        room.data = NULL
        room.capacity = 0
    return 0


cdef str replaced(const unsigned char *p, Py_ssize_t size):
    """Text of UTF-8, as ``bytes.decode(errors="replace")``."""
    cdef Py_ssize_t used = 0
    text = decode_span(p, size, NO_CHARACTER, False, 0, &used)
    if used < size:
        return PyUnicode_DecodeUTF8(<const char *> p, size, "replace")
    return "" if text is None else text


@cython.final
cdef class ServerSentEventsEngine(Engine):
    """ServerSentEventsEngine(*, stop=None, max_size=67108864, on_oversize='raise', \
on_incomplete='drop', as_='event')\n--\n\n\
    Cuts an event stream into events. ``last_event_id`` and ``retry`` are what a client that reconnects has to know.

    The first event whose data is ``stop`` ends the stream and is not given.
    """

    cdef bytes stop
    cdef bint events  # items are Event objects
    cdef Parse now, kept
    cdef Room work  # data of this fragment
    cdef Room value  # what earlier fragments have of the value of an event or id line
    cdef str event, kept_event  # of the block; None if not set
    cdef str id_, kept_id  # of the next event
    cdef str last_id, kept_last_id
    cdef bytes known_raw  # an event's name, and its text: they come again and again
    cdef str known
    cdef Py_ssize_t scanned, block_base
    cdef size_t found, used
    cdef int cr_flag
    cdef uint32_t block[BLOCK]

    def __cinit__(self, *, stop=None, max_size=options.DEFAULT_MAX_SIZE, on_oversize="raise", on_incomplete="drop",
                  as_="event"):
        self.stop = stop_option(stop)
        self.events, kind = event_kind(as_)
        self.configure("ServerSentEvents", kind, False, max_size, on_oversize, on_incomplete)
        self.clear()
        self.begin()

    def __dealloc__(self):
        PyMem_RawFree(self.work.data)
        PyMem_RawFree(self.value.data)

    @property
    def last_event_id(self):
        """The last event id as of the last block that ended."""
        return self.last_id

    @property
    def retry(self):
        """The reconnection time in milliseconds that came last, else None."""
        return None if self.now.last_retry < 0 else self.now.last_retry

    cdef bint is_done(self) noexcept:
        return self.now.done

    # ---- fragments ----

    cdef int begin(self) except -1:
        self.now = self.kept
        self.event = self.kept_event
        self.id_ = self.kept_id
        self.last_id = self.kept_last_id
        self.scanned = self.block_base = self.progress.start = 0
        self.found = self.used = 0
        self.cr_flag = self.now.after_cr
        if self.length and self.now.after_cr:
            self.now.after_cr = False
            if self.ptr[0] == c"\n":
                self.progress.start = 1
        return 0

    cdef int clear(self) except -1:
        cdef Parse new
        new.mode = MARK
        new.field = DATA
        new.matched = 0
        new.after_cr = new.tail = new.done = False
        new.line_at = 0
        new.last_retry = NONE
        reset_event(&new)
        self.kept = new
        self.kept_event = None
        self.kept_id = self.kept_last_id = ""
        self.carry_size = 0
        self.begin()
        return 0

    cdef int abandon(self) except -1:
        cdef str last = self.last_id
        cdef long long retry = self.now.last_retry
        cdef bint done = self.now.done
        if self.owner is None:
            return Engine.abandon(self)
        Engine.abandon(self)
        self.kept_id = self.kept_last_id = last
        self.kept.last_retry = retry
        self.kept.done = done
        if self.base:
            self.kept.mode = NAME
        self.begin()
        return 0

    cdef int close_fragment(self) except -1:
        if self.error is not None:  # what came before it holds
            self.kept_last_id = self.last_id
            self.kept.last_retry = self.now.last_retry
        return Engine.close_fragment(self)

    cdef int settle(self) except -1:
        cdef Parse *now = &self.now
        cdef Py_ssize_t more = now.worked + now.stop - now.start, value = now.value_stop - now.value_start
        if self.owner is None:
            return 0
        if now.held + more == 0 and self.carry_capacity > KEPT_WORK:
            PyMem_RawFree(self.carry)
            self.carry = NULL
            self.carry_capacity = 0
        self.reserve(now.held + more)
        if now.value_held + value:
            make_room(&self.value, now.value_held + value)
        else:
            shrink(&self.value)
        if now.worked:
            memcpy(self.carry + now.held, self.work.data, now.worked)
        if now.stop > now.start:
            memcpy(self.carry + now.held + now.worked, self.ptr + now.start, now.stop - now.start)
        if value:
            memcpy(self.value.data + now.value_held, self.ptr + now.value_start, value)
        now.held += more
        now.value_held += value
        now.worked = now.start = now.stop = now.value_start = now.value_stop = 0
        now.tail = False
        shrink(&self.work)
        self.carry_size = now.held
        self.kept = now[0]
        self.kept_event = self.event
        self.kept_id = self.id_
        self.kept_last_id = self.last_id
        return 0

    # ---- lines ----

    cdef bint scan(self) noexcept:
        """Fill the block with line ends of what is not yet scanned; False when all is."""
        cdef size_t done = 0
        cdef Py_ssize_t span = min(self.length - self.scanned, SPAN)
        if span <= 0:
            return False
        self.block_base = self.scanned
        self.used = 0
        self.found = kernels().newline(self.ptr + self.scanned, span, &self.cr_flag, self.block, BLOCK, &done)
        self.scanned += <Py_ssize_t> done
        return True

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t at, stop, after, value
        cdef const unsigned char *p = self.ptr
        cdef Parse *now = &self.now
        cdef PyObject *item
        if now.done:
            return NULL
        if now.mode == MARK:
            self.read_mark()
        while True:
            while self.used < self.found:
                at = self.progress.start
                stop = self.block_base + <Py_ssize_t> self.block[self.used]
                after = stop + 1
                item = NULL
                if now.mode == NAME and now.matched == 0:
                    if stop == at:
                        item = self.dispatch()
                    elif (stop - at >= 5 and memcmp(p + at, b"data:", 5) == 0
                            and not (now.has_data or now.dropping or now.full)):
                        value = at + 5
                        value += value < stop and p[value] == c" "
                        if stop - value > self.max_size - now.event_size - now.id_size:
                            self.whole_line(at, stop)
                        else:
                            now.start = value
                            now.stop = stop
                            now.data_size = stop - value
                            now.has_data = True
                            if now.first < 0:
                                now.first = self.base + at
                    else:
                        self.whole_line(at, stop)
                else:
                    self.whole_line(at, stop)
                if self.error is not None:
                    return NULL
                if p[stop] == c"\r":
                    if after < self.length:
                        after += p[after] == c"\n"
                    else:
                        now.after_cr = True
                self.progress.start = after
                self.used += 1
                if item != NULL or now.done:
                    return item
            if not self.scan():
                return self.take_last()

    cdef PyObject *take_last(self) except? NULL:
        """Nothing but a line without its end is left."""
        cdef Parse before = self.now
        if self.ended:
            return self.take_incomplete()
        if not self.now.tail:
            try:
                self.advance(self.progress.start, self.length)
            except BaseException:
                self.now = before
                raise
            self.now.tail = True
            self.progress.start = self.length
        return NULL

    cdef PyObject *take_incomplete(self) except? NULL:
        cdef Parse *now = &self.now
        cdef PyObject *item
        if now.tail or self.on_incomplete == DROP_INCOMPLETE:
            return NULL
        if self.on_incomplete == RAISE_INCOMPLETE:
            if not now.dropping and (now.has_data or is_named(now, DATA)):
                first = now.line_at if now.first < 0 else now.first
                self.fail(IncompleteItem(self.base - first, first), self.base)
            return NULL
        if now.mode != NAME or now.matched:
            self.whole_line(0, 0)
            if self.error is not None:
                return NULL
        item = self.dispatch()
        now.tail = True
        return item

    cdef int whole_line(self, Py_ssize_t at, Py_ssize_t stop) except -1:
        cdef Parse before = self.now
        try:
            self.advance(at, stop)
            if self.error is None:
                self.end_line()
        except BaseException:
            self.now = before
            raise
        return 0

    cdef int read_mark(self) noexcept:
        """Pass over a byte-order mark; what only begins like one is a name that nobody knows."""
        cdef Parse *now = &self.now
        while self.progress.start < self.length:
            if self.ptr[self.progress.start] != BOM[now.matched]:
                now.mode = PASS if now.matched else NAME
                now.matched = 0
                return 0
            self.progress.start += 1
            now.matched += 1
            if now.matched == 3:
                now.mode = NAME
                now.matched = 0
                return 0
        return 0

    cdef int advance(self, Py_ssize_t at, Py_ssize_t stop) except -1:
        """Take in a part of a line."""
        cdef Parse *now = &self.now
        cdef unsigned char byte
        if at == stop:
            return 0
        if now.mode == NAME:
            if now.matched == 0:
                now.line_at = self.base + at
            while True:
                byte = self.ptr[at]
                if byte == c":":
                    break
                if now.matched == 0:
                    now.field = DATA if byte == c"d" else EVENT if byte == c"e" else ID if byte == c"i" else RETRY
                if byte != <unsigned char> NAMES[now.field][now.matched]:  # behind the name stands a NUL
                    now.mode = PASS
                    return 0
                if byte == 0:
                    now.mode = PASS
                    return 0
                now.matched += 1
                at += 1
                if at == stop:
                    return 0
            if now.matched == 0 or now.matched != SIZES[now.field]:
                now.mode = PASS
                return 0
            at += 1
            now.mode = COLON
            self.start_field()
        if now.mode == COLON and at < stop:
            at += self.ptr[at] == c" "
            now.mode = VALUE
        if now.mode == VALUE and self.error is None:
            self.add(at, stop)
        return 0

    cdef int end_line(self) except -1:
        cdef Parse *now = &self.now
        if now.mode == NAME and is_named(now, now.field):
            now.mode = COLON
            self.start_field()
        if (now.mode == COLON or now.mode == VALUE) and self.error is None:
            self.end_field()
        now.mode = NAME
        now.matched = 0
        return 0

    # ---- fields ----

    cdef int start_field(self) except -1:
        """The name is known."""
        cdef Parse *now = &self.now
        if now.field == RETRY:
            now.line_retry = NONE
            return 0
        if now.first < 0:
            now.first = now.line_at
        if (now.dropping and now.field != ID) or (now.full and now.field == DATA):
            now.mode = PASS
        elif now.field != DATA:
            now.line_size = now.value_held = now.value_start = now.value_stop = 0
        elif not now.has_data:
            now.has_data = True
        elif now.data_size + 1 > self.max_size - now.event_size - now.id_size:
            self.too_large()
        else:
            make_room(&self.work, now.worked + now.stop - now.start + 1)
            memcpy(self.work.data + now.worked, self.ptr + now.start, now.stop - now.start)
            now.worked += now.stop - now.start
            self.work.data[now.worked] = c"\n"
            now.worked += 1
            now.data_size += 1
            now.start = now.stop = 0
        return 0

    cdef int add(self, Py_ssize_t at, Py_ssize_t stop) except -1:
        """A part of the value of a line, the only one in this fragment."""
        cdef Parse *now = &self.now
        cdef Py_ssize_t room = self.max_size
        cdef const unsigned char *nul
        if now.field == RETRY:
            now.line_retry = digits(now.line_retry, self.ptr + at, stop - at)
            return 0
        room -= now.data_size + now.event_size + now.id_size
        if now.field != DATA:
            room += (now.event_size if now.field == EVENT else now.id_size) - now.line_size
        if now.field == ID:
            nul = <const unsigned char *> memchr(self.ptr + at, 0, stop - at)
            if nul != NULL and nul - (self.ptr + at) <= room:
                now.mode = PASS
                now.value_held = now.value_start = now.value_stop = 0
                return 0
        if stop - at > room:
            if now.field == DATA and self.on_oversize == TRUNCATE_OVERSIZE:
                self.put(at, at + room)
            self.too_large()
        elif now.field == DATA:
            self.put(at, stop)
        else:
            now.line_size += stop - at
            now.value_start = at
            now.value_stop = stop
        return 0

    cdef int put(self, Py_ssize_t at, Py_ssize_t stop) noexcept:
        self.now.start = at
        self.now.stop = stop
        self.now.data_size += stop - at
        return 0

    cdef int end_field(self) except -1:
        cdef Parse *now = &self.now
        if now.field == EVENT:
            self.event = self.value_text(True)
            now.event_size = now.line_size
        elif now.field == ID:
            self.id_ = self.value_text(False)
            now.id_size = now.line_size
        elif now.field == RETRY and now.line_retry >= 0:
            now.block_retry = now.last_retry = now.line_retry
        now.value_held = now.value_start = now.value_stop = 0
        return 0

    cdef str value_text(self, bint known):
        """The value of the line; None if it is empty and ``known``, where it is looked for first."""
        cdef Parse *now = &self.now
        cdef Py_ssize_t here = now.value_stop - now.value_start
        cdef const unsigned char *p = self.ptr + now.value_start
        if now.line_size == 0:
            return None if known else ""
        if now.value_held:
            make_room(&self.value, now.value_held + here)
            if here:
                memcpy(self.value.data + now.value_held, p, here)
            p = self.value.data
        if not known:
            return replaced(p, now.line_size)
        if (self.known_raw is None or PyBytes_GET_SIZE(self.known_raw) != now.line_size
                or memcmp(PyBytes_AS_STRING(self.known_raw), p, now.line_size) != 0):
            raw = PyBytes_FromStringAndSize(<const char *> p, now.line_size)
            self.known = replaced(p, now.line_size)
            self.known_raw = raw
        return self.known

    cdef int too_large(self) except -1:
        cdef Parse *now = &self.now
        now.mode = PASS
        now.value_held = now.value_start = now.value_stop = 0
        if now.dropping:
            return 0
        if self.on_oversize == RAISE_OVERSIZE:
            self.fail(ItemTooLarge(self.max_size + 1, self.max_size, now.first), now.first)
        elif self.on_oversize == SKIP_OVERSIZE:
            self.progress.skipped += 1
            now.dropping = True
            now.has_data = False
            now.data_size = now.event_size = now.id_size = now.held = now.worked = now.start = now.stop = 0
            self.event = None
        elif now.field == DATA:
            now.full = True
        return 0

    # ---- events ----

    cdef PyObject *dispatch(self) except? NULL:
        """The event of the block that ended, NULL if there is none."""
        cdef Parse *now = &self.now
        cdef PyObject *item = NULL
        if now.has_data:
            if self.stop is not None and self.is_stop():
                now.done = True
            else:
                item = self.make()
        self.last_id = self.id_
        self.event = None
        reset_event(now)
        return item

    cdef bint is_stop(self) noexcept:
        cdef Parse *now = &self.now
        cdef Py_ssize_t here = now.stop - now.start
        cdef const char *wanted = PyBytes_AS_STRING(self.stop)
        return (PyBytes_GET_SIZE(self.stop) == now.data_size and not now.full
                and (now.held == 0 or memcmp(self.carry, wanted, now.held) == 0)
                and (now.worked == 0 or memcmp(self.work.data, wanted + now.held, now.worked) == 0)
                and (here == 0 or memcmp(self.ptr + now.start, wanted + now.held + now.worked, here) == 0))

    cdef bytes joined(self):
        cdef Parse *now = &self.now
        cdef char *out
        data = PyBytes_FromStringAndSize(NULL, now.data_size)
        out = PyBytes_AS_STRING(data)
        if now.held:
            memcpy(out, self.carry, now.held)
        if now.worked:
            memcpy(out + now.held, self.work.data, now.worked)
        if now.stop > now.start:
            memcpy(out + now.held + now.worked, self.ptr + now.start, now.stop - now.start)
        return data

    cdef PyObject *make(self) except NULL:
        cdef Parse *now = &self.now
        cdef Event made
        cdef bint here = now.held == 0 and now.worked == 0 and self.owner is not None
        cdef const unsigned char *p = self.ptr + now.start
        cdef Py_ssize_t size = now.data_size
        cdef bytes data = None
        if self.events:
            made = Event.__new__(Event)
            made.made = True
            made.name = self.event
            made.last_id = self.id_
            if now.block_retry >= 0:
                made.milliseconds = now.block_retry
            made.held = PyBytes_FromStringAndSize(<const char *> p, size) if here else self.joined()
            if now.full:
                made.held = shortened(made.held)
            return own(made)
        if not here:
            data = self.joined()
            p = <const unsigned char *> PyBytes_AS_STRING(data)
        if self.kind == AS_STR:
            if now.full:
                size -= <Py_ssize_t> utf8_held(p, size, False)
            return own(replaced(p, size))
        if self.kind == AS_VIEW:
            return own(make_view(self.owner if here else data, p, size))
        return new_bytes(<const char *> p, size) if here else own(data)

    cdef Py_ssize_t size_of(self, object item) except -1:
        return len((<Event> item).held) if self.events else len(item)

    cdef object batch_class(self):
        return EventBatch if self.events else Engine.batch_class(self)


cdef bytes shortened(bytes data):
    """Without the beginning of a character at its end."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t held = <Py_ssize_t> utf8_held(<const uint8_t *> PyBytes_AS_STRING(data), size, False)
    return data[:size - held] if held else data


cdef int reset_event(Parse *now) noexcept:
    now.has_data = now.dropping = now.full = False
    now.first = NONE
    now.data_size = now.event_size = now.id_size = now.line_size = 0
    now.held = now.worked = now.start = now.stop = 0
    now.value_held = now.value_start = now.value_stop = 0
    now.line_retry = now.block_retry = NONE
    return 0


cdef bint is_named(const Parse *now, int field) noexcept:
    """Whether the line as far as it came is the name of ``field``."""
    return now.mode == NAME and now.matched > 0 and now.field == field and now.matched == SIZES[field]


cdef long long digits(long long value, const unsigned char *p, Py_ssize_t n) noexcept:
    """``value`` with more digits behind it, INVALID where these are none or too many."""
    cdef Py_ssize_t i
    cdef int digit
    for i in range(n):
        digit = p[i] - <int> c"0"
        if value == INVALID or not 0 <= digit <= 9:
            return INVALID
        if value < 0:
            value = 0
        if value > ((1LL << 63) - 1 - digit) // 10:
            return INVALID
        value = value * 10 + digit
    return value
