"""``async_closing_iterator``: blocks of items at hand, and the steps that are done with each."""

from __future__ import annotations

import asyncio

import pytest
from paused_sources import Paused, collected, pause, run
from recorder import AsyncSource

from streamcore._shared.steps import DROPPED


async def each(items):
    for item in items:
        await pause()
        yield item


@pytest.mark.parametrize("blocks", [[], [[1, 2, 3]], [[], [1], [], [2, 3], []], [[None, (1, 2)]]])
def test_blocks_are_given_item_by_item(backend, blocks):
    source = Paused([list(block) for block in blocks])
    stream = backend.async_closing_iterator(source, (source,), blocks=True)
    assert run(collected(stream)) == [item for block in blocks for item in block]
    assert source.closes == 1


def test_items_at_hand_come_without_a_wait(backend):
    source = Paused([[1, 2, 3], [4]])
    stream = backend.async_closing_iterator(source, (source,), blocks=True)
    assert run(stream.__anext__()) == 1
    for wanted in (2, 3):
        with pytest.raises(StopIteration) as got:
            stream.__anext__().send(None)
        assert got.value.value == wanted
    assert stream.__anext__().send(None) == "paused"


def test_aclose_forgets_the_items_at_hand(backend):
    source = Paused([[1, 2, 3]])
    stream = backend.async_closing_iterator(source, (source,), blocks=True)
    assert run(stream.__anext__()) == 1
    run(stream.aclose())
    with pytest.raises(StopAsyncIteration):
        run(stream.__anext__())
    assert source.closes == 1


def steps_of(backend):
    return [
        backend.MapStep(lambda number: number * 2, "twice"),
        backend.FilterStep(lambda number: number % 3, "thirds"),
    ]


@pytest.mark.parametrize("blocks", [False, True])
def test_steps_are_done_with_each_item(backend, blocks):
    source = Paused([[1, 2, 3], [], [4, 5, 6, 7]] if blocks else range(1, 8))
    stream = backend.async_closing_iterator(source, (source,), blocks=blocks, steps=steps_of(backend))
    assert run(collected(stream)) == [2, 4, 8, 10, 14]
    assert source.closes == 1


def test_steps_over_a_stream_of_blocks(backend):
    source = Paused([[1, 2, 3], [], [4, 5, 6, 7]])
    inner = backend.async_closing_iterator(source, (source,), blocks=True)
    stream = backend.async_closing_iterator(inner, (inner,), steps=steps_of(backend))
    assert run(collected(stream)) == [2, 4, 8, 10, 14]
    assert source.closes == 1


@pytest.mark.parametrize("count", range(4))
def test_a_stream_that_has_taken_enough_pulls_no_more(backend, count):
    source = Paused(range(10))
    steps = [backend.FilterStep(lambda number: number % 2, "odd"), backend.TakeStep(count)]
    stream = backend.async_closing_iterator(source, (source,), steps=steps)
    assert run(collected(stream)) == [1, 3, 5][:count]
    assert next(source.items) == 2 * count
    assert source.closes == 1


def test_an_error_in_a_step_ends_the_stream_after_the_items_before_it(backend):
    source = Paused([[4, 2], [0, 1]])
    notes = []
    stream = backend.async_closing_iterator(
        source,
        (source,),
        notes.append,
        blocks=True,
        steps=[backend.MapStep(lambda number: 8 // number, "share")],
    )
    got = []

    async def main():
        with pytest.raises(ZeroDivisionError) as caught:
            async for item in stream:
                got.append(item)  # noqa: PERF401
        assert caught.value.__notes__ == ["in share, at item 2"]
        assert notes == [caught.value]

    run(main())
    assert (got, source.closes) == ([2, 4], 1)
    assert run(collected(stream)) == []


def test_a_step_that_raises_stopiteration_does_not_end_the_stream_in_silence(backend):
    source = Paused([1])
    stream = backend.async_closing_iterator(
        source, (source,), steps=[backend.MapStep(lambda _: next(iter(())), "next")]
    )
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        run(collected(stream))
    assert source.closes == 1


def test_a_step_that_pulls_its_own_stream_is_refused(backend):
    source = Paused([[1, 2]])
    stream = backend.async_closing_iterator(
        source, (source,), blocks=True, steps=[backend.MapStep(lambda _: run(stream.__anext__()), "again")]
    )
    with pytest.raises(RuntimeError, match="already being pulled"):
        run(collected(stream))
    assert source.closes == 1


def test_what_is_no_step_is_refused(backend):
    for make in backend.closing_iterator, backend.async_closing_iterator:
        source = Paused([1])
        with pytest.raises(TypeError, match="^expected a step, got tuple$"):
            make(source, (source,), steps=[("map", str, "s")])


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_items_at_hand_are_those_of_the_loop_that_they_came_on(backend, stepped, nested):
    closing = backend.async_closing_iterator  # before the loops: it may skip the test
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def pull(stream):
        return await stream.__anext__()

    for pulls in (1, 2):
        source = AsyncSource([[1, 2, 4, 5], [7]])
        stream = closing(source, (source,), blocks=True)
        if nested:
            stream = closing(stream, (stream,))
        if stepped:
            stream = closing(stream, (stream,), steps=[backend.TapStep(id, "id")])
        assert [first.run_until_complete(pull(stream)) for _ in range(pulls)] == [1, 2][:pulls]
        with pytest.raises(RuntimeError, match="^the stream belongs to another event loop, which pulled it"):
            second.run_until_complete(pull(stream))
        assert source.closes == 1
        with pytest.raises(StopAsyncIteration):
            first.run_until_complete(pull(stream))
    for loop in first, second:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Opened:
    def __init__(self, *entries):
        self.entries = list(entries)
        self.errors = []

    def failed(self, error):
        self.errors.append(error)
        raise KeyError("of the opened one") from error


@pytest.mark.parametrize("lengths", [(3,), (3, 3), (2, 3), (3, 2), (3, 1, 2), (0, 2)])
def test_with_others_beside_it_gives_tuples_until_the_first_end(backend, lengths):
    parts = [Paused(range(length)) for length in lengths]
    stream = backend.async_closing_iterator(parts[0], parts, beside=parts[1:])
    assert run(collected(stream)) == list(zip(*map(range, lengths), strict=False))
    assert [part.closes for part in parts] == [1] * len(parts)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_tuple_given_up_half_way_ends_the_stream(backend, turns):
    parts = [Paused(range(5)) for _ in range(3)]
    stream = backend.async_closing_iterator(parts[0], parts, beside=parts[1:])
    pull = stream.__anext__()
    for _ in range(turns):
        assert pull.send(None) == "paused"
    pull.close()
    assert run(collected(stream)) == []
    assert [part.closes for part in parts] == [1, 1, 1]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_what_is_thrown_reaches_the_part_that_is_awaited(backend, turns):
    parts = [Paused(range(5)) for _ in range(3)]
    stream = backend.async_closing_iterator(parts[0], parts, beside=parts[1:])
    pull = stream.__anext__()
    for _ in range(turns):
        assert pull.send(None) == "paused"

    with pytest.raises(asyncio.CancelledError):
        pull.throw(asyncio.CancelledError())
        while True:
            pull.send(None)
    assert [part.closes for part in parts] == [1, 1, 1]


def test_an_iterator_is_not_taken_for_an_async_one(backend):
    source = Paused([])
    with pytest.raises(TypeError, match="'list' object is not an async iterator"):
        backend.async_closing_iterator(source, (source,), beside=[[]])


def test_items_of_what_is_opened_come_without_a_wait(backend):
    source, opened = Paused([0, DROPPED, 9]), Opened(iter([1, 2]))
    stream = backend.async_closing_iterator(source, (source,), opened=opened)
    assert run(stream.__anext__()) == 0
    assert run(stream.__anext__()) == 1
    with pytest.raises(StopIteration) as got:
        stream.__anext__().send(None)
    assert got.value.value == 2
    assert run(collected(stream)) == [9]
    assert source.closes == 1


def test_an_error_of_what_is_opened_is_handed_over_and_ends_the_stream(backend):
    def failing():
        yield 1
        raise ZeroDivisionError

    source, opened = Paused([DROPPED, 9]), Opened(failing())
    stream = backend.async_closing_iterator(source, (source,), opened=opened)
    assert run(stream.__anext__()) == 1
    with pytest.raises(KeyError):
        run(stream.__anext__())
    assert [type(error) for error in opened.errors] == [ZeroDivisionError]
    assert source.closes == 1
    assert run(collected(stream)) == []


def test_what_is_opened_cannot_pull_the_stream_that_pulls_it(backend):
    def pulling():
        with pytest.raises(RuntimeError, match="already being pulled"):
            stream.__anext__().send(None)
        with pytest.raises(RuntimeError, match="already being pulled"):
            stream.aclose().send(None)
        yield 1

    source = Paused([DROPPED])
    stream = backend.async_closing_iterator(source, (source,), opened=Opened(pulling()))
    assert run(collected(stream)) == [1]
    assert source.closes == 1


def test_what_is_opened_finds_the_config_around_it(backend):
    def asking():
        yield backend.surrounding()

    source = Paused([DROPPED])
    stream = backend.async_closing_iterator(source, (source,), opened=Opened(asking()))
    config = {"tags": ["a"]}
    assert stream.surround(config)
    assert run(collected(stream)) == [config]
    assert backend.surrounding() is None
