"""A stream belongs to the event loop that first pulled it."""

from __future__ import annotations

import asyncio
import gc
import threading
from itertools import count

import pytest
from loops import turns
from recorder import AsyncSource

from streamcore import RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough, ops

ABROAD = "^the stream belongs to another event loop"


async def adoubled(items):
    async for item in items:
        yield item * 2


def doubled(items):
    for item in items:
        yield item * 2


async def keys(mappings):
    async for mapping in mappings:
        yield list(mapping)


async def aplus(item):
    return item + 1


def of_transform(stage):
    return lambda source: stage.atransform(source)


BOUND = {
    "in_thread": of_transform(RunnableGenerator(doubled)),
    "in_thread between": of_transform(
        RunnableGenerator(adoubled) | RunnableGenerator(doubled) | RunnableGenerator(adoubled)
    ),
    "buffer": of_transform(ops.buffer(64)),
    "buffer then step": of_transform(ops.buffer(64) | ops.map(str)),
    "buffer overflow": of_transform(ops.buffer(4, overflow="drop_oldest")),
    "conflate": of_transform(ops.conflate(max)),
    "group": of_transform(ops.group(2, seconds=5)),
    "switch_map": of_transform(ops.switch_map(lambda item: AsyncSource([item] * 9))),
    "map": of_transform(ops.map(aplus, concurrency=3)),
    "map threads": of_transform(ops.map(str, concurrency=3)),
    "flat_map": of_transform(ops.flat_map(lambda item: [item] * 3, concurrency=3)),
    "parallel": of_transform(RunnableParallel(a=RunnableGenerator(adoubled), b=ops.map(str))),
    "parallel at once": of_transform(
        RunnableParallel(a=RunnableGenerator(adoubled), b=ops.map(str), ordered=False)
    ),
    "assign": lambda source: RunnablePassthrough.assign(b=RunnableGenerator(keys)).atransform(
        ops.map(lambda item: {"a": [item]}).atransform(source)
    ),
    "merge": lambda source: ops.merge(source, AsyncSource(range(5))),
    "tee": lambda source: ops.tee(source, 1)[0],
    "replay": lambda source: aiter(ops.replay(source, 1)),
    "batch": lambda source: RunnableLambda(aplus).abatch_as_completed(range(9), {"max_concurrency": 2}),
}
PURE = {
    "chain": of_transform(RunnableGenerator(adoubled) | RunnableGenerator(adoubled)),
    "steps": of_transform(ops.map(str) | RunnableGenerator(adoubled)),
    "group": of_transform(ops.group(2)),
}


@pytest.fixture
def loops():
    made = [asyncio.new_event_loop() for _ in range(2)]
    yield made
    for loop in made:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(turns(10))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.mark.parametrize("make", BOUND.values(), ids=BOUND)
def test_a_pull_from_another_loop_is_an_error(make, loops, backend):
    """After each number of pulls, so that some of the items are at hand already."""
    here, there = loops
    for pulls in range(1, 4):
        source = AsyncSource(count(), waits=1)
        stream = make(source)
        for _ in range(pulls):
            here.run_until_complete(anext(stream))
        with pytest.raises(RuntimeError, match=ABROAD):
            there.run_until_complete(anext(stream))
        there.run_until_complete(stream.aclose())
        here.run_until_complete(turns(10))  # its tasks close what is theirs
        if make is not BOUND["batch"]:
            assert source.closed == 1
        with pytest.raises(StopAsyncIteration):
            here.run_until_complete(anext(stream))
    gc.collect()


@pytest.mark.parametrize("make", BOUND.values(), ids=BOUND)
def test_a_pull_after_the_loop_has_ended_is_an_error(make, backend):
    for pulls in range(1, 4):
        source = AsyncSource(count(), waits=1)
        stream = make(source)

        async def pull(count, stream=stream):
            for _ in range(count):
                await anext(stream)

        asyncio.run(pull(pulls))
        with pytest.raises(RuntimeError, match=ABROAD):
            asyncio.run(pull(1))
        if make is not BOUND["batch"]:
            assert source.closed == 1


def test_a_pull_in_a_thread_with_a_loop_of_its_own_is_an_error(backend):
    async def main():
        stream = ops.buffer(64).atransform(AsyncSource(count(), waits=1))
        assert [await anext(stream), await anext(stream)] == [0, 1]
        caught = []

        async def pull():
            with pytest.raises(RuntimeError, match=ABROAD) as error:
                await anext(stream)
            caught.append(error.value)

        thread = threading.Thread(target=lambda: asyncio.run(pull()))
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(caught) == 1

    asyncio.run(main())


@pytest.mark.parametrize("make", PURE.values(), ids=PURE)
def test_what_holds_nothing_of_a_loop_may_be_pulled_anywhere(make, loops, backend):
    source = AsyncSource(count(), waits=1)
    stream = make(source)
    for turn in range(6):
        loops[turn % 2].run_until_complete(anext(stream))
    loops[0].run_until_complete(stream.aclose())
    assert source.closed == 1


def test_nothing_ends_in_silence_where_the_loop_has_closed_it(backend):
    source = AsyncSource(count(), waits=1)
    stream = RunnableGenerator(adoubled).atransform(source)

    async def pull():
        return await anext(stream)

    assert asyncio.run(pull()) == 0
    assert source.closed == 1
    with pytest.raises(RuntimeError, match="^the stream belongs to another event loop, which closed it"):
        asyncio.run(pull())
    with pytest.raises(StopAsyncIteration):
        asyncio.run(pull())


CANCELLED = [name for name in BOUND if name not in ("batch", "tee", "replay")]


@pytest.mark.parametrize("name", CANCELLED)
def test_a_task_of_the_stream_that_somebody_else_cancels_is_no_cancellation_of_the_consumer(name, backend):
    async def main():
        source = AsyncSource(range(3), waits=50)
        stream = BOUND[name](source)
        pull = asyncio.ensure_future(anext(stream))
        await turns(10)
        for task in asyncio.all_tasks() - {asyncio.current_task(), pull}:
            task.cancel()
        try:
            await pull
        except asyncio.CancelledError:
            pytest.fail("the consumer was not cancelled")
        except RuntimeError as error:
            assert "was cancelled, and not by the stream" in str(error)  # noqa: PT017
        await stream.aclose()

    asyncio.run(main())
