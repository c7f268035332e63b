"""``concurrency`` of ``ops.map`` and ``ops.flat_map``: how many at once, what is held, and what is left at the end."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle
import threading
from contextvars import ContextVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import LONG, run, turns
from recorder import AsyncSource, Source, listed

from streamcore import Lines, ops
from streamcore.testing import LAWS, check_laws


async def later(number):
    await turns(number % 3)
    return number + 1


def now(number):
    return number + 1


async def several(number):
    for at in range(number % 3):
        await turns(1)
        yield number, at


def some(number):
    for at in range(number % 3):
        yield number, at


async def some_later(number):
    await turns(1)
    return list(some(number))


FORMS = {"threads": now, "tasks": later, "threads of a loop": now}
FLAT_FORMS = {
    "threads": some,
    "tasks": several,
    "coroutines": some_later,
    "threads of a loop": some,
    "one gives async iterables": lambda number: several(number),
}


def source_of(form, *args, **options):
    return Source(*args, **options) if form == "threads" else AsyncSource(*args, **options)


def stream_of(form, stage, source):
    return stage.transform(source) if form == "threads" else stage.atransform(source)


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


def nothing_left():
    names = ("streamcore-map", "streamcore-flat-map", "streamcore-stream")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(names)]
    return True


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(2, 9), st.booleans())
def test_the_results_are_those_of_one_call_after_the_other(length, concurrency, ordered):
    wanted = list(range(1, length + 1))
    for form, fn in FORMS.items():
        source = source_of(form, range(length))
        got = run(
            items_of(stream_of(form, ops.map(fn, concurrency=concurrency, ordered=ordered), source), [])
        )
        assert (got if ordered else sorted(got)) == wanted
        assert source.closed == 1
        assert len(source.threads | source.tasks) == 1
    nothing_left()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 12), st.integers(2, 5))
def test_the_items_of_what_a_function_gives_all_come(length, concurrency):
    wanted = [item for number in range(length) for item in some(number)]
    for form, fn in FLAT_FORMS.items():
        source = source_of(form, range(length))
        got = run(items_of(stream_of(form, ops.flat_map(fn, concurrency=concurrency), source), []))
        assert sorted(got) == wanted
        assert [item for item in got if item[0] == 2] == [item for item in wanted if item[0] == 2]
        assert source.closed == 1
        assert len(source.threads | source.tasks) == 1
    nothing_left()


class Gates:
    """Calls that end when they are told to; counts those in flight."""

    def __init__(self, asynchronous):
        self.lock = threading.Condition()
        self.open, self.begun, self.ended = set(), [], []
        self.in_flight = self.most = 0
        self.fn = self.awaited if asynchronous else self.called

    def enter(self, item):
        with self.lock:
            self.begun.append(item)
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            self.lock.notify_all()

    def leave(self, item):
        with self.lock:
            self.in_flight -= 1
            self.ended.append(item)
            self.lock.notify_all()

    def called(self, item):
        self.enter(item)
        with self.lock:
            assert self.lock.wait_for(lambda: item in self.open, LONG)
        self.leave(item)
        return item

    async def awaited(self, item):
        self.enter(item)
        try:
            while item not in self.open:
                await turns(1)
        finally:
            self.leave(item)
        return item

    def let(self, *items):
        with self.lock:
            self.open.update(items)
            self.lock.notify_all()

    async def until(self, reached):
        for _ in range(100_000):
            with self.lock:
                if reached():
                    return
                if self.fn == self.called:
                    self.lock.wait(0.001)
            await turns(1)
        raise AssertionError(self.begun, self.ended)


@pytest.mark.parametrize("form", FORMS)
def test_a_finished_call_frees_its_place_though_an_earlier_result_is_due(form):
    async def main():
        gates = Gates(form == "tasks")
        source = source_of(form, itertools.count())
        stream = stream_of(form, ops.map(gates.fn, concurrency=3), source)
        waits = asyncio.ensure_future(
            asyncio.to_thread(next, stream) if form == "threads" else stream.__anext__()
        )
        await gates.until(lambda: gates.in_flight == 3)
        gates.let(1)
        await gates.until(lambda: 3 in gates.begun)
        gates.let(2, 3, 4, 5, 6, 7)
        # no further call begins once three results are held
        await gates.until(lambda: len(gates.ended) >= 3 and source.pulled == 1 + len(gates.ended))
        await turns(20)
        assert len(gates.ended) <= 5
        gates.let(0)
        assert await waits == 0
        assert await asyncio.to_thread(next, stream) == 1 if form == "threads" else await anext(stream) == 1
        gates.let(*range(1000))
        await close(stream)
        assert gates.most <= 3
        assert gates.in_flight == 0
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    run(main())
    nothing_left()


@pytest.mark.parametrize("form", FORMS)
def test_without_order_what_is_done_first_comes_first(form):
    async def main():
        gates = Gates(form == "tasks")
        stream = stream_of(form, ops.map(gates.fn, concurrency=3, ordered=False), source_of(form, range(3)))
        for item in 2, 0, 1:
            gates.let(item)
            assert await (asyncio.to_thread(next, stream) if form == "threads" else anext(stream)) == item
        assert await items_of(stream, []) == []

    run(main())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ordered", [True, False])
def test_no_more_is_pulled_than_is_in_flight_and_held(form, ordered):
    async def main():
        source = source_of(form, itertools.count())
        stream = stream_of(form, ops.map(FORMS[form], concurrency=3, ordered=ordered), source)
        assert source.pulled == 0
        for taken in range(1, 60):
            await pulled(stream, 1)
            assert source.pulled <= taken + 2 * 3
        await turns(20)
        await close(stream)
        assert source.pulled <= taken + 2 * 3
        assert source.closed == 1

    run(main())
    nothing_left()


@pytest.mark.parametrize("form", FLAT_FORMS)
def test_no_more_iterables_are_open_than_was_said(form):
    opened, closed = [], []

    def endless(number):
        opened.append(number)
        try:
            while True:
                yield number
        finally:
            closed.append(number)

    async def endless_later(number):
        opened.append(number)
        try:
            while True:
                await turns(1)
                yield number
        finally:
            closed.append(number)

    async def coroutine(number):
        return endless(number)

    fn = {"tasks": endless_later, "coroutines": coroutine}.get(form, endless)
    if form == "one gives async iterables":
        fn = lambda number: endless_later(number)  # noqa: E731 - no generator function

    async def main():
        source = source_of(form, itertools.count())
        stream = stream_of(form, ops.flat_map(fn, concurrency=2), source)
        assert set(await pulled(stream, 40)) <= {0, 1}
        await close(stream)
        assert source.pulled <= 2
        assert source.closed == 1
        assert sorted(opened) == sorted(closed)
        assert len(asyncio.all_tasks()) == 1

    run(main())
    nothing_left()


STAGES = {
    **{f"map in {form}": (form, ops.map(fn, concurrency=2), lambda n: n + 1) for form, fn in FORMS.items()},
    "map unordered": ("threads", ops.map(now, concurrency=2, ordered=False), None),
    "map unordered in tasks": ("tasks", ops.map(later, concurrency=2, ordered=False), None),
    **{
        f"flat_map in {form}": (form, ops.flat_map(fn, concurrency=2), None)
        for form, fn in FLAT_FORMS.items()
    },
}


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("dropped", [False, True])
def test_the_source_is_closed_wherever_the_stream_ends(name, dropped):
    form, stage, _ = STAGES[name]

    async def main(count):
        source = source_of(form, itertools.count(1))
        stream = stream_of(form, stage, source)
        await pulled(stream, count)
        if dropped:
            del stream
            gc.collect()
            for _ in range(2000):
                await turns(1)
                if source.closed:
                    break
            await asyncio.sleep(0.01)
        else:
            await close(stream)
            await close(stream)
            assert await items_of(stream, []) == []
        assert (source.closes, source.closed) == (1, 1)
        if not dropped:
            assert asyncio.all_tasks() == {asyncio.current_task()}

    for count in range(4):
        run(main(count))
    if not dropped:
        nothing_left()


@pytest.mark.parametrize("name", STAGES)
def test_a_failing_source_ends_the_stream_after_all_results(name):
    form, stage, _ = STAGES[name]

    async def main(at):
        wanted = await items_of(stream_of(form, stage, source_of(form, range(at))), [])
        source = source_of(form, range(at), ValueError("broken"))
        got = []
        with pytest.raises(ValueError, match="broken") as caught:
            await items_of(stream_of(form, stage, source), got)
        assert sorted(got) == sorted(wanted)
        assert caught.value.__notes__ == [f"in the source of {stage!r}"]
        assert source.closed == 1
        # and one that fails when it is closed
        source = source_of(form, range(at), close_error=OSError("shut"))
        got = []
        with pytest.raises(OSError, match="shut"):
            await items_of(stream_of(form, stage, source), got)
        assert sorted(got) == sorted(wanted)
        source = source_of(form, range(at), ValueError("broken"), OSError("shut"))
        with pytest.raises(ValueError, match="broken") as caught:
            await items_of(stream_of(form, stage, source), [])
        assert "shut" in "".join(caught.value.__notes__)
        assert len(asyncio.all_tasks()) == 1

    for at in range(5):
        run(main(at))
    nothing_left()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_failing_call_ends_the_stream_after_the_results_before_it(form, ordered):
    def fails(number):
        if number == at:
            raise ValueError("broken")
        return number

    async def fails_later(number):
        await turns(1)
        return fails(number)

    async def main():
        source = source_of(form, itertools.count())
        stage = ops.map(fails_later if form == "tasks" else fails, concurrency=3, ordered=ordered)
        got = []
        with pytest.raises(ValueError, match="broken") as caught:
            await items_of(stream_of(form, stage, source), got)
        if ordered:
            assert got == list(range(at))
        assert at not in got
        assert f"item {at}" in caught.value.__notes__[0]
        assert source.closed == 1
        if ordered or form == "tasks":  # a thread that is held up lets the calls after it pass
            assert source.pulled <= at + 1 + 2 * 3
        assert len(asyncio.all_tasks()) == 1

    for at in range(6):  # noqa: B007 - fails() knows it
        run(main())
    nothing_left()


@pytest.mark.parametrize("form", FLAT_FORMS)
def test_a_failing_iterable_ends_all(form):
    def fails(number):
        yield number
        if number == at:
            raise ValueError("broken")

    async def fails_later(number):
        for item in fails(number):
            await turns(1)
            yield item

    async def coroutine(number):
        return fails(number)

    fn = {"tasks": fails_later, "coroutines": coroutine}.get(form, fails)
    if form == "one gives async iterables":
        fn = lambda number: fails_later(number)  # noqa: E731

    async def main():
        source = source_of(form, itertools.count())
        got = []
        with pytest.raises(ValueError, match="broken") as caught:
            await items_of(stream_of(form, ops.flat_map(fn, concurrency=2), source), got)
        assert at in got
        assert f"item {at}" in caught.value.__notes__[0]
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    for at in range(4):  # noqa: B007 - fails() knows it
        run(main())
    nothing_left()


def test_a_call_that_raises_the_end_of_a_stream():
    def stops(_):
        raise StopIteration

    async def stops_later(_):
        raise StopAsyncIteration

    for stage in ops.map(stops, concurrency=2), ops.flat_map(stops, concurrency=2):
        with pytest.raises(RuntimeError):
            list(stage.stream([1]))
        with pytest.raises(RuntimeError):
            run(listed(stage.astream([1])))
    for stage in ops.map(stops_later, concurrency=2), ops.flat_map(stops_later, concurrency=2):
        with pytest.raises(RuntimeError):
            run(listed(stage.astream([1])))


@pytest.mark.parametrize("name", [name for name in STAGES if STAGES[name][0] != "threads"])
def test_cancelled_at_each_await(name):
    _, stage, _ = STAGES[name]

    async def main(turn):
        source = AsyncSource(itertools.count(), waits=1)
        task = asyncio.ensure_future(listed(stage.atransform(source)))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert source.closed == (1 if turn else 0)  # before its first step there was no stream
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn in range(61):
        run(main(turn))
    nothing_left()


def test_a_call_in_a_thread_is_waited_for_when_the_stream_is_cancelled():
    begun, gate, ended = threading.Event(), threading.Event(), []

    def call(item):
        begun.set()
        assert gate.wait(LONG)
        ended.append(item)

    async def main():
        task = asyncio.ensure_future(listed(ops.map(call, concurrency=2).astream([1])))
        await asyncio.to_thread(begun.wait, LONG)
        task.cancel()
        await turns(5)
        assert not task.done()
        gate.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert ended == [1]

    run(main())
    nothing_left()


@pytest.mark.parametrize("form", FORMS)
def test_calls_run_in_copies_of_the_context_in_which_the_stream_was_made(form):
    name = ContextVar("name", default="")

    def named(_):
        seen = name.get()
        name.set("call")
        return seen

    async def named_later(_):
        return named(_)

    async def main():
        name.set("made")
        stage = ops.map(named_later if form == "tasks" else named, concurrency=4)
        stream = stream_of(form, stage, source_of(form, range(1)))
        name.set("later")
        assert await items_of(stream, []) == ["made"]
        assert name.get() == "later"

    run(main())


def test_an_item_comes_before_the_source_has_the_next_one():
    gate = threading.Event()

    def slow():
        yield 1
        assert gate.wait(LONG)
        yield 2

    for stage in ops.map(now, concurrency=4), ops.flat_map(lambda n: [n + 1], concurrency=4):
        gate.clear()
        stream = stage.stream(slow())
        assert next(stream) == 2
        gate.set()
        assert list(stream) == [3]

    async def main():
        asked = asyncio.Event()

        async def slow():
            yield 1
            await asked.wait()
            yield 2

        for stage in ops.map(later, concurrency=4), ops.flat_map(some_later, concurrency=4):
            asked.clear()
            stream = stage.astream(slow())
            await anext(stream)
            asked.set()
            assert len(await listed(stream)) <= 2

    run(main())


def test_they_keep_the_laws():
    # these judge by what had been pulled when an item came, and this pulls ahead
    laws = [law for law in LAWS if law not in ("errors", "eagerness")]
    check_laws(ops.map(str, concurrency=2), [[], [1], [3, 1, 2]], laws=laws)
    check_laws(Lines() | ops.map(len, concurrency=3), [b"", b"a\nbc\n"], laws=laws)


def test_what_they_say_and_refuse():
    for stage, text in (
        (ops.map(len, concurrency=2), "ops.map(len, concurrency=2)"),
        (ops.map(len, concurrency=2, ordered=False), "ops.map(len, concurrency=2, ordered=False)"),
        (ops.map(len), "ops.map(len)"),
        (ops.flat_map(list, concurrency=3), "ops.flat_map(list, concurrency=3)"),
    ):
        assert repr(stage) == text
        assert repr(pickle.loads(pickle.dumps(stage))) == text
    for operator in ops.map, ops.flat_map:
        with pytest.raises(ValueError, match="concurrency must be positive, got 0"):
            operator(len, concurrency=0)
        for number in 1.5, "2", None, True:
            with pytest.raises(TypeError, match="concurrency must be an int"):
                operator(len, concurrency=number)


def test_the_threads_of_a_stream_are_as_many_as_its_calls_need():
    assert list(ops.map(now, concurrency=1000).stream([1])) == [2]
    gates = Gates(False)
    stream = ops.map(gates.fn, concurrency=1000).stream(range(3))
    gates.let(0, 1, 2)
    next(stream)
    assert len([thread for thread in threading.enumerate() if thread.name == "streamcore-map"]) <= 4
    stream.close()
    nothing_left()


def test_pulled_from_another_loop():
    for stage in ops.map(later, concurrency=2), ops.flat_map(some_later, concurrency=2):
        source = AsyncSource(itertools.count(1), waits=3)
        stream = stage.atransform(source)
        first = asyncio.new_event_loop()
        first.run_until_complete(pulled(stream, 1))
        with pytest.raises(RuntimeError, match="belongs to another event loop"):
            run(items_of(stream, []))
        first.run_until_complete(turns(20))
        assert source.closed == 1
        first.close()


@pytest.mark.parametrize("form", FORMS)
def test_all_that_has_come_is_begun_while_the_source_waits(form):
    """Bursts of several items, and then none for a while."""

    async def main(burst):
        gates = Gates(form == "tasks")
        gate = threading.Semaphore(0)
        asked = asyncio.Semaphore(0)

        def bursts():
            for at in itertools.count():
                if at and not at % burst:
                    assert gate.acquire(timeout=LONG)
                yield at

        async def abursts():
            for at in itertools.count():
                if at and not at % burst:
                    await asked.acquire()
                yield at

        threads = form == "threads"
        stream = stream_of(form, ops.map(gates.fn, concurrency=4), bursts() if threads else abursts())
        for first in range(0, 5 * burst, burst):
            waits = asyncio.ensure_future(asyncio.to_thread(next, stream) if threads else stream.__anext__())
            await gates.until(lambda: gates.in_flight == burst)
            gates.let(*range(first, first + burst))
            assert await waits == first
            for item in range(first + 1, first + burst):
                assert await (asyncio.to_thread(next, stream) if threads else anext(stream)) == item
            gate.release()
            asked.release()
        gates.let(*range(1000))
        for _ in range(1000):
            gate.release()
        await close(stream)

    for burst in 2, 3, 4:
        run(main(burst))
    nothing_left()
