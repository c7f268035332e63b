"""Sync stages under async callers: the work runs in one worker thread a stream, the event loop stays free."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from .._backend import async_closing_iterator
from .._shared.notes import STOPPED
from .ahead import Ahead, ahead_of

if TYPE_CHECKING:
    from .base import Runnable
    from .bridge import ThreadStream
    from .config import RunnableConfig

__all__ = ["in_thread", "run_in_thread", "stream_in_thread", "transform_in_thread"]

T = TypeVar("T")


async def run_in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """``function(...)`` in a thread. StopIteration, which no future takes (it would never be done), as a generator."""
    import asyncio

    return await asyncio.to_thread(_called, function, *args, **kwargs)


def _called(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    try:
        return function(*args, **kwargs)
    except StopIteration as stop:
        raise RuntimeError(STOPPED) from stop


def stream_in_thread(
    stage: Runnable[Any, Any], input: Any, config: RunnableConfig | None, **kwargs: Any
) -> AsyncIterator[Any]:
    """``stage.stream`` as an async iterator."""
    return in_thread(lambda: stage.stream(input, config, **kwargs), None, config)


def transform_in_thread(
    stage: Runnable[Any, Any], input: AsyncIterable[Any], config: RunnableConfig | None, **kwargs: Any
) -> AsyncIterator[Any]:
    """``stage.transform`` as an async iterator; ``input`` is pulled on the loop and closed with the stream."""
    return in_thread(lambda chunks: stage.transform(chunks, config, **kwargs), aiter(input), config)


def in_thread(
    make: Callable[..., Iterable[Any]],
    input: AsyncIterator[Any] | None,
    config: RunnableConfig | None,
    ahead: Ahead | None = None,
) -> AsyncIterator[Any]:
    """Iterate in a worker thread over ``make()``, or ``make(chunks)`` where there is an async ``input``.

    Thread and input together are at most ``config["buffer_size"]`` chunks and ``config["buffer_bytes"]`` bytes ahead,
    or within ``ahead``, which is for several changes of thread in a row; the first to be given it pulls the source.
    ``aclose()`` returns after the iterator has been closed, in its thread, and ``input`` too, and the thread has ended.
    """
    blocks = _Blocks(make, input, ahead_of(config) if ahead is None else ahead)
    return async_closing_iterator(blocks, (blocks,), blocks=True)


class _Blocks:
    """The chunks of an iterator in a thread, as many at a time as are there: a turn of the loop for all of them.

    The block in hand counts as held. It is the smaller part of what may be: thread and loop change places when the rest
    is full or empty, which costs 30 us, a block 1.
    """

    def __init__(
        self, make: Callable[..., Iterable[Any]], input: AsyncIterator[Any] | None, ahead: Ahead
    ) -> None:
        self._make = make
        self._input = input
        self._ahead = ahead
        self._head = ahead.claim()
        self._block = 1 + min(ahead.items // 8, 64)
        self._context = copy_context()
        self._stream: ThreadStream[Any] | None = None
        self._closed = False

    def __aiter__(self) -> _Blocks:
        return self

    async def __anext__(self) -> list[Any]:
        if self._closed:
            raise StopAsyncIteration
        if self._stream is None:
            self._stream = self._context.run(self._start)
        channel = self._stream._channel
        if channel:
            return channel.get_many(self._block)
        return [await anext(self._stream)]

    def _start(self) -> ThreadStream[Any]:
        from .bridge import feed_from_async, iterate_in_thread

        make, ahead = self._make, self._ahead
        bounds: dict[str, Any] = {
            "buffer_size": ahead.items,
            "buffer_bytes": ahead.bytes,
            "ahead": ahead,
        }
        if self._input is None:
            return iterate_in_thread(make, head=self._head, **bounds)
        feed = feed_from_async(self._input, head=self._head, **bounds)
        return iterate_in_thread(lambda: make(feed), feed=feed, **bounds)

    async def aclose(self) -> None:
        """Close the iterator in its thread, and the input; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            await self._stream.aclose()
        elif (aclose := getattr(self._input, "aclose", None)) is not None:
            await aclose()
