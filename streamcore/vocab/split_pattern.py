"""Which regular expressions of a ``tokenizer.json`` are taken: those that mean the same here as in its own library.

``tokenizers`` runs them with Oniguruma, this package with scanners of its own or with the ``regex`` module. Where these
read a pattern differently (in Oniguruma ``$`` ends every line, ``\\h`` is a hexadecimal digit, ``{1,3}+`` no possessive
repeat) ids would differ in silence, so such a pattern is refused with the place. What is left are the parts that
patterns of published models are made of; none refers back or sets flags.
"""

from __future__ import annotations

import re
from typing import NoReturn

__all__ = ["check_split_pattern", "without_inner_sets"]

LONGEST = 10_000
DEEPEST = 50
HIGHEST_REPEAT = 1000
OPENINGS = ("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(")
LOOKS = ("(?=", "(?!", "(?<=", "(?<!")
CATEGORY = re.compile(r"L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?")
SCRIPT = re.compile(r"Han|Hiragana|Katakana|Hangul|Latin|Greek|Cyrillic|Arabic|Hebrew|Thai|Devanagari")
ESCAPE = re.compile(r"\\(?:[sSdDrnt]|[pP]\{(\w+)\}|u[0-9a-fA-F]{4}|x[0-7][0-9a-fA-F]|[!-/:-@\[-`{-~ ])")
REPEAT = re.compile(r"[*+?][+?]?|\{(?P<least>\d{1,4})(?:,(?P<most>\d{1,4})?)?\}", re.ASCII)
# what Oniguruma folds to one character, or the regex module to one that is none of ASCII
FOLDED = re.compile(r"i|ss|ff|fl|st")
_SET_PARTS = re.compile(r"\\.|\[\^?|.", re.DOTALL)
SET_OPERATORS = ("&&", "--", "~~", "||")


def check_split_pattern(pattern: str) -> bool:
    """Whether ``pattern`` may match nothing; ValueError unless it means the same in both libraries."""
    if len(pattern) > LONGEST:
        raise ValueError(f"has {len(pattern)} characters, at most {LONGEST}")
    if not pattern.isascii() and any("\ud800" <= char <= "\udfff" for char in pattern):
        raise ValueError("half a pair of surrogates is not supported")
    parser = _Parser(pattern)
    empty = parser.alternatives(0, False)
    if parser.at < len(pattern):
        parser.refuse("an unopened )")
    return empty


def without_inner_sets(pattern: str) -> str:
    """``pattern`` with the members of a set inside a set written in the outer one, which Oniguruma takes it for.

    Only where nothing else can be meant: the inner set is not negated, and no ``-`` stands at its ends or beside it.
    """
    made: list[str] = []
    inside = 0
    for match in _SET_PARTS.finditer(pattern):
        part = match[0]
        if part == "]" and inside:
            inside -= 1
            if inside and not pattern.startswith("-", match.end()) and pattern[match.start() - 1] not in "-[":
                continue
        elif part.startswith("["):
            inside += 1
            after = pattern[match.end() : match.end() + 1]
            if inside == 2 and part == "[" and after not in (":", "-") and pattern[match.start() - 1] != "-":
                continue
        made.append(part)
    return "".join(made)


class _Parser:
    """Recursive descent; each method says whether what it read may match nothing."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.behind = 0  # lookbehinds that are open

    def refuse(self, what: str) -> NoReturn:
        raise ValueError(f"{what} at character {self.at} is not supported")

    def alternatives(self, depth: int, caseless: bool) -> bool:
        empty = self.sequence(depth, caseless)
        while self.pattern.startswith("|", self.at):
            self.at += 1
            empty |= self.sequence(depth, caseless)
        return empty

    def sequence(self, depth: int, caseless: bool) -> bool:
        empty, start = True, self.at
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            looks = self.pattern.startswith(LOOKS, self.at)
            folds = self.pattern.startswith("(?i:", self.at)
            may_be_empty = self.part(depth, caseless)
            repeat = REPEAT.match(self.pattern, self.at)
            if repeat is not None:
                may_be_empty = self.repeat(repeat, looks, may_be_empty)
                # the regex module takes sets beside it without regard to case too, at the beginning of a match
                if folds and (
                    empty or repeat[0] != "?" or self.pattern[self.at : self.at + 1] not in ("", "|")
                ):
                    self.refuse("a repeat of (?i:...) but for ? at the end")
            empty &= may_be_empty
        if caseless and FOLDED.search(self.pattern[start : self.at].lower()):
            self.refuse("a letter without regard to case, of those that fold to others,")
        return empty

    def repeat(self, repeat: re.Match[str], looks: bool, may_be_empty: bool) -> bool:
        least, most = repeat["least"], repeat["most"]
        if self.behind:
            self.refuse("a repeat in a lookbehind")
        if looks or (may_be_empty and repeat[0][0] != "?"):
            self.refuse("a repeat of what may match nothing")
        if max(int(least or 0), int(most or 0)) > HIGHEST_REPEAT or (most and int(most) < int(least or 0)):
            self.refuse(f"the repeat {repeat[0]}")
        self.at = repeat.end()
        if REPEAT.match(self.pattern, self.at):
            self.refuse("a repeat of a repeat")
        return may_be_empty or repeat[0][0] in "*?" or int(least or 1) == 0

    def part(self, depth: int, caseless: bool) -> bool:
        char = self.pattern[self.at]
        if char == "(":
            return self.group(depth, caseless)
        if char == "[":
            self.character_set(caseless)
        elif char == "\\":
            self.escape(caseless)
        elif char in "^$*+?{}]":
            self.refuse(f"an unescaped {char}")
        elif caseless and not char.isascii():
            self.refuse("a letter without regard to case that is none of ASCII")
        else:
            self.at += 1
        return False

    def group(self, depth: int, caseless: bool) -> bool:
        opening = next(opening for opening in OPENINGS if self.pattern.startswith(opening, self.at))
        if self.pattern.startswith(("(?", "(*"), self.at) and opening == "(":
            self.refuse(f"the group {self.pattern[self.at : self.at + 4]}")
        if depth == DEEPEST:
            self.refuse(f"a group inside {DEEPEST} others")
        if opening == "(?i:" and depth:
            self.refuse("a group in which (?i: stands")
        start = self.at
        self.at += len(opening)
        self.behind += opening in ("(?<=", "(?<!")
        empty = self.alternatives(depth + 1, caseless or opening == "(?i:")
        self.behind -= opening in ("(?<=", "(?<!")
        if not self.pattern.startswith(")", self.at):
            self.at = start
            self.refuse("an unclosed group")
        self.at += 1
        return empty or opening in LOOKS

    def escape(self, caseless: bool) -> None:
        escape = ESCAPE.match(self.pattern, self.at)
        if escape is None:
            self.refuse(f"the escape {self.pattern[self.at : self.at + 2]}")
        name = escape[1]
        if name is not None and not (CATEGORY.fullmatch(name) or SCRIPT.fullmatch(name)):
            self.refuse(f"the property {name}")
        if caseless and escape[0][1] in "pPux":
            self.refuse(f"{escape[0]} without regard to case")
        if escape[0][1] == "u" and 0xD800 <= int(escape[0][2:], 16) < 0xE000:
            self.refuse("half a pair of surrogates")
        self.at = escape.end()

    def character_set(self, caseless: bool) -> None:
        if caseless:
            self.refuse("a set without regard to case")
        start = self.at
        self.at += 2 if self.pattern.startswith("[^", self.at) else 1
        first = self.at
        while not self.pattern.startswith("]", self.at):
            if self.at >= len(self.pattern):
                self.at = start
                self.refuse("an unclosed set")
            if self.pattern.startswith(("[", *SET_OPERATORS), self.at):
                self.refuse("a set in a set")
            if (
                self.pattern[self.at] == "-"
                and self.at > first
                and self.pattern[self.at + 1 : self.at + 2] != "]"
            ):
                self.refuse("a - that stands for itself")
            low = self.character()
            if self.pattern.startswith("-", self.at) and self.pattern[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                if self.pattern.startswith("[", self.at):
                    self.refuse("a set in a set")
                high = self.character()
                if not low or not high or low > high:
                    self.refuse("a range without two ends in order")
        if self.at == first:
            self.refuse("an empty set")
        self.at += 1

    def character(self) -> str:
        """The next character of a set; "" for a class of them."""
        start = self.at
        if not self.pattern.startswith("\\", start):
            self.at += 1
            return self.pattern[start : self.at]
        self.escape(False)
        escape = self.pattern[start : self.at]
        if escape[1] in "ux":
            return chr(int(escape[2:], 16))
        return {"r": "\r", "n": "\n", "t": "\t"}.get(escape[1], "" if escape[1] in "sSdDpP" else escape[1])
