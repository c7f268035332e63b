"""Between sync and async at a cost per item that disappears: one worker thread and one channel a stream.

``iterate_in_thread``: a sync iterator, run by a worker thread, for an event loop.
``feed_from_async``: an async iterable of an event loop, for a sync consumer in such a thread.
``iterate_async_from_sync``: an async iterable, for a caller without a loop, on a private one.

Who may hold whom: the worker knows its channels and the iterator, never the stream that reads from it. So a
stream that is dropped is collected, its finalizer closes the channel, and the worker closes the iterator and
ends.

Worker threads are daemons: a source that blocks for ever must not keep the interpreter alive. At exit every
stream still open is closed, and its thread gets up to a second to close its source.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextvars import copy_context
from time import monotonic
from typing import Any, Generic, TypeVar

from .._backend import Channel
from .._shared.notes import note_failure
from ..errors import ChannelClosed
from .ahead import Ahead
from .config import DEFAULT_BUFFER_BYTES

__all__ = ["AsyncFeed", "ThreadStream", "feed_from_async", "iterate_async_from_sync", "iterate_in_thread"]

T = TypeVar("T")

EXIT_SECONDS = 1.0
END = object()
_workers: dict[threading.Thread, Channel[Any]] = {}  # of the streams under way


def iterate_in_thread(
    make_iterator: Callable[[], Iterable[T]],
    *,
    buffer_size: int,
    buffer_bytes: int = DEFAULT_BUFFER_BYTES,
    feed: AsyncFeed[Any] | None = None,
    ahead: Ahead | None = None,
    head: bool = False,
) -> ThreadStream[T]:
    """Iterate in a worker thread over what ``make_iterator()`` gives, at most ``buffer_size`` items and
    ``buffer_bytes`` bytes ahead; ``ahead`` bounds all hand-offs of a pipeline, of which this may be the
    ``head``.

    The thread starts with the first item asked for, and runs in a copy of the context of this call. An error
    of the iterator is raised as it is, after the items before it. Ended or cancelled, the stream returns only
    after the iterator has been closed, once, by its thread, after the thread has ended and ``feed`` is
    closed. An iterator that is inside its ``__next__`` cannot be interrupted: closing waits for it.
    """
    return ThreadStream(make_iterator, _channel(buffer_size, buffer_bytes, ahead, head), feed)


def _channel(buffer_size: int, buffer_bytes: int, ahead: Ahead | None, head: bool) -> Channel[Any]:
    channel: Channel[Any] = Channel(buffer_size, buffer_bytes=buffer_bytes)
    if ahead is not None:
        ahead.join(channel, head=head)
    return channel


class ThreadStream(Generic[T]):
    """The async end of an iterator that lives in a worker thread of its own; see ``iterate_in_thread``."""

    def __init__(
        self, make_iterator: Callable[[], Iterable[T]], channel: Channel[T], feed: AsyncFeed[Any] | None
    ) -> None:
        self._channel = channel
        self._make_iterator: Callable[[], Iterable[T]] | None = make_iterator
        self._feed = feed
        self._context = copy_context()
        self._ended: Channel[BaseException | None] = Channel(1)  # how closing the iterator went
        self._thread: threading.Thread | None = None
        self._over = False

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
        while self._thread is not None:
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
        _raise_first(*cancelled, *raised)

    def __del__(self) -> None:
        if self.__dict__.get("_thread") is not None:
            self._channel.close()
            if self._feed is not None:
                self._feed.close()

    def _start(self, make_iterator: Callable[[], Iterable[T]]) -> None:
        self._make_iterator = None
        thread = threading.Thread(
            target=self._context.run,
            args=(_work, make_iterator, self._channel, self._ended, self._feed),
            name="streamcore-stream",
            daemon=True,
        )
        _workers[thread] = self._channel
        try:
            thread.start()
        except BaseException:
            del _workers[thread]
            raise
        self._thread = thread

    async def _close_after(self, error: BaseException) -> None:
        """``aclose`` when ``error`` is about to be raised: what fails now becomes a note of it."""
        try:
            await self.aclose()
        except asyncio.CancelledError:
            if not isinstance(error, asyncio.CancelledError):
                raise
        except BaseException as failure:  # noqa: BLE001 - told in the note
            note_failure(error, "closing the stream", failure)


def _work(
    make_iterator: Callable[[], Iterable[T]],
    channel: Channel[T],
    ended: Channel[BaseException | None],
    feed: AsyncFeed[Any] | None,
) -> None:
    """What the worker thread does: iterate, close, and say how it ended."""
    iterator: Iterator[T] | None = None
    error: BaseException | None = None
    failure: BaseException | None = None
    try:
        try:
            iterator = iter(make_iterator())
            channel._put_from(iterator)
        except (ChannelClosed, GeneratorExit) as caught:
            error = None if channel.closed else caught  # the stream was closed: the end that was asked for
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer
            error = caught
        failure = _close_sync(iterator)
        if failure is not None and not channel.closed:
            if error is None:
                error = failure
            else:
                note_failure(error, f"closing {type(iterator).__name__}", failure)
            failure = None
    finally:
        del iterator, make_iterator
        if feed is not None:
            feed.close()
        channel.close(error)
        ended.put(failure)
        ended.close()
        _workers.pop(threading.current_thread(), None)


def _raise_first(*errors: BaseException | None) -> None:
    """Raise the first error there is; the others become notes of it."""
    there = [error for error in errors if error is not None]
    for other in there[1:]:
        note_failure(there[0], "closing the stream", other)
    if there:
        raise there[0]


def _close_sync(iterator: object) -> BaseException | None:
    close = getattr(iterator, "close", None)
    if close is not None:
        try:
            close()
        except BaseException as failure:  # noqa: BLE001 - handed to whoever closes the stream
            return failure
    return None


def feed_from_async(
    source: AsyncIterable[T],
    *,
    buffer_size: int,
    buffer_bytes: int = DEFAULT_BUFFER_BYTES,
    ahead: Ahead | None = None,
    head: bool = False,
) -> AsyncFeed[T]:
    """An iterator over ``source``, for another thread; ``source`` runs on the event loop that is running
    here.

    The loop pulls from the first ``next()`` on, at most ``buffer_size`` items and ``buffer_bytes`` bytes ahead;
    ``ahead`` and ``head`` as in ``iterate_in_thread``. ``close()`` (from any
    thread) and ``await aclose()`` (on the loop) cancel the pull under way and await the source's
    ``aclose()``, once; ``next()`` then raises GeneratorExit, as if the consumer were a generator that is
    closed.
    """
    return AsyncFeed(source, _channel(buffer_size, buffer_bytes, ahead, head))


class FeedClosed(GeneratorExit):
    """What a consumer gets whose feed was closed; it passes ``except Exception``, as a generator's end
    does."""


class AsyncFeed(Generic[T]):
    """The sync end of an async iterable that lives on an event loop; see ``feed_from_async``."""

    def __init__(self, source: AsyncIterable[T], channel: Channel[T]) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = aiter(source)
        self._channel = channel
        self._context = copy_context()
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
        cancelled: asyncio.CancelledError | None = None
        self._cancel()
        while self._task is not None and not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                cancelled = error
        if not self._pulling:  # no task, or one that was cancelled before its first step
            await self._close_source()
        failure, self._failure = self._failure, None
        _raise_first(cancelled, failure)

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
        aclose = getattr(self._source, "aclose", None)
        try:
            if aclose is not None:
                await aclose()
        except BaseException as failure:  # noqa: BLE001 - raised by aclose(), or after the last item
            self._failure = failure


def iterate_async_from_sync(make_iterator: Callable[[], AsyncIterable[T]]) -> LoopStream[T]:
    """Iterate over what ``make_iterator()`` gives on a private event loop, which runs only while an item is
    asked for.

    A RuntimeError where an event loop is running, here or at ``next()``. ``close()`` closes the iterator,
    cancels what it left behind and closes the loop, before it returns; dropping the stream does the same.
    """
    _refuse_running_loop()
    return LoopStream(make_iterator)


class LoopStream(Generic[T]):
    """The sync end of an async iterator on a loop of its own; see ``iterate_async_from_sync``.

    About 9 us an item, of which the loop's start and stop are nearly all. Reading ahead while the loop runs
    would hide that, and would hold back an item that is ready whenever the source works without awaiting.
    """

    def __init__(self, make_iterator: Callable[[], AsyncIterable[T]]) -> None:
        self._make_iterator = make_iterator
        self._iterator: AsyncIterator[T] | None = None
        self._runner: asyncio.Runner | None = None
        self._task: asyncio.Task[Any] | None = None
        self._context = copy_context()
        self._ended = False

    def __iter__(self) -> LoopStream[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        _refuse_running_loop()
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        try:
            loop = (
                self._runner.get_loop()
            )  # Runner.run() would set a SIGINT handler for each item: 30 us, not 9
            self._task = loop.create_task(self._pull(), context=self._context)
            item: Any = loop.run_until_complete(self._task)
        except BaseException as error:
            self._close_after(error)
            raise
        if item is END:
            self.close()
            raise StopIteration
        return item  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the iterator and the loop; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        if self._runner is None:
            return
        if asyncio._get_running_loop() is None:
            self._shut(self._runner)
            return
        # The last reference went inside another loop: that one cannot wait for ours, a thread can.
        failures: list[BaseException] = []
        thread = threading.Thread(target=self._shut_in_thread, args=(self._runner, failures))
        thread.start()
        thread.join()
        for failure in failures:
            raise failure

    def __del__(self) -> None:
        if not self.__dict__.get("_ended", True):
            self.close()

    def _close_after(self, error: BaseException) -> None:
        try:
            self.close()
        except BaseException as failure:  # noqa: BLE001 - told in the note
            note_failure(error, "closing the stream", failure)

    def _shut(self, runner: asyncio.Runner) -> None:
        with runner:
            loop = runner.get_loop()
            if self._task is not None and not self._task.done():  # interrupted: it has the iterator still
                self._task.cancel()
                loop.run_until_complete(asyncio.wait([self._task]))
            loop.run_until_complete(loop.create_task(self._aclose(), context=self._context))

    def _shut_in_thread(self, runner: asyncio.Runner, failures: list[BaseException]) -> None:
        try:
            self._shut(runner)
        except BaseException as failure:  # noqa: BLE001 - raised by close()
            failures.append(failure)

    async def _pull(self) -> Any:
        if self._iterator is None:
            self._iterator = aiter(self._make_iterator())
        return await anext(self._iterator, END)

    async def _aclose(self) -> None:
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


def _refuse_running_loop() -> None:
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("an event loop is running in this thread: use the async method")


@atexit.register
def _close_at_exit() -> None:
    until = monotonic() + EXIT_SECONDS
    for channel in list(_workers.values()):
        channel.close()
    for thread in list(_workers):
        thread.join(max(0.0, until - monotonic()))
