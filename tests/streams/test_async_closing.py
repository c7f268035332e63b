"""``async_closing_iterator``: pulled, cancelled, given up or dropped at any point, everything owned is closed once."""

from __future__ import annotations

import asyncio
import gc

import pytest
from passing import apassed
from paused_sources import Paused, chain_over, collected, run


def test_a_stream_is_its_own_async_iterator(backend):
    stream, _ = chain_over(backend, Paused([]))
    assert aiter(stream) is stream


def test_what_is_not_an_async_iterator_is_refused(backend):
    with pytest.raises(TypeError, match="'int' object is not an async iterator"):
        backend.async_closing_iterator(3, ())


@pytest.mark.parametrize(
    "items", [[1, 2, 3], [None, None], [(), (1, 2)], [ValueError("x"), StopIteration(3)], [], [[]]]
)
def test_any_value_passes(backend, items):
    source = Paused(items)
    stream, ends = chain_over(backend, source)
    assert run(collected(stream)) == items
    assert (source.closes, ends) == (1, ["middle"])


def test_anext_with_a_default(backend):
    async def main():
        source = Paused([(1, 2)])
        stream, _ = chain_over(backend, source)
        assert await anext(stream, "end") == (1, 2)
        assert await anext(stream, "end") == "end"
        assert await anext(stream, "end") == "end"
        assert source.closes == 1

    run(main())


def test_a_pull_can_be_awaited_once(backend):
    async def main():
        stream, _ = chain_over(backend, Paused([1, 2]))
        pull = anext(stream)
        assert await pull == 1
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await pull
        assert await anext(stream) == 2

    run(main())


def test_a_pull_can_be_a_task(backend):
    async def main():
        stream, _ = chain_over(backend, Paused([1, 2], waits=0))
        assert await asyncio.create_task(anext(stream)) == 1
        assert await asyncio.wait_for(anext(stream), 60) == 2

    asyncio.run(main())


def test_an_anext_that_is_no_coroutine(backend):
    class Futures:
        def __init__(self):
            self.left = [1, 2]
            self.closes = 0

        def __aiter__(self):
            return self

        def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            future = asyncio.get_running_loop().create_future()
            future.set_result(self.left.pop(0))
            return future

        def close(self):
            self.closes += 1

    async def main():
        source = Futures()
        stream = backend.async_closing_iterator(source, (source,))
        assert [item async for item in stream] == [1, 2]
        assert source.closes == 1

    asyncio.run(main())


def test_an_anext_that_gives_nothing_to_await(backend):
    class Wrong(Paused):
        def __anext__(self):
            return 3

    async def main():
        source = Wrong([])
        stream = backend.async_closing_iterator(source, (source,))
        with pytest.raises(TypeError, match="int"):
            await anext(stream)
        assert source.closes == 1

    run(main())


def test_a_second_pull_meanwhile_is_refused_and_harms_nothing(backend):
    source = Paused([1, 2])
    stream, _ = chain_over(backend, source)

    async def one():
        return await anext(stream)

    first = one()
    first.send(None)
    for other in (one(), stream.aclose()):
        with pytest.raises(RuntimeError, match="the stream is already being pulled"):
            other.send(None)
    assert run(first) == 1
    assert source.closes == 0
    assert run(collected(stream)) == [2]
    assert source.closes == 1


def test_a_pull_while_it_closes_is_refused(backend):
    source = Paused([1, 2])
    stream, _ = chain_over(backend, source)
    closing = stream.aclose()
    closing.send(None)

    async def one():
        return await anext(stream)

    for other in (one(), stream.aclose()):
        with pytest.raises(RuntimeError, match="the stream is already being closed"):
            other.send(None)
    run(closing)
    assert source.closes == 1
    run(stream.aclose())
    assert source.closes == 1


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize("after", ["aclose", "nothing", "pull"])
@pytest.mark.parametrize("items", [[], [1, 2], [1, 2, 3, 4]])
def test_cancelled_at_every_await(backend, items, after):
    """Cancel the loop over a stream at step k, for every k; ``aclose()`` afterwards finds nothing open."""

    async def consume(stream):
        try:
            return [item async for item in stream]
        finally:
            if after == "aclose":
                await stream.aclose()

    finished = False
    for step in range(1, 100):
        source = Paused(items)
        stream, ends = chain_over(backend, source)
        consumer = consume(stream)
        try:
            for _ in range(step):
                consumer.send(None)
            consumer.throw(Cancelled())
            run(consumer)
        except Cancelled:
            pass
        except StopIteration:
            finished = True
        if after == "pull":
            with pytest.raises(StopAsyncIteration):
                run(stream.__anext__())
        assert source.closes == 1, f"cancelled at step {step}"
        # a chain that was cancelled before its first chunk came did run into the middle stage
        assert ends == ["middle"]
        assert not source.pulled_after_close
        if finished:
            return
    raise AssertionError("the stream never ended")


@pytest.mark.parametrize("way", ["close", "drop"])
def test_given_up_at_every_await(backend, way):
    """Close or drop the coroutine that loops over a stream at step k; ``aclose()`` then closes what is left."""
    for step in range(1, 100):
        source = Paused([1, 2, 3])
        stream, ends = chain_over(backend, source)
        consumer = collected(stream)
        try:
            for _ in range(step):
                consumer.send(None)
        except StopIteration:
            return
        if way == "close":
            consumer.close()
        del consumer
        gc.collect()
        run(stream.aclose())
        assert (source.closes, ends) == (1, ["middle"]), f"given up at step {step}"
        run(stream.aclose())
        assert source.closes == 1
    raise AssertionError("the stream never ended")


def test_a_pull_closed_by_hand_leaves_the_stream_open(backend):
    source = Paused([1, 2])
    stream = backend.async_closing_iterator(source, (source,))
    unbegun = stream.__anext__()
    unbegun.close()
    pull = stream.__anext__()
    pull.send(None)
    pull.close()
    pull.close()
    assert source.closes == 0
    assert run(collected(stream)) == [1, 2]
    assert source.closes == 1


@pytest.mark.parametrize("at", range(4))
def test_an_error_comes_after_the_items_before_it(backend, at):
    failure = KeyError("x")
    notes = []
    source = Paused(range(at), failure)
    stream, ends = chain_over(backend, source, notes.append)
    got = []

    async def main():
        with pytest.raises(KeyError) as caught:
            async for item in stream:
                got.append(item)  # noqa: PERF401
        assert caught.value is failure
        assert caught.value.__context__ is None

    run(main())
    assert (got, notes, source.closes, ends) == ([*range(at)], [failure], 1, ["middle"])


def test_a_stage_that_stops_early_is_no_error_and_closes_the_source(backend):
    async def two(chunks):
        for _ in range(2):
            yield await anext(chunks)

    source = Paused([1, 2, 3])
    stage = two(source)
    stream = backend.async_closing_iterator(stage, (source, stage))
    assert run(collected(stream)) == [1, 2]
    assert source.closes == 1


class Failing:
    def __init__(self, error):
        self.error = error
        self.closes = 0

    async def aclose(self):
        self.closes += 1
        raise self.error


def test_failures_of_aclose_become_notes_of_an_error_under_way(backend):
    source = Paused([], KeyError("x"))
    owned = (Failing(OSError("disk")), Failing(OSError("net")), source)
    with pytest.raises(KeyError) as caught:
        run(collected(backend.async_closing_iterator(source, owned)))
    assert caught.value.__notes__ == [
        "and closing Failing failed: OSError('net')",
        "and closing Failing failed: OSError('disk')",
    ]


@pytest.mark.parametrize("end", ["aclose", "exhaust"])
def test_without_an_error_the_first_failure_is_raised_after_all_are_closed(backend, end):
    source = Paused([])
    owned = (Failing(OSError("disk")), Failing(OSError("net")), source)
    stream = backend.async_closing_iterator(source, owned)
    with pytest.raises(OSError, match="net") as caught:
        run(stream.aclose() if end == "aclose" else collected(stream))
    assert caught.value.__notes__ == ["and closing Failing failed: OSError('disk')"]
    assert [entry.closes for entry in owned] == [1, 1, 1]


def test_a_cancellation_while_it_closes_wins_over_the_error(backend):
    source = Paused([], KeyError("x"), waits=0)
    stream, _ = chain_over(backend, source)
    consumer = collected(stream)
    assert consumer.send(None) == "paused"  # in aclose() of the source
    with pytest.raises(Cancelled) as caught:
        consumer.throw(Cancelled())
    assert caught.value.__notes__ == ["while the stream ended by KeyError('x')"]
    assert source.closes == 1


def test_on_trio(backend):
    trio = pytest.importorskip("trio")

    class Slow:
        def __init__(self):
            self.closes = 0
            self.at = 0

        def __aiter__(self):
            return self

        async def __anext__(self):
            await trio.lowlevel.checkpoint()
            self.at += 1
            if self.at == 3:
                await trio.sleep_forever()
            return self.at

        async def aclose(self):
            self.closes += 1

    async def main():
        source = Slow()
        stage = apassed(source)
        stream = backend.async_closing_iterator(stage, (source, stage))
        assert [await anext(stream), await anext(stream)] == [1, 2]
        with trio.move_on_after(0) as scope:
            await anext(stream)
        assert scope.cancelled_caught
        assert source.closes == 1
        await stream.aclose()
        assert source.closes == 1

    trio.run(main)
