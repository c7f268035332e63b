"""Inputs made from a seed: the same bytes in each run and on each machine, nothing repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import accumulate
from random import Random
from typing import TypeVar

__all__ = ["bodies", "cut", "events", "lines", "many_scripts", "prose", "rows"]

T = TypeVar("T", str, bytes)

VOCABULARY = 8000
RARE = ("new", "new", "new", "name", "name", "number")  # of these a sentence has none, one or two
SCRIPTS = (  # first letter, number of letters: Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Hiragana, Han
    (0x61, 26),
    (0x3B1, 25),
    (0x430, 32),
    (0x5D0, 27),
    (0x627, 36),
    (0x915, 37),
    (0x3042, 80),
    (0x4E00, 3000),
)


def a_word(source: Random) -> str:
    syllables = source.choices((1, 2, 3, 4), (30, 40, 20, 10))[0]
    return "".join(
        source.choice(("b", "d", "f", "l", "m", "n", "p", "r", "s", "t", "st", "th", "w", "c", "g", "h"))
        + source.choice(("a", "e", "i", "o", "u", "ea", "ou"))
        + source.choice(("", "", "n", "r", "s", "ng", "l"))
        for _ in range(syllables)
    )


@cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Words, as a rule the short ones first, and their weights added up: that of rank n is 1 / n."""
    source = Random("vocabulary")
    words = sorted(
        {a_word(source) for _ in range(VOCABULARY)}, key=lambda word: len(word) + 8 * source.random()
    )
    return words, list(accumulate(1 / rank for rank in range(1, len(words) + 1)))


def prose(size: int, seed: object = 0) -> str:
    """``size`` ASCII characters: frequent words, rare and new ones, names, numbers, sentences, paragraphs.

    Texts of different seeds have their frequent words in common, as texts of one language have.
    """
    source = Random(f"prose {seed}")
    words, weights = vocabulary()
    parts: list[str] = []
    length = 0
    while length < size:
        sentence = source.choices(words, cum_weights=weights, k=source.randint(4, 24))
        for what in source.choices(RARE, k=source.randrange(3)):
            at = source.randrange(len(sentence))
            if what == "number":
                sentence[at] = str(source.randrange(5000))
            else:
                sentence[at] = a_word(source) if what == "new" else sentence[at].capitalize()
        sentence[0] = sentence[0].capitalize()
        parts.append(" ".join(sentence) + source.choice((". ", ". ", ", ", "? ", ".\n", ".\n\n")))
        length += len(parts[-1])
    return "".join(parts)[:size]


@lru_cache(1)
def lines(size: int, seed: object = 0) -> bytes:
    """About ``size`` bytes in lines of 60 to 140, each ended by LF."""
    source = Random(f"lines {seed}")
    text = prose(size, seed).replace("\n", " ").encode()
    made, at = [], 0
    while at < len(text):
        width = source.randint(60, 140)
        made.append(text[at : at + width - 1])
        at += width - 1
    return b"\n".join(made) + b"\n"


def bodies(count: int, seed: object = 0) -> list[bytes]:
    """``count`` frames of 60 to 140 random bytes."""
    source = Random(f"bodies {seed}")
    return [source.randbytes(source.randint(60, 140)) for _ in range(count)]


def events(count: int, seed: object = 0) -> bytes:
    """An event stream as models send it: one word in an object of some 140 bytes each."""
    words = prose(count * 12, seed).split()[:count]
    made = (
        {"id": f"call-{seed}", "object": "chunk", "choices": [{"index": 0, "delta": {"content": f" {word}"}}]}
        for word in words
    )
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in made)


def rows(size: int, seed: object = 0) -> str:
    """A JSON array of objects, of about ``size`` characters."""
    source = Random(f"rows {seed}")
    made: list[object] = []
    length = 0
    while length < size:
        note = prose(source.randint(10, 120), source.random())
        made.append(
            {"id": source.randrange(10**6), "note": note, "score": source.random(), "done": length % 3 == 0}
        )
        length += len(json.dumps(made[-1])) + 2
    return json.dumps(made)


def many_scripts(size: int, seed: object = 0) -> bytes:
    """About ``size`` bytes of UTF-8: sentences of eight scripts in turn."""
    source = Random(f"scripts {seed}")

    def sentences() -> Iterator[str]:
        while True:
            first, count = source.choice(SCRIPTS)
            yield " ".join(
                "".join(chr(first + int(count * source.random() ** 2)) for _ in range(source.randint(1, 9)))
                for _ in range(source.randint(5, 20))
            )

    made, length = [], 0
    for sentence in sentences():
        made.append(sentence.encode() + b".\n")
        length += len(made[-1])
        if length >= size:
            return b"".join(made)
    raise AssertionError


def cut(data: T, mean: int, seed: object = 0) -> list[T]:
    """``data`` in fragments of 1 to ``2 * mean`` characters or bytes, as a network gives them."""
    source = Random(f"cut {seed}")
    made: list[T] = []
    at = 0
    while at < len(data):
        size = source.randint(1, 2 * mean)
        made.append(data[at : at + size])
        at += size
    return made
