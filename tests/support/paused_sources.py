"""Async sources that wait where a test can stop them, and a chain over them."""

from __future__ import annotations

import asyncio
import types


@types.coroutine
def pause():
    """An await that a driver by hand sees."""
    return (yield "paused")


class Source:
    """An async iterator that waits before each item and when it closes, and counts its closes."""

    def __init__(self, items, error=None, *, waits=1):
        self.items = iter(items)
        self.error = error
        self.waits = waits
        self.closed = 0
        self.pulled_after_close = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.pulled_after_close |= bool(self.closed)
        for _ in range(self.waits):
            await pause()
        for item in self.items:
            return item
        raise self.error or StopAsyncIteration

    async def aclose(self):
        self.closed += 1
        await pause()


async def passed_on(source):
    async for item in source:
        yield item


def chain_over(backend, source, annotate=None):
    """Three stages over ``source``; the middle one has its cleanup, which waits, recorded."""
    ends = []

    async def middle(chunks):
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            ends.append("middle")

    first = passed_on(source)
    second = middle(first)
    third = passed_on(second)
    return backend.async_closing_iterator(third, (source, first, second, third), annotate), ends


def run(coroutine):
    """Step a coroutine to its end by hand; what it returns."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


def in_loop(main):
    """Run under asyncio, where ``pause()`` becomes a turn of the loop."""

    async def turning():
        steps = main()
        try:
            while True:
                steps.send(None)
                await asyncio.sleep(0)
        except StopIteration as stop:
            return stop.value

    return asyncio.run(turning())


async def collected(stream):
    return [item async for item in stream]
