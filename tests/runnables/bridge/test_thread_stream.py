"""A sync iterator under an event loop: what arrives, how far ahead, and that it is closed however it ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import threading
import traceback

import pytest
from loops import LONG, run, run_script, turns
from recorder import Source, listed

from streamcore.errors import ChannelClosed

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
STEPS = range(10)


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
                await listed(stream)
            assert error in (caught.value, caught.value.__cause__)

        run(main())

    def test_an_error_in_closing_is_raised_at_the_end_or_by_aclose(self, bridge):
        async def main():
            source = Source([1], close_error=OSError("close"))
            with pytest.raises(OSError, match="close"):
                await listed(bridge.iterate_in_thread(lambda: source, buffer_size=2))
            source = Source(itertools.count(), close_error=OSError("close"))
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=2)
            await anext(stream)
            with pytest.raises(OSError, match="close"):
                await stream.aclose()
            await stream.aclose()
            source = Source([1], error=KeyError("pull"), close_error=OSError("close"))
            with pytest.raises(KeyError) as caught:
                await listed(bridge.iterate_in_thread(lambda: source, buffer_size=2))
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
            waiting = asyncio.create_task(listed(stream))
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
            task = asyncio.create_task(listed(stream))
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

    @pytest.mark.parametrize("when", [1, 2])
    def test_a_cancellation_repeated_at_every_turn_is_kept_once(self, bridge, when):
        """As a cancelled scope of anyio does it; the source ends its blocking pull only later."""

        async def main():
            step, turned = threading.Semaphore(when), itertools.count()
            source = Source(step.acquire(timeout=LONG) for _ in itertools.count())
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=4)
            assert await anext(stream)
            task = asyncio.create_task(listed(stream))
            await turns(when)
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
                if next(turned) == 1000:
                    step.release(2)
            assert task.cancelled()
            assert source.closed == 1

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
            assert await listed(stream) == ["at the call", "changed in the thread"]
            assert variable.get() == "later"

        run(main())

    def test_a_bad_buffer_size_is_refused(self, bridge):
        with pytest.raises(ValueError, match="must be positive, got 0"):
            bridge.iterate_in_thread(list, buffer_size=0)

    def test_chunks_at_hand_cost_no_thread_hop_and_no_wake_up(self, bridge):
        """fastapi/fastapi#2302, BerriAI/litellm PR 34507: one hop between threads for each chunk."""

        async def main():
            loop = asyncio.get_running_loop()
            full = threading.Event()

            def items():
                for number in itertools.count():
                    if number == 98:
                        full.set()  # the buffer holds the 97 before
                    yield number

            source = Source(items())
            stream = bridge.iterate_in_thread(lambda: source, buffer_size=98)
            assert await anext(stream) == 0
            assert full.wait(LONG)
            wake, loop.call_soon_threadsafe = loop.call_soon_threadsafe, None
            for number in range(1, 98):
                with pytest.raises(StopIteration) as end:
                    stream.__anext__().__await__().send(None)  # no turn of the loop either
                assert end.value.value == number
            loop.call_soon_threadsafe = wake
            await stream.aclose()
            assert len(source.threads) == 1

        run(main())

    def test_many_streams_at_once(self, bridge):
        async def main():
            streams = [bridge.iterate_in_thread(lambda: range(100), buffer_size=3) for _ in range(20)]
            results = await asyncio.gather(*map(listed, streams))
            assert results == [list(range(100))] * 20

        run(main())


EXIT = """
import asyncio, threading, atexit
from streamcore.runnables.bridge.thread_stream import iterate_in_thread
block = {block}
went_on = threading.Event()
def items():
    try:
        yield 1
        went_on.set()
        if block: threading.Event().wait()
        while True: yield 2
    finally:
        print("closed")
async def main():
    stream = iterate_in_thread(items, buffer_size=3)
    print(await anext(stream))
    went_on.wait()
    return stream
stream = asyncio.run(main())
"""


@pytest.mark.parametrize("block", [False, True])
def test_an_open_stream_does_not_keep_the_interpreter_alive(backend, block):
    assert backend.Channel
    assert run_script(EXIT.format(block=block), backend) == (["1"] if block else ["1", "closed"])
