"""Sources that say how much is traced in memory while they are pulled, and a clock that nobody waits for."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from contextlib import contextmanager

from streamcore.runnables import clock

__all__ = ["Meter", "Moving", "aothers", "aslow", "asource", "on_clock", "others", "source", "text"]


class Meter:
    """The most bytes traced above the most that there were in the second half of the warm-up: what is on its way does
    not count, however large it is, only what there is more of later.
    """

    def __init__(self, count):
        self.count = count
        self.warm = min(count // 4, 5_000)
        self.given = 0
        self.grown = self.base = None

    def at(self, number):
        """Called before each item of the source that counts."""
        self.given = number
        if number == self.warm // 2:
            gc.collect()
            tracemalloc.reset_peak()
        elif number == self.warm:
            self.base = tracemalloc.get_traced_memory()[1]
            gc.collect()
            tracemalloc.reset_peak()
        elif number == self.count:
            self.grown = tracemalloc.get_traced_memory()[1] - self.base


def text(number):
    return f"{number:0400}"


def source(meter, make=text):
    for number in itertools.count():
        meter.at(number)
        if number == meter.count:
            return
        yield make(number)


async def asource(meter, make=text):
    """The same; 64 items after which the loop runs, then 64 after which it does not."""
    for number in itertools.count():
        meter.at(number)
        if number == meter.count:
            return
        yield make(number)
        if number & 64:
            await asyncio.sleep(0)


async def aslow(meter):
    """One after which the loop runs some turns."""
    async for item in asource(meter):
        yield item
        for _ in range(4):
            await asyncio.sleep(0)


def others():
    return map(text, itertools.count())


async def aothers():
    for item in others():
        yield item


class Moving:
    """A clock that moves by a second with each item, and that no wait waits for."""

    time = 0.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += max(seconds, 0)

    async def asleep(self, seconds, of=None):
        self.sleep(seconds)
        await asyncio.sleep(0)

    def wait(self, condition, seconds):
        if seconds is not None:
            self.time += seconds
        condition.wait(seconds and 0)

    def call_later(self, seconds, call):
        def later():
            self.time += seconds
            call()

        return asyncio.get_running_loop().call_soon(later)

    def item(self, number):
        self.time += 1
        return text(number)


@contextmanager
def on_clock(moving):
    """All times of streamcore by the ``moving`` clock."""
    kept = vars(clock).copy()
    for name in "now", "sleep", "asleep", "wait", "call_later":
        setattr(clock, name, getattr(moving, name))
    try:
        yield
    finally:
        vars(clock).update(kept)
