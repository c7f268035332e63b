"""``ops.buffer`` for sources that cannot wait, and ``ops.conflate``: what is held, dropped, merged, or an error."""

from __future__ import annotations

import asyncio
import pickle
from operator import add

import pytest
from fake_clock import AsyncFed, Fed
from loops import run, turns
from recorder import AsyncSource, Source, listed

from streamcore import RunnableGenerator, ops
from streamcore.testing import LAWS, check_laws

WAYS = ["wait", "drop_oldest", "drop_newest", "error"]
HELD = {"drop_oldest": [4, 5, 6], "drop_newest": [1, 2, 3], "error": [1, 2, 3]}


def begun(operator):
    """A sync stream whose consumer took 0 and then nothing, and its source."""
    source = Fed()
    stream = operator.transform(source)
    source.put(0)
    assert next(stream) == 0
    source.settled()
    return stream, source


async def abegun(operator):
    source = AsyncFed()
    stream = operator.atransform(source)
    source.put(0)
    assert await anext(stream) == 0
    return stream, source


@pytest.mark.parametrize("overflow", list(HELD))
def test_what_is_left_of_items_that_nobody_took(overflow):
    operator = ops.buffer(3, overflow=overflow)
    stream, source = begun(operator)
    source.put(1, 2, 3)
    source.settled()
    source.put(4)
    if overflow == "error":
        source.until_closed()
        assert [next(stream) for _ in range(3)] == HELD[overflow]
        with pytest.raises(BufferError, match="the source gave more than 3 items that nobody took") as caught:
            next(stream)
        assert caught.value.__notes__ == [f"in {operator!r}"]
    else:
        source.put(5, 6)
        source.settled()
        source.end()
        assert list(stream) == HELD[overflow]
    assert source.closed == 1

    async def main():
        stream, source = await abegun(operator)
        source.put(1, 2, 3, 4, 5, 6)
        await turns(30)
        assert [await anext(stream) for _ in range(3)] == HELD[overflow]
        if overflow == "error":
            with pytest.raises(BufferError, match="more than 3 items") as caught:
                await anext(stream)
            assert caught.value.__notes__ == [f"in {operator!r}"]
        else:
            source.put(7)
            assert await anext(stream) == 7
            source.end()
            assert await listed(stream) == []
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_what_is_held_comes_before_an_error():
    for overflow in HELD:
        stream, source = begun(ops.buffer(3, overflow=overflow))
        source.put(1, 2)
        source.settled()
        source.end(KeyError("x"))
        got = []
        with pytest.raises(KeyError):
            got.extend(stream)
        assert (got, source.closed) == ([1, 2], 1)


def test_a_consumer_that_is_quick_gets_all_on_a_loop():
    # a source whose items are all there gives way to a consumer that waits
    for operator in *(ops.buffer(1, overflow=way) for way in WAYS), ops.conflate(add):
        assert run(listed(operator.astream(range(200)))) == list(range(200))
        assert run(listed(operator.atransform(AsyncSource(range(200), waits=1)))) == list(range(200))


def test_others_run_while_a_source_on_a_loop_never_waits():
    async def main(operator):
        source = AsyncSource(iter(int, 1))
        stream = operator.atransform(source)
        await anext(stream)
        await turns(100)  # else this never returns
        await stream.aclose()
        assert source.closes == 1

    for operator in ops.buffer(2, overflow="drop_newest"), ops.conflate(max):
        run(main(operator))


def test_conflate_merges_what_nobody_took():
    stream, source = begun(ops.conflate(add))
    source.put(1, 2, 3)
    source.settled()
    assert next(stream) == 6
    source.put(4)
    assert next(stream) == 4
    source.put(5, 6)
    source.settled()
    source.end(KeyError("x"))
    assert next(stream) == 11
    with pytest.raises(KeyError):
        next(stream)
    assert source.closed == 1

    async def main():
        stream, source = await abegun(ops.conflate(add))
        source.put(1, 2, 3)
        await turns(20)
        assert await anext(stream) == 6
        source.put(4, 5)
        await turns(20)
        source.end()
        assert await listed(stream) == [9]
        assert source.closed == 1

    run(main())


def test_an_error_of_merge_names_the_item_and_loses_none():
    def merge(held, item):
        raise LookupError("no")

    operator = ops.conflate(merge)
    stream, source = begun(operator)
    source.put(1, 2)
    got = []
    source.end()
    with pytest.raises(LookupError) as caught:
        got.extend(stream)
    assert (got, source.closed) == ([1], 1)
    assert caught.value.__notes__ == [f"in {operator!r}, at item 2"]

    async def main():
        stream, source = await abegun(operator)
        source.put(1, 2)
        await turns(20)
        assert await anext(stream) == 1
        with pytest.raises(LookupError) as caught:
            await anext(stream)
        assert caught.value.__notes__ == [f"in {operator!r}, at item 2"]
        assert source.closed == 1

    run(main())


def test_the_stage_before_is_named():
    def fails(items):
        yield 1
        raise LookupError

    stage = RunnableGenerator(fails)
    for operator in ops.buffer(2, overflow="drop_oldest"), ops.conflate(max):
        chain = stage | operator | ops.map(abs)
        with pytest.raises(LookupError) as caught:
            chain.invoke(0)
        assert caught.value.__notes__ == [f"in {stage!r}, stage 1 of 3"]
        with pytest.raises(LookupError) as caught:
            run(chain.ainvoke(0))
        assert caught.value.__notes__ == [f"in {stage!r}, stage 1 of 3"]
        with pytest.raises(LookupError) as caught:
            list(operator.transform(Source([1], LookupError())))
        assert caught.value.__notes__ == [f"in the source of {operator!r}"]


def test_arguments_repr_and_pickle():
    with pytest.raises(ValueError, match="overflow must be one of wait, drop_oldest, .*, got 'drop'"):
        ops.buffer(2, overflow="drop")
    with pytest.raises(TypeError, match="merge must be a function, got int"):
        ops.conflate(5)

    async def merge(held, item):
        return item

    with pytest.raises(TypeError, match="merge must be a function, got a coroutine function"):
        ops.conflate(merge)
    for operator, text in [
        (ops.buffer(2), "ops.buffer(2)"),
        (ops.buffer(2, overflow="error"), "ops.buffer(2, overflow='error')"),
        (ops.conflate(add), "ops.conflate(add)"),
    ]:
        assert repr(operator) == text
        assert repr(pickle.loads(pickle.dumps(operator))) == text


def test_they_keep_the_laws():
    # they read ahead; and in threads what is dropped or merged depends on who is quick, but not of so few items
    laws = [law for law in LAWS if law != "errors"]
    for operator in (ops.buffer(9, overflow=way) for way in WAYS):
        check_laws(operator, [[], [1], [1, 2, 3, 4, 5]], laws=laws)
