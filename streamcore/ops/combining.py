"""Streams of several parts, or stages of several stages: one after the other, or side by side."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, close_all, closing_iterator, flat_iterator
from ..runnables.base import Runnable
from ..runnables.blocking import astream_of_fold, fold_then_astream, stream_of_fold
from ..runnables.config import child_config
from ..runnables.function import coerce_to_runnable
from ..runnables.notes import note_stage
from ..runnables.written import Written
from .flattening import Held, aflattened
from .operator import as_async, is_one_value, public, take_no_more

if TYPE_CHECKING:
    from typing import TypeVar, overload

    from ..runnables.config import RunnableConfig
    from ..runnables.describing import Part

    In = TypeVar("In")
    First = TypeVar("First")
    Second = TypeVar("Second")
    Third = TypeVar("Third")

__all__ = ["chain", "zip"]

END = object()

if TYPE_CHECKING:

    @overload
    def chain(*parts: Iterable[First]) -> Iterator[First]: ...  # type: ignore[overload-overlap]
    @overload
    def chain(*parts: Iterable[First] | AsyncIterable[First]) -> AsyncIterator[First]: ...
    @overload
    def chain(*parts: Runnable[In, Any, First]) -> Runnable[In, list[First], First]: ...


@public
def chain(*parts: Any) -> Any:
    """A stream of the items of ``parts``, iterables, one after the other.

    A part is closed before the next one is opened. With an async iterable among them the stream is an async one. A part
    that is an iterator is closed in any case, even if the stream ends before its turn.

    Of Runnables it is a stage, which waits for its whole input and gives it to one after the other.
    """
    if any_stage(parts):
        return ChainOfStages(*parts)
    left = once_each([part if is_iterator(part) else (part,) for part in checked("ops.chain", parts)])
    if any_async(parts):
        waiting = Held(left)
        return aflattened(as_async(taken(waiting.entries)), (waiting,))
    return flat_iterator(taken(left), left)


def taken(left: list[Any]) -> Iterator[Any]:
    """The parts in turn; one that is a tuple of one is no iterator. Those that wait stay in ``left``."""
    while left:
        part = left.pop(0)
        yield part[0] if type(part) is tuple else part


if TYPE_CHECKING:

    @overload
    def zip(first: Iterable[First], /, *, strict: bool = False) -> Iterator[tuple[First]]: ...  # type: ignore[overload-overlap]
    @overload
    def zip(  # type: ignore[overload-overlap]
        first: Iterable[First], second: Iterable[Second], /, *, strict: bool = False
    ) -> Iterator[tuple[First, Second]]: ...
    @overload
    def zip(  # type: ignore[overload-overlap]
        first: Iterable[First], second: Iterable[Second], third: Iterable[Third], /, *, strict: bool = False
    ) -> Iterator[tuple[First, Second, Third]]: ...
    @overload
    def zip(*parts: Iterable[First], strict: bool = False) -> Iterator[tuple[First, ...]]: ...  # type: ignore[overload-overlap]
    @overload
    def zip(
        first: Iterable[First] | AsyncIterable[First],
        second: Iterable[Second] | AsyncIterable[Second],
        /,
        *,
        strict: bool = False,
    ) -> AsyncIterator[tuple[First, Second]]: ...
    @overload
    def zip(
        first: Iterable[First] | AsyncIterable[First],
        second: Iterable[Second] | AsyncIterable[Second],
        third: Iterable[Third] | AsyncIterable[Third],
        /,
        *,
        strict: bool = False,
    ) -> AsyncIterator[tuple[First, Second, Third]]: ...
    @overload
    def zip(
        *parts: Iterable[First] | AsyncIterable[First], strict: bool = False
    ) -> AsyncIterator[tuple[First, ...]]: ...
    @overload
    def zip(
        first: Runnable[In, Any, First], second: Runnable[In, Any, Second], /, *, strict: bool = False
    ) -> Runnable[In, list[tuple[First, Second]], tuple[First, Second]]: ...
    @overload
    def zip(
        *parts: Runnable[In, Any, First], strict: bool = False
    ) -> Runnable[In, list[tuple[First, ...]], tuple[First, ...]]: ...


@public
def zip(*parts: Any, strict: bool = False) -> Any:
    """A stream of tuples, of an item of each of ``parts``, iterables; it ends with the shortest, and closes all.

    With ``strict`` parts of different lengths are a ``ValueError`` that names the part. With an async iterable among
    them the stream is an async one, which pulls one part after the other.

    Of Runnables it is a stage, which waits for its whole input and gives each the same.
    """
    if any_stage(parts):
        return ZipOfStages(*parts, strict=strict)
    checked("ops.zip", parts)
    return azipped(parts, strict) if any_async(parts) else zipped(parts, strict)


def zipped(parts: Iterable[Any], strict: bool) -> Iterator[tuple[Any, ...]]:
    opened: list[Any] = []
    try:
        for part in parts:
            opened.append(iter(part))  # noqa: PERF401 - those before one that fails are closed
    except BaseException as error:
        close_all(once_each(opened), error)
        raise
    items = strictly_in_step(opened) if strict else builtins.zip(*opened, strict=False)
    return closing_iterator(items, (*once_each(opened), items))


def strictly_in_step(parts: list[Iterator[Any]]) -> Iterator[tuple[Any, ...]]:
    given = 0
    while parts:
        got: list[Any] = []
        for part in parts:
            got.append(next(part, END))
            if (got[-1] is END) != (got[0] is END):
                raise uneven(got, parts, given)
        if got[0] is END:
            return
        yield tuple(got)
        given += 1


def azipped(parts: Iterable[Any], strict: bool) -> AsyncIterator[tuple[Any, ...]]:
    opened: list[Any] = []
    owned: list[Any] = []
    try:
        for part in parts:
            if not hasattr(part, "__aiter__"):
                owned.append(iter(part))
                part = as_async(owned[-1])
            opened.append(aiter(part))
            owned.append(opened[-1])
        if opened and not strict:
            return async_closing_iterator(opened[0], once_each(owned), beside=opened[1:])
        items = astrictly_in_step(opened)
        return async_closing_iterator(items, (*once_each(owned), items))
    except BaseException:
        # a dropped stream is closed by the loop, or at once where none runs
        async_closing_iterator(as_async(iter(())), once_each(owned))
        raise


async def astrictly_in_step(parts: list[AsyncIterator[Any]]) -> AsyncIterator[tuple[Any, ...]]:
    given = 0
    while True:
        got: list[Any] = []
        for part in parts:
            got.append(await anext(part, END))
            if (got[-1] is END) != (got[0] is END):
                raise uneven(got, parts, given)
        if got[0] is END:
            return
        yield tuple(got)
        given += 1


def uneven(got: list[Any], parts: list[Any], given: int) -> ValueError:
    """That the part which gave the last of ``got``, an item or its end, does not end with the first one."""
    here, there = ("ended", "goes on") if got[-1] is END else ("goes on", "ended")
    return ValueError(
        f"ops.zip: part {len(got)} of {len(parts)} {here} after {given} items, where part 1 {there}"
    )


class OfStages(Runnable[Any, list[Any], Any]):
    """Stages that get the same input. An iterator is read to its end first, since it can be given only once."""

    def __init__(self, *parts: Any) -> None:
        self.parts = tuple(map(coerce_to_runnable, parts))
        is_sync = all(part._written.is_sync for part in self.parts)
        self._written = Written(("stream", "astream") if is_sync else ("astream",))

    def collect(self, chunks: Iterable[Any]) -> list[Any]:
        """The list of the chunks."""
        return list(chunks)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        take_no_more(self, kwargs)
        if not self._written.is_sync:
            return super().stream(input, config)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config)
        if hasattr(input, "__next__"):
            return stream_of_fold(self, input, list, config)
        config = child_config(config)
        return self._combined(streamed(part, input, config) for part in self.parts)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        take_no_more(self, kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config)
        if hasattr(input, "__anext__"):
            return astream_of_fold(self, input, list, config)
        if hasattr(input, "__next__"):
            items = as_async(input)
            stream = fold_then_astream(self, items, list, config)
            return async_closing_iterator(stream, (input, items, stream))
        config = child_config(config)
        return self._acombined(astreamed(part, input, config) for part in self.parts)

    def _parts(self, head: bool) -> list[Part]:
        return [(str(at), part, True) for at, part in enumerate(self.parts, start=1)]

    def _combined(self, streams: Iterator[Any]) -> Iterator[Any]:
        """One stream of the streams of the parts."""
        raise NotImplementedError

    def _acombined(self, streams: Iterator[Any]) -> AsyncIterator[Any]:
        raise NotImplementedError


class ChainOfStages(OfStages):
    def __repr__(self) -> str:
        return f"ops.chain({', '.join(map(repr, self.parts))})"

    def _combined(self, streams: Iterator[Any]) -> Iterator[Any]:
        return flat_iterator(streams, [])

    def _acombined(self, streams: Iterator[Any]) -> AsyncIterator[Any]:
        return aflattened(as_async(streams), ())


class ZipOfStages(OfStages):
    def __init__(self, *parts: Any, strict: bool) -> None:
        super().__init__(*parts)
        self.strict = strict

    def __repr__(self) -> str:
        return f"ops.zip({', '.join(map(repr, self.parts))}{', strict=True' if self.strict else ''})"

    def _combined(self, streams: Iterator[Any]) -> Iterator[Any]:
        return zipped(streams, self.strict)

    def _acombined(self, streams: Iterator[Any]) -> AsyncIterator[Any]:
        return azipped(streams, self.strict)


def streamed(part: Runnable[Any, Any], input: Any, config: RunnableConfig | None) -> Iterator[Any]:
    """What ``part`` streams, its errors noted as its own."""
    note = partial(note_part, part)
    try:
        stream = iter(part._called_with(config).stream(input, config))
        return closing_iterator(stream, (stream,), note)
    except BaseException as error:
        note(error)
        raise


def astreamed(part: Runnable[Any, Any], input: Any, config: RunnableConfig | None) -> AsyncIterator[Any]:
    note = partial(note_part, part)
    try:
        stream = aiter(part._called_with(config).astream(input, config))
        return async_closing_iterator(stream, (stream,), note)
    except BaseException as error:
        note(error)
        raise


def note_part(part: Runnable[Any, Any], error: BaseException) -> None:
    note_stage(error, (part,), 0)


def any_stage(parts: tuple[Any, ...]) -> bool:
    return any(isinstance(part, Runnable) for part in parts)


def checked(name: str, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    for at, part in enumerate(parts, start=1):
        if is_one_value(part) or not (hasattr(part, "__iter__") or hasattr(part, "__aiter__")):
            raise TypeError(
                f"{name} takes iterables of items or Runnables, part {at} of {len(parts)} is {type(part).__name__}"
            )
    return parts


def any_async(parts: tuple[Any, ...]) -> bool:
    return any(not hasattr(part, "__iter__") for part in parts)


def is_iterator(part: object) -> bool:
    """Whether nobody else has a hold of what iterating it needs."""
    return hasattr(part, "__next__") or hasattr(part, "__anext__")


def once_each(entries: list[Any]) -> list[Any]:
    return list({id(entry): entry for entry in entries}.values())
