"""Places at which text may be cut in two without a change of its pieces, whatever patterns split it.

Goal: text that arrives in fragments is split before it ends, by patterns of which nothing was known beforehand. Plan: a
cut lies before a blank, after a character of another class. It is safe for a pattern if no match goes over such a
place, nor looks over it: a pattern is read into its parts, and for each it is noted whether what it takes may end with
a character that is no blank, and may begin with a blank. Where the two never meet, every test of a character after the
cut fails as it would at the end of the text. What the pieces need besides is that one of the patterns cuts there:
it matches each blank, or each character that may stand before it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .patterns import class_text
from .regex_pieces import compiled
from .split_steps import Split, byte_characters
from .unicode_classes import SPACE

__all__ = ["ATOM", "safe_cuts"]

DEEPEST = 50
ATOM = re.compile(
    r"\\[pP]\{\^?\w+\}|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|\[\^?\]?(?:\\.|[^\]\\\[])*\]|[^\\\[\](){}|*+?^$]",
    re.DOTALL,
)
_REPEAT = re.compile(r"([*+?]|\{(\d+)(?:,(\d*))?\})([+?]?)")
_OPENING = re.compile(r"\((?:\?(?:[:=!>]|i:))?")
_ONLY_SPACE = re.compile(r"(?:[ \r\n\t]|\\[srnt ]|\[(?:[ \r\n\t]|\\[srnt ])+\])")
# an alternative that matches each blank, or each other character, wherever a search comes to it
_TAKES_BLANKS = frozenset((r"\s", r"\s+", r"\s++"))
_TAKES_OTHERS = frozenset((r"\S", r"\S+", r"\S++"))
_ESCAPES = frozenset(
    [r"\s", r"\S", r"\d", r"\D", r"\w", r"\W", r"\r", r"\n", r"\t", r"\p", r"\P", r"\u", r"\x"]
)

_LOOKS_OR_KEEPS = re.compile(r"\(\?[=!>]|[+*?}]\+")


class Unreadable(ValueError):
    """The pattern has a part of which nothing is known."""


class Part(NamedTuple):
    """What a part of a pattern may match."""

    empty: bool  # nothing
    blank_first: bool  # something that begins with a blank
    other_last: bool  # something that ends with no whitespace
    crosses: bool  # a blank after such a character


NOTHING = Part(True, False, False, False)


def joined(left: Part, right: Part) -> Part:
    """One part after the other."""
    return Part(
        left.empty and right.empty,
        left.blank_first or (left.empty and right.blank_first),
        right.other_last or (right.empty and left.other_last),
        left.crosses or right.crosses or (left.other_last and right.blank_first),
    )


class PatternReader:
    """Recursive descent through a pattern; Unreadable for what is not of the plain kind."""

    def __init__(self, pattern: str, blank: str) -> None:
        self._pattern = pattern
        self._blank = blank
        self._at = 0
        self.alternatives: list[str] = []
        """The alternatives of the whole pattern."""

    def read(self) -> Part:
        """The whole pattern."""
        part = self._alternatives(0)
        if self._at < len(self._pattern):
            raise Unreadable
        return part

    def _alternatives(self, depth: int) -> Part:
        found = []
        while True:
            start = self._at
            found.append(self._sequence(depth))
            if not depth:
                self.alternatives.append(self._pattern[start : self._at])
            if not self._pattern.startswith("|", self._at):
                return Part(*(any(part[i] for part in found) for i in range(4)))
            self._at += 1

    def _sequence(self, depth: int) -> Part:
        made = NOTHING
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            part = self._repeated(self._one(depth))
            made = joined(made, part)
        return made

    def _repeated(self, part: Part) -> Part:
        repeat = _REPEAT.match(self._pattern, self._at)
        if repeat is None:
            return part
        self._at = repeat.end()
        once = repeat[1] == "?" or repeat[1] in ("{1}", "{0,1}")
        may_be_none = repeat[1][0] in "*?" or repeat[2] == "0"
        part = part if once else joined(part, part)
        return part._replace(empty=part.empty or may_be_none)

    def _one(self, depth: int) -> Part:
        if self._pattern.startswith("(", self._at):
            return self._group(depth)
        atom = ATOM.match(self._pattern, self._at)
        if atom is None or (atom[0][0] == "\\" and atom[0][1].isalnum() and atom[0][:2] not in _ESCAPES):
            raise Unreadable
        self._at = atom.end()
        return Part(
            False, bool(compiled(atom[0]).fullmatch(self._blank)), not _ONLY_SPACE.fullmatch(atom[0]), False
        )

    def _group(self, depth: int) -> Part:
        opening = _OPENING.match(self._pattern, self._at)
        if opening is None or depth == DEEPEST:
            raise Unreadable
        self._at = opening.end()
        if opening[0] == "(" and self._pattern.startswith(("?", "*"), self._at):
            raise Unreadable
        part = self._alternatives(depth + 1)
        if not self._pattern.startswith(")", self._at):
            raise Unreadable
        self._at += 1
        # what is only looked at is no end of a match
        return part._replace(empty=True, other_last=False) if opening[0] in ("(?=", "(?!") else part


@lru_cache(maxsize=64)
def safe_cuts(pattern: str | tuple[Split, ...]) -> re.Pattern[str] | None:
    """What finds the characters after which text may be cut, each before a blank; None for what is not known."""
    splits = (Split(pattern),) if isinstance(pattern, str) else pattern
    before: set[str] = set()
    everywhere = False
    blank = " "
    for split in splits:
        if split.behavior == "bytes":
            blank = byte_characters()[ord(" ")]
        elif split.behavior not in ("isolated", "removed"):
            return None
        if not split.pattern:
            continue
        reader = PatternReader(split.pattern, blank)
        try:
            part = reader.read()
        except ValueError:
            return None
        if part.crosses or part.empty:
            return None
        found = ends_of_matches(split.pattern, reader.alternatives)
        everywhere = everywhere or found is None
        before |= found or set()
    if everywhere:
        return re.compile(f"[^{class_text(SPACE, 0x10FFFF)}](?= )")
    return re.compile(f"[{re.escape(''.join(sorted(before)))}](?= )") if before else None


def ends_of_matches(pattern: str, alternatives: list[str]) -> set[str] | None:
    """Characters at which a match ends whenever a blank follows; None for all but whitespace."""
    if not (_TAKES_BLANKS | _TAKES_OTHERS).isdisjoint(alternatives):
        return None
    if _LOOKS_OR_KEEPS.search(pattern):
        return set()
    # a character that is a match alone is in one wherever it stands
    match_of = compiled(pattern).fullmatch
    return {char for char in map(chr, range(0x21, 0x7F)) if match_of(char)}
