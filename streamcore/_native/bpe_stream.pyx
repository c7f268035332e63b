# cython: language_level=3, freethreading_compatible=True
"""Streaming byte-pair encoder (twin: ``_pure.bpe_stream``).

Goals: the ids of the twin, at the same calls, at nearly the speed of encoding at once. Plan: the scanner of the core
takes the pieces that surely end in a fragment; of the piece that does not, bpe_open.h finds the tokens that are final.
Its text is kept and looked at anew with the next fragment, so this serves pieces of up to BPE_OPEN_MAX bytes. Longer
ones, and ends that text far ahead decides, are left to the state machine of the twin, which this class extends.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t

from .bpe cimport (
    BPE_DEEPEST,
    BPE_OPEN_MAX,
    BPECore,
    Names,
    bpe_context,
    bpe_encode,
    bpe_names_find,
    bpe_output,
    bpe_output_free,
    bpe_output_reserve,
    bpe_plain_end,
    bpe_stable,
    bpe_stable_blank,
    bpe_token_len,
    check_memory,
    take_array,
    take_list,
)

from .._pure import bpe_stream
from .._pure.bpe_input import raise_disallowed
from .._pure.open_piece import OpenPieces
from .._pure.text_stream import Composer, NameFinder, TextDecoder

__all__ = ["BPEEncoder"]


class NativePieces(OpenPieces):
    """The pieces of one text without special tokens.

    ``_pending`` is the text of a piece that has not ended and that the state machine does not have, of which ``_taken``
    ids for ``_taken_bytes`` bytes were given out. When the machine is given such a piece, it makes these ids once more
    and ``_skip`` says how many are to be left out.
    """

    def __init__(self, core, family):
        self._pending = ""
        self._taken = self._taken_bytes = self._skip = 0
        super().__init__(core, family)

    @property
    def held_size(self):
        if self._pending:
            return len(self._pending.encode()) - self._taken_bytes
        return OpenPieces.held_size.fget(self)

    def held(self):
        """The text whose ids were not given out."""
        if self._pending:
            return self._pending.encode()[self._taken_bytes:]
        return super().held()

    def feed(self, text, final):
        """The ids that ``text`` makes final; ``final`` ends the text."""
        out = []
        if not self._open:
            text = take_pieces(self._core, self, text, final, False, out)
        if text or self._open:
            out += self._not_again(super().feed(text, final))
        return out

    def feed_array(self, text, final):
        """The same as an array."""
        out = []
        if not self._open:
            text = take_pieces(self._core, self, text, final, True, out)
            if not text:
                return out[0]
        import numpy as np
        ids = self._not_again(super().feed(text, final))
        return np.concatenate([*out, np.array(ids, np.uint32)])

    def _bulk(self, text, final, out):
        return take_pieces(self._core, self, text, final, False, out)

    def _not_again(self, ids):
        skipped = min(self._skip, len(ids))
        self._skip -= skipped
        return ids[skipped:] if skipped else ids


cdef str take_pieces(BPECore core, object pieces, str text, bint final, bint as_array, list out):
    """Append the ids of the pieces that end in ``text`` to ``out`` (or one array of them), and those of the open piece
    that are final. What is left for the state machine."""
    cdef bpe_output o
    cdef bpe_context *context
    cdef Py_ssize_t size = 0
    cdef size_t pos = 0, n, need = 0, skip, tokens, covered = 0, i
    cdef uint32_t stable[BPE_OPEN_MAX]
    cdef bint plain
    cdef int blank = 0
    cdef const uint8_t *data
    cdef int error
    cdef object rest = ""
    if pieces._pending:
        text = pieces._pending + text
        pieces._pending = ""
    data = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &size)
    n = size
    skip = pieces._taken
    pieces._taken = pieces._taken_bytes = 0
    o.ids, o.count, o.room, o.own = NULL, 0, 0, 1
    context = core.take_context()
    try:
        check_memory(bpe_output_reserve(&o, n // 3 + 64))
        while pos < n:
            error = bpe_encode(&core.vocab, &core.spec, context, data, &pos, n, final, o.ids, o.room, &o.count, &need)
            check_memory(error)
            if need == 0:
                break
            check_memory(bpe_output_reserve(&o, need))
        if pos < n:
            tokens, plain = BPE_OPEN_MAX + 1, False
            if n - pos <= BPE_OPEN_MAX and core.vocab.max_len < BPE_DEEPEST:
                plain = bpe_plain_end(&core.spec, data + pos, n - pos, &blank)
                if blank:
                    tokens = bpe_stable_blank(&core.vocab, context, &core.spec, data + pos, n - pos, stable)
                else:
                    tokens = bpe_stable(&core.vocab, context, data + pos, n - pos, n - pos, stable)
            rest = PyUnicode_DecodeUTF8(<const char *>data + pos, n - pos, NULL)
            if tokens == 0 or (tokens <= BPE_OPEN_MAX and core.vocab.unreachable == 0 and (plain or blank)):
                check_memory(bpe_output_reserve(&o, tokens))
                for i in range(tokens):
                    covered += bpe_token_len(&core.vocab, stable[i])
                    o.ids[o.count] = core.vocab.ids[stable[i]]
                    o.count += 1
                pieces._pending, rest = rest, ""
                # what was given out of this piece, already before it began too (it was the other end of white space)
                pieces._taken = max(tokens, skip - (o.count - tokens) if skip + tokens > o.count else 0)
                pieces._taken_bytes = covered
            else:
                if skip > o.count:  # not set to 0 here: _bulk() comes this way once more with the same piece
                    pieces._skip = skip - o.count
        if skip > o.count:
            skip = o.count
        give(&o, skip, as_array, out)
    finally:
        core.give_context(context)
        bpe_output_free(&o)
    return rest


cdef int give(bpe_output *o, size_t skip, bint as_array, list out) except -1:
    if as_array:
        array = take_array(o)
        out.append(array[skip:] if skip else array)
    else:
        ids = take_list(o)
        out += ids[skip:] if skip else ids
    return 0


class NativeFinder(NameFinder):
    """``NameFinder`` that passes on at once text with no name, and no beginning of one at its end."""

    def __init__(self, names):
        super().__init__(names)
        self._names = Names(names, {}) if names and "" not in names else None

    def feed(self, text, final):
        """Pairs of text and the name after it, the last one with None: what follows is not known yet."""
        cdef Names names = self._names
        cdef uint32_t which = 0
        cdef const uint8_t *data
        cdef Py_ssize_t size = 0
        if names is not None and not self._held:
            data = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &size)
            if bpe_names_find(&names.names, data, 0, size, &which) == <size_t>size:
                if final or self._first_beginning(text) == len(text):
                    self.position += len(text)
                    return ((text, None),)
        return super().feed(text, final)


class NativeText(TextDecoder):
    """``TextDecoder`` that leaves ``str`` without surrogates as it is; its UTF-8 is then at hand for the scanner."""

    def _join(self, text):
        cdef Py_ssize_t size = 0
        if not self._surrogate:
            try:
                PyUnicode_AsUTF8AndSize(text, &size)
            except UnicodeEncodeError:
                return super()._join(text)
            return text
        return super()._join(text)


class BPEEncoder(bpe_stream.BPEEncoder):
    """Engine that turns text into ids: ``feed(fragment)`` gives a list of uint32 arrays (one, or none).

    Fragments are all ``str`` or all bytes-like. The other options are those of ``BPE.encode``; a disallowed special
    token raises ValueError after the ids before it. ``max_size`` bounds the bytes of text whose ids cannot be given out
    yet, beyond it ``ItemTooLarge`` is raised (None for no bound). With a pattern of no known family, all text is held
    until ``finish()``.
    """

    def __init__(self, core, *, allowed_special=frozenset(), disallowed_special="all", errors="replace",
                 max_size=1 << 26):
        super().__init__(core, allowed_special=allowed_special, disallowed_special=disallowed_special, errors=errors,
                         max_size=max_size)
        self._text = NativeText(errors)
        self._disallowed = NativeFinder(self._disallowed.names)
        self._allowed = NativeFinder(self._allowed.names)

    def _begin_text(self):
        core = self._core
        if core._family is None or not isinstance(core, BPECore):
            super()._begin_text()
            return
        self._composer = Composer() if core.normalization else None
        self._pieces = NativePieces(core, core._family)

    def _encode(self, text, final):
        if not isinstance(self._pieces, NativePieces):
            return super()._encode(text, final)
        out = []
        final = final or self._text.error is not None
        for part, name in self._disallowed.feed(text, final):
            self._encode_allowed(part, final or name is not None, out)
            if name is not None:
                try:
                    raise_disallowed(name, self._disallowed.position)
                except ValueError as error:
                    self._fail(error)
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
        if not isinstance(self._pieces, NativePieces):
            super()._encode_allowed(text, final, out)
            return
        for part, name in self._allowed.feed(text, final):
            ends = final or name is not None
            if self._composer is not None:
                part = self._composer.feed(part, ends)
            ids = self._pieces.feed_array(part, ends)
            if len(ids):
                out.append(ids)
            if name is not None:
                import numpy as np
                out.append(np.array([self._core.special_tokens[name]], np.uint32))
                self._begin_text()
