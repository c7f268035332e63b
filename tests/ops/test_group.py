"""``ops.group``: lists by number, weight and time, the rest at the end and before an error."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import threading

import pytest
from fake_clock import AsyncFed, FakeClock, Fed
from hypothesis import given
from hypothesis import strategies as st
from loops import in_thread, run, turns
from recorder import AsyncSource, Source, listed

from streamcore import Lines, RunnableGenerator, ops
from streamcore.testing import LAWS, check_laws


def grouped(items, size, weigh=lambda item: 1):
    """By a slow and obvious way."""
    groups, group = [], []
    for item in items:
        group.append(item)
        if sum(map(weigh, group)) >= size:
            groups.append(group)
            group = []
    return groups + [group] * bool(group)


def got_from(stream):
    """What a sync stream gives until it ends, and the error by which it does."""
    got = []
    try:
        for item in stream:
            got.append(item)  # noqa: PERF402
    except Exception as error:  # noqa: BLE001 - returned
        return got, error
    return got, None


async def agot_from(stream):
    got = []
    try:
        async for item in stream:
            got.append(item)  # noqa: PERF401
    except Exception as error:  # noqa: BLE001 - returned
        return got, error
    return got, None


@pytest.fixture
def fake(monkeypatch):
    return FakeClock(monkeypatch)


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 5))
def test_groups_are_those_of_an_obvious_way(numbers, size):
    for operator, wanted in [
        (ops.group(size), grouped(numbers, size)),
        (ops.group(size, weigh=abs), grouped(numbers, size, abs)),
    ]:
        assert operator.invoke(numbers) == wanted
        assert run(listed(operator.astream(numbers))) == wanted
        assert run(listed(operator.atransform(AsyncSource(numbers)))) == wanted


def test_with_seconds_the_groups_of_a_source_that_is_quick_are_the_same():
    for count in 0, 1, 3, 4, 50:
        for operator in ops.group(4, seconds=1000), ops.group(4, 1000, weigh=lambda item: 1):
            source = Source(range(count))
            assert list(operator.transform(source)) == grouped(range(count), 4)
            assert source.closes == 1
            asource = AsyncSource(range(count))
            assert run(listed(operator.atransform(asource))) == grouped(range(count), 4)
            assert asource.closes == 1
        assert ops.group(seconds=1000).invoke(range(count)) == [list(range(count))] * bool(count)


@pytest.mark.parametrize("options", [{}, {"weigh": lambda item: 1}, {"seconds": 1000}])
def test_the_rest_comes_before_an_error_and_no_item_is_pulled_ahead(options):
    operator = ops.group(3, **options)
    for count in range(8):
        failure = KeyError("x")
        source = Source(range(count), failure)
        assert got_from(operator.transform(source)) == (grouped(range(count), 3), failure)
        assert source.closes == 1
        assert failure.__notes__ == [f"in the source of {operator!r}"]
        failure = KeyError("x")
        asource = AsyncSource(range(count), failure)
        assert run(agot_from(operator.atransform(asource))) == (grouped(range(count), 3), failure)
        assert asource.closes == 1
        assert failure.__notes__ == [f"in the source of {operator!r}"]
    if "seconds" not in options:
        source = Source(itertools.count())
        stream = operator.transform(source)
        assert source.pulled == 0
        for number in 1, 2:
            next(stream)
            assert source.pulled == 3 * number
        stream.close()
        assert source.closes == 1


def test_a_stage_before_it_is_named():
    for operator in ops.group(2), ops.group(2, seconds=1000):
        chain = ops.map(lambda item: 1 // item) | operator | ops.map(sum)
        got, error = got_from(chain.stream([1, 1, 1, 0]))
        assert (got, type(error)) == ([2, 1], ZeroDivisionError)
        assert len(error.__notes__) == 1
        assert "at item 3" in error.__notes__[0]

        def fails(items):
            yield 1
            raise LookupError

        stage = RunnableGenerator(fails)
        for got, error in (
            got_from((stage | operator | ops.map(sum)).stream(5)),
            run(agot_from((stage | operator | ops.map(sum)).astream(5))),
        ):
            assert (got, type(error)) == ([1], LookupError)
            assert error.__notes__ == [f"in {stage!r}, stage 1 of 3"]


def test_an_error_of_weigh_names_the_item():
    def weigh(item):
        if item == 3:
            raise LookupError
        return {4: -1, 5: float("nan"), 6: "a"}.get(item, 1)

    for seconds in None, 1000:
        operator = ops.group(2, seconds, weigh=weigh)
        for bad, kind in {3: LookupError, 4: ValueError, 5: ValueError, 6: TypeError}.items():
            for got, error in (
                got_from(operator.stream([0, 1, 2, bad, 1])),
                run(agot_from(operator.astream([0, 1, 2, bad, 1]))),
            ):
                assert (got, type(error)) == ([[0, 1], [2]], kind)
                assert error.__notes__ == [f"in {operator!r}, at item 3"]

    def stops(item):
        raise StopIteration

    assert isinstance(got_from(ops.group(2, weigh=stops).stream([1]))[1], RuntimeError)


def test_arguments():
    for wrong, error, message in [
        ((), TypeError, "ops.group needs size or seconds"),
        ((0,), ValueError, "size must be positive, got 0"),
        ((1.5,), TypeError, "size must be an int, got float"),
        ((True,), TypeError, "size must be an int, got bool"),
        ((None, 0), ValueError, "seconds must be positive, got 0"),
        ((1, -1.5), ValueError, "seconds must be positive, got -1.5"),
        ((1, float("inf")), ValueError, "seconds must be positive, got inf"),
        ((1, float("nan")), ValueError, "seconds must be positive, got nan"),
        ((1, "1"), TypeError, "seconds must be a number, got str"),
    ]:
        with pytest.raises(error, match=message):
            ops.group(*wrong)
    with pytest.raises(TypeError, match="needs a size for what weigh gives"):
        ops.group(seconds=1, weigh=len)
    with pytest.raises(TypeError, match="weigh must be a function, got int"):
        ops.group(1, weigh=5)

    async def weigh(item):
        return 1

    with pytest.raises(TypeError, match="weigh must be a function, got a coroutine function"):
        ops.group(1, weigh=weigh)
    with pytest.raises(TypeError, match="takes no keyword arguments when it is called, got foo="):
        ops.group(2).stream([1], foo=1)
    assert ops.group(2.5, weigh=len).invoke(["a", "bc", "d"]) == [["a", "bc"], ["d"]]
    assert ops.group(10**30).invoke([1, 2]) == [[1, 2]]


def test_repr_and_pickle():
    for operator, text in [
        (ops.group(100), "ops.group(100)"),
        (ops.group(100, seconds=0.5), "ops.group(100, seconds=0.5)"),
        (ops.group(seconds=2), "ops.group(seconds=2)"),
        (ops.group(9, weigh=len), "ops.group(9, weigh=len)"),
    ]:
        assert repr(operator) == text
        assert repr(pickle.loads(pickle.dumps(operator))) == text


def test_it_keeps_the_laws():
    # "errors" knows nothing of a rest, which comes before the error
    laws = [law for law in LAWS if law != "errors"]
    check_laws(ops.group(2), [[], [1], [1, 2, 3, 4, 5]], laws=laws)
    check_laws(ops.group(3, weigh=abs) | ops.map(sum), [[], [1], [1, 2, 3, 4, 5]], laws=laws)
    assert (Lines(as_=str) | ops.group(2)).invoke(b"a\nb\nc\n") == [["a", "b"], ["c"]]


def test_without_seconds_there_is_no_thread():
    source = Source(range(5))
    assert list(ops.group(2).transform(source)) == [[0, 1], [2, 3], [4]]
    assert source.threads == {threading.get_ident()}


# -- by time


def test_a_group_is_out_when_its_time_is_over_though_the_source_is_silent(fake):
    source = Fed()
    stream = ops.group(3, seconds=2).transform(source)
    first = in_thread(next, stream)
    source.put("a")
    fake.until_waiting(2)
    fake.advance(1)
    source.put("b")
    source.settled()
    fake.advance(1)
    assert first() == ["a", "b"]

    second = in_thread(next, stream)  # without an item no time runs
    fake.advance(10)
    source.put("c")
    fake.until_waiting(14)
    source.put("d", "e")
    assert second() == ["c", "d", "e"]

    # nobody asks meanwhile: the time runs from the first item on all the same
    source.put("f")
    source.settled()
    fake.advance(5)
    assert next(stream) == ["f"]
    source.put("g")
    source.settled()
    source.end(KeyError("x"))
    assert next(stream) == ["g"]
    with pytest.raises(KeyError):
        next(stream)
    assert source.closed == 1


def test_an_async_group_is_out_when_its_time_is_over_though_the_source_is_silent(fake):
    async def main():
        source = AsyncFed()
        stream = ops.group(3, seconds=2).atransform(source)
        first = asyncio.ensure_future(anext(stream))
        await fake.aadvance(5)  # without an item no time runs
        source.put("a")
        await fake.aadvance(1)
        source.put("b")
        await fake.aadvance(0.9)
        assert not first.done()
        await fake.aadvance(0.1)
        assert await first == ["a", "b"]
        second = asyncio.ensure_future(anext(stream))
        source.put("c", "d", "e")
        await turns(20)
        assert await second == ["c", "d", "e"]
        source.put("f")
        await fake.aadvance(5)
        assert await anext(stream) == ["f"]
        source.put("g")
        await turns(5)
        source.end(KeyError("x"))
        assert await anext(stream) == ["g"]
        with pytest.raises(KeyError):
            await anext(stream)
        assert source.closed == 1
        assert fake.timers == []
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_without_a_size_a_group_that_is_over_takes_no_more(fake):
    source = Fed()
    stream = ops.group(seconds=2).transform(source)
    first = in_thread(next, stream)
    source.put("a")
    fake.until_waiting(2)
    fake.advance(2)
    assert first() == ["a"]
    source.put("b")
    source.settled()
    fake.advance(3)
    source.put("c", "d")  # one is pulled, and waits for the next group
    assert next(stream) == ["b"]
    source.settled()
    fake.advance(2)
    assert next(stream) == ["c", "d"]
    source.end()
    assert list(stream) == []
    assert source.closed == 1


def test_no_more_than_one_group_is_held(fake):
    pulled = threading.Event()

    class Counted(Source):
        def __next__(self):
            item = super().__next__()
            if self.pulled == 6:
                pulled.set()
            return item

    source = Counted(itertools.count())
    stream = ops.group(3, seconds=2).transform(source)
    assert next(stream) == [0, 1, 2]
    assert pulled.wait(60)
    assert source.pulled == 6
    stream.close()
    assert (source.pulled, source.closes) == (6, 1)

    async def main():
        asource = AsyncSource(itertools.count(), waits=1)
        astream = ops.group(3, seconds=2).atransform(asource)
        assert await anext(astream) == [0, 1, 2]
        await turns(50)
        assert asource.pulled == 6
        await astream.aclose()
        assert asource.closes == 1
        assert fake.timers == []

    run(main())
