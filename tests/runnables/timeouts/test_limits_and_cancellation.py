"""Limits in time and the cancellations and errors of others."""

from __future__ import annotations

import asyncio

import pytest
from fake_clock import AsyncFed
from loops import run, turns
from recorder import AsyncSource, Source, listed
from time_limits import (
    alate,
    both,
    passing,
)

from streamcore import (
    RunnableGenerator,
    StreamTimeout,
    ops,
)


def test_an_outer_cancellation_is_no_limit(clock):
    async def once(count, at_once):
        source = AsyncSource("abcdef", waits=3)
        stage = passing() | passing().with_timeout(5, chunk_timeout=3) | ops.map(str.upper)
        task = asyncio.create_task(listed(stage.with_timeout(4).atransform(source)))
        await turns(count)
        done = task.done()
        task.cancel()
        if at_once:
            for timer in list(clock.timers):
                timer.cancel()  # as a loop forgets it that calls it
                timer.call()
        if done:
            assert await task == list("ABCDEF")
        else:
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelling() == 1
        assert clock.timers == []
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert source.closes <= 1
        assert source.closes or not count
        return done

    async def main():
        return [await once(count, at_once) for at_once in (False, True) for count in range(61)]

    ended = run(main())
    assert ended[60]
    assert not ended[9]


def test_a_limit_at_each_turn(clock):
    async def once(count):
        source = AsyncSource("abcdef", waits=3)
        stage = passing() | passing().with_timeout(5) | ops.map(str.upper)
        task = asyncio.create_task(listed(stage.atransform(source)))
        await turns(count)
        rang = bool(clock.timers)
        for timer in list(clock.timers):
            timer.cancel()  # as a loop forgets it that calls it
            timer.call()
        if rang:
            with pytest.raises(StreamTimeout):
                await task
        else:
            clock.advance(5) if not task.done() else None
            try:
                assert await task == list("ABCDEF")
            except StreamTimeout:
                assert not count
        assert task.cancelling() == 0
        assert clock.timers == []
        assert source.closes == 1
        return rang

    async def main():
        return [await once(count) for count in range(61)]

    assert any(run(main()))


def test_an_outer_limit_of_asyncio_and_one_inside():
    async def stuck(chunks):
        async for chunk in chunks:
            yield chunk
            await asyncio.Event().wait()

    async def own(chunks):
        async for chunk in chunks:
            yield chunk
            async with asyncio.timeout(0):
                await asyncio.Event().wait()

    async def main():
        source = AsyncSource("ab")
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0):
                await listed(RunnableGenerator(stuck).with_timeout(60).atransform(source))
        assert not isinstance(caught.value, StreamTimeout)
        assert source.closed == 1
        source = AsyncSource("ab")
        with pytest.raises(TimeoutError) as caught:
            await listed(RunnableGenerator(own).with_timeout(60).atransform(source))
        assert not isinstance(caught.value, StreamTimeout)
        assert source.closed == 1
        assert asyncio.current_task().cancelling() == 0

    run(main())


@both
@pytest.mark.parametrize("kind", [TimeoutError, StreamTimeout, asyncio.CancelledError, OSError])
def test_the_stages_own_error_is_raised_as_it_is(mode, kind):
    failure = kind("own")
    source = (Source if mode == "sync" else AsyncSource)("a", failure)
    stage = passing().with_timeout(60, chunk_timeout=60)
    with pytest.raises(kind) as caught:
        if mode == "sync":
            list(stage.transform(source))
        else:
            run(listed(stage.atransform(source)))
    if kind is not asyncio.CancelledError or mode == "sync":
        assert caught.value is failure
    assert source.closed == 1


def test_the_nearer_of_two_limits(clock):
    async def main():
        for inner, outer in ((1, 2), (2, 1), (1, 1)):
            source = AsyncFed()
            stage = passing().with_timeout(inner, chunk_timeout=None)
            stream = (passing() | stage).with_timeout(outer).atransform(source)
            error = await alate(clock, anext(stream), 1)
            assert error.seconds == 1
            assert source.closed == 1
            assert asyncio.current_task().cancelling() == 0

    run(main())


def test_a_stage_that_takes_no_notice_of_its_cancellation(clock):
    async def deaf(chunks):
        async for chunk in chunks:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                yield chunk

    async def failing(chunks):
        async for chunk in chunks:
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("cleanup")
            yield chunk

    async def main():
        for function in (deaf, failing):
            source = AsyncSource("ab")
            task = asyncio.create_task(listed(RunnableGenerator(function).with_timeout(5).atransform(source)))
            await clock.aadvance(5)
            with pytest.raises(StreamTimeout) as caught:
                await task
            assert source.closes == source.closed == 1
            assert task.cancelling() == 0
            if function is failing:
                assert "and the cancelled pull failed: OSError('cleanup')" in caught.value.__notes__

    run(main())


@both
def test_a_source_that_fails_in_its_close(clock, mode):
    stage = passing().with_timeout(5)
    if mode == "sync":
        with pytest.raises(OSError, match="close"):
            list(stage.transform(source := Source("ab", close_error=OSError("close"))))
        assert source.closed == 1
        return

    async def stuck(count):
        await asyncio.Event().wait()

    async def main():
        source = AsyncSource("ab", close_error=OSError("close"))
        with pytest.raises(OSError, match="close"):
            await listed(stage.atransform(source))
        assert source.closed == 1
        source = AsyncSource("ab", close_error=OSError("close"))
        stream = stage.atransform(source)
        assert await anext(stream) == "a"
        source.wait, source.waits = stuck, 1
        task = asyncio.create_task(anext(stream))
        await turns(3)
        source.wait = turns
        error = await alate(clock, _awaited(task), 5)
        assert any("close" in note for note in error.__notes__)

    run(main())


async def _awaited(task):
    return await task
