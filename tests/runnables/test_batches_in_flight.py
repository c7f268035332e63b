"""``batch_as_completed`` and its async twin: what they take when, and what is left when they end."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from recorder import Source

from streamcore import Runnable, RunnableLambda


def double(number):
    return 2 * number


async def adouble(number):
    return 2 * number


EITHER = RunnableLambda(double, adouble)


# -- sync


@pytest.mark.parametrize("limit", [1, 2, 5, None])
@pytest.mark.parametrize("where", ["threads", "executor", "own worker"])
def test_inputs_are_taken_as_outputs_are_given_out(limit, where):
    source = Source(itertools.count())

    def check(given_config):
        config = {**given_config, **({} if limit is None else {"max_concurrency": limit})}
        stream = EITHER.batch_as_completed(source, config)
        assert source.pulled == 0
        seen = []
        for given in range(1, 100):
            seen.append(next(stream))
            assert given <= source.pulled < given + (limit or 32 + 1)
        stream.close()
        assert source.closed == 1
        assert all(output == 2 * at for at, output in seen)
        assert len(dict(seen)) == 99
        return True

    if where == "threads":
        check({})
        return
    with ThreadPoolExecutor(3) as executor:
        if where == "executor":
            check({"executor": executor})
        else:
            assert RunnableLambda(check).batch([{"executor": executor}], {"executor": executor}) == [True]


def test_calls_run_at_the_same_time():
    barrier = threading.Barrier(3)
    stream = RunnableLambda(lambda _: barrier.wait(60)).batch_as_completed(
        Source(range(9)), {"max_concurrency": 3}
    )
    assert sorted(at for at, _ in stream) == list(range(9))


def test_outputs_are_given_out_as_calls_end():
    first = threading.Event()

    def call(number):
        if number == 0:
            assert first.wait(60)
        return number

    stream = RunnableLambda(call).batch_as_completed(range(4), {"max_concurrency": 2})
    got = [next(stream)[0] for _ in range(3)]
    first.set()
    assert (got, list(stream)) == ([1, 2, 3], [(0, 0)])


@pytest.mark.parametrize("pulled", [0, 1, 3, 10])
@pytest.mark.parametrize("ending", ["closed", "dropped", "exhausted", "inputs fail", "call fails"])
@pytest.mark.parametrize("in_executor", [False, True])
def test_however_it_ends_the_inputs_are_closed_once_and_no_thread_is_left(pulled, ending, in_executor):
    source = Source(range(10), OSError("lost") if ending == "inputs fail" else None)

    def call(number):
        if number == 9 and ending == "call fails":
            raise ValueError(number)
        return number

    executor = ThreadPoolExecutor(3)
    config = {"max_concurrency": 3, **({"executor": executor} if in_executor else {})}
    before = set(threading.enumerate())
    stream = RunnableLambda(call).batch_as_completed(source, config)
    if ending != "call fails":
        assert len([next(stream) for _ in range(pulled)]) == pulled
    if ending == "closed":
        stream.close()
        stream.close()
    elif ending == "dropped":
        del stream
        gc.collect()
    elif ending == "exhausted":
        assert len(list(stream)) == 10 - pulled
        assert list(stream) == []
    elif ending == "inputs fail":
        left = []
        with pytest.raises(OSError, match="lost"):
            left.extend(iter(lambda: next(stream), None))
        with pytest.raises(StopIteration):
            next(stream)
    else:
        with pytest.raises(ValueError, match="9"):
            list(stream)
    executor.shutdown()
    assert source.closed == 1
    assert set(threading.enumerate()) <= before


def test_outputs_that_are_due_come_before_the_failure_of_the_inputs():
    stream = EITHER.batch_as_completed(Source(range(5), OSError("lost")), {"max_concurrency": 3})
    assert sorted(next(stream) for _ in range(5)) == [(n, 2 * n) for n in range(5)]
    with pytest.raises(OSError, match="lost"):
        next(stream)


def test_closing_begins_nothing_more_and_waits_for_what_is_in_flight():
    begun, go, ended = threading.Semaphore(0), threading.Event(), []

    def call(number):
        begun.release()
        if number:
            assert go.wait(60)
        ended.append(number)

    stream = RunnableLambda(call).batch_as_completed(itertools.count(), {"max_concurrency": 3})
    next(stream)
    for _ in range(3):
        assert begun.acquire(timeout=60)
    at_close = []
    closer = threading.Thread(target=lambda: (stream.close(), at_close.extend(ended)))
    closer.start()
    go.set()
    closer.join(60)
    assert sorted(at_close) == [0, 1, 2]


def test_a_failure_waits_for_what_is_in_flight():
    second, failing = threading.Event(), threading.Event()
    begun, ended = [], []

    def call(number):
        begun.append(number)
        if number == 0:
            assert second.wait(60)
            failing.set()
            raise ValueError(number)
        second.set()
        assert failing.wait(60)
        ended.append(number)

    with pytest.raises(ValueError, match="^0$"):
        list(RunnableLambda(call).batch_as_completed(itertools.count(), {"max_concurrency": 2}))
    assert 1 in ended
    assert sorted(begun) == sorted([0, *ended])


def test_calls_that_wait_in_an_executor_are_not_begun_by_closing():
    begun = []
    second, go = threading.Event(), threading.Event()

    class Watched(ThreadPoolExecutor):
        cancelled = 0

        def submit(self, *args):
            future = super().submit(*args)
            cancel = future.cancel

            def watched():
                self.cancelled += cancel()
                if self.cancelled == 3:
                    go.set()

            future.cancel = watched
            return future

    def call(number):
        begun.append(number)
        if number == 1:
            second.set()
            assert go.wait(60)

    with Watched(1) as executor:
        config = {"executor": executor, "max_concurrency": 5}
        stream = RunnableLambda(call).batch_as_completed(itertools.count(), config)
        assert next(stream) == (0, None)
        assert second.wait(60)
        stream.close()
        assert begun == [0, 1]


@pytest.mark.parametrize("in_executor", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_call_may_close_its_own_batch(in_executor, nested):
    idle, closed = threading.Event(), threading.Event()

    def close(_):
        assert idle.wait(60)
        streams[0].close()
        closed.set()

    def call(number):
        if number == 1:
            if nested:
                RunnableLambda(close).batch([number, number])
            else:
                close(number)
        return number

    with ThreadPoolExecutor(2) as executor:
        config = {"max_concurrency": 2, **({"executor": executor} if in_executor else {})}
        streams = [RunnableLambda(call).batch_as_completed(itertools.count(), config)]
        assert next(streams[0]) == (0, 0)
        idle.set()
        assert closed.wait(60)
        assert list(streams[0]) == []


def test_a_nested_stream_gives_its_permits_back_however_it_ends():
    def outer(number):
        stream = EITHER.batch_as_completed(itertools.count())
        next(stream)
        if number % 3 == 0:
            stream.close()
        elif number % 3 == 1:
            del stream
        else:
            failing = RunnableLambda(lambda n: 1 // 0).batch_as_completed(range(9))
            with pytest.raises(ZeroDivisionError):
                list(failing)
            stream.close()
        return number

    barrier = threading.Barrier(4)

    def last(number):
        return barrier.wait(60) is not None

    def both(_):
        assert RunnableLambda(outer).batch(range(9)) == list(range(9))
        return RunnableLambda(last).batch(range(4))  # needs all four

    assert RunnableLambda(both).batch([0], {"max_concurrency": 4}) == [[True] * 4]


def test_a_pull_while_one_is_under_way_is_an_error():
    def inputs():
        with pytest.raises(ValueError, match="already executing"):
            next(streams[0])
        with pytest.raises(ValueError, match="already executing"):
            streams[0].close()
        yield 1

    streams = [EITHER.batch_as_completed(inputs())]
    assert list(streams[0]) == [(0, 2)]


# -- async


def in_loop(main):
    async def run():
        result = await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(run())


class Gate:
    """Calls that wait until it is open; counts those in flight."""

    def __init__(self):
        self.now = self.most = 0
        self.cancelled = []
        self.open = asyncio.Event()

    async def call(self, number):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self.now -= 1
        return number


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("form", ["abatch", "abatch_as_completed"])
@pytest.mark.parametrize(
    ("inputs", "config", "most"),
    [
        (range(1000), None, 1000),
        (lambda: iter(range(1000)), None, 128),
        (range(1000), {"max_concurrency": 7}, 7),
        (lambda: iter(range(1000)), {"max_concurrency": 200}, 200),
        (range(1000), [{}] * 999 + [{"max_concurrency": 9}], 9),
    ],
)
def test_how_many_tasks_there_are(form, inputs, config, most):
    async def main():
        gate = Gate()

        async def all_of_it():
            given = inputs() if callable(inputs) else inputs
            outputs = getattr(RunnableLambda(gate.call), form)(given, config)
            return await outputs if form == "abatch" else [output async for _, output in outputs]

        task = asyncio.create_task(all_of_it())
        await turns(20)
        assert gate.now == gate.most == most
        gate.open.set()
        outputs = await task
        assert gate.most == most
        assert (outputs if form == "abatch" else sorted(outputs)) == list(range(1000))

    in_loop(main)


@pytest.mark.parametrize("limit", [1, 2, 5, None])
def test_async_inputs_are_taken_as_outputs_are_given_out(limit):
    async def main():
        source = Source(itertools.count())
        stream = EITHER.abatch_as_completed(source, {"max_concurrency": limit} if limit else None)
        assert source.pulled == 0
        for given in range(1, 300):
            at, output = await anext(stream)
            assert output == 2 * at
            assert given <= source.pulled < given + (limit or 128)
        await stream.aclose()
        assert source.closed == 1

    in_loop(main)


@pytest.mark.parametrize("pulled", [0, 1, 3, 10])
@pytest.mark.parametrize("ending", ["closed", "dropped", "exhausted", "inputs fail", "call fails"])
def test_however_an_async_one_ends_the_inputs_are_closed_once_and_no_task_is_left(pulled, ending):
    async def main():
        source = Source(range(10), OSError("lost") if ending == "inputs fail" else None)

        async def call(number):
            await turns(number % 3)
            if number == 9 and ending == "call fails":
                raise ValueError(number)
            return number

        stream = RunnableLambda(call).abatch_as_completed(source, {"max_concurrency": 3})
        if ending != "call fails":
            assert len([await anext(stream) for _ in range(pulled)]) == pulled
        if ending == "closed":
            await stream.aclose()
            await stream.aclose()
        elif ending == "dropped":
            del stream
            gc.collect()
            await turns(10)
        elif ending == "exhausted":
            assert len([pair async for pair in stream]) == 10 - pulled
        elif ending == "inputs fail":
            left = []
            with pytest.raises(OSError, match="lost"):
                async for pair in stream:
                    left.append(pair)  # noqa: PERF401
            assert len(left) == 10 - pulled
        else:
            with pytest.raises(ValueError, match="9"):
                [pair async for pair in stream]
        assert source.closed == 1

    in_loop(main)


@pytest.mark.parametrize("config", [None, {"max_concurrency": 3}])
@pytest.mark.parametrize("form", ["abatch", "abatch_as_completed"])
@pytest.mark.parametrize("after", range(0, 61, 5))
@pytest.mark.parametrize("again", [False, True])
def test_cancelled_at_any_await_it_ends_all_its_tasks(config, form, after, again):
    ended = []

    async def call(number):
        try:
            await turns(7)
        finally:
            await turns(3)
            ended.append(number)

    async def main():
        source = Source(range(12))

        async def all_of_it():
            if form == "abatch":
                await RunnableLambda(call).abatch(list(source), config)
                source.close()
            else:
                async for _ in RunnableLambda(call).abatch_as_completed(source, config):
                    pass

        task = asyncio.create_task(all_of_it())
        await turns(after)
        while not task.done():
            task.cancel()  # again: at every turn, as anyio does
            await turns(1)
            if not again:
                await asyncio.wait([task])
        if not task.cancelled():
            assert len(ended) == 12
        elif form != "abatch" and after:
            assert source.closed == 1

    in_loop(main)


@pytest.mark.parametrize("config", [None, {"max_concurrency": 5}])
def test_the_first_failure_cancels_and_awaits_the_others_whose_failures_are_notes(config):
    async def main():
        ended = []

        async def call(number):
            if number == 1:
                await turns(2)
                raise ValueError("first")
            try:
                await asyncio.Event().wait()
            finally:
                await turns(3)
                ended.append(number)
                if number == 2:
                    raise OSError("late")

        with pytest.raises(ValueError, match="first") as raised:
            await RunnableLambda(call).abatch(range(4), config)
        assert sorted(ended) == [0, 2, 3]
        assert [note for note in raised.value.__notes__ if "late" in note]
        ended.clear()
        with pytest.raises(ValueError, match="first") as raised:
            async for _ in RunnableLambda(call).abatch_as_completed(range(4), config):
                pass
        assert sorted(ended) == [0, 2, 3]
        assert [note for note in raised.value.__notes__ if "late" in note]

    in_loop(main)


@pytest.mark.parametrize("config", [None, {"max_concurrency": 5}])
def test_of_failures_at_the_same_time_that_of_the_earliest_input_is_raised(config):
    async def main():
        async def call(number):
            await turns(5 - number)
            await event.wait()
            raise ValueError(number)

        event = asyncio.Event()
        task = asyncio.create_task(RunnableLambda(call).abatch(range(4), config))
        await turns(20)
        event.set()
        with pytest.raises(ValueError, match="^0$"):
            await task

    in_loop(main)


def test_an_ainvoke_that_is_no_coroutine_function():
    class Plain(Runnable):
        def ainvoke(self, input, config=None):
            if input == 3:
                raise ValueError(input)
            return asyncio.get_running_loop().run_in_executor(None, double, input)

    async def main():
        assert await Plain().abatch(range(3)) == [0, 2, 4]
        assert await Plain().abatch(range(3), {"max_concurrency": 2}) == [0, 2, 4]
        outputs = await Plain().abatch(range(4), return_exceptions=True)
        assert outputs[:3] == [0, 2, 4]
        assert isinstance(outputs[3], ValueError)
        with pytest.raises(ValueError, match="3"):
            await Plain().abatch(range(4))

    in_loop(main)


@pytest.mark.parametrize("config", [None, {"max_concurrency": 2}])
def test_a_call_that_is_cancelled_by_somebody_else_is_no_output(config):
    async def main():
        async def call(number):
            if number == 1:
                asyncio.current_task().cancel()
                await turns(1)
            await turns(2)

        with pytest.raises(asyncio.CancelledError):
            await RunnableLambda(call).abatch(range(3), config, return_exceptions=True)

    in_loop(main)


def test_a_dropped_call_of_abatch_cancels_its_tasks():
    async def main():
        gate = Gate()
        coroutine = RunnableLambda(gate.call).abatch(range(3))
        coroutine.send(None)
        await turns(2)
        assert gate.now == 3
        coroutine.close()
        await turns(2)
        assert gate.cancelled == [0, 1, 2]

    in_loop(main)


@pytest.mark.parametrize("config", [None, {"max_concurrency": 2}])
@pytest.mark.parametrize("nested", [False, True])
def test_an_async_call_may_close_its_own_batch(config, nested):
    async def main():
        idle, closed = asyncio.Event(), asyncio.Event()

        async def close(_):
            await idle.wait()
            await streams[0].aclose()
            closed.set()

        async def call(number):
            if number == 1:
                await (RunnableLambda(close).abatch([number]) if nested else close(number))
            return number

        streams = [RunnableLambda(call).abatch_as_completed(range(3), config)]
        assert await anext(streams[0]) == (0, 0)
        idle.set()
        await closed.wait()
        assert [pair async for pair in streams[0]] == []
        await turns(5)

    in_loop(main)


def test_a_batch_in_threads_limits_tasks_below_it_only_where_it_was_asked_to():
    def outer(most):
        async def main():
            gate = Gate()
            task = asyncio.create_task(RunnableLambda(gate.call).abatch(range(100)))
            await turns(20)
            assert gate.now == most
            gate.open.set()
            await task

        in_loop(main)

    RunnableLambda(outer).batch([100])
    RunnableLambda(outer).batch([3], {"max_concurrency": 3})
