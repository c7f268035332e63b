"""``TextSplitter`` as its definition reads: the whole text, recursion, every piece measured by itself."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

SEPARATORS = [
    ("\n\n", "\n", " ", ""), ("\n",), (" ", ""), ("ab", "b", ""), ("\n\n\n", "\n\n", " "), ("aa", "a", ""),
    ("b", "ab", ""), ("aba", "ba"), (), ("",), ("é", "中"), ("a", "aab", "\n"), (". ", "? ", " "),
]  # fmt: skip
ALPHABETS = [
    "\n\n  aabbx",
    "\n\n  aabbéx",
    "\n  aabé中😀",
    "ab\ud800 ",
    "ab",
    ". ?ab ",
    "a\x1c\u2003\u3000\n",
    "a\x85\xa0 \n",
]


def sizes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


LENGTHS: dict[Any, Callable[[str], int]] = {"chars": len, "bytes": sizes}


def divide(text: str, start: int, stop: int, separator: str, keep: str) -> list[tuple[int, int]]:
    """Places of the pieces of ``text[start:stop]`` that are not empty."""
    if not separator:
        return [(at, at + 1) for at in range(start, stop)]
    pieces, begin = [], start
    for match in re.finditer(re.escape(separator), text[start:stop]):
        end = start + (match.end() if keep == "end" else match.start())
        pieces.append((begin, end))
        begin = start + (match.start() if keep == "start" else match.end())
    pieces.append((begin, stop))
    return [piece for piece in pieces if piece[0] < piece[1]]


def runs(
    text: str, start: int, stop: int, options: dict[str, Any], level: int = 0
) -> list[list[tuple[int, int]]]:
    """Neighbouring pieces that may be run together."""
    found: list[list[tuple[int, int]]] = [[]]
    separators = options["separators"]
    measure = LENGTHS.get(options["length"], options["length"])
    if level == len(separators):
        return [[(start, stop)]]
    for first, last in divide(text, start, stop, separators[level], options["keep"]):
        if measure(text[first:last]) < options["size"] or not separators[level]:
            found[-1].append((first, last))
        else:
            found += [*runs(text, first, last, options, level + 1), []]
    return [run for run in found if run]


def split(text: str, options: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Text, start and stop of the chunks."""
    measure = LENGTHS.get(options["length"], options["length"])
    size, overlap = options["size"], options["overlap"]
    chunks: list[list[tuple[int, int]]] = []
    for run in runs(text, 0, len(text), options):
        fresh = True
        for piece in run:
            if not fresh and measure(text[chunks[-1][0][0] : piece[1]]) <= size:
                chunks[-1].append(piece)
                continue
            handed: list[tuple[int, int]] = []
            for before in reversed(chunks[-1]) if chunks else ():
                tail = text[before[0] : chunks[-1][-1][1]]
                if measure(tail) > overlap or measure(text[before[0] : piece[1]]) > size:
                    break
                handed.insert(0, before)
            chunks.append([*handed, piece])
            fresh = False
    found: list[tuple[str, int, int]] = []
    for chunk in chunks:
        start, stop = chunk[0][0], chunk[-1][1]
        if options["strip"]:
            while start < stop and text[start].isspace():
                start += 1
            while start < stop and text[stop - 1].isspace():
                stop -= 1
        if start < stop and (not found or stop > found[-1][2]):
            found.append((text[start:stop], start, stop))
    return found


def random_text(rnd: random.Random, most: int = 80) -> str:
    alphabet = rnd.choice(ALPHABETS)
    return "".join(rnd.choice(alphabet) for _ in range(rnd.randrange(most)))


def random_options(rnd: random.Random) -> dict[str, Any]:
    size = rnd.randrange(1, 14)
    return {
        "size": size,
        "overlap": rnd.choice((0, 0, rnd.randrange(size))),
        "separators": rnd.choice(SEPARATORS),
        "length": rnd.choice(("chars", "bytes", len)),
        "keep": rnd.choice(("end", "start", "none")),
        "strip": rnd.random() < 0.5,
    }


def random_cuts(rnd: random.Random, text: str) -> list[str]:
    cuts, at = [], 0
    while at < len(text):
        size = rnd.choice((0, 1, 1, 2, 3, 7, 20, 50))
        cuts.append(text[at : at + size])
        at += size
    return cuts
