"""``batch`` and its relatives: order, limits, failures."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from streamcore import RunnableLambda


class Gauge:
    """Counts the calls in flight and holds them until as many as expected are there, or nobody else can come."""

    def __init__(self, wait_for: int) -> None:
        self.most = 0
        self._now = 0
        self._all_there = threading.Event()
        self._wait_for = wait_for
        self._lock = threading.Lock()

    def call(self, value):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            if self._now >= self._wait_for:
                self._all_there.set()
        assert self._all_there.wait(20)
        with self._lock:
            self._now -= 1
        return value


def double(number):
    return number * 2


def odd_fails(number):
    if number % 2:
        raise ValueError(f"odd: {number}")
    return number


def test_outputs_come_in_the_order_of_the_inputs():
    assert RunnableLambda(double).batch(range(1000)) == [2 * n for n in range(1000)]
    assert RunnableLambda(double).batch([]) == []
    assert RunnableLambda(double).batch([4]) == [8]


def test_as_completed_tells_which_input_each_output_belongs_to():
    assert sorted(RunnableLambda(double).batch_as_completed(range(50))) == [(n, 2 * n) for n in range(50)]
    assert list(RunnableLambda(double).batch_as_completed([])) == []


def test_the_failure_of_the_earliest_input_is_raised_and_nothing_more_begins():
    begun = []

    def fails(number):
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="^0$"):
        RunnableLambda(fails).batch(range(1000), {"max_concurrency": 2})
    assert len(begun) <= 3


def test_failures_may_be_outputs():
    outputs = RunnableLambda(odd_fails).batch(range(4), return_exceptions=True)
    assert outputs[::2] == [0, 2]
    assert [str(error) for error in outputs[1::2]] == ["odd: 1", "odd: 3"]
    entries = dict(RunnableLambda(odd_fails).batch_as_completed(range(4), return_exceptions=True))
    assert entries[2] == 2
    assert isinstance(entries[3], ValueError)


def test_calls_run_at_the_same_time_up_to_the_limit():
    gauge = Gauge(wait_for=3)
    assert RunnableLambda(gauge.call).batch(range(9), {"max_concurrency": 3}) == list(range(9))
    assert gauge.most == 3


def test_a_nested_batch_does_not_exceed_the_limit_of_the_outer_one():
    gauge = Gauge(wait_for=1)
    inner = RunnableLambda(gauge.call)
    outer = RunnableLambda(lambda n: inner.batch([n, n + 1, n + 2]))
    assert outer.batch(range(6), {"max_concurrency": 2}) == [[n, n + 1, n + 2] for n in range(6)]
    assert gauge.most <= 2


def test_a_nested_batch_takes_what_the_outer_one_leaves():
    gauge = Gauge(wait_for=3)
    inner = RunnableLambda(gauge.call)
    outer = RunnableLambda(lambda n: inner.batch(range(3)))
    assert outer.batch([0, 1], {"max_concurrency": 4})[0] == [0, 1, 2]


def test_each_input_may_have_its_own_config():
    tags = RunnableLambda(lambda x, config: config["tags"])
    assert tags.batch([1, 2], [{"tags": ["a"]}, {"tags": ["b"]}]) == [["a"], ["b"]]
    with pytest.raises(ValueError, match="got 1 configs for 2 inputs"):
        tags.batch([1, 2], [{"tags": ["a"]}])


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="max_concurrency must be positive, got -1"):
        RunnableLambda(double).batch([1, 2], {"max_concurrency": -1})


def test_the_executor_of_the_caller_is_used():
    with ThreadPoolExecutor(2, thread_name_prefix="mine") as executor:
        names = RunnableLambda(lambda _: threading.current_thread().name)
        assert all(name.startswith("mine") for name in names.batch(range(5), {"executor": executor}))
        entries = RunnableLambda(odd_fails).batch_as_completed(
            range(6), {"executor": executor}, return_exceptions=True
        )
        assert sorted(at for at, _ in entries) == list(range(6))
        with pytest.raises(ValueError, match="odd: 1"):
            RunnableLambda(odd_fails).batch(range(6), {"executor": executor, "max_concurrency": 1})


def test_context_variables_are_seen_by_the_calls():
    from contextvars import ContextVar

    variable: ContextVar[int] = ContextVar("variable", default=0)
    variable.set(7)
    assert RunnableLambda(lambda _: variable.get()).batch([1, 2, 3]) == [7, 7, 7]


def test_no_thread_is_left_behind():
    before = set(threading.enumerate())
    RunnableLambda(double).batch(range(20))
    assert set(threading.enumerate()) <= before


def test_async_batches():
    most = now = 0

    async def call(number):
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return number * 2

    async def main():
        runnable = RunnableLambda(call)
        assert await runnable.abatch(range(20), {"max_concurrency": 3}) == [2 * n for n in range(20)]
        assert most == 3
        entries = [entry async for entry in runnable.abatch_as_completed(range(5))]
        assert sorted(entries) == [(n, 2 * n) for n in range(5)]

    asyncio.run(main())


def test_async_failures_cancel_what_is_in_flight():
    cancelled = []

    async def call(number):
        if number == 0:
            await asyncio.sleep(0)
            raise KeyError(number)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    async def main():
        with pytest.raises(KeyError):
            async for _ in RunnableLambda(call).abatch_as_completed(range(3)):
                pass
        assert cancelled == [1, 2]
        with pytest.raises(KeyError):
            await RunnableLambda(call).abatch(range(3))
        assert cancelled == [1, 2, 1, 2]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_nested_async_batch_does_not_exceed_the_limit():
    most = now = 0

    async def call(number):
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return number

    async def nested(number):
        return await RunnableLambda(call).abatch([number, number])

    async def main():
        assert await RunnableLambda(nested).abatch(range(5), {"max_concurrency": 2}) == [
            [n, n] for n in range(5)
        ]
        assert most <= 2

    asyncio.run(main())


VARIABLE = contextvars.ContextVar("VARIABLE", default="none")


def test_an_executor_runs_the_calls_in_the_context_of_the_caller():
    def look(_):
        before = VARIABLE.get()
        VARIABLE.set("changed")  # each call has a copy of its own
        return before

    VARIABLE.set("mine")
    with ThreadPoolExecutor(1) as executor:
        assert RunnableLambda(look).batch([1, 2], {"executor": executor}) == ["mine", "mine"]
        assert executor.submit(VARIABLE.get).result() == "none"
    VARIABLE.set("none")


@pytest.mark.parametrize("form", ["batch", "batch_as_completed"])
def test_a_batch_on_a_worker_of_its_executor_works_there(form):
    executor = ThreadPoolExecutor(1)
    config = {"executor": executor}
    inner = RunnableLambda(lambda number: (number, threading.get_ident()))

    def outer(number):
        if form == "batch":
            made = inner.batch([number, number + 1], config)
        else:
            made = [output for _, output in inner.batch_as_completed([number, number + 1], config)]
        assert {ident for _, ident in made} == {threading.get_ident()}
        return [number for number, _ in made]

    done = []
    thread = threading.Thread(
        target=lambda: done.append(RunnableLambda(outer).batch([1, 5], config)), daemon=True
    )
    thread.start()
    thread.join(60)
    assert done == [[[1, 2], [5, 6]]]
    executor.shutdown()


def test_a_failure_in_a_batch_on_a_worker_of_its_executor():
    def fails(number):
        raise LookupError(number)

    with ThreadPoolExecutor(1) as executor:
        config = {"executor": executor}
        outer = RunnableLambda(lambda number: RunnableLambda(fails).batch([number, 2], config))
        with pytest.raises(LookupError, match="1"):
            outer.batch([1], config)
        kept = outer.batch([1, 1], config, return_exceptions=True)
        assert [type(error) for error in kept] == [LookupError, LookupError]
