"""The clock of Runnables, and waiting by it: call ``clock.now()``, so that a test can put another in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from threading import Condition

__all__ = ["asleep", "call_later", "now", "sleep", "unwanted", "wait"]

SLICE = 0.02  # seconds after which a worker looks whether its stream was closed meanwhile
MOST = 1_000_000.0  # seconds of one wait; a lock takes no more than some 9e9

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


async def asleep(seconds: float, of: object = "waiting") -> None:
    """Wait, for ``of``, on the running event loop; a cancellation ends it at once."""
    if seconds > 0:
        import asyncio

        from .bridge.home import needed_loop

        needed_loop(of)
        await asyncio.sleep(seconds)


def wait(condition: Condition, seconds: float | None) -> None:
    """Wait until ``condition``, whose lock is held, is notified, or the time is over; it may also end before."""
    condition.wait(None if seconds is None else min(seconds, MOST))


def call_later(seconds: float, call: Callable[[], object]) -> TimerHandle:
    """Have the running event loop make the ``call`` after that time; what is returned has a ``cancel()``."""
    import asyncio

    return asyncio.get_running_loop().call_later(seconds, call)
