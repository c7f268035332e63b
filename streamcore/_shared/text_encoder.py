"""Ids of text that comes in fragments, by the rules in Python: all of the pure encoder, what is rare of the native one.

``text_stream`` makes text of the fragments and cuts it at special tokens, what encodes the text between them is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

from ..errors import ItemTooLarge, StreamTimeout
from .options import limit_option
from .special_tokens import disallowed_error, special_names
from .text_input import as_bytes, check_errors, exact_str
from .text_stream import Composer, NameFinder, TextDecoder

__all__ = ["EncoderOptions", "Pieces", "TextEncoder", "UnknownPattern", "as_fragment"]


def as_fragment(fragment: Any) -> str | bytes:
    """A fragment as ``str`` or ``bytes`` that nobody changes, with no methods of the caller's."""
    if issubclass(type(fragment), str):
        return exact_str(fragment)
    return as_bytes(fragment, "BPEEncoder takes str or bytes-like fragments")


class EncoderOptions:
    """The options of an encoder, checked."""

    def __init__(
        self,
        core: Any,
        allowed_special: str | Collection[str],
        disallowed_special: str | Collection[str],
        errors: str,
        max_size: int | None,
    ) -> None:
        self.errors = check_errors(errors)
        special = frozenset(core.special_tokens)
        self.allowed, self.disallowed = special_names(special, allowed_special, disallowed_special)
        self.max_size = limit_option("max_size", max_size)


class Pieces(Protocol):
    """What encodes one text without special tokens."""

    @property
    def held_size(self) -> int:
        """Bytes of the text whose ids were not given out."""

    def held(self) -> bytes:
        """That text."""

    def feed(self, text: str, final: bool, out: list[Any]) -> None:
        """Append the ids that ``text`` makes final; ``final`` ends the text."""


class UnknownPattern:
    """The pieces of a pattern of which it is not known how far it looks: holds all text until it ends."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self._held: list[str] = []
        self.held_size = 0

    def held(self) -> bytes:
        """The text whose ids were not given out."""
        return "".join(self._held).encode()

    def feed(self, text: str, final: bool, out: list[Any]) -> None:
        """Nothing until the text ends, then its ids; an error of the pattern comes after the ids before it."""
        self._held.append(text)
        self.held_size += len(text.encode())
        if final:
            lookup = self._core._cache.__getitem__
            for pieces in self._core._split("".join(self._held)):
                for piece in pieces:
                    out += lookup(piece)
            self._held, self.held_size = [], 0


class TextEncoder:
    """The state of an encoder. ``new_pieces()`` is called for each text: at the start, and after a special token.

    A call that raises may have changed it in part: the encoder is then no good before ``reset()``.
    """

    def __init__(self, core: Any, options: EncoderOptions, new_pieces: Callable[[], Pieces]) -> None:
        self._core = core
        self._errors = options.errors
        self._max_size = options.max_size
        self._new_pieces = new_pieces
        self._disallowed = NameFinder(options.disallowed)
        self._allowed = NameFinder(options.allowed)
        self.reset()

    def reset(self) -> None:
        """Back to new."""
        self.offset = 0
        """Bytes or characters of input that were taken in."""
        self.error: Exception | None = None
        """What is wrong with the input, after the ids given."""
        self._text = TextDecoder(self._errors)
        self._disallowed.reset()
        self._allowed.reset()
        self._begin_text()

    def _begin_text(self) -> None:
        """A new text begins: at the start, and after each special token."""
        self._composer = Composer() if self._core.normalization else None
        self._pieces = self._new_pieces()

    def check_kind(self, fragment: str | bytes) -> None:
        """TypeError where the fragments before are of the other kind; changes nothing."""
        self._text.kind_of(fragment)

    def feed(self, fragment: str | bytes) -> list[Any]:
        """What the pieces append for a fragment, and the ids of special tokens among it."""
        text = self._text.feed(fragment)
        self.offset += len(fragment)
        return self._encode(text, False)

    def finish(self) -> list[Any]:
        """The same for the end of the input."""
        return self._encode(self._text.feed("" if self._text.kind is str else b"", True), True)

    def _encode(self, text: str, final: bool) -> list[Any]:
        out: list[Any] = []
        try:
            self._encode_named(text, final or self._text.error is not None, out)
        except (StreamTimeout, ValueError) as error:
            if self._core._family is not None:
                raise
            self.error = error  # the pattern took too long, or too much memory
        return out

    def _encode_named(self, text: str, final: bool, out: list[Any]) -> None:
        for part, name in self._disallowed.feed(text, final):
            self._encode_allowed(part, final or name is not None, out)
            if name is not None:
                self.error = disallowed_error(name, self._disallowed.position)
                break
        else:
            if self._text.error is not None:
                self.error = self._text.error
            else:
                self._check_size()

    def _encode_allowed(self, text: str, final: bool, out: list[Any]) -> None:
        for part, name in self._allowed.feed(text, final):
            ends = final or name is not None
            if self._composer is not None:
                part = self._composer.feed(part, ends)
            self._pieces.feed(part, ends, out)
            if name is not None:
                out.append(self._core.special_tokens[name])
                self._begin_text()

    def _check_size(self) -> None:
        size = self._pieces.held_size + (self._composer.held_size if self._composer else 0)
        if self._max_size is not None and size > self._max_size:
            held = self._pieces.held()
            start = len(held.decode("utf-8", "ignore")) if self._text.kind is str else len(held)
            self.error = ItemTooLarge(size, self._max_size, self.offset - start)
