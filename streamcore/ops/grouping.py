"""``group``: several items as one, by their number, their weight, or the time."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator
from .._shared.notes import raise_noted
from ..runnables import clock
from ..runnables.bridge.inbox import FAIR, Kept
from ..runnables.function import is_async, name_of
from ..runnables.notes import note_source
from .operator import Operator, checked_number, public

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..runnables.bridge.inbox import LoopInbox, ThreadInbox
    from ..runnables.config import RunnableConfig
    from .kinds import Same

__all__ = ["group"]


@public
class group(Operator[Any, list[Any]]):  # noqa: N801 - the field's word, used as ops.group
    """Lists of items, never empty: of ``size`` items, or of those that came within ``seconds``; the rest at the end.

    What there is before an error comes before it. With ``weigh``, ``size`` is a weight: a list is out with the item
    that brings the sum of ``weigh(item)`` to it.

    Without ``seconds`` there is neither thread nor timer. With them a list is out ``seconds`` after its first item
    came, also while the source is silent: the stages before it run in a thread, or a task, as those before ``buffer``
    do, at most one list ahead.
    """

    _notes_source = True

    def __init__(
        self,
        size: float | None = None,
        seconds: float | None = None,
        *,
        weigh: Callable[[Any], float] | None = None,
    ) -> None:
        if size is None and seconds is None:
            raise TypeError("ops.group needs size or seconds")
        self.size = None if size is None else checked_number("size", size, whole=weigh is None)
        self.seconds = None if seconds is None else checked_number("seconds", seconds)
        self.weigh = weigh
        if weigh is not None:
            if size is None:
                raise TypeError("ops.group needs a size for what weigh gives")
            if not callable(weigh) or is_async(weigh):
                what = "a coroutine function" if callable(weigh) else type(weigh).__name__
                raise TypeError(f"ops.group: weigh must be a function, got {what}")
        self._hops = self.seconds is not None  # type: ignore[misc] # in async streams by a task and a timer

    def __repr__(self) -> str:
        given = [] if self.size is None else [repr(self.size)]
        if self.seconds is not None:
            given.append(f"seconds={self.seconds!r}")
        if self.weigh is not None:
            given.append(f"weigh={name_of(self.weigh)}")
        return f"ops.group({', '.join(given)})"

    def _remarks(self) -> list[str]:
        if self.seconds is None:
            return []
        return ["runs those before it in a thread or task; reads ahead by one list"]

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        note = partial(note_source, self)
        if self.seconds is not None:
            from ..runnables.bridge.read_ahead import read_into

            return read_into(source, Grouped(self), note)
        if self.weigh is not None:
            groups = weighed_groups(source, Grouped(self))
        else:
            groups = sized_groups(source, min(int(self.size or 0), sys.maxsize))
        return closing_iterator(groups, (source, groups), note)

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        note = partial(note_source, self)
        if self.seconds is None:
            groups = agroups(source, Grouped(self))
            return async_closing_iterator(groups, (*owned, groups), note)
        from ..runnables.bridge.read_ahead import aread_into

        output = aread_into(source, Grouped(self), note, self)
        below = owned[:-1]
        return async_closing_iterator(output, (*below, output)) if below else output

    if TYPE_CHECKING:

        def _makes(self, item: Same, /) -> list[Same]: ...
        def stream(
            self, input: Iterable[Same], config: RunnableConfig | None = None, **kwargs: Any
        ) -> Iterator[list[Same]]: ...
        def invoke(
            self, input: Iterable[Same], config: RunnableConfig | None = None, **kwargs: Any
        ) -> list[list[Same]]: ...


def sized_groups(source: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Lists of ``size`` items, each filled by one call."""
    failure: Exception | None = None
    while True:
        items: list[Any] = []
        try:
            items.extend(islice(source, size))
        except Exception as error:  # noqa: BLE001 - raised after the items before it
            failure = error
        if len(items) < size or failure is not None:
            break
        yield items
    if items:
        yield items
        items = []
    raise_kept(failure)


def weighed_groups(source: Iterator[Any], kept: Grouped) -> Iterator[list[Any]]:
    failure: Exception | None = None
    try:
        for item in source:
            if kept.add(kept.weighed(item)):
                yield kept.take()
    except Exception as error:  # noqa: BLE001 - raised after the items before it
        failure = error
    if kept.items:
        yield kept.take()
    raise_kept(failure)


async def agroups(source: AsyncIterator[Any], kept: Grouped) -> AsyncIterator[list[Any]]:
    failure: Exception | None = None
    items, size, by_weight = kept.items, kept.size, kept.admit is not None
    try:
        async for item in source:
            if by_weight:
                full = kept.add(kept.weighed(item))
            else:
                items.append(item)
                full = len(items) >= size
            if full:
                item = None  # not held here while it is elsewhere
                yield kept.take()
    except Exception as error:  # noqa: BLE001 - raised after the items before it
        failure = error
    if kept.items:
        yield kept.take()
    raise_kept(failure)


def raise_kept(failure: Exception | None) -> None:
    if failure is not None:
        try:
            raise failure
        finally:
            failure = None  # its traceback holds this frame


class Grouped(Kept):
    """The group that is being filled."""

    def __init__(self, of: group) -> None:
        self.items: list[Any] = []
        self.size = float("inf") if of.size is None else of.size
        self._seconds = of.seconds
        self._of = of
        self._weight: float = 0
        self._until = 0.0  # when it is out, whatever is in it
        self._at = 0
        if of.weigh is not None:
            self.admit = self.weighed

    def weighed(self, item: Any) -> tuple[Any, float]:
        weigh = self._of.weigh
        assert weigh is not None
        try:
            weight = weigh(item)
            if not weight >= 0:
                raise ValueError(f"the weight of an item must not be negative, got {weight!r}")
        except BaseException as error:  # noqa: BLE001 - raised, noted
            raise_noted(error, repr(self._of), self._at, in_async=True)
        self._at += 1
        return item, weight

    def add(self, item: Any) -> bool:
        if self.admit is not None:
            item, weight = item
            self._weight += weight
        self.items.append(item)
        if self._seconds is not None and len(self.items) == 1:
            self._until = clock.now() + self._seconds
            return True
        return self.full()

    def fill_from(self, items: Iterator[Any], inbox: ThreadInbox) -> None:
        """Without the lock, which is a third of the time: this side appends, the other one takes from the front."""
        if self.admit is not None or self._seconds is None or self._of.size is None:
            super().fill_from(items, inbox)
            return
        held, size, seconds = self.items, self.size, self._seconds
        for item in items:
            first = not held
            if first:
                self._until = clock.now() + seconds
            held.append(item)
            if inbox.closed:
                return
            if first or len(held) >= size:
                item = None  # not held while the source is pulled
                with inbox.lock:
                    inbox.bell.notify()
                    if not inbox.has_room():
                        return

    async def afill_from(self, source: AsyncIterator[Any], inbox: LoopInbox) -> None:
        if self.admit is not None or self._seconds is None or self._of.size is None:
            await super().afill_from(source, inbox)
            return
        held, size, seconds, since = self.items, self.size, self._seconds, 0
        async for item in source:
            first = not held
            if first:
                self._until = clock.now() + seconds
            held.append(item)
            if inbox.closed:
                return
            since += 1
            if len(held) >= size:
                item = None  # not held meanwhile
                inbox.ring()
                await inbox.wait_for_room()
                since = 0
            elif first:
                inbox.ring()
            elif since >= FAIR:  # the source may have all its items ready, and no end
                item = None
                await inbox.turn()
                since = 0

    def full(self) -> bool:
        if self._of.size is None:  # the time bounds it; else it fills up while nobody takes it
            return bool(self.items) and clock.now() >= self._until
        return (len(self.items) if self.admit is None else self._weight) >= self.size

    def due(self) -> float | None:
        if not self.items:
            return None
        return 0.0 if self.full() else self._until - clock.now()

    def take(self) -> list[Any]:
        if self._seconds is not None:
            self._until = (
                clock.now() + self._seconds
            )  # of an item that comes right now; any other one sets it
        self._weight = 0
        taken = self.items[:]
        del self.items[: len(taken)]
        return taken
