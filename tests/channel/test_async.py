"""Channel on event loops: one loop, two loops, a loop and a thread."""

from __future__ import annotations

import asyncio

import pytest
from channel_sides import receive, send
from loops import LONG, in_thread, run

from streamcore.errors import StreamTimeout


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
