"""Async sources that wait where a test can stop them, and a chain over them."""

from __future__ import annotations

import asyncio
import types

from passing import apassed
from recorder import AsyncSource


@types.coroutine
def pause():
    """An await that a driver by hand sees."""
    return (yield "paused")


async def pauses(count):
    for _ in range(count):
        await pause()


class Paused(AsyncSource):
    """A source that waits before each item and when it closes."""

    def __init__(self, items, error=None, *, waits=1):
        super().__init__(items, error, waits=waits, wait=pauses)


def chain_over(backend, source, annotate=None):
    """Three stages over ``source``; the middle one has its cleanup, which waits, recorded."""
    ends = []

    async def middle(chunks):
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            ends.append("middle")

    first = apassed(source)
    second = middle(first)
    third = apassed(second)
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
