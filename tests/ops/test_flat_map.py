"""``ops.flat_map``: the items of what a function gives for each item, and who closes that."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import run, turns
from recorder import AsyncSource, Source, listed

from streamcore import Lines, ops
from streamcore.testing import check_laws

NUMBERS = [2, 0, 3, 1]
FLAT = [0, 1, 0, 1, 2, 0]


def as_list(number):
    return list(range(number))


def generated(number):
    yield from range(number)


async def awaited(number):
    await asyncio.sleep(0)
    return range(number)


async def agenerated(number):
    for item in range(number):
        await asyncio.sleep(0)
        yield item


async def awaited_async(number):
    return agenerated(number)


SYNC = [range, as_list, generated]
FUNCTIONS = [*SYNC, awaited, agenerated, awaited_async, lambda number: agenerated(number)]


class Recorded:
    """A function that gives a source for each item, and keeps it."""

    def __init__(self, kind=Source, **options):
        self.kind, self.options, self.made = kind, options, []

    def __call__(self, number):
        assert all(one.closed == 1 for one in self.made), "an inner one is open"
        self.made.append(self.kind(range(number), **self.options))
        return self.made[-1]

    @property
    def closed(self):
        return [one.closed for one in self.made]


@pytest.mark.parametrize("fn", FUNCTIONS)
@given(numbers=st.lists(st.integers(0, 4), max_size=6))
def test_it_gives_the_items_of_what_the_function_gives(fn, numbers):
    wanted = [item for number in numbers for item in range(number)]
    source = AsyncSource(numbers)
    assert run(listed(ops.flat_map(fn).atransform(source))) == wanted
    assert source.closed == 1
    assert run(listed(ops.flat_map(fn).astream(numbers))) == wanted
    if fn in SYNC:
        source = Source(numbers)
        assert list(ops.flat_map(fn).transform(source)) == wanted
        assert source.closed == 1


@pytest.mark.parametrize("fn", [awaited, agenerated, awaited_async])
def test_async_functions_run_on_a_loop_of_their_own(fn):
    assert ops.flat_map(fn).invoke(NUMBERS) == FLAT


def test_it_keeps_the_laws():
    for fn in range, generated:
        check_laws(ops.flat_map(fn), [[], [0], NUMBERS])
        check_laws(ops.map(abs) | ops.flat_map(fn) | ops.take(4), [[], NUMBERS])


def test_it_stands_in_a_chain():
    words = Lines(as_=str) | ops.flat_map(str.split) | ops.distinct() | ops.take(3)
    assert words.invoke(b"a a b\n\nb c d\n") == ["a", "b", "c"]
    twice = ops.flat_map(range) | ops.flat_map(range)
    assert twice.invoke([3, 2]) == [0, 0, 1, 0]


def test_nothing_is_pulled_ahead_and_each_is_closed_before_the_next():
    fn, source = Recorded(), Source(NUMBERS)
    stream = ops.flat_map(fn).transform(source)
    assert (fn.made, source.pulled) == ([], 0)
    assert next(stream) == 0
    assert (fn.made[0].pulled, source.pulled) == (1, 1)
    assert next(stream) == 1
    assert (fn.closed, source.pulled) == ([0], 1)
    assert next(stream) == 0
    assert (fn.closed, source.pulled) == ([1, 1, 0], 3)
    assert list(stream) == [1, 2, 0]
    assert (fn.closed, source.closed) == ([1, 1, 1, 1], 1)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("count", range(7))
def test_closed_or_dropped_after_any_number_of_items(count, dropped):
    fn, source = Recorded(), Source(itertools.cycle(NUMBERS))
    stream = ops.flat_map(fn).transform(source)
    for _ in range(count):
        next(stream)
    if dropped:
        del stream
        gc.collect()
    else:
        stream.close()
        stream.close()
        assert list(stream) == []
    assert set(fn.closed) <= {1}
    assert source.closed == 1


@pytest.mark.parametrize("kind", [Source, AsyncSource])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("count", range(7))
def test_an_async_stream_closed_or_dropped_after_any_number_of_items(count, dropped, kind):
    async def main():
        fn, source = Recorded(kind), AsyncSource(itertools.cycle(NUMBERS))
        stream = ops.flat_map(fn).atransform(source)
        for _ in range(count):
            await anext(stream)
        if dropped:
            del stream
            gc.collect()
            await turns(9)
        else:
            await stream.aclose()
            await stream.aclose()
            assert await listed(stream) == []
        assert set(fn.closed) <= {1}
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("kind", [Source, AsyncSource])
def test_cancelled_at_each_await(kind):
    async def main(turn):
        fn = Recorded(kind, **({"waits": 1} if kind is AsyncSource else {}))
        source = AsyncSource(NUMBERS, waits=1)
        task = asyncio.ensure_future(listed(ops.flat_map(fn).atransform(source)))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == FLAT
        assert [one.closes for one in fn.made] == [1] * len(fn.made)
        assert source.closes == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn in range(1, 61):
        run(main(turn))


@pytest.mark.parametrize("inner", ["source", "generator"])
def test_a_pull_that_is_given_up_half_way(inner):
    """The coroutine of the pull is closed where it waits, in what the function gave."""

    async def main():
        ended = []

        async def waiting(number):
            try:
                yield number
                await turns(9)
            finally:
                ended.append(number)

        fn = Recorded(AsyncSource, waits=9) if inner == "source" else waiting
        source = AsyncSource(NUMBERS)
        stream = ops.flat_map(fn).atransform(source)
        if inner == "generator":
            assert await anext(stream) == 2
        pull = anext(stream).__await__()
        for _ in range(3):
            next(pull)
        pull.close()
        await stream.aclose()
        assert source.closed == 1
        if inner == "source":
            assert fn.closed == [1]
        else:
            assert ended == [2]

    run(main())


# -- errors


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("where", ["call", "item", "no iterable", "__iter__"])
def test_an_error_of_the_function_or_of_what_it_gave_names_the_item(where, at):
    class Stops:
        def __iter__(self):
            raise StopIteration

    def fails(number):
        numbers.append(number)
        if len(numbers) <= at:
            return range(number)
        if where == "call":
            raise LookupError("no")
        if where == "no iterable":
            return 5
        if where == "__iter__":
            return Stops()
        return Source(range(number), LookupError("no"))

    kind = {"no iterable": TypeError, "__iter__": RuntimeError}.get(where, LookupError)
    wanted = FLAT[: sum(NUMBERS[: at + (where == "item")])]
    operator = ops.flat_map(fails)
    numbers, got, source = [], [], Source(NUMBERS)
    with pytest.raises(kind) as caught:
        for item in operator.transform(source):
            got.append(item)  # noqa: PERF402
    assert (got, source.closed) == (wanted, 1)
    assert caught.value.__notes__ == [f"in {operator!r}, at item {at}"]

    async def main():
        numbers.clear()
        got, source = [], AsyncSource(NUMBERS)
        with pytest.raises(kind) as caught:
            async for item in operator.atransform(source):
                got.append(item)  # noqa: PERF401
        assert (got, source.closed) == (wanted, 1)
        assert caught.value.__notes__ == [f"in {operator!r}, at item {at}"]

    run(main())


@pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration])
@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_the_function_does_not_end_an_async_stream_in_silence(stop, kind):
    def stops(number):
        raise stop

    async def astops(number):
        raise stop

    async def main():
        operator = ops.flat_map(stops if kind == "function" else astops)
        source = AsyncSource(NUMBERS)
        with pytest.raises(RuntimeError, match=f"raised {stop.__name__}") as caught:
            await listed(operator.atransform(source))
        assert caught.value.__notes__ == [f"in {operator!r}, at item 0"]
        assert source.closed == 1

    run(main())


@pytest.mark.parametrize("at", range(4))
def test_an_error_of_the_source_is_none_of_the_function(at):
    fn, error, got = Recorded(), OSError("gone"), []
    source = Source(NUMBERS[:at], error)
    with pytest.raises(OSError, match="gone"):
        for item in ops.flat_map(fn).transform(source):
            got.append(item)  # noqa: PERF402
    assert got == FLAT[: sum(NUMBERS[:at])]
    assert error.__notes__ == [f"in the source of {ops.flat_map(fn)!r}"]
    assert (fn.closed, source.closed) == ([1] * at, 1)

    async def main():
        fn, error = Recorded(AsyncSource), OSError("gone")
        source = AsyncSource(NUMBERS[:at], error)
        with pytest.raises(OSError, match="gone"):
            await listed(ops.flat_map(fn).atransform(source))
        assert error.__notes__ == [f"in the source of {ops.flat_map(fn)!r}"]
        assert (fn.closed, source.closed) == ([1] * at, 1)

    run(main())


def test_one_that_fails_in_its_close_ends_the_stream():
    fn, source = Recorded(close_error=OSError("stuck")), Source(NUMBERS)
    stream = ops.flat_map(fn).transform(source)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(OSError, match="stuck") as caught:
        next(stream)
    assert not hasattr(caught.value, "__notes__")
    assert (fn.closed, source.closed) == ([1], 1)

    async def main():
        fn, source = Recorded(AsyncSource, close_error=OSError("stuck")), AsyncSource(NUMBERS)
        with pytest.raises(OSError, match="stuck"):
            await listed(ops.flat_map(fn).atransform(source))
        assert (fn.closed, source.closed) == ([1], 1)

    run(main())


def test_a_failing_close_after_an_error_becomes_its_note():
    fn = Recorded(error=LookupError("no"), close_error=OSError("stuck"))
    operator, source = ops.flat_map(fn), Source(NUMBERS)
    with pytest.raises(LookupError) as caught:
        list(operator.transform(source))
    first, second = caught.value.__notes__
    assert first == f"in {operator!r}, at item 0"
    assert "closing Source failed: OSError('stuck')" in second
    assert (fn.closed, source.closed) == ([1], 1)


def test_an_async_iterable_in_a_sync_stream_is_refused():
    source = Source(NUMBERS)
    with pytest.raises(TypeError, match="not iterable"):
        list(ops.flat_map(lambda number: AsyncSource()).transform(source))
    assert source.closed == 1


def test_it_checks_its_function_and_its_call():
    with pytest.raises(TypeError, match=r"ops\.flat_map needs a callable, got int"):
        ops.flat_map(1)
    for call in ops.flat_map(range), ops.flat_map(range) | ops.take(1):
        with pytest.raises(TypeError, match=r"ops\.flat_map\(range\) takes no keyword arguments .* got foo="):
            call.invoke([1], foo=1)


def test_it_is_pickled():
    assert pickle.loads(pickle.dumps(ops.flat_map(range))).invoke(NUMBERS) == FLAT
    assert repr(ops.flat_map(range)) == "ops.flat_map(range)"


# -- the iterator of both backends


def test_an_iterator_that_is_not_one(backend):
    with pytest.raises(TypeError, match="'list' object is not an iterator"):
        backend.flat_iterator([], [])
    with pytest.raises(TypeError, match="owned must be a list, got tuple"):
        backend.flat_iterator(iter(()), ())


def test_what_left_the_list_is_left_alone(backend):
    owned = [Source(), Source()]
    first = owned.pop(0)
    stream = backend.flat_iterator(iter([[1]]), owned)
    second = owned.pop()
    owned.append(third := Source())
    stream.close()
    assert (first.closed, second.closed, third.closed) == (0, 0, 1)


def test_a_pull_inside_a_pull_is_refused(backend):
    def again():
        yield next(stream)

    source = Source([again()])
    stream = backend.flat_iterator(source, [source], "flat")
    with pytest.raises(ValueError, match="already executing") as caught:
        next(stream)
    assert caught.value.__notes__ == ["in flat, at item 0"]
    assert source.closed == 1


def test_closing_goes_from_the_last_to_the_first(backend):
    order = []

    class Named:
        def __init__(self, name):
            self.name = name

        def __iter__(self):
            return self

        def __next__(self):
            return 1

        def close(self):
            order.append(self.name)

    stream = backend.flat_iterator(iter([Named("inner")]), [Named("first"), Named("second")])
    assert next(stream) == 1
    stream.close()
    assert order == ["inner", "second", "first"]
