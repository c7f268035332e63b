"""``ops.timeout``, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import pickle
import threading
from functools import partial

import pytest
from fake_clock import AsyncFed, FakeClock, Fed
from loops import LONG, in_thread, run, turns
from recorder import AsyncSource, Source, listed

from streamcore import RunnableGenerator, StreamTimeout, ops
from streamcore.testing import check_laws


@pytest.fixture
def clock(monkeypatch):
    return FakeClock(monkeypatch)


def all_ended():
    for thread in threading.enumerate():
        if thread.name.startswith("streamcore"):
            thread.join(LONG)
            assert not thread.is_alive()


def late(clock, stream, source, until):
    """The error of a pull that waits until that time."""
    pull = in_thread(partial(next, stream))
    clock.until_waiting(until)
    source.settled()
    clock.advance(until - clock.time)
    with pytest.raises(StreamTimeout) as caught:
        pull()
    return caught.value


def chains():
    timeout = ops.timeout(5, first=9)
    return {
        "alone": (timeout, "in the source of ops.timeout(5, first=9)"),
        "first": (timeout | ops.map(str), "in the source of ops.timeout(5, first=9)"),
        "last": (ops.map(str) | timeout, "in the source of ops.map(str)"),
        "inside": (
            RunnableGenerator(passed, apassed) | timeout | ops.map(str),
            "in the source of RunnableGenerator(passed)",
        ),
    }


def passed(chunks):
    for chunk in chunks:  # noqa: UP028 - yield from would close the source itself
        yield chunk


async def apassed(chunks):
    async for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("name", chains())
def test_an_item_that_does_not_come(clock, name):
    stage, note = chains()[name]
    for count in (0, 1, 2):
        clock.time = 0.0
        source = Fed()
        source.put(*"abc"[:count])
        stream = stage.transform(source)
        assert [next(stream) for _ in range(count)] == list("abc"[:count])
        seconds = 5 if count else 9
        error = late(clock, stream, source, seconds)
        assert (error.seconds, error.kind) == (seconds, "chunk" if count else "first chunk")
        assert error.__notes__ == [note]
        assert list(stream) == []
        assert source.closed == 0
        source.put("late")
        all_ended()
        assert source.closed == 1

        async def main(count=count, seconds=seconds):
            source = AsyncFed()
            source.put(*"abc"[:count])
            stream = stage.atransform(source)
            assert [await anext(stream) for _ in range(count)] == list("abc"[:count])
            task = asyncio.create_task(anext(stream))
            await clock.aadvance(seconds)
            with pytest.raises(StreamTimeout) as caught:
                await task
            assert caught.value.__notes__ == [note]
            assert source.closed == 1
            assert clock.timers == []
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(main())


def test_time_runs_only_while_somebody_waits(clock):
    for stage, _ in chains().values():
        items = []
        for item in stage.transform(source := Source("abc")):
            clock.advance(100)
            items.append(item)
        assert items == list("abc")
        assert source.closes == source.closed == 1
        all_ended()

        async def main(stage=stage):
            items = []
            async for item in stage.atransform(source := AsyncSource("abc")):
                clock.advance(100)
                items.append(item)
            assert items == list("abc")
            assert source.closes == source.closed == 1

        run(main())


@pytest.mark.parametrize("way", ["at once", "half-way", "dropped"])
def test_closed_early(way):
    for stage, _ in chains().values():
        source = Source(iter(int, 1))
        stream = stage.transform(source)
        if way != "at once":
            next(stream)
        if way == "dropped":
            del stream
        else:
            stream.close()
        assert (source.closed, source.closes, source.pulled) == (1, 1, way != "at once")
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamcore")]

        async def main(stage=stage):
            source = AsyncSource(iter(int, 1))
            stream = stage.atransform(source)
            if way != "at once":
                await anext(stream)
            if way == "dropped":
                del stream
                await turns(10)
            else:
                await stream.aclose()
            assert (source.closed, source.closes, source.pulled) == (1, 1, way != "at once")
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(main())


def test_errors_of_the_source_pass():
    for at in range(3):
        for stage, note in chains().values():
            source = Source("ab"[:at], failure := OSError("source"), OSError("close"))
            with pytest.raises(OSError, match="source") as caught:
                list(stage.transform(source))
            assert caught.value is failure
            assert note in caught.value.__notes__
            assert source.closed == 1
            source = AsyncSource("ab"[:at], failure := OSError("source"))
            with pytest.raises(OSError, match="source") as caught:
                run(listed(stage.atransform(source)))
            assert caught.value is failure
            assert caught.value.__notes__ == [note]
            assert source.closed == 1


def test_cancelled_at_each_await(clock):
    async def once(stage, count):
        source = AsyncSource("abcd", waits=3)
        task = asyncio.create_task(listed(stage.atransform(source)))
        await turns(count)
        done = task.done()
        task.cancel()
        if done:
            assert await task == list("abcd")
        else:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert clock.timers == []
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert source.closes <= 1
        assert source.closes or not count
        return done

    async def main(stage):
        return [await once(stage, count) for count in range(61)]

    for stage, _ in chains().values():
        assert run(main(stage))[9::51] == [False, True]


def test_laws():
    for stage, _ in chains().values():
        check_laws(stage, [["a", "bc", "d"], []])
    check_laws(ops.timeout(60), [[1, 2, 3], []])


def test_form():
    operator = pickle.loads(pickle.dumps(ops.timeout(5, first=0.5)))
    assert repr(operator) == "ops.timeout(5, first=0.5)"
    assert repr(ops.timeout(5)) == "ops.timeout(5)"
    assert operator.invoke([1, 2]) == [1, 2]
    for bad, error in (
        (0, ValueError),
        (-1, ValueError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error, match="seconds"):
            ops.timeout(bad)
    with pytest.raises(ValueError, match="first"):
        ops.timeout(1, first=0)
    with pytest.raises(TypeError, match="takes no keyword arguments"):
        ops.timeout(1).stream([], a=1)
