"""Several iterators pulled at once, each by a thread of its own, for one consumer.

What the threads give stands in one queue, in the order in which it came. The consumer is woken when the first item
comes into the empty queue, a thread when there is room again; so four threads with room for 64 items change places
about five times for 256 items.

The threads know the queue, and not the stream: one that is dropped is collected, and its finalizer ends them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any

from .._backend import Channel, closing_iterator
from ..runnables.bridge.worker import raise_first, start_worker

__all__ = ["Arrivals", "Part", "merged_in_threads"]


def merged_in_threads(
    parts: Iterable[Any], buffer: int, annotate: Callable[[BaseException], object] | None = None
) -> Iterator[Any]:
    """The items of the iterables ``parts`` as they come; at most ``buffer`` of each are held.

    The threads start with the first pull, in copies of the context of this call. The first error ends all; it is raised
    after the items that were there. ``close()`` returns after each part has been closed in its thread and the threads
    have ended; a pull that is under way is waited for.
    """
    merging = Merging(parts, buffer)
    items = merging.items()
    return closing_iterator(items, (merging, items), annotate)


def inside(lock: Any) -> bool:
    """Whether this thread has the lock: a finalizer that runs meanwhile must not wait for other threads."""
    return bool(lock._is_owned())  # as threading.Condition asks it


class Bell:
    """One thread waits, under a lock that it lets go of meanwhile, until another one that has the lock rings."""

    __slots__ = ("_lock", "_rung", "waits")

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._rung = threading.Lock()
        self._rung.acquire()
        self.waits = False

    def wait(self, timeout: float = -1) -> bool:
        """Whether it was rung, and the time is not over."""
        self.waits = True
        self._lock.release()
        try:
            rung = self._rung.acquire(timeout=timeout)
        finally:
            self._lock.acquire()
        if not rung and not self.waits:  # in the instant between
            rung = self._rung.acquire()
        self.waits = False
        return rung

    def ring(self) -> None:
        if self.waits:
            self.waits = False
            self._rung.release()


class Arrivals:
    """The queue, and what its sides wait for, under ``lock``, which a finalizer may take again.

    Items go in and out without the lock: each of both is one call in C. Who is about to wait says so first and then
    looks once more; who has put or taken something looks for that.
    """

    def __init__(self, buffer: int) -> None:
        self.lock = threading.RLock()
        self.came = Bell(self.lock)  # the consumer waits for an item
        self.queue: deque[tuple[Part, Any]] = deque()
        self.buffer = buffer
        self.live: set[Any] = set()  # parts, or who starts them, that may give more
        self.gone = Bell(self.lock)  # who starts parts waits for one that gives no more
        self.error: BaseException | None = None  # the first one
        self.last_error: BaseException | None = None  # one that comes after all items
        self.over = False  # nothing more goes in

    def items(self) -> Iterator[Any]:
        """All of them, then the error."""
        queue, take = self.queue, self.queue.popleft
        while self._wait():
            while queue:
                part, item = take()
                part.taken += 1
                if part.room.waits:
                    part.ring()
                yield item
                item = None  # let go of while the next one comes
        error = self.error or self.last_error
        self.error = self.last_error = None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame

    def _wait(self) -> bool:
        """Whether there are items, once there are or will be none."""
        with self.lock:
            while True:
                self.came.waits = True
                there = bool(self.queue)
                if there or self.over or not self.live:
                    self.came.waits = False
                    return there
                self.came.wait()

    def wake(self) -> None:
        """There is something for the consumer to see."""
        self.came.ring()

    def fail(self, error: BaseException) -> None:
        """Let nothing more in: ``error`` comes after what is there."""
        if self.error is None:
            self.error = error
            self.end()
            self.wake()

    def end(self) -> None:
        """Let nothing more in."""
        self.over = True
        self.gone.ring()
        for part in self.live:
            part.end()


class Part:
    """One iterable and its thread, which takes it for the channel that it fills: see ``start_worker``."""

    def __init__(
        self,
        arrivals: Arrivals,
        source: Any,
        noted: Callable[[BaseException], BaseException] | None = None,
    ) -> None:
        self.source = source
        self.put = self.taken = 0  # items; the one is written by its thread, the other by the consumer
        self.room = Bell(arrivals.lock)  # its thread waits
        self.closed = False  # it gives no more
        self.thread: threading.Thread | None = None
        self.ended: Channel[BaseException | None] = Channel(1)  # how closing the source went
        self._arrivals = arrivals
        self._noted = noted  # what is raised for an error of it

    def start(self, context: Context, make_iterator: Callable[[], Iterable[Any]], name: str) -> None:
        """Begin the thread, which runs in ``context`` and closes what ``make_iterator()`` gives."""
        live = self._arrivals.live
        with self._arrivals.lock:
            live.add(self)
            self.closed = self._arrivals.over
        try:
            self.thread = start_worker(context, make_iterator, self, self.ended, name=name)  # type: ignore[arg-type]
        except BaseException:
            with self._arrivals.lock:
                live.discard(self)
            raise

    def _put_from(self, items: Iterator[Any]) -> None:
        arrivals = self._arrivals
        buffer, came, put = arrivals.buffer, arrivals.came, arrivals.queue.append
        for item in items:
            if self.closed:
                return
            put((self, item))
            item = None  # let go of while the next one is pulled
            self.put += 1
            if came.waits:
                with arrivals.lock:
                    came.ring()
            if self.put - self.taken >= buffer and not self._has_room(buffer):
                return

    def _has_room(self, buffer: int) -> bool:
        """Wait for it; False where nobody wants more."""
        with self._arrivals.lock:
            while True:
                self.room.waits = True
                if self.put - self.taken < buffer or self.closed:
                    self.room.waits = False
                    return not self.closed
                self.room.wait()

    def ring(self) -> None:
        """There is room."""
        with self._arrivals.lock:
            self.room.ring()

    def end(self) -> None:
        """Nobody wants more of it."""
        self.closed = True
        self.room.ring()

    def close(self, error: BaseException | None = None) -> None:
        """It gives no more: it has ended, by ``error`` if there is one, or shall end."""
        arrivals = self._arrivals
        with arrivals.lock:
            if self.closed:
                return
            self.end()
            arrivals.live.discard(self)
            arrivals.gone.ring()
            if error is not None:
                arrivals.fail(error if self._noted is None else self._noted(error))
            if not arrivals.live:
                arrivals.wake()

    @property
    def has_ended(self) -> bool:
        """Whether its thread has; what closing the source raised is not lost, but was an error of the stream."""
        return self.closed and self.thread is not None and not self.thread.is_alive()

    def wait(self) -> None:
        """Return when its thread has ended; raises what closing the source raised."""
        thread, self.thread = self.thread, None
        if thread is None or thread is threading.current_thread():
            return
        failed: BaseException | None = None
        for failure in self.ended:
            failed = failure
        thread.join()
        if failed is not None:
            raise failed


class Merging:
    """The parts of one stream, and who ends them."""

    def __init__(self, parts: Iterable[Any], buffer: int) -> None:
        self._arrivals = Arrivals(buffer)
        self._context = copy_context()
        self._waiting = [Part(self._arrivals, part) for part in parts]  # to be started
        self._begun: list[Part] = []

    def items(self) -> Iterator[Any]:
        while self._waiting:
            self._start(self._waiting[0])
            self._begun.append(self._waiting.pop(0))
        yield from self._arrivals.items()

    def _start(self, part: Part) -> None:
        source, part.source = part.source, None
        try:
            part.start(self._context.copy(), lambda: source, "streamcore-merge")
        except BaseException:
            part.source = source
            raise

    def close(self) -> None:
        """End the threads and close the parts; raises what the closing of the first of them raised."""
        arrivals = self._arrivals
        with arrivals.lock:
            arrivals.end()
            arrivals.queue.clear()
            arrivals.error = arrivals.last_error = None
        raised: list[BaseException] = []
        while self._waiting:
            close = getattr(self._waiting.pop().source, "close", None)
            if close is not None:
                try:
                    close()
                except BaseException as failure:  # noqa: BLE001 - raised when all are closed
                    raised.append(failure)
        while self._begun and not inside(arrivals.lock):
            try:
                self._begun.pop(0).wait()
            except Exception as failure:  # noqa: BLE001 - raised when all are closed
                raised.append(failure)
        raise_first(*raised)
