"""``ops.buffer``: reads ahead by as much as was said, loses nothing, and closes its source however it ends."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import ContextVar
from itertools import count

import pytest
from recorder import AsyncSource

from streamcore import RunnableGenerator, ops
from streamcore.testing import RecordingSource, check_laws

SIZES = [1, 2, 7, 8, 9, 64, 1000]


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("length", [0, 1, 8, 9, 100])
def test_the_items_come_as_they_are(size, length):
    source = RecordingSource(range(length))
    assert list(ops.buffer(size).transform(source)) == list(range(length))
    assert source.closed == 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("waits", [0, 2])
def test_the_items_come_as_they_are_async(size, waits):
    async def main():
        source = AsyncSource(range(100), waits=waits)
        assert [item async for item in ops.buffer(size).atransform(source)] == list(range(100))
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize("count", [0, -1])
def test_a_size_that_holds_nothing_is_refused(count):
    with pytest.raises(ValueError, match=f"count must be positive, got {count}"):
        ops.buffer(count)


@pytest.mark.parametrize("count", [1.5, "3", None, True])
def test_a_size_that_is_no_int_is_refused(count):
    with pytest.raises(TypeError, match=f"count must be an int, got {type(count).__name__}"):
        ops.buffer(count)


LONG = 60
"""Seconds after which a thread that should have read ahead has not."""
A_WHILE = 0.05
"""Seconds in which a thread would have read further, if it did."""


@pytest.mark.parametrize("size", SIZES)
def test_it_reads_ahead_by_its_size_and_no_further(size):
    full, beyond = threading.Event(), threading.Event()
    least = 3 + size - size // 8  # of a large buffer, a block goes to the consumer at a time

    class Source(RecordingSource):
        def __next__(self):
            item = super().__next__()
            if self.pulled >= least:
                full.set()
            if self.pulled > 3 + size:
                beyond.set()
            return item

    source = Source(count())
    stream = ops.buffer(size).transform(source)
    for wanted in range(3):
        assert next(stream) == wanted
    assert full.wait(LONG)
    assert not beyond.wait(A_WHILE)
    stream.close()
    assert least <= source.pulled <= 3 + size
    assert source.closed == 1


@pytest.mark.parametrize("size", SIZES)
def test_it_reads_ahead_by_its_size_and_no_further_async(size):
    async def main():
        source = AsyncSource(count())
        stream = ops.buffer(size).atransform(source)
        for wanted in range(3):
            assert await anext(stream) == wanted
        await turns(20)
        pulled = source.pulled
        await turns(20)
        assert source.pulled == pulled
        assert 3 + size - size // 8 <= pulled <= 3 + size
        await stream.aclose()
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_nothing_is_pulled_before_the_first_item_is_asked_for():
    source = RecordingSource(count())
    stream = ops.buffer(4).transform(source)
    stream.close()
    assert (source.pulled, source.closed) == (0, 1)

    async def main():
        unpulled = AsyncSource(count())
        unbegun = ops.buffer(4).atransform(unpulled)
        await turns(3)
        await unbegun.aclose()
        assert (unpulled.pulled, unpulled.closed) == (0, 1)

    asyncio.run(main())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("at", [0, 1, 8, 9, 50])
def test_items_before_an_error_come_first(size, at):
    failure = KeyError("x")
    source = RecordingSource(range(at), failure)
    got = []
    with pytest.raises(KeyError) as caught:
        for item in ops.buffer(size).transform(source):
            got.append(item)  # noqa: PERF402
    assert caught.value is failure
    assert (got, source.closed) == (list(range(at)), 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("at", [0, 1, 8, 9, 50])
def test_items_before_an_error_come_first_async(size, at):
    async def main():
        failure = KeyError("x")
        source = AsyncSource(range(at), failure)
        got = []
        with pytest.raises(KeyError) as caught:
            async for item in ops.buffer(size).atransform(source):
                got.append(item)  # noqa: PERF401
        assert caught.value is failure
        assert (got, source.closed) == (list(range(at)), 1)

    asyncio.run(main())


def test_a_failing_close_of_the_source_is_raised_by_close():
    class Source(RecordingSource):
        def close(self):
            super().close()
            raise OSError("disk")

    source = Source(count())
    stream = ops.buffer(4).transform(source)
    next(stream)
    with pytest.raises(OSError, match="disk"):
        stream.close()
    assert source.closed == 1

    async def main():
        failing = AsyncSource(count(), close_error=OSError("net"))
        items = ops.buffer(4).atransform(failing)
        await anext(items)
        with pytest.raises(OSError, match="net"):
            await items.aclose()
        assert failing.closed == 1

    asyncio.run(main())


def test_a_dropped_stream_closes_its_source():
    source = RecordingSource(count())
    stream = ops.buffer(4).transform(source)
    next(stream)
    del stream
    gc.collect()
    assert source.closed == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "streamcore-buffer"]


def test_a_dropped_async_stream_closes_its_source():
    async def main():
        source = AsyncSource(count())
        stream = ops.buffer(4).atransform(source)
        await anext(stream)
        del stream
        gc.collect()
        await turns(20)
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize("when", range(12))
def test_cancelled_at_any_turn(when):
    async def main():
        source = AsyncSource(count(), waits=2)

        async def consume():
            async for _ in (ops.map(str) | ops.buffer(2)).atransform(source):
                await asyncio.sleep(0)

        task = asyncio.create_task(consume())
        await turns(when)
        begun = source.pulled
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await turns(5)
        assert source.closed == 1 or not begun
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_in_a_chain_everything_is_closed_last_to_first():
    ends = []

    def stage(name):
        def pass_on(chunks):
            try:
                for chunk in chunks:  # noqa: UP028 - delegation closes ``chunks`` before the finally runs
                    yield chunk
            finally:
                ends.append(name)

        return RunnableGenerator(pass_on)

    source = RecordingSource(count())
    chain = stage("first") | ops.buffer(3) | stage("second") | ops.take(2)
    assert list(chain.transform(source)) == [0, 1]
    assert ends == ["second", "first"]
    assert source.closed == 1


def test_the_thread_sees_the_context_of_the_caller():
    variable = ContextVar("variable", default="unset")
    variable.set("set")

    def source(chunks):
        for _ in chunks:
            yield variable.get(), threading.current_thread() is threading.main_thread()

    chain = RunnableGenerator(source) | ops.buffer(2)
    assert list(chain.transform([1])) == [("set", False)]


def test_it_keeps_the_laws():
    check_laws(ops.buffer(3), [[], [1], [1, 2, 3, 4, 5]])
