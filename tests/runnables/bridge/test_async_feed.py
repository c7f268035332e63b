"""An async source for a sync transform in a thread: nothing lost, everything closed however it ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools

import pytest
from loops import LONG, run, turns
from recorder import AsyncSource, listed, transformed

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
STEPS = range(10)


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
            assert await listed(stream) == [n for n in range(200) for _ in range(2)]
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
                assert await listed(stream) == [0, 1, 2]
                assert source.closed == 1

        run(main())

    def test_a_transform_that_never_pulls(self, bridge):
        async def main():
            source = AsyncSource(itertools.count())
            assert await listed(transformed(bridge, source, lambda chunks: iter("ab"))) == ["a", "b"]
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
                await listed(transformed(bridge, source, iter))
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
            waiting = asyncio.create_task(listed(stream))
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
            task = asyncio.create_task(listed(stream))
            await turns(when)
            task.cancel()
            await turns(when % 3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await stream.aclose()
            assert source.closed == 1

        run(main())

    def test_cancelling_the_close_of_a_feed_that_was_never_pulled_closes_its_source(self, bridge):
        async def main():
            cancelled = 0
            for when in STEPS:
                source = AsyncSource(itertools.count())
                closing = asyncio.create_task(bridge.feed_from_async(source, buffer_size=1).aclose())
                await turns(when)
                if closing.cancel() and when:
                    with pytest.raises(asyncio.CancelledError):
                        await closing
                    assert source.closed == 1
                    cancelled += 1
            assert cancelled

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

    @pytest.mark.parametrize("when", range(1, 12))
    def test_a_cancellation_is_not_lost_to_a_close_that_fails(self, bridge, when):
        def fails_to_close(chunks):
            try:
                yield from chunks
            finally:
                raise LookupError("the transform's close")

        async def main():
            source = AsyncSource(itertools.count())
            stream = transformed(bridge, source, fails_to_close)
            assert await anext(stream) == 0
            closing = asyncio.create_task(stream.aclose())
            await turns(when)
            cancelled = closing.cancel()
            await asyncio.wait([closing])
            assert source.closed == 1
            assert closing.cancelled() == cancelled
            if not cancelled:
                assert isinstance(closing.exception(), LookupError)

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
            assert await listed(stream) == ["at the call"]

        run(main())
