"""``ops.tee`` and ``ops.replay``: each consumer gets all, few items are held, and the last one closes the source."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import LONG, in_thread, run, turns
from recorder import AsyncSource, Source, listed

from streamcore import RunnableGenerator, ops

END = object()
SIDES = {"sync": Source, "async": AsyncSource}


async def step(stream):
    if hasattr(stream, "__anext__"):
        return await anext(stream)
    item = next(stream, END)
    if item is END:
        raise StopAsyncIteration
    return item


async def items_of(stream):
    return await listed(stream) if hasattr(stream, "__anext__") else list(stream)


async def close(stream):
    await stream.aclose() if hasattr(stream, "aclose") else stream.close()


def stream_of(hub):
    return aiter(hub) if hasattr(hub, "__aiter__") else iter(hub)


# -- tee


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(1, 4), st.integers(0, 2**32))
def test_each_stream_gives_all_items_in_whatever_order_they_are_pulled(length, number, seed):
    chosen = random.Random(seed)

    async def main(side):
        source = SIDES[side](range(length))
        streams = ops.tee(source, number)
        got = [[] for _ in streams]
        left = set(range(number))
        while left:
            at = chosen.choice(sorted(left))
            try:
                got[at].append(await step(streams[at]))
            except StopAsyncIteration:
                left.discard(at)
            assert source.pulled == max(map(len, got))  # none ahead of the first that asked
        assert got == [list(range(length))] * number
        assert source.closed == 1
        assert len(source.threads | source.tasks) <= 1
        assert len(asyncio.all_tasks()) == 1

    for side in SIDES:
        run(main(side))


def test_one_that_is_too_far_ahead_gets_an_error_and_may_pull_again():
    for buffer in 1, 2, 7:
        fast, slow = ops.tee(itertools.count(), buffer=buffer)
        assert [next(fast) for _ in range(buffer)] == list(range(buffer))
        for _ in range(2):
            with pytest.raises(BufferError, match=f"{buffer} items are held for another stream"):
                next(fast)
        assert next(slow) == 0
        assert next(fast) == buffer
        slow.close()
        assert [next(fast) for _ in range(100)] == list(range(buffer + 1, buffer + 101))


def test_an_error_of_the_source_is_not_blamed_on_the_stage_that_reads_a_stream():
    for stage in RunnableGenerator(lambda chunks: (chunk for chunk in chunks)), ops.map(abs), ops.group(2):
        for chain in stage, stage | ops.take(3):
            with pytest.raises(ValueError, match="invalid literal") as caught:
                list(chain.transform(ops.tee(map(int, "1a"))[0]))
            assert caught.value.__notes__ == [f"in the source of {stage!r}"]


def test_in_threads_it_may_wait():
    source = Source(range(5000))
    streams = ops.tee(source, 3, buffer=4, on_full="wait")
    results = [in_thread(list, stream) for stream in streams]
    assert [result() for result in results] == [list(range(5000))] * 3
    assert source.closed == 1


def test_one_that_waits_goes_on_when_the_slow_one_is_closed():
    fast, slow = ops.tee(range(100), buffer=2, on_full="wait")
    begun = threading.Event()

    def pull():
        got = [next(fast), next(fast)]
        begun.set()
        return got + list(fast)

    result = in_thread(pull)
    assert begun.wait(LONG)
    slow.close()
    assert result() == list(range(100))


def test_a_stream_waits_for_the_slowest_in_tasks():
    async def main():
        source = AsyncSource(itertools.count())
        fast, slow = ops.tee(source, buffer=3)
        assert [await anext(fast) for _ in range(3)] == [0, 1, 2]
        ahead = asyncio.ensure_future(fast.__anext__())
        await turns(10)
        assert not ahead.done()
        assert source.pulled == 3
        assert await anext(slow) == 0
        assert await ahead == 3
        ahead = asyncio.ensure_future(fast.__anext__())
        await turns(10)
        assert not ahead.done()
        await slow.aclose()
        assert await ahead == 4
        assert source.closes == 0
        await fast.aclose()
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dropped", [False, True])
def test_the_last_one_closes_the_source(side, dropped):
    async def main(count):
        source = SIDES[side](itertools.count())
        streams = list(ops.tee(source, 3))
        for at, stream in enumerate(streams):
            for _ in range(count * at):
                await step(stream)
        del stream
        while streams:
            assert source.closes == 0
            if dropped:
                streams.pop()
                gc.collect()
                await turns(10)
            else:
                stream = streams.pop()
                await close(stream)
                await close(stream)
                assert await items_of(stream) == []
        assert (source.closes, source.closed) == (1, 1)
        assert source.pulled == 2 * count
        assert len(asyncio.all_tasks()) == 1

    for count in range(3):
        run(main(count))


@pytest.mark.parametrize("side", SIDES)
def test_an_error_reaches_each_at_its_place(side):
    async def main(at):
        source = SIDES[side](range(at), ValueError("broken"), OSError("shut"))
        for stream in ops.tee(source, 3):
            for item in range(at):
                assert await step(stream) == item
            with pytest.raises(ValueError, match="broken") as caught:
                await step(stream)
            assert "shut" in caught.value.__notes__[0]
            assert await items_of(stream) == []
        assert source.closes == 1
        assert len(asyncio.all_tasks()) == 1

    for at in range(4):
        run(main(at))


@pytest.mark.parametrize("side", SIDES)
def test_what_closing_the_source_raises(side):
    async def main():
        first, second = ops.tee(SIDES[side]([1, 2], close_error=OSError("shut")))
        await step(first)
        await close(second)
        with pytest.raises(OSError, match="shut"):
            await close(first)
        for stream in ops.tee(SIDES[side]([1], close_error=OSError("shut"))):
            assert await step(stream) == 1
            with pytest.raises(OSError, match="shut"):
                await step(stream)

    run(main())


def test_cancelled_at_each_await():
    async def main(turn):
        source = AsyncSource(itertools.count(), waits=2)
        first, second = ops.tee(source, buffer=3)

        tasks = [asyncio.ensure_future(listed(stream)) for stream in (first, second)]
        await turns(turn)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await first.aclose()
        await second.aclose()
        assert source.closed == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn in range(61):
        run(main(turn))


def test_one_that_is_cancelled_leaves_the_source_to_the_others():
    async def main():
        source = AsyncSource(range(5), waits=5)
        first, second = ops.tee(source)
        task = asyncio.ensure_future(first.__anext__())
        await turns(3)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await listed(second) == list(range(5))
        assert source.closed == 1
        assert len(source.tasks) == 1

    run(main())


def test_a_source_that_pulls_and_closes_its_own_streams():
    def source():
        yield 1
        with pytest.raises(RuntimeError, match="pulls that stream"):
            next(first)
        second.close()
        first.close()
        try:
            yield 2
        finally:
            ends.append("closed")

    ends = []
    first, second = ops.tee(source())
    assert next(first) == 1
    with pytest.raises(StopIteration):
        next(first)
    assert ends == ["closed"]

    async def main():
        async def source():
            yield 1
            await second.aclose()
            yield 2

        first, second = ops.tee(source())
        assert await listed(first) == [1, 2]
        assert await listed(second) == []

    run(main())


def test_several_threads_pull_the_source_once_each():
    source = Source(range(3000))
    streams = ops.tee(source, 4, buffer=3001)
    results = [in_thread(list, stream) for stream in streams]
    assert [result() for result in results] == [list(range(3000))] * 4
    assert (source.pulled, source.closed) == (3000, 1)


def test_what_tee_and_replay_refuse():
    for source in "ab", b"ab", {}, 3, None:
        with pytest.raises(TypeError, match="ops.tee takes an iterable of items"):
            ops.tee(source)
        with pytest.raises(TypeError, match="ops.replay takes an iterable of items"):
            ops.replay(source, 1)
    with pytest.raises(ValueError, match="n must be positive, got 0"):
        ops.tee([], 0)
    with pytest.raises(ValueError, match="n must not be negative, got -1"):
        ops.replay([], -1)
    with pytest.raises(TypeError, match="n must be an int"):
        ops.tee([], 2.0)
    for make in (lambda buffer: ops.tee([], buffer=buffer), lambda buffer: ops.replay([], 1, buffer=buffer)):
        with pytest.raises(ValueError, match="buffer must be positive, got 0"):
            make(0)
        with pytest.raises(TypeError, match="buffer must be an int"):
            make("1")
    with pytest.raises(ValueError, match="on_full must be None or 'wait', got 'drop'"):
        ops.tee([], on_full="drop")


@pytest.mark.parametrize("side", SIDES)
def test_no_item_is_kept_that_all_have(side):
    class Item:
        alive = 0

        def __init__(self):
            Item.alive += 1

        def __del__(self):
            Item.alive -= 1

    async def main():
        streams = ops.tee(SIDES[side](iter(Item, None)), 2, buffer=4)
        for _ in range(100):
            for stream in streams:
                await step(stream)
        assert Item.alive <= 2
        for stream in streams:
            await close(stream)
        gc.collect()
        assert Item.alive == 0

    run(main())


def test_pulled_from_another_loop():
    source = AsyncSource(itertools.count())
    first, second = ops.tee(source)
    loop, other = asyncio.new_event_loop(), asyncio.new_event_loop()
    loop.run_until_complete(step(first))
    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        other.run_until_complete(step(second))
    loop.run_until_complete(first.aclose())
    assert source.closed == 1
    loop.close()
    other.close()


# -- replay


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_new_stream_begins_with_the_last_items(side, n):
    async def main():
        source = SIDES[side](range(6))
        hub = ops.replay(source, n)
        first = stream_of(hub)
        assert [await step(first) for _ in range(4)] == [0, 1, 2, 3]
        second = stream_of(hub)
        assert source.pulled == 4
        assert await items_of(second) == list(range(4 - n, 6))
        assert await items_of(first) == [4, 5]
        assert source.closed == 1
        # after the end, too
        assert await items_of(stream_of(hub)) == list(range(6 - n, 6))
        await close(hub)
        assert await items_of(stream_of(hub)) == []
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("side", SIDES)
def test_after_an_error_a_new_stream_gives_the_last_items_and_the_error(side):
    async def main():
        hub = ops.replay(SIDES[side](range(5), ValueError("broken")), 2)
        with pytest.raises(ValueError, match="broken"):
            await items_of(stream_of(hub))
        late = stream_of(hub)
        assert [await step(late), await step(late)] == [3, 4]
        with pytest.raises(ValueError, match="broken"):
            await step(late)

    run(main())


@pytest.mark.parametrize("side", SIDES)
def test_a_hub_is_open_without_streams_until_it_is_closed_or_dropped(side):
    async def main(dropped):
        source = SIDES[side](itertools.count())
        hub = ops.replay(source, 1)
        stream = stream_of(hub)
        await step(stream)
        await close(stream)
        del stream
        other = stream_of(hub)
        assert [await step(other), await step(other)] == [0, 1]
        assert source.closes == 0
        if dropped:
            del hub
            gc.collect()
            await turns(10)
            assert await step(other) == 2
            del other
            gc.collect()
            await turns(10)
        else:
            await close(hub)
            await close(hub)
            assert await items_of(other) == []
        assert (source.closes, source.closed) == (1, 1)
        assert len(asyncio.all_tasks()) == 1

    run(main(False))
    run(main(True))


def test_a_stream_of_a_hub_that_is_too_slow():
    hub = ops.replay(itertools.count(), 2, buffer=3)
    slow, fast = iter(hub), iter(hub)
    assert [next(fast) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(BufferError):
        next(fast)
    assert next(slow) == 0
    assert next(fast) == 5
    hub.close()
    assert list(slow) == list(fast) == []


def test_closing_a_hub_while_a_stream_waits():
    async def main():
        source = AsyncSource([1], waits=1000)
        hub = ops.replay(source, 1)
        waits = asyncio.ensure_future(listed(aiter(hub)))
        await turns(5)
        await hub.aclose()
        assert await waits == []
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_hub_that_was_never_used():
    source = Source([1])
    ops.replay(source, 1).close()
    assert (source.pulled, source.closed) == (0, 1)
    source = Source([1])
    ops.replay(source, 1)
    gc.collect()
    assert source.closed == 1

    async def main():
        source = AsyncSource([1])
        await ops.replay(source, 1).aclose()
        assert source.closed == 1
        source = AsyncSource([1])
        ops.replay(source, 1)
        gc.collect()
        await turns(10)
        assert source.closed == 1

    run(main())
