"""What ``batch`` and its relatives take, and how they fail: sync and async forms by one table."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest
from recorder import Source

from streamcore import Runnable, RunnableLambda


def double(number):
    return 2 * number


async def adouble(number):
    return 2 * number


def batch(runnable, inputs, config=None, **options):
    return runnable.batch(inputs, config, **options)


def batch_as_completed(runnable, inputs, config=None, **options):
    return by_number(runnable.batch_as_completed(inputs, config, **options))


def abatch(runnable, inputs, config=None, **options):
    return asyncio.run(runnable.abatch(inputs, config, **options))


def abatch_as_completed(runnable, inputs, config=None, **options):
    async def main():
        return by_number([pair async for pair in runnable.abatch_as_completed(inputs, config, **options)])

    return asyncio.run(main())


def by_number(pairs):
    return [output for _, output in sorted(pairs, key=lambda pair: pair[0])]


FORMS = [batch, batch_as_completed, abatch, abatch_as_completed]
forms = pytest.mark.parametrize("form", FORMS)
EITHER = RunnableLambda(double, adouble)


# -- what is taken


@forms
@pytest.mark.parametrize("inputs", ["ab", b"ab", bytearray(b"ab"), memoryview(b"ab"), {"a": 1}])
def test_inputs_that_are_one_value_are_refused(form, inputs):
    with pytest.raises(TypeError, match=f"a batch takes an iterable of inputs, got {type(inputs).__name__}"):
        form(EITHER, inputs)


@pytest.mark.parametrize("name", ["batch_as_completed", "abatch_as_completed"])
def test_inputs_are_refused_by_the_call_and_not_by_the_first_pull(name):
    with pytest.raises(TypeError, match="an iterable of inputs, got str"):
        getattr(EITHER, name)("ab")
    with pytest.raises(TypeError, match="not iterable"):
        getattr(EITHER, name)(3)


@forms
@pytest.mark.parametrize("config", [None, {"max_concurrency": 1}, {"max_concurrency": 2}, [{}] * 3])
def test_any_other_iterable_will_do(form, config):
    assert form(EITHER, (n for n in range(3)), config) == [0, 2, 4]
    assert form(EITHER, range(3), config) == [0, 2, 4]
    assert form(EITHER, {5: 1, 6: 2, 7: 3}.keys(), config) == [10, 12, 14]
    assert form(EITHER, [], config if not isinstance(config, list) else []) == []


@forms
@pytest.mark.parametrize(
    "inputs", [[1, 2], (1, 2, 3, 4), lambda: (n for n in range(2)), lambda: iter([1] * 4)]
)
def test_a_list_of_configs_has_the_length_of_the_inputs(form, inputs):
    with pytest.raises(ValueError, match=r"got 3 configs for (2 inputs|4 inputs|more inputs)"):
        form(EITHER, inputs() if callable(inputs) else inputs, [{}] * 3)


# -- failures


@forms
def test_a_failure_of_the_inputs_is_raised_and_they_are_closed(form):
    source = Source(range(3), OSError("lost"))
    with pytest.raises(OSError, match="lost"):
        form(EITHER, source)
    assert source.closed == 1


@forms
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("config", [None, {"max_concurrency": 1}])
def test_only_exceptions_are_outputs(form, kind, config):
    def fails(number):
        if number == 1:
            raise kind(number)
        return number

    with pytest.raises(kind):
        form(RunnableLambda(fails), range(3), config, return_exceptions=True)


@forms
@pytest.mark.parametrize("config", [None, {"max_concurrency": 1}])
def test_exceptions_are_outputs_if_asked_for(form, config):
    def odd_fails(number):
        if number % 2:
            raise ValueError(number)
        return number

    async def aodd_fails(number):
        return odd_fails(number)

    for runnable in RunnableLambda(odd_fails), RunnableLambda(odd_fails, aodd_fails):
        outputs = form(runnable, range(4), config, return_exceptions=True)
        assert outputs[::2] == [0, 2]
        assert [str(error) for error in outputs[1::2]] == ["1", "3"]
        assert [type(error) for error in outputs[1::2]] == [ValueError, ValueError]


class Stops(Runnable):
    def invoke(self, input, config=None):
        raise StopIteration(input)


@forms
@pytest.mark.parametrize("inputs", [[1], [1, 2]])
def test_a_call_that_raises_stop_iteration_ends_nothing_in_silence(form, inputs):
    with pytest.raises(RuntimeError, match="StopIteration"):
        form(Stops(), inputs)
    kept = form(Stops(), inputs, return_exceptions=True)
    assert [type(error) for error in kept] == [RuntimeError] * len(inputs)


class Held(Exception):
    pass


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("config", [None, {"max_concurrency": 2}])
def test_a_failure_is_held_by_nobody_once_it_is_handled(config):
    def fails(number):
        raise Held

    async def afails(number):
        raise Held

    runnable = RunnableLambda(fails, afails)
    for form in batch, batch_as_completed:
        try:
            form(runnable, range(3), config)
        except Held as error:
            seen = weakref.ref(error)
        assert seen() is None

    async def main():
        try:
            await runnable.abatch(range(3), config)
        except Held as error:
            seen = weakref.ref(error)
        assert seen() is None
        try:
            async for _ in runnable.abatch_as_completed(range(3), config):
                pass
        except Held as error:
            seen = weakref.ref(error)
        assert seen() is None

    asyncio.run(main())


def test_the_failure_of_the_earliest_input_is_raised_after_all_calls_have_ended():
    second_failed = threading.Event()
    ended = []

    def fails(number):
        try:
            if number == 1:
                raise ValueError(number)
            assert second_failed.wait(60)
            raise ValueError(number)
        finally:
            ended.append(number)
            second_failed.set()

    with pytest.raises(ValueError, match="^0$"):
        RunnableLambda(fails).batch([0, 1], {"max_concurrency": 2})
    assert ended == [1, 0]


def test_an_interrupt_while_inputs_are_taken_waits_for_the_calls_in_flight():
    begun, ended = threading.Event(), []

    def call(number):
        begun.set()
        ended.append(number)

    def inputs():
        yield 0
        assert begun.wait(60)
        raise KeyboardInterrupt

    stream = RunnableLambda(call).batch_as_completed(inputs(), {"max_concurrency": 2})
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert ended == [0]
    assert list(stream) == []


# -- where the calls run


def test_each_call_has_a_context_of_its_own():
    from contextvars import ContextVar

    variable = ContextVar("variable", default=0)

    def look(number):
        before = variable.get()
        variable.set(number + 1)
        return before

    async def alook(number):
        return look(number)

    variable.set(7)
    for inputs in [1], [1] * 20:
        for form in batch, batch_as_completed, abatch, abatch_as_completed:
            assert form(RunnableLambda(look, alook), inputs) == [7] * len(inputs)
            assert form(RunnableLambda(look, alook), inputs, {"max_concurrency": 1}) == [7] * len(inputs)
    assert variable.get() == 7


def test_the_limit_of_a_batch_of_one_holds_below_it():
    most, now, lock = 0, 0, threading.Lock()

    def call(number):
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        with lock:
            now -= 1
        return number

    outer = RunnableLambda(lambda number: RunnableLambda(call).batch(range(number)))
    assert outer.batch([50], {"max_concurrency": 1}) == [list(range(50))]
    assert most == 1


@pytest.mark.parametrize("form", [batch, batch_as_completed])
@pytest.mark.parametrize("there_are", [0, 1, 2])
def test_threads_that_the_system_has_not(form, there_are, monkeypatch):
    start = threading.Thread.start
    left = there_are

    def limited(thread):
        nonlocal left
        if not left:
            raise RuntimeError("can't start new thread")
        left -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    if there_are:
        assert form(EITHER, range(50), {"max_concurrency": 8}) == [2 * n for n in range(50)]
    else:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            form(EITHER, range(50), {"max_concurrency": 8})


@pytest.mark.parametrize("form", [batch, batch_as_completed])
def test_an_executor_that_takes_no_calls_any_more(form):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        form(EITHER, range(3), {"executor": executor})
    given_back = RunnableLambda(
        lambda n: [batch(EITHER, [n, n], {"executor": executor}) if n else 0, batch(EITHER, [n, n])][1]
    )
    assert batch(given_back, [0, 0], {"max_concurrency": 2}) == [[0, 0], [0, 0]]


@pytest.mark.parametrize("form", [batch, batch_as_completed])
def test_an_executor_that_cancels_its_calls(form):
    stopped = threading.Event()

    class Stopping(ThreadPoolExecutor):
        submitted = 0

        def submit(self, *args):
            future = super().submit(*args)
            self.submitted += 1
            if self.submitted == 3:
                self.shutdown(wait=False, cancel_futures=True)
                stopped.set()
            return future

    def call(number):
        assert stopped.wait(60)
        return number

    with Stopping(1) as executor, pytest.raises(CancelledError):
        form(RunnableLambda(call), range(3), {"executor": executor, "max_concurrency": 3})


def test_inputs_may_have_different_executors():
    with ThreadPoolExecutor(1, "a") as a, ThreadPoolExecutor(1, "b") as b:
        configs = [{"executor": a}, {"executor": b}, {}]
        names = RunnableLambda(lambda _: threading.current_thread().name.partition("_")[0])
        assert names.batch(range(3), configs) == ["a", "b", "streamcore-batch"]


def test_executors_that_wait_for_each_other():
    with ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b:
        inner = RunnableLambda(lambda number: EITHER.batch([number, 1], {"executor": a}))
        outer = RunnableLambda(lambda number: inner.batch([number, 2], {"executor": b}))
        done = []
        thread = threading.Thread(
            target=lambda: done.append(outer.batch([3, 4], {"executor": a})), daemon=True
        )
        thread.start()
        thread.join(60)
        assert done == [[[[6, 2], [4, 2]], [[8, 2], [4, 2]]]]


def test_a_batch_in_an_executor_begins_nothing_after_a_failure():
    begun = []

    def fails(number):
        begun.append(number)
        raise ValueError(number)

    with ThreadPoolExecutor(2) as executor, pytest.raises(ValueError, match="^0$"):
        batch(RunnableLambda(fails), range(1000), {"executor": executor, "max_concurrency": 2})
    assert len(begun) <= 3


def test_keyword_arguments_reach_each_call():
    def plus(number, *, add):
        return number + add

    async def aplus(number, *, add):
        return number + add

    for form in FORMS:
        assert form(RunnableLambda(plus, aplus), [1, 2], add=3) == [4, 5]


def test_an_endless_iterable_of_configs_is_only_taken_as_far_as_one_says():
    configs = [{"tags": [str(n)]} for n in range(3)]
    tags = RunnableLambda(lambda _, config: config["tags"])
    stream = tags.batch_as_completed(itertools.count(), configs)
    assert sorted(itertools.islice(stream, 3)) == [(0, ["0"]), (1, ["1"]), (2, ["2"])]
    with pytest.raises(ValueError, match="got 3 configs for more inputs"):
        next(stream)
