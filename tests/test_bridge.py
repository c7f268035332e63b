"""The bridge between sync and async: what arrives, how far ahead, and that everything is closed however it ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import os
import subprocess
import sys
import threading
import traceback

import pytest

from streamcore.errors import ChannelClosed
from streamcore.runnables import bridge as bridge_module

LONG = 60  # seconds until a test that hangs fails
STEPS = range(10)


@pytest.fixture
def bridge(backend, monkeypatch):
    """The bridge over the channel of ``backend``."""
    monkeypatch.setattr(bridge_module, "Channel", backend.Channel)
    return bridge_module


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "streamcore-stream":
            thread.join(LONG)
            assert not thread.is_alive()


def run(coroutine):
    async def bounded():
        async with asyncio.timeout(LONG):
            return await coroutine

    return asyncio.run(bounded())


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


class Source:
    """A sync iterator that records who pulled and closed it, and how often."""

    def __init__(self, items=(), error=None, close_error=None):
        self.items = iter(items)
        self.error, self.close_error = error, close_error
        self.pulled = 0
        self.closed = 0
        self.threads = set()

    def __iter__(self):
        return self

    def __next__(self):
        assert not self.closed
        self.threads.add(threading.get_ident())
        for item in self.items:
            self.pulled += 1
            return item
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self):
        self.threads.add(threading.get_ident())
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class AsyncSource:
    """The same, async; ``waits`` turns of the loop go by before each item."""

    def __init__(self, items=(), error=None, close_error=None, waits=0):
        self.items = iter(items)
        self.error, self.close_error, self.waits = error, close_error, waits
        self.pulled = 0
        self.closed = 0
        self.tasks = set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        assert not self.closed
        self.tasks.add(asyncio.current_task())
        await turns(self.waits)
        for item in self.items:
            self.pulled += 1
            return item
        if self.error is not None:
            raise self.error
        raise StopAsyncIteration

    async def aclose(self):
        await turns(3)
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class TestIterateInThread:
    @pytest.mark.parametrize("buffer_size", [1, 2, 7, 64])
    @pytest.mark.parametrize("count", [0, 1, 2, 500])
    def test_items_arrive_in_order_and_the_source_is_closed_once(self, bridge, buffer_size, count):
        async def main():
            source = Source(range(count))
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=buffer_size)
            assert [item async for item in stream] == list(range(count))
            assert source.closed == 1
            assert len(source.threads) == 1
            assert threading.get_ident() not in source.threads
            assert not stream._thread.is_alive()
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            await stream.aclose()
            assert source.closed == 1

        run(main())

    @pytest.mark.parametrize("buffer_size", [1, 2, 7, 64])
    def test_reads_no_further_ahead_than_its_buffer(self, bridge, buffer_size):
        async def main():
            source = Source(itertools.count())
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=buffer_size)
            await asyncio.sleep(0)
            assert source.pulled == 0
            for taken in range(1, 50):
                await anext(stream)
                assert source.pulled <= taken + buffer_size
            await stream.aclose()
            assert source.pulled <= 49 + buffer_size
            assert source.closed == 1

        run(main())

    def test_takes_any_iterable(self, bridge):
        async def main():
            for make in (lambda: [1, 2, 3], lambda: iter((1, 2, 3)), lambda: (i for i in (1, 2, 3))):
                assert [i async for i in bridge.iterate_in_thread(make, buffer_size=2)] == [1, 2, 3]

        run(main())

    @pytest.mark.parametrize("buffer_size", [1, 3, 100])
    def test_an_error_comes_after_the_items_with_its_type_and_traceback(self, bridge, buffer_size):
        error = LookupError("source")

        def items():
            yield 1
            yield 2
            raise error

        async def main():
            stream = bridge.iterate_in_thread(items, buffer_size=buffer_size)
            received = []

            async def consume():
                async for item in stream:
                    received.append(item)  # noqa: PERF401 - kept although the loop raises

            with pytest.raises(LookupError) as caught:
                await consume()
            assert received == [1, 2]
            assert caught.value is error
            assert traceback.extract_tb(error.__traceback__)[-1].name == "items"
            assert not hasattr(error, "items_put")
            assert not stream._thread.is_alive()
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            await stream.aclose()

        run(main())

    @pytest.mark.parametrize(
        "error", [StopIteration(3), StopAsyncIteration(), ChannelClosed("mine"), KeyError(1)]
    )
    def test_no_error_of_the_source_reads_as_the_end(self, bridge, error):
        async def main():
            stream = bridge.iterate_in_thread(lambda: Source([1]), buffer_size=2)
            assert [item async for item in stream] == [1]

            def make():
                raise error

            stream = bridge.iterate_in_thread(make, buffer_size=2)
            with pytest.raises((type(error), RuntimeError)) as caught:
                await turns_into_list(stream)
            assert error in (caught.value, caught.value.__cause__)

        run(main())

    def test_an_error_in_closing_is_raised_at_the_end_or_by_aclose(self, bridge):
        async def main():
            source = Source([1], close_error=OSError("close"))
            with pytest.raises(OSError, match="close"):
                await turns_into_list(bridge.iterate_in_thread(lambda: source, buffer_size=2))
            source = Source(itertools.count(), close_error=OSError("close"))
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=2)
            await anext(stream)
            with pytest.raises(OSError, match="close"):
                await stream.aclose()
            await stream.aclose()
            source = Source([1], error=KeyError("pull"), close_error=OSError("close"))
            with pytest.raises(KeyError) as caught:
                await turns_into_list(bridge.iterate_in_thread(lambda: source, buffer_size=2))
            assert caught.value.__notes__ == ["and closing Source failed: OSError('close')"]

        run(main())

    @pytest.mark.parametrize("taken", [0, 1, 3])
    def test_aclose_returns_after_the_source_is_closed(self, bridge, taken):
        """M4: breaking off an infinite source."""

        async def main():
            source = Source(itertools.count())
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=4)
            for _ in range(taken):
                await anext(stream)
            await stream.aclose()
            assert source.closed == (1 if taken else 0)
            assert source.pulled <= taken + 4
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        run(main())

    def test_aclose_while_another_task_waits_for_an_item(self, bridge):
        """langchain-ai/langchain#37976: "asynchronous generator is already running"."""

        async def main():
            go = threading.Event()

            def items():
                yield 1
                go.wait(LONG)
                yield 2

            stream = bridge.iterate_in_thread(items, buffer_size=4)
            assert await anext(stream) == 1
            waiting = asyncio.create_task(turns_into_list(stream))
            await turns(3)
            closing = [asyncio.create_task(stream.aclose()) for _ in range(2)]
            await turns(3)
            go.set()
            await asyncio.gather(*closing)
            assert await waiting == []
            assert not stream._thread.is_alive()

        run(main())

    @pytest.mark.parametrize("when", STEPS)
    def test_cancelling_closes_before_it_returns(self, bridge, when):
        async def main():
            step = threading.Semaphore(3)
            source = Source(step.acquire(timeout=LONG) for _ in itertools.count())
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=4)
            task = asyncio.create_task(turns_into_list(stream))
            await turns(when)
            task.cancel()
            await turns(when)
            task.cancel()  # a second one may not cut the closing short
            await turns(1)
            step.release(10)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert source.closed == (1 if source.threads else 0)
            assert stream._thread is None or not stream._thread.is_alive()

        run(main())

    def test_a_stream_that_is_dropped_leaves_nothing_behind(self, bridge):
        async def main():
            source = Source(itertools.count())
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=4)
            async for _ in stream:
                break
            thread = stream._thread
            del stream
            gc.collect()
            thread.join(LONG)
            assert not thread.is_alive()
            assert source.closed == 1

        run(main())

    def test_a_stream_outlived_by_its_loop_leaves_nothing_behind(self, bridge):
        source = Source(itertools.count())
        kept = []

        async def main():
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=4)
            await anext(stream)
            kept.append(stream)

        run(main())
        thread = kept[0]._thread
        kept.clear()
        gc.collect()
        thread.join(LONG)
        assert source.closed == 1

    def test_context_variables_are_those_of_the_call(self, bridge):
        variable = contextvars.ContextVar("variable", default="none")

        def items():
            yield variable.get()
            variable.set("changed in the thread")
            yield variable.get()

        async def main():
            variable.set("at the call")
            stream = bridge.iterate_in_thread(items, buffer_size=1)
            variable.set("later")
            assert await turns_into_list(stream) == ["at the call", "changed in the thread"]
            assert variable.get() == "later"

        run(main())

    def test_a_bad_buffer_size_is_refused(self, bridge):
        with pytest.raises(ValueError, match="must be positive, got 0"):
            bridge.iterate_in_thread(list, buffer_size=0)

    def test_many_streams_at_once(self, bridge):
        async def main():
            streams = [bridge.iterate_in_thread(lambda: range(100), buffer_size=3) for _ in range(20)]
            results = await asyncio.gather(*map(turns_into_list, streams))
            assert results == [list(range(100))] * 20

        run(main())


async def turns_into_list(stream):
    return [item async for item in stream]


def transformed(bridge, source, transform, buffer_size=3):
    feed = bridge.feed_from_async(source, buffer_size=buffer_size)
    return bridge.iterate_in_thread(lambda: transform(feed), buffer_size=buffer_size, feed=feed)


class TestFeedFromAsync:
    @pytest.mark.parametrize("buffer_size", [1, 2, 64])
    @pytest.mark.parametrize("waits", [0, 1])
    def test_items_pass_through_a_sync_transform(self, bridge, buffer_size, waits):
        def double(chunks):
            for chunk in chunks:
                yield chunk
                yield chunk

        async def main():
            source = AsyncSource(range(200), waits=waits)
            stream = transformed(bridge, source, double, buffer_size)
            assert await turns_into_list(stream) == [n for n in range(200) for _ in range(2)]
            assert source.closed == 1
            assert len(source.tasks) == 1

        run(main())

    def test_the_source_is_not_pulled_before_it_is_asked_for_nor_too_far(self, bridge):
        async def main():
            source = AsyncSource(itertools.count())
            stream = transformed(bridge, source, lambda chunks: (chunk for chunk in chunks), 4)
            await turns(5)
            assert source.pulled == 0
            for taken in range(1, 30):
                assert await anext(stream) == taken - 1
                await turns(10)
                assert source.pulled <= taken + 8 + 1
            await stream.aclose()
            assert source.closed == 1

        run(main())

    def test_a_transform_that_stops_early_closes_the_source_before_the_end_is_seen(self, bridge):
        async def main():
            for waits in (0, 1):
                source = AsyncSource(itertools.count(), waits=waits)
                stream = transformed(bridge, source, lambda chunks: itertools.islice(chunks, 3))
                assert await turns_into_list(stream) == [0, 1, 2]
                assert source.closed == 1

        run(main())

    def test_a_transform_that_never_pulls(self, bridge):
        async def main():
            source = AsyncSource(itertools.count())
            assert await turns_into_list(transformed(bridge, source, lambda chunks: iter("ab"))) == ["a", "b"]
            assert (source.pulled, source.closed) == (0, 1)

        run(main())

    def test_a_stream_closed_before_it_began(self, bridge):
        async def main():
            source = AsyncSource(itertools.count())
            await transformed(bridge, source, iter).aclose()
            assert (source.pulled, source.closed) == (0, 1)

        run(main())

    def test_an_error_of_the_source_goes_through_the_transform(self, bridge):
        seen = []

        def transform(chunks):
            try:
                yield from chunks
            except LookupError as error:
                seen.append(error)
                raise

        async def main():
            error = LookupError("source")
            source = AsyncSource([1, 2], error=error)
            received = []
            with pytest.raises(LookupError) as caught:
                async for item in transformed(bridge, source, transform):
                    received.append(item)  # noqa: PERF401 - kept although the loop raises
            assert received == [1, 2]
            assert seen == [error]
            assert caught.value is error
            assert source.closed == 1

        run(main())

    def test_an_error_of_the_transform_closes_the_source(self, bridge):
        def transform(chunks):
            yield next(chunks)
            raise LookupError("transform")

        async def main():
            source = AsyncSource(itertools.count())
            stream = transformed(bridge, source, transform)
            assert await anext(stream) == 0
            with pytest.raises(LookupError, match="transform"):
                await anext(stream)
            assert source.closed == 1

        run(main())

    def test_an_error_in_closing_the_source(self, bridge):
        async def main():
            source = AsyncSource([1], close_error=OSError("close"))
            with pytest.raises(OSError, match="close"):
                await turns_into_list(transformed(bridge, source, iter))
            source = AsyncSource(itertools.count(), close_error=OSError("close"))
            stream = transformed(bridge, source, iter)
            await anext(stream)
            with pytest.raises(OSError, match="close"):
                await stream.aclose()
            await stream.aclose()
            assert source.closed == 1

        run(main())

    @pytest.mark.parametrize("taken", [0, 1, 5])
    def test_aclose_ends_a_transform_that_waits_for_input(self, bridge, taken):
        ended = []

        def transform(chunks):
            try:
                yield from chunks
                ended.append("exhausted")
            except Exception:  # noqa: BLE001 - that the end is no Exception is what is tested
                ended.append("failed")
            finally:
                ended.append("closed")

        async def main():
            async def source():
                try:
                    for number in range(taken + 1):
                        yield number
                    await asyncio.Event().wait()
                finally:
                    await turns(2)
                    ended.append("source closed")

            stream = transformed(bridge, source(), transform)
            for number in range(taken + 1):
                assert await anext(stream) == number
            waiting = asyncio.create_task(turns_into_list(stream))
            await turns(5)
            await stream.aclose()
            assert ended == ["closed", "source closed"] or ended == ["source closed", "closed"]
            assert await waiting == []

        run(main())

    @pytest.mark.parametrize("when", STEPS)
    def test_cancelling_closes_everything_before_it_returns(self, bridge, when):
        async def main():
            source = AsyncSource(itertools.count(), waits=2)
            stream = transformed(bridge, source, lambda chunks: (chunk for chunk in chunks))
            task = asyncio.create_task(turns_into_list(stream))
            await turns(when)
            task.cancel()
            await turns(when % 3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await stream.aclose()
            assert source.closed == 1

        run(main())

    @pytest.mark.parametrize("when", STEPS)
    @pytest.mark.parametrize("at_once", [False, True])
    def test_a_feed_closed_at_any_time_closes_its_source_once(self, bridge, when, at_once):
        async def main():
            source = AsyncSource(itertools.count())
            feed = bridge.feed_from_async(source, buffer_size=2)
            consumer = asyncio.create_task(asyncio.to_thread(take_all, feed))
            await turns(when)
            if not at_once:
                feed.close()
                await turns(when)
            await asyncio.gather(feed.aclose(), feed.aclose())
            assert source.closed == 1
            await consumer

        def take_all(feed):
            try:
                for _ in feed:
                    pass
            except GeneratorExit:
                pass

        run(main())

    def test_a_dropped_stream_closes_its_source(self, bridge):
        async def main():
            source = AsyncSource(itertools.count())
            stream = transformed(bridge, source, lambda chunks: (chunk for chunk in chunks))
            await anext(stream)
            thread = stream._thread
            del stream
            gc.collect()
            async with asyncio.timeout(LONG):
                while not source.closed:
                    await asyncio.sleep(0)
            thread.join(LONG)
            assert source.closed == 1

        run(main())

    def test_context_variables_reach_the_source(self, bridge):
        variable = contextvars.ContextVar("variable", default="none")

        async def main():
            async def source():
                yield variable.get()

            variable.set("at the call")
            stream = transformed(bridge, source(), iter)
            variable.set("later")
            assert await turns_into_list(stream) == ["at the call"]

        run(main())


class TestIterateAsyncFromSync:
    @pytest.mark.parametrize("waits", [0, 2])
    def test_items_come_in_order_and_the_source_is_closed_once(self, bridge, waits):
        source = AsyncSource(range(50), waits=waits)
        stream = bridge.iterate_async_from_sync(lambda: source)
        assert source.pulled == 0
        assert next(stream) == 0
        assert source.pulled == 1
        assert list(stream) == list(range(1, 50))
        assert source.closed == 1
        assert list(stream) == []
        stream.close()
        assert source.closed == 1

    def test_is_refused_inside_a_running_loop(self, bridge):
        message = r"^an event loop is running in this thread: use the async method$"

        async def main():
            with pytest.raises(RuntimeError, match=message):
                bridge.iterate_async_from_sync(lambda: AsyncSource([1]))
            with pytest.raises(RuntimeError, match=message):
                next(stream)

        stream = bridge.iterate_async_from_sync(lambda: AsyncSource([1]))
        run(main())
        assert list(stream) == [1]

    def test_an_error_comes_after_the_items(self, bridge):
        error = LookupError("source")
        source = AsyncSource([1, 2], error=error)
        stream = bridge.iterate_async_from_sync(lambda: source)
        assert [next(stream), next(stream)] == [1, 2]
        with pytest.raises(LookupError) as caught:
            next(stream)
        assert caught.value is error
        assert source.closed == 1
        assert list(stream) == []

    def test_an_error_in_closing(self, bridge):
        stream = bridge.iterate_async_from_sync(lambda: AsyncSource([1], close_error=OSError("close")))
        assert next(stream) == 1
        with pytest.raises(OSError, match="close"):
            stream.close()
        stream.close()

    def test_close_awaits_what_the_source_left_open(self, bridge):
        events = []

        async def source():
            async def background():
                try:
                    await asyncio.Event().wait()
                finally:
                    events.append("task cancelled")

            task = asyncio.create_task(background())
            try:
                for number in itertools.count():
                    await asyncio.sleep(0)
                    yield number
            finally:
                await asyncio.sleep(0)
                events.append("source closed")
                assert task is not None

        for end in ("close", "drop", "drop in a loop"):
            events.clear()
            stream = bridge.iterate_async_from_sync(source)
            assert [next(stream) for _ in range(3)] == [0, 1, 2]
            if end == "close":
                stream.close()
            elif end == "drop":
                del stream
            else:
                kept = [stream]
                del stream

                async def drop(kept=kept):
                    kept.clear()

                run(drop())
            gc.collect()
            assert sorted(events) == ["source closed", "task cancelled"]

    def test_the_whole_iteration_shares_one_loop_and_one_context(self, bridge):
        variable = contextvars.ContextVar("variable", default=0)

        async def source():
            for _ in range(3):
                variable.set(variable.get() + 1)
                yield variable.get(), asyncio.get_running_loop()

        variable.set(10)
        items = list(bridge.iterate_async_from_sync(source))
        assert [number for number, _ in items] == [11, 12, 13]
        assert len({loop for _, loop in items}) == 1
        assert variable.get() == 10

    def test_can_be_read_in_another_thread_one_after_the_other(self, bridge):
        stream = bridge.iterate_async_from_sync(lambda: AsyncSource(range(4)))
        assert next(stream) == 0
        received = []
        thread = threading.Thread(target=lambda: received.extend(stream))
        thread.start()
        thread.join(LONG)
        assert received == [1, 2, 3]


INTERRUPT = """
import asyncio, signal
from streamcore.runnables import bridge
def raise_(*args): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, raise_)
async def source():
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("closed")
stream = bridge.iterate_async_from_sync(source)
print(next(stream))
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    next(stream)
except KeyboardInterrupt:
    print("interrupted", list(stream))
"""

EXIT = """
import asyncio, threading, atexit
from streamcore.runnables import bridge
block = {block}
def items():
    try:
        yield 1
        if block: threading.Event().wait()
        while True: yield 2
    finally:
        print("closed")
async def main():
    stream = bridge.iterate_in_thread(items, buffer_size=3)
    print(await anext(stream))
    return stream
stream = asyncio.run(main())
"""


def run_script(script, backend):
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "STREAMCORE_BACKEND": backend.name},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(sys.platform == "win32", reason="no interval timer here")
def test_an_interrupt_on_the_private_loop_closes_the_source(backend):
    assert backend.Channel
    assert run_script(INTERRUPT, backend) == ["1", "closed", "interrupted", "[]"]


@pytest.mark.parametrize("block", [False, True])
def test_an_open_stream_does_not_keep_the_interpreter_alive(backend, block):
    assert backend.Channel
    assert run_script(EXIT.format(block=block), backend) == (["1"] if block else ["1", "closed"])
