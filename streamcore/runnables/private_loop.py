"""Async-only Runnables under sync callers: each call or stream has an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._backend import closing_iterator
from .bridge import iterate_async_from_sync

if TYPE_CHECKING:
    from .base import Runnable
    from .config import RunnableConfig

__all__ = ["invoke", "stream", "transform"]


def invoke(stage: Runnable[Any, Any], input: Any, config: RunnableConfig | None, **kwargs: Any) -> Any:
    """``ainvoke`` to its end; a RuntimeError inside a running event loop."""
    _refuse_running_loop(stage, "ainvoke")
    return asyncio.run(_as_coroutine(stage.ainvoke(input, config, **kwargs)))


def stream(
    stage: Runnable[Any, Any], input: Any, config: RunnableConfig | None, **kwargs: Any
) -> Iterator[Any]:
    """Pull ``astream`` on a loop that runs only while a chunk is asked for."""
    _refuse_running_loop(stage, "astream")
    return iterate_async_from_sync(lambda: stage.astream(input, config, **kwargs))


def transform(
    stage: Runnable[Any, Any], input: Iterable[Any], config: RunnableConfig | None, **kwargs: Any
) -> Iterator[Any]:
    """Pull ``atransform`` as ``stream`` does; ``input`` is pulled on the loop and closed with the stream."""
    _refuse_running_loop(stage, "atransform")
    iterator = iter(input)
    output = iterate_async_from_sync(lambda: stage.atransform(_as_async(iterator), config, **kwargs))
    return closing_iterator(output, (iterator, output))


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable


async def _as_async(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


def _refuse_running_loop(stage: Runnable[Any, Any], twin: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(f"{stage!r} has async methods only and an event loop is running here: use {twin}")
