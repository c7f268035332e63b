"""``ops.chain`` and ``ops.zip``: streams of several parts, and who closes these."""

from __future__ import annotations

import asyncio
import gc
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import run, turns
from recorder import AsyncSource, Source, listed

from streamcore import ops

PARTS = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4)
SIDES = {"sync": Source, "async": AsyncSource}
CUTS = [[1, 2], [], [3], [4, 5]]
EVEN = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


async def pulled(stream, count):
    """That many items of a stream of either side."""
    for _ in range(count):
        if hasattr(stream, "__anext__"):
            await anext(stream)
        else:
            next(stream)


async def closed(stream):
    if hasattr(stream, "aclose"):
        await stream.aclose()
        await stream.aclose()
        assert await listed(stream) == []
    else:
        stream.close()
        stream.close()
        assert list(stream) == []


async def items_of(stream, got):
    if hasattr(stream, "__anext__"):
        async for item in stream:
            got.append(item)
    else:
        for item in stream:
            got.append(item)
    return got


def made(side, parts, **options):
    return [SIDES[side](part, **options) for part in parts]


# -- chain


@given(PARTS)
def test_chain_gives_the_items_one_part_after_the_other(parts):
    wanted = [item for part in parts for item in part]
    assert list(ops.chain(*parts)) == wanted
    sources = made("sync", parts)
    assert list(ops.chain(*sources)) == wanted
    assert [source.closed for source in sources] == [1] * len(parts)
    if parts:
        sources = made("async", parts)
        mixed = [part if at % 2 else sources[at] for at, part in enumerate(parts)]
        assert run(listed(ops.chain(*mixed))) == wanted
        assert [source.closed for source in sources[::2]] == [1] * len(sources[::2])


@pytest.mark.parametrize("side", SIDES)
def test_a_part_is_closed_before_the_next_is_opened(side):
    events = []

    def recorded(name, items):
        source = SIDES[side](items)
        source.end = lambda: events.append(f"close {name}")
        source.items = pulls(name, source.items)
        return source

    def pulls(name, items):
        events.append(f"pull {name}")
        yield from items

    stream = ops.chain(recorded("a", [1, 2]), recorded("b", []), recorded("c", [3]))
    assert events == []
    assert run(items_of(stream, [])) == [1, 2, 3]
    assert events == ["pull a", "close a", "pull b", "close b", "pull c", "close c"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("count", range(6))
def test_chain_closes_every_part_wherever_it_ends(side, count, dropped):
    async def main():
        sources = made(side, CUTS)
        stream = ops.chain(*sources)
        await pulled(stream, count)
        if dropped:
            del stream
            gc.collect()
            await turns(20)
        else:
            await closed(stream)
        assert [source.closed for source in sources] == [1] * 4
        assert sum(source.pulled for source in sources) == count
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("side", SIDES)
def test_what_is_no_iterator_is_not_closed_before_it_is_opened(side):
    class Shelf:
        closed = 0

        def __iter__(self):
            return iter([3])

        def close(self):
            self.closed += 1

    async def main():
        shelf, source = Shelf(), SIDES[side]([1, 2])
        stream = ops.chain(source, shelf)
        await pulled(stream, 1)
        await closed(stream)
        assert (shelf.closed, source.closed) == (0, 1)

    run(main())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("at", range(4))
def test_a_part_of_a_chain_that_fails_closes_all(side, at):
    async def main():
        sources = made(side, CUTS)
        sources[at].error = error = OSError("gone")
        got = []
        with pytest.raises(OSError, match="gone") as caught:
            await items_of(ops.chain(*sources), got)
        assert caught.value is error
        assert not hasattr(error, "__notes__")
        assert got == [item for part in CUTS[: at + 1] for item in part]
        assert [source.closed for source in sources] == [1] * 4

    run(main())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("at", range(4))
def test_a_part_of_a_chain_that_fails_in_its_close_ends_it(side, at):
    async def main():
        sources = made(side, CUTS)
        sources[at].close_error = OSError("stuck")
        got = []
        with pytest.raises(OSError, match="stuck"):
            await items_of(ops.chain(*sources), got)
        assert got == [item for part in CUTS[: at + 1] for item in part]
        assert [source.closed for source in sources] == [1] * 4

    run(main())


@pytest.mark.parametrize("side", SIDES)
def test_a_part_that_cannot_be_opened_ends_the_chain(side):
    class Broken:
        def __iter__(self):
            raise StopIteration

    async def main():
        sources = made(side, CUTS)
        got = []
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            await items_of(ops.chain(sources[0], Broken(), *sources[1:]), got)
        assert got == CUTS[0]
        assert [source.closed for source in sources] == [1] * 4

    run(main())


def test_chain_of_the_same_iterator_twice_closes_it_once():
    source = Source([1, 2])
    assert list(ops.chain(source, [0], source)) == [1, 2, 0]
    assert source.closed == 1
    items = [1]
    assert list(ops.chain(items, items)) == [1, 1]


def test_chain_of_nothing():
    assert list(ops.chain()) == []
    assert list(ops.chain([], (), iter(()))) == []
    assert list(ops.chain((1,), ((2,),))) == [1, (2,)]


# -- zip


@given(PARTS)
def test_zip_gives_tuples_until_the_shortest_ends(parts):
    wanted = list(zip(*parts, strict=False))
    sources = made("sync", parts)
    assert list(ops.zip(*sources)) == wanted
    assert [source.closed for source in sources] == [1] * len(parts)
    assert list(ops.zip(*parts)) == wanted
    if parts:
        sources = made("async", parts)
        mixed = [part if at % 2 else sources[at] for at, part in enumerate(parts)]
        assert run(listed(ops.zip(*mixed))) == wanted
        assert [source.closed for source in sources[::2]] == [1] * len(sources[::2])


@given(PARTS.filter(bool))
def test_strict_zip_tells_which_part_is_uneven(parts):
    """As the built-in, which says it in other words."""
    got, wanted, message = [], [], None
    try:
        for items in zip(*parts, strict=True):
            wanted.append(items)  # noqa: PERF402
    except ValueError as error:
        message = str(error)
    for stream in (
        ops.zip(*made("sync", parts), strict=True),
        ops.zip(*made("async", parts), strict=True),
    ):
        got.clear()
        if message is None:
            run(items_of(stream, got))
        else:
            with pytest.raises(ValueError, match=r"^ops\.zip: part ") as caught:
                run(items_of(stream, got))
            words = str(caught.value).split()
            assert words[2] == message.split()[2]
            shorter = "shorter" in message
            assert str(caught.value) == (
                f"ops.zip: part {words[2]} of {len(parts)} {'ended' if shorter else 'goes on'} after "
                f"{len(wanted)} items, where part 1 {'goes on' if shorter else 'ended'}"
            )
        assert got == wanted


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("lengths", list(itertools.product(range(3), repeat=3)))
def test_zip_pulls_as_the_built_in_does(side, lengths, strict):
    plain = [Source(range(length)) for length in lengths]
    wanted = None
    try:
        list(zip(*plain, strict=strict))
    except ValueError:
        wanted = ValueError
    sources = made(side, map(range, lengths))
    stream = ops.zip(*sources, strict=strict)
    if wanted is None:
        run(items_of(stream, []))
    else:
        with pytest.raises(wanted):
            run(items_of(stream, []))
    assert [source.pulled for source in sources] == [source.pulled for source in plain]
    assert [source.closed for source in sources] == [1, 1, 1]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("count", range(4))
def test_zip_closes_every_part_wherever_it_ends(side, count, dropped, strict):
    async def main():
        sources = made(side, EVEN)
        stream = ops.zip(*sources, strict=strict)
        await pulled(stream, count)
        if dropped:
            del stream
            gc.collect()
            await turns(20)
        else:
            await closed(stream)
        assert [(source.pulled, source.closed) for source in sources] == [(count, 1)] * 3
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("at", range(3))
def test_a_part_of_a_zip_that_fails_closes_all(side, at, strict):
    async def main():
        sources = made(side, EVEN)
        sources[at] = SIDES[side](EVEN[at][:2], error := OSError("gone"))
        got = []
        with pytest.raises(OSError, match="gone") as caught:
            await items_of(ops.zip(*sources, strict=strict), got)
        assert caught.value is error
        assert not hasattr(error, "__notes__")
        assert got == [(1, 4, 7), (2, 5, 8)]
        assert [source.closed for source in sources] == [1] * 3

    run(main())


@pytest.mark.parametrize("side", SIDES)
def test_parts_that_fail_in_their_close(side):
    async def main():
        sources = made(side, EVEN, close_error=OSError("stuck"))
        got = []
        with pytest.raises(OSError, match="stuck") as caught:
            await items_of(ops.zip(*sources), got)
        assert len(got) == 3
        assert len(caught.value.__notes__) == 2
        assert [source.closed for source in sources] == [1] * 3

    run(main())


def test_zip_of_the_same_iterator_twice_closes_it_once():
    source = Source([1, 2, 3, 4])
    assert list(ops.zip(source, source)) == [(1, 2), (3, 4)]
    assert source.closed == 1
    source = AsyncSource([1, 2, 3, 4])
    assert run(listed(ops.zip(source, source))) == [(1, 2), (3, 4)]
    assert source.closed == 1


@pytest.mark.parametrize("side", SIDES)
def test_a_part_that_cannot_be_opened_closes_those_before_it(side):
    class Broken:
        def __iter__(self):
            raise LookupError("no")

    async def main():
        source = SIDES[side]([1])
        with pytest.raises(LookupError, match="no"):
            ops.zip(source, Broken())
        await turns(5)
        assert source.closed == 1

    run(main())


def test_zip_of_nothing():
    assert list(ops.zip()) == []
    assert list(ops.zip(strict=True)) == []


# -- both


@pytest.mark.parametrize("combine", [ops.chain, ops.zip])
def test_cancelled_at_each_await(combine):
    async def main(turn):
        sources = made("async", EVEN, waits=1)
        inner = Source([0, 0, 0])
        task = asyncio.ensure_future(listed(combine(sources[0], inner, *sources[1:])))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or len(task.result()) in (3, 12)
        assert [source.closes for source in (*sources, inner)] == [1] * 4
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn in range(1, 61):
        run(main(turn))


@pytest.mark.parametrize("combine", [ops.chain, ops.zip])
@pytest.mark.parametrize("part", ["text", b"bytes", {"a": 1}, 5, None])
def test_what_is_no_stream_of_items_is_refused(combine, part):
    source = Source()
    name = type(part).__name__
    with pytest.raises(TypeError, match=rf"takes iterables of items or Runnables, part 2 of 3 is {name}$"):
        combine([], part, source)
    assert source.closed == 0  # it was not taken


def test_they_combine_streams_of_operators():
    numbers = ops.zip(ops.enumerate(1).stream(["ab", "c"]), ops.map(len).stream(["ab", "c"]))
    assert list(ops.chain(numbers, ops.take(1).stream(itertools.count()))) == [
        ((1, "ab"), 2),
        ((2, "c"), 1),
        0,
    ]
