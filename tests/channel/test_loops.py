"""Channel beside event loops that are closed or forgotten, and what keeps what alive."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import weakref

import pytest
from loops import LONG, in_thread, run, turns

from streamcore.errors import ChannelClosed


class TestAClosedLoop:
    @staticmethod
    def abandon(*coroutines):
        """A loop that was closed while these coroutines waited on it; the tasks, so that they stay alive."""
        loop = asyncio.new_event_loop()
        tasks = [loop.create_task(one) for one in coroutines]
        loop.run_until_complete(turns(4))
        loop.close()
        for task in tasks:
            task._log_destroy_pending = False
        return tasks

    @pytest.fixture(autouse=True)
    def _silent(self):
        yield
        gc.collect()

    def test_a_consumer_that_waited_there_ends_the_producer(self, backend):
        channel = backend.Channel(2)
        tasks = self.abandon(channel.aget())
        channel.put("kept")
        assert channel.closed
        message = r"^the event loop that waited on the other side was closed$"
        with pytest.raises(ChannelClosed, match=message) as caught:
            channel.put("refused")
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert channel.get() == "kept"
        with pytest.raises(ChannelClosed, match=message):
            channel.get()
        with pytest.raises(ChannelClosed, match=message):
            list(channel)
        del tasks

    def test_a_producer_that_waited_there_ends_the_consumer(self, backend):
        channel = backend.Channel(1)
        channel.put("first")
        tasks = self.abandon(channel.aput("never"))
        assert channel.get() == "first"
        with pytest.raises(ChannelClosed, match="event loop"):
            channel.get()
        del tasks

    @pytest.mark.parametrize("form", ["thread", "loop"])
    def test_a_wake_up_that_the_loop_never_ran_ends_the_other_side(self, backend, form):
        channel = backend.Channel(1)
        loop = asyncio.new_event_loop()
        task = loop.create_task(channel.aget())
        loop.run_until_complete(turns(4))
        channel.put("rung, and never taken")
        loop.close()
        task._log_destroy_pending = False
        with pytest.raises(ChannelClosed, match="event loop"):
            if form == "thread":
                in_thread(channel.put, "waits for room")()
            else:
                run(channel.aput("waits for room"))
        assert channel.get() == "rung, and never taken"

    def test_close_reaches_the_others(self, backend):
        channel = backend.Channel(1)
        tasks = self.abandon(channel.aget())
        other = in_thread(lambda: run(channel.aget()))
        channel.close()
        with pytest.raises(ChannelClosed):
            other()
        del tasks

    def test_a_loop_that_was_closed_after_it_was_done_means_nothing(self, backend):
        channel = backend.Channel(2)
        for number in range(3):
            run(channel.aput(number))
            assert run(channel.aget()) == number
        assert not channel.closed

    def test_one_channel_outlives_several_loops(self, backend):
        channel = backend.Channel(1)

        def produce():
            for start in range(0, 50, 10):
                run(channel.aput_many(range(start, start + 10)))
            channel.close()

        producer = in_thread(produce)
        received = []
        while len(received) < 50:
            received.append(run(channel.aget()))
        with pytest.raises(ChannelClosed):
            run(channel.aget())
        producer()
        assert received == list(range(50))


class TestLifetimes:
    def test_a_waiting_coroutine_that_is_dropped_leaves_the_line(self, backend):
        channel = backend.Channel(1)
        loop = asyncio.new_event_loop()

        async def main():
            waiting = channel.aget()
            asyncio.get_running_loop()
            waiting.send(None)
            waiting.close()
            never_started = channel.aget()
            never_started.close()

        loop.run_until_complete(main())
        loop.close()
        channel.put(1)
        assert not channel.closed
        assert channel.get() == 1

    def test_a_forgotten_consumer_does_not_live_for_ever(self, backend):
        class Marked(asyncio.Event):
            pass

        async def main():
            channel = backend.Channel(1)
            marked = Marked()
            seen = weakref.ref(marked)

            async def consume(channel, marked):
                await channel.aget()

            task = asyncio.create_task(consume(channel, marked))
            await turns(3)
            task._log_destroy_pending = False
            del task, marked, channel, consume
            gc.collect()
            return seen

        assert run(main())() is None

    def test_asyncio_is_imported_only_when_a_coroutine_waits(self, backend):
        script = f"""if True:
            import sys
            from streamcore._{backend.name}.channel.channel import Channel
            channel = Channel(1)
            channel.put(1)
            assert channel.get() == 1
            channel.close()
            assert "asyncio" not in sys.modules
        """
        assert backend.Channel
        path = ":".join(sys.path) if sys.platform != "win32" else ";".join(sys.path)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
            timeout=LONG,
            check=False,
            text=True,
        )
        assert done.returncode == 0
