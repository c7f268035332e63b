"""``flat_map`` with several of its iterables open at once, each in a task of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator
from .._shared.notes import note_failure
from .flat_threads import noted
from .map_tasks import Crew
from .merge_tasks import AsyncArrivals, AsyncPart

if TYPE_CHECKING:
    import asyncio

__all__ = ["flat_mapped_in_tasks"]


def flat_mapped_in_tasks(
    source: AsyncIterator[Any],
    owned: tuple[object, ...],
    ask: Callable[[Any], Any],
    name: str,
    concurrency: int,
    annotate: Callable[[BaseException], object],
) -> AsyncIterator[Any]:
    """The items of what ``ask`` gives for the items of ``source``, of up to ``concurrency`` at once, as they come.

    ``ask`` gives iterables, async or not, or awaitables of these; it is a ``Crew`` where it is called in threads. A
    task pulls ``source`` and closes ``owned``, of which that is the last; each call is made, and what it gave is
    iterated and closed, in another one, which holds one item.
    """
    flat = FlatMapping(source, list(owned), ask, name, concurrency)
    return async_closing_iterator(flat, (flat,), annotate, blocks=True)


class FlatMapping(AsyncArrivals):
    """The queue, the task that pulls the source, and those of what was made of its items."""

    def __init__(
        self,
        source: AsyncIterator[Any],
        owned: list[Any],
        ask: Callable[[Any], Any],
        name: str,
        concurrency: int,
    ) -> None:
        super().__init__(1, f"{name} with concurrency")
        self.ask = ask
        self.name = name
        self.source_error: BaseException | None = None  # comes after all items
        self._concurrency = concurrency
        self._place: asyncio.Future[None] | None = None  # what the task that pulls waits for
        self.waiting = [Feed(self, source, owned)]

    async def open(self, item: Any, at: int) -> None:
        """Start a task for what ``item`` gives, and return when there is a place for another one."""
        part = Inner(self, item, at)
        self.begun.append(part)
        part.start(self.context.copy())
        while self.live > self._concurrency:  # the one that pulls is among them
            self._place = self.loop.create_future()
            try:
                await self._place
            finally:
                self._place = None

    def left(self, part: AsyncPart) -> None:
        super().left(part)
        if isinstance(part, Inner) and not self.over:
            self.begun.remove(part)
        if self._place is not None and not self._place.done():
            self._place.set_result(None)

    def _end(self) -> None:
        if self.error is None:
            self.error = self.source_error
        self.source_error = None
        super()._end()

    async def aclose(self) -> None:
        self.source_error = None
        if isinstance(self.ask, Crew):
            self.ask.closed.set()
        try:
            await super().aclose()
        finally:
            if isinstance(self.ask, Crew):
                self.ask.close(wait=not self.home.is_abroad())


class Feed(AsyncPart):
    """The source and the task that pulls it."""

    def __init__(self, flat: FlatMapping, source: AsyncIterator[Any], owned: list[Any]) -> None:
        super().__init__(flat, source)
        self.owned = owned
        self._flat = flat

    def _opened(self, source: Any) -> AsyncIterator[Any]:
        return source  # type: ignore[no-any-return]

    async def _pass_on(self, items: AsyncIterator[Any]) -> None:
        at = 0
        async for item in items:
            if self._flat.over:
                return
            opening = self._flat.open(item, at)
            item = None  # let go of while it waits
            await opening
            at += 1

    def _told(self, error: BaseException) -> BaseException | None:
        told = super()._told(error)
        if told is None or self._flat.over:
            return told
        if self._flat.source_error is None:
            self._flat.source_error = told
        else:
            note_failure(self._flat.source_error, "closing the source", told)
        return None


class Inner(AsyncPart):
    """What one item gave, and its task."""

    def __init__(self, flat: FlatMapping, item: Any, at: int) -> None:
        super().__init__(flat, None)
        self._flat = flat
        self._source = item
        self._at = at

    async def _made(self) -> Any:
        item, self._source = self._source, None
        made = self._flat.ask(item)
        if hasattr(made, "__await__"):
            made = await made
        if not isinstance(self._flat.ask, Crew) or hasattr(made, "__aiter__"):
            return made
        return _iterated_in_thread(made, self._flat.name)

    def _raised(self, error: BaseException) -> BaseException:
        return noted(error, self._flat.name, self._at, in_async=True)


def _iterated_in_thread(iterable: Any, name: str) -> AsyncIterator[Any]:
    from ..runnables.bridge.ahead import Ahead, buffer_bytes
    from ..runnables.bridge.in_thread import in_thread

    return in_thread(partial(iter, iterable), None, None, name, Ahead(1, buffer_bytes(None)))
