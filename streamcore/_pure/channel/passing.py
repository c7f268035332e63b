"""How items go into a channel and come out, without waiting (the readable twin of ``_native.channel.passing``)."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import ref

from .bounds import Budget, weight_of
from .waiting import Waiting, forks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Passing", "Sending", "sending_of"]

T = TypeVar("T")

SIZED: frozenset[type] = frozenset({bytes, str, bytearray})
"""Types of items that weigh their len(), which is known without running code of others."""

EMPTY: deque[Any] = deque()
"""Is multiplied for a new one, without a call."""


class Sending(Generic[T]):
    """How far a ``put`` or ``put_many`` has come."""

    __slots__ = ("channel", "done", "drawn", "position", "rest", "size", "sizes", "waits")

    def __init__(self, channel: Passing[T], drawn: tuple[T, ...], rest: Iterator[T] | None = None) -> None:
        self.channel = channel
        self.drawn = drawn
        self.rest = rest
        self.done = 0  # items that went in
        self.position = 0  # of the next to go in, in drawn
        self.size: int | None = None  # of that item, once it is known
        self.sizes: list[int] | None = None  # of all that are drawn, if they are known beforehand
        self.waits = False  # for room before it draws an item

    def advance(self) -> bool:
        """Put in what there is room for; False when the next item has to wait for room of ``size``."""
        while True:
            if self.position == len(self.drawn):
                if self.rest is None:
                    return True
                self.size = None
                if self.waits and not self.channel._has_room():
                    return False
                for item in self.rest:
                    self.drawn, self.position = (item,), 0
                    break
                else:
                    return True
            if self.sizes is not None:
                if not self.channel._offer_many(self, self.sizes):
                    self.size = min(self.sizes[self.position], self.channel._most)
                    return False
            else:
                item = self.drawn[self.position]
                if self.size is None:
                    self.size = self.channel._size_of(item)
                if not self.channel._offer(item, self.size, self):
                    return False


def sending_of(channel: Passing[T], items: Iterable[T]) -> Sending[T]:
    if isinstance(items, (list, tuple)):
        sending = Sending(channel, tuple(items))
        sending.sizes = channel._sizes_of(sending.drawn)
        return sending
    return Sending(channel, (), iter(items))


class Passing(Waiting[T]):
    """The way of the items."""

    __slots__ = ()

    def _size_of(self, item: T) -> int:
        """What ``item`` takes up, in units of ``size`` or in bytes: never more than fits."""
        if self._sizes is None:
            return 0
        if self._size is None:
            weight: int = len(item) if type(item) in SIZED else weight_of(item)  # type: ignore[arg-type]
            return weight if weight < self._most else self._most
        size = self._size(item)
        if not isinstance(size, int):
            raise TypeError(f"size must return an int, got {type(size).__name__}")
        if size < 0:
            raise ValueError(f"size must not return a negative number, got {size}")
        return min(max(size, 1), self._most)

    def _sizes_of(self, items: tuple[T, ...]) -> list[int] | None:
        """The sizes of several items; None where asking for one may run code of others, which may change the rest."""
        if self._sizes is None:
            return [0] * len(items)
        if self._size is not None or not SIZED.issuperset(map(type, items)):
            return None
        return [*map(len, items)]  # type: ignore[arg-type]

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
            await self._wait(self._putters, None, None, False)

    def _has_room(self) -> bool:
        """Whether the next item may be drawn, one like the last; raises on a closed channel."""
        if self._forks != forks[0]:
            self._refuse_after_fork()
        with self._lock:
            if self._closed:
                raise self._end("the channel is closed")
            return self._fits(self._expected) and not self._is_spent()

    def _offer(self, item: T, size: int, sending: Sending[T]) -> bool:
        """Put ``item`` in and count it in ``sending``; False without room."""
        if self._forks != forks[0]:
            self._refuse_after_fork()
        done = sending.done
        try:
            with self._lock:
                if self._closed:
                    raise self._end("the channel is closed")
                items, sizes = self._items, self._sizes
                count, held = len(items) + 1, self._held + size
                if count > self._most_items or held > self._most:
                    return False
                if self._shared is not None:
                    self._shared.add(1, size)
                # += and not append(): after a call, a signal handler may run and raise; up to `more` it must
                # not.
                if sizes is not None:
                    sizes += (size,)
                    self._held = held
                    self._expected = size
                items += (item,)
                sending.done, sending.position, sending.size = done + 1, sending.position + 1, None
                more = count < self._most_items and held < self._most
            if self._getters.waiters:
                self._ring(self._getters)
            if more and self._putters.waiters:
                self._ring(self._putters)
        except BaseException:
            if sending.done != done:  # it is in: what raised here must not cost its wake-up
                self._ring(self._getters)
            raise
        return True

    def _offer_many(self, sending: Sending[T], sizes: list[int]) -> bool:
        """The same for all drawn items that there is room for; False where there is none for the next."""
        if self._forks != forks[0]:
            self._refuse_after_fork()
        done, start = sending.done, sending.position
        try:
            with self._lock:
                if self._closed:
                    raise self._end("the channel is closed")
                items, count = sending.drawn, len(self._items)
                stop = min(len(items), start + self._most_items - count)
                if start or stop < len(items):
                    items, sizes = items[start:stop], sizes[start:stop]
                total = 0 if self._sizes is None else sum(sizes)
                if self._held + total > self._most:
                    sizes = [min(size, self._most) for size in sizes]
                    sums = [*accumulate(sizes)]
                    stop = start + bisect_right(sums, self._most - self._held)
                    items, sizes = items[: stop - start], sizes[: stop - start]
                    total = sum(sizes)
                if start == stop:
                    return False
                if self._shared is not None:
                    self._shared.add(stop - start, total)
                # Up to `more` as above: no call, and so no signal handler.
                if self._sizes is not None:
                    self._sizes += sizes
                    self._held += total
                    self._expected = sizes[-1]
                self._items += items
                sending.done, sending.position = done + stop - start, stop
                more = count + stop - start < self._most_items and self._held < self._most
            if self._getters.waiters:
                self._ring(self._getters)
            if more and self._putters.waiters:
                self._ring(self._putters)
        except BaseException:
            if sending.done != done:
                self._ring(self._getters)
            raise
        return True

    def _take(self, limit: int, into: list[T]) -> bool:
        """Add up to ``limit`` items to ``into``; False if there are none."""
        if self._forks != forks[0]:
            self._refuse_after_fork()
        if self._lent_items and self._shared is not None:
            self._take_back(self._shared)
        taken: Sequence[T] = ()
        sizes: Sequence[int] = ()
        spent: Sequence[int] = (0,)
        try:
            with self._lock:
                items = self._items
                if not items:
                    if self._closed:
                        raise self._end("the channel is closed and empty")
                    return False
                # No call in either of the first two.
                if limit == 1:
                    taken = (items[0],)
                    del items[0]
                    if self._sizes is not None:
                        sizes = spent = (self._sizes[0],)
                        del self._sizes[0]
                        self._held -= spent[0]
                elif len(items) <= limit:
                    taken, self._items = items, EMPTY * 1
                    if self._sizes is not None:
                        sizes, self._sizes = self._sizes, EMPTY * 1
                        spent, self._held = (self._held,), 0
                else:
                    taken, sizes, spent = [], [], [0]
                    self._take_some(taken, sizes, spent, limit)
                if self._shared is not None:
                    self._lent_items, self._lent_bytes = len(taken), spent[0]
            if self._putters.waiters:
                self._ring(self._putters)
            if self._items and self._getters.waiters:
                self._ring(self._getters)
            into += taken  # and not extend(), after which a signal handler could raise
        except BaseException:
            self._lent_items = self._lent_bytes = 0
            if taken:
                with self._lock:  # again no call: a second signal may come before this one is dealt with
                    items = EMPTY * 1
                    items += taken
                    items += self._items
                    self._items = items
                    if self._sizes is not None:
                        taken_sizes = EMPTY * 1
                        taken_sizes += sizes
                        taken_sizes += self._sizes
                        self._sizes = taken_sizes
                        self._held += spent[0]
                self._ring(self._getters)
                self._ring(self._putters)
            raise
        return True

    def _take_some(self, taken: list[T], sizes: list[int], spent: list[int], limit: int) -> None:
        """Fewer than there are, one by one, so that what is taken is told at any time."""
        while len(taken) < limit:
            taken += (self._items[0],)
            del self._items[0]
            if self._sizes is not None:
                size = self._sizes[0]
                sizes += (size,)
                spent[0] += size
                del self._sizes[0]
                self._held -= size
