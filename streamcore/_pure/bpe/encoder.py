"""Streaming byte-pair encoder: fragments of text in, ids out, equal to those of the whole text for every cut.

Goals: an id is given out as soon as no later text can change it; the state is bounded. Plan: ``text_stream`` makes
text of the fragments and cuts it at special tokens, ``open_piece`` encodes what lies between.

What is held back: an unfinished character, the beginning of a special token, with NFC the last character, and of the
piece that has not ended the tokens that its continuations do not share. Seen at most, byte by byte: in r50k, cl100k
and o200k 33 bytes of letters, 10 of random letters, 147 of blanks, 127 of dashes (tokens have up to 128). No bound
below the length of the piece holds for every vocabulary: hence ``max_size``. Two kinds of text reach it with the
published ones, and must: blanks after a line end, which belong to one piece with it if another line end follows, and in
o200k capitals after a letter without case, if a small letter follows. Where the encodings of the two futures first
differ, no id is sure until that comes. A pattern of no known family is held as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from ..._shared.options import limit_option
from ..._shared.special_tokens import disallowed_error, special_names
from ..._shared.text_input import as_bytes, check_errors, exact_str
from ..._shared.text_stream import Composer, NameFinder, TextDecoder
from ...errors import ItemTooLarge, StreamTimeout
from ..engine.token_engine import TokenEngine
from .open_piece import OpenPieces

if TYPE_CHECKING:
    from .core import BPECore

__all__ = ["BPEEncoder"]


class UnknownPattern:
    """Stands in for ``OpenPieces`` where it is not known how far a pattern looks: holds all text until it ends."""

    def __init__(self, core: BPECore) -> None:
        self._core = core
        self._held: list[str] = []
        self.held_size = 0

    def held(self) -> bytes:
        """The text whose ids were not given out."""
        return "".join(self._held).encode()

    def feed(self, text: str, final: bool) -> Iterator[int]:
        """Nothing until the text ends, then its ids; an error of the pattern comes after the ids before it."""
        self._held.append(text)
        self.held_size += len(text.encode())
        if final:
            lookup = self._core._cache.__getitem__
            for pieces in self._core._split("".join(self._held)):
                for piece in pieces:
                    yield from lookup(piece)
            self._held, self.held_size = [], 0


class BPEEncoder(TokenEngine):
    """Engine that turns text into ids: ``feed(fragment)`` gives a list of uint32 arrays (one, or none).

    Fragments are all ``str`` or all bytes-like. The other options are those of ``BPE.encode``; a disallowed special
    token raises ValueError after the ids before it. ``max_size`` bounds the bytes of text whose ids cannot be given out
    yet, beyond it ``ItemTooLarge`` is raised (None for no bound). With a pattern of no known family, all text is held
    until ``finish()``.
    """

    _name = "BPEEncoder"

    def __init__(
        self,
        core: BPECore,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
        max_size: int | None = 1 << 26,
    ) -> None:
        errors = check_errors(errors)
        special = frozenset(core.special_tokens)
        allowed, disallowed = special_names(special, allowed_special, disallowed_special)
        self._core = core
        self._max_size = limit_option("max_size", max_size)
        self._text = TextDecoder(errors)
        self._disallowed = NameFinder(disallowed)
        self._allowed = NameFinder(allowed)
        self._clear()

    def _clear(self) -> None:
        super()._clear()
        self._text.reset()
        self._disallowed.reset()
        self._allowed.reset()
        self._begin_text()

    def _begin_text(self) -> None:
        """A new text begins: at the start, and after each special token."""
        core = self._core
        self._composer = Composer() if core.normalization else None
        self._pieces: OpenPieces | UnknownPattern
        self._pieces = UnknownPattern(core) if core._family is None else OpenPieces(core, core._family)

    def _take(self, fragment: Any) -> list[Any]:
        fragment = self._exact(fragment)
        self._text.kind_of(fragment)
        self._changing = True
        text = self._text.feed(fragment)
        self.offset += len(fragment)
        return self._encode(text, False)

    def _exact(self, fragment: Any) -> str | bytes:
        """A fragment as ``str`` or ``bytes`` that nobody changes, with no methods of the caller's."""
        if issubclass(type(fragment), str):
            return exact_str(fragment)
        return as_bytes(fragment, f"{self._name} takes str or bytes-like fragments")

    def _end(self) -> list[Any]:
        return self._encode(self._text.feed("" if self._text.kind is str else b"", True), True)

    def _encode(self, text: str, final: bool) -> list[Any]:
        out: list[int] = []
        try:
            self._encode_named(text, final or self._text.error is not None, out)
        except (StreamTimeout, ValueError) as error:
            if self._core._family is not None:
                raise
            self._fail(error)  # the pattern took too long, or too much memory
        if not out:
            return []
        import numpy as np

        return [np.array(out, np.uint32)]

    def _encode_named(self, text: str, final: bool, out: list[int]) -> None:
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

    def _encode_allowed(self, text: str, final: bool, out: list[int]) -> None:
        for part, name in self._allowed.feed(text, final):
            ends = final or name is not None
            if self._composer is not None:
                part = self._composer.feed(part, ends)
            out += self._pieces.feed(part, ends)
            if name is not None:
                out.append(self._core.special_tokens[name])
                self._begin_text()

    def _check_size(self) -> None:
        size = self._pieces.held_size + (self._composer.held_size if self._composer else 0)
        if self._max_size is not None and size > self._max_size:
            held = self._pieces.held()
            start = len(held.decode("utf-8", "ignore")) if self._text.kind is str else len(held)
            self._fail(ItemTooLarge(size, self._max_size, self.offset - start))
