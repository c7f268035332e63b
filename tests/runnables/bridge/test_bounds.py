"""What a pipeline reads ahead: one bound in items, one in bytes, however often it changes between thread and loop."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from backends import on_channels_of
from passing import apassed, passed

from streamcore import Runnable, RunnableGenerator, ops

LONG = 60  # seconds until a test that hangs fails
MIB = 1 << 20
ALTERNATIONS = [1, 3, 10]


@pytest.fixture(autouse=True)
def _channels_of_the_backend(backend, monkeypatch):
    on_channels_of(backend, monkeypatch)


sync, async_ = RunnableGenerator(passed), RunnableGenerator(apassed)


def alternating(times):
    """Async stages with ``times`` sync ones between them."""
    chain = async_
    for _ in range(times):
        chain = chain | sync | async_
    return chain


class Meter:
    """Endless chunks; notes how many, and how many bytes, were pulled beyond what the consumer took."""

    def __init__(self, chunks):
        self.chunks = iter(chunks)
        self.pulled = self.taken = 0
        self.pulled_bytes = self.taken_bytes = 0
        self.most = self.most_bytes = 0
        self.wanted, self.reached = None, asyncio.Event()
        self.closed = 0

    def pull(self):
        chunk = next(self.chunks)
        self.pulled += 1
        self.pulled_bytes += size(chunk)
        return chunk

    def take(self, chunk):
        self.taken += 1
        self.taken_bytes += size(chunk)
        self.note()

    def note(self, asked=0):
        """What is ahead now. A chunk that the consumer has ``asked`` for is not, though it is still on its way."""
        if self.taken:
            self.most = max(self.most, self.pulled - self.taken - asked)
            self.most_bytes = max(self.most_bytes, self.pulled_bytes - self.taken_bytes)


def size(chunk):
    return len(chunk) if isinstance(chunk, bytes) else 0


class AsyncMeter(Meter):
    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        chunk = self.pull()
        if self.pulled == self.wanted:
            self.reached.set()
        return chunk

    async def aclose(self):
        self.closed += 1


class SyncMeter(Meter, Runnable):
    """A sync source at the head of a chain: what it yields is pulled in a worker thread."""

    def stream(self, input, config=None):
        loop = input
        while True:
            chunk = self.pull()
            if self.pulled == self.wanted:
                loop.call_soon_threadsafe(self.reached.set)
            yield chunk


async def stalled_after(stream, meter, taken, ahead):
    """Take some items, then let the pipeline read as far as it will: ``ahead`` at least, half of what it may."""
    meter.wanted = taken + ahead
    if meter.pulled >= meter.wanted:
        meter.reached.set()
    for _ in range(taken):
        meter.take(await asyncio.wait_for(anext(stream), LONG))
    await asyncio.wait_for(meter.reached.wait(), LONG)
    for _ in range(20):  # whoever can go on does: each turn lets the threads run
        await asyncio.to_thread(int)
    meter.note()
    await stream.aclose()


@pytest.mark.parametrize("buffer_size", [1, 2, 3, 7, 64, None])
@pytest.mark.parametrize("times", ALTERNATIONS)
def test_an_async_source_is_read_one_bound_ahead_however_often_the_thread_changes(times, buffer_size):
    async def main():
        source = AsyncMeter(count())
        config = {} if buffer_size is None else {"buffer_size": buffer_size}
        stream = alternating(times).atransform(source, config)
        most = buffer_size or 512
        await stalled_after(stream, source, 1, (most + 1) // 2)
        assert source.most <= most
        assert source.closed == 1

    asyncio.run(main())


@pytest.mark.parametrize("buffer_size", [1, 3, None])
@pytest.mark.parametrize("times", [0, *ALTERNATIONS])
def test_a_sync_source_is_read_one_bound_ahead_however_often_the_thread_changes(times, buffer_size):
    async def main():
        source = SyncMeter(count())
        config = {} if buffer_size is None else {"buffer_size": buffer_size}
        stream = (source | alternating(times)).astream(asyncio.get_running_loop(), config)
        most = buffer_size or 512
        await stalled_after(stream, source, 1, (most + 1) // 2)
        assert source.most <= most

    asyncio.run(main())


@pytest.mark.parametrize("times", ALTERNATIONS)
def test_a_consumer_that_goes_on_is_never_further_behind(times):
    async def main():
        source = AsyncMeter(count())

        async def numbers():
            for _ in range(2000):
                yield await anext(source)
                source.note(asked=1)

        stream = alternating(times).atransform(numbers(), {"buffer_size": 16})
        got = []
        async for item in stream:
            source.take(item)
            got.append(item)
        assert got == list(range(2000))
        assert source.most <= 16

    asyncio.run(main())


@pytest.mark.parametrize("buffer_size", [1, 3, None])
@pytest.mark.parametrize("times", ALTERNATIONS)
def test_a_sync_consumer_of_a_chain_with_async_stages(times, buffer_size):
    async def main():
        return AsyncMeter(count())  # its Event is made inside a loop

    source = asyncio.run(main())

    class Head(Runnable):
        async def astream(self, input, config=None):
            async for chunk in source:
                source.note(asked=1)
                yield chunk

    config = {} if buffer_size is None else {"buffer_size": buffer_size}
    stream = (Head() | alternating(times)).stream(None, config)
    for number in range(50):
        assert next(stream) == number
        source.take(number)
    stream.close()
    assert source.most <= (buffer_size or 512)


@pytest.mark.parametrize("buffer_bytes", [1000, 1050])
@pytest.mark.parametrize("times", ALTERNATIONS)
def test_bytes_are_bounded_too(times, buffer_bytes):
    async def main():
        source = AsyncMeter(bytes([0]) * 100 for _ in count())
        stream = alternating(times).atransform(source, {"buffer_bytes": buffer_bytes})
        await stalled_after(stream, source, 1, 5)
        assert source.most_bytes <= 900  # and the chunk in the consumer's hand

    asyncio.run(main())


@pytest.mark.parametrize("times", [0, *ALTERNATIONS])
def test_large_chunks_are_held_to_8_mib_by_default(times):
    chunk = bytes(2 * MIB)

    async def main():
        source = SyncMeter(chunk for _ in count())
        stream = (source | alternating(times)).astream(asyncio.get_running_loop())
        await stalled_after(stream, source, 1, 2)
        assert source.most_bytes <= 6 * MIB

    asyncio.run(main())


@pytest.mark.parametrize("times", ALTERNATIONS)
def test_a_chunk_larger_than_the_bound_goes_alone(times):
    async def main():
        source = AsyncMeter(bytes(500) for _ in count())
        stream = alternating(times).atransform(source, {"buffer_bytes": 10})
        for _ in range(20):
            source.take(await asyncio.wait_for(anext(stream), LONG))
        await stalled_after(stream, source, 1, 0)
        assert source.most == 0

    asyncio.run(main())


def test_chunks_of_any_size_exceed_the_bound_by_one_of_them_at_most():
    async def main():
        sizes = [7, 900, 20, 1, 1500, 64, 0, 300]
        source = AsyncMeter(bytes(sizes[number % 8]) for number in count())
        stream = alternating(3).atransform(source, {"buffer_bytes": 1000})
        for _ in range(100):
            source.take(await asyncio.wait_for(anext(stream), LONG))
        await stream.aclose()
        assert source.most_bytes <= 1000 + 1500

    asyncio.run(main())


@pytest.mark.parametrize("buffer_size", [1, 2, 5])
def test_stages_that_drop_multiply_and_collect_never_wait_for_themselves(buffer_size):
    def odd(numbers):
        for number in numbers:
            if number % 2:
                yield number

    async def three_times(numbers):
        async for number in numbers:
            for _ in range(3):
                yield number

    def by_seven(numbers):
        seven = []
        for number in numbers:
            seven.append(number)
            if len(seven) == 7:
                yield tuple(seven)
                seven = []
        yield tuple(seven)

    async def one_by_one(groups):
        async for group in groups:
            for number in group:
                yield number

    stages = [odd, three_times, by_seven, one_by_one, passed, apassed, odd]
    chain = async_
    for stage in stages:
        chain = chain | RunnableGenerator(stage)

    async def main():
        source = AsyncMeter(range(500))

        async def numbers():
            for number in range(500):
                await asyncio.sleep(0)
                yield number

        stream = chain.atransform(numbers(), {"buffer_size": buffer_size})
        got = await asyncio.wait_for(collected(stream), LONG)
        assert got == [number for number in range(500) if number % 2 for _ in range(3)]
        assert source.pulled == 0

    asyncio.run(main())


async def collected(stream):
    return [item async for item in stream]


class TestBuffer:
    """``ops.buffer(n)``: n items, and ``buffer_bytes``."""

    def test_bytes_on_a_loop(self):
        async def main():
            source = AsyncMeter(bytes(100) for _ in count())
            stream = ops.buffer(1000).atransform(source, {"buffer_bytes": 1000})
            await stalled_after(stream, source, 1, 9)
            assert source.most_bytes == 900

        asyncio.run(main())

    def test_bytes_in_a_chain_and_over_a_sync_source(self):
        async def main():
            source = AsyncMeter(bytes(100) for _ in count())
            stream = (async_ | ops.buffer(1000)).atransform(source, {"buffer_bytes": 1000})
            await stalled_after(stream, source, 1, 9)
            assert source.most_bytes == 900
            source = Meter(bytes(100) for _ in count())
            pulls = (source.pull() for _ in count())
            stream = ops.buffer(1000).astream(pulls, {"buffer_bytes": 1000})
            await anext(stream)
            for _ in range(50):
                await asyncio.sleep(0)
            await stream.aclose()
            assert source.pulled_bytes == 1000

        asyncio.run(main())

    @pytest.mark.parametrize("size", [1, 8, 100, 1000])
    def test_in_a_thread(self, size):
        source = Meter(bytes(100) for _ in count())

        def pulls():
            while True:
                yield source.pull()

        stream = ops.buffer(size).transform(pulls(), {"buffer_bytes": 1000})
        for _ in range(300):
            source.take(next(stream))
        stream.close()
        assert source.most <= size
        assert source.most_bytes <= 1000


BAD = [
    (0, ValueError, "must be positive, got 0"),
    (-3, ValueError, "must be positive, got -3"),
    (True, TypeError, "must be an int, got bool True"),
    (1.5, TypeError, "must be an int, got float 1.5"),
    ("8", TypeError, "must be an int, got str '8'"),
]


@pytest.mark.parametrize("key", ["buffer_size", "buffer_bytes"])
@pytest.mark.parametrize(("value", "error", "message"), BAD)
def test_a_wrong_bound_is_refused_with_key_and_value(key, value, error, message):
    config = {key: value}

    async def main():
        with pytest.raises(error, match=f"^{key} {message}$"):
            alternating(1).atransform(AsyncMeter(()), config)
        with pytest.raises(error, match=f"^{key} {message}$"):
            SyncMeter(()).astream(None, config)
        if key == "buffer_bytes":
            with pytest.raises(error, match=f"^{key} {message}$"):
                ops.buffer(3).atransform(AsyncMeter(()), config)
            with pytest.raises(error, match=f"^{key} {message}$"):
                ops.buffer(3).transform([], config)

    asyncio.run(main())
