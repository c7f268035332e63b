"""``streamcore.ops``: operators on the items of a stream."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps import stepped

from streamcore import RunnableGenerator, ops
from streamcore.testing import RecordingSource, check_laws


def is_odd(number):
    return number % 2 == 1


@given(st.lists(st.integers(), max_size=10), st.integers(0, 12))
def test_operators_are_the_built_ins_as_stages(numbers, limit):
    assert ops.map(str).invoke(numbers) == list(map(str, numbers))
    assert list(ops.filter(is_odd).stream(numbers)) == list(filter(is_odd, numbers))
    assert list(ops.take(limit).transform(iter(numbers))) == numbers[:limit]


@settings(max_examples=12)
@given(st.lists(st.integers(), max_size=6))
def test_operators_keep_the_laws(numbers):
    for chain in (
        ops.map(str),
        ops.filter(is_odd),
        ops.take(2),
        ops.map(abs) | ops.filter(is_odd) | ops.take(2),
    ):
        check_laws(chain, [numbers], laws=("cleanup", "errors"))


def test_operators_give_the_same_async():
    chain = ops.map(abs) | ops.filter(is_odd) | ops.take(2)
    check_laws(chain, [[], [1], [-1, 2, 3, 5]])


def test_an_item_goes_out_before_the_next_is_pulled(backend):
    source = RecordingSource(count())
    stream = stepped(backend, "MapStep", stepped(backend, "FilterStep", source, is_odd, "f"), str, "m")
    assert next(stream) == "1"
    assert source.pulled == 2
    assert next(stream) == "3"
    assert source.pulled == 4
    stream.close()
    assert source.closed == 1


def test_take_does_not_pull_for_one_more(backend):
    source = RecordingSource(count())
    assert list(stepped(backend, "TakeStep", source, 3)) == [0, 1, 2]
    assert (source.pulled, source.closed) == (3, 1)
    source = RecordingSource(count())
    assert list(stepped(backend, "TakeStep", source, 0)) == []
    assert (source.pulled, source.closed) == (0, 1)


def make(backend, kind, source, fn):
    return stepped(backend, kind, source, fn, "ops.x(f)")


@pytest.mark.parametrize("kind", ["MapStep", "FilterStep"])
def test_an_error_of_the_function_names_the_operator_and_the_item(backend, kind):
    def fails_at_two(item):
        if item == 2:
            raise LookupError("two")
        return item + 1

    source = RecordingSource(count())
    got = []
    with pytest.raises(LookupError) as caught:
        for item in make(backend, kind, source, fails_at_two):
            got.append(item)  # noqa: PERF402
    assert len(got) == 2
    assert caught.value.__notes__ == ["in ops.x(f), at item 2"]
    assert source.closed == 1


@pytest.mark.parametrize("kind", ["MapStep", "FilterStep"])
def test_stop_iteration_from_the_function_does_not_end_the_stream_in_silence(backend, kind):
    source = RecordingSource([1])
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(make(backend, kind, source, lambda item: next(iter(()))))
    assert source.closed == 1


@pytest.mark.parametrize("kind", ["MapStep", "FilterStep"])
@pytest.mark.parametrize("end", ["close", "drop", "exhaust", "raise"])
def test_the_source_is_closed_once(backend, kind, end):
    source = RecordingSource([1, 2, 3], OSError("x") if end == "raise" else None)
    stream = make(backend, kind, source, bool)
    assert next(stream) in (True, 1)
    if end == "close":
        stream.close()
        stream.close()
    elif end == "drop":
        del stream
    elif end == "exhaust":
        list(stream)
    else:
        with pytest.raises(OSError, match="x") as caught:
            list(stream)
        assert not hasattr(caught.value, "__notes__")
    assert source.closed == 1


def test_operators_work_on_what_a_stage_streams():
    def letters(chunks):
        for chunk in chunks:
            yield from chunk

    chain = RunnableGenerator(letters) | ops.map(ord) | ops.filter(is_odd)
    assert chain.invoke("abc") == [97, 99]


def test_coroutine_functions_work_async_and_on_a_private_loop():
    async def slow_odd(number):
        await asyncio.sleep(0)
        return is_odd(number)

    chain = ops.filter(slow_odd) | ops.map(slow_odd)

    async def main():
        return [item async for item in chain.astream([1, 2, 3])]

    assert asyncio.run(main()) == [True, True]
    assert chain.invoke([1, 2, 3]) == [True, True]


@pytest.mark.parametrize("text", ["abc", b"abc", {"a": 1}, 3, None])
def test_what_is_no_stream_of_items_is_refused(text):
    with pytest.raises(TypeError, match=r"ops.take\(1\) takes an iterable of items, got"):
        ops.take(1).stream(text)


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (-1, ValueError, "count must not be negative, got -1"),
        (1.0, TypeError, "count must be an int, got float"),
        (True, TypeError, "count must be an int, got bool"),
        (None, TypeError, "count must be an int, got NoneType"),
    ],
)
def test_take_checks_its_count(count, error, message):
    with pytest.raises(error, match=message):
        ops.take(count)


def test_map_and_filter_need_a_callable():
    for operator in ops.map, ops.filter:
        with pytest.raises(TypeError, match=r"ops\.\w+ needs a callable, got str"):
            operator("x")


def test_take_of_more_than_a_machine_word_takes_all():
    assert ops.take(2**70).invoke([1, 2]) == [1, 2]

    async def main():
        return [item async for item in ops.take(2**70).astream([1, 2])]

    assert asyncio.run(main()) == [1, 2]
