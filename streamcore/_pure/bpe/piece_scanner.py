"""Resumable scanner for one piece of a recognised pattern, for text that arrives in fragments.

Goals: a piece ends when no later text can move its end, and not later; no character is looked at twice however the
text is cut (but for up to three that a contraction looks ahead, and the text after an alternative end, see below).
Plan: a state machine over the classes of ``unicode_classes``; runs are taken by ``re`` in one step.

Two kinds of piece have an end that text any distance away decides. Whitespace with line ends in it ends after its last
line end, and one more may still come. In o200k a word of capitals and of letters without case ("\u4e2dABC") ends after
its last letter without case, unless a small letter follows the capitals. Such a piece has an *alternative* end, and
``gap`` characters have come since.
"""

from __future__ import annotations

import re
from functools import cache

from ..._shared.patterns import Family, class_text

IS_LETTER, IS_NUMBER, IS_SPACE, IS_UPPER, IS_LOWER = 1, 2, 4, 8, 16
IS_WORD = IS_UPPER | IS_LOWER  # letters and marks: what an o200k word is made of

START, LETTERS, DIGITS, OTHER, TAIL, UPPER, LOWER, SUFFIX, BLANK = range(9)


@cache
def class_table() -> bytes:
    """The class bits of every code point, one byte each (1.1 MB)."""
    from ..._shared.unicode_classes import LETTER, LOWER_LIKE, NUMBER, SPACE, UPPER_LIKE

    table = bytearray(0x110000)
    bits = (
        (LETTER, IS_LETTER),
        (NUMBER, IS_NUMBER),
        (SPACE, IS_SPACE),
        (UPPER_LIKE, IS_UPPER),
        (LOWER_LIKE, IS_LOWER),
    )
    for ranges, bit in bits:
        add_bit = bytes(value | bit for value in range(256))
        for first, last in ranges:
            table[first : last + 1] = table[first : last + 1].translate(add_bit)
    return bytes(table)


@cache
def runs() -> dict[int, re.Pattern[str]]:
    """For each phase that is a run, the pattern of the run."""
    from ..._shared.unicode_classes import LETTER, LOWER_LIKE, NUMBER, SPACE, UPPER_LIKE

    letter, number, space = (class_text(ranges, 0x10FFFF) for ranges in (LETTER, NUMBER, SPACE))
    return {
        LETTERS: re.compile(f"[{letter}]*"),
        DIGITS: re.compile(f"[{number}]*"),
        OTHER: re.compile(f"[^{space}{letter}{number}]*"),
        UPPER: re.compile(f"[{class_text(UPPER_LIKE, 0x10FFFF)}]*"),
        LOWER: re.compile(f"[{class_text(LOWER_LIKE, 0x10FFFF)}]*"),
        BLANK: re.compile(f"[{space}]*"),
    }


TAILS = {"cl100k": re.compile(r"[\r\n]*"), "o200k": re.compile(r"[\r\n/]*")}


def contraction(text: str, at: int, ignore_case: bool) -> int:
    """Length of the contraction ('s, 'll ...) at ``text[at]``: 0 for none, -1 if the text ends before that is known."""
    word = text[at : at + 3]
    if word[:1] not in ("", "'"):
        return 0
    if len(word) < 2:
        return -1
    if ignore_case:
        # U+017F is the one further code point that equals one of these letters without regard to case
        word = word.replace("\u017f", "s").lower()
    if word[1] in "sdmt":
        return 2
    if word in ("'ll", "'ve", "'re"):
        return 3
    return -1 if word in ("'l", "'v", "'r") else 0


class PieceScanner:
    """Finds where the piece that begins a text ends; the text comes in parts.

    ``scan`` is given the parts one after the other. Positions are relative to the part at hand, so an end may be
    negative. After None, ``floor`` is the least position at which the piece may still end (or where the next call has
    to look again): the caller keeps the text from there on, and where ``looks_back`` is true, puts it before the next
    part.
    """

    __slots__ = ("digits", "family", "floor", "gap", "phase", "size")

    def __init__(self, family: Family) -> None:
        self.family = family
        self.reset()

    def reset(self) -> None:
        """Begin a new piece."""
        self.phase = START
        self.floor = 0
        self.gap = -1  # characters since the alternative end, -1 without one
        self.size = 0  # characters of whitespace so far
        self.digits = self.family.digits  # digits that the piece may still take, if the family has a limit

    @property
    def looks_back(self) -> bool:
        """Whether the next part must begin with the text kept from ``floor``."""
        return self.phase in (START, SUFFIX)

    def scan(self, text: str, final: bool) -> int | None:
        """Go on with ``text``; the position after the piece's last character, or None if later text decides.

        ``final`` says that no text follows.
        """
        at = 0
        if self.family.name == "whole":
            self.phase, self.floor = LETTERS, len(text)
            return len(text) if final else None
        if self.phase == START:
            opened = self._start(text, final)
            if opened is None or self.phase == START:
                self.floor = 0
                return opened
            at = opened
        if self.phase == SUFFIX:
            return self._suffix(text, 0, final)
        if self.phase == BLANK:
            return self._blank(text, at, final)
        if self.phase == UPPER:
            return self._upper(text, at, final)
        return self._run(text, at, final)

    def _start(self, text: str, final: bool) -> int | None:
        """Find the kind of piece from its first characters.

        Sets the phase and returns where its run begins; or leaves the phase and returns the end (None if unknown).
        """
        name, first = self.family.name, class_table()[ord(text[0])]
        if name != "o200k" and text[0] == "'":
            length = contraction(text, 0, name != "r50k")
            if length > 0 or (length < 0 and not final):
                return length if length > 0 else None
        if first & (IS_WORD if name == "o200k" else IS_LETTER):
            self.phase = UPPER if name == "o200k" else LETTERS
            return 0
        if first & IS_NUMBER:
            self.phase = DIGITS
            return 0
        if text[0] in "\r\n" or (name == "r50k" and text[0] != " "):
            self.phase = BLANK if first & IS_SPACE else OTHER
            return 0
        if len(text) == 1 and not final:
            return None
        return self._after_prefix(
            first, class_table()[ord(text[1])] if len(text) > 1 else IS_SPACE, text[0] == " "
        )

    def _after_prefix(self, first: int, second: int, blank: bool) -> int:
        """Choose the phase by the second character, where the first may be the prefix of a word."""
        name = self.family.name
        if second & (IS_WORD if name == "o200k" else IS_LETTER):
            self.phase = UPPER if name == "o200k" else LETTERS
            return 1
        if second & IS_NUMBER and name == "r50k":
            self.phase = DIGITS
            return 1
        if blank and not second & (IS_SPACE | IS_NUMBER):
            self.phase = OTHER
            return 1
        self.phase = BLANK if first & IS_SPACE else OTHER
        return 0

    def _run(self, text: str, at: int, final: bool) -> int | None:
        """A run of one class: letters, digits, small letters, or other characters with their tail of line ends."""
        end = at
        if self.phase == DIGITS and self.family.digits:
            match = runs()[DIGITS].match(text, at, at + self.digits)
            end = match.end() if match else at
            self.digits -= end - at
            if not self.digits:
                return end
        elif self.phase != TAIL:
            match = runs()[self.phase].match(text, at)
            end = match.end() if match else at
        if (
            self.phase in (OTHER, TAIL)
            and self.family.name in TAILS
            and (end < len(text) or self.phase == TAIL)
        ):
            self.phase = TAIL
            match = TAILS[self.family.name].match(text, end)
            end = match.end() if match else end
        if end == len(text) and not final:
            self.floor = end
            return None
        return self._suffix(text, end, final) if self.phase == LOWER else end

    def _suffix(self, text: str, at: int, final: bool) -> int | None:
        """The contraction that may end an o200k word at ``at``."""
        length = contraction(text, at, True)
        if length < 0 and not final:
            self.phase = SUFFIX
            self.floor = at
            return None
        return at + max(length, 0)

    def _upper(self, text: str, at: int, final: bool) -> int | None:
        """The capitals of an o200k word, up to the first small letter or the word's end."""
        match = runs()[UPPER].match(text, at)
        end = match.end() if match else at
        alternative = -self.gap if self.gap >= 0 else None
        if not text.isascii():
            table = class_table()
            caseless = (i + 1 for i in range(end - 1, at - 1, -1) if table[ord(text[i])] & IS_LOWER)
            alternative = next(caseless, alternative)
        if end == len(text):
            if not final:
                self.gap = -1 if alternative is None else end - alternative
                self.floor = end if alternative is None else alternative
                return None
        elif class_table()[ord(text[end])] & IS_LOWER:
            self.phase, self.gap = LOWER, -1
            return self._run(text, end, final)
        if alternative is None or alternative == end:
            return self._suffix(text, end, final)
        return alternative

    def _blank(self, text: str, at: int, final: bool) -> int | None:
        """Whitespace: through its last line end, else all but the last character, which begins the next piece."""
        match = runs()[BLANK].match(text, at)
        end = match.end() if match else at
        self.size += end - at
        alternative = -self.gap if self.gap >= 0 else None
        if self.family.name != "r50k":
            line_end = max(text.rfind("\n", at, end), text.rfind("\r", at, end))
            alternative = line_end + 1 if line_end >= 0 else alternative
        if end == len(text):
            if not final:
                self.gap = -1 if alternative is None else end - alternative
                self.floor = end - 1 if alternative is None else alternative
                return None
            if alternative is None or self.family.tail_run:
                return end
        if alternative is not None:
            return alternative
        return end if self.size == 1 else end - 1
