"""Bounded hand-off between threads, or a thread and an event loop (the readable twin of ``_native.channel.channel``).

Goals: nothing lost or doubled however a wait ends; a waiter is woken once for each time there is something to
wake it for; no Python object is handed *to* a waiter. A woken waiter looks for itself, so a cancelled one has
nothing to lose.

Plan: a deque under a lock, and a queue of waiters for each side. Whoever makes an item or room available takes the
first waiter out of the queue and rings it; a waiter that leaves without using up what it was rung for rings
the next.

The lock is re-entrant, because a finalizer or a signal handler may close a channel in the middle of an
operation. Items enter and leave by bytecodes between which CPython runs no signal handler (``item =
items[0]; del items[0]``, or the deque as a whole for an empty one), and go back if anything raises before they are
returned.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NoReturn, TypeVar, final

from ...errors import ChannelClosed, StreamTimeout
from .passing import Passing, Sending, sending_of
from .waiting import deadline_of, limit_of, list_or_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Channel"]

T = TypeVar("T")


@final
class Channel(Passing[T]):
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

    __slots__ = ()

    @property
    def capacity(self) -> int:
        """The most that the channel holds, in items, or in units of ``size``."""
        return self._most_items if self._size is None else self._most

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called; items may still be inside."""
        return self._closed

    def __len__(self) -> int:
        """How many items are inside."""
        return len(self._items)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Channel of capacity {self.capacity}, {len(self)} items, {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a Channel: it belongs to one process")

    def put(self, item: T, timeout: float | None = None) -> None:
        """Put ``item`` in, and wait while there is no room for it."""
        if timeout is not None:
            deadline_of(timeout)
        sending = Sending(self, (item,))
        try:
            size = sending.size = self._size_of(item)
            if not self._offer(item, size, sending):
                self._send(sending, timeout)
        except BaseException as error:  # as in _put_all()
            error.__dict__["items_put"] = sending.done
            error.__dict__["unsent"] = [*sending.drawn[sending.position :]]
            raise

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item, and wait while there is none.

        Ctrl-C, or what another signal handler raises, leaves the item in the channel, unless the signal comes in
        the instant between the end of this call and the caller's next step: Python then drops the result of any
        call. ``for item in channel`` and ``get_many(into=items)`` have no such instant.
        """
        into: list[T] = []
        if timeout is not None or not self._take(1, into):
            self._get_up_to(1, timeout, into)
        return into[0]

    def put_many(self, items: Iterable[T], timeout: float | None = None) -> int:
        """Put all ``items`` in, in order, waiting for room as often as it takes; return how many that were.

        Whatever ends ``put`` or ``put_many`` early, the exception says how far it came: ``items_put`` is how
        many went in, ``unsent`` lists the others that were drawn from ``items``. A list or tuple is drawn at
        once; of any other iterable an item is drawn when the one before it went in. The error of a
        ``close(error)`` is one object: raised in several producers, it tells of the last of them.
        """
        deadline_of(timeout)  # a bad one is refused before anything else
        return self._put_all(sending_of(self, items), timeout)

    def _put_from(self, items: Iterator[T]) -> int:
        """``put_many`` for the bridge: no item is drawn before there is room for it, nor the end seen."""
        sending = Sending(self, (), items)
        sending.waits = True
        return self._put_all(sending, None)

    def _put_all(self, sending: Sending[T], timeout: float | None) -> int:
        try:
            if not sending.advance():
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
        deadline = None if timeout is None else deadline_of(timeout)
        again = False
        while True:
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no room within {timeout} s")
            self._park(self._putters, sending.size, deadline, again)
            if sending.advance():
                return
            again = True

    async def _asend(self, sending: Sending[T], deadline: float | None, timeout: float | None) -> None:
        again = False
        while not sending.advance():
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no room within {timeout} s")
            await self._wait(self._putters, sending.size, deadline, again)
            again = True

    def get_many(
        self, limit: int | None = None, timeout: float | None = None, *, into: list[T] | None = None
    ) -> list[T]:
        """Take all items that are there, at most ``limit``, oldest first; wait while there is none.

        They are returned as a list, or added to the end of the list ``into``, which is returned then. What is in
        ``into`` cannot be lost to an interrupt: see ``get``.
        """
        return self._get_up_to(limit_of(limit), timeout, list_or_new(into))

    def _get_up_to(self, limit: int, timeout: float | None, into: list[T]) -> list[T]:
        deadline = None if timeout is None else deadline_of(timeout)
        again = False
        while not self._take(limit, into):
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no item within {timeout} s")
            self._park(self._getters, None, deadline, again)
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
        deadline = deadline_of(timeout)
        sending = sending_of(self, items)
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
        limit = limit_of(limit)
        owned = list_or_new(into)
        deadline = deadline_of(timeout)
        again = False
        while not self._take(limit, owned):
            if deadline is not None and monotonic() >= deadline:
                raise StreamTimeout(f"no item within {timeout} s")
            await self._wait(self._getters, None, deadline, again)
            again = True
        return owned

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
