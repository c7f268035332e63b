"""Markers in a stream of text or bytes (native: ``_native.text.marked``).

The native core runs an automaton; here ``find`` or ``re`` look for whole markers, and what a fragment ends with is
compared with the beginnings of markers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["Markers", "of_both_kinds"]


class Markers:
    """Finds the first of some markers in text, or in bytes: of those that begin first the longest, or the shortest."""

    def __init__(self, strings: Sequence[Any], longest: bool) -> None:
        self._longest = longest
        self.numbers = {marker: number for number, marker in enumerate(strings, 1)}
        self._only = strings[0] if len(self.numbers) == 1 else None
        self._pattern = _one_of(sorted(self.numbers, key=len, reverse=longest))
        self._beginnings = frozenset(marker[:size] for marker in strings for size in range(1, len(marker)))
        self._most = max(map(len, strings)) - 1
        firsts = sorted({marker[:1] for marker in strings})
        self._first = firsts[0] if len(firsts) == 1 else None  # `find` is several times as fast as `re`
        self._firsts = _one_of(firsts)

    def entered(self, text: Any, start: int) -> int:
        """Where at or behind ``start`` a marker may begin, -1 for nowhere."""
        if self._first is not None:
            return int(text.find(self._first, start))
        found = self._firsts.search(text, start)
        return -1 if found is None else found.start()

    def find(self, text: Any, start: int, final: bool, kept: bool) -> tuple[Any, int, int]:
        """The first marker at or behind ``start`` if it is certain, up to where all is text, and where it begins.

        Else None, up to where all is text, and from where on one may begin. Markers that are ``kept`` are text too.
        """
        marker = None
        if self._only is not None:
            begins = text.find(self._only, start)
            if begins >= 0:
                marker = self._only
        else:
            found = self._pattern.search(text, start)
            if found is not None:
                marker, begins = found[0], found.start()
        tail = len(text) if final else self._tail(text, start)
        if marker is None:
            return None, len(text) if kept else tail, tail
        if begins < tail or (begins == tail and not self._longest):
            return marker, begins + len(marker) if kept else begins, begins
        return None, begins + len(marker) if kept else tail, tail

    def _tail(self, text: Any, start: int) -> int:
        """Where the beginning of a marker begins that the text ends with; its end if it ends with none."""
        size = len(text)
        at = max(start, size - self._most)
        while (at := self.entered(text, at)) >= 0:
            if text[at:] in self._beginnings:
                return at
            at += 1
        return size


def _one_of(strings: Sequence[Any]) -> Any:
    return re.compile(("|" if isinstance(strings[0], str) else b"|").join(map(re.escape, strings)))


def of_both_kinds(strings: Sequence[str], longest: bool) -> dict[type, Markers]:
    """The markers for streams of ``str`` and of ``bytes``."""
    data = [marker.encode("utf-8", "surrogatepass") for marker in strings]
    return {str: Markers(strings, longest), bytes: Markers(data, longest)}
