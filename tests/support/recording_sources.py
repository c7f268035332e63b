"""Sources that record who pulls and closes them."""

from __future__ import annotations

import asyncio
import threading

from loops import turns


class Source:
    """A sync iterator that records who pulled and closed it, and how often."""

    def __init__(self, items=(), error=None, close_error=None):
        self.items = iter(items)
        self.error, self.close_error = error, close_error
        self.pulled = 0
        self.closed = 0
        self.threads = set()

    def __iter__(self):
        return self

    def __next__(self):
        assert not self.closed
        self.threads.add(threading.get_ident())
        for item in self.items:
            self.pulled += 1
            return item
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self):
        self.threads.add(threading.get_ident())
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class AsyncSource:
    """The same, async; ``waits`` turns of the loop go by before each item."""

    def __init__(self, items=(), error=None, close_error=None, waits=0):
        self.items = iter(items)
        self.error, self.close_error, self.waits = error, close_error, waits
        self.pulled = 0
        self.closed = 0
        self.tasks = set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        assert not self.closed
        self.tasks.add(asyncio.current_task())
        await turns(self.waits)
        for item in self.items:
            self.pulled += 1
            return item
        if self.error is not None:
            raise self.error
        raise StopAsyncIteration

    async def aclose(self):
        await turns(3)
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


async def turns_into_list(stream):
    return [item async for item in stream]


def transformed(bridge, source, transform, buffer_size=3):
    feed = bridge.feed_from_async(source, buffer_size=buffer_size)
    return bridge.iterate_in_thread(lambda: transform(feed), buffer_size=buffer_size, feed=feed)
