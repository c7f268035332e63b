"""What an item of a channel weighs, and the bound that the channels of a pipeline share."""

from __future__ import annotations

import threading
from sys import maxsize
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weakref import ref

    from .waiting import Waiting

__all__ = ["Budget", "max_weight_of", "weight_of"]

OTHER = 64  # bytes, for an item that does not say how many it holds: about what a small object takes


def max_weight_of(buffer_bytes: int | None) -> int | None:
    """The bound in bytes that a caller asked for; None for none."""
    if buffer_bytes is None:
        return None
    if isinstance(buffer_bytes, bool) or not isinstance(buffer_bytes, int):
        raise TypeError(f"buffer_bytes must be an int or None, got {type(buffer_bytes).__name__}")
    if buffer_bytes < 1:
        raise ValueError(f"buffer_bytes must be positive, got {buffer_bytes}")
    return min(buffer_bytes, maxsize)


def weight_of(item: Any) -> int:
    """How many bytes ``item`` counts for; may run the code of ``nbytes``.

    Bytes-like objects count their bytes, text its characters, what has an int ``nbytes`` (views, arrays, batches)
    that, a list or tuple the sum of its items, and anything else a constant.
    """
    kind = type(item)
    if issubclass(kind, list):
        return min(sum(map(_flat_weight, [*list.__iter__(item)])), maxsize)
    if issubclass(kind, tuple):
        return min(sum(map(_flat_weight, tuple.__iter__(item))), maxsize)
    return _flat_weight(item)


def _flat_weight(item: Any) -> int:
    kind = type(item)
    for sized in (bytes, str, bytearray):  # their own len(), which a subclass may have replaced
        if issubclass(kind, sized):
            return sized.__len__(item)
    if item is None or issubclass(kind, (int, float, dict)) or not hasattr(kind, "nbytes"):
        return OTHER
    try:
        size = item.nbytes
    except ValueError:  # a memoryview that was released
        return OTHER
    if not isinstance(size, int) or size < 0:
        return OTHER
    return min(size, maxsize)


class Budget:
    """How much the channels of one pipeline hold together, and who waits until that is less.

    Only the producer at its head is held back, so that what has been drawn can always flow on. It is rung when half
    of what may be held is gone: one wake-up for many items.
    """

    def __init__(self, most_items: int, most_bytes: int | None) -> None:
        self._most_items = most_items
        self._most_bytes = max_weight_of(most_bytes) or maxsize
        self._items = 0  # in the channels, and in the hands of those who took them last
        self._bytes = 0  # the same
        self._armed = False  # the producer that draws for all waits
        self._lock = threading.Lock()
        self.source: ref[Waiting[Any]] | None = (
            None  # its channel, which holds the budget, once that has joined
        )

    def add(self, items: int, size: int) -> None:
        with self._lock:
            self._items += items
            self._bytes += size

    def give(self, items: int, size: int) -> bool:
        """Take off what nobody holds any more; True if the producer must be rung."""
        with self._lock:
            self._items -= items
            self._bytes -= size
            rings = (
                self._armed and self._items <= self._most_items // 2 and self._bytes <= self._most_bytes // 2
            )
            if rings:
                self._armed = False
        return rings

    def is_spent(self, expected: int, *, arms: bool = False) -> bool:
        """Whether nothing more may be drawn, if the next item weighs ``expected``."""
        with self._lock:
            spent = self._items >= self._most_items or (
                self._bytes != 0 and self._bytes + min(expected, self._most_bytes) > self._most_bytes
            )
            if arms:
                self._armed = spent
        return spent
