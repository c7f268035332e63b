"""S5: a sync generator of 4 KiB chunks, consumed on an event loop; and the two other directions of the bridge.

Peers: one thread hop for each item, as anyio, Starlette and ``asyncio.to_thread`` users do it; janus, a queue with
a sync and an async end. Times include starting and ending the stream::

    pytest benchmarks/bench_bridge.py
"""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

pytest.importorskip("pytest_benchmark")

from streamcore.runnables.bridge.async_feed import feed_from_async
from streamcore.runnables.bridge.loop_stream import iterate_async_from_sync
from streamcore.runnables.bridge.thread_stream import iterate_in_thread

COUNT = 4000
CHUNK = bytes(4096)
BUFFER = 64
END = object()


def chunks():
    return iter(itertools.repeat(CHUNK, COUNT))


def generated():
    for _ in range(COUNT):
        yield CHUNK


async def count_of(stream):
    count = 0
    async for _ in stream:
        count += 1
    return count


@pytest.mark.parametrize("buffer_size", [16, BUFFER, 1024])
def test_bridge(backend, monkeypatch, measure, buffer_size):
    for module in "worker", "thread_stream":
        monkeypatch.setattr(f"streamcore.runnables.bridge.{module}.Channel", backend.Channel)

    def work():
        return asyncio.run(count_of(iterate_in_thread(generated, buffer_size=buffer_size)))

    assert measure("S5 sync generator from asyncio", work, COUNT * len(CHUNK)) == COUNT


def test_anyio_hop_for_each_item(measure):
    to_thread = pytest.importorskip("anyio.to_thread")

    async def stream():
        iterator = generated()
        while (item := await to_thread.run_sync(next, iterator, END)) is not END:
            yield item

    work = lambda: asyncio.run(count_of(stream()))  # noqa: E731
    assert measure("S5 sync generator from asyncio", work, COUNT * len(CHUNK), rounds=3) == COUNT


def test_asyncio_hop_for_each_item(measure):
    async def stream():
        iterator = generated()
        while (item := await asyncio.to_thread(next, iterator, END)) is not END:
            yield item

    work = lambda: asyncio.run(count_of(stream()))  # noqa: E731
    assert measure("S5 sync generator from asyncio", work, COUNT * len(CHUNK), rounds=3) == COUNT


def test_janus(measure):
    janus = pytest.importorskip("janus")

    async def main():
        queue = janus.Queue(BUFFER)

        def produce():
            for item in generated():
                queue.sync_q.put(item)
            queue.sync_q.put(END)

        thread = threading.Thread(target=produce)
        thread.start()
        count = 0
        while await queue.async_q.get() is not END:
            count += 1
        thread.join()
        await queue.aclose()
        return count

    work = lambda: asyncio.run(main())  # noqa: E731
    assert measure("S5 sync generator from asyncio", work, COUNT * len(CHUNK), rounds=3) == COUNT


def test_queue_of_one_call_soon_threadsafe_for_each_item(measure):
    """What one writes by hand: unbounded, one wake-up an item."""

    async def main():
        loop = asyncio.get_running_loop()
        queue = asyncio.Queue()

        def produce():
            for item in generated():
                loop.call_soon_threadsafe(queue.put_nowait, item)
            loop.call_soon_threadsafe(queue.put_nowait, END)

        thread = threading.Thread(target=produce)
        thread.start()
        count = 0
        while await queue.get() is not END:
            count += 1
        thread.join()
        return count

    work = lambda: asyncio.run(main())  # noqa: E731
    assert measure("S5 sync generator from asyncio", work, COUNT * len(CHUNK), rounds=3) == COUNT


def test_async_input_through_a_sync_transform(backend, monkeypatch, measure):
    for module in "worker", "thread_stream":
        monkeypatch.setattr(f"streamcore.runnables.bridge.{module}.Channel", backend.Channel)

    async def source():
        for chunk in chunks():
            yield chunk

    async def main():
        feed = feed_from_async(source(), buffer_size=BUFFER)
        return await count_of(iterate_in_thread(lambda: feed, buffer_size=BUFFER, feed=feed))

    work = lambda: asyncio.run(main())  # noqa: E731
    assert measure("async input through a sync transform", work, COUNT * len(CHUNK)) == COUNT


def test_async_generator_from_sync(measure):
    async def source():
        for chunk in chunks():
            yield chunk

    work = lambda: sum(1 for _ in iterate_async_from_sync(source))  # noqa: E731
    assert measure("async generator from sync", work, COUNT * len(CHUNK), rounds=3) == COUNT
