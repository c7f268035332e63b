"""Branches of a stream that give their chunks as they come: each in a thread of its own, over one input.

A branch takes what it asks for; the source is pulled when one finds nothing held for it, by its thread, and what comes
is held for each of the others. While one of them has ``capacity`` chunks held, whoever asks for more waits for it. What
a branch gives is held for the consumer, ``capacity`` chunks at most (see ``ops/merge_threads``). So none can hold up
another one for ever: one that has no room takes some, or waits for the consumer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from .._backend import closing_iterator
from .addable import AddableDict
from .bridge.changes import Changes

__all__ = ["SharedInput", "at_once"]


class Side:
    """The input of one branch."""

    __slots__ = ("_shared", "held", "open")

    def __init__(self, shared: SharedInput) -> None:
        self._shared = shared
        self.held: deque[Any] = deque()
        self.open = True

    def __iter__(self) -> Side:
        return self

    def __next__(self) -> Any:
        return self._shared.take(self)

    def close(self) -> None:
        """It counts no more."""
        self._shared.leave(self)


class SharedInput:
    """A source and the sides of its branches. It is no side's to close."""

    def __init__(self, source: Iterator[Any], capacity: int) -> None:
        self.error: BaseException | None = None  # of the source
        self._source = source
        self._capacity = capacity
        self._sides: list[Side] = []
        self._changes = Changes()
        self._fetching = False
        self._ended = False

    def side(self) -> Side:
        self._sides.append(Side(self))
        return self._sides[-1]

    def take(self, side: Side) -> Any:
        """The next chunk of the input for ``side``."""
        while True:
            with self._changes.lock:
                while not side.held and side.open and not self._ended:
                    if not self._fetching and self._has_room():
                        self._fetching = True
                        break
                    self._changes.wait()
                else:
                    return self._held(side)
            self._fetch()

    def _held(self, side: Side) -> Any:
        if side.held:
            chunk = side.held.popleft()
            if len(side.held) == self._capacity - 1:
                self._changes.tell()
            return chunk
        if side.open and self.error is not None:
            raise self.error
        raise StopIteration

    def _has_room(self) -> bool:
        return all(len(side.held) < self._capacity for side in self._sides)

    def _fetch(self) -> None:
        """Pull the source once, for all; ``_fetching`` is set."""
        given: tuple[Any, ...] = ()
        error: BaseException | None = None
        try:
            given = (next(self._source),)
        except StopIteration:
            pass
        except BaseException as failure:  # noqa: BLE001 - reaches each branch at its place
            error = failure
        with self._changes.lock:
            self._fetching = False
            if not given:
                self._ended = True
                self.error = error
            for side in self._sides:
                if side.open:
                    side.held.extend(given)
            self._changes.tell()

    def leave(self, side: Side) -> None:
        """``side`` counts no more."""
        with self._changes.lock:
            side.open = False
            side.held.clear()
            self._changes.tell()

    def stop(self) -> None:
        """Nobody wants more: the input of each branch ends."""
        with self._changes.lock:
            self._ended = True
            self.error = None  # no cycle through its traceback
            for side in self._sides:
                side.open = False
                side.held.clear()
            self._changes.tell()


def at_once(
    streams: Iterable[tuple[str, Iterator[Any]]], shared: SharedInput | None, capacity: int
) -> tuple[Iterator[Any], Iterator[Any]]:
    """What closes the ``streams`` of the branches, and the stream of their chunks, which is closed before."""
    from ..ops.merge_threads import merged_in_threads

    failed: list[BaseException] = []
    parts: list[Any] = []
    for key, stream in streams:
        given = _given(key, stream, shared, failed)
        parts.append(closing_iterator(given, (stream, given)))
    # before the threads are waited for, of which one may take in an input without an end
    stop = None if shared is None else lambda error: shared.stop()
    merged = merged_in_threads(parts, capacity, stop)
    return merged, _chunks(merged, shared, failed)


def _given(
    key: str, stream: Iterator[Any], shared: SharedInput | None, failed: list[BaseException]
) -> Iterator[Any]:
    try:
        for chunk in stream:
            yield AddableDict({key: chunk})
    except BaseException as error:
        if shared is None or error is not shared.error:
            raise
        failed.append(error)


def _chunks(merged: Iterator[Any], shared: SharedInput | None, failed: list[BaseException]) -> Iterator[Any]:
    """The chunks of all, then the error of the source, if it failed."""
    try:
        for chunk in merged:  # noqa: UP028 - that would wait for the threads before their input ends
            yield chunk
        if failed:
            raise failed[0]
    finally:
        failed.clear()
        if shared is not None:
            shared.stop()
