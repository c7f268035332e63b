"""Under trio, where no asyncio loop runs: what needs none works, anything else says so and closes its source."""

from __future__ import annotations

import pytest

from streamcore import (
    Lines,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    ops,
)

trio = pytest.importorskip("trio", reason="trio is not installed")


class Slow:
    """An async source that waits on trio, and records its close."""

    def __init__(self, items):
        self.items = iter(items)
        self.closes = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        await trio.lowlevel.checkpoint()
        for item in self.items:
            return item
        raise StopAsyncIteration

    async def aclose(self):
        await trio.lowlevel.checkpoint()
        self.closes += 1


async def adoubled(items):
    async for item in items:
        await trio.lowlevel.checkpoint()
        yield item * 2


async def aplus(item):
    await trio.lowlevel.checkpoint()
    return item + 1


def doubled(items):
    for item in items:
        yield item * 2


def failing_once():
    calls = []

    async def fail(x):
        calls.append(x)
        if len(calls) == 1:
            raise OSError
        return x + 1

    return fail


DOUBLED = RunnableGenerator(adoubled)


def test_async_chains_and_operators_on_items_work(backend):
    def check(chain, given, wanted):
        async def main():
            source = Slow(given)
            stream = chain.atransform(source)
            assert [item async for item in stream] == wanted
            assert source.closes == 1
            source = Slow(given)
            stream = chain.atransform(source)
            assert await anext(stream) == wanted[0]
            await stream.aclose()
            assert source.closes == 1

        trio.run(main)

    check(DOUBLED, [1, 2], [2, 4])
    check(DOUBLED | DOUBLED | RunnablePassthrough(), [1, 2], [4, 8])
    check(ops.map(str) | ops.filter(bool) | ops.enumerate() | ops.skip(1), [1, 2], [(1, "2")])
    check(DOUBLED | ops.map(aplus) | ops.take(2), [1, 2, 3], [3, 5])
    check(ops.scan(int.__add__, 0) | ops.distinct() | ops.tap(id), [1, 0, 2], [1, 3])
    check(ops.flat_map(lambda n: [n] * n), [1, 2], [1, 2, 2])
    check(ops.group(2), [1, 2, 3], [[1, 2], [3]])
    check(ops.catch(OSError) | ops.take_while(lambda n: n < 3), [1, 2, 3], [1, 2])
    check(Lines(), [b"a\nb", b"c\n"], [b"a", b"bc"])
    check(DOUBLED.with_retry(), [1, 2], [2, 4])
    check(DOUBLED.with_fallbacks([DOUBLED]), [1, 2], [2, 4])

    async def main():
        assert await RunnableLambda(aplus).ainvoke(1) == 2
        assert await (RunnableLambda(aplus) | RunnableLambda(aplus)).ainvoke(1) == 3
        stream = ops.throttle(1).atransform(source := Slow([1, 2]))
        assert await anext(stream) == 1  # there was nothing to wait for
        with pytest.raises(RuntimeError, match="^ops.throttle.1. needs a running asyncio event loop"):
            await anext(stream)
        assert source.closes == 1
        again = RunnableLambda(failing_once()).with_retry(wait_exponential_jitter=False)
        assert await again.ainvoke(1) == 2
        one, other = Slow([1]), Slow([2])
        assert [item async for item in ops.chain(one, other)] == [1, 2]
        assert [item async for item in ops.zip(Slow([1]), Slow([2]))] == [(1, 2)]
        assert (one.closes, other.closes) == (1, 1)

    trio.run(main)


def needing():
    """What needs asyncio, and the name that the error has to have."""
    sync = RunnableGenerator(doubled)
    for chain in (
        ops.buffer(2),
        ops.buffer(2, overflow="drop_oldest"),
        ops.conflate(max),
        ops.debounce(1),
        ops.timeout(1),
        ops.switch_map(str),
        ops.group(seconds=1),
        sync,
        RunnableParallel(a=DOUBLED),
        RunnableParallel(a=DOUBLED, ordered=False),
    ):
        yield chain, repr(chain)
        yield DOUBLED | chain | DOUBLED, repr(chain)
    yield ops.map(aplus, concurrency=2), "ops.map(aplus) with concurrency"
    yield ops.map(str, concurrency=2), "ops.map(str) with concurrency"
    yield ops.flat_map(str, concurrency=2), "ops.flat_map(str) with concurrency"
    yield DOUBLED.with_timeout(1), repr(DOUBLED)
    yield DOUBLED.with_fold("last") | RunnableLambda(str), repr(RunnableLambda(str))
    yield DOUBLED.with_fold("last") | Only(), "Only()"


class Only(Runnable):
    def invoke(self, input, config=None):
        return input


def test_what_needs_asyncio_says_so_and_closes_its_source(backend):
    for chain, name in needing():

        async def main(chain=chain, name=name):
            source = Slow([1, 2, 3])
            stream = chain.atransform(source)
            with pytest.raises(RuntimeError) as caught:
                await anext(stream)
            message = str(caught.value)
            assert "needs a " in message, (name, message)
            assert "asyncio event loop" in message, (name, message)
            assert name in message, (name, message)
            assert source.closes == 1, name
            await stream.aclose()
            assert source.closes == 1, name
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        trio.run(main)


def test_streams_of_several_and_calls_say_so_too():
    async def main():
        for make, name in (
            (lambda source: ops.merge(source, Slow([])), "ops.merge"),
            (lambda source: ops.tee(source, 1)[0], "ops.tee"),
        ):
            source = Slow([1])
            stream = make(source)
            with pytest.raises(RuntimeError, match=f"^{name} needs a running asyncio event loop$"):
                await anext(stream)
            assert source.closes == 1, name
            await stream.aclose()
        hub = ops.replay(source := Slow([1]), 1)
        with pytest.raises(RuntimeError, match="^ops.replay needs a running asyncio event loop$"):
            await anext(aiter(hub))
        await hub.aclose()
        assert source.closes == 1
        plain = RunnableLambda(str)
        parallel = RunnableParallel(a=RunnableLambda(aplus))
        for call, name in (
            (plain.ainvoke, repr(plain)),
            ((RunnableLambda(aplus) | plain).ainvoke, repr(plain)),
            (Only().ainvoke, "Only()"),
            (parallel.ainvoke, repr(parallel)),
            (RunnableLambda(aplus).with_timeout(1).ainvoke, repr(RunnableLambda(aplus))),
        ):
            with pytest.raises(RuntimeError, match="needs a .*asyncio event loop") as caught:
                await call(1)
            assert name in str(caught.value)
        one = RunnableLambda(aplus)
        with pytest.raises(RuntimeError, match="asyncio event loop") as caught:
            await one.abatch([1])
        assert repr(one) in str(caught.value)
        stream = one.abatch_as_completed([1])
        with pytest.raises(RuntimeError, match="asyncio event loop"):
            await anext(stream)
        with pytest.raises(RuntimeError, match="^RunnableRetry.* needs a running asyncio") as caught:
            await RunnableLambda(failing_once()).with_retry().ainvoke(1)
        assert isinstance(caught.value.__cause__, OSError)

    trio.run(main)


def test_a_cancelled_scope_closes_the_source(backend):
    async def main():
        source = Slow([1])
        source.__class__ = type("Endless", (Slow,), {"__anext__": lambda self: trio.sleep_forever()})
        stream = (DOUBLED | ops.map(str)).atransform(source)
        with trio.move_on_after(0) as scope:
            await anext(stream)
        assert scope.cancelled_caught
        await stream.aclose()

    trio.run(main)


def test_sync_calls_of_async_stages_run_on_a_loop_of_their_own():
    async def asyncio_only(items):
        for item in items if not hasattr(items, "__aiter__") else [item async for item in items]:
            yield item

    async def main():
        return list(RunnableGenerator(asyncio_only).stream(1))

    assert trio.run(main) == [1]
