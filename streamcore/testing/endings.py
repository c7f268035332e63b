"""Ways to end a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

__all__ = ["ASYNC_ENDINGS", "ENDINGS", "TURNS", "aexhaust", "cancelled_after"]

TURNS = 40
"""Turns of the loop after which a task is cancelled at the latest."""


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


async def aexhaust(stream: Any) -> None:
    async for _ in stream:
        pass


async def _aclose_at_once(stream: Any) -> None:
    await stream.aclose()
    await stream.aclose()


async def _aclose_half_way(stream: Any) -> None:
    await anext(stream, None)
    await stream.aclose()


ASYNC_ENDINGS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "exhausted": aexhaust,
    "closed at once": _aclose_at_once,
    "closed after one chunk": _aclose_half_way,
}


async def cancelled_after(turns: int, work: Any, within: float) -> str | None:
    """Cancel the coroutine ``work`` after so many turns of the loop: "cancelled", or what became of it instead.

    None if it had ended by then.
    """
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    if not task.cancel():
        if not task.cancelled():
            task.exception()  # seen, so that nothing is logged
        return None
    await asyncio.wait([task], timeout=within)
    if not task.done():
        return "went on"
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return "came to a regular end" if error is None else f"raised {error!r}"
