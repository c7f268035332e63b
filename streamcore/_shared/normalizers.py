"""Normalizers of a ``tokenizer.json``: what is done to text before it is split, whole or as it comes.

``Normalizer(steps)(text)`` is the whole text; ``Normalizer(steps).begin()`` is a stream with ``feed(text, final)``,
which gives the text that nothing later can change, and ``held_size``, the characters that wait. ``steps`` is what
``checked_normalization`` gives: None, the name of one step, or a tuple of steps:

    ("NFC",) ("NFD",) ("NFKC",) ("NFKD",) ("Lowercase",) ("StripAccents",) ("Nmt",)
    ("Strip", left, right)    ("Prepend", text)    ("Replace", "String" or "Regex", pattern, content)

Llama 2 is ``(("Prepend", "\u2581"), ("Replace", "String", " ", "\u2581"))``. A text is what stands between two added
tokens: each is normalized by itself, and an empty one stays empty.

What a stream holds: a form the last character and its marks, Strip the whitespace at the end, a Replace of strings the
beginning of one, a Replace of one class (``\\s+``, ` {2,}`) a run of it, of any other pattern all text until it ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Protocol

from .normal_forms import FORMS, NormalFormStep
from .replacing import REPLACED, replacing
from .split_classes import class_of
from .text_input import exact_str
from .unicode_classes import SPACE

__all__ = [
    "WHITESPACE",
    "Normalization",
    "Normalizer",
    "NormalizerStream",
    "checked_normalization",
    "keeps_ascii",
]

Normalization = str | tuple[tuple[Any, ...], ...] | None
MOST_STEPS = 32
WHITESPACE = "".join(chr(code) for first, last in SPACE for code in range(first, last + 1))

PLAIN = (*FORMS, "Lowercase", "StripAccents", "Nmt")
FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(PLAIN, ()),
    "Strip": (bool, bool),
    "Prepend": (str,),
    "Replace": (str, str, str),
}

# Unicode 15 to 17, which tokenizers knows and an older Python may not
_NEW_CASE = {
    0x1C89: 0x1C8A,
    0xA7CB: 0x264,
    0xA7DC: 0x19B,
    **{code: code + 1 for code in (0xA7CC, 0xA7CE, 0xA7D2, 0xA7D4, 0xA7DA)},
    **{code: code + 0x20 for code in range(0x10D50, 0x10D66)},
    **{code: code + 0x1B for code in range(0x16EA0, 0x16EB9)},
}
# the one letter whose small form depends on what stands around it, to Python but not to tokenizers
_CASE = {**_NEW_CASE, 0x3A3: 0x3C3}
_ODD_CASE = re.compile("([" + "".join(map(chr, _CASE)) + "]+)")
_NMT_DROPPED = (*range(0x1, 0x9), 0xB, *range(0xE, 0x20), 0x7F, 0x8F, 0x9F)
_NMT_BLANKS = (0x9, 0xA, 0xC, 0xD, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD)
_NMT: dict[int, str | None] = {**dict.fromkeys(_NMT_DROPPED), **dict.fromkeys(_NMT_BLANKS, " ")}


class Step(Protocol):
    """One step at work on one text."""

    @property
    def held_size(self) -> int:
        """Characters that wait."""

    def feed(self, text: str, final: bool) -> str:
        """The text that nothing later can change; ``final`` ends it."""


def checked_normalization(steps: Any) -> Normalization:
    """None, the name of a step, or a sequence of steps, as exact objects; one plain step is its name."""
    if steps is None:
        return None
    if isinstance(steps, str):
        return str(_checked_step((steps,), "normalization")[0])
    if not isinstance(steps, Sequence) or isinstance(steps, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"normalization must be None, a name or a sequence of steps, not {type(steps).__name__}"
        )
    if len(steps) > MOST_STEPS:
        raise ValueError(f"normalization must have at most {MOST_STEPS} steps, got {len(steps)}")
    made = tuple(
        _checked_step((step,) if isinstance(step, str) else step, f"step {i} of normalization")
        for i, step in enumerate(list(steps))
    )
    if not made:
        return None
    return str(made[0][0]) if len(made) == 1 and len(made[0]) == 1 else made


def _checked_step(step: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(step, (tuple, list)):
        raise TypeError(f"{place} must be a name or a sequence, not {type(step).__name__}")
    fields = [exact_str(field) if isinstance(field, str) else field for field in step]
    if not fields or not isinstance(fields[0], str) or fields[0] not in FIELDS:
        got = repr(fields[0]) if fields else "nothing"
        raise ValueError(f"{place} must be one of {', '.join(FIELDS)}, got {got}")
    kinds = FIELDS[fields[0]]
    if len(fields) != len(kinds) + 1 or not all(map(isinstance, fields[1:], kinds)):
        wanted = ", ".join(kind.__name__ for kind in kinds) or "nothing more"
        raise TypeError(f"{place}: {fields[0]} takes {wanted}")
    for field in fields[1:]:
        if isinstance(field, str) and any("\ud800" <= char <= "\udfff" for char in field):
            raise ValueError(f"{place}: {fields[0]} has half a pair of surrogates, which no text has")
    if fields[0] == "Replace":
        if fields[1] not in REPLACED:
            raise ValueError(f"{place}: Replace takes {' or '.join(REPLACED)}, got {fields[1]!r}")
        try:
            replacing(*fields[1:])
        except ValueError as error:
            raise ValueError(f"{place}: Replace of {fields[2][:60]!r}: {error}") from None
    return tuple(fields)


def keeps_ascii(normalization: Normalization) -> bool:
    """Whether text of ASCII stays what it is."""
    if normalization is None or isinstance(normalization, str):
        return normalization is None or normalization in (*FORMS, "StripAccents")
    return all(step[0] in (*FORMS, "StripAccents") for step in normalization)


class Normalizer:
    """A normalization as a function of whole texts, and as a maker of streams."""

    def __init__(self, normalization: Normalization) -> None:
        steps = ((normalization,),) if isinstance(normalization, str) else normalization or ()
        self._makers: list[Callable[[], Step]] = [_maker(step) for step in steps]

    def __call__(self, text: str) -> str:
        """The whole of ``text``."""
        for make in self._makers:
            text = make().feed(text, True)
        return text

    def begin(self) -> NormalizerStream:
        """A stream for one text."""
        return NormalizerStream([make() for make in self._makers])


class NormalizerStream:
    """The steps at work on one text."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps

    @property
    def held_size(self) -> int:
        """Characters that wait for what comes."""
        return sum(step.held_size for step in self._steps)

    def feed(self, text: str, final: bool) -> str:
        """The text that nothing later can change; ``final`` ends it."""
        for step in self._steps:
            text = step.feed(text, final)
        return text


def _maker(step: tuple[Any, ...]) -> Callable[[], Step]:
    name, *fields = step
    if name in FORMS:
        return partial(NormalFormStep, name)
    if name == "Strip":
        return partial(StripStep, *fields)
    if name == "Prepend":
        return partial(PrependStep, *fields)
    if name == "Replace":
        return replacing(*fields)
    return partial(CharacterStep, {"Lowercase": lowercase, "StripAccents": without_accents, "Nmt": nmt}[name])


class CharacterStep:
    """What is done to each character by itself."""

    held_size = 0

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change

    def feed(self, text: str, final: bool) -> str:
        """All of it, changed."""
        return self._change(text)


class PrependStep:
    """A text put before any that is not empty."""

    held_size = 0

    def __init__(self, prepended: str) -> None:
        self._prepended = prepended

    def feed(self, text: str, final: bool) -> str:
        """The text, and before the first of it what is prepended."""
        if text:
            text, self._prepended = self._prepended + text, ""
        return text


class StripStep:
    """Whitespace taken from the ends: that at the end of what came waits."""

    def __init__(self, left: bool, right: bool) -> None:
        self._left = left
        self._right = right
        self._held: list[str] = []
        self.held_size = 0

    def feed(self, text: str, final: bool) -> str:
        """The text up to the last character that is no whitespace."""
        if self._left:
            text = text.lstrip(WHITESPACE)
            self._left = not text
        if not self._right:
            return text
        kept = text.rstrip(WHITESPACE)
        blanks = text[len(kept) :]
        if kept:
            kept = "".join((*self._held, kept))
            self._held, self.held_size = [], 0
        if final:
            self._held, self.held_size = [], 0
        elif blanks:
            self._held.append(blanks)
            self.held_size += len(blanks)
        return kept


def lowercase(text: str) -> str:
    """Each character in lower case by itself, as Unicode 17 has it."""
    if text.isascii() or _ODD_CASE.search(text) is None:
        return text.lower()
    parts = _ODD_CASE.split(text)
    return "".join(part.translate(_CASE) if i % 2 else part.lower() for i, part in enumerate(parts))


@lru_cache(maxsize=1)
def _accents() -> re.Pattern[str]:
    return re.compile(
        "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in class_of("marks")) + "]+"
    )


def without_accents(text: str) -> str:
    """``text`` without marks; a letter that has its mark in it keeps it."""
    return text if text.isascii() else _accents().sub("", text)


def nmt(text: str) -> str:
    """Control characters dropped, other whitespace as blanks."""
    return text.translate(_NMT)
