"""Lines (native: ``_native.framing.lines``)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ..._shared import options
from ..engine.span_engine import AS_STR, AS_VIEW, BLOCK, Engine

__all__ = ["LinesEngine"]

CR = 0x0D

NOTHING = 0
SWALLOW = 1  # a line ended with the CR at the end of a fragment: an LF that follows belongs to it
HELD = 2  # the same with keepends: the line is emitted once the next byte is known


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
        self._keepends = options.flag_option("keepends", keepends)
        self._universal = bool(options.choice_option("newline", newline, ("lf", "universal")))
        super().__init__("Lines", as_, borrow, max_size, on_oversize, on_incomplete)
        if not self._universal and self._kind != AS_VIEW:
            self._take_whole()

    def _clear(self) -> None:
        super()._clear()
        self._state = NOTHING

    def _items_of(self, piece: Any) -> list[Any] | None:
        if self._keepends:
            lines = io.BytesIO(piece).readlines()
            rest = b"" if piece[-1:] == b"\n" or not piece else lines.pop()
        else:
            lines = piece.split(b"\n")
            rest = lines.pop()
        if not lines:
            self._carry_on(piece)
            return []
        carry = self._carry
        if carry:
            lines[0] = carry + lines[0] if type(carry) is bytes else b"".join((carry, lines[0]))
        if (CR in piece or CR in lines[0]) and not self._keepends:
            lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        if self._kind == AS_STR:
            return self._decode_all(lines, rest)
        self._carry = rest
        return lines

    def _one_by_one(self, data: memoryview) -> Iterator[list[Any]]:
        """Each line looked at by itself: held against the limit, as a view, or with universal ends."""
        block: list[Any] = []
        if self._universal and data:
            block = self._resume(data)
            if self.error is not None:
                return
        for stop, after in self._ends(data):
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

    def _ends(self, data: memoryview) -> Iterator[tuple[int, int]]:
        """Where each line ends, and where the next one starts."""
        if self._universal:
            for match in re.compile(rb"\r\n?|\n").finditer(data, max(self._start, 0)):
                yield match.start(), match.end()
            return
        for match in re.compile(rb"\n").finditer(data):
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
        self._carry = b""
        return [item]
