"""How threads and coroutines wait on a channel, and who wakes them (readable twin of ``_native.channel.waiting``)."""

from __future__ import annotations

import os
import threading
from collections import deque
from operator import index
from sys import maxsize
from time import monotonic
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from ...errors import ChannelClosed
from .bounds import Budget, max_weight_of

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["WaitQueue", "Waiter", "Waiting", "deadline_of", "forks", "limit_of", "list_or_new"]

T = TypeVar("T")

# Seconds. A parked main thread looks for signals this often where the lock is not interrupted by them
# (Windows, and _thread.interrupt_main anywhere); a waiter looks this often whether a loop that it rang is
# closed.
PAUSE = 0.1

forks = [0]
"""How often this process was forked, as the one item of a list."""


def _after_fork_in_child() -> None:
    forks[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def deadline_of(timeout: float | None) -> float | None:
    """When ``timeout`` seconds from now is; None for never."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, got {type(timeout).__name__}")
    if not timeout >= 0:
        raise ValueError(f"timeout must not be negative, got {timeout}")
    try:
        return monotonic() + timeout
    except OverflowError:
        return None


def limit_of(limit: int | None) -> int:
    """How many items ``get_many`` takes at most."""
    if limit is None:
        return maxsize
    limit = index(limit)
    if limit < 1:
        raise ValueError(f"limit must be positive, got {limit}")
    return limit


def list_or_new(into: list[T] | None) -> list[T]:
    """Where ``get_many`` puts what it takes: a list and nothing derived from it, whose code would run half-way."""
    if into is None:
        return []
    if type(into) is not list:
        raise TypeError(f"into must be a list or None, got {type(into).__name__}")
    return into


def wake(future: Future[None]) -> None:
    """End the wait on ``future``, on its own loop; a wait that already ended is left alone."""
    if not future.done():
        future.set_result(None)


class Waiter:
    """One that waits in a queue: a thread on ``bell``, or a coroutine on ``future`` of ``loop``."""

    __slots__ = ("bell", "future", "loop")

    def __init__(self, loop: AbstractEventLoop | None = None) -> None:
        self.loop = loop
        if loop is None:
            self.bell = threading.Lock()
            self.bell.acquire()
        else:
            self.future: Future[None] = loop.create_future()

    def ring(self) -> None:
        if self.loop is None:
            if self.bell.locked():
                self.bell.release()
            return
        from asyncio import _get_running_loop

        if _get_running_loop() is self.loop:
            wake(self.future)
        else:
            self.loop.call_soon_threadsafe(wake, self.future)


class WaitQueue:
    """The waiters of one side. ``answering``: the last coroutine that was rung, until it runs."""

    __slots__ = ("answering", "waiters")

    def __init__(self) -> None:
        self.waiters: deque[Waiter] = deque()
        self.answering: Waiter | None = None


class Waiting(Generic[T]):
    """What a channel holds, who waits on it, and its end."""

    __slots__ = (
        "__weakref__",
        "_closed",
        "_error",
        "_expected",
        "_forks",
        "_gated",
        "_getters",
        "_held",
        "_items",
        "_lent_bytes",
        "_lent_items",
        "_lock",
        "_most",
        "_most_items",
        "_putters",
        "_shared",
        "_size",
        "_sizes",
        "_traceback",
    )

    def __init__(
        self,
        capacity: int,
        *,
        size: Callable[[T], int] | None = None,
        buffer_bytes: int | None = 8388608,
    ) -> None:
        capacity = index(capacity)
        if capacity < 1:
            raise ValueError(f"capacity must be positive, got {capacity}")
        if capacity > maxsize:
            raise ValueError(f"capacity must be at most {maxsize}, got {capacity}")
        if size is not None and not callable(size):
            raise TypeError(f"size must be callable or None, got {type(size).__name__}")
        most_bytes = max_weight_of(buffer_bytes if size is None else None)
        self._size = size
        self._items: deque[T] = deque()
        self._most_items = capacity if size is None else maxsize
        # Of the items, in units of size or in bytes; None where neither is bounded.
        self._sizes: deque[int] | None = None if size is None and most_bytes is None else deque()
        self._most = (most_bytes or maxsize) if size is None else capacity
        self._held = 0  # their sum
        self._expected = (
            0 if size is None else 1
        )  # the size of the newest item: what to expect of the next one
        self._shared: Budget | None = None  # with the other channels of a pipeline
        self._gated = False  # the producer here waits while the budget is spent
        self._lent_items = 0  # what the last get took, which counts in the budget until the next one
        self._lent_bytes = 0
        self._lock = threading.RLock()
        self._getters = WaitQueue()
        self._putters = WaitQueue()
        self._closed = False
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._forks = forks[0]

    def close(self, error: BaseException | None = None) -> None:
        """Let nothing more in, and wake everyone who waits. The first call counts; any thread may make it.

        A ``StopIteration`` or ``StopAsyncIteration`` would read as a clean end: it becomes the cause of a
        RuntimeError.
        """
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"error must be an exception or None, got {type(error).__name__}")
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            cause, error = error, RuntimeError(f"the channel was closed with {type(error).__name__}")
            error.__cause__ = cause
        if self._forks != forks[0]:
            self._closed = True  # the waiters are in the parent, and so is whoever might hold the lock
            return
        with self._lock:
            if not self._closed:
                self._error = error
                self._traceback = None if error is None else error.__traceback__
                self._closed = True
        for queue in (self._getters, self._putters):
            while queue.waiters:
                self._ring(queue)

    def _end(self, message: str) -> BaseException:
        """What to raise on a closed channel: the error with the traceback that it had at the close."""
        if self._error is None:
            return ChannelClosed(message)
        return self._error.with_traceback(self._traceback)

    def _refuse_after_fork(self) -> NoReturn:
        raise RuntimeError("this channel was made before a fork: make a new one in the child process")

    def _fits(self, size: int) -> bool:
        return len(self._items) < self._most_items and self._held + size <= self._most

    def _is_spent(self, *, arms: bool = False) -> bool:
        budget = self._shared
        return self._gated and budget is not None and budget.is_spent(self._expected, arms=arms)

    def _enlist(self, waiter: Waiter, queue: WaitQueue, size: int | None, again: bool) -> bool:
        """Put ``waiter`` in the queue, in front if it came back; False if it need not wait any more.

        A producer waits for room for an item of ``size``; where that is None, until it may draw an item.
        """
        with self._lock:
            if self._closed:
                return False
            if queue is self._getters:
                idle = not self._items
            elif size is not None:
                idle = not self._fits(size)
            else:
                idle = self._is_spent(arms=True) or not self._fits(self._expected)
            if not idle:
                return False
            if again:
                queue.waiters.appendleft(waiter)
            else:
                queue.waiters.append(waiter)
        return True

    def _leave(self, waiter: Waiter, queue: WaitQueue) -> None:
        with self._lock:
            if waiter in queue.waiters:
                queue.waiters.remove(waiter)
            if queue.answering is waiter:
                queue.answering = None

    def _ring(self, queue: WaitQueue) -> None:
        """Wake the first in the queue, if any."""
        waiter = None
        try:
            with self._lock:
                if not queue.waiters:
                    return
                waiter = queue.waiters[0]
                del queue.waiters[0]
                if waiter.loop is not None:
                    queue.answering = waiter
            waiter.ring()
        except BaseException as error:
            if waiter is None:
                raise
            if waiter.loop is not None and waiter.loop.is_closed():
                self._close_for(error)
                return
            waiter.ring()  # a signal handler raised: once more, for nobody else will
            raise

    def _close_for(self, cause: BaseException | None) -> None:
        """Close, because a coroutine waits on a loop that will never run again."""
        error = ChannelClosed("the event loop that waited on the other side was closed")
        error.__cause__ = cause
        self.close(error)

    def _pause(
        self, queue: WaitQueue, deadline: float | None, loop: AbstractEventLoop | None
    ) -> float | None:
        """Seconds to wait before looking again. Closes if a loop that was rung on the other side died."""
        other = self._getters if queue is self._putters else self._putters
        answering = other.answering
        pauses = loop is None and threading.current_thread() is threading.main_thread()
        if answering is not None and answering.loop is not None and answering.loop is not loop:
            pauses = True
            if answering.loop.is_closed():
                self._close_for(None)
                return 0.0
        if deadline is None:
            return PAUSE if pauses else None
        remaining = max(0.0, deadline - monotonic())
        return min(PAUSE, remaining) if pauses else remaining

    def _park(self, queue: WaitQueue, size: int | None, deadline: float | None, again: bool) -> None:
        """Block this thread until it is rung or ``deadline`` has come."""
        waiter = Waiter()
        try:
            if self._enlist(waiter, queue, size, again):
                self._await_bell(waiter, queue, deadline)
        except BaseException:
            self._leave(waiter, queue)
            self._ring(queue)  # perhaps this waiter was rung, and what for is still there
            raise
        self._leave(waiter, queue)

    def _await_bell(self, waiter: Waiter, queue: WaitQueue, deadline: float | None) -> None:
        while True:
            pause = self._pause(queue, deadline, None)
            if waiter.bell.acquire(timeout=-1 if pause is None else min(pause, threading.TIMEOUT_MAX)):
                return
            if deadline is not None and monotonic() >= deadline:
                return

    async def _wait(self, queue: WaitQueue, size: int | None, deadline: float | None, again: bool) -> None:
        """Suspend this coroutine until it is rung, or ``deadline`` has come, or it is time to look again."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        waiter = Waiter(loop)
        timer = None
        try:
            if self._enlist(waiter, queue, size, again):
                pause = self._pause(queue, deadline, loop)
                if pause is not None:
                    timer = loop.call_later(pause, wake, waiter.future)
                await waiter.future
        except BaseException:
            self._leave(waiter, queue)
            self._ring(queue)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        self._leave(waiter, queue)
