"""The operators that do one thing with each item, all of them in one table, against what they do to a list."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import run, turns
from recorder import AsyncSource, Source, listed
from steps import stepped

from streamcore import RunnableGenerator, ops
from streamcore.testing import check_laws

NUMBERS = [2, 2, 4, 1, 1, 3, 3, 2, 5, 5, 0, 4]


@dataclass(frozen=True)
class Case:
    """``make(n, fn)``: the operator for a number, with a function made by ``fn``; ``gives(items, n)``: the oracle."""

    make: Callable[[int, Any], Any]
    gives: Callable[[list[int], int], list[Any]]
    calls: bool = True  # a function


def is_low(item: int, n: int) -> bool:
    return item <= n


def left_of(n: int, item: int) -> int:
    return item % (n + 1)


def repeats_dropped(items: list[int], key: Callable[[int], Any]) -> list[int]:
    return [item for at, item in enumerate(items) if not at or key(items[at - 1]) != key(item)]


CASES = {
    "map": Case(
        lambda n, fn: ops.map(fn(partial(left_of, n))), lambda items, n: [left_of(n, item) for item in items]
    ),
    "filter": Case(
        lambda n, fn: ops.filter(fn(lambda item: is_low(item, n))),
        lambda items, n: [item for item in items if is_low(item, n)],
    ),
    "tap": Case(lambda n, fn: ops.tap(fn(lambda item: n)), lambda items, n: items),
    "take_while": Case(
        lambda n, fn: ops.take_while(fn(lambda item: is_low(item, n))),
        lambda items, n: list(itertools.takewhile(lambda item: is_low(item, n), items)),
    ),
    "skip_while": Case(
        lambda n, fn: ops.skip_while(fn(lambda item: is_low(item, n))),
        lambda items, n: list(itertools.dropwhile(lambda item: is_low(item, n), items)),
    ),
    "scan": Case(
        lambda n, fn: ops.scan(fn(lambda before, item: before * 2 + item), n),
        lambda items, n: list(itertools.accumulate(items, lambda before, item: before * 2 + item, initial=n))[
            1:
        ],
    ),
    "distinct by a key": Case(
        lambda n, fn: ops.distinct(fn(partial(left_of, n))),
        lambda items, n: repeats_dropped(items, partial(left_of, n)),
    ),
    "distinct": Case(
        lambda n, fn: ops.distinct(), lambda items, n: repeats_dropped(items, lambda item: item), calls=False
    ),
    "take": Case(lambda n, fn: ops.take(n), lambda items, n: items[:n], calls=False),
    "skip": Case(lambda n, fn: ops.skip(n), lambda items, n: items[n:], calls=False),
    "enumerate": Case(
        lambda n, fn: ops.enumerate(n), lambda items, n: list(zip(itertools.count(n), items)), calls=False
    ),
}
CALLING = [name for name, case in CASES.items() if case.calls]


def plain(fn: Any) -> Any:
    return fn


def coroutine(fn: Any) -> Any:
    """The same as a coroutine function that waits."""

    async def waiting(*items: Any) -> Any:
        await asyncio.sleep(0)
        return fn(*items)

    return waiting


KINDS = {"function": plain, "coroutine function": coroutine}


def counting(fn: Any, calls: list[Any]) -> Any:
    def counted(*items: Any) -> Any:
        calls.append(items)
        return fn(*items)

    return counted


def failing(fn: Any, at: int, error: BaseException) -> Any:
    """``fn``, whose call number ``at`` raises."""
    numbers = itertools.count()

    def fails(*items: Any) -> Any:
        if next(numbers) == at:
            raise error
        return fn(*items)

    return fails


def ends_early(case: Case, items: list[int], n: int) -> bool:
    """Whether more items after these could change nothing: the source is not asked for them."""
    name = next(name for name, other in CASES.items() if other is case)
    if name == "take":
        return len(items) >= n
    return name == "take_while" and not all(is_low(item, n) for item in items)


def pulled_for(case: Case, items: list[int], n: int, count: int) -> int:
    """How many of the items it takes until ``count`` are given."""
    return next(at for at in range(len(items) + 1) if len(case.gives(items[:at], n)) >= count)


def pulled_in_all(case: Case, items: list[int], n: int) -> int:
    return next((at for at in range(len(items)) if ends_early(case, items[:at], n)), len(items))


async def alisted(stream: Any, got: list[Any]) -> None:
    async for item in stream:
        got.append(item)  # noqa: PERF401 - what came before an error is looked at


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
@given(items=st.lists(st.integers(0, 5), max_size=12), n=st.integers(0, 6))
def test_an_operator_does_what_its_oracle_does_to_a_list(name, kind, items, n):
    case = CASES[name]
    operator = case.make(n, KINDS[kind])
    wanted = case.gives(items, n)
    source = AsyncSource(items)
    assert run(listed(operator.atransform(source))) == wanted
    assert (source.pulled, source.closed) == (pulled_in_all(case, items, n), 1)
    assert run(listed(operator.astream(items))) == wanted
    if kind == "coroutine function" and case.calls and len(items) > 3:
        return  # a sync stream runs them on a loop of its own: the same again
    source = Source(items)
    assert list(operator.transform(source)) == wanted
    assert (source.pulled, source.closed) == (pulled_in_all(case, items, n), 1)
    assert operator.invoke(items) == wanted


@pytest.mark.parametrize("name", CASES)
def test_operators_keep_the_laws(name):
    operator = CASES[name].make(2, plain)
    check_laws(operator, [[], [1], NUMBERS])
    check_laws(operator | ops.enumerate() | ops.skip(1) | ops.take_while(bool), [NUMBERS], laws=("cleanup",))


@pytest.mark.parametrize("name", CASES)
def test_an_item_goes_out_before_the_next_is_pulled(name):
    case = CASES[name]
    source = Source(NUMBERS)
    stream = case.make(2, plain).transform(source)
    for at, item in enumerate(case.gives(NUMBERS, 2), start=1):
        assert next(stream) == item
        assert source.pulled == pulled_for(case, NUMBERS, 2, at)
    stream.close()
    assert source.closed == 1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_item_goes_out_before_the_next_is_pulled_in_an_async_stream(name, kind):
    case = CASES[name]

    async def main():
        source = AsyncSource(NUMBERS)
        stream = case.make(2, KINDS[kind]).atransform(source)
        for at, item in enumerate(case.gives(NUMBERS, 2), start=1):
            assert await anext(stream) == item
            assert source.pulled == pulled_for(case, NUMBERS, 2, at)
        await stream.aclose()
        assert source.closed == 1

    run(main())


# -- errors


@pytest.mark.parametrize("name", CALLING)
def test_a_function_that_fails_at_any_item(name):
    case = CASES[name]
    calls = []
    case.make(2, lambda fn: counting(fn, calls)).invoke(NUMBERS)
    for at in range(len(calls)):
        source, got = Source(NUMBERS), []
        operator = case.make(2, lambda fn, at=at: failing(fn, at, LookupError("no")))
        with pytest.raises(LookupError, match="no") as caught:
            for item in operator.transform(source):
                got.append(item)  # noqa: PERF402
        assert got == case.gives(NUMBERS[:at], 2)
        assert caught.value.__notes__ == [f"in {operator!r}, at item {at}"]
        assert (source.pulled, source.closed) == (at + 1, 1)


@pytest.mark.parametrize("name", CALLING)
@pytest.mark.parametrize("kind", KINDS)
def test_a_function_that_fails_at_any_item_of_an_async_stream(name, kind):
    case = CASES[name]
    calls = []
    case.make(2, lambda fn: counting(fn, calls)).invoke(NUMBERS)

    async def main(at):
        source, got = AsyncSource(NUMBERS), []
        operator = case.make(2, lambda fn: KINDS[kind](failing(fn, at, LookupError("no"))))
        with pytest.raises(LookupError, match="no") as caught:
            await alisted(operator.atransform(source), got)
        assert got == case.gives(NUMBERS[:at], 2)
        assert caught.value.__notes__ == [f"in {operator!r}, at item {at}"]
        assert (source.pulled, source.closed) == (at + 1, 1)

    for at in range(len(calls)):
        run(main(at))


@pytest.mark.parametrize("name", CALLING)
@pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration])
def test_a_function_does_not_end_a_stream_in_silence(name, stop):
    case = CASES[name]
    operator = case.make(2, lambda fn: failing(fn, 1, stop(7)))
    source = Source(NUMBERS)
    # StopAsyncIteration ends no sync stream: it goes through as it is
    with pytest.raises(RuntimeError if stop is StopIteration else stop) as caught:
        list(operator.transform(source))
    assert caught.value.__notes__ == [f"in {operator!r}, at item 1"]
    assert source.closed == 1

    async def main(kind):
        source = AsyncSource(NUMBERS)
        operator = case.make(2, lambda fn: kind(failing(fn, 1, stop(7))))
        with pytest.raises(RuntimeError, match=f"raised {stop.__name__}") as caught:
            await listed(operator.atransform(source))
        assert caught.value.__notes__ == [f"in {operator!r}, at item 1"]
        assert source.closed == 1

    for kind in KINDS.values():
        run(main(kind))


class Untrue:
    """An answer that has no truth, and equals nothing."""

    def __bool__(self):
        raise LookupError("neither")

    def __eq__(self, other):
        return self

    __hash__ = None


@pytest.mark.parametrize("name", ["filter", "take_while", "skip_while", "distinct"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_without_a_truth_is_an_error_at_its_item(name, kind):
    operator = getattr(ops, name)(KINDS[kind](lambda item: Untrue()))
    at = 1 if name == "distinct" else 0

    async def main():
        source = AsyncSource(NUMBERS)
        with pytest.raises(LookupError, match="neither") as caught:
            await listed(operator.atransform(source))
        assert caught.value.__notes__ == [f"in {operator!r}, at item {at}"]
        assert (source.pulled, source.closed) == (at + 1, 1)

    run(main())
    with pytest.raises(LookupError, match="neither") as caught:
        operator.invoke(NUMBERS)
    assert f"in {operator!r}, at item {at}" in caught.value.__notes__


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_fails_at_any_item(name, kind):
    case = CASES[name]

    async def main(at):
        source, got = AsyncSource(NUMBERS[:at], OSError("gone")), []
        operator = case.make(2, KINDS[kind])
        try:
            await alisted(operator.atransform(source), got)
            failed = False
        except OSError:
            failed = True
        assert getattr(source.error, "__notes__", []) == [f"in the source of {operator!r}"] * failed
        assert got == case.gives(NUMBERS[:at], 2)
        assert failed == (not ends_early(case, NUMBERS[:at], 2))
        assert source.closed == 1

    for at in range(len(NUMBERS)):
        run(main(at))
        if kind == "function":
            source, got = Source(NUMBERS[:at], OSError("gone")), []
            operator = case.make(2, plain)
            try:
                for item in operator.transform(source):
                    got.append(item)  # noqa: PERF402
                failed = False
            except OSError:
                failed = True
            assert getattr(source.error, "__notes__", []) == [f"in the source of {operator!r}"] * failed
            assert got == case.gives(NUMBERS[:at], 2)
            assert failed == (not ends_early(case, NUMBERS[:at], 2))
            assert source.closed == 1


@pytest.mark.parametrize("name", CASES)
def test_a_source_that_fails_in_its_close(name):
    case = CASES[name]
    got = []
    source = Source(NUMBERS, close_error=OSError("stuck"))
    with pytest.raises(OSError, match="stuck"):
        for item in case.make(2, plain).transform(source):
            got.append(item)  # noqa: PERF402
    assert got == case.gives(NUMBERS, 2)
    assert source.closed == 1


# -- ends


@pytest.mark.parametrize("name", CASES)
def test_closed_or_dropped_after_any_number_of_items(name):
    case = CASES[name]
    for count in range(len(case.gives(NUMBERS, 2))):
        for dropped in False, True:
            source = Source(itertools.chain(NUMBERS, itertools.repeat(0)))
            stream = case.make(2, plain).transform(source)
            for _ in range(count):
                next(stream)
            if dropped:
                del stream
                gc.collect()
            else:
                stream.close()
                stream.close()
                assert list(stream) == []
            assert (source.pulled, source.closed) == (pulled_for(case, NUMBERS, 2, count), 1)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_closed_after_any_number_of_items_of_an_async_stream(name, kind):
    case = CASES[name]

    async def main(count):
        source = AsyncSource(itertools.chain(NUMBERS, itertools.repeat(0)))
        stream = case.make(2, KINDS[kind]).atransform(source)
        for _ in range(count):
            await anext(stream)
        await stream.aclose()
        await stream.aclose()
        assert await listed(stream) == []
        assert (source.pulled, source.closed) == (pulled_for(case, NUMBERS, 2, count), 1)
        assert len(asyncio.all_tasks()) == 1

    for count in range(len(case.gives(NUMBERS, 2))):
        run(main(count))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_async_stream_closes_its_source(name, kind):
    async def main():
        source = AsyncSource(NUMBERS)
        stream = CASES[name].make(2, KINDS[kind]).atransform(source)
        await anext(stream, None)
        del stream
        gc.collect()
        await turns(5)
        assert source.closed == 1

    run(main())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_at_each_await(name, kind):
    threads = threading.active_count()

    async def main(turn):
        source = AsyncSource(NUMBERS, waits=1)
        stream = CASES[name].make(2, KINDS[kind]).atransform(source)
        task = asyncio.ensure_future(listed(stream))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            assert task.result() == CASES[name].gives(NUMBERS, 2)
        assert source.closes == 1  # and perhaps cancelled in it
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn in range(1, 61):
        run(main(turn))
    assert threading.active_count() == threads


# -- each one's own


def test_take_while_and_take_of_nothing_in_a_row_do_not_pull_for_one_more():
    source = Source(NUMBERS)
    chain = ops.skip(1) | ops.take_while(lambda item: item != 1) | ops.map(str) | ops.take(5)
    assert list(chain.transform(source)) == ["2", "4"]
    assert (source.pulled, source.closed) == (4, 1)


def test_skip_while_asks_no_more_once_an_item_went_through():
    calls = []
    for kind in KINDS.values():
        calls.clear()
        operator = ops.skip_while(kind(counting(lambda item: item == 2, calls)))
        assert operator.invoke([2, 2, 3, 2]) == [3, 2]
        assert calls == [(2,), (2,), (3,)]


def test_tap_gives_the_very_items():
    seen, items = [], [object(), object()]
    assert ops.tap(seen.append).invoke(items) == seen == items


def test_scan_begins_anew_in_every_stream():
    for kind in KINDS.values():
        running = ops.scan(kind(lambda before, item: before + item), 10)
        assert running.invoke([1, 2]) == [11, 13]
        assert running.invoke([1, 2]) == [11, 13]
        assert running.invoke([]) == []


def test_scan_holds_no_earlier_result():
    class Result:
        pass

    alive = []

    def fresh(before, item):
        gc.collect()
        alive.append(sum(isinstance(thing, Result) for thing in gc.get_objects()))
        return Result()

    for _ in ops.scan(fresh, None).stream(range(5)):
        pass
    assert max(alive) <= 2  # the one before, and the consumer's


def test_distinct_compares_with_the_last_one_given_out():
    close = [1, 1.25, 1.5, 1.75, 3]

    class Near(float):
        def __eq__(self, other):
            return abs(float(self) - float(other)) < 0.6

        __hash__ = None

    assert ops.distinct(Near).invoke(close) == [1, 1.75, 3]


def test_distinct_takes_the_identical_object_for_equal():
    nan = float("nan")
    assert ops.distinct().invoke([nan, nan, 1]) == [nan, 1]
    assert len(ops.distinct().invoke([float("nan"), float("nan")])) == 2


def test_distinct_of_none_is_of_the_items():
    assert ops.distinct(None).invoke([None, None, 1]) == [None, 1]
    assert repr(ops.distinct(None)) == "ops.distinct()"


def test_numbers_are_not_bounded_by_a_machine_word():
    assert ops.enumerate(2**63 - 1).invoke(["ab"] * 2) == [(2**63 - 1, "ab"), (2**63, "ab")]
    assert ops.enumerate(-1).invoke(["a", "b"]) == [(-1, "a"), (0, "b")]
    assert ops.skip(2**70).invoke([1, 2]) == []


def test_operators_work_on_what_a_stage_streams():
    def letters(chunks):
        for chunk in chunks:
            yield from chunk

    chain = RunnableGenerator(letters) | ops.distinct() | ops.skip(1) | ops.enumerate(1)
    assert chain.invoke("aabbc") == [(1, "b"), (2, "c")]


def test_what_builds_them_is_what_they_show():
    assert [repr(case.make(2, lambda fn: len)) for case in CASES.values()] == [
        "ops.map(len)",
        "ops.filter(len)",
        "ops.tap(len)",
        "ops.take_while(len)",
        "ops.skip_while(len)",
        "ops.scan(len, 2)",
        "ops.distinct(len)",
        "ops.distinct()",
        "ops.take(2)",
        "ops.skip(2)",
        "ops.enumerate(2)",
    ]
    assert repr(ops.enumerate()) == "ops.enumerate()"
    assert len(repr(ops.scan(len, list(range(1000))))) < 60


@pytest.mark.parametrize("name", CASES)
def test_operators_are_pickled(name):
    operator = CASES[name].make(2, lambda fn: max)
    if name == "scan":
        assert pickle.loads(pickle.dumps(operator)).invoke([1, 3]) == [2, 3]
    assert repr(pickle.loads(pickle.dumps(operator))) == repr(operator)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ops.skip(-1), ValueError, "count must not be negative, got -1"),
        (lambda: ops.skip(True), TypeError, "count must be an int, got bool"),
        (lambda: ops.enumerate(1.5), TypeError, "start must be an int, got float"),
        (lambda: ops.enumerate(False), TypeError, "start must be an int, got bool"),
        (lambda: ops.tap(None), TypeError, "ops.tap needs a callable, got NoneType"),
        (lambda: ops.scan(1, 2), TypeError, "ops.scan needs a callable, got int"),
        (lambda: ops.distinct(1), TypeError, "ops.distinct needs a callable, got int"),
        (lambda: ops.take_while("a"), TypeError, "ops.take_while needs a callable, got str"),
    ],
)
def test_operators_check_their_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


OPERATORS = {name: case.make(2, plain) for name, case in CASES.items()} | {
    "buffer": ops.buffer(2),
    "map of a coroutine function": ops.map(coroutine(abs)),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("alone", [True, False])
def test_a_keyword_argument_of_a_call_is_refused(name, alone):
    operator = OPERATORS[name]
    called = operator if alone else operator | ops.skip(0)
    source = Source(NUMBERS)
    ways = [
        lambda: called.stream(source, foo=1),
        lambda: called.transform(source, foo=1),
        lambda: called.invoke(source, foo=1),
        lambda: called.batch([source], foo=1),
        lambda: run(called.ainvoke(source, foo=1)),
        lambda: run(called.abatch([source], foo=1)),
        lambda: run(listed(called.astream(source, foo=1))),
        lambda: run(listed(called.astream(AsyncSource(), foo=1))),
        lambda: run(listed(called.atransform(AsyncSource(), foo=1))),
    ]
    for way in ways:
        with pytest.raises(TypeError) as caught:
            list(way())
        assert str(caught.value) == f"{operator!r} takes no keyword arguments when it is called, got foo="
        assert source.pulled == 0
        source.closes = source.closed = 0


# -- the steps of both backends

STEPS = {
    "TapStep": ((len, "f"), lambda items: items),
    "TakeWhileStep": ((len, "f"), lambda items: list(itertools.takewhile(len, items))),
    "SkipWhileStep": ((len, "f"), lambda items: list(itertools.dropwhile(len, items))),
    "ScanStep": (
        (lambda a, b: a + b, "f", "-"),
        lambda items: list(itertools.accumulate(items, initial="-"))[1:],
    ),
    "DistinctStep": ((str.lower, "f"), lambda items: repeats_dropped(items, str.lower)),
    "SkipStep": ((2,), lambda items: items[2:]),
    "EnumerateStep": ((2,), lambda items: list(enumerate(items, 2))),
}


@pytest.mark.parametrize("step", STEPS)
@given(items=st.lists(st.text("aAb", max_size=2), max_size=8))
def test_steps(backend, step, items):
    arguments, gives = STEPS[step]
    assert list(stepped(backend, step, Source(items), *arguments)) == gives(items)


@pytest.mark.parametrize("step", ["TapStep", "ScanStep", "DistinctStep"])
def test_a_step_that_pulls_its_own_stream_is_refused(backend, step):
    source = Source([1, 2])
    arguments = (0,) if step == "ScanStep" else ()
    stream = stepped(backend, step, source, lambda *items: next(stream), "f", *arguments)
    with pytest.raises(ValueError, match="already executing") as caught:
        list(stream)
    assert caught.value.__notes__ == ["in f, at item 0"]
    assert source.closed == 1
