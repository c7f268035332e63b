"""The waiters of a channel's side, and the progress of a put (the native twin keeps its own)."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Iterator

    from .channel import Channel

__all__ = ["Line", "Sending", "Waiter", "wake"]

T = TypeVar("T")


def wake(future: Future[None]) -> None:
    """End the wait on ``future``, on its own loop; a wait that already ended is left alone."""
    if not future.done():
        future.set_result(None)


class Waiter:
    """One that waits in a line: a thread on ``bell``, or a coroutine on ``future`` of ``loop``."""

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


class Line:
    """The waiters of one side. ``answering``: the last coroutine that was rung, until it runs."""

    __slots__ = ("answering", "waiters")

    def __init__(self) -> None:
        self.waiters: deque[Waiter] = deque()
        self.answering: Waiter | None = None


class Sending(Generic[T]):
    """How far a ``put`` or ``put_many`` has come."""

    __slots__ = ("channel", "cost", "done", "drawn", "position", "rest", "waits", "weight")

    def __init__(self, channel: Channel[T], drawn: tuple[T, ...], rest: Iterator[T] | None = None) -> None:
        self.channel = channel
        self.drawn = drawn
        self.rest = rest
        self.done = 0  # items that went in
        self.position = 0  # of the next to go in, in drawn
        self.cost = 0  # of that item, or 0 while unknown
        self.weight = 0  # the same
        self.waits = False  # for room before it draws an item

    def advance(self) -> bool:
        """Put in what there is room for; False when the next item has to wait for ``cost`` units of room."""
        while True:
            if self.position == len(self.drawn):
                if self.rest is None:
                    return True
                self.cost = 0
                if self.waits and not self.channel._has_room():
                    return False
                for item in self.rest:
                    self.drawn, self.position = (item,), 0
                    break
                else:
                    return True
            if not self.cost:
                self.weight = self.channel._weight(self.drawn[self.position])
                self.cost = self.channel._cost(self.drawn[self.position])
            if not self.channel._offer(self.drawn[self.position], self):
                return False
