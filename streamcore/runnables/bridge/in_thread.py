"""Sync stages under async callers: the work runs in one worker thread a stream, the event loop stays free."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from ..._backend import async_closing_iterator
from .ahead import Ahead, ahead_of
from .blocks import Blocks

if TYPE_CHECKING:
    from ..._backend import Channel
    from ..base import Runnable
    from ..config import RunnableConfig
    from .thread_stream import ThreadStream

__all__ = ["in_thread", "stream_in_thread", "transform_in_thread"]

T = TypeVar("T")


def stream_in_thread(
    stage: Runnable[Any, Any], input: Any, config: RunnableConfig | None, /, **kwargs: Any
) -> AsyncIterator[Any]:
    """``stage.stream`` as an async iterator."""
    return in_thread(lambda: stage.stream(input, config, **kwargs), None, config, stage)


def transform_in_thread(
    stage: Runnable[Any, Any], input: AsyncIterable[Any], config: RunnableConfig | None, /, **kwargs: Any
) -> AsyncIterator[Any]:
    """``stage.transform`` as an async iterator; ``input`` is pulled on the loop and closed with the stream."""
    return in_thread(lambda chunks: stage.transform(chunks, config, **kwargs), aiter(input), config, stage)


def in_thread(
    make: Callable[..., Iterable[Any]],
    input: AsyncIterator[Any] | None,
    config: RunnableConfig | None,
    of: object,
    ahead: Ahead | None = None,
) -> AsyncIterator[Any]:
    """Iterate in a worker thread, for ``of``, over ``make()``, or ``make(chunks)`` where there is an async ``input``.

    Thread and input together are at most ``config["buffer_size"]`` chunks and ``config["buffer_bytes"]`` bytes ahead,
    or within ``ahead``, which is for several changes of thread in a row; the first to be given it pulls the source.
    ``aclose()`` returns after the iterator has been closed, in its thread, and ``input`` too, and the thread has ended.
    """
    blocks = _ThreadBlocks(make, input, of, ahead_of(config) if ahead is None else ahead)
    return async_closing_iterator(blocks, (blocks,), blocks=True)


class _ThreadBlocks(Blocks):
    """The chunks of an iterator in a thread, which a block costs 1 us, and a change of threads 30."""

    def __init__(
        self,
        make: Callable[..., Iterable[Any]],
        input: AsyncIterator[Any] | None,
        of: object,
        ahead: Ahead,
    ) -> None:
        super().__init__(ahead.items, of)
        self._make = make
        self._input = input
        self._ahead = ahead
        self._head = ahead.claim()
        self._context = copy_context()  # the caller's, the only copy: the feed's is one of this
        self._stream: ThreadStream[Any] | None = None

    def _begin(self) -> tuple[Channel[Any], AsyncIterator[Any]]:
        from .async_feed import feed_from_async
        from .thread_stream import iterate_in_thread

        make, ahead = self._make, self._ahead
        bounds: dict[str, Any] = {
            "buffer_size": ahead.items,
            "buffer_bytes": ahead.bytes,
            "ahead": ahead,
        }
        if self._input is None:
            stream = iterate_in_thread(make, head=self._head, context=self._context, **bounds)
        else:  # no two threads may be in one context
            feed = feed_from_async(self._input, head=self._head, context=self._context.copy(), **bounds)
            stream = iterate_in_thread(lambda: make(feed), feed=feed, context=self._context, **bounds)
        self._stream = stream
        return stream._channel, stream

    async def _end(self) -> None:
        """Close the iterator in its thread, and the input."""
        if self._stream is not None:
            await self._stream.aclose()
        elif (aclose := getattr(self._input, "aclose", None)) is not None:
            await aclose()
