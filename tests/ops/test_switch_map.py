"""``ops.switch_map``: the newest item's stream, the one before closed, in async streams only."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle

import pytest
from fake_clock import AsyncFed
from loops import run, turns
from recorder import AsyncSource, Source, listed

from streamcore import RunnableLambda, ops

ONE_TASK = 1


class Made:
    """A function that gives a source for each item, and keeps it."""

    def __init__(self, kind=AsyncSource, items=itertools.count, **options):
        self.kind, self.items, self.options, self.made = kind, items, options, {}

    def __call__(self, item):
        assert all(one.closed for one in self.made.values()), "an inner one is open"
        self.made[item] = self.kind(((item, number) for number in self.items()), **self.options)
        return self.made[item]

    @property
    def closes(self):
        return {item: one.closes for item, one in self.made.items()}


def test_a_newer_item_closes_what_an_older_one_made():
    async def main():
        fn, source = Made(AsyncSource, range(2).__iter__, waits=1), AsyncFed()

        async def slowly(item):
            await turns(1)
            return fn(item)

        for way in fn, slowly:
            fn.made.clear()
            source = AsyncFed()
            stream = ops.switch_map(way).atransform(source)
            source.put("a")
            assert await anext(stream) == ("a", 0)
            assert await anext(stream) == ("a", 1)
            waiting = asyncio.ensure_future(anext(stream))
            await turns(20)
            assert (fn.closes, waiting.done()) == ({"a": 1}, False)
            source.put("b")
            assert await waiting == ("b", 0)
            source.put("c")  # while nobody asks
            await turns(20)
            assert await anext(stream) == ("c", 0)
            assert fn.closes == {"a": 1, "b": 1, "c": 0}
            source.end()
            assert await listed(stream) == [("c", 1)]
            assert (fn.closes, source.closed) == ({"a": 1, "b": 1, "c": 1}, 1)
            assert len(asyncio.all_tasks()) == ONE_TASK

    run(main())


def test_a_pull_that_waits_is_interrupted():
    async def main():
        ended = []

        async def silent(item):
            try:
                yield item, 0
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append((item, asyncio.current_task()))
                raise
            finally:
                ended.append(item)

        source = AsyncFed()
        stream = ops.switch_map(silent).atransform(source)
        source.put("a")
        assert await anext(stream) == ("a", 0)
        waiting = asyncio.ensure_future(anext(stream))
        await turns(9)
        source.put("b")
        assert await waiting == ("b", 0)
        assert ended == [("a", waiting), "a"]
        assert waiting.cancelling() == 0
        source.put("c", "d", "e")  # of those that come at once the last one counts
        await turns(9)
        assert await anext(stream) == ("e", 0)
        assert ended == [("a", waiting), "a", "b"]
        waiting = asyncio.ensure_future(anext(stream))
        await turns(9)
        source.end(KeyError("x"))
        with pytest.raises(KeyError) as caught:
            await waiting
        assert caught.value.__notes__ == ["in the source of ops.switch_map(silent)"]
        assert ended[-1] == "e"
        assert (source.closed, len(asyncio.all_tasks())) == (1, ONE_TASK)

    run(main())


def test_a_cancellation_by_somebody_else_at_the_same_time_is_not_swallowed():
    async def main():
        source = AsyncFed()
        fn = Made(waits=9)
        stream = ops.switch_map(fn).atransform(source)
        source.put("a")
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await turns(3)
        source.put("b")
        await turns(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert (source.closed, set(fn.closes.values())) == (1, {1})

        source = AsyncFed()
        fn = Made(waits=1000)
        stream = ops.switch_map(fn).atransform(source)
        source.put("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(stream)
        await stream.aclose()
        assert source.closed == 1

    run(main())


def test_what_the_function_may_give():
    async def agenerated(item):
        yield item
        yield item

    async def awaited(item):
        await turns(1)
        return [item, item]

    for fn in agenerated, awaited, lambda item: [item, item], lambda item: iter([item, item]):
        assert run(listed(ops.switch_map(fn).atransform(AsyncSource([1, 2], waits=30)))) == [1, 1, 2, 2]
        assert run(ops.switch_map(fn).ainvoke([5])) == [5, 5]
    assert run(ops.switch_map(agenerated).ainvoke([])) == []


def test_sync_calls_are_refused():
    operator = ops.switch_map(range)
    message = r"ops.switch_map\(range\) works in async streams only"
    for call in operator.stream, operator.invoke, operator.transform, (ops.map(abs) | operator).invoke:
        source = Source([1])
        with pytest.raises(TypeError, match=message):
            call(source)
    assert run((RunnableLambda(int) | operator | ops.map(str)).ainvoke(2)) == ["0", "1"]


def test_errors_name_the_item():
    async def main(way):
        def fails(item):
            if item < 2:
                return [item]
            if way == "call":
                raise LookupError("no")
            if way == "no iterable":
                return 5
            if way == "close":
                return AsyncSource([item], close_error=LookupError("no"))
            return AsyncSource([item], LookupError("no"))

        source = AsyncSource([0, 1, 2, 3], waits=30)
        got = []
        with pytest.raises(TypeError if way == "no iterable" else LookupError) as caught:
            async for item in ops.switch_map(fails).atransform(source):
                got.append(item)  # noqa: PERF401
        assert got == ([0, 1, 2] if way in ("item", "close") else [0, 1])
        if way != "close":
            assert caught.value.__notes__ == [
                f"in ops.switch_map({fails.__qualname__.rpartition('.')[2]}), at item 2"
            ]
        assert source.closes == 1
        assert len(asyncio.all_tasks()) == ONE_TASK

    for way in "call", "no iterable", "item", "close":
        run(main(way))


def test_closed_or_dropped_after_any_number_of_items():
    async def main(count, dropped):
        fn, source = Made(), AsyncSource([1, 2, 3], waits=3)
        stream = ops.switch_map(fn).atransform(source)
        for _ in range(count):
            await anext(stream)
            await turns(2)
        if dropped:
            del stream
            gc.collect()
            await turns(9)
        else:
            await stream.aclose()
            await stream.aclose()
            assert await listed(stream) == []
        assert source.closes == 1
        assert set(fn.closes.values()) <= {1}
        assert len(asyncio.all_tasks()) == ONE_TASK

    for count, dropped in itertools.product(range(5), [False, True]):
        run(main(count, dropped))


def test_cancelled_at_each_await():
    async def main(turn, slow):
        fn = Made(AsyncSource, range(3).__iter__, waits=2)

        async def awaited(item):
            await turns(1)
            return fn(item)

        source = AsyncSource([1, 2, 3], waits=4)
        task = asyncio.ensure_future(listed(ops.switch_map(awaited if slow else fn).atransform(source)))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result()[-3:] == [(3, 0), (3, 1), (3, 2)]
        assert source.closes == 1
        assert set(fn.closes.values()) <= {1}
        assert len(asyncio.all_tasks()) == ONE_TASK

    for turn, slow in itertools.product(range(1, 61), [False, True]):
        run(main(turn, slow))


def test_a_pull_that_is_given_up_half_way():
    async def main():
        fn, source = Made(waits=9), AsyncSource([1], waits=1)
        stream = ops.switch_map(fn).atransform(source)
        pull = anext(stream).__await__()
        waited = next(pull)
        while not fn.made:
            if waited is not None:
                waited._asyncio_future_blocking = False  # as a task does
                await asyncio.wait([waited])
            waited = next(pull)
        pull.close()
        await stream.aclose()
        assert (source.closes, fn.closes) == (1, {1: 1})
        assert asyncio.current_task().cancelling() == 0
        assert len(asyncio.all_tasks()) == ONE_TASK

    run(main())


def test_arguments_repr_and_pickle():
    with pytest.raises(TypeError, match="ops.switch_map needs a callable, got int"):
        ops.switch_map(5)
    operator = ops.switch_map(range)
    assert repr(operator) == "ops.switch_map(range)"
    assert repr(pickle.loads(pickle.dumps(operator))) == repr(operator)
