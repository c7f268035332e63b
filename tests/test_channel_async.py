"""Channel on event loops: one loop, two loops, a loop and a thread; cancellation at every step."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import itertools
import os
import subprocess
import sys
import threading
import weakref

import pytest

from streamcore.errors import ChannelClosed, StreamTimeout

LONG = 60  # seconds until a test that hangs fails
STEPS = range(12)  # turns of the loop after which something happens; more than any operation takes


def run(coroutine):
    """Run ``coroutine`` on a new loop, and fail instead of hanging."""

    async def bounded():
        async with asyncio.timeout(LONG):
            return await coroutine

    return asyncio.run(bounded())


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


def in_thread(function, *args):
    """Start ``function`` in a thread; what is returned waits for its result."""
    outcome = []

    def call():
        try:
            outcome.append((function(*args), None))
        except BaseException as error:  # noqa: BLE001 - whatever it is, result() raises it
            outcome.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()

    def result():
        thread.join(LONG)
        if thread.is_alive():
            faulthandler.dump_traceback()
            pytest.fail("a thread still waits")
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return result


async def send(channel, count, batch):
    if batch is None:
        for number in range(count):
            await channel.aput(number)
    else:
        for start in range(0, count, batch):
            part = range(start, min(start + batch, count))
            assert await channel.aput_many(list(part)) == len(part)
    channel.close()


async def receive(channel, limit):
    if limit == "for":
        return [item async for item in channel]
    received = []
    try:
        while True:
            if limit == "get":
                received.append(await channel.aget())
            else:
                received.extend(await channel.aget_many(limit))
    except ChannelClosed:
        return received


@pytest.mark.parametrize("capacity", [1, 2, 64, 1000])
@pytest.mark.parametrize(("batch", "limit"), [(None, "for"), (None, "get"), (7, None), (150, 40)])
class TestEveryItemArrivesOnceAndInOrder:
    count = 1000

    def test_on_one_loop(self, backend, capacity, batch, limit):
        async def main():
            channel = backend.Channel(capacity)
            sender = asyncio.create_task(send(channel, self.count, batch))
            received = await receive(channel, limit)
            await sender
            return received

        assert run(main()) == list(range(self.count))

    def test_between_two_loops(self, backend, capacity, batch, limit):
        channel = backend.Channel(capacity)
        sender = in_thread(lambda: run(send(channel, self.count, batch)))
        assert run(receive(channel, limit)) == list(range(self.count))
        sender()

    def test_from_a_thread_to_a_loop(self, backend, capacity, batch, limit):
        def produce():
            for number in range(self.count):
                channel.put(number)
            channel.close()

        channel = backend.Channel(capacity)
        producer = in_thread(produce)
        assert run(receive(channel, limit)) == list(range(self.count))
        producer()

    def test_from_a_loop_to_a_thread(self, backend, capacity, batch, limit):
        channel = backend.Channel(capacity)
        consumer = in_thread(list, channel)
        run(send(channel, self.count, batch))
        assert consumer() == list(range(self.count))


def test_an_operation_that_need_not_wait_does_not_give_way(backend):
    async def main():
        channel = backend.Channel(3)
        turned = []
        asyncio.get_running_loop().call_soon(turned.append, True)
        await channel.aput(1)
        await channel.aput_many([2, 3])
        assert await channel.aget() == 1
        assert await channel.aget_many() == [2, 3]
        assert not turned

    run(main())


def test_there_must_be_a_running_asyncio_loop_to_wait_on(backend):
    waiting = backend.Channel(1).aget()
    with pytest.raises(RuntimeError, match="no running event loop"):
        waiting.send(None)


def test_coroutines_may_become_tasks(backend):
    async def main():
        channel = backend.Channel(1)
        getter = asyncio.create_task(channel.aget())
        nexter = asyncio.create_task(anext(channel))
        putter = asyncio.create_task(channel.aput_many([1, 2]))
        assert [await getter, await nexter, await putter] == [1, 2, 2]
        assert await asyncio.wait_for(channel.aput(3), LONG) is None
        assert await asyncio.gather(channel.aget_many()) == [[3]]

    run(main())


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_timeouts(backend, timeout):
    async def main():
        channel = backend.Channel(1)
        with pytest.raises(StreamTimeout, match=rf"^no item within {timeout} s$"):
            await channel.aget(timeout=timeout)
        with pytest.raises(StreamTimeout, match=rf"^no item within {timeout} s$"):
            await channel.aget_many(timeout=timeout)
        await channel.aput("a")
        with pytest.raises(StreamTimeout, match=rf"^no room within {timeout} s$") as caught:
            await channel.aput("b", timeout=timeout)
        assert (caught.value.items_put, caught.value.unsent) == (0, ["b"])
        with pytest.raises(StreamTimeout) as caught:
            await channel.aput_many(iter("bc"), timeout=timeout)
        assert (caught.value.items_put, caught.value.unsent) == (0, ["b"])
        assert await channel.aget() == "a"

    run(main())


class TestHandOff:
    """EDGE_CASES "Hand-off", event loops."""

    def test_one_wake_up_for_each_idle_to_busy_edge(self, backend):
        """epics-base/p4p#143: a self-pipe flooded by one wake-up an item."""

        async def main():
            loop = asyncio.get_running_loop()
            channel = backend.Channel(1000)
            calls = []
            wake = loop.call_soon_threadsafe

            def counted(*args, **kwargs):
                calls.append(args)
                return wake(*args, **kwargs)

            loop.call_soon_threadsafe = counted
            getter = asyncio.create_task(channel.aget())
            await turns(3)
            thread = threading.Thread(target=lambda: [channel.put(number) for number in range(500)])
            thread.start()
            thread.join()
            assert len(calls) == 1
            assert await getter == 0
            assert await channel.aget_many() == list(range(1, 500))
            assert len(calls) == 1

        run(main())

    def test_no_self_pipe_when_both_sides_are_on_one_loop(self, backend):
        async def main():
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe = None
            channel = backend.Channel(1)
            sender = asyncio.create_task(send(channel, 50, None))
            assert await receive(channel, "for") == list(range(50))
            await sender
            del loop.call_soon_threadsafe

        run(main())

    @pytest.mark.parametrize("when", STEPS)
    @pytest.mark.parametrize("form", ["get", "for", "many"])
    def test_a_cancelled_get_takes_nothing(self, backend, when, form):
        """python/asyncio#343, tornadoweb/tornado#2826, agronholm/anyio PR 1075: cancelled as the item arrives."""

        async def main(after):
            channel = backend.Channel(3)
            take = {
                "get": channel.aget,
                "for": channel.__anext__,
                "many": lambda: channel.aget_many(1),
            }[form]

            async def consume():
                nonlocal received
                item = await take()
                received += item if form == "many" else [item]

            received = []
            task = asyncio.create_task(consume())
            await turns(after)
            channel.put(1)
            await turns(when)
            task.cancel()
            await asyncio.wait([task])
            assert len(received) + len(channel) == 1
            assert task.cancelled() == (not received)
            if not received:
                await consume()
            assert received == [1]

        for after in (0, 1, 2, 3):
            run(main(after))

    @pytest.mark.parametrize("when", STEPS)
    @pytest.mark.parametrize("form", ["put", "many", "iterator"])
    def test_a_cancelled_put_says_what_went_in(self, backend, when, form):
        async def main(after):
            channel = backend.Channel(2)
            await channel.aput_many("ab")
            items = ["c"] if form == "put" else ["c", "d", "e"]
            left = iter(items)
            outcome = []

            async def produce():
                try:
                    if form == "put":
                        await channel.aput("c")
                    else:
                        await channel.aput_many(left if form == "iterator" else items)
                except asyncio.CancelledError as error:
                    outcome.append((error.items_put, error.unsent))
                    raise
                outcome.append((len(items), []))

            task = asyncio.create_task(produce())
            await turns(after)
            taken = [await channel.aget()]
            await turns(when)
            task.cancel()
            await asyncio.wait([task])
            while len(channel):
                taken += await channel.aget_many()
            if not outcome:  # cancelled before it began
                outcome.append((0, [] if form == "iterator" else items))
            put, unsent = outcome[0]
            assert taken == ["a", "b", *items[:put]]
            assert [*unsent, *left] == items[put:] or form != "iterator"
            assert unsent == items[put:] or form == "iterator"

        for after in (0, 1, 2, 3):
            run(main(after))

    @pytest.mark.parametrize("when", STEPS)
    def test_a_wake_up_given_to_a_cancelled_get_goes_to_the_next(self, backend, when):
        async def main():
            channel = backend.Channel(3)
            first, second = (asyncio.create_task(channel.aget()) for _ in range(2))
            await turns(3)
            channel.put(1)
            first.cancel()
            await turns(when)
            await asyncio.wait([first])
            if first.cancelled():
                assert await second == 1
            else:
                channel.put(2)
                assert await second == 2

        run(main())

    @pytest.mark.parametrize("when", STEPS)
    def test_room_offered_to_a_cancelled_put_goes_to_the_next(self, backend, when):
        async def main():
            channel = backend.Channel(1)
            channel.put("full")
            first, second = (asyncio.create_task(channel.aput(item)) for item in "ab")
            await turns(3)
            assert channel.get() == "full"
            first.cancel()
            await turns(when)
            await asyncio.wait([first])
            received = [await channel.aget()]
            if not first.cancelled():
                received.append(await channel.aget())
            await second
            assert received == (["b"] if first.cancelled() else ["a", "b"])

        run(main())

    @pytest.mark.parametrize("delay", range(6))
    def test_wait_for_that_ends_as_the_item_arrives_loses_nothing(self, backend, delay):
        async def main():
            channel = backend.Channel(2)
            received = []

            async def consume():
                while len(received) < 20:
                    try:
                        received.append(await asyncio.wait_for(channel.aget(), 0.0005))
                    except TimeoutError:
                        continue

            consumer = asyncio.create_task(consume())
            for number in range(20):
                await turns(delay)
                await channel.aput(number)
            await consumer
            assert received == list(range(20))

        run(main())

    @pytest.mark.parametrize("error", [None, LookupError("gone")])
    @pytest.mark.parametrize("from_thread", [False, True])
    def test_close_wakes_everyone_who_waits(self, backend, error, from_thread):
        async def main():
            empty, full = backend.Channel(1), backend.Channel(1)
            full.put("first")
            waiters = [
                asyncio.create_task(one)
                for one in (
                    empty.aget(),
                    empty.aget_many(),
                    receive(empty, "for"),
                    full.aput(2),
                    full.aput_many("ab"),
                )
            ]
            await turns(3)
            for channel in (empty, full):
                if from_thread:
                    in_thread(channel.close, error)()
                else:
                    channel.close(error)
            results = await asyncio.gather(*waiters, return_exceptions=True)
            kinds = [type(one) for one in results]
            expected = ChannelClosed if error is None else LookupError
            assert kinds == [expected, expected, list if error is None else LookupError, expected, expected]
            assert await full.aget() == "first"

        run(main())

    def test_close_after_a_wake_up_that_found_nothing(self, backend):
        """A consumer that is rung for an item which another takes waits on, and still hears the close."""

        async def main():
            channel = backend.Channel(2)
            getter = asyncio.create_task(channel.aget())
            await turns(3)
            channel.put(1)
            assert channel.get(timeout=0) == 1
            await turns(3)
            assert not getter.done()
            channel.put(2)
            assert await getter == 2
            getter = asyncio.create_task(channel.aget())
            await turns(3)
            channel.put(3)
            assert channel.get(timeout=0) == 3
            channel.close()
            with pytest.raises(ChannelClosed):
                await getter

        run(main())

    def test_many_consumers_and_producers_on_one_loop(self, backend):
        async def main():
            channel = backend.Channel(3)
            consumers = [asyncio.create_task(receive(channel, "for")) for _ in range(20)]
            producers = [
                asyncio.create_task(channel.aput_many(range(start, start + 50)))
                for start in range(0, 1000, 50)
            ]
            assert await asyncio.gather(*producers) == [50] * 20
            channel.close()
            received = await asyncio.gather(*consumers)
            assert sorted(itertools.chain(*received)) == list(range(1000))

        run(main())

    def test_an_error_of_the_producer_comes_after_its_items(self, backend):
        async def main():
            channel = backend.Channel(2)

            async def produce():
                try:
                    for number in range(5):
                        await channel.aput(number)
                    raise LookupError("producer")
                except LookupError as error:
                    channel.close(error)

            task = asyncio.create_task(produce())
            received = []

            async def consume():
                async for item in channel:
                    received.append(item)  # noqa: PERF401 - kept although the loop raises

            with pytest.raises(LookupError, match="producer") as caught:
                await consume()
            assert received == [0, 1, 2, 3, 4]
            assert caught.traceback[-1].name == "produce"
            await task

        run(main())


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
            from streamcore._{backend.name}.channel import Channel
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
