"""S23: items from thread to thread, CPU time of the whole process; echo latency; the same on one event loop.

Peers: ``queue.SimpleQueue`` (C, unbounded, one item per call), ``queue.Queue`` (bounded), ``asyncio.Queue``. The CPU
time of both threads is what counts: on a shared machine the wall clock is mostly other people's::

    pytest benchmarks/bench_channel.py
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import pytest

pytest.importorskip("pytest_benchmark")

COUNT = 100_000
CAPACITY = 1000
ECHOES = 2000
S23 = "S23 thread to thread, CPU time"
ITEM = b"chunk"
process_time = pytest.mark.benchmark(timer=time.process_time)


def through(produce, consume):
    """Run ``produce`` in a thread and ``consume`` here; what ``consume`` returns."""
    thread = threading.Thread(target=produce)
    thread.start()
    count = consume()
    thread.join()
    return count


@process_time
@pytest.mark.parametrize("batch", [10, 100, 1000])
def test_channel_batched(backend, measure, batch):
    items = [ITEM] * batch

    def work():
        channel = backend.Channel(CAPACITY)

        def produce():
            for _ in range(COUNT // batch):
                channel.put_many(items)

        def consume():
            count = 0
            while count < COUNT:
                count += len(channel.get_many())
            return count

        return through(produce, consume)

    assert measure(S23, work, COUNT * len(ITEM)) == COUNT


def put_each(put):
    for _ in range(COUNT):
        put(ITEM)


def get_each(get):
    for _ in range(COUNT):
        get()
    return COUNT


@process_time
def test_channel_one_by_one(backend, measure):
    def work():
        channel = backend.Channel(CAPACITY)
        return through(lambda: put_each(channel.put), lambda: get_each(channel.get))

    assert measure(S23, work, COUNT * len(ITEM)) == COUNT


@process_time
@pytest.mark.parametrize("kind", ["SimpleQueue", "Queue"])
def test_queue(measure, kind):
    def work():
        channel = queue.SimpleQueue() if kind == "SimpleQueue" else queue.Queue(CAPACITY)
        return through(lambda: put_each(channel.put), lambda: get_each(channel.get))

    assert measure(S23, work, COUNT * len(ITEM), rounds=5) == COUNT


def echo(there, back):
    def answer():
        for _ in range(ECHOES):
            back.put(there.get())

    def ask():
        for number in range(ECHOES):
            there.put(number)
            assert back.get() == number
        return ECHOES

    return through(answer, ask)


def test_echo_channel(backend, measure):
    work = lambda: echo(backend.Channel(8), backend.Channel(8))  # noqa: E731
    assert measure("echo: there and back, two threads", work, ECHOES) == ECHOES


def test_echo_simple_queue(measure):
    work = lambda: echo(queue.SimpleQueue(), queue.SimpleQueue())  # noqa: E731
    assert measure("echo: there and back, two threads", work, ECHOES) == ECHOES


def test_echo_queue(measure):
    work = lambda: echo(queue.Queue(8), queue.Queue(8))  # noqa: E731
    assert measure("echo: there and back, two threads", work, ECHOES) == ECHOES


async def on_one_loop(put, get):
    async def produce():
        for _ in range(COUNT):
            await put(ITEM)

    task = asyncio.create_task(produce())
    for _ in range(COUNT):
        await get()
    await task
    return COUNT


def test_loop_channel(backend, measure):
    def work():
        channel = backend.Channel(CAPACITY)
        return asyncio.run(on_one_loop(channel.aput, channel.aget))

    assert measure("two tasks of one loop", work, COUNT * len(ITEM), rounds=5) == COUNT


def test_loop_asyncio_queue(measure):
    def work():
        channel = asyncio.Queue(CAPACITY)
        return asyncio.run(on_one_loop(channel.put, channel.get))

    assert measure("two tasks of one loop", work, COUNT * len(ITEM), rounds=5) == COUNT
