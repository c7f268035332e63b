"""Chains that change between loop and threads: cancelled at every turn, a source that raises, a fork (T7)."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import subprocess
import sys
import threading

import pytest
from backends import on_channels_of
from loops import turns
from passing import apassed, passed
from recorder import AsyncSource, listed

from streamcore import RunnableGenerator, ops

LONG = 60  # seconds until a test that hangs fails


@pytest.fixture(autouse=True)
def _channels_of_the_backend(backend, monkeypatch):
    on_channels_of(backend, monkeypatch)


sync, async_ = RunnableGenerator(passed), RunnableGenerator(apassed)
CHAINS = {
    "one change": async_ | sync | async_,
    "three changes": async_ | sync | async_ | sync | async_ | sync,
    "a buffer between": async_ | sync | ops.buffer(3) | async_ | sync,
}


def run(main):
    """``asyncio.run`` that also sees to it that no task and no thread is left."""

    async def watched():
        await asyncio.wait_for(main(), LONG)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(watched())
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamcore")]


@pytest.mark.parametrize("buffer_size", [1, 64])
@pytest.mark.parametrize("name", CHAINS)
def test_cancelled_at_every_turn_of_the_loop(name, buffer_size):
    async def main():
        for turn in range(61):
            source = AsyncSource(itertools.count(), waits=turn % 3)
            stream = CHAINS[name].atransform(source, {"buffer_size": buffer_size, "buffer_bytes": 640})
            task = asyncio.create_task(listed(stream))
            await turns(turn)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await stream.aclose()
            assert source.closed == 1, f"cancelled at turn {turn}"

    run(main)


@pytest.mark.parametrize("buffer_size", [1, 2, 512])
@pytest.mark.parametrize("name", CHAINS)
def test_a_source_that_raises_at_item_n(name, buffer_size):
    async def main():
        for number in range(12):
            failure = LookupError(f"at {number}")
            source = AsyncSource(range(number), failure)
            got = []
            with pytest.raises(LookupError) as caught:
                async for item in CHAINS[name].atransform(source, {"buffer_size": buffer_size}):
                    got.append(item)  # noqa: PERF401
            assert caught.value is failure
            assert (got, source.closed) == (list(range(number)), 1)

    run(main)


class TestAFailingCloseOfACancelledClose:
    """Cancelled while it closes, and the closing fails too: the cancellation is raised, the failure told in a note."""

    def closing(self, closes, source):
        async def main():
            seen = []

            async def close():
                try:
                    await closes.aclose()
                except asyncio.CancelledError as error:
                    seen.append(error)
                    raise

            task = asyncio.create_task(close())
            await turns(2)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert source.closed == 1
            notes = ['and closing the stream failed: LookupError("the source\'s close")']
            assert getattr(seen[0], "__notes__", []) == notes

        return main()

    def test_of_a_feed(self, bridge):
        async def main():
            source = AsyncSource(itertools.count(), close_error=LookupError("the source's close"))
            feed = bridge.feed_from_async(source, buffer_size=2)
            assert await asyncio.to_thread(next, feed) == 0
            await self.closing(feed, source)

        run(main)

    def test_of_a_buffer(self):
        async def main():
            source = AsyncSource(itertools.count(), close_error=LookupError("the source's close"))
            stream = ops.buffer(3).atransform(source)
            assert await anext(stream) == 0
            await self.closing(stream, source)

        run(main)


FORK = """
import asyncio, os, sys, threading
from itertools import count
from streamcore import BACKEND, Channel, Lines, RunnableGenerator, ops

parked, full = threading.Event(), Channel(1)
full.put(0)
waiter = threading.Thread(target=lambda: (parked.set(), full.put(1)))
waiter.start()
parked.wait()
reading = ops.buffer(4).transform(count())
first = next(reading)
engine = Lines().engine()
begun = engine.feed(b"ab")

def refused(act):
    try:
        act()
    except RuntimeError as error:
        return "made before a fork" in str(error)
    return False

def drain():
    for _ in range(10):
        next(reading)

def passed(chunks):
    for chunk in chunks:
        yield chunk

async def anew():
    async def source():
        for number in range(20):
            yield number
    return [item async for item in RunnableGenerator(passed).atransform(source())]

sys.stdout.flush()
child = os.fork()
if child == 0:
    said = [
        refused(full.get), refused(lambda: full.put(2)), refused(drain), refused(reading.close) or True,
        engine.feed(b"c\\nd") + engine.finish() == [b"abc", b"d"],
        list(ops.buffer(4).transform(range(20))) == list(range(20)),
        asyncio.run(anew()) == list(range(20)),
    ]
    sys.exit(0 if all(said) else f"{said}")  # through atexit: no thread of the parent is waited for
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
taken = [full.get(), full.get()]
waiter.join()
rest = [next(reading) for _ in range(5)]
reading.close()
print(BACKEND, status, begun, taken, first, rest)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_process_with_channels_worker_threads_and_engines(backend):
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-X", "faulthandler", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "STREAMCORE_BACKEND": backend.name},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{backend.name} 0 [] [0, 1] 0 [1, 2, 3, 4, 5]\n", done.stderr
