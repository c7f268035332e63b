"""``fn`` of several items at once, in worker threads, for one consumer.

One thread pulls the source, and closes it: what that opened may insist on its thread. Others, up to ``concurrency``,
are started as calls need them, and make the calls. The consumer waits for the result that is next. A call begins where
fewer than ``concurrency`` are in flight, and fewer results than that wait for the consumer.

The threads know the calls, and not the stream: one that is dropped is collected, and its finalizer ends them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

from .._backend import Channel, closing_iterator
from .._shared.notes import raise_noted
from ..runnables import clock
from ..runnables.bridge.threads import Begun
from ..runnables.bridge.worker import raise_first, start_worker
from .merge_threads import Bell, inside

__all__ = ["Slot", "mapped_in_threads"]


def mapped_in_threads(
    source: Iterator[Any],
    fn: Callable[[Any], Any],
    name: str,
    concurrency: int,
    ordered: bool,
    annotate: Callable[[BaseException], object],
) -> Iterator[Any]:
    """``fn`` of the items of ``source``, as described above; in their order, or else as the calls end.

    ``close()`` returns after the calls that are under way have ended, and the source has been closed in its thread.
    """
    mapped = Mapped(source, Calls(fn, name, concurrency, ordered))
    items = mapped.items()
    return closing_iterator(items, (mapped, items), annotate)


SOON = 0.0002
"""Seconds until calls that no worker has begun get further workers: quick ones are made by one that does not change."""


class Slot:
    """One item and what became of it."""

    __slots__ = ("at", "done", "failed", "value")

    def __init__(self, at: int, item: Any) -> None:
        self.at = at
        self.value = item  # then the result, or the error
        self.done = self.failed = False

    def outcome(self) -> Any:
        value, self.value = self.value, None
        if not self.failed:
            return value
        try:
            raise value
        finally:
            del value  # its traceback holds this frame


class Calls:
    """What the threads and the consumer share, all of it under one lock, which a finalizer may take again.

    The thread that pulls takes it for the channel that it fills: see ``start_worker``.
    """

    def __init__(self, fn: Callable[[Any], Any], name: str, concurrency: int, ordered: bool) -> None:
        self.closed = False  # no further call begins
        self.context = copy_context()
        self.lock = threading.RLock()
        self.error: BaseException | None = None  # of the source: comes after all results
        self.workers: list[threading.Thread] = []
        self._fn = fn
        self._name = name
        self._most = concurrency
        self._ordered = ordered
        self._todo: deque[Slot] = deque()
        self._given: deque[Slot] = (
            deque()
        )  # the consumer's next one first; done or not where they are ordered
        self._in_flight = 0
        self._held = 0  # results
        self._fed = False  # whether the source has ended
        self._came = Bell(self.lock)  # the consumer waits for a result
        self._place = Bell(self.lock)  # the source's thread waits for a place
        self._idle: list[Bell] = []  # workers that wait for work

    def take(self, rest: int) -> list[Slot]:
        """The next slots that are done, once ``rest`` results that are held have been consumed; none after the last."""
        given = self._given
        with self.lock:
            if rest:
                self._held -= rest
                self._ring_if_place()
            while not (given and given[0].done):
                if self._fed and not self._in_flight:
                    return []
                self._came.wait()
            slots = [given.popleft()]
            while given and given[0].done:
                slots.append(given.popleft())
            self._held -= 1  # that one is no longer held but in the consumer's hands
            self._ring_if_place()
            return slots

    def end(self) -> None:
        """Let no further call begin."""
        with self.lock:
            self.closed = True
            for slot in self._todo:
                self._in_flight -= 1
                slot.value = None
            self._todo.clear()
            self._place.ring()
            while self._idle:
                self._idle.pop().ring()

    def _put_from(self, items: Iterator[Any]) -> None:
        """What the source's thread does."""
        at = 0
        for item in items:
            with self.lock:
                if self.closed:
                    return
                slot = Slot(at, item)
                item = None  # let go of while the next one is pulled
                at += 1
                self._in_flight += 1
                self._todo.append(slot)
                if self._ordered:
                    self._given.append(slot)
                slot = None  # type: ignore[assignment]
                if len(self._todo) == 1:
                    self._ring_worker()
                while not self._has_place():
                    if self.closed:
                        return
                    if not self._place.wait(SOON if self._todo else -1):
                        for _ in range(len(self._todo)):
                            self._ring_worker()

    def close(self, error: BaseException | None = None) -> None:
        """The source has ended, by ``error`` if there is one, or shall end."""
        with self.lock:
            if self._fed:
                return
            self._fed = True
            self.error = error
            self._place.ring()
            while self._idle:
                self._idle.pop().ring()
            self._tell_consumer()

    def _has_place(self) -> bool:
        return self._in_flight < self._most and self._held < self._most and not self.closed

    def _ring_worker(self) -> None:
        if self._idle:
            self._idle.pop().ring()
        elif len(self.workers) < self._most:
            self._add_worker()

    def _add_worker(self) -> None:
        thread = Begun(self.context.copy().run, (self._make_calls,), name="streamcore-map")
        try:
            thread.begin()
        except RuntimeError:  # the system has none left
            if not self.workers:
                raise
        else:
            self.workers.append(thread)

    def _make_calls(self) -> None:
        """What a worker does."""
        clock.unwanted.set(lambda: self.closed)
        slot: Slot | None = None
        bell = Bell(self.lock)
        while True:
            with self.lock:
                if slot is not None:
                    self._enter(slot)
                while not self._todo:
                    if self._fed or self.closed:
                        return
                    slot = None
                    self._ring_if_place()
                    self._idle.append(bell)
                    bell.wait()
                slot = self._todo.popleft()
                if not self._todo:
                    self._ring_if_place()
                elif not self._place.waits:  # who does so rings for what is left, and may pull for long
                    self._ring_worker()
            self._call(slot)

    def _call(self, slot: Slot) -> None:
        item, slot.value = slot.value, None
        try:
            slot.value = self._fn(item)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer
            try:
                raise_noted(error, self._name, slot.at)
            except BaseException as noted:  # noqa: BLE001
                slot.value, slot.failed = noted, True

    def _enter(self, slot: Slot) -> None:
        """A call has ended."""
        slot.done = True
        self._in_flight -= 1
        self._held += 1
        if not self._ordered:
            self._given.append(slot)
        if slot.failed:
            self.end()
        self._tell_consumer()

    def _ring_if_place(self) -> None:
        if self._place.waits and not self._todo and self._has_place():
            self._place.ring()

    def _tell_consumer(self) -> None:
        given = self._given
        if self._came.waits and (given[0].done if given else self._fed and not self._in_flight):
            self._came.ring()


class Mapped:
    """The calls of one stream, and who begins and ends them."""

    def __init__(self, source: Iterator[Any], calls: Calls) -> None:
        self._source: Iterator[Any] | None = source  # until its thread has it
        self._calls = calls
        self._feeder: threading.Thread | None = None
        self._ended: Channel[BaseException | None] = Channel(1)  # how closing the source went

    def items(self) -> Iterator[Any]:
        calls = self._calls
        self._start()
        rest = 0
        while slots := calls.take(rest):
            rest = len(slots) - 1
            for slot in slots:
                yield slot.outcome()
        error, calls.error = calls.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame

    def _start(self) -> None:
        source, self._source = self._source, None
        assert source is not None
        try:
            self._feeder = start_worker(
                self._calls.context.copy(),
                lambda: source,
                self._calls,  # type: ignore[arg-type]
                self._ended,
                name="streamcore-map",
            )
        except BaseException:
            self._source = source
            raise

    def close(self) -> None:
        """Begin no further call, and return when those in flight and the threads have ended and the source is closed.

        Raises what closing the source raised.
        """
        calls = self._calls
        calls.end()
        source, self._source = self._source, None
        close = getattr(source, "close", None)
        if close is not None:
            close()
        if inside(calls.lock):
            return
        own = threading.current_thread()
        failed: BaseException | None = None
        feeder, self._feeder = self._feeder, None
        if feeder is not None and feeder is not own:
            for failure in self._ended:
                failed = failure
            feeder.join()
        for worker in calls.workers:
            if worker is not own:
                worker.join()
        calls.workers.clear()
        raise_first(failed)
