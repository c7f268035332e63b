"""Bounded read-ahead for ``ops.buffer``: the source runs in a thread, or a task, of its own.

Reader and consumer share a channel, and nothing else: what is dropped on the consumer's side is collected, and its
finalizer ends the reader. The reader pulls only when there is room, so never more than ``ahead`` allows is ahead, what
is in the consumer's hand included. It closes the source itself, where the source ran.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import copy_context
from typing import Any

from ..._backend import Channel, async_closing_iterator, closing_iterator
from ..._shared.notes import note_failure
from .ahead import Ahead
from .blocks import Blocks, most_in_hand
from .worker import new_channel, raise_first, start_worker

__all__ = ["aread_ahead", "read_ahead"]


def read_ahead(source: Iterator[Any], ahead: Ahead) -> Iterator[Any]:
    """The items of ``source``, which a worker thread pulls up to ``ahead``, from the first item asked for on.

    ``close()`` returns after the thread has closed ``source`` and ended; a pull that is under way is waited for.
    """
    reader = _Reader(source, ahead)
    items = reader.items()
    return closing_iterator(items, (reader, items))


class _Reader:
    def __init__(self, source: Iterator[Any], ahead: Ahead) -> None:
        self._source: Iterator[Any] | None = source
        self._rest = most_in_hand(ahead.items)
        self._channel = new_channel(ahead.items, ahead.bytes, ahead, True)
        self._ended: Channel[BaseException | None] = Channel(1)  # how closing the source went
        self._context = copy_context()
        self._thread: threading.Thread | None = None

    def items(self) -> Iterator[Any]:
        self._start()
        channel, rest = self._channel, self._rest
        for item in channel:
            yield item
            if rest and channel:
                yield from channel.get_many(rest)

    def _start(self) -> None:
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


def aread_ahead(source: AsyncIterator[Any], ahead: Ahead) -> AsyncIterator[Any]:
    """``read_ahead`` of an async source by a task of the running asyncio loop.

    ``aclose()`` cancels a pull that is under way, and returns after the task has closed ``source`` and ended.
    """
    reader = _AsyncReader(source, ahead)
    return async_closing_iterator(reader, (reader,), blocks=True)


class _AsyncReader(Blocks):
    def __init__(self, source: AsyncIterator[Any], ahead: Ahead) -> None:
        super().__init__(ahead.items)
        self._source = source
        self._filled: Channel[Any] = new_channel(ahead.items, ahead.bytes, ahead, True)
        self._reading: _Reading | None = None

    def _begin(self) -> tuple[Channel[Any], AsyncIterator[Any]]:
        self._reading = _Reading(self._source, self._filled)
        return self._filled, self._filled

    async def _end(self) -> None:
        if self._reading is not None:
            await self._reading.stop()
        else:
            self._filled.close()
            await _aclose(self._source)


class _Reading:
    """The task that reads; it knows the source and the channel, so that a consumer may be dropped."""

    def __init__(self, source: AsyncIterator[Any], channel: Channel[Any]) -> None:
        import asyncio

        self._wait = asyncio.wait
        self._cancelled = asyncio.CancelledError
        self._begun = self._closing = False
        self._failure: BaseException | None = None
        self._source = source
        self._channel = channel
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        self._begun = True
        channel, source = self._channel, self._source
        error: BaseException | None = None
        try:
            while not channel.closed:
                if not channel._has_room():
                    await channel._wait_for_room()
                await channel.aput(await anext(source))
        except StopAsyncIteration:
            pass
        except GeneratorExit:  # the loop is gone
            channel.close()
            raise
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer
            error = caught
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
        channel.close(error)

    async def stop(self) -> None:
        self._channel.close()
        if self._begun and not self._closing:
            self._closing = True
            self._task.cancel()
        cancelled: BaseException | None = None
        while not self._task.done():
            try:
                await self._wait([self._task])
            except self._cancelled as error:  # put off until the source is closed
                cancelled = error
        if not self._begun:  # cancelled before its first step, by the end of the loop
            self._begun = True
            await _aclose(self._source)
        failure, self._failure = self._failure, None
        raise_first(cancelled, failure)


async def _aclose(source: Any) -> None:
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()
