"""What a reader leaves for its consumer where that is more than a queue: it may be due later, merged, or dropped.

``Kept`` says what is held of the items and when it may be taken. ``ThreadInbox`` and ``LoopInbox`` stand in the place
of the channel between a reader and its consumer, for a thread and for a task.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import clock

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["Kept", "LoopInbox", "ThreadInbox"]

FAIR = 512  # items after which the task of a source that never waits lets the others run


class Kept:
    """What is held of the items that have come, by one stream. All but ``admit`` is called by one side at a time."""

    admit: Callable[[Any], Any] | None = None
    """What to make of an item before it is added, if it needs a call of the user's."""

    def fill_from(self, items: Iterator[Any], inbox: ThreadInbox) -> None:
        """Add the ``items``, in a thread, until they end or ``inbox`` is closed."""
        admit = self.admit
        for item in items:
            if admit is not None:
                item = admit(item)
            with inbox.lock:
                if not inbox.has_room():  # the time of what is held was over meanwhile
                    return
                if self.add(item):
                    inbox.bell.notify()
                item = None  # not held while the source is pulled
                if not inbox.has_room():
                    return

    async def afill_from(self, source: AsyncIterator[Any], inbox: LoopInbox) -> None:
        """``fill_from`` in a task."""
        admit = self.admit
        since = 0  # items since the others could run: a source may have all its items ready, and no end
        async for item in source:
            if admit is not None:
                item = admit(item)
            if self.full():  # the time of what is held was over meanwhile
                await inbox.wait_for_room()
                since = 0
            if inbox.closed:
                return
            since += 1
            if (self.add(item) and wake(inbox.consumer)) or since >= FAIR:
                since = 0
                item = None  # not held meanwhile
                await inbox.turn()
            item = None
            if self.full():
                await inbox.wait_for_room()
                since = 0

    def full(self) -> bool:
        """Whether the source has to wait."""
        return False

    def add(self, item: Any) -> bool:
        """Hold the item as well; gives whether the consumer, where it waits, should look again."""
        raise NotImplementedError

    def due(self) -> float | None:
        """In how many seconds what is held may be taken, at most 0 if it may be now; None if nothing is held.

        When the source has ended it may be taken in any case.
        """
        raise NotImplementedError

    def take(self) -> Any:
        """What is held, or the next of it, for the consumer."""
        raise NotImplementedError


class ThreadInbox:
    """Filled by a worker thread: it has what of a Channel the worker needs, and is the consumer's iterator."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self.lock = threading.RLock()
        self.bell = threading.Condition(self.lock)
        self.closed = False
        self._error: BaseException | None = None

    def _put_from(self, items: Iterator[Any]) -> None:
        self._kept.fill_from(items, self)

    def has_room(self) -> bool:
        """Wait for it, with the lock; False if the inbox was closed."""
        while self._kept.full() and not self.closed:
            self.bell.wait()
        return not self.closed

    def close(self, error: BaseException | None = None) -> None:
        """No more comes; what is there can still be taken, then the consumer gets ``error``, if there is one."""
        with self.lock:
            if not self.closed:
                self.closed = True
                self._error = error
            self.bell.notify_all()

    def __iter__(self) -> ThreadInbox:
        return self

    def __next__(self) -> Any:
        kept = self._kept
        with self.lock:
            while True:
                due = kept.due()
                if due is not None and (due <= 0 or self.closed):
                    self.bell.notify()
                    return kept.take()
                if self.closed:
                    break
                clock.wait(self.bell, due)
        error, self._error = self._error, None
        try:
            raise StopIteration if error is None else error
        finally:
            error = None  # its traceback holds this frame


class LoopInbox:
    """Filled by a task: it has what of a Channel the task needs, and is the consumer's async iterator."""

    def __init__(self, kept: Kept) -> None:
        import asyncio

        self.turn = partial(asyncio.sleep, 0)
        self._new_future: Callable[[], Future[None]] = asyncio.Future
        self._kept = kept
        self.closed = False
        self._error: BaseException | None = None
        self.consumer: Future[None] | None = None  # waits
        self._reader: Future[None] | None = None  # waits

    # -- for the reader

    async def _fill_from(self, source: AsyncIterator[Any]) -> None:
        await self._kept.afill_from(source, self)

    async def wait_for_room(self) -> None:
        while not self.closed and self._kept.full():
            self._reader = self._new_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def ring(self) -> None:
        """Have the consumer look again, if it waits."""
        wake(self.consumer)

    def close(self, error: BaseException | None = None) -> None:
        """As that of ``ThreadInbox``."""
        if not self.closed:
            self.closed = True
            self._error = error
        wake(self.consumer)
        wake(self._reader)

    # -- for the consumer

    def __bool__(self) -> bool:
        """Whether something may be taken."""
        due = self._kept.due()
        return due is not None and (due <= 0 or self.closed)

    def get_many(self, limit: int) -> list[Any]:
        """What may be taken: one thing."""
        wake(self._reader)
        return [self._kept.take()]

    def __aiter__(self) -> LoopInbox:
        return self

    async def __anext__(self) -> Any:
        while not self:
            if self.closed:
                error, self._error = self._error, None
                try:
                    raise StopAsyncIteration if error is None else error
                finally:
                    error = None  # its traceback holds this frame
            await self._wait(self._kept.due())
        return self.get_many(1)[0]

    async def _wait(self, seconds: float | None) -> None:
        bell = self.consumer = self._new_future()
        timer = None if seconds is None else clock.call_later(seconds, lambda: wake(bell))
        try:
            await bell
        finally:
            self.consumer = None
            if timer is not None:
                timer.cancel()


def wake(waiter: Future[None] | None) -> bool:
    """End the wait, if there is one."""
    if waiter is None or waiter.done():
        return False
    waiter.set_result(None)
    return True
