"""Blocks of a fixed size (native: ``_native.framing.fixed_size``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..._shared import options
from ..engine.span_engine import AS_BYTES, AS_VIEW, BLOCK, Engine

__all__ = ["FixedSizeEngine"]


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
