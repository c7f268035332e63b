"""Stages that keep their consumer waiting, on a clock that stands still, and what a limit in time does about it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from loops import LONG, in_thread
from passing import apassed, passed

from streamcore import (
    RunnableGenerator,
    RunnableLambda,
    StreamTimeout,
)

__all__ = [
    "LIMITS",
    "Gate",
    "Stuck",
    "alate",
    "all_ended",
    "both",
    "late",
    "passing",
    "waiting",
    "workers",
]

both = pytest.mark.parametrize("mode", ["sync", "async"])


class Gate:
    """Where a stage is held until the test opens it."""

    def __init__(self):
        self._reached, self._open = threading.Event(), threading.Event()

    def hold(self):
        self._reached.set()
        assert self._open.wait(LONG)

    def reached(self):
        assert self._reached.wait(LONG)

    def open(self):
        """Let all go on, and return when their threads have ended; the next ones are held again."""
        self._open.set()
        all_ended()
        self._open.clear()
        self._reached.clear()


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("streamcore")]


def all_ended():
    for thread in workers():
        thread.join(LONG)
        assert not thread.is_alive()


def passing():
    return RunnableGenerator(passed, apassed, name="passing")


def waiting(clock):
    """Return when some thread waits for a time."""
    with clock.changed:
        assert clock.changed.wait_for(lambda: any(time is not None for _, time in clock.waiting), LONG)


def late(clock, call, seconds, before=lambda: None):
    """What ``call`` raises when the time goes on while it waits in a thread."""
    pull = in_thread(call)
    waiting(clock)
    before()
    clock.advance(seconds)
    with pytest.raises(StreamTimeout) as caught:
        pull()
    return caught.value


async def alate(clock, coroutine, seconds):
    task = asyncio.create_task(coroutine)
    await clock.aadvance(seconds)
    with pytest.raises(StreamTimeout) as caught:
        await task
    assert clock.timers == []
    return caught.value


LIMITS = {
    "total": ({"timeout": 5}, "the call took more than 5 s"),
    "first chunk": ({"first_chunk_timeout": 5}, "no first chunk within 5 s"),
    "chunk": ({"chunk_timeout": 5}, "no chunk within 5 s"),
}


class Stuck:
    """A function of both kinds that returns when it is let."""

    def __init__(self):
        self.gate, self.cancelled = Gate(), 0

    def sync(self, x):
        self.gate.hold()
        return x

    async def asynchronous(self, x):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    @property
    def stage(self):
        return RunnableLambda(self.sync, self.asynchronous, name="stuck")
