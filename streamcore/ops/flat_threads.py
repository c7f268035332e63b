"""``flat_map`` with several of its iterables open at once, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

from .._backend import Channel, closing_iterator
from .._shared.notes import raise_noted
from ..runnables.bridge.worker import raise_first, start_worker
from .merge_threads import Arrivals, Part, inside

__all__ = ["flat_mapped_in_threads", "noted"]


def flat_mapped_in_threads(
    source: Iterator[Any],
    fn: Callable[[Any], Any],
    name: str,
    concurrency: int,
    annotate: Callable[[BaseException], object],
) -> Iterator[Any]:
    """The items of ``fn(item)`` of the items of ``source``, of up to ``concurrency`` of these at once, as they come.

    A thread pulls ``source`` and closes it; each call is made, and what it gave is iterated and closed, in another one,
    which holds one item. ``close()`` returns after all have ended.
    """
    flat = FlatMapped(source, fn, name, concurrency)
    items = flat.items()
    return closing_iterator(items, (flat, items), annotate)


def noted(error: BaseException, name: str, at: int, *, in_async: bool = False) -> BaseException:
    """What is raised for ``error`` of the item number ``at``."""
    try:
        raise_noted(error, name, at, in_async=in_async)
    except BaseException as raised:  # noqa: BLE001 - raised by the consumer
        return raised


class FlatMapped:
    """The threads of one stream; the one that pulls takes it for the channel that it fills: see ``start_worker``."""

    def __init__(self, source: Iterator[Any], fn: Callable[[Any], Any], name: str, concurrency: int) -> None:
        self._source: Iterator[Any] | None = source  # until its thread has it
        self._arrivals = Arrivals(1)
        self._feed = Feed(self._arrivals, fn, name, concurrency)
        self._feeder: threading.Thread | None = None
        self._ended: Channel[BaseException | None] = Channel(1)  # how closing the source went

    def items(self) -> Iterator[Any]:
        source, self._source = self._source, None
        arrivals, feed = self._arrivals, self._feed
        arrivals.live.add(feed)
        try:
            self._feeder = start_worker(
                feed.context.copy(),
                lambda: source,  # type: ignore[arg-type, return-value]
                feed,  # type: ignore[arg-type]
                self._ended,
                name="streamcore-flat-map",
            )
        except BaseException:
            self._source = source
            raise
        yield from arrivals.items()

    def close(self) -> None:
        """End the threads, close what is open; raises what the closing raised."""
        self._feed.stop()
        source, self._source = self._source, None
        close = getattr(source, "close", None)
        if close is not None:
            close()
        if inside(self._arrivals.lock):
            return
        raised: list[BaseException] = []
        feeder, self._feeder = self._feeder, None
        if feeder is not None and feeder is not threading.current_thread():
            raised.extend(failure for failure in self._ended if failure is not None)
            feeder.join()
        raised.extend(self._feed.wait())
        raise_first(*raised)


class Feed:
    """What the thread of the source does: it starts the others."""

    def __init__(self, arrivals: Arrivals, fn: Callable[[Any], Any], name: str, concurrency: int) -> None:
        self.closed = False
        self.context = copy_context()
        self._arrivals = arrivals
        self._fn = fn
        self._name = name
        self._most = concurrency
        self._parts: list[Part] = []

    def _put_from(self, items: Iterator[Any]) -> None:
        live = self._arrivals.live
        for at, item in enumerate(items):
            if self.closed:
                return
            self._open(item, at)
            del item  # let go of while the next one is pulled
            with self._arrivals.lock:
                while len(live) > self._most and not self.closed:  # this one is among them
                    self._arrivals.gone.wait()
            if self.closed:
                return
            if len(self._parts) >= 2 * self._most:
                self._parts = [part for part in self._parts if not part.has_ended]

    def _open(self, item: Any, at: int) -> None:
        fn, name = self._fn, self._name
        part = Part(self._arrivals, None, lambda error: noted(error, name, at))
        part.start(self.context.copy(), lambda: fn(item), "streamcore-flat-map")
        self._parts.append(part)

    def end(self) -> None:
        """Nobody wants more."""
        self.closed = True

    def close(self, error: BaseException | None = None) -> None:
        """The source has ended, by ``error`` if there is one, which comes after all items, or shall end."""
        arrivals = self._arrivals
        with arrivals.lock:
            if self.closed:
                return
            self.closed = True
            arrivals.live.discard(self)
            arrivals.last_error = error
            if not arrivals.live:
                arrivals.wake()

    def stop(self) -> None:
        arrivals = self._arrivals
        with arrivals.lock:
            self.closed = True
            arrivals.end()
            arrivals.queue.clear()
            arrivals.error = arrivals.last_error = None

    def wait(self) -> list[BaseException]:
        """Wait for the threads, once no further one is started; gives what closing their iterables raised."""
        raised: list[BaseException] = []
        while self._parts:
            try:
                self._parts.pop(0).wait()
            except Exception as failure:  # noqa: BLE001 - raised when all are closed
                raised.append(failure)
        return raised
