"""Limits in time of the stages of a chain, and what is left after them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref

import pytest
from fake_clock import AsyncFed, Fed
from loops import in_thread, run, turns
from recorder import AsyncSource, Source
from time_limits import (
    Gate,
    Stuck,
    alate,
    all_ended,
    both,
    late,
    passing,
    waiting,
    workers,
)

from streamcore import (
    Lines,
    RunnableGenerator,
    RunnableLambda,
    StreamTimeout,
    ops,
)
from streamcore.runnables import clock as clock_module
from streamcore.testing import check_laws


def test_the_slow_stage_of_a_chain_is_named(clock):
    def slow(chunks):
        for chunk in chunks:
            yield chunk
            gate.hold()

    async def aslow(chunks):
        async for chunk in chunks:
            yield chunk
            await asyncio.Event().wait()

    slow = RunnableGenerator(slow, aslow, name="slow")
    gate = Gate()
    limited = passing().with_timeout(5)
    for chain, config, note in (
        ((passing() | slow | ops.map(str)).with_timeout(5), None, "in RunnableGenerator(slow), stage 2 of 3"),
        (passing() | slow | ops.map(str), {"timeout": 5}, "in RunnableGenerator(slow), stage 2 of 3"),
        (passing() | slow | limited, None, "in RunnableGenerator(slow), stage 2 of 3"),
        (
            passing() | slow.with_timeout(5),
            None,
            "in RunnableTimeout(RunnableGenerator(slow), 5), stage 2 of 2",
        ),
    ):
        source = Source("ab")
        stream = chain.transform(source, config)
        assert next(stream) == "a"
        error = late(clock, lambda s=stream: next(s), 5, gate.reached)
        assert error.__notes__ == [note]
        gate.open()
        assert source.closes == source.closed == 1

        async def main(chain=chain, config=config, note=note):
            source = AsyncSource("ab")
            stream = chain.atransform(source, config)
            assert await anext(stream) == "a"
            error = await alate(clock, anext(stream), 5)
            assert error.__notes__ == [note]
            assert source.closes == source.closed == 1

        run(main())


@both
def test_a_fallback_for_what_is_too_slow(clock, mode):
    stuck = Stuck()
    stage = stuck.stage.with_timeout(5).with_fallbacks([lambda x: -x], exceptions_to_handle=StreamTimeout)
    if mode == "sync":
        call = in_thread(stage.invoke, 1)
        waiting(clock)
        clock.advance(5)
        assert call() == -1
        stuck.gate.open()
        return

    async def main():
        task = asyncio.create_task(stage.ainvoke(1))
        await clock.aadvance(5)
        assert await task == -1

    run(main())


@pytest.mark.parametrize("way", ["at once", "half-way", "dropped"])
def test_closed_early(way):
    for stage in (
        passing().with_timeout(60),
        passing() | passing().with_timeout(60) | passing(),
        (passing() | passing()).with_config(timeout=60),
    ):
        source = Source(iter(int, 1))
        stream = stage.transform(source)
        if way != "at once":
            assert next(stream) == 0
        if way == "dropped":
            del stream
        else:
            stream.close()
        assert (source.closed, source.closes, source.pulled) == (1, 1, way != "at once")
        assert not workers()

        async def main(stage=stage):
            source = AsyncSource(iter(int, 1))
            stream = stage.atransform(source)
            if way != "at once":
                assert await anext(stream) == 0
            if way == "dropped":
                del stream
                await turns(10)
            else:
                await stream.aclose()
            assert (source.closed, source.closes, source.pulled) == (1, 1, way != "at once")
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(main())


def test_what_a_timeout_held_is_let_go_of(clock):
    def in_threads():
        source = Fed()
        stream = passing().with_timeout(5).transform(source)

        def pull():
            with contextlib.suppress(StreamTimeout):
                next(stream)

        thread = threading.Thread(target=pull)
        thread.start()
        waiting(clock)
        source.settled()
        clock.advance(5)
        thread.join()
        source.end()
        all_ended()
        return weakref.ref(source)

    async def on_a_loop():
        source = AsyncFed()
        stream = passing().with_timeout(5).atransform(source)

        async def pull():
            with contextlib.suppress(StreamTimeout):
                await anext(stream)

        task = asyncio.create_task(pull())
        await clock.aadvance(5)
        await task
        return weakref.ref(source)

    gc.disable()
    try:
        assert in_threads()() is None
        assert run(on_a_loop())() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("ended", ["ended", "closed", "failed"])
def test_one_timer_serves_all_chunks_of_a_stream(clock, monkeypatch, ended):
    """A loop keeps a cancelled timer until it turns: a source that never waits would fill it."""

    async def source():
        for number in range(1000):
            yield number
        if ended == "failed":
            raise KeyError(1000)

    made = []

    def call_later(seconds, call):
        made.append(clock.call_later(seconds, call))
        return made[-1]

    monkeypatch.setattr(clock_module, "call_later", call_later)

    async def main(stage):
        made.clear()
        stream = stage.atransform(source())
        with contextlib.suppress(KeyError):
            async for number in stream:
                if ended == "closed" and number == 500:
                    break
        await stream.aclose()
        assert len(made) == 1
        assert clock.timers == []

    for stage in (passing().with_timeout(None, chunk_timeout=5), ops.timeout(5)):
        run(main(stage))
        run(main(passing() | stage | passing()))


def test_a_limit_that_is_put_off_is_kept(clock):
    async def main():
        source = AsyncFed()
        stream = passing().with_timeout(chunk_timeout=5).atransform(source)
        for number in range(4):  # each within its five seconds, all of them beyond
            pull = asyncio.create_task(anext(stream))
            await clock.aadvance(3)
            source.put(number)
            assert await pull == number
            await clock.aadvance(1)  # the consumer's own time counts for nothing
        pull = asyncio.create_task(anext(stream))
        await clock.aadvance(4)
        assert not pull.done()
        await clock.aadvance(1)
        with pytest.raises(StreamTimeout):
            await pull

    run(main())


def test_laws():
    for stage, samples in (
        (Lines(), [b"", b"a\nb", b"a\r\n\nbc"]),
        (RunnableLambda(str.upper), ["", "abc"]),
        (ops.map(len) | ops.take(2), [["a", "bc", "d"]]),
    ):
        check_laws(stage.with_timeout(60, chunk_timeout=30), samples)
        check_laws(stage.with_config(timeout=60), samples)


def test_without_a_limit_nothing_is_paid():
    stage = passing()
    for limited, config in ((stage.with_timeout(), None), (stage, {"timeout": None, "tags": ["a"]})):
        assert type(limited.transform("ab", config)) is type(stage.transform("ab"))
        assert list(limited.transform("ab", config)) == ["a", "b"]
        stream = limited.transform("ab", config)
        assert next(stream) == "a"
        assert not workers()
    assert RunnableLambda(len).with_timeout(float("inf")).invoke("ab") == 2
