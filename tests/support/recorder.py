"""The recorder of pulls and closes: what a source gave, when it was closed, who asked, and what came too late."""

from __future__ import annotations

import asyncio
import threading

from loops import turns

__all__ = ["AsyncSource", "Source", "listed", "transformed"]


class _Recorded:
    """``pulled`` items were given; ``closes`` began, ``closed`` of them came to their end."""

    def __init__(self, items, error, close_error):
        self.items = iter(items)
        self.error, self.close_error = error, close_error
        self.pulled = 0
        self.closes = self.closed = 0
        self.pulled_after_close = False
        self.threads = set()
        self.tasks = set()

    def take(self, end):
        self.pulled_after_close |= bool(self.closes)
        assert not self.closes, "pulled after it was closed"
        for item in self.items:
            self.pulled += 1
            return item
        raise end if self.error is None else self.error

    def end(self):
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class Source(_Recorded):
    """A sync iterator over ``items``, then ``error`` if there is one; closing it raises ``close_error``."""

    def __init__(self, items=(), error=None, close_error=None):
        super().__init__(items, error, close_error)

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.get_ident())
        return self.take(StopIteration)

    def close(self):
        self.closes += 1
        self.threads.add(threading.get_ident())
        self.end()


class AsyncSource(_Recorded):
    """The same, async: ``wait(waits)`` before each item, ``wait(1)`` when it is closed; these are turns of the loop."""

    def __init__(self, items=(), error=None, close_error=None, *, waits=0, wait=turns):
        super().__init__(items, error, close_error)
        self.waits, self.wait = waits, wait

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.pulled_after_close |= bool(self.closes)
        if asyncio._get_running_loop() is not None:  # else it is driven by hand
            self.tasks.add(asyncio.current_task())
        await self.wait(self.waits)
        return self.take(StopAsyncIteration)

    async def aclose(self):
        self.closes += 1
        await self.wait(1)
        self.end()


async def listed(stream):
    return [item async for item in stream]


def transformed(bridge, source, transform, buffer_size=3):
    """The stream of a sync transform in a thread, fed from an async source."""
    feed = bridge.feed_from_async(source, buffer_size=buffer_size)
    return bridge.iterate_in_thread(lambda: transform(feed), buffer_size=buffer_size, feed=feed)
