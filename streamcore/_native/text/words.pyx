# cython: language_level=3, freethreading_compatible=True
"""Engine that cuts words (twin: ``_pure.text.words``): kernels in words.h.

Goals: every unit is classified once; a word inside a fragment costs its object and one memcpy; text of any width stays
as it is, and what is unfinished is as narrow as its own characters allow.
Plan: a kernel fills a block with the next few hundred changes between word and whitespace, ``take()`` uses them up.
For text, ``length`` and all offsets count code points, and the carry holds units of ``carry_width`` bytes.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.unicode cimport (
    PyUnicode_AsUTF8String, PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_New,
    PyUnicode_Substring,
)
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport strcmp

from streamcore._native.cpython cimport own, PyUnicode_IS_ASCII, steal
from streamcore._native.engine.span_engine cimport (
    AS_BYTES, AS_STR, AS_VIEW, BATCH_BYTES, BATCH_ITEMS, Engine, Progress, TRUNCATE_OVERSIZE,
)
from streamcore._native.kernels.scan cimport kernels as scan_kernels
from streamcore._native.buffers.view cimport make_view
from streamcore._native.text.word_spans cimport ascii_text, WordSpans

from streamcore._shared import options
from streamcore.batch import Batch

cdef extern from "text/words.h" nogil:
    enum:
        WORDS_ROOM

    ctypedef size_t (*words_scan)(
        const void *p, size_t n, int *space, uint32_t *out, size_t cap, size_t *done) noexcept nogil

    ctypedef struct words_kernel:
        const char *name
        words_scan *changes
        words_scan *starts

    const words_kernel *words_kernel_at(int index) noexcept

cdef extern from "text/words_text.h" nogil:
    uint32_t words_widest(const void *p, size_t n, int width) noexcept
    void words_copy(void *to, int to_width, const void *from_, int from_width, size_t n) noexcept

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000
    #define words_ready(text) PyUnicode_READY(text)
    #else
    #define words_ready(text) 0
    #endif
    """
    int words_ready(object text) except -1

cdef enum:
    BLOCK = 1024 + 72  # changes found ahead: 4 KiB of them, and the room that a kernel wants
    SPAN = 1 << 16  # units scanned ahead at most: what take() then copies is still in L2
    KEPT_CARRY = 1 << 20  # a larger carry buffer is given back once its item is complete

cdef enum Input:
    UNKNOWN
    BYTES
    TEXT

cdef tuple _types = (bytes, str, "view")

cdef const words_kernel *chosen = NULL


@cython.final
cdef class WordsEngine(Engine):
    """WordsEngine(keep='trailing', *, max_size=67108864, on_oversize='raise', as_=None, borrow=False)\n--\n\n\
    Cuts words: runs of what is not whitespace, by ``str.isspace`` in text and by ``bytes.isspace`` in bytes.

    ``keep="trailing"`` gives each word with the whitespace after it, and the whitespace that the stream begins with as
    an item of its own, so that the items joined are the input; a word comes when the next one begins.
    ``keep="none"`` gives the words alone, as ``split()``; a word comes with the first whitespace after it.

    Fragments are all str or all bytes-like. ``as_`` None gives items of the same kind, ``str``, ``bytes`` or ``"view"``
    decodes or encodes each as UTF-8. ``max_size`` counts what is held of an item, trailing whitespace included, in
    bytes, or in code points of text.
    """

    cdef bint bare  # keep="none"
    cdef bint follow  # items are of the kind of the input
    cdef bint text  # the fragments are str
    cdef Input input  # what fragments were until now
    cdef int width  # bytes a unit of the fragment has; 0 without a fragment
    cdef int carry_width  # the same of the carry, for text
    cdef bint ascii  # the fragment is text of ASCII alone
    cdef int space  # class of the unit before what is not yet scanned
    cdef Py_ssize_t scanned, block_base
    cdef size_t found, used
    cdef uint32_t block[BLOCK]

    def __cinit__(self, keep="trailing", *, max_size=options.DEFAULT_MAX_SIZE, on_oversize="raise", as_=None,
                  borrow=False):
        self.bare = options.choice_option("keep", keep, ("trailing", "none"))
        self.follow = as_ is None
        self.configure("Words", bytes if self.follow else as_, borrow, max_size, on_oversize, "emit")

    # ---- fragments ----

    cdef int accept(self, object fragment) except -1:
        cdef bint text = PyUnicode_Check(fragment)
        if self.input != UNKNOWN and (self.input == TEXT) != text:
            raise TypeError(f"Words takes fragments of one type, got {type(fragment).__name__} after "
                            f"{'str' if self.input == TEXT else 'bytes'}")
        if text:
            words_ready(fragment)
            self.ptr = <const unsigned char *> PyUnicode_DATA(fragment)
            self.length = PyUnicode_GET_LENGTH(fragment)
            self.width = PyUnicode_KIND(fragment)
            self.ascii = PyUnicode_IS_ASCII(fragment)
            self.lent = False
            self.owner = fragment
        else:
            try:
                Engine.accept(self, fragment)
            except TypeError:
                raise TypeError(f"Words takes str or bytes-like data, got {type(fragment).__name__}") from None
            self.width = 1
            self.ascii = False
        self.text = text
        self.unit = "character" if text else "byte"
        if self.follow:
            self.kind = AS_STR if text else AS_BYTES
        return 0

    cdef int begin(self) except -1:
        # progress: state says that the last unit was not what a stream begins after (a word; bare: whitespace), flag
        # that the last change was the beginning of a word.
        self.scanned = self.block_base = 0
        self.found = self.used = 0
        self.space = <int> self.progress.state ^ self.bare
        return 0

    cdef bint scan(self) noexcept:
        """Fill the block from what is not yet scanned; False when all is."""
        cdef size_t done = 0
        cdef Py_ssize_t span = min(self.length - self.scanned, SPAN)
        cdef int which = 0
        cdef words_scan kernel
        if span <= 0:
            return False
        if self.text:
            which = 3 if self.width == 4 else self.width
        kernel = chosen.changes[which] if self.bare else chosen.starts[which]
        self.block_base = self.scanned
        self.used = 0
        self.found = kernel(self.ptr + self.scanned * self.width, span, &self.space, self.block, BLOCK, &done)
        self.scanned += <Py_ssize_t> done
        return True

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t start, stop
        cdef PyObject *item
        while True:
            if self.used == self.found:
                if not self.scan():
                    return self.take_last()
                continue
            stop = self.block_base + <Py_ssize_t> self.block[self.used]
            if self.bare and not self.progress.flag:
                self.progress.start = stop
                self.progress.flag = True
                self.used += 1
                continue
            start = self.progress.start
            if self.progress.discard:
                self.progress.discard = False
                item = NULL
            elif stop - start > self.max_size:
                item = self.oversized(start)
                if self.error is not None:
                    return NULL
            elif self.ascii and self.kind == AS_STR and start >= 0:
                item = ascii_text(self.ptr + start, stop - start)
            else:
                item = self.cut(start, stop)
                if item == NULL:
                    return NULL
            self.progress.start = stop
            self.progress.flag = False
            self.used += 1
            if item != NULL:
                return item

    cdef PyObject *take_last(self) except? NULL:
        """Nothing but the unfinished item is left: hold it against the limit."""
        if self.ended:
            return self.incomplete()
        if self.progress.discard:
            self.progress.start = self.length
        elif (self.progress.flag or not self.bare) and self.length - self.progress.start > self.max_size:
            return self.overrun(self.progress.start, self.length)
        return NULL

    cdef object take_batch(self):
        cdef Progress saved = self.progress
        if (self.ended or self.owner is None or saved.discard or self.length - saved.start > self.max_size
                or self.kind == (AS_VIEW if self.text else AS_STR)):
            return Engine.take_batch(self)
        try:
            return self.take_spans()
        except BaseException as error:
            self.rewind(saved)
            if not isinstance(error, UnicodeEncodeError):
                raise
        return Engine.take_batch(self)  # one by one, up to the item that cannot be encoded

    cdef int rewind(self, Progress saved) noexcept:
        """Forget what was scanned since ``saved``."""
        self.progress = saved
        self.begin()
        if saved.start >= 0:
            self.scanned = saved.start
            self.space = self.bare and not saved.flag
        return 0

    cdef object take_spans(self):
        cdef Py_ssize_t room = self.found - self.used + (self.length - self.scanned) // (2 if self.bare else 1) + 2
        cdef PyObject *item
        cdef WordSpans spans = WordSpans.__new__(WordSpans)
        spans.owner = self.owner
        spans.ptr = self.ptr
        spans.kind = self.kind
        spans.ascii = self.ascii
        spans.reserve(min(room, <Py_ssize_t> BATCH_ITEMS + BLOCK), self.bare)
        if self.progress.start < 0 and (self.progress.flag or not self.bare):
            item = self.take()
            if item == NULL:
                return None
            spans.head = steal(item)
            size = len(spans.head.encode() if self.kind == AS_STR else spans.head)
            spans.head_size = spans.size = spans.ends[0] = size
            spans.count = 1
        self.fill(spans)
        if not spans.count:
            return None
        if self.text and not self.ascii:
            spans.encode(self.width, max(self.progress.start, 0))
        spans.shrink()
        return Batch._of_spans(spans, _types[self.kind])

    cdef int fill(self, WordSpans spans) noexcept:
        """Put the next items into a batch: to where the fragment ends or the batch is full."""
        cdef Py_ssize_t base, start = self.progress.start, last = max(start, 0) + BATCH_BYTES, stop
        cdef Py_ssize_t count = spans.count, size = spans.size
        cdef int64_t *ends = spans.ends
        cdef int64_t *starts = spans.starts
        cdef bint within = self.progress.flag  # a word
        spans.first = start
        while count <= <Py_ssize_t> BATCH_ITEMS - BLOCK and start < last:
            if self.used == self.found and not self.scan():
                break
            base = self.block_base
            if not self.bare:
                base += spans.head_size - spans.first
                while self.used < self.found:
                    ends[count] = base + <Py_ssize_t> self.block[self.used]
                    count += 1
                    self.used += 1
                if count:
                    size = ends[count - 1]
                    start = spans.first + size - spans.head_size
                continue
            while self.used < self.found:
                stop = base + <Py_ssize_t> self.block[self.used]
                if within:
                    starts[count] = start
                    size += stop - start
                    ends[count] = size
                    count += 1
                start = stop
                within = not within
                self.used += 1
        spans.count = count
        spans.size = size
        self.progress.start = start
        self.progress.flag = within
        return 0

    cdef int settle(self) except -1:
        cdef Py_ssize_t start = self.progress.start
        if self.owner is None:
            return 0
        if self.bare and not self.progress.flag:
            start = self.length
        if self.text:
            self.keep_text(start)
        else:
            self.keep(start)
        self.progress.state = self.space ^ self.bare
        self.input = TEXT if self.text else BYTES
        return 0

    cdef bint knows_kind(self):
        return not self.follow or self.input != UNKNOWN

    cdef int clear(self) except -1:
        self.input = UNKNOWN
        self.text = False
        self.unit = "byte"
        return 0

    # ---- text ----

    cdef int keep_text(self, Py_ssize_t start) except -1:
        """As ``keep()``; the carry is widened at most twice."""
        cdef Py_ssize_t held = self.carry_size if start < 0 else 0
        cdef Py_ssize_t more = self.length - max(start, 0)
        cdef const unsigned char *p = self.ptr + max(start, 0) * self.width
        cdef int wide = 1
        cdef uint32_t widest
        cdef void *shrunk
        if more:
            widest = words_widest(p, more, self.width)
            wide = 4 if widest > 0xFFFF else 2 if widest > 0xFF else 1
        if held and wide < self.carry_width:
            wide = self.carry_width
        if not held and more * wide <= KEPT_CARRY < self.carry_capacity:
            shrunk = PyMem_RawRealloc(self.carry, more * wide + 64)
            if shrunk != NULL:
                self.carry = <unsigned char *> shrunk
                self.carry_capacity = more * wide + 64
        self.reserve((held + more) * wide)
        if held:
            words_copy(self.carry, wide, self.carry, self.carry_width, held)
        if more:
            words_copy(self.carry + held * wide, wide, p, self.width, more)
        self.carry_width = wide
        self.carry_size = held + more
        self.progress.start = -self.carry_size
        return 0

    cdef object join_text(self, Py_ssize_t start, Py_ssize_t stop):
        """The str [start, stop)."""
        cdef Py_ssize_t held = -start
        cdef uint32_t most, other
        cdef int width
        cdef unsigned char *out
        if start >= 0:
            return PyUnicode_Substring(self.owner, start, stop)
        if stop < 0:
            held += stop
            stop = 0
        most = words_widest(self.carry, held, self.carry_width)
        if stop:
            other = words_widest(self.ptr, stop, self.width)
            most = max(most, other)
        joined = PyUnicode_New(held + stop, most)
        out = <unsigned char *> PyUnicode_DATA(joined)
        width = PyUnicode_KIND(joined)
        words_copy(out, width, self.carry, self.carry_width, held)
        if stop:
            words_copy(out + held * width, width, self.ptr, self.width, stop)
        return joined

    cdef PyObject *cut(self, Py_ssize_t start, Py_ssize_t stop) except? NULL:
        if not self.text:
            return Engine.cut(self, start, stop)
        text = self.join_text(start, stop)
        if self.kind == AS_STR:
            return own(text)
        data = None
        try:
            data = PyUnicode_AsUTF8String(text)
        except UnicodeEncodeError as error:
            self.fail(error, self.base + start + error.start)
        if data is None:
            return NULL
        if self.kind == AS_BYTES:
            return own(data)
        return own(make_view(data, <const unsigned char *> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)))

    cdef PyObject *oversized(self, Py_ssize_t start) except? NULL:
        if self.text and self.on_oversize == TRUNCATE_OVERSIZE:
            return self.cut(start, start + self.max_size)
        return Engine.oversized(self, start)


def choose():
    """Run the kernel that bears the name of the one that ``scan`` runs."""
    global chosen
    cdef int index = 0
    while words_kernel_at(index) != NULL:
        if strcmp(words_kernel_at(index).name, scan_kernels().name) == 0:
            chosen = words_kernel_at(index)
            return
        index += 1
    raise ImportError(f"no words kernel for {scan_kernels().name.decode()}")


choose()
