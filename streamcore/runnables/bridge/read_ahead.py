"""Reading ahead, for ``ops.buffer`` and operators with a time: the source runs in a thread, or a task, of its own.

Reader and consumer share a channel, or an ``inbox``, and nothing else: what is dropped on the consumer's side is
collected, and its finalizer ends the reader. The reader pulls only when there is room, so never more than ``ahead``
allows is ahead, what is in the consumer's hand included. It closes the source itself, where the source ran.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ..._backend import Channel, async_closing_iterator, closing_iterator
from ..._shared.notes import note_failure
from .ahead import Ahead
from .blocks import Blocks, most_in_hand
from .home import CANCELLED, Home, ended
from .inbox import LoopInbox, ThreadInbox
from .worker import new_channel, raise_first, start_worker

if TYPE_CHECKING:
    from .inbox import Kept

__all__ = ["aread_ahead", "aread_into", "read_ahead", "read_into", "reader_into"]

Note = Callable[[BaseException], object]


def read_ahead(source: Iterator[Any], ahead: Ahead) -> Iterator[Any]:
    """The items of ``source``, which a worker thread pulls up to ``ahead``, from the first item asked for on.

    ``close()`` returns after the thread has closed ``source`` and ended; a pull that is under way is waited for.
    """
    channel = new_channel(ahead.items, ahead.bytes, ahead, True)
    reader = _Reader(source, channel)
    items = _in_blocks(reader, channel, most_in_hand(ahead.items))
    return closing_iterator(items, (reader, items))


def _in_blocks(reader: _Reader, channel: Channel[Any], rest: int) -> Iterator[Any]:
    reader.begin()
    for item in channel:
        yield item
        if rest and channel:
            yield from channel.get_many(rest)


def read_into(source: Iterator[Any], kept: Kept, note: Note) -> Iterator[Any]:
    """What ``kept`` gives of the items of ``source``, as ``read_ahead`` pulls them; ``note`` is for its errors."""
    inbox = ThreadInbox(kept)
    reader = _Reader(source, inbox)
    items = _one_by_one(reader, inbox)
    return closing_iterator(items, (reader, items), note)


def _one_by_one(reader: _Reader, inbox: ThreadInbox) -> Iterator[Any]:
    reader.begin()
    yield from inbox


class _Reader:
    def __init__(self, source: Iterator[Any], channel: Any) -> None:
        self._source: Iterator[Any] | None = source
        self._channel = channel
        self._ended: Channel[BaseException | None] = Channel(1)  # how closing the source went
        self._context = copy_context()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        source = self._source
        assert source is not None
        self._source = None
        try:
            self._thread = start_worker(
                self._context, lambda: source, self._channel, self._ended, name="streamcore-buffer"
            )
        except BaseException:
            self._source = source
            raise

    def close(self) -> None:
        """End the thread and close the source; raises what its closing raised."""
        self._channel.close()
        source, self._source = self._source, None
        close = getattr(source, "close", None)
        if close is not None:
            close()
        thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return
        for failure in self._ended:
            if failure is not None:
                raise failure
        thread.join()


def aread_ahead(source: AsyncIterator[Any], ahead: Ahead, of: object) -> AsyncIterator[Any]:
    """``read_ahead`` of an async source, for the stage ``of``, by a task of the running asyncio loop.

    ``aclose()`` cancels a pull that is under way, and returns after the task has closed ``source`` and ended.
    """
    reader = _AsyncReader(source, new_channel(ahead.items, ahead.bytes, ahead, True), ahead.items, of)
    return async_closing_iterator(reader, (reader,), blocks=True)


def aread_into(source: AsyncIterator[Any], kept: Kept, note: Note, of: object) -> AsyncIterator[Any]:
    """Async ``read_into``, by a task, as ``aread_ahead``."""
    reader = _AsyncReader(source, LoopInbox(kept), 1, of)
    return async_closing_iterator(reader, (reader,), note, blocks=True)


def reader_into(source: AsyncIterator[Any], inbox: LoopInbox, of: object) -> Blocks:
    """Reads ``source`` into ``inbox`` by a task; gives what that gives, in lists of one, and closes ``source``."""
    return _AsyncReader(source, inbox, 1, of)


class _AsyncReader(Blocks):
    def __init__(self, source: AsyncIterator[Any], filled: Any, items: int, of: object) -> None:
        super().__init__(items, of)
        self._source = source
        self._filled = filled
        self._reading: _Reading | None = None

    def _begin(self) -> tuple[Channel[Any], AsyncIterator[Any]]:
        self._reading = _Reading(self._source, self._filled, self.home)
        return self._filled, self._filled

    async def _end(self) -> None:
        if self._reading is not None:
            await self._reading.stop()
        else:
            self._filled.close()
            await _aclose(self._source)


class _Reading:
    """The task that reads; it knows the source and the channel, so that a consumer may be dropped."""

    def __init__(self, source: AsyncIterator[Any], channel: Any, home: Home) -> None:
        import asyncio

        assert home.loop is not None
        self._home = home
        self._cancelled = asyncio.CancelledError
        self._begun = self._closing = False
        self._failure: BaseException | None = None
        self._source = source
        self._channel = channel
        self._task = home.loop.create_task(self._read())

    async def _read(self) -> None:
        self._begun = True
        channel, source = self._channel, self._source
        error: BaseException | None = None
        try:
            if isinstance(channel, LoopInbox):
                await channel._fill_from(source)
            else:
                await _fill(channel, source)
        except StopAsyncIteration:
            pass
        except GeneratorExit:  # the loop is gone
            channel.close()
            raise
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer
            error = caught
            if isinstance(error, self._cancelled) and self._task.cancelling() and not self._closing:
                error = RuntimeError(CANCELLED)
        self._closing = True
        try:
            await _aclose(source)
        except BaseException as failure:  # noqa: BLE001 - raised by the consumer's pull, or by stop()
            if channel.closed:
                self._failure = failure
            elif error is None:
                error = failure
            else:
                note_failure(error, f"closing {type(source).__name__}", failure)
        try:
            channel.close(error)
        finally:
            error = None  # its traceback holds this frame

    def _stop(self) -> None:
        self._channel.close()
        if self._begun and not self._closing:
            self._closing = True
            self._task.cancel()

    async def stop(self) -> None:
        abroad = self._home.is_abroad()
        if abroad and not self._home.is_gone():  # the task closes the source, when its loop runs
            assert self._home.loop is not None
            self._home.loop.call_soon_threadsafe(self._stop)
            return
        cancelled: BaseException | None = None
        if not abroad:
            self._stop()
            cancelled = await ended((self._task,))
        if not self._begun:  # cancelled before its first step, by the end of the loop
            self._begun = True
            await _aclose(self._source)
        failure, self._failure = self._failure, None
        raise_first(cancelled, failure)


async def _fill(channel: Channel[Any], source: AsyncIterator[Any]) -> None:
    while not channel.closed:
        if not channel._has_room():
            await channel._wait_for_room()
        await channel.aput(await anext(source))


async def _aclose(source: Any) -> None:
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()
