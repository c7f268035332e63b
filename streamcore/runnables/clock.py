"""The clock of Runnables, and waiting by it: call ``clock.now()``, so that a test can put another in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["asleep", "now", "sleep", "unwanted"]

SLICE = 0.02  # seconds after which a worker looks whether its stream was closed meanwhile

unwanted: ContextVar[Callable[[], bool] | None] = ContextVar("streamcore_unwanted", default=None)
"""In a worker thread: says whether the stream that it works for has been closed."""

now = time.monotonic


def sleep(seconds: float) -> None:
    """Wait; in a worker whose stream is closed meanwhile raise GeneratorExit, as a closed generator would."""
    closed = unwanted.get()
    if closed is None:
        if seconds > 0:
            time.sleep(seconds)
        return
    until = now() + seconds
    while (left := until - now()) > 0:
        if closed():
            raise GeneratorExit
        time.sleep(min(left, SLICE))


async def asleep(seconds: float) -> None:
    """Wait on the running event loop; a cancellation ends it at once."""
    if seconds > 0:
        import asyncio

        await asyncio.sleep(seconds)
