"""Ids of text that comes in fragments, by the rules in Python: all of the pure encoder, what is rare of the native one.

``text_stream`` makes text of the fragments and cuts it at special tokens, what encodes the text between them is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, Protocol

from ..errors import ItemTooLarge, StreamTimeout
from .options import limit_option
from .safe_cuts import safe_cuts
from .special_tokens import disallowed_error, special_names
from .symbols import spaced
from .template import NO_TEMPLATE, Template
from .text_input import as_bytes, check_errors, exact_str
from .text_stream import NameFinder, TextDecoder

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
        add_special_tokens: bool = False,
    ) -> None:
        self.template: Template = core.template if add_special_tokens else NO_TEMPLATE
        self.errors = check_errors(errors)
        special = frozenset(core.special_tokens)
        self.allowed, self.disallowed = special_names(
            special, core.tokens.always, allowed_special, disallowed_special
        )
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
    """The pieces of a pattern of no known family: text is held up to the last place where it may be cut.

    Such places are those of ``safe_cuts``; where none is known of the pattern, all text is held until it ends.
    """

    def __init__(self, core: Any) -> None:
        self._core = core
        self._cuts = safe_cuts(core.pattern)
        space = None if core.symbols is None else core.symbols.space
        if space is not None and space[2]:  # a piece begins at each
            self._cuts = re.compile(f"(?s:.)(?={re.escape(space[0])})")
        self._held: list[str] = []
        self.held_size = 0

    def held(self) -> bytes:
        """The text whose ids were not given out."""
        return "".join(self._held).encode()

    def feed(self, text: str, final: bool, out: list[Any]) -> None:
        """The ids of what cannot change any more; an error of the pattern comes after the ids before it."""
        if not text and not final:
            return
        cut = self._last_cut(text)
        self._held.append(text)
        self.held_size += len(text.encode())
        if final:
            self._encode("".join(self._held), out)
            self._held, self.held_size = [], 0
        elif cut is not None:
            whole = "".join(self._held)
            cut += len(whole) - len(text)
            self._encode(whole[:cut], out)
            self._held = [whole[cut:]]
            self.held_size = len(whole[cut:].encode())

    def _last_cut(self, text: str) -> int | None:
        """Where in ``text`` the last place is at which what is held, and it, may be cut."""
        if self._cuts is None:
            return None
        before = self._held[-1][-1:] if self._held else ""
        cut = None
        for match in self._cuts.finditer(before + text):
            cut = match.end() - len(before)
        return cut

    def _encode(self, text: str, out: list[Any]) -> None:
        lookup = self._core._cache.__getitem__
        for pieces in self._core._split(text):
            for piece in pieces:
                out += lookup(piece)


class SymbolPieces:
    """The pieces of a vocabulary of characters: with its blanks before, and its ids after they are encoded."""

    def __init__(self, core: Any, pieces: Pieces, first: bool) -> None:
        self._inner = pieces
        self._space = core.symbols.space
        self._first = first
        self._begun = False
        self._expand = core._expand if core._family is not None else None
        self._unknown = False

    @property
    def held_size(self) -> int:
        """Bytes of the text whose ids were not given out."""
        return self._inner.held_size

    def held(self) -> bytes:
        """That text."""
        return self._inner.held()

    def feed(self, text: str, final: bool, out: list[Any]) -> None:
        """See ``Pieces``."""
        if self._space is not None and text:
            text = (
                text.replace(" ", self._space[0]) if self._begun else spaced(text, self._space, self._first)
            )
            self._begun = True
        if self._expand is None:
            self._inner.feed(text, final, out)
            return
        made: list[Any] = []
        self._inner.feed(text, final, made)
        made, self._unknown = self._expand(made, self._unknown)
        out += made


class TextEncoder:
    """The state of an encoder. ``new_pieces()`` is called for each text: at the start, and after a special token.

    A call that raises may have changed it in part: the encoder is then no good before ``reset()``.
    """

    def __init__(self, core: Any, options: EncoderOptions, new_pieces: Callable[[], Pieces]) -> None:
        self._core = core
        self._errors = options.errors
        self._max_size = options.max_size
        self._template = options.template
        self._new_pieces = new_pieces
        added = core._added
        self._watched = frozenset() if added is None else added.watched(options.disallowed)
        self._matcher = None if added is None else added.matcher(options.allowed | self._watched)
        self._disallowed = NameFinder(options.disallowed)
        self._allowed = NameFinder(options.allowed)
        self.reset()

    def reset(self) -> None:
        """Back to new."""
        self._begun = False
        self.offset = 0
        """Bytes or characters of input that were taken in."""
        self.error: Exception | None = None
        """What is wrong with the input, after the ids given."""
        self._text = TextDecoder(self._errors)
        self._disallowed.reset()
        self._allowed.reset()
        self._matching = None if self._matcher is None else self._matcher.begin()
        self._begin_text(True)

    def _begin_text(self, first: bool = False) -> None:
        """A new text begins: the ``first``, and after each special token."""
        normalizer = self._core._normalizer if self._matching is None else None
        self._normal = None if normalizer is None else normalizer.begin()
        self._pieces = self._new_pieces()
        if self._core.symbols is not None:
            self._pieces = SymbolPieces(self._core, self._pieces, first)

    def check_kind(self, fragment: str | bytes) -> None:
        """TypeError where the fragments before are of the other kind; changes nothing."""
        self._text.kind_of(fragment)

    def feed(self, fragment: str | bytes) -> list[Any]:
        """What the pieces append for a fragment, and the ids of special tokens among it."""
        text = self._text.feed(fragment)
        self.offset += len(fragment)
        return self._encode(text, False)

    def _first(self) -> list[Any]:
        """The ids of the template before the text, once."""
        begun, self._begun = self._begun, True
        return [] if begun else list(self._template[0])

    def finish(self) -> list[Any]:
        """The same for the end of the input."""
        out = self._encode(self._text.feed("" if self._text.kind is str else b"", True), True)
        return out if self.error is not None else out + list(self._template[1])

    def _encode(self, text: str, final: bool) -> list[Any]:
        out = self._first()
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
            if self.error is not None:
                break
        else:
            if self._text.error is not None:
                self.error = self._text.error
            else:
                self._check_size()

    def _encode_allowed(self, text: str, final: bool, out: list[Any]) -> None:
        found = self._allowed if self._matching is None else self._matching
        for part, name in found.feed(text, final):
            ends = final or name is not None
            if self._normal is not None:
                part = self._normal.feed(part, ends)
            self._pieces.feed(part, ends, out)
            if self._matching is not None and name is not None and name in self._watched:
                self.error = disallowed_error(name, self._matching.position)
                return
            if name is not None:
                out.append(self._core.special_tokens[name])
                self._begin_text()

    def _check_size(self) -> None:
        before = sum(part.held_size for part in (self._normal, self._matching) if part)
        size = self._pieces.held_size + before
        if self._max_size is not None and size > self._max_size:
            held = self._pieces.held()
            start = len(held.decode("utf-8", "ignore")) if self._text.kind is str else len(held)
            self.error = ItemTooLarge(size, self._max_size, self.offset - start - before)
