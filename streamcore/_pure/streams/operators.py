"""The per-item operators of ``streamcore.ops`` as iterators (twin: ``_native.streams.operators``).

Each owns its source: however it ends, the source's ``close()`` is called once, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import index
from typing import Any, TypeVar

from ..._shared.notes import raise_noted
from .closing import Stream

__all__ = ["filter_iterator", "map_iterator", "take_iterator"]

T = TypeVar("T")
R = TypeVar("R")


class map_iterator(Stream[R]):  # noqa: N801 - the twin of a function-like class
    """``fn`` of each item; an error gets a note with ``name`` and the item's number, counted from 0."""

    def __init__(self, source: Iterator[T], fn: Callable[[T], R], name: str) -> None:
        self._fn = fn
        self._name = name
        self._at = 0
        super().__init__(source)

    def _step(self, source: Iterator[Any]) -> R:
        item = next(source)
        try:
            result = self._fn(item)
        except BaseException as error:  # noqa: BLE001 - raised, noted
            raise_noted(error, self._name, self._at)
        self._at += 1
        return result


class filter_iterator(Stream[T]):  # noqa: N801
    """The items for which ``keep`` is true; an error gets a note with ``name`` and the item's number."""

    def __init__(self, source: Iterator[T], keep: Callable[[T], object], name: str) -> None:
        self._keep = keep
        self._name = name
        self._at = 0
        super().__init__(source)

    def _step(self, source: Iterator[T]) -> T:
        for item in source:
            try:
                kept = bool(self._keep(item))
            except BaseException as error:  # noqa: BLE001 - raised, noted
                raise_noted(error, self._name, self._at)
            self._at += 1
            if kept:
                return item
        raise StopIteration


class take_iterator(Stream[T]):  # noqa: N801
    """The first ``count`` items; the source is not pulled for one more, but closed."""

    def __init__(self, source: Iterator[T], count: int) -> None:
        self._left = index(count)
        super().__init__(source)

    def _step(self, source: Iterator[T]) -> T:
        if self._left <= 0:
            raise StopIteration
        self._left -= 1
        return next(source)
