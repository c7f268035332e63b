"""``ops.merge``: as they come, a bounded number held, and every part closed once however the stream ends."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle
import threading
from collections import deque
from contextvars import ContextVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import LONG, run, turns
from recorder import AsyncSource, Source, listed

from streamcore import Lines, RunnableLambda, ops
from streamcore.ops import merge_threads
from streamcore.testing import check_laws

SIDES = {"sync": Source, "async": AsyncSource}
PARTS = [[1, 2], [], [3], [4, 5]]


def named_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("streamcore-merge")]


async def items_of(stream, got):
    if hasattr(stream, "__anext__"):
        async for item in stream:
            got.append(item)
    else:
        for item in stream:
            got.append(item)
    return got


async def pulled(stream, count):
    return [await anext(stream) if hasattr(stream, "__anext__") else next(stream) for _ in range(count)]


async def close(stream):
    await stream.aclose() if hasattr(stream, "aclose") else stream.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=80), max_size=4), st.sampled_from([1, 2, 8, 64]))
def test_all_items_come_once_and_those_of_a_part_in_order(parts, buffer):
    parts = [[(at, item) for item in part] for at, part in enumerate(parts)]
    for side in SIDES:
        sources = [SIDES[side](part) for part in parts]
        got = run(items_of(ops.merge(*sources, buffer=buffer), []))
        assert [[item for item in got if item[0] == at] for at in range(len(parts))] == parts
        assert [source.closed for source in sources] == [1] * len(parts)
    assert not named_threads()


def test_the_items_come_in_the_order_in_which_they_came():
    async def main():
        gates = [asyncio.Queue(), asyncio.Queue()]

        async def part(at):
            while True:
                yield await gates[at].get()

        stream = ops.merge(part(0), part(1))
        gates[1].put_nowait("first")
        assert await anext(stream) == "first"
        for at, item in (0, "b"), (1, "c"), (1, "d"), (0, "e"):
            gates[at].put_nowait(item)
            await turns(3)
        assert await pulled(stream, 4) == ["b", "c", "d", "e"]
        await stream.aclose()

    run(main())


def test_the_items_of_threads_come_in_the_order_in_which_they_came():
    gates = [threading.Semaphore(0), threading.Semaphore(0)]
    there = threading.Semaphore(0)
    over = threading.Event()

    def part(at):
        for number in itertools.count():
            gates[at].acquire(timeout=LONG)
            if over.is_set():
                return
            yield at, number
            there.release()  # asked for the next one: this one is in the queue

    stream = ops.merge(part(0), part(1))
    gates[1].release()
    assert next(stream) == (1, 0)
    there.acquire(timeout=LONG)
    for at in 0, 1, 1, 0, 0:
        gates[at].release()
        there.acquire(timeout=LONG)
    assert run(pulled(stream, 5)) == [(0, 0), (1, 1), (1, 2), (0, 1), (0, 2)]
    over.set()
    for gate in gates:
        gate.release()
    stream.close()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("buffer", [1, 2, 9, 64])
def test_no_more_is_pulled_than_it_holds(side, buffer):
    async def main():
        sources = [SIDES[side](itertools.count()) for _ in range(3)]
        stream = ops.merge(*sources, buffer=buffer)
        assert [source.pulled for source in sources] == [0] * 3
        taken = [0] * 3
        parts = [map(lambda item, at=at: (at, item), source.items) for at, source in enumerate(sources)]
        for source, part in zip(sources, parts, strict=True):
            source.items = part
        for _ in range(200):
            (item,) = await pulled(stream, 1)
            taken[item[0]] += 1
            for at, source in enumerate(sources):
                assert source.pulled <= taken[at] + buffer
        await close(stream)
        assert [source.closed for source in sources] == [1] * 3
        assert len(asyncio.all_tasks()) == 1

    run(main())
    assert not named_threads()


def test_it_reads_ahead_while_the_consumer_does_something_else():
    full = threading.Event()

    def items():
        for number in itertools.count():
            if number == 8:  # one is in the consumer's hands, eight are held when it has been pulled
                full.set()
            yield number

    source = Source(items())
    stream = ops.merge(source, buffer=8)
    next(stream)
    assert full.wait(LONG)
    stream.close()
    assert source.pulled == 9

    async def main():
        source = AsyncSource(itertools.count())
        stream = ops.merge(source, buffer=8)
        await anext(stream)
        await turns(10)
        assert source.pulled == 9
        await stream.aclose()

    run(main())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dropped", [False, True])
def test_every_part_is_closed_wherever_it_ends(side, dropped):
    async def main(count):
        sources = [SIDES[side](part) for part in PARTS]
        stream = ops.merge(*sources)
        await pulled(stream, count)
        if dropped:
            del stream
            gc.collect()
            await turns(20)
        else:
            await close(stream)
            await close(stream)
            assert await items_of(stream, []) == []
        assert [source.closed for source in sources] == [1] * 4
        assert len(asyncio.all_tasks()) == 1

    for count in range(6):
        run(main(count))
    assert not named_threads()


@pytest.mark.parametrize("side", SIDES)
def test_an_error_comes_after_the_items_that_were_there_and_closes_all(side):
    async def main(at):
        endless = SIDES[side](itertools.repeat("endless"))
        failing = SIDES[side](range(at), ValueError("broken"))
        got = []
        with pytest.raises(ValueError, match="broken"):
            await items_of(ops.merge(endless, failing, buffer=4), got)
        assert [item for item in got if item != "endless"] == list(range(at))
        assert (endless.closed, failing.closed) == (1, 1)
        assert len(asyncio.all_tasks()) == 1

    for at in range(10):
        run(main(at))
    assert not named_threads()


@pytest.mark.parametrize("side", SIDES)
def test_what_closing_a_part_raises(side):
    async def main():
        # one that ended: an error of the stream, after the items
        got = []
        with pytest.raises(OSError, match="shut"):
            await items_of(ops.merge(SIDES[side]([1], close_error=OSError("shut"))), got)
        assert got == [1]
        # one that is closed early: raised by the close, once all are closed
        sources = [SIDES[side](itertools.count(), close_error=OSError(at)) for at in range(3)]
        stream = ops.merge(*sources, buffer=2)
        await pulled(stream, 1)
        with pytest.raises(OSError, match="0") as caught:
            await close(stream)
        assert [note.split()[-1] for note in caught.value.__notes__] == ["OSError(1)", "OSError(2)"]
        assert [source.closed for source in sources] == [1] * 3
        # and where there is an error already, a note of it
        with pytest.raises(ValueError, match="broken") as failed:
            bad = SIDES[side]([], ValueError("broken"), OSError("shut"))
            await items_of(ops.merge(bad, SIDES[side]([])), [])
        assert "shut" in failed.value.__notes__[0]
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("side", SIDES)
def test_what_was_never_pulled_is_closed_where_it_stands(side):
    async def main():
        sources = [SIDES[side]([1], close_error=error) for error in (None, OSError("shut"), None)]
        stream = ops.merge(*sources, [1, 2])
        with pytest.raises(OSError, match="shut"):
            await close(stream)
        assert [(source.pulled, source.closed) for source in sources] == [(0, 1)] * 3

    run(main())


def test_cancelled_at_each_await():
    async def main(turn):
        sources = [
            AsyncSource(range(3), waits=1),
            AsyncSource(range(9), waits=2),
            AsyncSource(itertools.count()),
        ]
        task = asyncio.ensure_future(listed(ops.merge(*sources, buffer=2)))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        # before the first step of the task there was no stream
        assert [source.closed for source in sources] == ([0] * 3 if turn == 0 else [1] * 3)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn in range(61):
        run(main(turn))


def test_a_part_that_does_not_mind_being_cancelled_ends_with_its_next_item():
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                ends.append("cancelled")
            yield 1

    async def main():
        stream = ops.merge(stubborn(), stubborn())
        await anext(stream)
        await stream.aclose()
        assert len(asyncio.all_tasks()) == 1

    ends = []
    run(main())
    assert ends


def test_a_part_that_closes_the_stream_from_within():
    async def main():
        async def closing():
            yield 1
            await released.wait()
            await stream.aclose()
            yield 2

        released = asyncio.Event()
        other = AsyncSource(itertools.count())
        stream = ops.merge(closing(), other, buffer=1)
        await anext(stream)
        released.set()
        await turns(10)
        assert await listed(stream) == []
        assert other.closed == 1
        assert len(asyncio.all_tasks()) == 1

    run(main())

    def closes():
        yield 1
        assert asked.wait(LONG)
        stream.close()
        closed.set()
        yield 2

    asked, closed = threading.Event(), threading.Event()
    other = Source(itertools.count())
    stream = ops.merge(closes(), other, buffer=2)
    next(stream)
    asked.set()
    assert closed.wait(LONG)
    assert list(stream) == []
    assert other.closed == 1


def test_pulled_from_another_loop():
    source = AsyncSource(itertools.count())
    stream = ops.merge(source, buffer=1)
    first = asyncio.new_event_loop()
    first.run_until_complete(pulled(stream, 1))
    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        run(items_of(stream, []))
    first.run_until_complete(turns(10))
    assert source.closed == 1
    first.close()


def test_without_an_asyncio_loop():
    source = AsyncSource([1])
    source.wait = no_wait
    with pytest.raises(RuntimeError, match="needs a running asyncio event loop"):
        anext(ops.merge(source)).send(None)
    assert source.closed == 1


async def no_wait(turns):
    pass


@pytest.mark.parametrize("side", SIDES)
def test_parts_run_in_copies_of_the_context_in_which_the_stream_was_made(side):
    name = ContextVar("name", default="")

    def part():
        yield name.get()
        name.set("part")
        yield name.get()

    async def apart():
        for item in part():
            yield item

    async def main():
        name.set("made")
        stream = ops.merge(*[part() if side == "sync" else apart() for _ in range(2)])
        name.set("later")
        assert sorted(await items_of(stream, [])) == ["made", "made", "part", "part"]
        assert name.get() == "later"

    run(main())


def test_threads_and_tasks_know_their_parts():
    sources = [Source([1, 2]), Source([3])]
    assert sorted(ops.merge(*sources)) == [1, 2, 3]
    assert [len(source.threads) for source in sources] == [1, 1]
    assert threading.get_ident() not in sources[0].threads | sources[1].threads

    async def main():
        source = AsyncSource([1, 2])
        assert sorted(await listed(ops.merge(source, [5], iter([6])))) == [1, 2, 5, 6]
        assert len(source.tasks) == 1

    run(main())


def test_one_iterator_given_twice_is_pulled_once():
    source = Source(range(5))
    assert list(ops.merge(source, source)) == list(range(5))
    assert source.closed == 1
    numbers = [1, 2]
    assert sorted(ops.merge(numbers, numbers)) == [1, 1, 2, 2]


def test_a_stream_of_nothing():
    assert list(ops.merge()) == []
    assert run(listed(ops.merge(AsyncSource()))) == []
    assert list(ops.merge([], ())) == []


def test_what_it_refuses():
    for part in "ab", b"ab", {}, 3, None:
        with pytest.raises(TypeError, match="ops.merge takes iterables of items or Runnables, part 2 of 2"):
            ops.merge([1], part)
    for buffer in 0, -1:
        with pytest.raises(ValueError, match=f"buffer must be positive, got {buffer}"):
            ops.merge([1], buffer=buffer)
    for buffer in 1.5, "3", None, True:
        with pytest.raises(TypeError, match="buffer must be an int"):
            ops.merge([1], buffer=buffer)


def test_an_interrupt_while_the_consumer_waits_closes_all(monkeypatch):
    gate = threading.Event()

    def waiting():
        gate.wait(LONG)
        yield 1

    def interrupted(self):
        gate.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(merge_threads.Arrivals, "_wait", interrupted)
    source = Source([])
    with pytest.raises(KeyboardInterrupt):
        next(ops.merge(waiting(), source))
    assert source.closed == 1
    assert not named_threads()


@pytest.mark.parametrize("side", SIDES)
def test_nothing_of_what_was_given_out_is_kept(side):
    class Item:
        alive = 0

        def __init__(self):
            Item.alive += 1

        def __del__(self):
            Item.alive -= 1

    async def main():
        stream = ops.merge(*[SIDES[side](iter(Item, None)) for _ in range(2)], buffer=3)
        for _ in range(300):
            await pulled(stream, 1)
        assert Item.alive <= 2 * (3 + 1) + 1
        await close(stream)
        gc.collect()
        assert Item.alive == 0

    run(main())


# -- of Runnables


def test_stages_get_the_same_input():
    both = ops.merge(ops.map(str), ops.skip(1))
    for input in [1, 2], iter([1, 2]), Source([1, 2]):
        assert sorted(map(str, both.invoke(input))) == ["1", "2", "2"]
        assert getattr(input, "closed", 1) == 1

    async def main():
        assert sorted(map(str, await both.ainvoke([1, 2]))) == ["1", "2", "2"]
        assert sorted(map(str, await both.ainvoke(AsyncSource([1, 2])))) == ["1", "2", "2"]

    run(main())
    assert not named_threads()


def test_one_stage_keeps_the_laws():
    check_laws(ops.merge(ops.map(str)), [[], [1], [3, 1, 2]])
    check_laws(Lines() | ops.merge(ops.map(len)), [b"", b"a\nbc\n"])


def test_a_failing_stage_is_named():
    def fail(_):
        raise ValueError("broken")

    stage = ops.merge(RunnableLambda(fail), str.upper)
    with pytest.raises(ValueError, match="broken") as caught:
        stage.invoke("a")
    assert "RunnableLambda(fail)" in "".join(caught.value.__notes__)
    with pytest.raises(ValueError, match="broken") as caught:
        run(stage.ainvoke("a"))
    assert "RunnableLambda(fail)" in "".join(caught.value.__notes__)
    assert repr(ops.merge(ops.take(1), ops.take(2))) == "ops.merge(ops.take(1), ops.take(2))"
    assert (
        repr(pickle.loads(pickle.dumps(ops.merge(ops.take(1), buffer=2))))
        == "ops.merge(ops.take(1), buffer=2)"
    )


def test_of_a_million_items_nothing_is_kept():
    """Flat within what two blocks of the queue take."""
    before = peak_of(20_000)
    assert peak_of(60_000) < before + 64 * 1024


def peak_of(count):
    import tracemalloc

    tracemalloc.start()
    try:
        deque(ops.merge(range(count), range(count)), maxlen=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
