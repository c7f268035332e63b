"""Channel without a second thread: what goes in, what comes out, what is refused."""

from __future__ import annotations

import asyncio
import gc
import itertools
import traceback
import weakref
from collections import deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from streamcore.errors import ChannelClosed, StreamcoreError, StreamTimeout


def test_items_come_out_in_the_order_they_went_in(backend):
    channel = backend.Channel(3)
    for item in ("a", "b", "c"):
        channel.put(item)
    assert len(channel) == 3
    assert [channel.get() for _ in range(3)] == ["a", "b", "c"]
    assert len(channel) == 0


@pytest.mark.parametrize("capacity", [1, 2, 63, 64, 65, 127, 128, 129, 1000])
def test_holds_exactly_its_capacity_over_many_laps(backend, capacity):
    channel = backend.Channel(capacity)
    numbers = itertools.count()
    expected = itertools.count()
    for _ in range(3):
        for _ in range(capacity):
            channel.put(next(numbers), timeout=0)
        with pytest.raises(StreamTimeout, match=r"^no room within 0 s$"):
            channel.put("more", timeout=0)
        assert len(channel) == capacity
        for _ in range(capacity - 1):
            assert channel.get(timeout=0) == next(expected)
        assert channel.get_many() == [next(expected)]
        with pytest.raises(StreamTimeout, match=r"^no item within 0 s$"):
            channel.get(timeout=0)


def test_many_in_and_many_out(backend):
    channel = backend.Channel(500)
    assert channel.put_many(range(100)) == 100
    assert channel.put_many([100, 101]) == 2
    assert channel.put_many((102,)) == 1
    assert channel.put_many([]) == 0
    assert channel.get_many(limit=3) == [0, 1, 2]
    assert channel.get_many(limit=1) == [3]
    assert channel.get_many() == list(range(4, 103))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128, 200])
def test_put_many_of_a_list_tuple_or_iterator_is_the_same(backend, count):
    for make in (list, tuple, iter, deque):
        channel = backend.Channel(count)
        assert channel.put_many(make(range(count))) == count
        assert channel.get_many() == list(range(count))


def test_any_object_may_be_an_item(backend):
    channel = backend.Channel(10)
    items = [None, (), (1, 2), StopIteration(1), ValueError("x"), [], NotImplemented, ..., asyncio]
    for item in items:
        channel.put(item)
        assert channel.get() is item
        asyncio.run(channel.aput(item))
        assert asyncio.run(channel.aget()) is item
        channel.put(item)
        assert asyncio.run(take_next(channel)) is item
        channel.put(item)
        assert next(channel) is item


async def take_next(channel):
    return await anext(channel)


class TestCloseAndErrors:
    def test_what_was_put_can_still_be_taken(self, backend):
        channel = backend.Channel(5)
        channel.put_many([1, 2, 3])
        assert not channel.closed
        channel.close()
        assert channel.closed
        assert channel.get() == 1
        assert channel.get_many() == [2, 3]
        for _ in range(2):
            with pytest.raises(ChannelClosed, match=r"^the channel is closed and empty$"):
                channel.get()
        with pytest.raises(ChannelClosed, match=r"^the channel is closed and empty$"):
            channel.get_many()

    def test_iteration_takes_what_is_left_and_ends(self, backend):
        channel = backend.Channel(5)
        channel.put_many("abc")
        channel.close()
        assert list(channel) == ["a", "b", "c"]
        assert list(channel) == []
        assert next(channel, "end") == "end"

    def test_put_is_refused(self, backend):
        channel = backend.Channel(5)
        channel.close()
        with pytest.raises(ChannelClosed, match=r"^the channel is closed$") as caught:
            channel.put(1)
        assert caught.value.items_put == 0
        assert caught.value.unsent == [1]
        with pytest.raises(ChannelClosed) as caught:
            channel.put_many([1, 2])
        assert (caught.value.items_put, caught.value.unsent) == (0, [1, 2])
        assert channel.put_many([]) == 0
        assert len(channel) == 0

    def test_is_idempotent_and_the_first_call_counts(self, backend):
        channel = backend.Channel(5)
        channel.close()
        channel.close(ValueError("late"))
        with pytest.raises(ChannelClosed):
            channel.get()

    def test_an_error_comes_after_the_items_and_keeps_its_identity(self, backend):
        error = LookupError("lost")
        channel = backend.Channel(5)
        channel.put(1)
        channel.close(error)
        with pytest.raises(LookupError) as caught:
            channel.put(2)
        assert caught.value is error
        received = []
        with pytest.raises(LookupError) as caught:
            received.extend(item for item in iter(channel.get, None))
        assert caught.value is error
        for take in (channel.get, channel.get_many, channel.__next__):
            with pytest.raises(LookupError) as caught:
                take()
            assert caught.value is error

    def test_the_items_before_an_error_are_delivered_by_a_loop(self, backend):
        channel = backend.Channel(5)
        channel.put_many("ab")
        channel.close(LookupError("lost"))
        received = []
        with pytest.raises(LookupError):
            deque(map(received.append, channel), maxlen=0)
        assert received == ["a", "b"]

    def test_raising_an_error_again_does_not_lengthen_its_traceback(self, backend):
        def fail():
            raise LookupError("lost")

        channel = backend.Channel(5)
        try:
            fail()
        except LookupError as error:
            channel.close(error)
        lengths = set()
        for _ in range(5):
            with pytest.raises(LookupError) as caught:
                channel.get()
            frames = traceback.extract_tb(caught.value.__traceback__)
            assert frames[-1].name == "fail"
            lengths.add(len(frames))
        assert len(lengths) == 1

    @pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
    def test_an_error_that_would_read_as_the_end_is_wrapped(self, backend, kind):
        channel = backend.Channel(5)
        error = kind("oops")
        channel.close(error)
        message = rf"^the channel was closed with {kind.__name__}$"
        with pytest.raises(RuntimeError, match=message) as caught:
            list(channel)
        assert caught.value.__cause__ is error
        with pytest.raises(RuntimeError, match=message):
            asyncio.run(take_next(channel))

    def test_a_channel_closed_given_as_error_does_not_read_as_the_end(self, backend):
        channel = backend.Channel(5)
        channel.close(ChannelClosed("by hand"))
        with pytest.raises(ChannelClosed, match="by hand"):
            list(channel)
        with pytest.raises(ChannelClosed, match="by hand"):
            asyncio.run(take_next(channel))

    def test_the_errors_are_what_a_caller_would_expect(self, backend):
        channel = backend.Channel(1)
        with pytest.raises(TimeoutError) as timeout:
            channel.get(timeout=0)
        channel.close()
        with pytest.raises(EOFError) as closed:
            channel.get()
        assert isinstance(timeout.value, StreamcoreError)
        assert isinstance(closed.value, StreamcoreError)


class TestHowFarPutManyCame:
    def test_a_list(self, backend):
        channel = backend.Channel(3)
        with pytest.raises(StreamTimeout) as caught:
            channel.put_many([1, 2, 3, 4, 5], timeout=0)
        assert (caught.value.items_put, caught.value.unsent) == (3, [4, 5])
        assert channel.get_many() == [1, 2, 3]

    def test_an_iterator_is_drawn_one_item_ahead_at_most(self, backend):
        channel = backend.Channel(3)
        numbers = itertools.count()
        with pytest.raises(StreamTimeout) as caught:
            channel.put_many(numbers, timeout=0)
        assert (caught.value.items_put, caught.value.unsent) == (3, [3])
        assert next(numbers) == 4

    def test_an_iterator_that_raises(self, backend):
        def items():
            yield 1
            yield 2
            raise LookupError("source")

        channel = backend.Channel(5)
        with pytest.raises(LookupError) as caught:
            channel.put_many(items())
        assert (caught.value.items_put, caught.value.unsent) == (2, [])
        assert channel.get_many() == [1, 2]

    def test_each_item_of_an_iterator_is_there_before_the_next_is_drawn(self, backend):
        channel = backend.Channel(5)
        seen = []

        def items():
            for number in range(4):
                seen.append(len(channel))
                yield number

        channel.put_many(items())
        assert seen == [0, 1, 2, 3]

    def test_changing_the_list_meanwhile_does_no_harm(self, backend):
        items = list(range(5))
        channel = backend.Channel(9, size=lambda item: items.clear() or 1)
        assert channel.put_many(items) == 5
        assert channel.get_many() == list(range(5))


class TestLifetimes:
    class Item:
        pass

    def test_items_are_released_with_the_channel(self, backend):
        items = [self.Item() for _ in range(300)]
        seen = [weakref.ref(item) for item in items]
        channel = backend.Channel(1000)
        channel.put_many(items)
        assert channel.get() is items[0]
        del items[:]
        assert seen[0]() is None
        assert seen[1]() is not None
        del channel
        gc.collect()
        assert all(one() is None for one in seen)

    def test_an_item_is_released_when_it_is_taken(self, backend):
        channel = backend.Channel(1)
        singly = (channel.put, channel.get)
        for put, get in (singly, (lambda item: channel.put_many([item]), channel.get_many)):
            item = self.Item()
            seen = weakref.ref(item)
            put(item)
            del item
            assert seen() is not None
            get()
            gc.collect()
            assert seen() is None

    @pytest.mark.parametrize("count", [1, 64, 65, 500])
    def test_a_cycle_through_the_channel_is_collected(self, backend, count):
        channel = backend.Channel(1000)
        item = self.Item()
        item.channel = channel
        for _ in range(count + 70):
            channel.put(item)
        channel.get_many(70)
        seen = weakref.ref(item)
        del item, channel
        gc.collect()
        assert seen() is None

    def test_can_be_weakly_referenced(self, backend):
        channel = backend.Channel(1)
        assert weakref.ref(channel)() is channel

    def test_a_finalizer_may_use_the_channel(self, backend):
        channel = backend.Channel(10)

        class Last:
            def __del__(self):
                channel.put("last words")

        channel.put(Last())
        channel.get()
        gc.collect()
        assert channel.get() == "last words"


def test_what_it_says_of_itself(backend):
    channel = backend.Channel(5)
    channel.put(1)
    assert repr(channel) == "<Channel of capacity 5, 1 items, open>"
    channel.close()
    assert repr(channel) == "<Channel of capacity 5, 1 items, closed>"
    assert "Channel" in repr(backend.Channel[int])
    assert iter(channel) is channel
    assert channel.__aiter__() is channel


class Model(RuleBasedStateMachine):
    """A channel that never waits, beside a plain list."""

    Channel: type

    @initialize(capacity=st.integers(1, 150), sized=st.booleans())
    def start(self, capacity, sized):
        self.cost = (lambda item: min(max(item, 1), capacity)) if sized else (lambda item: 1)
        self.channel = self.Channel(capacity, size=(lambda item: item) if sized else None)
        self.model: list[int] = []
        self.closed = False

    def fits(self, item):
        return sum(map(self.cost, self.model)) + self.cost(item) <= self.channel.capacity

    @rule(items=st.lists(st.integers(0, 200), max_size=100), lazily=st.booleans())
    def put_many(self, items, lazily):
        put = 0
        while put < len(items) and not self.closed and self.fits(items[put]):
            self.model.append(items[put])
            put += 1
        drawn = items if not lazily else items[: put + 1]
        try:
            assert self.channel.put_many(iter(items) if lazily else items, timeout=0) == put
            assert put == len(items)
        except (StreamTimeout, ChannelClosed) as caught:
            error = caught
        else:
            return
        assert isinstance(error, ChannelClosed if self.closed else StreamTimeout)
        assert (error.items_put, error.unsent) == (put, drawn[put:])

    @rule(item=st.integers(0, 200))
    def put(self, item):
        fits = not self.closed and self.fits(item)
        try:
            self.channel.put(item, timeout=0)
        except (StreamTimeout, ChannelClosed):
            assert not fits
        else:
            assert fits
            self.model.append(item)

    @rule()
    def get(self):
        try:
            item = self.channel.get(timeout=0)
        except (StreamTimeout, ChannelClosed) as error:
            expected = ChannelClosed if self.closed else StreamTimeout
            assert not self.model and isinstance(error, expected)  # noqa: PT017, PT018
        else:
            assert item == self.model.pop(0)

    @rule(limit=st.none() | st.integers(1, 100))
    def get_many(self, limit):
        try:
            items = self.channel.get_many(limit, timeout=0)
        except (StreamTimeout, ChannelClosed):
            assert not self.model
        else:
            assert items == self.model[:limit]
            del self.model[:limit]

    @rule()
    def length(self):
        assert len(self.channel) == len(self.model)

    @rule(sure=st.integers(0, 9))
    def close(self, sure):
        if sure == 0:
            self.channel.close()
            self.closed = True


def test_equals_a_list_under_random_operations(backend):
    machine = type("Machine", (Model,), {"Channel": backend.Channel})
    run_state_machine_as_test(machine)
