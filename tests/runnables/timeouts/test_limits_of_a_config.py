"""Limits in time by the config of a call."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest
from fake_clock import AsyncFed, Fed
from forms import FORMS, acalled, called
from loops import LONG, in_thread, run
from recorder import AsyncSource, listed
from time_limits import (
    Stuck,
    alate,
    all_ended,
    late,
    passing,
    waiting,
)

from streamcore import (
    Lines,
    RunnableAssign,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    StreamTimeout,
    ops,
)


def every_kind(function, afunction, stream, astream):
    """Every class, made of a function and a generator function of both kinds."""
    one = RunnableLambda(function, afunction)
    many = RunnableGenerator(stream, astream)
    return {
        "lambda": one,
        "generator": many,
        "sequence": one | RunnableLambda(str),
        "streaming sequence": many | passing(),
        "binding": one.bind(),
        "with_config": one.with_config(tags=["a"]),
        "fold": many.with_fold("list"),
        "retry": one.with_retry(),
        "streaming retry": many.with_retry(),
        "fallbacks": one.with_fallbacks([one]),
        "branch": RunnableBranch((lambda x: True, one), one),
        "parallel": RunnableParallel(a=one, b=one),
        "streaming parallel": RunnableParallel(a=many, b=passing()),
        "passthrough": RunnablePassthrough(function, afunction),
        "each": one.map(),
        "timeout": one.with_timeout(100),
    }


@pytest.mark.parametrize("key", ["timeout", "first_chunk_timeout"])
def test_the_config_limits_every_class(clock, key):
    stuck = Stuck()

    def stream(chunks):
        for chunk in chunks:
            yield stuck.sync(chunk)

    async def astream(chunks):
        async for chunk in chunks:
            yield await stuck.asynchronous(chunk)

    kinds = every_kind(stuck.sync, stuck.asynchronous, stream, astream)
    config = {key: 5, "tags": ["t"]}
    expected = "total" if key == "timeout" else "first chunk"
    for name, stage in kinds.items():
        x = [1] if name == "each" else 1
        for form in FORMS:
            if name == "passthrough" and form != "invoke" and key != "timeout":
                continue  # it gives its chunks at once
            error = late(clock, partial(called, stage, form, x, config), 5)
            assert error.kind == expected, (name, form)
            stuck.gate.open()

            async def main(stage=stage, form=form, x=x, name=name):
                error = await alate(clock, acalled(stage, form, x, config), 5)
                assert error.kind == expected, (name, form)
                assert asyncio.all_tasks() == {asyncio.current_task()}

            run(main())


def test_the_config_limits_what_pulls_a_source(clock):
    """Stages over an engine, operators, and what combines them."""
    for stage in (
        Lines(),
        ops.map(str),
        ops.map(str) | ops.filter(bool),
        ops.buffer(2),
        RunnablePassthrough(),
        ops.map(str).pick("a"),
    ):
        for form in ("stream", "transform") if isinstance(stage, type(ops.map(str))) else ("transform",):
            source = Fed()
            call = in_thread(lambda s=source, f=form, g=stage: list(getattr(g, f)(s, {"timeout": 5})))
            waiting(clock)
            clock.advance(5)
            with pytest.raises(StreamTimeout):
                call()
            source.end()
            all_ended()
            assert source.closed == 1

        async def main(stage=stage):
            source = AsyncFed()
            await alate(clock, listed(stage.atransform(source, {"timeout": 5})), 5)
            assert source.closed == 1

        run(main())
    both_of = ops.chain(ops.map(str), ops.map(str))
    source = Fed()
    call = in_thread(lambda: list(both_of.stream(source, {"timeout": 5})))
    waiting(clock)
    clock.advance(5)
    with pytest.raises(StreamTimeout):
        call()
    source.end()


def test_a_config_that_is_settled_limits_the_stage_in_a_chain(clock):
    stuck = Stuck()
    chain = RunnableLambda(str) | stuck.stage.with_config(timeout=5)
    error = late(clock, lambda: chain.invoke(1), 5)
    assert error.kind == "total"
    stuck.gate.open()

    async def stuck_stream(chunks):
        async for chunk in chunks:
            yield chunk
            await asyncio.Event().wait()

    async def main():
        chain = passing() | RunnableGenerator(stuck_stream).with_config(first_chunk_timeout=1, timeout=5)
        error = await alate(clock, listed(chain.atransform(AsyncSource("ab"))), 5)
        assert error.kind == "total"
        per_item = passing() | ops.map(str).with_config(timeout=5)
        source = AsyncFed()
        error = await alate(clock, listed(per_item.atransform(source)), 5)
        assert source.closed == 1

    run(main())


def test_a_limit_is_that_of_one_call_and_not_handed_down(clock):
    seen = []

    def look(x, config):
        seen.append(config)
        return x

    config = {"timeout": 5, "first_chunk_timeout": 5, "tags": ["a"], "other": 1}
    for stage in (RunnableLambda(look), RunnableLambda(look) | look, RunnableParallel(a=look)):
        stage.invoke(1, config)
        list(stage.stream(1, config))
        run(stage.ainvoke(1, config))
    assert seen
    assert all(each == {"tags": ["a"], "other": 1} for each in seen)
    assert config["timeout"] == 5


def test_the_shorter_limit_holds(clock):
    stuck = Stuck()
    for own, given in ((3, 9), (9, 3)):
        error = late(clock, lambda o=own, g=given: stuck.stage.with_timeout(o).invoke(1, {"timeout": g}), 3)
        assert error.seconds == 3
        stuck.gate.open()


@pytest.mark.parametrize(
    "stage",
    [
        RunnableAssign({"b": RunnableLambda(len)}),
        RunnableParallel(a=RunnableLambda(len)),
        RunnableParallel(a=RunnableLambda(len), ordered=False),
        RunnableLambda(len).with_retry(),
        RunnableLambda(len).with_fallbacks([str]),
        RunnableLambda(len).with_listeners(on_end=id),
        RunnablePassthrough(),
        ops.map(str),
        ops.merge(RunnablePassthrough(), RunnablePassthrough()),
    ],
    ids=repr,
)
def test_a_source_that_does_not_come_is_limited_by_the_config_of_any_class(clock, stage):
    """A chain of each class in its stream form asks the config for limits before anything else drops them."""

    async def main():
        source = AsyncFed()
        pull = asyncio.create_task(anext(stage.atransform(source, {"timeout": 5})))
        await clock.aadvance(5)
        with pytest.raises(StreamTimeout):
            await pull

    run(main())
    source = Fed()
    stream = stage.transform(source, {"timeout": 5})
    caught = []

    def pull():
        try:
            next(stream)
        except StreamTimeout as error:
            caught.append(error)

    thread = threading.Thread(target=pull)
    thread.start()
    waiting(clock)
    source.settled()
    clock.advance(5)
    thread.join(LONG)
    source.end()
    all_ended()
    assert len(caught) == 1
