"""Memory that another thread writes without pause, without the interpreter's lock, while something reads it."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

WRITTEN = 20_000_000  # bytes by one call, over and over in the same place


def writable_map(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size)


def array_over(kind: str) -> Callable[[int], Any]:
    return lambda size: np.zeros(size // np.dtype(kind).itemsize, kind)


# How memory that somebody else writes comes along: what owns it, and what is handed over.
FORMS: dict[str, tuple[Callable[[int], Any], Callable[[Any], Any]]] = {
    "bytearray": (bytearray, lambda owner: owner),
    "memoryview": (bytearray, memoryview),
    "read-only memoryview": (bytearray, lambda owner: memoryview(owner).toreadonly()),
    "array": (array_over("B"), lambda owner: owner),
    "mmap": (writable_map, lambda owner: owner),
}
IDS: tuple[Callable[[int], Any], Callable[[Any], Any]] = (array_over("I"), lambda owner: owner)


def write_over_and_over(memory: Any, first: bytes, second: bytes, stop: Callable[[], bool]) -> None:
    """Writes both contents in turn, in calls of many turns each that need no lock."""
    target = np.frombuffer(memory, np.uint8)
    whole = np.dtype((np.void, target.size))  # one item, so that numpy copies contents one after the other
    turns = max(1, WRITTEN // (2 * target.size))
    contents = np.frombuffer(first + second, whole)
    source = as_strided(contents, (turns, 2), (0, target.size))
    place = as_strided(target.view(whole), (turns, 2), (0, 0))
    np.copyto(place, source)
    while not stop():
        np.copyto(place, source)


@contextmanager
def flipping(
    form: tuple[Callable[[int], Any], Callable[[Any], Any]], first: bytes, second: bytes
) -> Iterator[Any]:
    """Memory that changes from ``first`` to ``second`` and back all the time."""
    make, hand_over = form
    memory = make(len(first))
    stop = threading.Event()
    thread = threading.Thread(target=write_over_and_over, args=(memory, first, second, stop.is_set))
    thread.start()
    try:
        yield hand_over(memory)
    finally:
        stop.set()
        thread.join()
