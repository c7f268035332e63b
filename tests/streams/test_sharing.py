"""``SharedSource`` and its streams, on both backends: against a model, and with code of others between two steps."""

from __future__ import annotations

import gc
import itertools
import random
import sys
import threading
from collections import deque

import pytest
from loops import LONG, in_thread
from recorder import Source

END = object()


def tee(backend, source, n=2, *, buffer=512, recent=0, waits=False):
    shared = backend.SharedSource(iter(source), buffer, recent, waits)
    return [backend.SharedStream(shared) for _ in range(n)]


class Calling:
    """A source that runs ``act`` when it is asked for the item after ``at`` of them, and ``at_close`` in its close."""

    def __init__(self, at, act, at_close=None):
        self.at, self.act, self.at_close = at, act, at_close
        self.given = self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.given == self.at:
            self.act()
        self.given += 1
        return self.given - 1

    def close(self):
        self.closed += 1
        if self.at_close is not None:
            self.at_close()


class Item:
    """Calls ``act`` when the last reference to it goes."""

    def __init__(self, act):
        self.act = act

    def __del__(self):
        self.act()


def pull(stream):
    """An item, ``END``, or the type of what is raised."""
    try:
        return next(stream, END)
    except (BufferError, RuntimeError, ValueError) as error:
        return type(error)


class Model:
    """What ``SharedSource`` does, of lists; each stream is a list of items to come, or None once it is closed."""

    def __init__(self, length, error, buffer, recent):
        self.length, self.error, self.capacity = length, error, buffer + recent
        self.recent = deque(maxlen=recent)
        self.at = 0
        self.over = False
        self.streams = []
        self.told = set()

    def open(self):
        self.streams.append(list(self.recent))

    def pull(self, which):
        held = self.streams[which]
        if held is None or which in self.told:
            return END
        if not held:
            if not self.over and any(
                other is not None and len(other) >= self.capacity for other in self.streams
            ):
                return BufferError
            if self.at == self.length:
                self.over = True
                self.told.add(which)
                return ValueError if self.error else END
            for other in self.streams:
                if other is not None:
                    other.append(self.at)
            self.recent.append(self.at)
            self.at += 1
        return held.pop(0)


@pytest.mark.parametrize("recent", [0, 1, 20])
def test_against_a_model(backend, recent):
    for seed in range(25):
        chosen = random.Random(seed)
        buffer, error = chosen.choice([1, 2, 7, 8, 9, 100]), chosen.random() < 0.5
        length = chosen.choice([0, 5, 50, 300])
        source = Source(range(length), ValueError("broken") if error else None)
        shared = backend.SharedSource(source, buffer, recent, False)
        shared.keep()
        model, streams = Model(length, error, buffer, recent), []
        for _ in range(250):
            if not streams or chosen.random() < 0.02:
                streams.append(backend.SharedStream(shared))
                model.open()
            which = chosen.randrange(len(streams))
            if chosen.random() < 0.01:
                streams[which].close()
                model.streams[which] = None
            for _ in range(chosen.choice([1, 1, 9, 40])):
                assert pull(streams[which]) == model.pull(which)
            assert source.pulled == model.at
            assert source.closed == model.over
        for stream in streams:
            stream.close()
        assert source.closed == model.over
        shared.let_go()
        assert source.closed == source.closes == 1


def test_a_source_that_closes_streams_while_it_is_pulled(backend):
    for closing, others_get in ([0], [0, 1, 2, 3]), ([1], END), ([0, 1], END), ([1, 0], END):
        source = Calling(1, lambda closing=closing: [streams[at].close() for at in closing])  # noqa: B023
        streams = tee(backend, source)
        assert next(streams[0]) == 0
        assert pull(streams[0]) == (END if 0 in closing else 1)
        assert source.closed == (len(closing) == 2)
        if others_get is END:
            assert pull(streams[1]) is END
        else:
            assert [next(streams[1]) for _ in others_get] == others_get
        for stream in streams:
            stream.close()
        assert source.closed == 1


def test_a_source_that_drops_the_streams_while_it_is_pulled(backend):
    source = Calling(1, lambda: streams.clear())
    streams = tee(backend, source, 3)
    first = streams[0]
    assert next(first) == 0
    assert next(first) == 1
    assert source.closed == 0
    del first
    assert source.closed == 1


def test_a_source_that_pulls_its_streams_loses_nothing(backend):
    answers = []
    source = Calling(
        2, lambda: answers.extend(map(pull, streams)), lambda: answers.extend(map(pull, streams))
    )
    streams = tee(backend, source)
    assert [next(streams[0]) for _ in range(4)] == [0, 1, 2, 3]
    assert answers == [RuntimeError, 0]  # the second one had an item left
    assert [next(streams[1]) for _ in range(3)] == [1, 2, 3]
    streams[0].close()
    streams[1].close()
    assert answers == [RuntimeError, 0, END, END]


def test_a_source_that_fails_and_pulls_in_its_close(backend):
    answers = []

    def fail():
        raise ValueError("broken")

    source = Calling(1, fail, lambda: answers.extend([*map(pull, streams), pull(streams[1])]))
    streams = tee(backend, source)
    assert [next(streams[0]), pull(streams[0])] == [0, ValueError]
    assert answers == [RuntimeError, 0, RuntimeError]
    assert [pull(streams[1]), pull(streams[1])] == [ValueError, END]
    assert source.closed == 1


def test_what_fails_where_all_streams_are_closed_from_within(backend):
    def fail():
        raise OSError("shut")

    source = Calling(0, lambda: [stream.close() for stream in streams], fail)
    streams = tee(backend, source)
    with pytest.raises(OSError, match="shut"):
        next(streams[0])
    assert [pull(stream) for stream in streams] == [END, END]
    assert source.closed == 1


def test_items_that_call_when_they_are_dropped(backend):
    """By a stream that is closed, by one that takes the last of the recent items, and with all of them."""
    calls = []

    def act():
        calls.append([pull(stream) is not END for stream in streams[1:]])
        for stream in streams[:1]:
            stream.close()

    for recent in 0, 2:
        source = Source(Item(act) for _ in range(40))
        streams = tee(backend, source, 3, buffer=30, recent=recent)
        for _ in range(12):
            next(streams[0])
        streams[0].close()
        assert pull(streams[0]) is END
        for _ in range(9):
            next(streams[1])
        streams[1].close()
        last = streams.pop()
        streams.clear()
        last.close()
        assert source.closed == 1
    assert len(calls) > 20


def test_finalizers_between_any_two_steps(backend):
    """A collection runs at each object made, and what it drops pulls another stream, and closes one."""
    before = gc.get_threshold()

    class Cycle:
        def __init__(self, number):
            self.me, self.number = self, number

        def __del__(self):
            got.append(pull(streams[1]))
            if self.number % 50 == 49:
                streams[-1].close()

    for buffer in 9, 70:
        got, taken = [], []
        source = Source(itertools.count())
        streams = tee(backend, source, 4, buffer=buffer)
        gc.set_threshold(1, 1 << 20, 1 << 20)
        try:
            for number in range(150):
                Cycle(number)
                taken.append(pull(streams[0]))
                taken.append(pull(streams[2]))
        finally:
            gc.set_threshold(*before)
        gc.collect()
        streams[-1].close()
        assert len(got) == 150
        items = [item for item in got if isinstance(item, int)]
        assert items == list(range(len(items)))
        for at in 0, 2:
            items = [item for item in taken[at // 2 :: 2] if isinstance(item, int)]
            assert items == list(range(len(items)))
        assert set(got + taken) - set(range(1000)) <= {BufferError, RuntimeError}
        del streams[:]
        assert source.closed == 1


def test_cycles_through_source_and_items_are_collected(backend):
    class Aware(Source):
        streams = ()

    closed = []
    for held in 0, 5:
        source = Aware(itertools.cycle([closed]))
        source.end = lambda: closed.append(1)
        streams = tee(backend, source)
        source.streams = streams
        for _ in range(held):
            next(streams[0])
        del source, streams
        gc.collect()
    assert closed == [1, 1]

    box, dropped = [Item(lambda: dropped.append(1))], []
    streams = tee(backend, zip(itertools.repeat(box), itertools.count(), strict=False))
    box.extend(streams)
    for _ in range(20):
        next(streams[1])  # the first one holds tuples with a list that holds it
    del box, streams
    gc.collect()
    assert dropped == [1]


def test_a_pull_waits_for_one_in_another_thread_but_not_a_close_nor_an_item_that_is_there(backend):
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert go_on.wait(LONG)

    source = Calling(1, wait)
    first, second, third = tee(backend, source, 3)
    assert next(first) == 0
    slow = in_thread(next, first)
    assert begun.wait(LONG)
    assert next(second) == 0
    third.close()
    waits = in_thread(next, second)
    go_on.set()
    assert (slow(), waits()) == (1, 1)
    assert source.given == 2
    first.close()
    second.close()
    assert source.closed == 1


def test_the_last_close_waits_for_a_pull_in_another_thread(backend):
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert go_on.wait(LONG)

    source = Calling(0, wait)
    first, second = tee(backend, source)
    slow = in_thread(pull, first)
    assert begun.wait(LONG)
    second.close()

    def close():
        first.close()
        return source.closed

    closed = in_thread(close)
    go_on.set()
    assert closed() == 1
    assert slow() is END


@pytest.mark.parametrize("waits", [False, True])
def test_many_threads_pull_few_streams(backend, waits):
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        source = Source(range(2000))
        streams = tee(backend, source, 3, buffer=8 if waits else 2001, waits=waits)
        results = [in_thread(list, stream) for stream in streams for _ in range(2)]
        lists = [result() for result in results]
    finally:
        sys.setswitchinterval(before)
    for one, other in zip(lists[::2], lists[1::2], strict=True):
        assert sorted(one + other) == list(range(2000))
        assert one == sorted(one)
        assert other == sorted(other)
    assert (source.pulled, source.closed) == (2000, 1)


def test_threads_that_wait_are_told_of_every_end(backend):
    def fail():
        raise ValueError("broken")

    for end in "closed", "dropped", "ended", "failed":
        source = Source(range(4)) if end == "ended" else Calling(4 if end == "failed" else -1, fail)
        fast, *slow = tee(backend, source, buffer=2, waits=True)
        taken = [next(fast), next(fast)]
        result = in_thread(lambda fast=fast: [pull(fast) for _ in range(3)])
        if end == "closed":
            slow[0].close()
        elif end == "dropped":
            slow.clear()
        else:
            assert [next(slow[0]) for _ in range(4)] == [0, 1, 2, 3]
        assert taken + result() == [0, 1, 2, 3, {"ended": END, "failed": ValueError}.get(end, 4)]
        fast.close()
        for stream in slow:
            stream.close()
        assert source.closed == 1


def test_the_end_of_a_hub_ends_threads_that_wait(backend):
    shared = backend.SharedSource(itertools.count(), 2, 0, True)
    shared.keep()
    streams = [backend.SharedStream(shared) for _ in range(3)]
    results = [in_thread(lambda stream=stream: list(itertools.islice(stream, 10))) for stream in streams[:2]]
    shared.end()
    for result in results:
        items = result()
        assert items == list(range(len(items)))
        assert len(items) <= 2
    assert pull(streams[2]) is END
    assert pull(backend.SharedStream(shared)) is END


def test_a_limit_without_bound(backend):
    first, second = tee(backend, range(1000), buffer=2**70)
    assert list(first) == list(second) == list(range(1000))


def test_a_source_that_meets_the_recursion_limit_is_closed(backend):
    def deeper(rest):
        return 0 if rest is None else deeper(rest)

    source = Calling(1, lambda: deeper(1))
    first, second = tee(backend, source)
    assert next(first) == 0
    with pytest.raises(RecursionError):
        next(first)
    assert next(second) == 0
    with pytest.raises(RecursionError):
        next(second)
    assert source.closed == 1
