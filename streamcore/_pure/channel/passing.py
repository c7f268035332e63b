"""How items go into a channel and come out, without waiting (the readable twin of ``_native.channel.passing``)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import ref

from .bounds import Budget, weight_of
from .waiting import Waiting, forks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Passing", "Sending", "sending_of"]

T = TypeVar("T")


class Sending(Generic[T]):
    """How far a ``put`` or ``put_many`` has come."""

    __slots__ = ("channel", "cost", "done", "drawn", "position", "rest", "waits", "weight")

    def __init__(self, channel: Passing[T], drawn: tuple[T, ...], rest: Iterator[T] | None = None) -> None:
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


def sending_of(channel: Passing[T], items: Iterable[T]) -> Sending[T]:
    if isinstance(items, (list, tuple)):
        return Sending(channel, tuple(items))
    return Sending(channel, (), iter(items))


class Passing(Waiting[T]):
    """The way of the items."""

    __slots__ = ()

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

    def _budget(self, items: int, bytes: int | None) -> Budget:
        """A bound for several channels of this kind, to ``_join``."""
        return Budget(items, bytes)

    def _join(self, budget: Budget, gated: bool) -> None:
        """Count in ``budget`` what is in here, and what a get took until the next one; before anything is put in.

        ``gated``: the producer here draws nothing more while the budget is spent.
        """
        if gated:
            budget.source = ref(self)
        self._shared = budget
        self._gated = gated

    def _take_back(self, budget: Budget) -> None:
        """Count no longer what the last get took: its taker comes for more."""
        items, size = self._lent_items, self._lent_bytes
        self._lent_items = self._lent_bytes = 0
        if budget.give(items, size) and budget.source is not None:
            source = budget.source()
            if source is not None:
                source._ring(source._putters)

    async def _wait_for_room(self) -> None:
        """Until the next item may be drawn, for the bridge; raises on a closed channel."""
        while not self._has_room():
            await self._wait(self._putters, 0, 0, None, False)

    def _has_room(self) -> bool:
        """Whether the next item may be drawn, one like the last; raises on a closed channel."""
        if self._forks != forks[0]:
            self._refuse_after_fork()
        with self._lock:
            if self._closed:
                raise self._end("the channel is closed")
            return self._fits(1, self._expected) and not self._is_spent()

    def _offer(self, item: T, sending: Sending[T]) -> bool:
        """Put ``item`` in and count it in ``sending``; False without room."""
        if self._forks != forks[0]:
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
        if self._forks != forks[0]:
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
