"""A sync iterator, run by a worker thread, for an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

from ..._backend import Channel
from ..._shared.limits import is_limit
from ..._shared.notes import note_failure
from ..config import DEFAULT_BUFFER_BYTES
from .ahead import Ahead
from .async_feed import AsyncFeed
from .worker import new_channel, raise_first, start_worker

__all__ = ["ThreadStream", "iterate_in_thread"]

T = TypeVar("T")


def iterate_in_thread(
    make_iterator: Callable[[], Iterable[T]],
    *,
    buffer_size: int,
    buffer_bytes: int = DEFAULT_BUFFER_BYTES,
    feed: AsyncFeed[Any] | None = None,
    ahead: Ahead | None = None,
    head: bool = False,
    context: Context | None = None,
) -> ThreadStream[T]:
    """Iterate in a worker thread over what ``make_iterator()`` gives, at most ``buffer_size`` items and
    ``buffer_bytes`` bytes ahead; ``ahead`` bounds all hand-offs of a pipeline, of which this may be the
    ``head``.

    The thread starts with the first item asked for, and runs in ``context``, or else a copy of that of this call.
    An error of the iterator is raised as it is, after the items before it. Ended or cancelled, the stream returns only
    after the iterator has been closed, once, by its thread, after the thread has ended and ``feed`` is closed. An
    iterator that is inside its ``__next__`` cannot be interrupted: closing waits for it, but not where a time limit
    ended the pull. Then its thread closes it when it returns.
    """
    channel: Channel[T] = new_channel(buffer_size, buffer_bytes, ahead, head)
    return ThreadStream(make_iterator, channel, feed, context or copy_context())


class ThreadStream(Generic[T]):
    """The async end of an iterator that lives in a worker thread of its own; see ``iterate_in_thread``."""

    def __init__(
        self,
        make_iterator: Callable[[], Iterable[T]],
        channel: Channel[T],
        feed: AsyncFeed[Any] | None,
        context: Context,
    ) -> None:
        self._channel = channel
        self._make_iterator: Callable[[], Iterable[T]] | None = make_iterator
        self._feed = feed
        self._context = context
        self._ended: Channel[BaseException | None] = Channel(1)  # how closing the iterator went
        self._thread: threading.Thread | None = None
        self._over = False
        self._left = False  # a time limit ended the pull: the thread is not waited for

    def __aiter__(self) -> ThreadStream[T]:
        return self

    async def __anext__(self) -> T:
        channel = self._channel
        if channel:  # this is the only consumer, so what is there stays there
            return channel.get(0)
        if self._over:
            raise StopAsyncIteration
        try:
            if self._make_iterator is not None:
                self._start(self._make_iterator)
            return await anext(channel)
        except StopAsyncIteration:
            await self.aclose()
            raise
        except BaseException as error:
            await self._close_after(error)
            raise

    async def aclose(self) -> None:
        """Close the iterator and what feeds it, and return when that is done; a second call does nothing
        more.

        Raises what the closing raised. A cancellation meanwhile is put off until everything is closed.
        """
        self._over = True
        self._make_iterator = None
        self._channel.close()
        if self._feed is not None:
            self._feed.close()
        raised: list[BaseException] = []
        cancelled: list[BaseException] = []
        while self._thread is not None and not self._left:
            try:
                async for failure in self._ended:
                    raised += [failure] if failure is not None else []
                self._thread.join()
                break
            except asyncio.CancelledError as error:  # anyio cancels again at every turn of the loop
                cancelled = [error]
        if self._feed is not None:
            try:
                await self._feed.aclose()
            except asyncio.CancelledError as error:
                cancelled = [error]
            except BaseException as failure:  # noqa: BLE001 - raised below
                raised.append(failure)
        while len(self._channel):
            self._channel.get_many()
        raise_first(*cancelled, *raised)

    def __del__(self) -> None:
        if self.__dict__.get("_thread") is not None:
            self._channel.close()
            if self._feed is not None:
                self._feed.close()

    def _start(self, make_iterator: Callable[[], Iterable[T]]) -> None:
        self._make_iterator = None
        self._thread = start_worker(
            self._context, make_iterator, self._channel, self._ended, self._feed, name="streamcore-stream"
        )

    async def _close_after(self, error: BaseException) -> None:
        """``aclose`` when ``error`` is about to be raised: what fails now becomes a note of it."""
        self._left = is_limit(error)
        try:
            await self.aclose()
        except asyncio.CancelledError:
            if not isinstance(error, asyncio.CancelledError):
                raise
        except BaseException as failure:  # noqa: BLE001 - told in the note
            note_failure(error, "closing the stream", failure)
