"""The config key ``listeners``: told of each stage that a call goes through, once, in every form."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter

import pytest
from fake_clock import FakeClock
from forms import FORMS, acalled, called
from loops import run
from passing import apassed, passed
from recorder import AsyncSource, Source
from time_limits import Stuck, alate, late

from streamcore import (
    Lines,
    RouterRunnable,
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    ops,
)
from streamcore.testing import check_laws

upper = RunnableLambda(str.upper, name="upper")
lower = RunnableLambda(str.lower, name="lower")


def fail(x):
    raise KeyError(x)


failing = RunnableLambda(fail, name="failing")


def passing(name="passing"):
    return RunnableGenerator(passed, apassed, name=name)


class Ears:
    """A listener: which stages began, how each ended."""

    def __init__(self):
        self.begun, self.ended = Counter(), Counter()
        self.runs = []
        self._lock = threading.Lock()

    @property
    def config(self):
        return {"listeners": [self]}

    def __call__(self, event, run):
        with self._lock:
            if event == "on_start":
                self.begun[run.name] += 1
            elif event != "on_first_chunk":
                self.ended[f"{run.name}{' failed' * (event == 'on_error')}{' closed' * run.closed}"] += 1
                self.runs.append(run)

    def heard(self):
        """How often each stage was called; all calls have ended, and well, if it is not said otherwise."""
        heard, begun = dict(self.ended), self.begun.total()
        assert begun == sum(heard.values())
        self.begun.clear()
        self.ended.clear()
        self.runs.clear()
        return heard


def calls(stage, input, ears):
    """The six calls, each with its result."""
    for form in FORMS:
        for is_async in (False, True):
            call = acalled if is_async else called
            result = call(stage, form, input, ears.config)
            result = run(result) if is_async else result
            yield result if form == "invoke" else stage.collect(result)


class Written(Runnable):
    """A user's, who calls another one."""

    def invoke(self, input, config=None):
        return upper.invoke(input, config)


def inner(x):
    return upper.invoke(x)


def handed_on(x, config):
    return upper.invoke(x, config)


def generated(chunks):
    for chunk in chunks:
        yield upper.invoke(chunk)


async def agenerated(chunks):
    async for chunk in chunks:
        yield await upper.ainvoke(chunk)


STAGES = {
    "function": (upper, "a", "A", {"upper": 1}),
    "generator": (passing(), "a", "a", {"passing": 1}),
    "operator": (ops.map(len), ["a"], [1], {"map": 1}),
    "chain": (lower | upper, "a", "A", {"RunnableSequence": 1, "lower": 1, "upper": 1}),
    "twice the same": (upper | upper, "a", "A", {"RunnableSequence": 1, "upper": 2}),
    "bytes": (
        Lines() | ops.map(len) | ops.filter(bool),
        b"a\n\nbb",
        [1, 2],
        {"RunnableSequence": 1, "Lines": 1, "map": 1, "filter": 1},
    ),
    "parallel": (
        RunnableParallel(a=upper, b=lower | upper),
        "a",
        {"a": "A", "b": "A"},
        {"RunnableParallel": 1, "upper": 2, "RunnableSequence": 1, "lower": 1},
    ),
    "as they come": (
        RunnableParallel(a=upper, b=lower, ordered=False),
        "a",
        {"a": "A", "b": "a"},
        {"RunnableParallel": 1, "upper": 1, "lower": 1},
    ),
    "assign": (
        RunnableAssign(RunnableParallel(b=lambda d: d["a"])),
        {"a": 1},
        {"a": 1, "b": 1},
        {"RunnableAssign": 1, "RunnableParallel": 1, "<lambda>": 1},
    ),
    "tap": (RunnablePassthrough(lambda x: None), "a", "a", {"RunnablePassthrough": 1}),
    "branch": (
        RunnableBranch((RunnableLambda(str.isupper, name="isupper"), lower), upper),
        "a",
        "A",
        {"RunnableBranch": 1, "isupper": 1, "upper": 1},
    ),
    "router": (
        RouterRunnable({"u": upper, "l": lower}),
        {"key": "u", "input": "a"},
        "A",
        {"RouterRunnable": 1, "upper": 1},
    ),
    "each": (upper.map(), ["a", "b"], ["A", "B"], {"RunnableEach": 1, "upper": 2}),
    "binding": (upper.with_config(tags=["t"]), "a", "A", {"upper": 1}),
    "named": (
        upper.with_config(run_name="mine") | lower,
        "A",
        "a",
        {"RunnableSequence": 1, "mine": 1, "lower": 1},
    ),
    "retry": (upper.with_retry() | lower, "a", "a", {"RunnableSequence": 1, "upper": 1, "lower": 1}),
    "fallback": (
        failing.with_fallbacks([upper]),
        "a",
        "A",
        {"RunnableWithFallbacks": 1, "failing failed": 1, "upper": 1},
    ),
    "timeout": (upper.with_timeout(60), "a", "A", {"upper": 1}),
    "listening": (upper.with_listeners(), "a", "A", {"upper": 1}),
    "merged": (ops.merge(ops.map(len), ops.skip(1)), ["a"], [1], {"MergeOfStages": 1, "map": 1, "skip": 1}),
    "a user's": (Written() | lower, "a", "a", {"RunnableSequence": 1, "Written": 1, "upper": 1, "lower": 1}),
    "a user's again": (
        Written().with_retry() | lower,
        "a",
        "a",
        {"RunnableSequence": 1, "Written": 1, "upper": 1, "lower": 1},
    ),
    "inside a function": (
        RunnableLambda(inner) | lower,
        "a",
        "a",
        {"RunnableSequence": 1, "inner": 1, "upper": 1, "lower": 1},
    ),
    "handed on": (RunnableLambda(handed_on), "a", "A", {"handed_on": 1, "upper": 1}),
    "inside a generator": (RunnableGenerator(generated, agenerated), "a", "A", {"generated": 1, "upper": 1}),
    "given back": (RunnableLambda(lambda x: upper, name="gives"), "a", "A", {"gives": 1, "upper": 1}),
    "in a config of its own": (
        lower | upper.with_config(listeners=[lambda event, run: None]),
        "a",
        "A",
        {"RunnableSequence": 1, "lower": 1, "upper": 1},
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_each_stage_is_told_of_once(name):
    stage, input, output, wanted = STAGES[name]
    ears = Ears()
    for number, result in enumerate(calls(stage, input, ears)):
        assert result == output, number
        assert ears.heard() == wanted, number


def test_the_same_function_again_inside_itself():
    ears = Ears()
    countdown = RunnableLambda(lambda n: countdown.invoke(n - 1) if n else 0, name="countdown")
    assert countdown.invoke(3, ears.config) == 0
    assert ears.heard() == {"countdown": 4}


def test_batches():
    ears = Ears()
    for stage in (upper, Written()):
        assert stage.batch(["a", "b"], ears.config) == ["A", "B"]
        assert run(stage.abatch(["a", "b"], ears.config)) == ["A", "B"]
        assert dict(stage.batch_as_completed(["a", "b"], [ears.config, {}])) == {0: "A", 1: "B"}
    assert ears.heard() == {"upper": 10, "Written": 5}


def test_attempts_and_failures():
    ears = Ears()
    for stage, wanted in (
        (failing.with_retry(wait_exponential_jitter=False), {"failing failed": 3}),
        (upper | failing, {"upper": 1, "failing failed": 1, "RunnableSequence failed": 1}),
        (RunnableParallel(a=failing), {"failing failed": 1, "RunnableParallel failed": 1}),
    ):
        for call in (
            lambda stage: stage.invoke("a", ears.config),
            lambda stage: list(stage.stream("a", ears.config)),
            lambda stage: run(stage.ainvoke("a", ears.config)),
        ):
            with pytest.raises(KeyError) as caught:
                call(stage)
            errors = [each.error for each in ears.runs if each.error]
            assert caught.value in errors
            assert all(type(error) is KeyError for error in errors)
            heard = ears.heard()
            assert {name.removesuffix(" closed"): count for name, count in heard.items()} == wanted


def test_only_some_listen():
    ears, more = Ears(), Ears()
    chain = lower | upper.with_config(listeners=[more, more])
    assert chain.invoke("a") == "A"
    assert list(chain.stream("a")) == ["A"]
    assert more.heard() == {"upper": 2}
    assert chain.invoke("a", ears.config) == "A"
    assert ears.heard() == {"RunnableSequence": 1, "lower": 1, "upper": 1}
    assert more.heard() == {"upper": 1}
    # and none where there are none again
    assert chain.first.invoke("A") == "a"
    assert ears.heard() == more.heard() == {}


def test_a_stream_that_is_left_is_closed_for_all():
    ears = Ears()
    chain = passing("a") | passing("b")
    source = Source("abc")
    stream = chain.transform(source, ears.config)
    next(stream)
    stream.close()
    assert source.closes == 1
    assert ears.heard() == {"a closed": 1, "b closed": 1, "RunnableSequence closed": 1}
    stream = chain.transform(source := Source("abc"), ears.config)
    stream.close()
    assert source.closes == 1
    assert ears.heard() == {}

    async def main():
        source = AsyncSource("abc")
        stream = chain.atransform(source, ears.config)
        await anext(stream)
        await stream.aclose()
        assert source.closes == 1

    run(main())
    assert ears.heard() == {"a closed": 1, "b closed": 1, "RunnableSequence closed": 1}


def test_a_limit_that_is_over_is_an_error(monkeypatch):
    clock = FakeClock(monkeypatch)
    stuck, ears = Stuck(), Ears()
    config = {**ears.config, "timeout": 5}
    error = late(clock, lambda: stuck.stage.invoke("a", config), 6)
    assert [each.error for each in ears.runs] == [error]
    stuck.gate.open()
    ears.heard()

    async def main():
        error = await alate(clock, stuck.stage.ainvoke("a", config), 6)
        assert [each.error for each in ears.runs] == [error]

    run(main())


def test_coroutine_functions():
    heard = []

    async def listener(event, run):
        await asyncio.sleep(0)
        heard.append((event, run.name))

    config = {"listeners": [listener]}
    assert run((passing() | upper).ainvoke("a", config)) == "A"
    assert sorted(heard) == sorted(
        (event, name)
        for name in ("RunnableSequence", "passing", "upper")
        for event in ("on_start", "on_first_chunk", "on_end")
    )
    for call in (upper.invoke, lambda x, config: list((passing() | upper).stream(x, config))):
        with pytest.raises(TypeError, match="coroutine functions as listeners: use the async"):
            call("a", config)


def test_a_listener_hears_itself_no_more_than_others_and_may_fail(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_value))

    def listener(event, run):
        upper.invoke("x")
        raise ValueError(event)

    assert list((lower | upper).stream("a", {"listeners": [listener, listener]})) == ["A"]
    assert Counter(error.args[0] for error in seen) == {"on_start": 3, "on_first_chunk": 3, "on_end": 3}


def test_what_a_run_says():
    ears = Ears()
    (lower | upper.with_config(tags=["t"])).invoke(
        "a", {**ears.config, "run_name": "whole", "metadata": {"k": 1}}
    )
    first, second, whole = ears.runs
    assert (first.name, first.inputs, first.output) == ("lower", "a", "a")
    assert (second.name, second.config["tags"], second.config["metadata"]) == ("upper", ["t"], {"k": 1})
    assert (whole.name, whole.items, whole.bytes, whole.output) == ("whole", 1, 1, "A")
    assert len({each.id for each in ears.runs}) == 3


@pytest.mark.parametrize(
    "given", ["x", [1], print, {}, iter([print])], ids=lambda given: type(given).__name__
)
def test_what_are_no_listeners_is_refused(given):
    with pytest.raises(TypeError, match=r"^listeners must be a list of callables, got "):
        upper.invoke("a", {"listeners": given})


def test_the_laws_hold_where_somebody_listens():
    config = Ears().config
    check_laws((Lines() | ops.map(len)).with_config(config), [b"a\nbb\n\nc"])
    check_laws(RunnableParallel(a=Lines(), b=Lines() | ops.map(len)).with_config(config), [b"abc\nd"])
