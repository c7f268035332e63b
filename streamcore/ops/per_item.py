"""Operators that do one thing with each item."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from .._backend import EnumerateStep, FilterStep, MapStep, TapStep, async_closing_iterator
from .._shared.notes import raise_noted
from ..runnables.base import Runnable
from ..runnables.function import is_async, name_of
from ..runnables.notes import note_source
from ..runnables.written import Written
from .operator import Item, Operator, Passing, Result, checked_concurrency, checked_int, public

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import overload

    from .._backend import Step
    from ..runnables.config import RunnableConfig
    from .kinds import Same

__all__ = ["PerItem", "enumerate", "filter", "map", "tap"]


class PerItem(Operator[Item, Result]):
    """An operator that calls one function for each item; a coroutine function works in async streams.

    A subclass names the step that calls ``fn(item)``, once an item; with a coroutine function the step gets what was
    awaited.
    """

    _step_of: ClassVar[Callable[..., Step]]
    """Called with the function and the name for errors."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        if not callable(fn):
            raise TypeError(f"{self._kind} needs a callable, got {type(fn).__name__}")
        self.fn = fn
        self._fn_is_async = is_async(fn)
        self._name = f"{self._kind}({name_of(fn)})"
        if self._fn_is_async:
            self._written = Written(("astream", "atransform"))

    @property
    def _kind(self) -> str:
        return f"ops.{type(self).__name__}"

    def __repr__(self) -> str:
        return self._name

    def _new_step(self) -> Step | None:
        return None if self._fn_is_async else self._calling(self.fn)

    def _calling(self, fn: Callable[..., Any]) -> Step:
        """A step that calls ``fn``."""
        return self._step_of(fn, self._name)

    def _asking(self) -> Callable[[Any], Awaitable[Any]]:
        """The coroutine function as one stream calls it, with each item."""
        return self.fn

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        if self._fn_is_async:
            return Runnable.transform(self, source, config)
        return super()._behind(source, config)

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        if not self._fn_is_async:
            return super()._over(source, owned, config)
        ask = self._asking()
        answer: Any = None

        async def asked() -> AsyncIterator[Any]:
            """The items, each as soon as it has its answer."""
            nonlocal answer
            at = 0
            async for item in source:
                try:
                    answer = await ask(item)
                except BaseException as error:  # noqa: BLE001 - raised, noted
                    raise_noted(error, self._name, at, in_async=True)
                yield item
                at += 1

        items = asked()
        steps = (self._calling(lambda *given: answer),)
        return async_closing_iterator(items, (*owned, items), partial(note_source, self), steps=steps)


@public
class map(PerItem[Item, Result]):  # noqa: N801 - the field's word, used as ops.map
    """``fn`` of each item, in order; ``fn`` may be a coroutine function.

    An exception of ``fn`` ends the stream after the items before it, with a note that tells the item's number.

    With ``concurrency`` above 1 that many calls are in flight at most, in threads, or tasks where ``fn`` is a coroutine
    function; the source is pulled, and closed, in a thread or task of its own. None begins while ``concurrency``
    results wait for the consumer, be it that an earlier one is still due. Without ``ordered`` the results come as the
    calls end. After an error no further call begins; its later results are dropped. Closing the stream waits for the
    calls in flight, or cancels those that are tasks.
    """

    _step_of = MapStep

    if TYPE_CHECKING:

        @overload
        def __init__(
            self,
            fn: Callable[[Item], Coroutine[Any, Any, Result]],
            *,
            concurrency: int = 1,
            ordered: bool = True,
        ) -> None: ...
        @overload
        def __init__(
            self, fn: Callable[[Item], Result], *, concurrency: int = 1, ordered: bool = True
        ) -> None: ...

    def __init__(self, fn: Any, *, concurrency: int = 1, ordered: bool = True) -> None:
        super().__init__(fn)
        self.concurrency = checked_concurrency(concurrency)
        self.ordered = ordered

    def __repr__(self) -> str:
        many = "" if self.concurrency == 1 else f", concurrency={self.concurrency}"
        return f"{self._name[:-1]}{many}{'' if self.ordered else ', ordered=False'})"

    def _new_step(self) -> Step | None:
        return None if self.concurrency > 1 else super()._new_step()

    def _remarks(self) -> list[str]:
        many = self.concurrency
        return [] if many == 1 else [f"{many} calls at once in threads or tasks; reads ahead by {many}"]

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        if self.concurrency == 1 or self._fn_is_async:
            return super()._behind(source, config)
        from .map_threads import mapped_in_threads

        note = partial(note_source, self)
        return mapped_in_threads(source, self.fn, self._name, self.concurrency, self.ordered, note)

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        if self.concurrency == 1:
            return super()._over(source, owned, config)
        from .map_tasks import Crew, mapped_in_tasks

        ask = self._asking() if self._fn_is_async else Crew(self.fn, self.concurrency)
        note = partial(note_source, self)
        return mapped_in_tasks(source, owned, ask, self._name, self.concurrency, self.ordered, note)


@public
class filter(Passing[Item], PerItem[Item, Any]):  # noqa: N801
    """The items for which ``fn`` is true, in order; ``fn`` may be a coroutine function."""

    _step_of = FilterStep

    if TYPE_CHECKING:

        def __init__(self, fn: Callable[[Item], object]) -> None: ...


@public
class tap(Passing[Item], PerItem[Item, Any]):  # noqa: N801
    """Each item as it is, after ``fn(item)``, whose result is not used; ``fn`` may be a coroutine function."""

    _step_of = TapStep

    if TYPE_CHECKING:

        def __init__(self, fn: Callable[[Item], object]) -> None: ...


@public
class enumerate(Operator[Any, tuple[int, Any]]):  # noqa: N801
    """Pairs of a number, counted from ``start``, and the item."""

    def __init__(self, start: int = 0) -> None:
        self.start = checked_int("start", start)

    def __repr__(self) -> str:
        return f"ops.enumerate({self.start or ''})"

    def _new_step(self) -> Step:
        return EnumerateStep(self.start)

    if TYPE_CHECKING:

        def _makes(self, item: Same, /) -> tuple[int, Same]: ...
        def stream(
            self, input: Iterable[Same], config: RunnableConfig | None = None, **kwargs: Any
        ) -> Iterator[tuple[int, Same]]: ...
        def invoke(
            self, input: Iterable[Same], config: RunnableConfig | None = None, **kwargs: Any
        ) -> list[tuple[int, Same]]: ...
