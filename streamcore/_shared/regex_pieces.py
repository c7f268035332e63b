"""Pieces by a pattern of no known family, which the ``regex`` module runs.

Goals: the pieces always join to the text; no pattern hangs, whatever text it meets. Plan: what lies between two matches
is a piece too, an empty match cuts and then the search goes on at the next character (as Oniguruma and fancy-regex go
on, which tokenizers and tiktoken use). Each run of ``RUN`` pieces may take ``SECONDS``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from time import monotonic
from typing import Any

from ..errors import StreamTimeout

# Matches that share one limit of time, in seconds: seen are some 3 ms for so many.
RUN = 1024
SECONDS = 10.0
# Bytes at which the regex module refuses to remember more of a search (its RE_MEMORY_LIMIT).
MEMORY = 1 << 30
# The longest pattern, and the most that its repeats with a least count unroll to: the regex module copies what a{1000}
# repeats, and (a{1000}){1000} a million times.
LONGEST = 100_000
MOST_UNROLLED = 100_000

# What counts when repeats are unrolled; an escape, a set and a comment are one thing each.
_PARTS = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?#[^)]*\)|(?P<open>\()|(?P<close>\))|\{(?P<least>\d+)(?:,\d*)?\}|.",
    re.DOTALL,
)


def unrolled(pattern: str) -> int:
    """About how many parts ``pattern`` has when what repeats at least n times is written n times."""
    totals, last = [0], 0  # parts of each open group, and of what a repeat would repeat
    for part in _PARTS.finditer(pattern):
        if part["least"] is not None:
            # more digits than any limit: int() refuses thousands of them
            least = int(part["least"]) if len(part["least"]) < 10 else MOST_UNROLLED + 1
            totals[-1] += last * max(least - 1, 0)
            last *= max(least, 1)
            continue
        if part["open"]:
            totals.append(0)
            continue
        last = 1
        if part["close"] and len(totals) > 1:
            last += totals.pop()
        totals[-1] += last
        if totals[-1] > MOST_UNROLLED:
            break
    return sum(totals)


def compiled(pattern: str) -> Any:
    """``pattern`` as an object of the regex module; ValueError for one that it does not take or that is too large."""
    if len(pattern) > LONGEST:
        raise ValueError(f"pattern has {len(pattern)} characters, at most {LONGEST}")
    if unrolled(pattern) > MOST_UNROLLED:
        raise ValueError(f"pattern is too large: its repeats unroll to more than {MOST_UNROLLED} parts")
    engine = _regex_module(pattern)
    try:
        made = engine.compile(pattern)
    except (RecursionError, OverflowError):
        raise ValueError("pattern is too large, or nested too deeply") from None
    except (engine.error, ValueError, LookupError, TypeError, AttributeError) as error:
        # the last three are how the parser of the regex module ends on some patterns that are not valid
        raise ValueError(f"pattern is not a valid regular expression: {error}") from None
    if made.flags & engine.REVERSE:
        raise ValueError("pattern must not search backwards: (?r)")
    return made


class RegexPieces:
    """``pieces(text)`` gives the pieces of ``text``, a list of them a block; joined they are the text.

    Raises ``StreamTimeout`` when ``RUN`` pieces take more than ``SECONDS``, and ValueError when one takes more memory
    than the regex module allows.
    """

    def __init__(self, pattern: str) -> None:
        self._compiled = compiled(pattern)

    def __call__(self, text: str) -> Iterator[list[str]]:
        """The pieces of ``text``."""
        start = 0  # of the next piece
        at = 0  # where the next search begins
        while at <= len(text):
            pieces, start, at = self._run(text, start, at)
            yield pieces
        if start < len(text):
            yield [text[start:]]

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where each match begins and ends; the limits of time and memory are those of the pieces."""
        at = 0
        matches: list[Any] = [None] * RUN
        while len(matches) == RUN:
            try:
                matches = self._found(text, at, SECONDS, RUN)
            except TimeoutError:
                raise _timeout(at) from None
            for match in matches:
                yield match.span()
                at = match.end() + (match.end() == match.start())

    def _run(self, text: str, start: int, at: int) -> tuple[list[str], int, int]:
        """At least the next ``RUN`` pieces, if there are as many, and the two places after them."""
        pieces: list[str] = []
        deadline = monotonic() + SECONDS
        most = RUN
        try:
            while len(pieces) < RUN and at <= len(text):
                seconds = deadline - monotonic()
                if seconds <= 0:
                    raise TimeoutError
                matches = self._found(text, at, seconds, most)
                start, at = _cut(text, matches, start, at, len(matches) < most, pieces)
                # what was found after an empty match is not taken, so no more is asked for than was of use
                most = min(most * 2, RUN) if at == start else 1
        except TimeoutError:
            raise _timeout(start) from None
        return pieces, start, at

    def _found(self, text: str, at: int, seconds: float, most: int) -> list[Any]:
        """The next matches; the regex module says by MemoryError, too, that one needs more than it allows itself."""
        try:
            return list(islice(self._compiled.finditer(text, at, timeout=seconds), most))
        except MemoryError as error:
            if not self._takes_too_much(text, at, most):
                raise
            raise ValueError(f"pattern takes too much memory for the text from character {at} on") from error

    def _takes_too_much(self, text: str, at: int, most: int) -> bool:
        """Whether the search fails again although there is as much memory as the regex module ever asks for."""
        try:
            bytes(MEMORY)  # asked for, never written to
        except MemoryError:
            return False
        try:
            deque(islice(self._compiled.finditer(text, at, timeout=SECONDS), most), 0)
        except MemoryError:
            return True
        except TimeoutError:
            pass
        return False


def _timeout(start: int) -> StreamTimeout:
    return StreamTimeout(
        f"pattern takes more than {SECONDS:g} seconds for the text from character {start} on"
    )


def _cut(
    text: str, matches: list[Any], start: int, at: int, last: bool, pieces: list[str]
) -> tuple[int, int]:
    """Add the pieces that end with one of ``matches``, up to the first empty one; ``last``: there are no more."""
    beyond = len(text) + 1
    if not matches:
        return start, beyond
    found = [match[0] for match in matches]
    joined = "".join(found)
    if (
        all(found)
        and (start, start + len(joined)) == (matches[0].start(), matches[-1].end())
        and text.startswith(joined, start)
    ):
        # as nearly always: one match after the other
        pieces += found
        start += len(joined)
        return start, beyond if last else start
    for match in matches:
        first, end = match.span()
        if first > start:
            pieces.append(text[start:first])
            start = first
        if end <= max(start, at):
            # empty: what could begin here was tried
            return start, max(end, at) + 1
        pieces.append(text[start:end])
        start = at = end
    return start, beyond if last else start


def _regex_module(pattern: str) -> Any:
    try:
        return import_module("regex")
    except ImportError:
        raise ValueError(
            f"pattern {pattern!r} is of none of the built-in families (r50k, cl100k, o200k); "
            "install the regex module to use it"
        ) from None
