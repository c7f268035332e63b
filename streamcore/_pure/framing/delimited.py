"""Items between delimiters (native: ``_native.framing.delimited``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from typing import Any

from ..._shared import options
from ..._shared.delimiters import ROOT, Automaton, delimiter_option
from ..engine.span_engine import AS_STR, AS_VIEW, BLOCK, SHORT, Engine

__all__ = ["DelimitedEngine"]

UNKNOWN = -1  # the node after a split, which what is carried tells


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
        # Then one that ends is not always one to cut at: the longer one around it may still come.
        self._contains = any(a in b for a, b in permutations(found, 2))
        self._single = found[0] if len(found) == 1 else None
        super().__init__("Delimited", as_, borrow, max_size, on_oversize, on_incomplete)
        if self._kind != AS_VIEW and not keep:
            self._take_whole()

    def _clear(self) -> None:
        super()._clear()
        self._node = ROOT
        self._open = False  # an item has ended, where the next one starts is not known
        self._ended_at: int | None = None  # with keep: where, as long as the item waits for its delimiter

    def _items_of(self, piece: Any) -> list[Any] | None:
        reach = self._longest - 1  # bytes at the end of which a delimiter may go on behind it
        if self._contains:
            if self._node != ROOT or self._firsts.intersection(piece[len(piece) - min(reach, len(piece)) :]):
                return None
        else:
            self._node = UNKNOWN
        carry, edge = self._carry, 0
        if len(carry) <= SHORT:
            whole = carry + piece
        else:  # not gone through again, but for a delimiter that begins at its end
            edge = max(0, len(carry) - reach)
            whole = bytes(carry[edge:]) + piece
        items: list[Any] = whole.split(self._single) if self._single else self._pattern.split(whole)
        rest = items.pop()
        if edge:
            if not items:
                self._carry_on(piece)
                return items
            items[0] = b"".join((carry[:edge], items[0]))
        if self._kind == AS_STR:
            return self._decode_all(items, rest)
        self._carry = rest
        return items

    def _one_by_one(self, data: memoryview) -> Iterator[list[Any]]:
        if self._node == UNKNOWN:
            self._node = ROOT
            for byte in self._carry[max(0, len(self._carry) - self._longest + 1) :]:
                self._node = self._automaton.step(self._node, byte, 0, [])
        block: list[Any] = []
        for is_end, position in self._events(data):
            block += self._handle(is_end, position)
            if self.error is not None:
                break
            if len(block) >= BLOCK:
                yield block
                block = []
        yield block
        if self.error is None:
            yield self._check_unfinished(data)

    def _events(self, data: memoryview) -> Iterator[tuple[bool, int]]:
        """Where items end (True) and where the next ones start (False), in turn."""
        automaton, at, size = self._automaton, 0, len(data)
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
        self._start = -len(self._carry)
        while self._node > ROOT and self.error is None:
            found: list[tuple[int, int]] = []
            self._node = self._automaton.fail(self._node, 0, found)
            for is_end, position in self._decided(found, 0):
                items += self._handle(is_end, position)
                if self.error is not None:
                    return items
        self._keep(memoryview(b""), self._start)
        return items + self._incomplete()
