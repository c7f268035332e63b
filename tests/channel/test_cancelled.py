"""Channel on event loops: cancellation at every step, closes and errors; nothing lost, everyone woken."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest
from channel_sides import receive, send
from loops import in_thread, run, turns

from streamcore.errors import ChannelClosed

STEPS = range(12)  # turns of the loop after which something happens; more than any operation takes


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
