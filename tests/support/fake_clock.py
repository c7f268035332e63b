"""A clock that stands still until a test moves it, for ``streamcore.runnables.clock``; and sources fed by hand."""

from __future__ import annotations

import asyncio
import queue
import threading

from loops import LONG, turns

from streamcore.runnables import clock

__all__ = ["AsyncFed", "FakeClock", "Fed"]

SETTLED = 12
"""Turns of the loop after which whatever could go on has gone on."""


class FakeClock:
    """Waits of threads and timers of loops end when ``advance`` or ``aadvance`` comes to their time."""

    def __init__(self, monkeypatch):
        self.time = 0.0
        self.slept = []
        self.timers = []
        self.waiting = []
        self.changed = threading.Condition()
        for name in "now", "sleep", "asleep", "wait", "call_later":
            monkeypatch.setattr(clock, name, getattr(self, name))

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += max(seconds, 0)

    async def asleep(self, seconds, of=None):
        self.sleep(seconds)
        await asyncio.sleep(0)

    # -- threads

    def wait(self, condition, seconds):
        waiter = (condition, None if seconds is None else self.time + seconds)
        with self.changed:
            self.waiting.append(waiter)
            self.changed.notify_all()
        try:
            assert condition.wait(LONG), "nobody ended the wait"
        finally:
            with self.changed:
                self.waiting.remove(waiter)

    def until_waiting(self, *times):
        """Return when these are the times that threads wait for."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: sorted(time for _, time in self.waiting if time is not None) == sorted(times), LONG
            )

    def advance(self, seconds):
        self.time += seconds
        with self.changed:
            waiting = list(self.waiting)
        for condition, _ in waiting:
            with condition:
                condition.notify_all()

    # -- loops

    def call_later(self, seconds, call):
        timer = Timer(self.time + seconds, call, self.timers)
        self.timers.append(timer)
        return timer

    async def aadvance(self, seconds):
        await turns(SETTLED)
        until = self.time + seconds
        while due := [timer for timer in self.timers if timer.time <= until]:
            timer = min(due, key=lambda timer: timer.time)
            self.time = max(self.time, timer.time)
            self.timers.remove(timer)
            timer.call()
            await turns(SETTLED)
        self.time = until


class Timer:
    def __init__(self, time, call, timers):
        self.time, self.call, self.timers = time, call, timers

    def cancel(self):
        if self in self.timers:
            self.timers.remove(self)


END = object()


class Fed:
    """A sync source that gives what the test puts in; ``settled()`` returns when all of it was taken up."""

    def __init__(self):
        self.queue = queue.Queue()
        self.idle = threading.Condition()
        self.given = self.put_in = self.closed = 0
        self.asked = False

    def put(self, *items):
        for item in items:
            with self.idle:
                self.put_in += 1
            self.queue.put(item)

    def end(self, error=None):
        self.queue.put((END, error))

    def settled(self):
        with self.idle:
            assert self.idle.wait_for(lambda: self.asked and self.given == self.put_in, LONG)

    def __iter__(self):
        return self

    def __next__(self):
        with self.idle:
            self.asked = True
            self.idle.notify_all()
        item = self.queue.get(timeout=LONG)
        if isinstance(item, tuple) and item[0] is END:
            raise item[1] or StopIteration
        with self.idle:
            self.asked = False
            self.given += 1
        return item

    def close(self):
        with self.idle:
            self.closed += 1
            self.idle.notify_all()

    def until_closed(self):
        with self.idle:
            assert self.idle.wait_for(lambda: self.closed, LONG)


class AsyncFed:
    """The same for a loop; what is put in has been taken up after a few turns."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.closed = 0

    def put(self, *items):
        for item in items:
            self.queue.put_nowait(item)

    def end(self, error=None):
        self.queue.put_nowait((END, error))

    def __aiter__(self):
        return self

    async def __anext__(self):
        item = await self.queue.get()
        if isinstance(item, tuple) and item[0] is END:
            raise item[1] or StopAsyncIteration
        return item

    async def aclose(self):
        self.closed += 1
