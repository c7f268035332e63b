"""Methods of a user's class, called directly: the config of the call holds for them as in a chain."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import threading

import pytest
from forms import FORMS, acalled, called
from loops import run
from passing import passed
from recorder import listed

from streamcore import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    StreamTimeout,
)


class Ears:
    def __init__(self):
        self.events = []

    @property
    def config(self):
        return {"listeners": [self]}

    def __call__(self, event, run):
        self.events.append((event, run.name))

    def once(self, name):
        heard, self.events = self.events, []
        return heard == [(event, name) for event in ("on_start", "on_first_chunk", "on_end")]


class Written(Runnable):
    """All six."""

    def invoke(self, input, config=None):
        return input

    def stream(self, input, config=None, **kwargs):
        yield input

    def transform(self, chunks, config=None, *, unused=None):
        yield from chunks

    async def ainvoke(self, *args):
        return args[0]

    async def astream(self, input, config=None):
        yield input

    async def atransform(self, chunks, config=None, **kwargs):
        async for chunk in chunks:
            yield chunk


class Mixin:
    def stream(self, input, config=None):
        yield input


class OfMixin(Mixin, Runnable):
    pass


class Plain(Runnable):
    def stream(self, input, config=None):
        return iter([input])


class Same(Written):
    """Hands on what it was handed, by super()."""

    def invoke(self, input, config=None):
        return super().invoke(input, config)

    def stream(self, input, config=None):
        yield from super().stream(input, {**(config or {}), "tags": ["same"]})

    def transform(self, input, config=None):
        return super().transform(input, config)

    async def ainvoke(self, input, config=None):
        return await super().ainvoke(input, config)


class Below(Mixin):
    def stream(self, input, config=None):
        yield input * 2


class InRow(OfMixin, Below):
    pass


class ByKeyword(Runnable):
    """Takes the config by keyword only."""

    def invoke(self, input, *, config=None):
        return input

    def stream(self, text, *, config=None, **kwargs):
        assert not kwargs
        yield text

    def transform(self, chunks, *, unused=None, config):
        yield from chunks

    async def ainvoke(self, input, *, config=None):
        return input

    async def astream(self, input, *, config=None):
        yield input

    async def atransform(self, chunks, *, config=None):
        async for chunk in chunks:
            yield chunk


@pytest.mark.parametrize("form", FORMS)
def test_listeners_hear_a_direct_call_once(form):
    ears = Ears()
    for kind in (Written, Same, OfMixin, Plain, InRow, ByKeyword):
        called(kind(), form, "x", ears.config)
        assert ears.once(kind.__name__), kind

    async def main():
        for kind in (Written, Same, ByKeyword):
            await acalled(kind(), form, "x", ears.config)
            assert ears.once(kind.__name__), kind

    run(main())


@pytest.mark.parametrize("form", FORMS)
def test_a_config_by_keyword_only(form):
    for config in (None, {"tags": ["a"]}, {"timeout": 60}):
        for stage in (ByKeyword(), ByKeyword() | ByKeyword(), ByKeyword().with_retry()):
            called(stage, form, "x", config)
            run(acalled(stage, form, "x", config))
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3"):
        ByKeyword().invoke("x", None, 1)


def test_a_bad_config_of_a_direct_call():
    bad = {"max_concurrency": 0}
    calls = (lambda w: w.invoke(1, bad), lambda w: w.stream(1, bad), lambda w: w.astream(1, config=bad))
    for call in calls:
        with pytest.raises(ValueError, match="max_concurrency"):
            call(Written())


class Late(Runnable):
    """Waits until it is let go."""

    def __init__(self):
        self.go = threading.Event()

    def invoke(self, input, config=None):
        self.go.wait()
        return input

    def stream(self, input, config=None):
        yield input
        self.go.wait()

    async def ainvoke(self, input, config=None):
        await asyncio.Event().wait()

    async def astream(self, input, config=None):
        await asyncio.Event().wait()
        yield


class Limited(Late):
    """Limits what it calls by super()."""

    def invoke(self, input, config=None):
        return super().invoke(input, {**(config or {}), "timeout": 0.02})

    def stream(self, input, config=None):
        return super().stream(input, {**(config or {}), "timeout": 0.02})


class LimitsOurs(RunnableLambda):
    def invoke(self, input, config=None, **kwargs):
        return super().invoke(input, {**(config or {}), "timeout": 0.02})


def timed(release, call):
    timer = threading.Timer(0.2, release)
    timer.start()
    try:
        with pytest.raises(StreamTimeout):
            call()
    finally:
        release()
        timer.join()


def test_limits_hold_in_a_direct_call():
    for kind, limits in ((Late, {"timeout": 0.02}), (Limited, None), (Limited, {"tags": ["a"]})):
        for form in ("invoke", "stream"):
            late = kind()
            timed(late.go.set, lambda late=late, form=form, limits=limits: called(late, form, 1, limits))
    go = threading.Event()
    timed(go.set, lambda: LimitsOurs(lambda x: go.wait()).invoke(1))

    async def main():
        with pytest.raises(StreamTimeout):
            await Late().ainvoke(1, {"timeout": 0.02})
        with pytest.raises(StreamTimeout):
            await listed(Late().astream(1, {"first_chunk_timeout": 0.02}))

    run(main())


def test_super_without_config_below_listeners():
    class Through(Runnable):
        def transform(self, input, config=None):
            yield from input

        def stream(self, input, config=None):
            yield from super().stream(input)

    ears = Ears()
    assert (Through() | RunnableGenerator(passed)).invoke("x", ears.config) == "x"
    assert ears.events.count(("on_error", "Through")) == 0


def test_the_order_of_bases_stays():
    assert list(InRow().stream("x")) == list(Below().stream("x"))


def test_a_method_looks_as_it_was_written():
    raw = Written.invoke.__wrapped__
    assert inspect.signature(Written.invoke) == inspect.signature(raw)
    assert (Written.invoke.__name__, Written.invoke.__qualname__) == ("invoke", "Written.invoke")
    assert inspect.iscoroutinefunction(Written().ainvoke)
    assert inspect.isgenerator(Written().stream(1))
    assert pickle.loads(pickle.dumps(Written.invoke)) is Written.invoke
    assert pickle.loads(pickle.dumps(Same())).invoke(1) == copy.copy(Same()).invoke(1) == 1
    assert list(RunnableLambda(Written().stream).stream("x")) == ["x"]


def test_a_branch_looks_at_its_config_when_it_is_called():
    same = RunnableLambda(lambda x: x)
    branch = RunnableBranch((same, same), same)
    with pytest.raises(ValueError, match="max_concurrency"):
        branch.astream(1, {"max_concurrency": 0})


def test_a_passthrough_without_a_tap_below_listeners_or_a_config():
    ears = Ears()
    chain = RunnableGenerator(passed) | RunnablePassthrough()
    assert list(chain.transform(iter(["x"]), ears.config)) == ["x"]
    assert ("on_end", "RunnablePassthrough") in ears.events
    bound = RunnableGenerator(passed) | RunnablePassthrough().with_config(tags=["a"])
    assert list(bound.transform(iter(["x"]))) == ["x"]
