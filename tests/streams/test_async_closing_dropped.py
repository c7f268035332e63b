"""``async_closing_iterator`` that is dropped, outlived by its loop, or still held when the loop ends."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from paused_sources import Paused, chain_over, collected, in_loop, pause, run


@pytest.mark.parametrize("pulls", [0, 1])
def test_a_dropped_stream_is_closed_by_the_loop(backend, pulls):
    source = Paused([1, 2, 3], waits=0)

    async def main():
        stream, ends = chain_over(backend, source)
        for _ in range(pulls):
            await anext(stream)
        del stream
        gc.collect()
        for _ in range(10):
            await pause()
        assert source.closes == 1
        assert ends == ["middle"] * pulls
        assert len(asyncio.all_tasks()) == 1

    in_loop(main)


def test_a_stream_that_is_still_held_is_closed_at_the_end_of_the_loop(backend):
    class Quick(Paused):
        async def aclose(self):
            self.closes += 1

    source = Quick([1, 2], waits=0)
    held = []

    async def main():
        stream, _ = chain_over(backend, source)
        held.append(stream)
        assert await anext(stream) == 1

    asyncio.run(main())
    assert source.closes == 1


def test_a_stream_made_outside_of_the_loop_and_dropped_inside(backend):
    source = Paused([1, 2, 3], waits=0)
    made = [chain_over(backend, source)[0]]

    async def main():
        assert await anext(made[0]) == 1
        made.clear()
        gc.collect()
        for _ in range(10):
            await pause()
        assert source.closes == 1

    in_loop(main)


def test_a_stream_dropped_where_no_loop_runs_closes_what_needs_none(backend):
    class Plain:
        closed = 0

        def close(self):
            self.closed += 1

    source, file = Paused([1]), Plain()
    stream = backend.async_closing_iterator(source, (file, source))
    del stream
    gc.collect()
    assert (source.closes, file.closed) == (1, 1)


def test_the_task_of_a_closed_loop_leaves_the_stream_to_its_owner(backend):
    """A loop that is closed with a task in the middle of a pull: the stream can still be closed elsewhere."""
    source = Paused([1, 2])

    async def waiting():
        await asyncio.Event().wait()
        yield

    stage = waiting()
    stream = backend.async_closing_iterator(stage, (source, stage))
    pull = collected(stream)
    loop = asyncio.new_event_loop()  # not before what may skip the test
    task = loop.create_task(pull)
    loop.run_until_complete(asyncio.sleep(0))
    task._log_destroy_pending = False
    pull.close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    run(stream.aclose())
    assert source.closes == 1


def test_pulls_leave_no_reference_behind(backend):
    class Item:
        pass

    async def main():
        source = Paused((Item() for _ in range(3)), waits=0)
        stream = backend.async_closing_iterator(source, (source,))
        async for item in stream:
            seen = weakref.ref(item)
            del item
            assert seen() is None
        kept = weakref.ref(stream)
        del stream
        assert kept() is None

    run(main())
