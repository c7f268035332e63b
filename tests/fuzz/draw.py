"""Decisions and data out of a fuzzer's input: data from its front, decisions byte by byte from its end.

So a mutation of the data changes no decision, and one of a decision no data. An input that is too short decides 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Draw:
    """One input of the fuzzer."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.end = len(data)

    def byte(self) -> int:
        if not self.end:
            return 0
        self.end -= 1
        return self.data[self.end]

    def flag(self) -> bool:
        return bool(self.byte() & 1)

    def choice(self, options: Sequence[T]) -> T:
        return options[self.byte() % len(options)]

    def number(self) -> int:
        """Mostly small, sometimes around the sizes where something changes, or out of range."""
        value = self.byte()
        return value if value < 240 else (-1, 255, 256, 4095, 4096, 4097, 16384, 65536)[value % 8]

    def sizes(self) -> list[int]:
        """How to cut, for ``cut()``: all in one, in equal parts (a negative size), or part by part."""
        way = self.byte() % 4
        if way == 0:
            return []
        if way == 1:
            return [-1 - self.byte() % 9]
        return [self.byte() % (8 if way == 2 else 256) for _ in range(self.byte() % 24)]

    def rest(self) -> bytes:
        """All that no decision took; the last thing to ask for."""
        return self.data[: self.end]


def cut(whole: Any, sizes: list[int]) -> list[Any]:
    """``whole`` in parts of ``sizes``, and what remains; empty parts only where a size is 0."""
    parts, at = [], 0
    if sizes and sizes[0] < 0:
        sizes = [-sizes[0]] * (len(whole) // -sizes[0])
    for size in sizes:
        if at >= len(whole):
            break
        parts.append(whole[at : at + size])
        at += size
    if at < len(whole):
        parts.append(whole[at:])
    return parts
