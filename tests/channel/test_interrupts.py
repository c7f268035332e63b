"""Signals and channels: a handler that raises leaves every item in the channel, or in the caller's hands.

No test hopes for a moment: a thread that holds the GIL for good hands the item over and raises the signal in one go, or
the handler raises inside the very call that a get makes of foreign code.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import sys
import threading

import pytest

from streamcore.errors import ChannelClosed, StreamTimeout

LONG = 60  # seconds until a test that hangs fails
GETS = {
    "get": lambda channel: [channel.get()],
    "get with a timeout": lambda channel: [channel.get(LONG)],
    "next": lambda channel: [next(channel)],
    "get_many": lambda channel: channel.get_many(),
    "get_many of one": lambda channel: channel.get_many(1),
    "get_many into a list": lambda channel: channel.get_many(into=[]),
}


@contextlib.contextmanager
def interrupted_while_parked(act):
    """``act`` runs in a thread at the moment this one parks, and the interrupt is raised before this one runs again."""
    go = threading.Event()

    def hand_over():
        go.wait(LONG)
        _thread.interrupt_main()  # first: without a GIL, this one may run at any time
        act()

    thread = threading.Thread(target=hand_over)
    thread.start()
    interval = sys.getswitchinterval()
    try:
        sys.setswitchinterval(
            1000
        )  # the thread gets the GIL when this one parks, and gives it back when it has ended
        with pytest.raises(KeyboardInterrupt):
            go.set()
            yield
    finally:
        sys.setswitchinterval(interval)
        thread.join(LONG)


@pytest.mark.parametrize("form", GETS)
def test_an_interrupt_that_comes_with_the_item_leaves_it_in_the_channel(backend, form):
    channel = backend.Channel(3)
    with interrupted_while_parked(lambda: channel.put_many("abc")):
        GETS[form](channel)
    assert channel.get_many(timeout=0) == ["a", "b", "c"]


@pytest.mark.parametrize("form", GETS)
def test_an_interrupt_passes_the_wake_up_on_to_the_next_consumer(backend, form):
    channel = backend.Channel(3)
    got = []

    def consume():
        got.append(channel.get(LONG))

    second = threading.Thread(target=consume)
    with interrupted_while_parked(lambda: (second.start(), channel.put("a"))):
        GETS[form](channel)
    second.join(LONG)
    assert got == ["a"]


@pytest.mark.parametrize("form", ["put", "put_many"])
def test_an_interrupt_that_comes_with_the_room_puts_nothing_in_unsaid(backend, form):
    channel = backend.Channel(1)
    channel.put("first")
    acts = {"put": lambda: channel.put("a"), "put_many": lambda: channel.put_many(["a", "b"])}
    taken = []
    told = []
    with interrupted_while_parked(lambda: taken.append(channel.get())):
        try:
            acts[form]()
        except KeyboardInterrupt as error:
            told += [error.items_put, error.unsent]
            raise
    left = channel.get_many() if len(channel) else []
    assert taken == ["first"]
    assert left == ["a", "b"][: told[0]]
    assert left + told[1] == (["a"] if form == "put" else ["a", "b"])


class Interrupt(BaseException):
    """What a signal handler raises."""


def channel_with_a_waiting_putter(backend, ring, items=(1, 2), last=3, **options):
    """A channel full of ``items``, and a coroutine that waits to put ``last``; waking it calls ``ring``."""
    channel = backend.Channel(10 if "size" in options else len(items), **options)
    channel.put_many(items)
    loop = asyncio.new_event_loop()
    plain = loop.call_soon_threadsafe
    task = loop.create_task(channel.aput(last))
    loop.run_until_complete(asyncio.sleep(0))
    loop.call_soon_threadsafe = lambda *args: (ring(), plain(*args))[1]
    return channel, loop, task


class TestAnErrorWhileTheOtherSideIsRung:
    """A get has taken its items, and wakes a coroutine by foreign code, in which a handler raises."""

    @pytest.mark.parametrize("form", GETS)
    def test_what_was_taken_goes_back_to_the_head(self, backend, form):
        raises = [Interrupt()]

        def ring():
            if raises:
                raise raises.pop()

        channel, loop, task = channel_with_a_waiting_putter(backend, ring)
        with contextlib.closing(loop):
            with pytest.raises(Interrupt):
                GETS[form](channel)
            assert len(channel) == 2
            assert GETS[form](channel)[0] == 1
            loop.run_until_complete(asyncio.wait_for(task, LONG))
            rest = channel.get_many()
            assert rest[-1] == 3
            assert rest in ([2, 3], [3])

    def test_what_went_back_takes_up_what_it_did(self, backend):
        items = [b"1", b"22", b"333", b"4444"]
        for options in ({}, {"buffer_bytes": 10}, {"buffer_bytes": None}, {"size": len}):
            for limit in (1, 2, 3, None):
                raises = [Interrupt()]

                def ring():
                    if raises:  # noqa: B023 - called in this round
                        raise raises.pop()  # noqa: B023

                channel, loop, task = channel_with_a_waiting_putter(backend, ring, items, b"last", **options)
                with contextlib.closing(loop):
                    with pytest.raises(Interrupt):
                        channel.get_many(limit)
                    taken = channel.get_many(2) + channel.get_many()
                    loop.run_until_complete(asyncio.wait_for(task, LONG))
                    taken += channel.get_many() if len(channel) else []
                    assert taken == [*items, b"last"]
                    assert channel.put_many(items, timeout=0) == 4
                    with pytest.raises(StreamTimeout):
                        channel.put(b"7777777", timeout=0)

    def test_what_went_back_is_counted_iterated_and_drained_in_order(self, backend):
        raises = [Interrupt()]

        def ring():
            if raises:
                raise raises.pop()

        channel, loop, task = channel_with_a_waiting_putter(backend, ring)
        with contextlib.closing(loop):
            with pytest.raises(Interrupt):
                channel.get_many()
            assert "2 items" in repr(channel)
            assert channel.get() == 1
            loop.run_until_complete(asyncio.wait_for(task, LONG))
            assert len(channel) == 2
            channel.close()
            assert channel.get_many(1) == [2]
            assert list(channel) == [3]
            with pytest.raises(ChannelClosed):
                channel.get()

    def test_what_went_back_wakes_a_consumer_that_waits(self, backend):
        raises = [Interrupt()]
        second = []

        def ring():
            if raises:
                second.append(threading.Thread(target=lambda: second.append(channel.get_many(2, LONG))))
                raise raises.pop()

        channel, loop, task = channel_with_a_waiting_putter(backend, ring)
        with contextlib.closing(loop):
            with pytest.raises(Interrupt):
                channel.get_many()
            second[0].start()
            second[0].join(LONG)
            assert second[1] == [1, 2]
            loop.run_until_complete(asyncio.wait_for(task, LONG))
        assert channel.get() == 3

    def test_several_consumers_take_what_went_back_once_each(self, backend):
        """Without a GIL the items that went back are shared under the consumers' lock."""
        received, interrupts = [], []
        mine = threading.local()

        def ring():
            mine.raised = not getattr(mine, "raised", False)  # what is rung once more then is rung
            if mine.raised:
                interrupts.append(1)
                raise Interrupt

        channel = backend.Channel(2)
        loop = asyncio.new_event_loop()
        plain = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args: (ring(), plain(*args))[1]

        def consume():
            items = []
            while True:
                try:
                    channel.get_many(into=items)
                except Interrupt:
                    continue
                except ChannelClosed:
                    received.append(items)
                    return

        async def produce():
            await channel.aput_many(list(range(400)))
            channel.close()

        consumers = [threading.Thread(target=consume) for _ in range(3)]
        for consumer in consumers:
            consumer.start()
        with contextlib.closing(loop):
            loop.run_until_complete(asyncio.wait_for(produce(), LONG))
        for consumer in consumers:
            consumer.join(LONG)
        assert sorted(item for items in received for item in items) == list(range(400))
        assert interrupts


class TestInto:
    def test_items_are_added_to_the_end_of_the_list_of_the_caller(self, backend):
        channel = backend.Channel(10)
        channel.put_many("abcde")
        items = ["before"]
        assert channel.get_many(2, into=items) is items
        assert items == ["before", "a", "b"]
        assert channel.get_many(into=items) is items
        assert items == ["before", *"abcde"]

    def test_on_a_loop(self, backend):
        async def main():
            channel = backend.Channel(10)
            channel.put_many("abc")
            items = []
            assert await channel.aget_many(2, into=items) is items
            assert await channel.aget_many(into=items) is items
            return items

        assert asyncio.run(main()) == ["a", "b", "c"]

    @pytest.mark.parametrize("into", [(), "ab", type("Mine", (list,), {})()])
    def test_anything_but_a_list_is_refused_and_nothing_is_taken(self, backend, into):
        channel = backend.Channel(2)
        channel.put(1)
        message = f"^into must be a list or None, got {type(into).__name__}$"
        with pytest.raises(TypeError, match=message):
            channel.get_many(into=into)
        with pytest.raises(TypeError, match=message):
            asyncio.run(channel.aget_many(into=into))
        assert len(channel) == 1

    def test_a_get_that_times_out_or_meets_the_end_leaves_the_list_alone(self, backend):
        channel = backend.Channel(2)
        items = [0]
        with pytest.raises(StreamTimeout):
            channel.get_many(timeout=0, into=items)
        channel.close()
        with pytest.raises(ChannelClosed):
            channel.get_many(into=items)
        assert items == [0]

    def test_an_interrupt_leaves_every_item_in_the_list_or_in_the_channel(self, backend):
        channel = backend.Channel(3)
        items = []
        with interrupted_while_parked(lambda: channel.put_many("abc")):
            channel.get_many(into=items)
        assert items + channel.get_many(timeout=0) == ["a", "b", "c"]
