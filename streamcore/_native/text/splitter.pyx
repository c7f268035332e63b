# cython: language_level=3, freethreading_compatible=True
"""Engine that splits text into chunks (twin: ``_pure.text.splitter``); what divides and joins is in splitter.h.

Goals: each character is looked at once a level; a chunk inside a fragment costs its object and one copy; what is
unfinished lies in one buffer that grows.
Plan: positions count code points from the start of the stream. While nothing is held, a fragment is worked on where it
lies; else it is put behind what is held. ``state`` and ``levels`` are those after the last fragment whenever a fragment
is opened or dropped. Tokens are counted by what ``bpe.counting`` gives. Overlap, and what a function counts, goes
through ``_shared.splitting``.
"""

cimport cython
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.unicode cimport (
    PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_Substring,
)
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset

from streamcore._native.cpython cimport own, PyUnicode_IS_ASCII, PyUnicode_READ
from streamcore._native.engine.span_engine cimport AS_STR, BATCH_ITEMS, Engine
from streamcore._native.text.chunk_spans cimport ChunkSpans
from streamcore._native.text.text_chunk cimport new_chunk

from streamcore._shared.measures import Tokens, chunk_option, measure_option, not_text
from streamcore._shared.splitting import SEPARATORS, Splitting, check_options
from streamcore.batch import Batch
from streamcore.chunk_batch import ChunkBatch

cdef extern from "bpe/counter.h" nogil:
    ctypedef struct token_counter:
        void (*forget)(token_counter *counter, int64_t known) noexcept

cdef extern from "text/splitter.h" nogil:
    ctypedef struct split_text:
        const void *data
        int width
        int ascii
        int64_t base
        int64_t stop

    ctypedef struct split_rule:
        const uint32_t *separator
        int64_t size

    ctypedef struct split_level:
        int64_t start
        int64_t scan
        int64_t found
        int64_t counted

    ctypedef struct split_options:
        int64_t size
        const split_rule *rules
        int n_rules
        int keep
        int strip
        int bytes
        token_counter *counter

    ctypedef struct split_state:
        int final
        int queued
        int64_t start
        int64_t before
        int64_t queue[4]

    int split_run(const split_options *o, split_state *st, split_level *levels, const split_text *text) noexcept
    int64_t split_needed(const split_options *o, const split_state *st, const split_level *levels) noexcept
    void split_widen(void *to, int to_width, const void *from_, int from_width, int64_t n) noexcept

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000
    #define splitter_ready(text) PyUnicode_READY(text)
    #else
    #define splitter_ready(text) 0
    #endif
    """
    int splitter_ready(object text) except -1
    object PyUnicode_FromKindAndData(int kind, const void *data, Py_ssize_t size)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 most)

cdef enum:
    AS_CHUNK = 3
    SPAN = 1 << 16  # characters split at once where Python does it
    KEPT = 1 << 20  # a larger buffer is given back once little is held


@cython.final
cdef class TextSplitterEngine(Engine):
    """TextSplitterEngine(size, *, overlap=0, separators=('\\n\\n', '\\n', ' ', ''), length='chars', keep='end',
    strip=True, as_='chunk')
    --

    Splits text into chunks of at most ``size``: what ``streamcore.TextSplitter`` says of it.

    Fragments are str. An exception of ``length`` stops the engine, after the chunks before it.
    """

    cdef tuple checked  # the options, and how to measure
    cdef object measure, counter  # counter: a capsule, if the measure is the tokens of a native core
    cdef object splitting  # does the work where the kernel cannot, else None
    cdef object snapshot  # of splitting before the fragment in work
    cdef list ready  # chunks that it has given
    cdef Py_ssize_t next_ready, handed  # handed: characters of the fragment that it has
    cdef long long shift  # where in the stream it began

    cdef uint32_t *separators
    cdef split_rule *rules
    cdef split_options options
    cdef split_state state, kept_state
    cdef split_level *levels  # in work, and behind them those kept
    cdef split_text text  # what is worked on
    cdef int64_t held  # code points in the carry
    cdef int64_t held_base
    cdef int held_width
    cdef bint held_ascii

    def __cinit__(self, size, *, overlap=0, separators=SEPARATORS, length="chars", keep="end", strip=True, as_="chunk"):
        self.checked = check_options(size, overlap, separators, keep, strip)
        self.measure = measure_option(length)
        plain = chunk_option(as_)
        self.configure("TextSplitter", str, False, None, "raise", "emit")
        self.kind = AS_STR if plain else AS_CHUNK
        self.unit = "character"
        self.prepare()
        self.clear()

    def __dealloc__(self):
        PyMem_RawFree(self.separators)
        PyMem_RawFree(self.rules)
        PyMem_RawFree(self.levels)

    cdef int prepare(self) except -1:
        """The options as the kernel wants them."""
        cdef Py_ssize_t total = 0, i, k, n
        cdef tuple separators = self.checked[2]
        cdef str one
        for one in separators:
            total += len(one)
        n = max(len(separators), 1)
        self.separators = <uint32_t *> PyMem_RawMalloc((total + 1) * sizeof(uint32_t))
        self.rules = <split_rule *> PyMem_RawMalloc(n * sizeof(split_rule))
        self.levels = <split_level *> PyMem_RawMalloc(2 * n * sizeof(split_level))
        if self.separators == NULL or self.rules == NULL or self.levels == NULL:
            raise MemoryError()
        self.rules[0].size = -1
        self.rules[0].separator = self.separators
        total = 0
        for i, one in enumerate(separators):
            splitter_ready(one)
            self.rules[i].separator = self.separators + total
            self.rules[i].size = len(one)
            for k in range(len(one)):
                self.separators[total] = PyUnicode_READ(PyUnicode_KIND(one), PyUnicode_DATA(one), k)
                total += 1
        self.options.size = self.checked[0]
        self.options.rules = self.rules
        self.options.n_rules = <int> n
        self.options.keep = self.checked[3]
        self.options.strip = self.checked[4]
        self.options.bytes = self.measure is not None
        if type(self.measure) is Tokens and not self.checked[1]:
            self.counter = token_counting(self.measure.bpe)
            if self.counter is not None:
                self.options.counter = <token_counter *> PyCapsule_GetPointer(self.counter, NULL)
        return 0

    # ---- fragments ----

    cdef int accept(self, object fragment) except -1:
        if not PyUnicode_Check(fragment):
            raise not_text(fragment)
        if type(fragment) is not str:
            fragment = str.__str__(fragment)
        splitter_ready(fragment)
        self.ptr = <const unsigned char *> PyUnicode_DATA(fragment)
        self.length = PyUnicode_GET_LENGTH(fragment)
        self.owner = fragment
        return 0

    cdef int begin(self) except -1:
        if self.splitting is not None:
            if self.snapshot is not None:
                self.splitting._restore(self.snapshot)
                self.snapshot = None
            self.ready = []
            self.next_ready = self.handed = 0
            if self.owner is not None:
                self.snapshot = self.splitting._saved()
            return 0
        if self.options.counter != NULL:
            self.options.counter.forget(self.options.counter, self.held_base + self.held)
        self.state = self.kept_state
        memcpy(self.levels, self.levels + self.options.n_rules, self.options.n_rules * sizeof(split_level))
        self.text = split_text(self.carry, self.held_width, self.held_ascii, self.held_base,
                               self.held_base + self.held)
        if self.owner is None:
            return 0
        if not self.held:
            self.text = split_text(self.ptr, PyUnicode_KIND(self.owner), PyUnicode_IS_ASCII(self.owner),
                                   self.base, self.base + self.length)
        elif self.length:
            self.append()
        return 0

    cdef int append(self) except -1:
        """Put the fragment behind what is held."""
        cdef int width = max(<int> PyUnicode_KIND(self.owner), self.held_width)
        self.reserve((self.held + self.length) * width)
        if width != self.held_width:
            split_widen(self.carry, width, self.carry, self.held_width, self.held)
            self.held_width = width
        split_widen(self.carry + self.held * width, width, self.ptr, PyUnicode_KIND(self.owner), self.length)
        self.text = split_text(self.carry, width, self.held_ascii and PyUnicode_IS_ASCII(self.owner), self.held_base,
                               self.held_base + self.held + self.length)
        return 0

    cdef int settle(self) except -1:
        cdef int64_t needed, size
        cdef void *shrunk
        if self.owner is None:
            return 0
        if self.splitting is not None:
            self.snapshot = None
            return 0
        needed = split_needed(&self.options, &self.state, self.levels)
        size = self.text.stop - needed
        if self.text.data != <const void *> self.carry:
            if size * self.text.width <= KEPT < self.carry_capacity:
                shrunk = PyMem_RawRealloc(self.carry, size * self.text.width + 64)
                if shrunk != NULL:
                    self.carry = <unsigned char *> shrunk
                    self.carry_capacity = size * self.text.width + 64
            self.reserve(size * self.text.width)
            self.held_width = self.text.width
        if size and (needed > self.text.base or self.text.data != <const void *> self.carry):
            split_widen(self.carry, self.text.width,
                        <const char *> self.text.data + (needed - self.text.base) * self.text.width,
                        self.text.width, size)
        self.held = size
        self.held_base = needed
        self.held_ascii = self.text.ascii
        self.kept_state = self.state
        memcpy(self.levels + self.options.n_rules, self.levels, self.options.n_rules * sizeof(split_level))
        return 0

    cdef int end(self) except -1:
        if self.splitting is not None:
            self.snapshot = self.splitting._saved()
            self.handed = -1
        else:
            self.state.final = True
        return 0

    cdef int clear(self) except -1:
        cdef split_level first
        self.gathered = None
        if self.measure is None or self.counter is not None or (
            isinstance(self.measure, str) and self.measure == "bytes"
        ):
            if not self.checked[1]:
                memset(&self.kept_state, 0, sizeof(split_state))
                memset(&first, 0, sizeof(split_level))
                self.kept_state.before = -1
                first.start = first.scan = self.base
                first.counted = first.found = -1
                self.levels[self.options.n_rules] = first
                self.held = 0
                self.held_base = self.base
                self.held_ascii = True
                self.held_width = 1
                self.begin()
                return 0
        self.shift = self.base
        self.splitting = Splitting(*self.checked[:3], self.measure, *self.checked[3:])
        self.snapshot = None
        self.begin()
        return 0

    # ---- items ----

    cdef bint advance(self) except -1:
        """Whether there is a chunk."""
        cdef int found
        if self.splitting is None:
            if self.state.queued:
                return True
            found = split_run(&self.options, &self.state, self.levels, &self.text)
            if found < 0:
                raise MemoryError()
            return found
        while self.next_ready == len(self.ready):
            if self.error is not None or not (self.handed < 0 or self.handed < self.length):
                return False
            self.hand_over()
        return True

    cdef int hand_over(self) except -1:
        """Give the next part of the fragment, or the end, to what works in Python."""
        cdef Py_ssize_t stop = min(self.length, self.handed + SPAN)
        part = "" if self.handed < 0 else PyUnicode_Substring(self.owner, self.handed, stop)
        self.ready = self.splitting.feed(part, self.handed < 0)
        self.next_ready = 0
        self.handed = self.length if self.handed < 0 else stop
        failure = self.splitting.failure
        if failure is not None:
            self.fail(failure, self.shift + self.splitting.at)
        return 0

    cdef object made(self):
        """The chunk that is next; it stays so."""
        cdef int64_t start, stop
        cdef const char *found
        if self.splitting is not None:
            text, at, end = self.ready[self.next_ready]
            if self.kind == AS_STR:
                return text
            return new_chunk(text, self.shift + at, self.shift + end)
        start, stop = self.state.queue[0], self.state.queue[1]
        found = <const char *> self.text.data + (start - self.text.base) * self.text.width
        if self.text.ascii:  # its characters need no look
            text = PyUnicode_New(stop - start, 127)
            memcpy(PyUnicode_DATA(text), found, stop - start)
        else:
            text = PyUnicode_FromKindAndData(self.text.width, found, stop - start)
        return text if self.kind == AS_STR else new_chunk(text, start, stop)

    cdef int passed(self) noexcept:
        """That chunk is handed out."""
        if self.splitting is not None:
            self.next_ready += 1
            return 0
        self.state.queued -= 1
        self.state.queue[0], self.state.queue[1] = self.state.queue[2], self.state.queue[3]
        return 0

    cdef PyObject *take(self) except? NULL:
        if not self.advance():
            return NULL
        item = self.made()
        self.passed()
        return own(item)

    cdef object batch_class(self):
        return Batch if self.kind == AS_STR else ChunkBatch

    cdef object take_batch(self):
        cdef ChunkSpans spans
        cdef int64_t first
        cdef void *smaller
        if self.kind == AS_STR:
            return Engine.take_batch(self)
        if self.splitting is not None:
            return self.take_items()
        if self.gathered is None:  # else an earlier call found no memory
            spans = ChunkSpans.__new__(ChunkSpans)
            spans.spans = <int64_t *> PyMem_RawMalloc(2 * BATCH_ITEMS * sizeof(int64_t))
            if spans.spans == NULL:
                raise MemoryError()
            self.gathered = [ChunkBatch._of_spans(spans, "chunk"), spans]
        spans = self.gathered[1]
        while spans.count < BATCH_ITEMS and self.advance():
            spans.spans[2 * spans.count] = self.state.queue[0]
            spans.spans[2 * spans.count + 1] = self.state.queue[1]
            spans.count += 1
            self.passed()
        if not spans.count:
            self.gathered = None
            return None
        smaller = PyMem_RawRealloc(spans.spans, 2 * spans.count * sizeof(int64_t))
        if smaller != NULL:
            spans.spans = <int64_t *> smaller
        first = spans.spans[0]
        spans.base = first
        if self.owner is not None and self.text.data == <const void *> self.ptr:
            spans.text = self.owner
            spans.base = self.text.base
        else:
            spans.text = PyUnicode_FromKindAndData(
                self.text.width, <const char *> self.text.data + (first - self.text.base) * self.text.width,
                spans.spans[2 * spans.count - 1] - first)
        batch = self.gathered[0]
        self.gathered = None
        return batch

    cdef object take_items(self):
        """A batch of chunks made by ``splitting``."""
        if self.gathered is None:
            self.gathered = []
        while len(self.gathered) < BATCH_ITEMS and self.advance():
            self.gathered.append(self.made())
            self.passed()
        batch = ChunkBatch._of_items(self.gathered) if self.gathered else None
        self.gathered = None
        return batch


cdef object token_counting(object bpe):
    """A capsule of what counts the tokens of ``bpe`` natively; None if nothing does, or it counts its own way."""
    from streamcore._native.bpe.core import BPECore

    if not isinstance(bpe, BPECore) or type(bpe).count is not BPECore.count or "count" in getattr(bpe, "__dict__", ()):
        return None
    from streamcore._native.bpe.counting import counting

    return counting(bpe)
