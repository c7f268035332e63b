"""The text of a long line of JSON, decoded a step at a time: neither the line nor the text is ever one str.

A str has 1, 2 or 4 bytes a character, as its widest one needs: one emoji in 70 MB of English makes 280 MB.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, Final

STEP: Final = 1 << 20  # bytes that are decoded at once
BACKSLASH: Final = 0x5C
ESCAPE: Final = 6  # bytes of \uXXXX
HIGH: Final = (b"d8", b"d9", b"da", b"db")
LOW: Final = (b"dc", b"dd", b"de", b"df")


class LongText:
    """What stands in a line from ``start`` to ``end``, between two quotes; iterating gives its text in pieces."""

    def __init__(self, line: bytes, start: int, end: int) -> None:
        self.line, self.start, self.end = line, start, end

    def __len__(self) -> int:
        """Bytes, at least as many as characters."""
        return self.end - self.start

    def __iter__(self) -> Iterator[str]:
        at = self.start
        while at < self.end:
            stop = self.border(at, at + STEP) if at + STEP < self.end else self.end
            if stop <= at:
                raise ValueError("no JSON: escapes that are cut short")
            yield json.loads(f'"{self.line[at:stop].decode()}"')
            at = stop

    def border(self, start: int, stop: int) -> int:
        """``stop``, or the start of the character or of the escapes that it would cut; ``start`` is such a border."""
        line = self.line
        for _ in range(3):  # a character has four bytes at most
            if 0x80 <= line[stop] < 0xC0:
                stop -= 1
        found = line.rfind(b"\\", max(start, stop - ESCAPE), stop)
        if found < 0:
            return stop
        before = line[start:found]
        if (len(before) - len(before.rstrip(b"\\"))) % 2:
            return stop  # the second of two backslashes
        if line[found + 1 : found + 2] != b"u":
            return found if found + 2 > stop else stop
        half = line[found + 2 : found + 4].lower()
        if found + ESCAPE > stop:
            return self.border(start, found) if half in LOW else found
        return found if half in HIGH and found + ESCAPE == stop else stop

    def __str__(self) -> str:
        return "".join(self)


def strings(line: bytes) -> Iterator[tuple[int, int]]:
    """Where strings are, quotes included, as long as all before is JSON."""
    start = line.find(b'"')
    while start >= 0:
        end = line.find(b'"', start + 1)
        while end > 0 and line[end - 1] == BACKSLASH:
            first = end - 1
            while line[first - 1] == BACKSLASH:
                first -= 1
            if (end - first) % 2 == 0:
                break
            end = line.find(b'"', end + 1)
        if end < 0:
            return
        yield start, end + 1
        start = line.find(b'"', end + 1)


def long_text(line: bytes, key: str, least: int) -> LongText | str | None:
    """The text under ``key`` of a line, a ``LongText`` from ``least`` bytes on; None if there is none.

    Long strings are taken out of the line and checked by themselves; what is left is read as JSON.
    """
    names: dict[str, LongText] = {}
    rest: list[bytes] = []
    at, mark = 0, os.urandom(16).hex()
    for start, end in strings(line):
        if end - start > STEP:
            name = f"{mark} {len(names)}"
            rest += [line[at:start], f'"{name}"'.encode()]
            names[name] = LongText(line, start + 1, end - 1)
            at = end
    rest.append(line[at:])
    try:
        record: Any = json.loads(b"".join(rest).decode())
        for text in names.values():
            for _ in text:
                """Raises where it is no JSON."""
    except (ValueError, RecursionError):
        return None
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, str):
        return None
    text_at = names.get(value)
    if text_at is None:
        return value
    return text_at if len(text_at) >= least else str(text_at)
