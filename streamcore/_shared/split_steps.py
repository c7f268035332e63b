"""Splitting by several patterns, one after the other, as a sequence of pre-tokenizers in ``tokenizer.json`` does it.

Each split is applied to each piece of the one before as to a text of its own: a pattern sees nothing outside of it.
What a split does with its matches and with what lies between them is its behaviour; empty pieces are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from .normal_forms import FORMS
from .patterns import WHOLE, Family, recognise, splitter
from .regex_pieces import RUN, RegexPieces
from .text_input import exact_str

__all__ = [
    "BEHAVIORS",
    "Split",
    "SplitSequence",
    "check_keeps_text",
    "checked_pattern",
    "family_of",
    "pieces_of",
]

BEHAVIORS = ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous", "bytes")
MOST_SPLITS = 32

Parts = Iterator[tuple[str, bool]]
Splitter = Callable[[str], Iterator[list[str]]]
PieceSplitter = Callable[[str], Iterator[list[str]] | Iterator[list[bytes]]]


class Split(NamedTuple):
    """One split: a pattern (``""`` splits nothing) and what becomes of its matches.

    ``inverted`` takes what lies between the matches for the matches. With ``prefix``, a piece that does not begin with
    a blank gets one before it is split. After a split of the behavior ``"bytes"``, which has no pattern, patterns see
    a character for each byte (``byte_characters``), and the pieces are ``bytes``.
    """

    pattern: str
    behavior: str = "isolated"
    inverted: bool = False
    prefix: bool = False


def checked_pattern(pattern: Any) -> str | tuple[Split, ...]:
    """A pattern, or a sequence of splits, as exact objects; a sequence of one plain split is its pattern."""
    if isinstance(pattern, str):
        return exact_str(pattern)
    if not isinstance(pattern, Sequence) or isinstance(pattern, (bytes, bytearray, memoryview)):
        raise TypeError(f"pattern must be str, not {type(pattern).__name__}")
    splits = tuple(_checked_split(i, split) for i, split in enumerate(list(pattern)))
    if not 0 < len(splits) <= MOST_SPLITS:
        raise ValueError(f"pattern must be of 1 to {MOST_SPLITS} splits, got {len(splits)}")
    if sum(split.behavior == "bytes" for split in splits) > 1:
        raise ValueError("pattern must have the behavior bytes once at most")
    plain = len(splits) == 1 and splits[0].pattern and splits[0] == Split(splits[0].pattern)
    return splits[0].pattern if plain else splits


def _checked_split(place: int, split: Any) -> Split:
    fields = list(split) if isinstance(split, (tuple, list)) else []
    if not 0 < len(fields) <= 4 or not all(isinstance(field, str) for field in fields[:2]):
        raise TypeError(f"split {place} of the pattern must be (pattern, behavior, inverted, prefix)")
    made = Split(*[exact_str(field) for field in fields[:2]], *[bool(field) for field in fields[2:]])  # type: ignore[arg-type]
    if made.behavior not in BEHAVIORS:
        raise ValueError(
            f"split {place} of the pattern: behavior must be one of {', '.join(BEHAVIORS)}, got {made.behavior!r}"
        )
    if made.behavior == "bytes" and made != Split("", "bytes"):
        raise ValueError(f"split {place} of the pattern: bytes goes with no pattern, inversion or prefix")
    return made


def family_of(pattern: str | tuple[Split, ...]) -> Family | None:
    """The family of a checked pattern; a split that splits nothing is one, too."""
    if isinstance(pattern, str):
        return recognise(pattern)
    return WHOLE if pattern == (Split(""),) else None


def check_keeps_text(pattern: str | tuple[Split, ...], normalization: Any, tokens_keep: bool) -> None:
    """ValueError where the tokens do not join to the text, or to a normal form of it: text is left out or added.

    ``tokens_keep`` is whether added tokens keep the whitespace around them.
    """
    leaves_out = not isinstance(pattern, str) and any(
        split.prefix or split.behavior == "removed" for split in pattern
    )
    if leaves_out or not tokens_keep or normalization not in (None, *FORMS):
        raise ValueError(
            "the tokenizer leaves out or adds text, so that its tokens end at no place of the text"
        )


@cache
def byte_characters() -> str:
    """The character that stands for each byte: itself where it is printable Latin-1, else one from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in printable]
    return "".join(chr(value if value in printable else 256 + others.index(value)) for value in range(256))


@cache
def _character_of() -> dict[int, str]:
    return dict(enumerate(byte_characters()))


@cache
def _byte_of() -> dict[int, int]:
    return {ord(char): value for value, char in enumerate(byte_characters())}


def pieces_of(pattern: str | tuple[Split, ...]) -> PieceSplitter:
    """A function that splits text into pieces, a list of them a block."""
    if not isinstance(pattern, str) and any(split.behavior == "bytes" for split in pattern):
        return BytePieces(pattern)
    return splitter(pattern) if isinstance(pattern, str) else SplitSequence(pattern)


class SplitSequence:
    """``pieces(text)`` gives the pieces of ``text``, a list of them a block; what was removed is in none."""

    def __init__(self, splits: tuple[Split, ...]) -> None:
        self._steps = [step for split in splits for step in _steps(split)]

    def __call__(self, text: str) -> Iterator[list[str]]:
        """The pieces of ``text``."""
        return self._from(0, text)

    def _from(self, place: int, text: str) -> Iterator[list[str]]:
        if not text:
            return
        if place == len(self._steps):
            yield [text]
            return
        for pieces in self._steps[place](text):
            if place + 1 == len(self._steps):
                yield pieces
                continue
            for piece in pieces:
                yield from self._from(place + 1, piece)


class BytePieces(SplitSequence):
    """The same where the last splits see a character for each byte: the pieces are bytes."""

    def __call__(self, text: str) -> Iterator[list[bytes]]:  # type: ignore[override]
        """The pieces of ``text``."""
        values = _byte_of()
        for pieces in self._from(0, text):
            yield [piece.translate(values).encode("latin-1") for piece in pieces]


def _as_byte_characters(text: str) -> Iterator[list[str]]:
    yield [text.encode().decode("latin-1").translate(_character_of())]


def _steps(split: Split) -> Iterator[Splitter]:
    if split.prefix:
        yield _prefixed
    if split.behavior == "bytes":
        yield _as_byte_characters
    elif split.pattern:
        plain = split.behavior == "isolated"
        yield splitter(split.pattern) if plain else BehaviorPieces(split)


def _prefixed(text: str) -> Iterator[list[str]]:
    yield [text if text.startswith(" ") else " " + text]


class BehaviorPieces(RegexPieces):
    """The pieces of a split whose matches do not simply stand alone."""

    def __init__(self, split: Split) -> None:
        super().__init__(split.pattern)
        self._inverted = split.inverted
        self._join = _JOINERS[split.behavior]

    def __call__(self, text: str) -> Iterator[list[str]]:
        """The pieces of ``text``."""
        pieces: list[str] = []
        for piece in self._join(self._parts(text)):
            pieces.append(piece)
            if len(pieces) == RUN:
                yield pieces
                pieces = []
        yield pieces

    def _parts(self, text: str) -> Parts:
        """Matches and what lies between them, each with whether it counts as a match."""
        start = 0
        for first, end in self.spans(text):
            if first > start:
                yield text[start:first], self._inverted
            if end > first:
                yield text[first:end], not self._inverted
            start = end
        if start < len(text):
            yield text[start:], self._inverted


def _removed(parts: Parts) -> Iterator[str]:
    return (part for part, matched in parts if not matched)


def _isolated(parts: Parts) -> Iterator[str]:
    return (part for part, _ in parts)


def _merged_with_previous(parts: Parts) -> Iterator[str]:
    """The first of several matches in a row joins what stands before it, the others stay alone."""
    held = ""
    after_match = False
    for part, matched in parts:
        if matched and not after_match:
            yield held + part
            held = ""
        else:
            if held:
                yield held
            held = part
        after_match = matched
    if held:
        yield held


def _merged_with_next(parts: Parts) -> Iterator[str]:
    """The last of several matches in a row joins what stands after it."""
    held = ""
    for part, matched in parts:
        if matched:
            if held:
                yield held
            held = part
        else:
            yield held + part
            held = ""
    if held:
        yield held


def _contiguous(parts: Parts) -> Iterator[str]:
    held: list[str] = []
    before = False
    for part, matched in parts:
        if held and matched != before:
            yield "".join(held)
            held = []
        held.append(part)
        before = matched
    if held:
        yield "".join(held)


_JOINERS: dict[str, Callable[[Parts], Iterable[str]]] = {
    "removed": _removed,
    "isolated": _isolated,
    "merged_with_previous": _merged_with_previous,
    "merged_with_next": _merged_with_next,
    "contiguous": _contiguous,
}
