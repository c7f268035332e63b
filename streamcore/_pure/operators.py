"""The per-item operators of ``streamcore.ops`` as iterators (twin: ``_native.operators``).

Each owns its source: however it ends, the source's ``close()`` is called once, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

from .closing import closing_iterator

__all__ = ["filter_iterator", "map_iterator", "take_iterator"]

T = TypeVar("T")
R = TypeVar("R")


def map_iterator(source: Iterator[T], fn: Callable[[T], R], name: str) -> Iterator[R]:
    """``fn`` of each item; an error gets a note with ``name`` and the item's number, counted from 0."""

    def items() -> Iterator[R]:
        for at, item in enumerate(source):
            try:
                result = fn(item)
            except BaseException as error:
                note(error, name, at)
                raise
            yield result

    iterator = items()
    return closing_iterator(iterator, (source, iterator))


def filter_iterator(source: Iterator[T], keep: Callable[[T], object], name: str) -> Iterator[T]:
    """The items for which ``keep`` is true; an error gets a note with ``name`` and the item's number."""

    def items() -> Iterator[T]:
        for at, item in enumerate(source):
            try:
                kept = keep(item)
            except BaseException as error:
                note(error, name, at)
                raise
            if kept:
                yield item

    iterator = items()
    return closing_iterator(iterator, (source, iterator))


def take_iterator(source: Iterator[T], count: int) -> Iterator[T]:
    """The first ``count`` items; the source is not pulled for one more, but closed."""
    iterator = islice(source, count)
    return closing_iterator(iterator, (source, iterator))


def note(error: BaseException, name: str, at: int) -> None:
    """Name the operator and the item on ``error``, unless a stage before it has done so."""
    if isinstance(error, Exception) and not any(n.startswith("in ") for n in getattr(error, "__notes__", ())):
        error.add_note(f"in {name}, at item {at}")
