"""Limits in time: the threads and tasks in which the work is done."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest
from fake_clock import Fed
from loops import run
from passing import apassed, passed
from recorder import AsyncSource, Source, listed
from time_limits import (
    Gate,
    alate,
    all_ended,
    late,
    passing,
    workers,
)

from streamcore import (
    RunnableGenerator,
    RunnableLambda,
    StreamTimeout,
)
from streamcore.runnables import clock as clock_module


def test_a_pull_that_is_given_up_is_closed_by_its_thread(clock):
    opened = []
    gate = Gate()

    def stage(chunks):
        opened.append(threading.get_ident())
        try:
            for chunk in chunks:  # noqa: UP028 - as above
                yield chunk
            gate.hold()
            yield "late"
        finally:
            opened.append(threading.get_ident())

    source = Source("a")
    stream = RunnableGenerator(stage).with_timeout(chunk_timeout=1).transform(source)
    assert next(stream) == "a"
    error = late(clock, lambda: next(stream), 1, gate.reached)
    assert error.__notes__ == ["in RunnableGenerator(stage)"]
    assert len(opened) == 1
    stream.close()
    gate.open()
    assert opened[0] == opened[1] != threading.get_ident()
    assert source.closes == source.closed == 1


def test_what_a_given_up_pull_ends_by_is_nobodys(clock):
    gate = Gate()

    def stage(chunks):
        gate.hold()
        raise OSError("too late")
        yield from chunks

    source = Source("a", close_error=OSError("close"))
    stream = RunnableGenerator(stage).with_timeout(1).transform(source)
    late(clock, lambda: next(stream), 1, gate.reached)
    gate.open()
    assert source.closed == 1


def test_a_retry_that_waits_in_a_given_up_call_goes_on_no_longer(clock, monkeypatch):
    gate, calls = Gate(), []

    def fail(x):
        calls.append(x)
        raise ValueError(x)

    def sleep(seconds):
        gate.hold()
        assert clock_module.unwanted.get()()
        raise GeneratorExit  # as the real one does

    monkeypatch.setattr(clock_module, "sleep", sleep)
    call = partial(RunnableLambda(fail).with_retry().with_timeout(1).invoke, 1)
    late(clock, call, 1, gate.reached)
    gate.open()
    assert calls == [1]


def test_an_interrupt_leaves_the_pull_to_its_thread(monkeypatch):
    def interrupted(condition, seconds):
        raise KeyboardInterrupt

    source = Fed()
    stream = passing().with_timeout(5).transform(source)
    monkeypatch.setattr(clock_module, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    source.end()
    all_ended()
    assert source.closed == 1


def test_one_pull_at_a_time_and_nothing_ahead():
    source = Source("abc")
    stream = passing().with_timeout(60).transform(source)
    assert not workers()
    for count, expected in enumerate("abc", 1):
        assert next(stream) == expected
        assert source.pulled == count
        assert len(workers()) == 1
    assert list(stream) == []
    assert not workers()
    assert len(source.threads) == 1


def test_a_sync_stage_on_a_loop_is_not_waited_for(clock):
    gate, ended = Gate(), []

    def stage(chunks):
        try:
            for chunk in chunks:
                yield chunk
                gate.hold()
        finally:
            ended.append(threading.get_ident())

    async def main():
        for limited in (
            RunnableGenerator(stage).with_timeout(5),
            passing() | RunnableGenerator(stage).with_timeout(5) | passing(),
            (passing() | RunnableGenerator(stage)).with_timeout(5),
        ):
            source = AsyncSource(iter("ab"))
            stream = limited.atransform(source)
            assert await anext(stream) == "a"
            error = await alate(clock, anext(stream), 5)
            assert error.kind == "total"
            assert ended == []
            assert source.closed == 1
            await asyncio.to_thread(gate.open)
            assert len(ended) == 1
            ended.clear()

    run(main())


def test_a_stage_without_async_methods_and_one_without_sync_ones():
    assert list(RunnableGenerator(apassed).with_timeout(60).transform("abc")) == list("abc")
    assert RunnableGenerator(apassed).with_timeout(60).invoke("abc") == "abc"
    assert run(listed(RunnableGenerator(passed).with_timeout(60).atransform(AsyncSource("abc")))) == list(
        "abc"
    )
    assert run(RunnableLambda(len).with_timeout(60).ainvoke("abc")) == 3
    assert not workers()


def test_a_limit_on_a_private_loop(clock):
    async def stuck(chunks):
        async for chunk in chunks:
            yield chunk
            clock.timers.pop().call()
            await asyncio.Event().wait()

    source = Source("ab")
    stream = RunnableGenerator(stuck).with_timeout(5).transform(source)
    assert next(stream) == "a"
    with pytest.raises(StreamTimeout):
        next(stream)
    assert source.closed == 1


def test_without_a_task_of_asyncio():
    stage = passing().with_timeout(5)
    source = AsyncSource("a")

    async def main():
        return await anext(stage.atransform(source))

    coroutine = main()
    with pytest.raises(RuntimeError, match=r"RunnableGenerator\(passing\) needs a task of an asyncio"):
        while True:
            coroutine.send(None)
    assert source.closed == 1
