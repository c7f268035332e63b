"""``flat_map``, and what it has in common with ``chain``: the items of iterables, one after the other."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from .._backend import MapStep, async_closing_iterator, flat_iterator
from .._shared.notes import STOPPED_ASYNC, raise_noted
from .._shared.steps import DROPPED
from ..runnables.base import Runnable
from ..runnables.notes import note_source
from .operator import Item, Result, checked_concurrency, public, take_no_more
from .per_item import PerItem

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import overload

    from .._backend import Step
    from ..runnables.config import RunnableConfig

__all__ = ["Held", "aflattened", "flat_map"]


@public
class flat_map(PerItem[Item, Result]):  # noqa: N801 - the field's word, used as ops.flat_map
    """The items of the iterable ``fn(item)``, for each item in turn; it is closed before the next item is pulled.

    ``fn`` may be a generator function. In async streams it may be a coroutine function, and give async iterables. An
    error of ``fn``, or of what it gave, gets a note with the number of the item.

    With ``concurrency`` above 1 that many iterables are open at once, and their items come as they are there: in
    threads of their own, which call ``fn`` too, or tasks where they are async iterables or ``fn`` is a coroutine
    function. Each holds one item. The source is pulled, and closed, in a thread or task of its own. An error of ``fn``,
    or of what it gave, ends all, after the items that were there; one of the source comes after all items.
    """

    _step_of = MapStep

    if TYPE_CHECKING:

        @overload
        def __init__(
            self,
            fn: Callable[[Item], Coroutine[Any, Any, Iterable[Result]]]
            | Callable[[Item], Coroutine[Any, Any, AsyncIterable[Result]]],
            *,
            concurrency: int = 1,
        ) -> None: ...
        @overload
        def __init__(self, fn: Callable[[Item], AsyncIterable[Result]], *, concurrency: int = 1) -> None: ...
        @overload
        def __init__(self, fn: Callable[[Item], Iterable[Result]], *, concurrency: int = 1) -> None: ...

    def __init__(self, fn: Any, *, concurrency: int = 1) -> None:
        super().__init__(fn)
        self.concurrency = checked_concurrency(concurrency)
        self._on_loop = self._fn_is_async  # also one that gives async iterables
        if self._fn_is_async:
            self._fn_is_async = gives_awaitables(fn)

    def _remarks(self) -> list[str]:
        many = self.concurrency
        return [] if many == 1 else [f"{many} iterables at once in threads or tasks; reads ahead by {many}"]

    def __repr__(self) -> str:
        return self._name if self.concurrency == 1 else f"{self._name[:-1]}, concurrency={self.concurrency})"

    def _step(self, **kwargs: Any) -> Step | None:
        take_no_more(self, kwargs)
        return None  # one step is half of its work

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        if not self._written.is_sync:
            return Runnable.transform(self, source, config)
        if self.concurrency > 1:
            from .flat_threads import flat_mapped_in_threads

            note = partial(note_source, self)
            return flat_mapped_in_threads(source, self.fn, self._name, self.concurrency, note)
        iterables = super()._behind(source, config)
        return flat_iterator(iterables, [iterables], self._name)

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        if self.concurrency > 1:
            from .flat_tasks import flat_mapped_in_tasks
            from .map_tasks import Crew

            ask = self._asking() if self._on_loop else Crew(self.fn, self.concurrency)
            note = partial(note_source, self)
            return flat_mapped_in_tasks(source, owned, ask, self._name, self.concurrency, note)
        iterables = super()._over(source, owned, config)
        return aflattened(iterables, (), self._name)


def gives_awaitables(fn: Any) -> bool:
    called = fn if inspect.isroutine(fn) or isinstance(fn, type) else getattr(fn, "__call__", fn)  # noqa: B004
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(called)


class Held:
    """Iterators that an async stream closes when it ends, and that may come and go until then."""

    __slots__ = ("entries", "given_up")

    def __init__(self, entries: Iterable[Any] = ()) -> None:
        self.entries = list(entries)
        self.given_up = False  # whether a pull of one of them may have been

    # as a stream of ours: what closes it closes its entries, without a call inside a call
    def _begin_close(self) -> tuple[list[Any], bool]:
        return self.entries, self.given_up

    def _end_close(self) -> None: ...


class Opened(Held):
    """The iterators that ``aflattened`` has open, one at most; ``at`` is the number of the one whose items come."""

    __slots__ = ("at", "name")

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self.name = name
        self.at = 0

    def failed(self, error: BaseException) -> NoReturn:
        """Raise ``error``, which the one that is open has raised, noted if there is a name to be noted."""
        try:
            if self.name is not None:
                raise_noted(error, self.name, self.at, in_async=True)
            if isinstance(error, StopAsyncIteration):  # it would end the stream in silence
                raise RuntimeError(STOPPED_ASYNC) from error
            raise error
        finally:
            del error  # its traceback holds this frame: a cycle otherwise


def aflattened(
    iterables: AsyncIterator[Any], owned: tuple[Any, ...], name: str | None = None
) -> AsyncIterator[Any]:
    """The items of each of the ``iterables``, which may be async ones: ``flat_iterator`` for async streams.

    It closes ``owned`` last, after ``iterables`` and what of them is open.
    """
    opened = Opened(name)
    items = opening(iterables, opened)
    return async_closing_iterator(items, (*owned, iterables, opened, items), opened=opened)


async def opening(iterables: AsyncIterator[Any], opened: Opened) -> AsyncIterator[Any]:
    """The items of those that are async; of another one DROPPED, and the stream above takes its items itself."""
    async for iterable in iterables:
        is_async = hasattr(iterable, "__aiter__")
        try:
            items = aiter(iterable) if is_async else iter(iterable)
            opened.entries.append(items)
            if is_async:
                async for item in items:
                    yield item
        except BaseException as error:
            opened.given_up = isinstance(error, GeneratorExit)
            if opened.name is None:
                raise
            opened.failed(error)
        iterable = item = None  # let go of
        if not is_async:
            yield DROPPED
        items = None
        ended = opened.entries.pop()
        if (aclose := getattr(ended, "aclose", None)) is not None:
            await aclose()
        elif (close := getattr(ended, "close", None)) is not None:
            close()
        ended = aclose = close = None
        opened.at += 1
