"""Bounded hand-off between threads, or a thread and an event loop (the readable twin of ``_native.channel.channel``).

Goals: nothing lost or doubled however a wait ends; a waiter is woken once for each time there is something to
wake it for; no Python object is handed *to* a waiter. A woken waiter looks for itself, so a cancelled one has
nothing to lose.

Plan: a deque under a lock, and a line of waiters a side. Whoever makes an item or room available takes the
first waiter out of the line and rings it; a waiter that leaves without using up what it was rung for rings
the next.

The lock is re-entrant, because a finalizer or a signal handler may close a channel in the middle of an
operation. An item leaves the deque by bytecodes between which CPython runs no signal handler (``item =
items[0]; del items[0]``), and goes back if anything raises before it is returned.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from operator import index
from sys import maxsize
from time import monotonic
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar, final

from ...errors import ChannelClosed, StreamTimeout
from .bounds import Budget, max_weight_of, weight_of
from .line import Line, Sending, Waiter, wake

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

__all__ = ["Channel"]

T = TypeVar("T")

# Seconds. A parked main thread looks for signals this often where the lock is not interrupted by them
# (Windows, and _thread.interrupt_main anywhere); a waiter looks this often whether a loop that it rang is
# closed.
PAUSE = 0.1

_forks = 0


def _after_fork_in_child() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _deadline(timeout: float | None) -> float | None:
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


def _limit(limit: int | None) -> int:
    """How many items ``get_many`` takes at most."""
    if limit is None:
        return maxsize
    limit = index(limit)
    if limit < 1:
        raise ValueError(f"limit must be positive, got {limit}")
    return limit


def _list_or_new(into: list[T] | None) -> list[T]:
    """Where ``get_many`` puts what it takes: a list and nothing derived from it, whose code would run half-way."""
    if into is None:
        return []
    if type(into) is not list:
        raise TypeError(f"into must be a list or None, got {type(into).__name__}")
    return into


def _sending(channel: Channel[T], items: Iterable[T]) -> Sending[T]:
    if isinstance(items, (list, tuple)):
        return Sending(channel, tuple(items))
    return Sending(channel, (), iter(items))


@final
class Channel(Generic[T]):
    """Bounded first-in, first-out hand-off of items between threads, event loops, or one of each.

    ``capacity`` counts items, which weigh at most ``buffer_bytes`` together (8 MiB; None for no such bound):
    bytes-like objects their bytes, text its characters, what has an int ``nbytes`` that, a list or tuple the
    sum of its items, anything else 64. Or it counts units, when ``size`` is given: a callable that tells an
    item's size (``len`` for bytes), at least 1. An item larger than a bound goes in alone, when the channel is
    empty.

    One producer and one consumer is the fast case; more of either are served too. ``get`` and ``put`` block a
    thread, ``aget`` and ``aput`` wait on the running asyncio loop; the two sides may use different forms.
    ``timeout`` is in seconds; ``StreamTimeout`` is raised when it is over, and ``timeout=0`` does not wait. A
    wait that is cancelled, interrupted or timed out takes no item and loses none.

    After ``close()`` nothing goes in (``ChannelClosed``), and what was put can still be taken; then ``get``
    raises ``ChannelClosed`` and iteration ends. After ``close(error)`` both sides get ``error`` itself
    instead. If the event loop of a waiting coroutine is closed under it, the channel is closed with a
    ``ChannelClosed`` that says so.

    In a child process, a channel made before the fork raises ``RuntimeError``.
    """

    __slots__ = (
        "__weakref__",
        "_bytes",
        "_capacity",
        "_closed",
        "_costs",
        "_error",
        "_expected",
        "_forks",
        "_gated",
        "_getters",
        "_items",
        "_lent_bytes",
        "_lent_items",
        "_lock",
        "_most_bytes",
        "_putters",
        "_shared",
        "_size",
        "_traceback",
        "_used",
        "_weights",
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
        self._most_bytes = max_weight_of(buffer_bytes if size is None else None)
        self._capacity = capacity
        self._size = size
        self._items: deque[T] = deque()
        self._costs: deque[int] = deque()  # of the items, where there is a size
        self._used = 0
        self._weights: deque[int] = deque()  # of the items, where there is a bound in bytes
        self._bytes = 0
        self._expected = 0  # the weight of the newest item: what to expect of the next one
        self._shared: Budget | None = None  # with the other channels of a pipeline
        self._gated = False  # the producer here waits while the budget is spent
        self._lent_items = 0  # what the last get took, which counts in the budget until the next one
        self._lent_bytes = 0
        self._lock = threading.RLock()
        self._getters = Line()
        self._putters = Line()
        self._closed = False
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._forks = _forks

    @property
    def capacity(self) -> int:
        """The most that the channel holds, in items, or in units of ``size``."""
        return self._capacity

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called; items may still be inside."""
        return self._closed

    def __len__(self) -> int:
        """How many items are inside."""
        return len(self._items)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Channel of capacity {self._capacity}, {len(self)} items, {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a Channel: it belongs to one process")

    def put(self, item: T, timeout: float | None = None) -> None:
        """Put ``item`` in, and wait while there is no room for it."""
        if timeout is not None:
            _deadline(timeout)
        self._put_all(Sending(self, (item,)), timeout)

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item, and wait while there is none.

        Ctrl-C, or what another signal handler raises, leaves the item in the channel, unless the signal comes in
        the instant between the end of this call and the caller's next step: Python then drops the result of any
        call. ``for item in channel`` and ``get_many(into=items)`` have no such instant.
        """
        return self._get_up_to(1, timeout, [])[0]

    def put_many(self, items: Iterable[T], timeout: float | None = None) -> int:
        """Put all ``items`` in, in order, waiting for room as often as it takes; return how many that were.

        Whatever ends ``put`` or ``put_many`` early, the exception says how far it came: ``items_put`` is how
        many went in, ``unsent`` lists the others that were drawn from ``items``. A list or tuple is drawn at
        once; of any other iterable an item is drawn when the one before it went in. The error of a
        ``close(error)`` is one object: raised in several producers, it tells of the last of them.
        """
        _deadline(timeout)  # a bad one is refused before anything else
        return self._put_all(_sending(self, items), timeout)

    def _put_from(self, items: Iterator[T]) -> int:
        """``put_many`` for the bridge: no item is drawn before there is room for it, nor the end seen."""
        sending = Sending(self, (), items)
        sending.waits = True
        return self._put_all(sending, None)

    def _put_all(self, sending: Sending[T], timeout: float | None) -> int:
        try:
            self._send(sending, timeout)
        except BaseException as error:
            # No call in here: a second signal may not undo what the first one is told.
            if not sending.waits:
                error.__dict__["items_put"] = sending.done
                error.__dict__["unsent"] = [*sending.drawn[sending.position :]]
            raise
        return sending.done

    # Loops stand in functions of their own, outside try and with: from CPython 3.12 on, what a signal handler
    # raises at a loop's jump back passes by the handlers around that jump.
    def _send(self, sending: Sending[T], timeout: float | None) -> None:
        deadline = None if timeout is None else _deadline(timeout)
        again = False
        while not sending.advance():
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no room within {timeout} s")
            self._park(self._putters, sending.cost, sending.weight, deadline, again)
            again = True

    async def _asend(self, sending: Sending[T], deadline: float | None, timeout: float | None) -> None:
        again = False
        while not sending.advance():
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no room within {timeout} s")
            await self._wait(self._putters, sending.cost, sending.weight, deadline, again)
            again = True

    def get_many(
        self, limit: int | None = None, timeout: float | None = None, *, into: list[T] | None = None
    ) -> list[T]:
        """Take all items that are there, at most ``limit``, oldest first; wait while there is none.

        They are returned as a list, or added to the end of the list ``into``, which is returned then. What is in
        ``into`` cannot be lost to an interrupt: see ``get``.
        """
        return self._get_up_to(_limit(limit), timeout, _list_or_new(into))

    def _get_up_to(self, limit: int, timeout: float | None, into: list[T]) -> list[T]:
        deadline = None if timeout is None else _deadline(timeout)
        again = False
        while not self._take(limit, into):
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no item within {timeout} s")
            self._park(self._getters, 0, 0, deadline, again)
            again = True
        return into

    async def aput(self, item: T, timeout: float | None = None) -> None:
        """Put ``item`` in, and let the event loop run while there is no room for it."""
        await self.aput_many((item,), timeout)

    async def aget(self, timeout: float | None = None) -> T:
        """Take the oldest item, and let the event loop run while there is none."""
        return (await self.aget_many(1, timeout))[0]

    async def aput_many(self, items: Iterable[T], timeout: float | None = None) -> int:
        """``put_many`` that lets the event loop run while there is no room."""
        deadline = _deadline(timeout)
        sending = _sending(self, items)
        try:
            await self._asend(sending, deadline, timeout)
        except BaseException as error:
            error.__dict__["items_put"] = sending.done
            error.__dict__["unsent"] = [*sending.drawn[sending.position :]]
            raise
        return sending.done

    async def aget_many(
        self, limit: int | None = None, timeout: float | None = None, *, into: list[T] | None = None
    ) -> list[T]:
        """``get_many`` that lets the event loop run while there is no item."""
        limit = _limit(limit)
        owned = _list_or_new(into)
        deadline = _deadline(timeout)
        again = False
        while not self._take(limit, owned):
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no item within {timeout} s")
            await self._wait(self._getters, 0, 0, deadline, again)
            again = True
        return owned

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
        if self._forks != _forks:
            self._closed = True  # the waiters are in the parent, and so is whoever might hold the lock
            return
        with self._lock:
            if not self._closed:
                self._error = error
                self._traceback = None if error is None else error.__traceback__
                self._closed = True
        for line in (self._getters, self._putters):
            while line.waiters:
                self._ring(line)

    def __iter__(self) -> Channel[T]:
        return self

    def __next__(self) -> T:
        try:
            return self._get_up_to(1, None, [])[0]
        except ChannelClosed:
            if self._error is None and self._closed:
                raise StopIteration from None
            raise

    def __aiter__(self) -> Channel[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return (await self.aget_many(1))[0]
        except ChannelClosed:
            if self._error is None and self._closed:
                raise StopAsyncIteration from None
            raise

    def _cost(self, item: T) -> int:
        """The units that ``item`` takes up: at least one, and never more than fit."""
        if self._size is None:
            return 1
        size = self._size(item)
        if not isinstance(size, int):
            raise TypeError(f"size must return an int, got {type(size).__name__}")
        if size < 0:
            raise ValueError(f"size must not return a negative number, got {size}")
        return min(max(size, 1), self._capacity)

    def _weight(self, item: T) -> int:
        """The bytes that ``item`` counts for: never more than fit."""
        return 0 if self._most_bytes is None else min(weight_of(item), self._most_bytes)

    def _fits(self, cost: int, weight: int) -> bool:
        return self._used + cost <= self._capacity and (
            self._most_bytes is None or self._bytes + weight <= self._most_bytes
        )

    def _budget(self, items: int, bytes: int | None) -> Budget:
        """A bound for several channels of this kind, to ``_join``."""
        return Budget(items, bytes)

    def _join(self, budget: Budget, gated: bool) -> None:
        """Count in ``budget`` what is in here, and what a get took until the next one; before anything is put in.

        ``gated``: the producer here draws nothing more while the budget is spent.
        """
        self._shared = budget
        self._gated = gated
        if gated:
            budget.source = self

    def _take_back(self, budget: Budget) -> None:
        """Count no longer what the last get took: its taker comes for more."""
        items, size = self._lent_items, self._lent_bytes
        self._lent_items = self._lent_bytes = 0
        if budget.give(items, size) and budget.source is not None:
            budget.source._ring(budget.source._putters)

    def _end(self, message: str) -> BaseException:
        """What to raise on a closed channel: the error with the traceback that it had at the close."""
        if self._error is None:
            return ChannelClosed(message)
        return self._error.with_traceback(self._traceback)

    def _refuse_after_fork(self) -> NoReturn:
        raise RuntimeError("this channel was made before a fork: make a new one in the child process")

    async def _wait_for_room(self) -> None:
        """Until the next item may be drawn, for the bridge; raises on a closed channel."""
        while not self._has_room():
            await self._wait(self._putters, 0, 0, None, False)

    def _has_room(self) -> bool:
        """Whether the next item may be drawn, one like the last; raises on a closed channel."""
        if self._forks != _forks:
            self._refuse_after_fork()
        with self._lock:
            if self._closed:
                raise self._end("the channel is closed")
            return self._fits(1, self._expected) and not self._is_spent()

    def _is_spent(self, *, arms: bool = False) -> bool:
        budget = self._shared
        return self._gated and budget is not None and budget.is_spent(self._expected, arms=arms)

    def _offer(self, item: T, sending: Sending[T]) -> bool:
        """Put ``item`` in and count it in ``sending``; False without room."""
        if self._forks != _forks:
            self._refuse_after_fork()
        done, cost, weight = sending.done, sending.cost, sending.weight
        try:
            with self._lock:
                if self._closed:
                    raise self._end("the channel is closed")
                if not self._fits(cost, weight):
                    return False
                if self._shared is not None:
                    self._shared.add(1, weight)
                # += and not append(): after a call, a signal handler may run and raise; up to `more` it must
                # not.
                if self._size is not None:
                    self._costs += (cost,)
                if self._most_bytes is not None:
                    self._weights += (weight,)
                    self._bytes += weight
                    self._expected = weight
                self._used += cost
                self._items += (item,)
                sending.done, sending.position, sending.cost = done + 1, sending.position + 1, 0
                more = self._used < self._capacity
            if self._getters.waiters:
                self._ring(self._getters)
            if more and self._putters.waiters:
                self._ring(self._putters)
        except BaseException:
            if sending.done != done:  # it is in: what raised here must not cost its wake-up
                self._ring(self._getters)
            raise
        return True

    def _take(self, limit: int, into: list[T]) -> bool:
        """Add up to ``limit`` items to ``into``; False if there are none."""
        if self._forks != _forks:
            self._refuse_after_fork()
        if self._lent_items and self._shared is not None:
            self._take_back(self._shared)
        taken: deque[T] = deque()
        costs: deque[int] = deque()
        weights: deque[int] = deque()
        spent = [0, 0]
        try:
            with self._lock:
                if not self._items and self._closed:
                    raise self._end("the channel is closed and empty")
                self._take_into(taken, costs, weights, spent, limit)
                if self._shared is not None:
                    self._lent_items, self._lent_bytes = len(taken), spent[1]
            if self._putters.waiters:
                self._ring(self._putters)
            if self._items and self._getters.waiters:
                self._ring(self._getters)
            into += taken  # and not extend(), after which a signal handler could raise
        except BaseException:
            self._lent_items = self._lent_bytes = 0
            if taken:
                with self._lock:  # again no call: a second signal may come before this one is dealt with
                    self._items = taken + self._items
                    self._used += spent[0]
                    self._bytes += spent[1]
                    self._weights = weights + self._weights
                    if self._size is not None:
                        self._costs = costs + self._costs
                self._ring(self._getters)
                self._ring(self._putters)
            raise
        return True if taken else False  # noqa: SIM210 - bool() would be a call

    def _take_into(
        self, taken: deque[T], costs: deque[int], weights: deque[int], spent: list[int], limit: int
    ) -> None:
        while self._items and len(taken) < limit:
            cost = 1 if self._size is None else self._costs[0]
            taken += (self._items[0],)
            spent[0] += cost
            del self._items[0]
            self._used -= cost
            if self._size is not None:
                costs += (cost,)
                del self._costs[0]
            if self._most_bytes is not None:
                weight = self._weights[0]
                weights += (weight,)
                spent[1] += weight
                del self._weights[0]
                self._bytes -= weight

    def _enlist(self, waiter: Waiter, line: Line, cost: int, weight: int, again: bool) -> bool:
        """Put ``waiter`` in line, in front if it came back; False if it need not wait any more.

        A producer waits for room for ``cost`` and ``weight``; with no cost, until it may draw an item.
        """
        with self._lock:
            if self._closed:
                return False
            if line is self._getters:
                idle = not self._items
            elif cost:
                idle = not self._fits(cost, weight)
            else:
                idle = self._is_spent(arms=True) or not self._fits(1, self._expected)
            if not idle:
                return False
            if again:
                line.waiters.appendleft(waiter)
            else:
                line.waiters.append(waiter)
        return True

    def _leave(self, waiter: Waiter, line: Line) -> None:
        with self._lock:
            if waiter in line.waiters:
                line.waiters.remove(waiter)
            if line.answering is waiter:
                line.answering = None

    def _ring(self, line: Line) -> None:
        """Wake the first in line, if any."""
        waiter = None
        try:
            with self._lock:
                if not line.waiters:
                    return
                waiter = line.waiters[0]
                del line.waiters[0]
                if waiter.loop is not None:
                    line.answering = waiter
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

    def _pause(self, line: Line, deadline: float | None, loop: AbstractEventLoop | None) -> float | None:
        """Seconds to wait before looking again. Closes if a loop that was rung on the other side died."""
        other = self._getters if line is self._putters else self._putters
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

    def _park(self, line: Line, cost: int, weight: int, deadline: float | None, again: bool) -> None:
        """Block this thread until it is rung or ``deadline`` has come."""
        waiter = Waiter()
        try:
            if self._enlist(waiter, line, cost, weight, again):
                self._await_bell(waiter, line, deadline)
        except BaseException:
            self._leave(waiter, line)
            self._ring(line)  # perhaps this waiter was rung, and what for is still there
            raise
        self._leave(waiter, line)

    def _await_bell(self, waiter: Waiter, line: Line, deadline: float | None) -> None:
        while True:
            pause = self._pause(line, deadline, None)
            if waiter.bell.acquire(timeout=-1 if pause is None else min(pause, threading.TIMEOUT_MAX)):
                return
            if deadline is not None and monotonic() >= deadline:
                return

    async def _wait(self, line: Line, cost: int, weight: int, deadline: float | None, again: bool) -> None:
        """Suspend this coroutine until it is rung, or ``deadline`` has come, or it is time to look again."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        waiter = Waiter(loop)
        timer = None
        try:
            if self._enlist(waiter, line, cost, weight, again):
                pause = self._pause(line, deadline, loop)
                if pause is not None:
                    timer = loop.call_later(pause, wake, waiter.future)
                await waiter.future
        except BaseException:
            self._leave(waiter, line)
            self._ring(line)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        self._leave(waiter, line)
