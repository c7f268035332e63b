"""Operators that look at the clock: no more items than so many a second, or only those after which nothing came."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator
from ..runnables import clock
from ..runnables.bridge.inbox import Kept
from ..runnables.notes import note_source
from .buffering import NOTHING, Reading
from .operator import Passing, checked_count, checked_number, public

if TYPE_CHECKING:
    from ..runnables.config import RunnableConfig

__all__ = ["debounce", "throttle"]

MOST_TIMES = 1024
"""How many times ``throttle`` keeps; of a larger count it may wait until a thousandth more could go."""


@public
class throttle(Passing[Any]):  # noqa: N801 - the field's word, used as ops.throttle
    """Every item, at most ``count`` of them in any ``per`` seconds.

    It waits before it pulls the source, so that nothing is held or dropped. Of more than 1,024 items it does not keep
    the time of each: then it may wait until a thousandth of them more could go.
    """

    _hops = True  # in async streams it waits on the loop
    _notes_source = True

    def __init__(self, count: int, per: float = 1.0) -> None:
        self.count = checked_count(count, least=1)
        self.per = checked_number("per", per)

    def __repr__(self) -> str:
        return f"ops.throttle({self.count}{'' if self.per == 1 else f', per={self.per!r}'})"

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        items = self._spaced(source)
        return closing_iterator(items, (source, items), partial(note_source, self))

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        items = self._aspaced(source)
        return async_closing_iterator(items, (*owned, items), partial(note_source, self))

    def _spaced(self, source: Iterator[Any]) -> Iterator[Any]:
        pace = Pace(self)
        while True:
            if (seconds := pace.seconds()) > 0:
                clock.sleep(seconds)
            item = next(source, NOTHING)
            if item is NOTHING:
                return
            pace.given()
            yield item
            item = None  # let go of

    async def _aspaced(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        pace = Pace(self)
        while True:
            if (seconds := pace.seconds()) > 0:
                await clock.asleep(seconds, self)
            item = await anext(source, NOTHING)
            if item is NOTHING:
                return
            pace.given()
            yield item
            item = None


class Pace:
    """When the last items were given: of each, or of so many together that there are ``MOST_TIMES`` at most."""

    def __init__(self, of: throttle) -> None:
        self._count, self._per = of.count, of.per
        self._together = -(-of.count // MOST_TIMES)
        self._given: deque[list[Any]] = deque()  # the time of the last of them, and how many
        self._within = 0  # items of these
        self._least = 0.0

    def seconds(self) -> float:
        """To wait before the next item."""
        if self._within < self._count:
            return 0.0
        now = clock.now()
        while self._within >= self._count:
            self._least, number = self._given.popleft()
            self._least += self._per
            self._within -= number
        return self._least - now

    def given(self) -> None:
        now = max(clock.now(), self._least)  # a wait may end a little early
        self._within += 1
        if self._given and self._given[-1][1] < self._together:
            self._given[-1][0] = now
            self._given[-1][1] += 1
        else:
            self._given.append([now, 1])


@public
class debounce(Reading[Any]):  # noqa: N801 - the field's word, used as ops.debounce
    """The latest item, once no newer one has come for ``seconds``; the last one in any case, and before an error.

    Any other is dropped, also one that was due while nobody asked for it. The source never waits: the stages before it
    run in a thread, or a task, as those before ``buffer`` do, from the first item asked for on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = checked_number("seconds", seconds)

    def __repr__(self) -> str:
        return f"ops.debounce({self.seconds!r})"

    def _kept(self) -> Kept:
        return Latest(self.seconds)


class Latest(Kept):
    """The item after which nothing came, so far."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: Any = NOTHING
        self._until = 0.0

    def add(self, item: Any) -> bool:
        first = self._held is NOTHING
        self._held = item
        self._until = clock.now() + self._seconds
        return first  # who waits for the time of an older one looks again when that is over

    def due(self) -> float | None:
        return None if self._held is NOTHING else self._until - clock.now()

    def take(self) -> Any:
        held, self._held = self._held, NOTHING
        return held
