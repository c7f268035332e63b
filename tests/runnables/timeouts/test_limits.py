"""What each limit in time is about, in streams and calls; the arguments."""

from __future__ import annotations

import asyncio
import pickle
from functools import partial

import pytest
from fake_clock import AsyncFed, Fed
from loops import run
from passing import apassed
from recorder import AsyncSource, Source, listed
from time_limits import (
    LIMITS,
    Stuck,
    alate,
    all_ended,
    both,
    late,
    passing,
)

from streamcore import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableTimeout,
    StreamTimeout,
)


@pytest.mark.parametrize("kind", LIMITS)
def test_a_chunk_that_does_not_come(clock, kind):
    options, message = LIMITS[kind]
    source = Fed()
    stream = passing().with_timeout(**options).transform(source)
    error = late(clock, lambda: next(stream), 5, source.settled)
    assert (error.seconds, error.kind, str(error)) == (5, kind, message)
    assert error.__notes__ == ["in the source of RunnableGenerator(passing)"]
    assert source.closed == 0  # its pull cannot be interrupted
    assert list(stream) == []
    stream.close()
    source.put(1)
    all_ended()
    assert source.closed == 1

    async def main():
        source = AsyncFed()
        stream = passing().with_timeout(**options).atransform(source)
        error = await alate(clock, anext(stream), 5)
        assert (error.seconds, error.kind, str(error)) == (5, kind, message)
        assert error.__notes__ == ["in the source of RunnableGenerator(passing)"]
        assert source.closed == 1
        assert await listed(stream) == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_only_the_total_runs_while_nobody_waits(clock):
    for options, fails in (
        ({"first_chunk_timeout": 5, "chunk_timeout": 5}, False),
        ({"timeout": 5}, True),
    ):
        source = Source("abc")
        stream = passing().with_timeout(**options).transform(source)
        clock.advance(3)
        assert next(stream) == "a"
        clock.advance(3)
        if fails:
            with pytest.raises(StreamTimeout) as caught:
                next(stream)
            assert (caught.value.kind, caught.value.seconds) == ("total", 5)
            assert source.pulled == 1
        else:
            assert list(stream) == ["b", "c"]
        assert source.closes == source.closed == 1

        async def main(options=options, fails=fails):
            source = AsyncSource("abc")
            stream = passing().with_timeout(**options).atransform(source)
            clock.advance(3)
            assert await anext(stream) == "a"
            clock.advance(3)
            if fails:
                with pytest.raises(StreamTimeout) as caught:
                    await anext(stream)
                assert caught.value.kind == "total"
            else:
                assert await listed(stream) == ["b", "c"]
            assert source.closes == source.closed == 1
            assert clock.timers == []

        run(main())


def test_each_wait_has_its_own_limit(clock):
    """The first chunk, those after it, and the end."""
    stage = passing().with_timeout(20, first_chunk_timeout=10, chunk_timeout=4)

    async def main(waits, expected):
        source = AsyncFed()
        stream = stage.atransform(source)
        for seconds in waits:
            task = asyncio.create_task(anext(stream))
            await clock.aadvance(seconds)
            if not task.done():
                source.put("x")
                assert await task == "x"
        if expected is not None:
            with pytest.raises(StreamTimeout) as caught:
                await task
            assert (caught.value.kind, caught.value.seconds) == expected
        else:
            source.end()
            assert await listed(stream) == []
        assert clock.timers == []
        assert source.closed == 1

    run(main([9, 3, 3], None))
    run(main([10], ("first chunk", 10)))
    run(main([9, 4], ("chunk", 4)))
    run(main([9, 3, 3, 3, 3], ("total", 20)))


def test_without_a_first_limit_that_of_a_chunk_is_for_the_first_one_too(clock):
    source = Fed()
    error = late(clock, lambda: next(passing().with_timeout(9, chunk_timeout=2).transform(source)), 2)
    assert error.kind == "chunk"
    source.end()


def test_the_total_counts_from_the_call(clock):
    stage = RunnableGenerator(apassed)  # for a sync caller on a private loop, too
    for stream in (
        passing().with_timeout(5).transform(source := Source("a")),
        passing().with_timeout(5).stream("a"),
        stage.with_timeout(5).stream("a"),
        stage.with_timeout(5).transform("a"),
    ):
        clock.advance(6)
        with pytest.raises(StreamTimeout, match="the call took more than 5 s"):
            next(stream)
    assert source.closed == 1


@both
def test_items_before_it_come_first(clock, mode):
    if mode == "sync":
        source = Fed()
        source.put("a", "b")
        stream = passing().with_timeout(chunk_timeout=1).transform(source)
        assert [next(stream), next(stream)] == ["a", "b"]
        late(clock, lambda: next(stream), 1)
        source.end()
        return

    async def main():
        source = AsyncFed()
        source.put("a", "b")
        stream = passing().with_timeout(chunk_timeout=1).atransform(source)
        assert [await anext(stream), await anext(stream)] == ["a", "b"]
        await alate(clock, anext(stream), 1)

    run(main())


@pytest.mark.parametrize("kind", LIMITS)
def test_a_call(clock, kind):
    """Its result is its only chunk."""
    stuck = Stuck()
    stage = stuck.stage.with_timeout(**LIMITS[kind][0])
    error = late(clock, lambda: stage.invoke(1), 5)
    assert (error.kind, error.__notes__) == (kind, ["in RunnableLambda(stuck)"])
    stuck.gate.open()

    async def main():
        error = await alate(clock, stage.ainvoke(1), 5)
        assert (error.kind, error.__notes__) == (kind, ["in RunnableLambda(stuck)"])
        assert stuck.cancelled == 1

    run(main())


def test_a_call_that_folds_a_stream_has_the_limits_of_its_chunks(clock):
    def slowly(chunks):
        for chunk in chunks:
            clock.advance(3)
            yield chunk

    async def aslowly(chunks):
        async for chunk in chunks:
            clock.advance(3)
            yield chunk

    slow = RunnableGenerator(slowly, aslowly)
    spread = RunnableGenerator(lambda chunks: (c for text in chunks for c in text))
    for stage in (spread | slow, spread | slow | passing()):
        limited = stage.with_timeout(first_chunk_timeout=5, chunk_timeout=5)
        assert limited.invoke("abc") == "abc"
        assert run(limited.ainvoke("abc")) == "abc"


def test_in_a_chain_of_functions_the_slow_one_is_named(clock):
    stuck = Stuck()
    chain = RunnableLambda(len) | stuck.stage | RunnableLambda(str)
    for config in (None, {"tags": ["a"]}):  # by the loop for plain functions, and by the other one
        call = partial(chain.with_timeout(1).invoke, "a", config)
        error = late(clock, call, 1, stuck.gate.reached)
        assert error.__notes__ == ["in RunnableLambda(stuck), stage 2 of 3"]
        stuck.gate.open()

    async def main():
        error = await alate(clock, chain.with_timeout(1).ainvoke("a"), 1)
        assert error.__notes__ == ["in RunnableLambda(stuck), stage 2 of 3"]

    run(main())


@both
def test_in_a_batch_each_call_has_its_own(clock, mode):
    def call(x):
        clock.advance(x)
        return x

    async def acall(x):
        return call(x)

    stage = RunnableLambda(call, acall)
    config = {"max_concurrency": 1, "timeout": 5}

    class Own(Runnable[int, int]):
        def invoke(self, input, config=None):
            return call(input)

        async def ainvoke(self, input, config=None):
            return call(input)

    for kind, config in (
        (stage.with_timeout(5), {"max_concurrency": 1}),
        (stage, {"max_concurrency": 1, "timeout": 5}),
        (Own(), {"max_concurrency": 1, "timeout": 5}),
    ):
        if mode == "sync":
            assert kind.batch([3, 3, 3], config) == [3, 3, 3]
        else:
            assert run(kind.abatch([3, 3, 3], config)) == [3, 3, 3]

    async def stuck(x):
        await asyncio.Event().wait()

    async def main():
        for each in (RunnableLambda(stuck).with_timeout(5), RunnableLambda(stuck)):
            config = {} if isinstance(each, RunnableTimeout) else {"timeout": 5}
            task = asyncio.create_task(each.abatch([1, 2], config, return_exceptions=True))
            await clock.aadvance(5)
            assert [type(error) for error in await task] == [StreamTimeout] * 2

    run(main())


def test_form():
    stage = RunnableLambda(len)
    assert repr(stage.with_timeout(5)) == "RunnableTimeout(RunnableLambda(len), 5)"
    many = stage.with_timeout(first_chunk_timeout=0.5, chunk_timeout=2)
    assert repr(many) == "RunnableTimeout(RunnableLambda(len), first_chunk_timeout=0.5, chunk_timeout=2)"
    again = pickle.loads(pickle.dumps(RunnableTimeout(len, 5, chunk_timeout=1)))
    assert again.invoke("abc") == 3
    assert (again.timeout, again.first_chunk_timeout, again.chunk_timeout) == (5, None, 1)
    assert (again.get_name(), RunnableTimeout(len, name="n").get_name()) == ("len", "n")
    assert many.describe().splitlines() == [
        "RunnableTimeout: gives one chunk; first_chunk_timeout 0.5 s; chunk_timeout 2 s; in sync calls in a thread",
        f"  within: {stage.describe()}",
    ]
    error = pickle.loads(pickle.dumps(StreamTimeout("slow", 5, "chunk")))
    assert (str(error), error.seconds, error.kind) == ("slow", 5, "chunk")
    assert isinstance(error, TimeoutError)


@pytest.mark.parametrize("key", ["timeout", "first_chunk_timeout", "chunk_timeout"])
def test_bad_arguments(key):
    for value, error in ((0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("1", TypeError)):
        with pytest.raises(error, match=key):
            RunnableLambda(len).with_timeout(**{key: value})
        if key != "chunk_timeout":
            with pytest.raises(error, match=key):
                RunnableLambda(len).invoke("a", {key: value})
    with pytest.raises(TypeError, match=key):
        RunnableLambda(len).with_timeout(**{key: True})
