"""An async iterable of an event loop, for a sync consumer in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextvars import Context, copy_context
from typing import Generic, TypeVar

from ..._backend import Channel
from ...errors import ChannelClosed
from ..config import DEFAULT_BUFFER_BYTES
from .ahead import Ahead
from .home import CANCELLED, ended
from .worker import new_channel, raise_first

__all__ = ["AsyncFeed", "feed_from_async"]

T = TypeVar("T")


def feed_from_async(
    source: AsyncIterable[T],
    *,
    buffer_size: int,
    buffer_bytes: int = DEFAULT_BUFFER_BYTES,
    ahead: Ahead | None = None,
    head: bool = False,
    context: Context | None = None,
) -> AsyncFeed[T]:
    """An iterator over ``source``, for another thread; ``source`` runs on the event loop that is running
    here.

    The loop pulls from the first ``next()`` on, at most ``buffer_size`` items and ``buffer_bytes`` bytes ahead;
    ``ahead``, ``head`` and ``context`` as in ``iterate_in_thread``. ``close()`` (from any
    thread) and ``await aclose()`` (on the loop) cancel the pull under way and await the source's
    ``aclose()``, once; ``next()`` then raises GeneratorExit, as if the consumer were a generator that is
    closed.
    """
    return AsyncFeed(source, new_channel(buffer_size, buffer_bytes, ahead, head), context or copy_context())


class FeedClosed(GeneratorExit):
    """What a consumer gets whose feed was closed; it passes ``except Exception``, as a generator's end
    does."""


class AsyncFeed(Generic[T]):
    """The sync end of an async iterable that lives on an event loop; see ``feed_from_async``."""

    def __init__(self, source: AsyncIterable[T], channel: Channel[T], context: Context) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = aiter(source)
        self._channel = channel
        self._context = context
        self._started = False
        self._task: asyncio.Task[None] | None = None
        self._pulling = False  # the task has begun, and will close the source
        self._closing = False  # the source's aclose() has begun, or is next
        self._failure: BaseException | None = None

    def __iter__(self) -> AsyncFeed[T]:
        return self

    def __next__(self) -> T:
        if not self._started and not self._channel.closed:
            self._started = True
            self._loop.call_soon_threadsafe(self._start, context=self._context)
        return next(self._channel)

    def close(self) -> None:
        """End the consumer's iteration and cancel the pull; returns at once."""
        self._channel.close(FeedClosed("the stream was closed"))
        if self._started and not self._closing and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    async def aclose(self) -> None:
        """``close``, and return when the source is closed; raises what its closing raised."""
        self._channel.close(FeedClosed("the stream was closed"))
        if asyncio._get_running_loop() is not self._loop and self._started:  # its task closes the source
            self.close()
            return
        self._cancel()
        cancelled = None if self._task is None else await ended((self._task,))
        if not self._pulling:  # no task, or one that was cancelled before its first step
            if asyncio._get_running_loop() is None:
                await self._close_source()
            elif not self._closing:
                self._closing = True
                # a task: a cancellation does not reach the source's aclose()
                closing = asyncio.create_task(self._end_source(), context=self._context)
                cancelled = await ended((closing,)) or cancelled
        failure, self._failure = self._failure, None
        raise_first(cancelled, failure)

    def _start(self) -> None:
        if not self._closing:
            self._task = self._loop.create_task(self._pull())

    def _cancel(self) -> None:
        if self._task is not None and self._pulling and not self._closing:
            self._closing = True
            self._task.cancel()

    async def _pull(self) -> None:
        """Pull and close in one task: what the source opened for itself may insist on that."""
        channel, source = self._channel, self._source
        self._pulling = True
        try:
            while True:
                if not channel._has_room():
                    await channel._wait_for_room()
                await channel.aput(await anext(source))
        except (StopAsyncIteration, FeedClosed):
            pass
        except GeneratorExit:  # the loop was closed and this coroutine thrown away: nothing can be awaited
            channel.close(ChannelClosed("the event loop that feeds this stream was closed"))
            raise
        except BaseException as error:  # noqa: BLE001 - handed to the consumer
            if isinstance(error, asyncio.CancelledError) and not self._closing and _is_cancelled():
                error = RuntimeError(CANCELLED)
            channel.close(error)
        self._closing = False
        await self._close_source()
        if not channel.closed:
            failure, self._failure = self._failure, None
            channel.close(failure)

    async def _close_source(self) -> None:
        if self._closing:
            return
        self._closing = True
        await self._end_source()

    async def _end_source(self) -> None:
        aclose = getattr(self._source, "aclose", None)
        try:
            if aclose is not None:
                await aclose()
        except BaseException as failure:  # noqa: BLE001 - raised by aclose(), or after the last item
            self._failure = failure


def _is_cancelled() -> bool:
    """Whether somebody cancelled the task that runs here."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
