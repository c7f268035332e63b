"""Engines that cut by size, at line ends, or at delimiters (native: ``_native.framing.chunkers``)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ..._shared import options
from ..._shared.delimiters import ROOT, Automaton, delimiter_option
from ..engine.span_engine import AS_BYTES, AS_STR, AS_VIEW, Engine

__all__ = ["DelimitedEngine", "FixedSizeEngine", "LinesEngine"]

BLOCK = 1024  # items of a block at most, where they are made one by one
SPAN = 1 << 18  # bytes split at once
NOTHING = 0
SWALLOW = 1  # a line ended with the CR at the end of a fragment: an LF that follows belongs to it
HELD = 2  # the same with keepends: the line is emitted once the next byte is known


def spans(data: memoryview) -> Iterator[bytes]:
    """The bytes of ``data`` in pieces that may be split into lists without using much memory; not copied if small."""
    if isinstance(data.obj, bytes) and len(data) == len(data.obj) <= SPAN:
        yield data.obj
    else:
        for at in range(0, len(data), SPAN):
            yield data[at : at + SPAN].tobytes()


class FixedSizeEngine(Engine):
    """Cuts items of ``size`` bytes; the last one may be shorter.

    ``as_`` is ``"view"``, ``bytes`` or ``str`` (each item decoded as UTF-8 by itself).
    """

    def __init__(
        self, size: int, *, on_incomplete: str = "emit", as_: Any = "view", borrow: bool = False
    ) -> None:
        self._size = options.size_option("size", size)
        super().__init__("FixedSize", as_, borrow, on_incomplete=on_incomplete)

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
        size = self._size
        if self._start < 0 and len(data) - self._start >= size:
            first = self._item(self._start, self._start + size)
            if first is None:
                return
            self._start += size
            yield [first]
        while self._start >= 0 and len(data) - self._start >= size:
            start = self._start
            stop = min(start + size * BLOCK, len(data) - (len(data) - start) % size)
            block = self._equal_pieces(data, start, stop)
            self._start = stop
            yield block
            if self.error is not None:
                return

    def _equal_pieces(self, data: memoryview, start: int, stop: int) -> list[Any]:
        size = self._size
        if self._kind == AS_VIEW:
            return [data[at : at + size] for at in range(start, stop, size)]
        if self._kind == AS_BYTES:
            return [data[at : at + size].tobytes() for at in range(start, stop, size)]
        pieces = []
        for at in range(start, stop, size):
            piece = self._item(at, at + size)
            if piece is None:
                break
            pieces.append(piece)
        return pieces


class LinesEngine(Engine):
    """Cuts lines: at LF and CRLF (``newline="lf"``), or also at a lone CR (``"universal"``)."""

    def __init__(
        self,
        *,
        keepends: bool = False,
        newline: str = "lf",
        max_size: int | None = options.DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "emit",
        as_: Any = bytes,
        borrow: bool = False,
    ) -> None:
        self._keepends = bool(keepends)
        self._universal = bool(options.choice_option("newline", newline, ("lf", "universal")))
        super().__init__("Lines", as_, borrow, max_size, on_oversize, on_incomplete)

    def _clear(self) -> None:
        super()._clear()
        self._state = NOTHING

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
        plain = (
            not self._universal
            and self._kind != AS_VIEW
            and self._discarded is None
            and not self._exceeds(len(data) + len(self._carry))
        )
        if not plain:
            yield from self._one_by_one(data, 0)
            return
        at = 0
        for piece in spans(data):
            block = self._split(piece, at)
            if block is None:
                yield from self._one_by_one(data, at)
                return
            yield block
            at += len(piece)

    def _split(self, piece: bytes, at: int) -> list[Any] | None:
        """All lines that end in ``piece``, which lies ``at`` in the fragment; None when one is not valid UTF-8."""
        last_end = piece.rfind(b"\n") + 1
        if not last_end:
            return []
        if self._keepends:
            lines = io.BytesIO(piece).readlines()
            if last_end < len(piece):
                lines.pop()
        else:
            lines = piece.split(b"\n")
            lines.pop()
        if self._start < at:
            lines[0] = self._join(self._start, at) + lines[0]
        if not self._keepends and (b"\r" in piece or lines[0].endswith(b"\r")):
            lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        if self._kind == AS_STR:
            try:
                return self._advance(list(map(bytes.decode, lines)), at + last_end)
            except UnicodeDecodeError:
                return None
        return self._advance(lines, at + last_end)

    def _advance(self, items: list[Any], start: int) -> list[Any]:
        self._start = start
        return items

    def _one_by_one(self, data: memoryview, at: int) -> Iterator[list[Any]]:
        """The same, each line looked at by itself: held against the limit, as a view, or with universal ends."""
        block: list[Any] = []
        if self._universal and data:
            block = self._resume(data)
            if self.error is not None:
                return
        for stop, after in self._ends(data, at):
            start, item = self._start, None
            if self._universal and stop + 1 == len(data) and data[stop] == 0x0D:
                wait = self._keepends and self._discarded is None and not self._exceeds(stop - start)
                self._state = HELD if wait else SWALLOW
                if wait:
                    break
            if self._discarded is not None:
                self._discarded = None
            elif self._exceeds(stop - start):
                item = self._oversized(start)
            else:
                item = self._item(start, after if self._keepends else stop)
            if self.error is not None:
                break
            self._start = after
            if item is not None:
                block.append(item)
                if len(block) == BLOCK:
                    yield block
                    block = []
        yield block
        if self.error is None and self._state != HELD:
            yield self._check_unfinished(data)

    def _ends(self, data: memoryview, at: int) -> Iterator[tuple[int, int]]:
        """Where each line ends, and where the next one starts."""
        if self._universal:
            for match in re.compile(rb"\r\n?|\n").finditer(data, max(self._start, 0)):
                yield match.start(), match.end()
            return
        for match in re.compile(rb"\n").finditer(data, at):
            stop = match.start()
            cr = stop > self._start and self._at(stop - 1) == 0x0D
            yield stop - cr, stop + 1

    def _resume(self, data: memoryview) -> list[Any]:
        """The byte after a CR at the end of the fragment before is there."""
        state, stop = self._state, int(data[0] == 0x0A)
        item = self._item(self._start, stop) if state == HELD else None
        if state != NOTHING and self.error is None:
            self._start = stop
            self._state = NOTHING
        return [] if item is None else [item]

    def _check_unfinished(self, data: memoryview) -> list[Any]:
        """Hold the unfinished line against the limit; a CR at its end may yet be part of a CRLF."""
        start, stop = self._start, len(data)
        if self._discarded is not None:
            self._start = stop
            return []
        if not self._exceeds(stop - start):
            return []
        if not self._universal and self._at(stop - 1) == 0x0D:
            stop -= 1
        return self._overrun(start, len(data)) if self._exceeds(stop - start) else []

    def _end(self) -> list[Any]:
        if self._state != HELD:
            return self._incomplete()
        item = self._item(self._start, 0)
        if item is None:
            return []
        self._state = NOTHING
        self._carry.clear()
        return [item]


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
        self._keep_delimiter = bool(keep)
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
            for piece in spans(data):
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
