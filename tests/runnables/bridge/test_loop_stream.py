"""An async source for a sync caller, on a private event loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import sys
import threading

import pytest
from loops import LONG, run, run_script
from recorder import AsyncSource

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
STEPS = range(10)


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
from streamcore.runnables.bridge.loop_stream import iterate_async_from_sync
def raise_(*args): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, raise_)
async def source():
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("closed")
stream = iterate_async_from_sync(source)
print(next(stream))
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    next(stream)
except KeyboardInterrupt:
    print("interrupted", list(stream))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no interval timer here")
def test_an_interrupt_on_the_private_loop_closes_the_source(backend):
    assert backend.Channel
    assert run_script(INTERRUPT, backend) == ["1", "closed", "interrupted", "[]"]
