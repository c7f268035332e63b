"""Splitting text into the pieces that byte-pair merging works on, as the OpenAI patterns do it.

Goals: the same pieces as tiktoken for every text, its Unicode classes included (Python's ``\\s`` and ``\\w`` and the
``regex`` module's ``\\p{L}`` differ by thousands of code points). Plan: recognise the three pattern families and their
known parameters, and run each as an ``re`` whose character classes are generated ranges. A pattern of no known family
runs through the ``regex`` module. The resumable scanner for streams is in ``_pure.bpe.piece_scanner``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from .regex_pieces import RegexPieces

Ranges = tuple[tuple[int, int], ...]

# Characters a call of findall gets at a time: the list of pieces stays small, whatever the text.
BLOCK = 1 << 16
# A piece whose end depends on text beyond a cut is among the last few before it: at most three pieces lie in the up to
# three characters that a contraction looks ahead, and at most three more in a run of whitespace or capitals that
# touches the cut (see ``_pure.bpe.piece_scanner``). Eight leaves room.
UNSETTLED = 8


class Family(NamedTuple):
    """What a recognised pattern is: one of three families, and the parameters in which its variants differ."""

    name: str  # "r50k", "cl100k", "o200k", or "whole" where text is one piece
    digits: int  # most digits in a piece, 0 for any number
    tail_run: bool  # whitespace that ends the text is one piece, even with line ends inside it


WHOLE = Family("whole", 0, False)

_GPT2_CONTRACTION = (r"'(?:[sdmt]|ll|ve|re)", r"'s|'t|'re|'ve|'m|'ll|'d")
_CONTRACTION = (r"'(?i:[sdmt]|ll|ve|re)", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)")
_GPT2_SPACE = (r"\s+$|\s+(?!\S)|\s", r"\s+(?!\S)|\s+", r"\s+(?!\S)|\s")
_SPACE = {
    r"\s+$|\s*[\r\n]|\s+(?!\S)|\s": True,
    r"\s+$|\s*[\r\n]+|\s+(?!\S)|\s+": True,
    r"\s*[\r\n]+|\s+(?!\S)|\s+": False,
    r"\s*[\r\n]|\s+(?!\S)|\s": False,
}
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_O200K_WORDS = "|".join(
    rf"[^\r\n\p{{L}}\p{{N}}]?{upper}{lower}(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    for upper, lower in ((_UPPER + "*", _LOWER + "+"), (_UPPER + "+", _LOWER + "*"))
)
_POSSESSIVE = re.compile(r"([+*?]|\{\d,\d\})\+")
_DIGITS = re.compile(r"\|\\p\{N\}(\+|\{1,([1-9])\}|)\|")


def recognise(pattern: str) -> Family | None:
    """The family of a tiktoken or tokenizer.json pattern, or None for one of no known family.

    Possessive quantifiers are taken as greedy ones: in these patterns neither kind can give back a character that the
    rest would take.
    """
    text = _POSSESSIVE.sub(r"\1", pattern) if _O200K_WORDS not in pattern else pattern
    rest = r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|"
    if text.replace(r"[\p{L}]", r"\p{L}").replace(r"[\p{N}]", r"\p{N}") in {
        words + rest + space for words in _GPT2_CONTRACTION for space in _GPT2_SPACE
    }:
        return Family("r50k", 0, True)
    digits = _DIGITS.search(text)
    if digits is None:
        return None
    most = {"": 1, "+": 0}.get(digits[1]) if digits[2] is None else int(digits[2])
    words, rest = text[: digits.start()], text[digits.end() :]
    if words in {first + r"|[^\r\n\p{L}\p{N}]?\p{L}+" for first in _CONTRACTION}:
        name, other = "cl100k", r" ?[^\s\p{L}\p{N}]+[\r\n]*|"
    elif words == _O200K_WORDS:
        name, other = "o200k", r" ?[^\s\p{L}\p{N}]+[\r\n/]*|"
    else:
        return None
    if not rest.startswith(other) or rest[len(other) :] not in _SPACE or most is None:
        return None
    return Family(name, most, _SPACE[rest[len(other) :]])


def class_text(ranges: Ranges, last: int) -> str:
    """The inside of an ``re`` character class for the ranges up to code point ``last``."""
    return "".join(f"\\U{first:08x}-\\U{min(end, last):08x}" for first, end in ranges if first <= last)


@lru_cache(maxsize=64)
def compiled(family: Family, last: int) -> re.Pattern[str]:
    """The pattern of ``family`` for text that holds no code point above ``last``.

    Small classes are fast: below U+0080 a set is a bitmap of 32 bytes, up to U+FFFF a two-level table, while ranges
    above U+FFFF are tried one by one.
    """
    from .unicode_classes import LETTER, LOWER_LIKE, NUMBER, SPACE, UPPER_LIKE

    letter, number, space = class_text(LETTER, last), class_text(NUMBER, last), class_text(SPACE, last)
    other = f"[^{space}{letter}{number}]"
    space = f"[{space}]"
    # `\s` is spelled as the generated class, so `\S` is its complement
    blank = f"{space}+(?!{'[^' + space[1:]})|{space}"
    if family.name == "r50k":
        words = rf"'(?:[sdmt]|ll|ve|re)| ?[{letter}]++"
        return re.compile(rf"{words}| ?[{number}]++| ?{other}++|{blank}")
    # U+017F is the one further code point that matches one of these letters without regard to case
    contraction = "'(?:[sSdDmMtT\u017f]|[lL][lL]|[vV][eE]|[rR][eE])"
    prefix = rf"[^\r\n{letter}{number}]?"
    number = f"[{number}]" + (f"{{1,{family.digits}}}" if family.digits else "++")
    if family.name == "cl100k":
        words, tail = rf"{contraction}|{prefix}+[{letter}]++", r"[\r\n]*+"
    else:
        upper, lower = f"[{class_text(UPPER_LIKE, last)}]", f"[{class_text(LOWER_LIKE, last)}]"
        words = rf"{prefix}{upper}*{lower}++(?:{contraction})?|{prefix}{upper}++{lower}*+(?:{contraction})?"
        tail = r"[\r\n/]*+"
    end = rf"{space}++\Z|" if family.tail_run else ""
    return re.compile(rf"{words}|{number}| ?{other}++{tail}|{end}{space}*[\r\n]+|{blank}")


_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def pattern_for(family: Family, text: str) -> re.Pattern[str]:
    """The fastest compiled pattern that is right for ``text``."""
    if text.isascii():
        return compiled(family, 0x7F)
    return compiled(family, 0x10FFFF if _ASTRAL.search(text) else 0xFFFF)


def split(family: Family, text: str) -> Iterator[list[str]]:
    """The pieces of ``text``, a list of them a block; joined they are the text."""
    if family.name == "whole":
        yield [text] if text else []
        return
    findall = pattern_for(family, text).findall
    position, block = 0, BLOCK
    while position + block < len(text):
        pieces = findall(text, position, position + block)
        settled = pieces[:-UNSETTLED]
        # one piece may be longer than the block: then look at twice as much
        block = BLOCK if settled else block * 2
        position += sum(map(len, settled))
        yield settled
    yield findall(text, position)


def splitter(pattern: str) -> Callable[[str], Iterator[list[str]]]:
    """A function that splits text into pieces as ``pattern`` says, through ``regex`` if it is not a known one.

    The pieces always join to the text: what an unknown pattern does not match is a piece of its own, where tiktoken
    leaves it out.
    """
    family = recognise(pattern)
    if family is not None:
        return lambda text: split(family, text)
    return RegexPieces(pattern)
