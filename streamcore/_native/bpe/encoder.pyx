# cython: language_level=3, freethreading_compatible=True
"""Streaming byte-pair encoder (twin: ``_pure.bpe.encoder``).

Goals: the ids of the twin, at the same calls, at the speed of encoding at once; no Python object a piece; nothing lost
when memory runs out. Plan: a fragment is appended to the text that is held, as UTF-8, and stream.h does the rest,
up to the ids, which become one array per fragment. It is set back when making that array fails. What is rare goes
by the rules of ``_shared``: the text of invalid UTF-8 and surrogates is made by ``TextDecoder``; with normalization
or a pattern of no known family ``TextEncoder`` does it all, and what breaks it off ends the stream.
"""

from functools import partial

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_GET_LENGTH
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from streamcore._native.bpe.special_tokens cimport SpecialTokens, bpe_names
from streamcore._native.bpe.core cimport (
    BPECore,
    bpe_choose_scanner,
    bpe_context,
    bpe_output,
    bpe_output_free,
    bpe_output_reserve,
    bpe_spec,
    bpe_vocab,
    check_memory,
    take_array,
)
from streamcore._native.cpython cimport own
from streamcore._native.engine.engine cimport BaseEngine
from streamcore._native.kernels.scan cimport demanded_kernel

from streamcore._shared.driving import executing
from streamcore._shared.options import DEFAULT_MAX_SIZE, core_option
from streamcore._shared.special_tokens import disallowed_error
from streamcore._shared.text_encoder import EncoderOptions, TextEncoder, UnknownPattern, as_fragment
from streamcore._shared.template import NO_TEMPLATE
from streamcore._shared.text_stream import TextDecoder
from streamcore.errors import ItemTooLarge

__all__ = ["BPEEncoder"]


bpe_choose_scanner(demanded_kernel())


cdef extern from "bpe/fragment.h" nogil:
    size_t bpe_count_chars(const uint8_t *p, size_t n)
    size_t bpe_whole_chars(const uint8_t *p, size_t n, size_t *chars)


cdef extern from "bpe/stream.h" nogil:
    """
    /* An empty name is found everywhere. */
    static void bpe_names_everywhere(bpe_names *names) {
        memset(names->first, 1, sizeof names->first);
        names->only = -1;
    }
    """
    enum: BPE_MORE

    ctypedef struct bpe_place:
        size_t at, size

    ctypedef struct bpe_range:
        size_t first, count

    ctypedef struct bpe_list:
        uint32_t *ids

    ctypedef struct bpe_progress:
        size_t start

    ctypedef struct bpe_state:
        size_t size, checked, released, pos, skip
        int open, made, forked
        bpe_progress progress
        bpe_place main
        bpe_range finals, other_finals

    ctypedef struct bpe_stream_t "bpe_stream":
        const uint8_t *text
        bpe_list finals
        bpe_state now, before

    int bpe_stream_init(bpe_stream_t *s, const bpe_vocab *v)
    void bpe_stream_free(bpe_stream_t *s)
    size_t bpe_stream_bytes(const bpe_stream_t *s, const bpe_vocab *v)
    int bpe_stream_take(bpe_stream_t *s, const bpe_vocab *v, const bpe_spec *spec, bpe_context *c,
                        const bpe_names *disallowed, const bpe_names *allowed, const uint8_t *p, size_t n, int final,
                        bpe_output *o, size_t *hit, uint32_t *which)
    size_t bpe_stream_held(const bpe_stream_t *s)
    void bpe_stream_undo(bpe_stream_t *s, const bpe_vocab *v, bpe_context *c)
    void bpe_stream_commit(bpe_stream_t *s)
    void bpe_names_everywhere(bpe_names *names)
    size_t bpe_token_size "bpe_token_len"(const bpe_vocab *v, uint32_t t)


cdef str NAME = "BPEEncoder"

cdef enum:
    SMALL = 4160     # ids that are made on the stack
    RELEASE = 16384  # bytes of a fragment from which on the GIL is released


cdef const uint8_t *utf8_of(object text, Py_ssize_t *size) except? NULL:
    """The UTF-8 of ``text``, NULL for text with surrogates."""
    try:
        return <const uint8_t *>PyUnicode_AsUTF8AndSize(text, size)
    except UnicodeEncodeError:
        return NULL


@cython.final
cdef class EncoderState:
    """The text held, the open piece and what is final of it. Also the pieces of a ``TextEncoder``."""

    cdef BPECore core
    cdef bpe_stream_t s
    cdef size_t hit     # where in the text held the disallowed token `which` begins, BPE_MORE for nowhere
    cdef uint32_t which
    cdef bint busy      # a call is using it

    def __cinit__(self, BPECore core not None):
        self.core = core
        check_memory(bpe_stream_init(&self.s, &core.vocab))

    def __dealloc__(self):
        bpe_stream_free(&self.s)

    cdef size_t memory(self) noexcept:
        return bpe_stream_bytes(&self.s, &self.core.vocab)

    def __sizeof__(self):
        return object.__sizeof__(self) + self.memory()

    cdef int enter(self) except -1:
        cdef bint busy
        with cython.critical_section(self):
            busy = self.busy
            self.busy = True
        if busy:
            raise executing(NAME)
        return 0

    cdef int leave(self, bpe_context *context) except -1:
        if context != NULL:
            self.core.give_context(context)
        self.busy = False
        return 0

    def begin(self):
        """Back to new; gives itself."""
        self.enter()
        memset(&self.s.now, 0, sizeof(bpe_state))
        bpe_stream_commit(&self.s)
        self.busy = False
        return self

    @property
    def held_size(self):
        """Bytes of the text whose ids were not given out."""
        return bpe_stream_held(&self.s)

    def held(self):
        """The text whose ids were not given out."""
        self.enter()
        try:
            return self.held_text()
        finally:
            self.busy = False

    cdef bytes held_text(self):
        cdef const bpe_state *now = &self.s.now
        cdef const bpe_vocab *v = &self.core.vocab
        cdef const uint8_t *text = self.s.text
        cdef uint32_t token
        cdef size_t i
        if not now.open:
            return b""
        if not now.made:
            return text[now.progress.start:now.released]
        parts = []
        for i in range(now.finals.first, now.finals.count):
            token = self.s.finals.ids[i]
            parts.append(v.bytes[v.starts[token]:v.starts[token] + bpe_token_size(v, token)])
        parts.append(text[now.main.at:now.main.at + now.main.size])
        return b"".join(parts)

    cdef object encode(self, bpe_context *context, const uint8_t *data, size_t n, bint final, SpecialTokens forbidden,
                       SpecialTokens special):
        """An array of the ids that ``data`` makes final, None for none."""
        cdef const bpe_names *disallowed = &forbidden.names if forbidden is not None else NULL
        cdef const bpe_names *allowed = &special.names if special is not None else NULL
        cdef BPECore core = self.core
        cdef uint32_t small[SMALL]
        cdef bpe_output o
        cdef int error
        o.ids, o.count, o.room, o.own = small, 0, SMALL, 0
        try:
            if n + 64 > SMALL:
                check_memory(bpe_output_reserve(&o, n // 3 + SMALL))
            if n < RELEASE:
                error = bpe_stream_take(&self.s, &core.vocab, &core.spec, context, disallowed, allowed, data, n,
                                        final, &o, &self.hit, &self.which)
            else:
                with nogil:
                    error = bpe_stream_take(&self.s, &core.vocab, &core.spec, context, disallowed, allowed, data, n,
                                            final, &o, &self.hit, &self.which)
            check_memory(error)
            return take_array(&o) if o.count else None
        finally:
            bpe_output_free(&o)

    def feed(self, str text, bint final, list out not None):
        """Append the array of ids that ``text`` makes final, if there are any; ``final`` ends the text."""
        cdef bpe_context *context = NULL
        cdef Py_ssize_t n = 0
        cdef const uint8_t *data = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &n)
        self.enter()
        try:
            self.s.before = self.s.now
            context = self.core.take_context()
            ids = self.encode(context, data, n, final, None, None)
            if ids is not None:
                out.append(ids)
            bpe_stream_commit(&self.s)
        except BaseException:
            self.undo(context)
            raise
        finally:
            self.leave(context)

    cdef int undo(self, bpe_context *context) except -1:
        if context != NULL:
            bpe_stream_undo(&self.s, &self.core.vocab, context)
        return 0


cdef class BPEEncoder(BaseEngine):
    """BPEEncoder(core, *, allowed_special=(), disallowed_special='all', errors='replace', max_size=67108864, \
add_special_tokens=False)\n--\n\n\
Engine that turns text into ids: ``feed(fragment)`` gives a list of uint32 arrays (one, or none).

    Fragments are all ``str`` or all bytes-like. The other options are those of ``BPE.encode``; a disallowed special
    token raises ValueError after the ids before it. ``max_size`` bounds the bytes of text whose ids cannot be given out
    yet, beyond it ``ItemTooLarge`` is raised (None for no bound). With a pattern of no known family, text is held up
    to the last blank after a word where the pattern is seen to cut there, else until ``finish()``.
    """

    cdef BPECore core            # None before __init__ is through
    cdef EncoderState state      # None for a pattern of no known family
    cdef object rules            # a TextEncoder where the state alone does not do; else None
    cdef object halted           # what such a one raises once it was broken off; made while there is memory
    cdef PyObject *ids           # the array of the fragment at hand, NULL for none
    cdef SpecialTokens disallowed, allowed
    cdef str errors
    cdef size_t max_size
    cdef long long taken         # bytes or characters of the fragments
    # Without rules:
    cdef size_t chars            # characters of the text taken in
    cdef size_t decoded          # bytes of the fragments that were valid, or made so
    cdef bytes tail              # of the last fragment: the beginning of a character,
    cdef str surrogate           # or the first of a pair
    cdef object kind             # str or bytes, what the fragments are

    def __cinit__(self, *args, **kwargs):
        self.name = NAME
        self.single = True

    def __init__(self, core, *, allowed_special=frozenset(), disallowed_special="all",
                 errors="replace", max_size=DEFAULT_MAX_SIZE, add_special_tokens=False):
        cdef BPECore known
        cdef EncoderState state = None
        cdef SpecialTokens disallowed = None, allowed = None
        core_option(core, BPECore)
        known = <BPECore>core
        options = EncoderOptions(known, allowed_special, disallowed_special, errors, max_size, add_special_tokens)
        rules = None
        if known.known:
            state = EncoderState(known)
        if not known.plain or options.template != NO_TEMPLATE:
            rules = TextEncoder(known, options, partial(UnknownPattern, known) if state is None else state.begin)
        else:
            if options.disallowed:
                disallowed = SpecialTokens(options.disallowed, {})
                if "" in options.disallowed:
                    bpe_names_everywhere(&disallowed.names)
            if options.allowed:
                allowed = SpecialTokens(options.allowed, known.special_tokens)
        most = <size_t>-1 if options.max_size is None else min(options.max_size, <size_t>-1)
        halted = new_halted()
        self.check_idle()  # all code of others has run
        self.state, self.rules, self.halted = state, rules, halted
        self.disallowed, self.allowed, self.errors, self.max_size = disallowed, allowed, options.errors, most
        self.error = None
        self.ended = False
        self.set_new()
        self.core = known

    def __dealloc__(self):
        Py_XDECREF(self.ids)

    def __sizeof__(self):
        return object.__sizeof__(self) + (0 if self.state is None else self.state.memory())

    cdef int set_new(self) except -1:
        self.tail, self.surrogate, self.kind = b"", "", None
        self.chars = self.decoded = self.taken = 0
        return 0

    # ---- the life cycle ----

    cdef int check_open(self, str call) except -1:
        if self.core is None:  # a subclass may call before __init__ has come to it
            raise RuntimeError("BPEEncoder is not initialized")
        return BaseEngine.check_open(self, call)

    cdef long long position(self) noexcept:
        return self.taken

    cdef int open_fragment(self, object fragment) except -1:
        if self.rules is None:
            return self.take_in_text(fragment, False)
        fragment = as_fragment(fragment)
        self.rules.check_kind(fragment)
        return self.take_by_rules(fragment, False)

    cdef PyObject *take(self) except? NULL:
        cdef PyObject *ids = self.ids
        self.ids = NULL
        return ids

    cdef int end(self) except -1:
        if self.rules is None:
            return self.take_in_text(None, True)
        return self.take_by_rules(None, True)

    cdef int start_over(self) except -1:
        if self.core is None:
            raise RuntimeError("BPEEncoder is not initialized")
        if self.rules is not None:
            self.error = self.halted  # should it be broken off
            self.rules.reset()
            self.halted = new_halted()
        else:
            self.state.begin()
        return self.set_new()

    # ---- by the state ----

    cdef int take_in_text(self, fragment, bint final) except -1:
        """Take in a fragment, or with ``final`` the end; nothing is changed if this raises."""
        cdef EncoderState state = self.state
        cdef bpe_context *context = NULL
        cdef const uint8_t *data = NULL
        cdef size_t n = 0, chars = 0, whole, decoded
        cdef Py_ssize_t length = 0, size = 0
        cdef long long taken = self.taken
        cdef bytes data_bytes, joined, tail = b""
        cdef str text, surrogate = ""
        failed = None
        state.enter()
        try:
            state.s.before = state.s.now
            decoded = self.decoded
            context = state.core.take_context()
            if final:
                fragment = "" if self.kind is str else b""
            elif type(fragment) is not str and type(fragment) is not bytes:
                fragment = as_fragment(fragment)
            kind = type(fragment)
            if kind is str:
                text = fragment
                length = PyUnicode_GET_LENGTH(text)
                if self.kind is not bytes and not self.surrogate:
                    data = utf8_of(text, &size)
                    n, chars = size, length
            else:
                data_bytes = fragment
                length = PyBytes_GET_SIZE(data_bytes)
                if self.kind is not str:
                    joined = self.tail + data_bytes if self.tail else data_bytes
                    n = PyBytes_GET_SIZE(joined)
                    data = <const uint8_t *>PyBytes_AS_STRING(joined)
                    whole = bpe_whole_chars(data, n, &chars)
                    if whole > n or (final and whole < n):
                        data = NULL
                    elif whole < n:
                        tail = joined[whole:]
                    n = whole
                    decoded += whole
            if data == NULL:
                decoder = TextDecoder(self.errors, self.kind, self.tail, self.surrogate, self.decoded)
                text = decoder.feed(fragment, final)
                tail, decoded, surrogate = decoder.unfinished, decoder.decoded, decoder.surrogate
                data = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &size)
                n, chars, failed = size, PyUnicode_GET_LENGTH(text), decoder.error
            ids = state.encode(context, data, n, final or failed is not None, self.disallowed, self.allowed)
            self.taken = taken + length
            if state.hit != BPE_MORE:
                failed = self.error_at_hit(self.chars + chars)
            elif failed is None and bpe_stream_held(&state.s) > self.max_size:
                failed = self.too_large(kind)
            if failed is not None:
                self.fail(failed, self.taken)
            bpe_stream_commit(&state.s)
            self.chars += chars
            self.tail, self.decoded, self.surrogate, self.kind = tail, decoded, surrogate, kind
            if ids is not None:
                self.ids = own(ids)
        except BaseException:
            self.taken = taken
            state.undo(context)
            raise
        finally:
            state.leave(context)
        return 0

    cdef object error_at_hit(self, size_t chars):
        """The error for the disallowed token that was found; ``chars`` of the text lie before its end."""
        cdef const bpe_stream_t *s = &self.state.s
        return disallowed_error(
            self.disallowed.texts[self.state.which],
            chars - bpe_count_chars(s.text + self.state.hit, s.now.size - self.state.hit),
        )

    cdef object too_large(self, kind):
        held = self.state.held_text()
        start = len(held.decode("utf-8", "ignore")) if kind is str else len(held)
        return ItemTooLarge(len(held), self.max_size, self.taken - start)

    # ---- by rules in Python ----

    cdef int take_by_rules(self, fragment, bint final) except -1:
        """Take in a fragment, or with ``final`` the end; what breaks it off ends the stream."""
        try:
            out = self.rules.finish() if final else self.rules.feed(fragment)
            ids = array_of(out, self.state is None) if out else None
            self.taken = self.rules.offset
            failed = self.rules.error
            if failed is not None:
                self.fail(failed, self.taken)
            if ids is not None:
                self.ids = own(ids)
        except BaseException:
            self.taken = self.rules.offset
            if self.error is None:
                self.error = self.halted
            raise
        return 0


cdef object array_of(list out, bint numbers):
    """One array of what a ``TextEncoder`` gave: numbers, or arrays and the numbers of special tokens."""
    import numpy as np
    if numbers:
        return np.array(out, np.uint32)
    if len(out) == 1 and type(out[0]) is np.ndarray:
        return out[0]
    arrays = []
    for ids in out:
        arrays.append(ids if type(ids) is np.ndarray else np.array([ids], np.uint32))
    return np.concatenate(arrays)


cdef object new_halted():
    return RuntimeError(
        f"{NAME} was stopped in the middle of a call, so that what follows may be wrong: call reset() first"
    )
