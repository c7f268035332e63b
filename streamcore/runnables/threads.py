"""Sync stages under async callers: the work runs in one worker thread a stream, the event loop stays free."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from .._backend import async_closing_iterator
from .._notes import STOPPED
from .config import DEFAULT_BUFFER_SIZE

if TYPE_CHECKING:
    from .base import Runnable
    from .bridge import ThreadStream
    from .config import RunnableConfig

__all__ = ["buffer_size", "in_thread", "run_in_thread", "stream_in_thread", "transform_in_thread"]

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
    make: Callable[..., Iterable[Any]], input: AsyncIterator[Any] | None, config: RunnableConfig | None
) -> AsyncIterator[Any]:
    """Iterate in a worker thread over ``make()``, or ``make(chunks)`` where there is an async ``input``.

    The thread is at most ``config["buffer_size"]`` chunks ahead, and so is the input. ``aclose()`` returns after the
    iterator has been closed, in its thread, and ``input`` too, and the thread has ended.
    """
    blocks = _Blocks(make, input, buffer_size(config))
    return async_closing_iterator(blocks, (blocks,), blocks=True)


def buffer_size(config: RunnableConfig | None) -> int:
    """How many chunks a hand-off of the call may hold."""
    size = (config or {}).get("buffer_size", DEFAULT_BUFFER_SIZE)
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"buffer_size must be an int, got {type(size).__name__}")
    if size < 1:
        raise ValueError(f"buffer_size must be positive, got {size}")
    return size


class _Blocks:
    """The chunks of an iterator in a thread, as many at a time as are there: a turn of the loop for all of them.

    What is buffered is split between the channel and the block in hand, so that both together hold ``size`` chunks. The
    channel gets the larger part: thread and loop change places when it is full or empty, which costs 30 us, a block 1.
    """

    def __init__(
        self, make: Callable[..., Iterable[Any]], input: AsyncIterator[Any] | None, size: int
    ) -> None:
        self._make = make
        self._input = input
        self._size = size
        self._rest = min(size // 8, 64)  # of a block, beyond the chunk that is asked for
        self._channel_size = size - self._rest
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
            return channel.get_many(self._rest + 1)
        return [await anext(self._stream)]

    def _start(self) -> ThreadStream[Any]:
        from .bridge import feed_from_async, iterate_in_thread

        if self._input is None:
            return iterate_in_thread(self._make, buffer_size=self._channel_size)
        feed = feed_from_async(self._input, buffer_size=self._size)
        make = self._make
        return iterate_in_thread(lambda: make(feed), buffer_size=self._channel_size, feed=feed)

    async def aclose(self) -> None:
        """Close the iterator in its thread, and the input; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            await self._stream.aclose()
        elif (aclose := getattr(self._input, "aclose", None)) is not None:
            await aclose()
