"""Sync stages under async callers: the work runs in a worker thread, the event loop stays free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Runnable
    from .config import RunnableConfig

__all__ = ["in_thread", "stream_in_thread", "transform_in_thread"]

END = object()


def stream_in_thread(
    stage: Runnable[Any, Any], input: Any, config: RunnableConfig | None, **kwargs: Any
) -> AsyncIterator[Any]:
    """``stage.stream`` as an async iterator."""
    return in_thread(lambda: stage.stream(input, config, **kwargs), None, config)


def transform_in_thread(
    stage: Runnable[Any, Any], input: AsyncIterable[Any], config: RunnableConfig | None, **kwargs: Any
) -> AsyncIterator[Any]:
    """``stage.transform`` as an async iterator; ``input`` is awaited on the loop and closed with the stream."""
    return in_thread(lambda chunks: stage.transform(chunks, config, **kwargs), aiter(input), config)


def in_thread(
    make: Callable[..., Iterable[Any]], input: AsyncIterator[Any] | None, config: RunnableConfig | None
) -> AsyncIterator[Any]:
    """Iterate in a worker thread over ``make()``, or ``make(chunks)`` where there is an async ``input``.

    ``aclose()`` returns after the iterator has been closed, in its thread, and ``input`` too.
    """
    return ThreadStream(make, input)


class ThreadStream:
    """The async end of an iterator that lives in a worker thread of its own."""

    def __init__(self, make: Callable[..., Iterable[Any]], input: AsyncIterator[Any] | None) -> None:
        self._make = make
        self._input = input
        self._iterator: Iterator[Any] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._context = copy_context()
        self._ended = False

    def __aiter__(self) -> ThreadStream:
        return self

    async def __anext__(self) -> Any:
        if self._ended:
            raise StopAsyncIteration
        try:
            chunk = await self._run(self._pull, asyncio.get_running_loop())
        except BaseException:
            await self.aclose()
            raise
        if chunk is END:
            await self.aclose()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            if self._pool is not None:
                await self._run(self._close)
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=False)
            close = getattr(self._input, "aclose", None)
            if close is not None:
                await close()

    async def _run(self, call: Callable[..., Any], *args: Any) -> Any:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="streamcore-stream")
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._context.run, call, *args)
        return await asyncio.shield(future)

    def _pull(self, loop: asyncio.AbstractEventLoop) -> Any:
        if self._iterator is None:
            chunks = () if self._input is None else (_pulled_from(self._input, loop),)
            self._iterator = iter(self._make(*chunks))
        return next(self._iterator, END)

    def _close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


def _pulled_from(input: AsyncIterator[Any], loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    """The chunks of ``input``, each awaited on ``loop`` from another thread."""

    async def pull() -> Any:
        return await anext(input, END)

    while (chunk := asyncio.run_coroutine_threadsafe(pull(), loop).result()) is not END:
        yield chunk
