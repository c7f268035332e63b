"""Ways to end a stream, and the async sources of ``streamcore.testing``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

__all__ = ["ASYNC_ENDINGS", "ENDINGS", "AsyncSource", "GatedSource"]


def _exhaust(stream: Iterator[Any]) -> None:
    for _ in stream:
        pass


def _close_at_once(stream: Any) -> None:
    stream.close()
    stream.close()


def _close_half_way(stream: Any) -> None:
    next(stream, None)
    stream.close()


def _drop(stream: Iterator[Any]) -> None:
    next(stream, None)
    del stream


ENDINGS: dict[str, Callable[[Any], None]] = {
    "exhausted": _exhaust,
    "closed at once": _close_at_once,
    "closed after one chunk": _close_half_way,
    "dropped after one chunk": _drop,
}


class AsyncSource:
    """A ``RecordingSource`` for async streams; each pull takes a turn of the loop."""

    def __init__(self, counts: Any) -> None:
        self.counts = counts

    def __aiter__(self) -> AsyncSource:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        try:
            return next(self.counts)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.counts.close()
        await asyncio.sleep(0)


async def _aexhaust(stream: Any) -> None:
    async for _ in stream:
        pass


async def _aclose_at_once(stream: Any) -> None:
    await stream.aclose()
    await stream.aclose()


async def _aclose_half_way(stream: Any) -> None:
    await anext(stream, None)
    await stream.aclose()


async def _cancel(stream: Any) -> None:
    task = asyncio.ensure_future(_aexhaust(stream))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await stream.aclose()


ASYNC_ENDINGS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "exhausted": _aexhaust,
    "closed at once": _aclose_at_once,
    "closed after one chunk": _aclose_half_way,
    "cancelled, then closed": _cancel,
}


class GatedSource:
    """An async source that gives as many of ``elements`` as it is told to, and waits before the next one."""

    def __init__(self, elements: Any) -> None:
        self._elements = elements
        self._at = 0
        self._allowed = asyncio.Semaphore(0)

    def allow_one(self) -> None:
        self._allowed.release()

    def __aiter__(self) -> GatedSource:
        return self

    async def __anext__(self) -> Any:
        await self._allowed.acquire()
        self._at += 1
        return self._elements[self._at - 1 : self._at]
