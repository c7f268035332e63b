"""Items between delimiters (native: ``_native.framing.delimited``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..._shared import options
from ..._shared.delimiters import ROOT, Automaton, delimiter_option
from ..engine.span_engine import AS_BYTES, BLOCK, Engine, splittable

__all__ = ["DelimitedEngine"]


class DelimitedEngine(Engine):
    """Cuts at delimiters: the one that starts first wins, and of those that start together the longest."""

    def __init__(
        self,
        *delimiters: bytes,
        keep: bool = False,
        max_size: int | None = options.DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "emit",
        as_: Any = bytes,
        borrow: bool = False,
    ) -> None:
        self._keep_delimiter = options.flag_option("keep", keep)
        found = delimiter_option(delimiters)
        self._automaton = Automaton(found)
        self._longest = len(found[0])
        # The alternatives are tried in order, the longest first.
        self._pattern = re.compile(b"|".join(map(re.escape, found)))
        self._firsts = {delimiter[0] for delimiter in found}
        super().__init__("Delimited", as_, borrow, max_size, on_oversize, on_incomplete)

    def _clear(self) -> None:
        super()._clear()
        self._node = ROOT
        self._open = False  # an item has ended, where the next one starts is not known
        self._ended_at: int | None = None  # with keep: where, as long as the item waits for its delimiter

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
        plain = (
            self._kind == AS_BYTES
            and not self._keep_delimiter
            and self._discarded is None
            and not self._exceeds(len(data) + len(self._carry))
        )
        at = 0
        if plain and self._node == ROOT:
            for piece in splittable(data):
                if self._firsts.intersection(piece[max(0, len(piece) - self._longest + 1) :]):
                    break  # a delimiter may continue behind it
                yield self._split(piece, at)
                at += len(piece)
        yield from self._one_by_one(data, at)

    def _split(self, piece: bytes, at: int) -> list[Any]:
        """All items that end in ``piece``, which lies ``at`` in the fragment and ends in no delimiter's part."""
        delimiters = self._automaton.delimiters
        items = piece.split(delimiters[0]) if len(delimiters) == 1 else self._pattern.split(piece)
        rest = len(items.pop())
        if items:
            if self._start < at:
                items[0] = self._join(self._start, at) + items[0]
            self._start = at + len(piece) - rest
        return items

    def _one_by_one(self, data: memoryview, at: int) -> Iterator[list[Any]]:
        block: list[Any] = []
        for is_end, position in self._events(data, at):
            block += self._handle(is_end, position)
            if self.error is not None:
                break
            if len(block) >= BLOCK:
                yield block
                block = []
        yield block
        if self.error is None:
            yield self._check_unfinished(data)

    def _events(self, data: memoryview, at: int) -> Iterator[tuple[bool, int]]:
        """Where items end (True) and where the next ones start (False), in turn."""
        automaton, size = self._automaton, len(data)
        inside = size - self._longest + 1  # a delimiter that starts before has all its bytes here
        while at < size:
            start = at - automaton.depth[self._node]
            if start >= 0 and not self._open and start < inside:
                # Nothing of it is under way in earlier fragments: search at full speed.
                self._node, at = ROOT, inside
                for match in self._pattern.finditer(data, start):
                    if match.start() >= inside:
                        break
                    yield True, match.start()
                    yield False, match.end()
                    at = max(inside, match.end())
            else:
                found: list[tuple[int, int]] = []
                self._node = automaton.step(self._node, data[at], at, found)
                at += 1
                yield from self._decided(found, at)

    def _decided(self, found: list[tuple[int, int]], at: int) -> Iterator[tuple[bool, int]]:
        """Events from what a step of the automaton found, and from the node that it reached."""
        for start, stop in found:
            if not self._open:
                yield True, start
            self._open = False
            yield False, stop
        if self._automaton.matched[self._node] and not self._open:
            # Some delimiter starts here; which of them only says where the next item starts.
            self._open = True
            yield True, at - self._automaton.depth[self._node]

    def _handle(self, is_end: bool, position: int) -> list[Any]:
        start, item = self._start, None
        if not is_end:
            if self._ended_at is not None:
                self._ended_at = None
                item = self._item(start, position)
            self._start = position
        elif self._discarded is not None:
            self._discarded = None
        elif self._exceeds(position - start):
            item = self._oversized(start)
        elif self._keep_delimiter:
            self._ended_at = position
        else:
            item = self._item(start, position)
        return [] if item is None else [item]

    def _check_unfinished(self, data: memoryview) -> list[Any]:
        """Hold against the limit what cannot be part of a delimiter."""
        decided = len(data) - self._automaton.depth[self._node]
        if self._open:
            return []
        if self._discarded is not None:
            self._start = decided
        elif self._exceeds(decided - self._start):
            return self._overrun(self._start, decided)
        return []

    def _settle(self, data: memoryview) -> None:
        if self._open and self._ended_at is None:
            self._keep(data, len(data) - self._automaton.depth[self._node])
        else:
            self._keep(data, self._start)

    def _end(self) -> list[Any]:
        items: list[Any] = []
        while self._node != ROOT and self.error is None:
            found: list[tuple[int, int]] = []
            self._node = self._automaton.fail(self._node, 0, found)
            for is_end, position in self._decided(found, 0):
                items += self._handle(is_end, position)
                if self.error is not None:
                    return items
        self._keep(memoryview(b""), self._start)
        return items + self._incomplete()
