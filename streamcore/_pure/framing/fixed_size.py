"""Blocks of a fixed size (native: ``_native.framing.fixed_size``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from struct import Struct
from typing import Any

from ..._shared import options
from ..engine.span_engine import AS_STR, AS_VIEW, BLOCK, SPAN, Engine

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
        self._unpack = Struct(f"{self._size}s").iter_unpack  # the fastest way to equal slices
        self._span = self._size * max(1, min(BLOCK, SPAN // self._size))
        self._take_whole()

    def _items_of(self, piece: Any) -> Iterable[Any] | None:
        size, carry = self._size, self._carry
        held = len(carry)
        if held + len(piece) < size:
            self._carry_on(piece)
            return ()
        first = size - held if held else 0  # where the items begin that lie in the piece
        last = len(piece) - (held + len(piece)) % size
        view = memoryview(piece)
        items: Iterable[Any]
        if self._kind == AS_VIEW:
            items = [view[at : at + size] for at in range(first, last, size)]
        else:
            items = chain.from_iterable(self._unpack(view[first:last]))
        if held:
            item = b"".join((carry, view[:first]))
            items = chain((memoryview(item) if self._kind == AS_VIEW else item,), items)
        rest = view[last:].tobytes() if last < len(piece) else b""
        if self._kind == AS_STR:
            return self._decode_all(items, rest)
        self._carry = rest
        return items

    def _one_by_one(self, data: memoryview) -> Iterator[list[Any]]:
        while len(data) - self._start >= self._size:
            item = self._item(self._start, self._start + self._size)
            if item is None:
                return
            self._start += self._size
            yield [item]
