"""What the operators on the items of a stream have in common."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .._backend import async_closing_iterator, closing_iterator
from ..runnables.base import Runnable
from ..runnables.config import checked
from ..runnables.notes import note_source
from ..runnables.surrounding import asurrounded, surrounded

if TYPE_CHECKING:
    from .._backend import Step
    from ..runnables.config import RunnableConfig
    from .kinds import Item, Result, Same
else:
    Item = TypeVar("Item")
    Result = TypeVar("Result")

__all__ = [
    "Item",
    "Operator",
    "Passing",
    "Result",
    "as_async",
    "checked_concurrency",
    "checked_count",
    "checked_int",
    "checked_number",
    "is_one_value",
    "public",
    "take_no_more",
]


Named = TypeVar("Named", bound=Callable[..., Any])


def public(operator: Named) -> Named:
    """Its place is the package: what a traceback shows, and a pickle names."""
    operator.__module__ = __package__
    return operator


class Operator(Runnable[Iterable[Item], list[Result], Result]):
    """A stage whose input is a stream of items; ``invoke`` gives the list of what comes out.

    One that does something with each item says so in ``_new_step()``, and is whole: sync and async streams do the step.
    Any other one writes ``_behind`` and ``_over``.
    """

    _closes_input = True

    if TYPE_CHECKING:  # what ``|`` looks at, see composing.pyi

        def _makes(self, item: Item, /) -> Result:
            raise NotImplementedError

    def collect(self, chunks: Iterable[Any]) -> list[Result]:
        """The list of the items."""
        return list(chunks)

    def stream(
        self, input: Iterable[Item], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Result]:
        """Work on the items of the iterable ``input``."""
        return self.transform(self._items(input), config, **kwargs)

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Result]:
        take_no_more(self, kwargs)
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.transform(input, config)
        return surrounded(config, self._behind, iter(input), config)

    def astream(
        self,
        input: Iterable[Item] | AsyncIterable[Item],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Result]:
        """Work on the items of the iterable or async iterable ``input``."""
        take_no_more(self, kwargs)
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config)  # type: ignore[arg-type]
        if hasattr(input, "__aiter__"):
            return self.atransform(input, config)  # type: ignore[arg-type]
        source = iter(self._items(input))
        items = as_async(source)
        return asurrounded(config, self._over, items, (source, items), config)

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Result]:
        take_no_more(self, kwargs)
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.atransform(input, config)
        source = aiter(input)
        return asurrounded(config, self._over, source, (source,), config)

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        """The operator's work on ``source``, which the stream closes."""
        step = self._new_step()
        if step is None:
            raise NotImplementedError
        return closing_iterator(source, (source,), partial(note_source, self), steps=(step,))

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        """The operator's work on ``source``, the last one of ``owned``, all of which the stream closes."""
        step = self._new_step()
        if step is None:
            raise NotImplementedError
        return async_closing_iterator(source, owned, partial(note_source, self), steps=(step,))

    def _step(self, **kwargs: Any) -> Step | None:
        take_no_more(self, kwargs)
        return self._new_step()

    def _new_step(self) -> Step | None:
        """A step that does the operator's work for one stream, if it is of that kind."""
        return None

    def _items(self, input: Any) -> Iterable[Any]:
        if is_one_value(input) or not hasattr(input, "__iter__"):
            raise TypeError(f"{self!r} takes an iterable of items, got {type(input).__name__}")
        return input  # type: ignore[no-any-return]


class Passing(Operator[Item, Any]):
    """An operator whose chunks are items of its input."""

    _chunks_are = "passed"

    if TYPE_CHECKING:
        _makes: None  # type: ignore[assignment]

        def _passes(self, item: Item, /) -> None: ...
        def stream(
            self, input: Iterable[Same], config: RunnableConfig | None = None, **kwargs: Any
        ) -> Iterator[Same]: ...
        def invoke(
            self, input: Iterable[Same], config: RunnableConfig | None = None, **kwargs: Any
        ) -> list[Same]: ...


async def as_async(items: Iterator[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def take_no_more(stage: object, kwargs: dict[str, Any]) -> None:
    """``stage`` has all its arguments: those of a call are a mistake."""
    if kwargs:
        raise TypeError(f"{stage!r} takes no keyword arguments when it is called, got {next(iter(kwargs))}=")


def is_one_value(thing: object) -> bool:
    """Whether it is iterable, but hardly meant as a stream of items."""
    return isinstance(thing, (str, bytes, bytearray, memoryview, dict))


def checked_int(name: str, number: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an int, got {type(number).__name__}")
    return number


def checked_number(name: str, number: float, *, whole: bool = False) -> float:
    """A number above 0; with ``whole`` an int."""
    if isinstance(number, bool) or not isinstance(number, int if whole else (int, float)):
        raise TypeError(f"{name} must be {'an int' if whole else 'a number'}, got {type(number).__name__}")
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} must be positive, got {number}")
    return number


def checked_count(count: int, least: int) -> int:
    if checked_int("count", count) < least:
        raise ValueError(f"count must {'be positive' if least else 'not be negative'}, got {count}")
    return count


def checked_concurrency(concurrency: int) -> int:
    if checked_int("concurrency", concurrency) < 1:
        raise ValueError(f"concurrency must be positive, got {concurrency}")
    return concurrency
