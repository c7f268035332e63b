# cython: language_level=3, freethreading_compatible=True
"""Streaming byte-pair encoder (twin: ``_pure.bpe.encoder``).

Goals: the ids of the twin, at the same calls, at the speed of encoding at once; no Python object a piece; nothing lost
when memory runs out. Plan: a fragment is appended to the text that is held, as UTF-8, and stream.h does the rest,
up to the ids, which become one array a fragment. Its state is set back when making that array fails. What is rare takes
the way of the twin: invalid UTF-8, surrogates, normalization, patterns of no known family.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_GET_LENGTH
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from streamcore._native.bpe.core cimport (
    BPECore,
    Names,
    bpe_choose_scanner,
    bpe_context,
    bpe_names,
    bpe_output,
    bpe_output_free,
    bpe_output_reserve,
    bpe_spec,
    bpe_vocab,
    check_memory,
    take_array,
)
from streamcore._native.kernels.scan cimport demanded_kernel

from streamcore._shared.driving import check_idle, executing
from streamcore._pure.bpe import encoder as pure_encoder
from streamcore._shared.text_input import as_bytes, exact_str
from streamcore._shared.special_tokens import disallowed_error
from streamcore._shared.text_stream import Composer
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
cdef class Stream:
    """The state of an encoder: held text, open piece, special tokens to look for. Also the pieces of the twin."""

    cdef BPECore core
    cdef Names disallowed, allowed
    cdef bpe_stream_t s
    cdef size_t chars   # characters of the text taken in
    cdef size_t hit     # where in the text held the disallowed token `which` begins, BPE_MORE for nowhere
    cdef uint32_t which
    cdef bytes tail     # of the last fragment: the beginning of a character
    cdef size_t decoded  # bytes of the fragments that were valid, or made so
    cdef bint odd       # whether the last fragment ended with half a pair of surrogates
    cdef object kind    # str or bytes, what the fragments are
    cdef size_t max_size
    cdef readonly size_t offset  # bytes or characters of the fragments,
    cdef size_t taken            # the same before the one that is being taken in
    cdef bint busy      # a call is using it

    def __cinit__(self, BPECore core not None, disallowed, allowed, max_size):
        self.core = core
        self.max_size = <size_t>-1 if max_size is None else min(max_size, <size_t>-1)
        self.tail = b""
        check_memory(bpe_stream_init(&self.s, &core.vocab))
        if disallowed:
            self.disallowed = Names(disallowed, {})
            if "" in disallowed:
                bpe_names_everywhere(&self.disallowed.names)
        if allowed:
            self.allowed = Names(allowed, core.special_tokens)

    def __dealloc__(self):
        bpe_stream_free(&self.s)

    def __sizeof__(self):
        return object.__sizeof__(self) + bpe_stream_bytes(&self.s, &self.core.vocab)

    cdef int enter(self) except -1:
        cdef bint busy
        with cython.critical_section(self):
            busy = self.busy
            self.busy = True
        if busy:
            raise executing("BPEEncoder")
        return 0

    def begin(self):
        """Back to new."""
        cdef bpe_state *now = &self.s.now
        self.enter()
        memset(now, 0, sizeof(bpe_state))
        self.chars = self.decoded = self.offset = self.taken = 0
        self.tail, self.odd, self.kind = b"", False, None
        bpe_stream_commit(&self.s)
        self.busy = False

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

    cdef object encode(self, bpe_context *context, const uint8_t *data, size_t n, bint final, bint named):
        """An array of the ids that ``data`` makes final, None for none."""
        cdef const bpe_names *disallowed = &self.disallowed.names if named and self.disallowed is not None else NULL
        cdef const bpe_names *allowed = &self.allowed.names if named and self.allowed is not None else NULL
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

    def feed_array(self, str text, bint final):
        """The ids that ``text`` makes final, as the twin's pieces give them; None for none."""
        cdef bpe_context *context
        cdef Py_ssize_t n = 0
        cdef const uint8_t *data = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &n)
        self.enter()
        context = NULL
        try:
            self.s.before = self.s.now
            context = self.core.take_context()
            ids = self.encode(context, data, n, final, False)
            bpe_stream_commit(&self.s)
            return ids
        except BaseException:
            self.undo(context)
            raise
        finally:
            self.leave(context)

    cdef int undo(self, bpe_context *context) except -1:
        if context != NULL:
            bpe_stream_undo(&self.s, &self.core.vocab, context)
        return 0

    cdef int leave(self, bpe_context *context) except -1:
        if context != NULL:
            self.core.give_context(context)
        self.busy = False
        return 0

    cdef object take(self, engine, fragment, bint final):
        """Take in a fragment, or with ``final`` the end, and give the list of what ``feed`` gives."""
        cdef bpe_context *context = NULL
        cdef const uint8_t *data = NULL
        cdef size_t n = 0, chars = 0, whole, decoded
        cdef Py_ssize_t length = 0, size = 0
        cdef bint odd = False
        cdef bytes data_bytes, joined, tail = b""
        cdef str text
        decoder = failed = None
        surrogate = ""
        self.enter()
        try:
            self.s.before = self.s.now
            decoded = self.decoded
            if self.odd:
                decoder = engine._text
                surrogate = decoder._surrogate
            context = self.core.take_context()
            if final:
                fragment = "" if self.kind is str else b""
            elif type(fragment) is not str and type(fragment) is not bytes:
                fragment = as_fragment(fragment)
            kind = type(fragment)
            if kind is str:
                text = fragment
                length = PyUnicode_GET_LENGTH(text)
                if self.kind is not bytes and not self.odd:
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
                decoder = engine._text
                decoder.kind, decoder._bytes, decoder._decoded = self.kind, self.tail, self.decoded
                text = decoder.feed(fragment, final)
                tail, decoded, odd = decoder._bytes, decoder._decoded, decoder._surrogate != ""
                data = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &size)
                n, chars, failed = size, PyUnicode_GET_LENGTH(text), decoder.error
            ids = self.encode(context, data, n, final or failed is not None, True)
            given = [] if ids is None else [ids]
            self.offset += length
            if self.hit != BPE_MORE:
                failed = self.error_at_hit(self.chars + chars)
            if failed is not None:
                engine._fail(failed)
            elif bpe_stream_held(&self.s) > self.max_size:
                engine._fail(self.too_large(kind))
            bpe_stream_commit(&self.s)
            self.chars += chars
            self.taken = self.offset
            self.tail, self.decoded, self.odd, self.kind = tail, decoded, odd, kind
            return given
        except BaseException:
            self.offset = self.taken
            if decoder is not None:
                decoder.error, decoder._surrogate = None, surrogate
            self.undo(context)
            raise
        finally:
            self.leave(context)

    cdef object error_at_hit(self, size_t chars):
        """The error for the disallowed token that was found; ``chars`` of the text lie before its end."""
        return disallowed_error(
            self.disallowed.texts[self.which],
            chars - bpe_count_chars(self.s.text + self.hit, self.s.now.size - self.hit),
        )

    cdef object too_large(self, kind):
        held = self.held_text()
        start = len(held.decode("utf-8", "ignore")) if kind is str else len(held)
        return ItemTooLarge(len(held), self.max_size, self.offset - start)


cdef object as_fragment(object fragment):
    """A fragment as ``str`` or ``bytes`` that nobody changes, with no methods of the caller's."""
    if isinstance(fragment, str):
        return exact_str(fragment)
    return as_bytes(fragment, "BPEEncoder takes str or bytes-like fragments")


cdef inline Stream stream_of(engine):
    stream = engine._stream
    if type(stream) is not Stream:  # a subclass may call before __init__ has come to it
        raise RuntimeError("BPEEncoder is not initialized")
    return <Stream>stream


class BPEEncoder(pure_encoder.BPEEncoder):
    """Engine that turns text into ids: ``feed(fragment)`` gives a list of uint32 arrays (one, or none).

    Fragments are all ``str`` or all bytes-like. The other options are those of ``BPE.encode``; a disallowed special
    token raises ValueError after the ids before it. ``max_size`` bounds the bytes of text whose ids cannot be given out
    yet, beyond it ``ItemTooLarge`` is raised (None for no bound). With a pattern of no known family, all text is held
    until ``finish()``.
    """

    def __init__(self, core, *, allowed_special=frozenset(), disallowed_special="all", errors="replace",
                 max_size=1 << 26):
        self._stream = None
        self._plain = core._family is not None and core.normalization is None
        super().__init__(core, allowed_special=allowed_special, disallowed_special=disallowed_special, errors=errors,
                         max_size=max_size)

    @property
    def offset(self):
        """Bytes or characters of input that were taken in."""
        return stream_of(self).offset if self._plain else self._offset

    @offset.setter
    def offset(self, value):
        self._offset = value

    def _begin_text(self):
        core = self._core
        if core._family is None:
            super()._begin_text()
            return
        if self._stream is None:
            self._stream = Stream(core, self._disallowed.names, self._allowed.names, self._max_size)
        self._composer = Composer() if core.normalization else None
        self._pieces = self._stream

    def _clear(self):
        if self._stream is not None:
            stream_of(self).begin()
        super()._clear()

    def feed(self, fragment):
        """Take in one fragment and give the list of items that are final now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in; or, where an
        encoder or a twin was stopped in the middle, every further call raises RuntimeError until ``reset()``.
        """
        if not self._plain:
            return super().feed(fragment)
        if self._driven or self._busy or self._ended or self.error is not None:
            self._check_open("feed")
        items = stream_of(self).take(self, fragment, False)
        return items if items else self._raise_unless(items)

    def _check_idle(self):
        check_idle(self._name, self._busy or (self._plain and stream_of(self).busy), self._driven)

    def _finish(self):
        if not self._plain:
            return super()._finish()
        items = self._end()
        self._ended = self._changing = True  # not before: without memory it can be tried again
        return items

    def _take(self, fragment):
        if not self._plain:
            return super()._take(fragment)
        items = stream_of(self).take(self, fragment, False)
        if items:
            self._changing = True  # until an iterator has given them
        return items

    def _end(self):
        if self._plain:
            return stream_of(self).take(self, None, True)
        return super()._end()

    # Normalization goes the way of the twin, but for arrays in the place of lists.

    def _encode(self, text, final):
        if self._stream is None:
            return super()._encode(text, final)
        out = []
        final = final or self._text.error is not None
        for part, name in self._disallowed.feed(text, final):
            self._encode_allowed(part, final or name is not None, out)
            if name is not None:
                self._fail(disallowed_error(name, self._disallowed.position))
                break
        else:
            if self._text.error is not None:
                self._fail(self._text.error)
            else:
                self._check_size()
        if len(out) > 1:
            import numpy as np
            out = [np.concatenate(out)]
        return out

    def _encode_allowed(self, text, final, out):
        if self._stream is None:
            super()._encode_allowed(text, final, out)
            return
        for part, name in self._allowed.feed(text, final):
            ends = final or name is not None
            ids = stream_of(self).feed_array(self._composer.feed(part, ends), ends)
            if ids is not None:
                out.append(ids)
            if name is not None:
                import numpy as np
                out.append(np.array([self._core.special_tokens[name]], np.uint32))
                self._begin_text()
