"""``merge``: streams of several parts, or stages of several stages, all at once."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, close_all
from .combining import OfStages, any_async, any_stage, checked, is_iterator
from .merge_tasks import merged_in_tasks
from .merge_threads import merged_in_threads
from .operator import as_async, checked_int, public

if TYPE_CHECKING:
    from typing import TypeVar, overload

    from ..runnables.base import Runnable

    In = TypeVar("In")
    First = TypeVar("First")

__all__ = ["merge"]

if TYPE_CHECKING:

    @overload
    def merge(*parts: Iterable[First], buffer: int = 64) -> Iterator[First]: ...  # type: ignore[overload-overlap]
    @overload
    def merge(*parts: Iterable[First] | AsyncIterable[First], buffer: int = 64) -> AsyncIterator[First]: ...
    @overload
    def merge(*parts: Runnable[In, Any, First], buffer: int = 64) -> Runnable[In, list[First], First]: ...


@public
def merge(*parts: Any, buffer: int = 64) -> Any:
    """A stream of the items of ``parts``, iterables, as they come; of one part, in its order.

    All parts are pulled at once, from the first pull on, each in a thread of its own, which also opens and closes it;
    at most ``buffer`` items of each are held. With an async iterable among them the stream is an async one, and tasks
    of the (asyncio) loop pull, an iterable that is none on the loop. The first error of a part ends the others, and is
    raised after the items that were there.

    Of Runnables it is a stage, which waits for its whole input and gives each the same.
    """
    if checked_int("buffer", buffer) < 1:
        raise ValueError(f"buffer must be positive, got {buffer}")
    if any_stage(parts):
        return MergeOfStages(*parts, buffer=buffer)
    merged = each_iterator_once(checked("ops.merge", parts))
    return merged_in_tasks(merged, buffer) if any_async(parts) else merged_in_threads(merged, buffer)


def each_iterator_once(parts: Iterable[Any]) -> list[Any]:
    """No two may pull the same one; what is no iterator gives another one each time."""
    return list(
        {id(part) if is_iterator(part) else -at: part for at, part in enumerate(parts, start=1)}.values()
    )


class MergeOfStages(OfStages):
    _reads_ahead = True

    def __init__(self, *parts: Any, buffer: int) -> None:
        super().__init__(*parts)
        self.buffer = buffer

    def __repr__(self) -> str:
        buffer = "" if self.buffer == 64 else f", buffer={self.buffer}"
        return f"ops.merge({', '.join(map(repr, self.parts))}{buffer})"

    def _remarks(self) -> list[str]:
        return [f"each part in a thread or task; reads ahead by {self.buffer}"]

    def _combined(self, streams: Iterator[Any]) -> Iterator[Any]:
        opened: list[Any] = []
        try:
            opened.extend(streams)  # those before one that fails are closed
        except BaseException as error:
            close_all(opened, error)
            raise
        return merged_in_threads(opened, self.buffer)

    def _acombined(self, streams: Iterator[Any]) -> AsyncIterator[Any]:
        opened: list[Any] = []
        try:
            opened.extend(streams)
        except BaseException:
            # a dropped stream is closed by the loop, or at once where none runs
            async_closing_iterator(as_async(iter(())), opened)
            raise
        return merged_in_tasks(opened, self.buffer, None, self)
