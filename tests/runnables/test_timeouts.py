"""Limits in time: on a clock that stands still, sync and async, by ``with_timeout`` and by the config."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import threading
import weakref
from functools import partial

import pytest
from fake_clock import AsyncFed, FakeClock, Fed
from loops import LONG, in_thread, run, turns
from recorder import AsyncSource, Source, listed

from streamcore import (
    Lines,
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableTimeout,
    StreamTimeout,
    ops,
)
from streamcore.runnables import clock as clock_module
from streamcore.testing import check_laws

both = pytest.mark.parametrize("mode", ["sync", "async"])


class Gate:
    """Where a stage is held until the test opens it."""

    def __init__(self):
        self._reached, self._open = threading.Event(), threading.Event()

    def hold(self):
        self._reached.set()
        assert self._open.wait(LONG)

    def reached(self):
        assert self._reached.wait(LONG)

    def open(self):
        """Let all go on, and return when their threads have ended; the next ones are held again."""
        self._open.set()
        all_ended()
        self._open.clear()
        self._reached.clear()


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("streamcore")]


def all_ended():
    for thread in workers():
        thread.join(LONG)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    all_ended()


@pytest.fixture
def clock(monkeypatch):
    return FakeClock(monkeypatch)


def same(chunks):
    for chunk in chunks:  # noqa: UP028 - yield from would close the source itself
        yield chunk


async def asame(chunks):
    async for chunk in chunks:
        yield chunk


def passing():
    return RunnableGenerator(same, asame, name="passing")


def waiting(clock):
    """Return when some thread waits for a time."""
    with clock.changed:
        assert clock.changed.wait_for(lambda: any(time is not None for _, time in clock.waiting), LONG)


def late(clock, call, seconds, before=lambda: None):
    """What ``call`` raises when the time goes on while it waits in a thread."""
    pull = in_thread(call)
    waiting(clock)
    before()
    clock.advance(seconds)
    with pytest.raises(StreamTimeout) as caught:
        pull()
    return caught.value


async def alate(clock, coroutine, seconds):
    task = asyncio.create_task(coroutine)
    await clock.aadvance(seconds)
    with pytest.raises(StreamTimeout) as caught:
        await task
    assert clock.timers == []
    return caught.value


LIMITS = {
    "total": ({"timeout": 5}, "the call took more than 5 s"),
    "first chunk": ({"first_chunk_timeout": 5}, "no first chunk within 5 s"),
    "chunk": ({"chunk_timeout": 5}, "no chunk within 5 s"),
}


# ---- what each limit is about


@pytest.mark.parametrize("kind", LIMITS)
def test_a_chunk_that_does_not_come(clock, kind):
    options, message = LIMITS[kind]
    source = Fed()
    stream = passing().with_timeout(**options).transform(source)
    error = late(clock, lambda: next(stream), 5, source.settled)
    assert (error.seconds, error.kind, str(error)) == (5, kind, message)
    assert error.__notes__ == ["in the source of RunnableGenerator(passing)"]
    assert source.closed == 0  # its pull cannot be interrupted
    assert list(stream) == []
    stream.close()
    source.put(1)
    all_ended()
    assert source.closed == 1

    async def main():
        source = AsyncFed()
        stream = passing().with_timeout(**options).atransform(source)
        error = await alate(clock, anext(stream), 5)
        assert (error.seconds, error.kind, str(error)) == (5, kind, message)
        assert error.__notes__ == ["in the source of RunnableGenerator(passing)"]
        assert source.closed == 1
        assert await listed(stream) == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_only_the_total_runs_while_nobody_waits(clock):
    for options, fails in (
        ({"first_chunk_timeout": 5, "chunk_timeout": 5}, False),
        ({"timeout": 5}, True),
    ):
        source = Source("abc")
        stream = passing().with_timeout(**options).transform(source)
        clock.advance(3)
        assert next(stream) == "a"
        clock.advance(3)
        if fails:
            with pytest.raises(StreamTimeout) as caught:
                next(stream)
            assert (caught.value.kind, caught.value.seconds) == ("total", 5)
            assert source.pulled == 1
        else:
            assert list(stream) == ["b", "c"]
        assert source.closes == source.closed == 1

        async def main(options=options, fails=fails):
            source = AsyncSource("abc")
            stream = passing().with_timeout(**options).atransform(source)
            clock.advance(3)
            assert await anext(stream) == "a"
            clock.advance(3)
            if fails:
                with pytest.raises(StreamTimeout) as caught:
                    await anext(stream)
                assert caught.value.kind == "total"
            else:
                assert await listed(stream) == ["b", "c"]
            assert source.closes == source.closed == 1
            assert clock.timers == []

        run(main())


def test_each_wait_has_its_own_limit(clock):
    """The first chunk, those after it, and the end."""
    stage = passing().with_timeout(20, first_chunk_timeout=10, chunk_timeout=4)

    async def main(waits, expected):
        source = AsyncFed()
        stream = stage.atransform(source)
        for seconds in waits:
            task = asyncio.create_task(anext(stream))
            await clock.aadvance(seconds)
            if not task.done():
                source.put("x")
                assert await task == "x"
        if expected is not None:
            with pytest.raises(StreamTimeout) as caught:
                await task
            assert (caught.value.kind, caught.value.seconds) == expected
        else:
            source.end()
            assert await listed(stream) == []
        assert clock.timers == []
        assert source.closed == 1

    run(main([9, 3, 3], None))
    run(main([10], ("first chunk", 10)))
    run(main([9, 4], ("chunk", 4)))
    run(main([9, 3, 3, 3, 3], ("total", 20)))


def test_without_a_first_limit_that_of_a_chunk_is_for_the_first_one_too(clock):
    source = Fed()
    error = late(clock, lambda: next(passing().with_timeout(9, chunk_timeout=2).transform(source)), 2)
    assert error.kind == "chunk"
    source.end()


def test_the_total_counts_from_the_call(clock):
    stage = RunnableGenerator(asame)  # for a sync caller on a private loop, too
    for stream in (
        passing().with_timeout(5).transform(source := Source("a")),
        passing().with_timeout(5).stream("a"),
        stage.with_timeout(5).stream("a"),
        stage.with_timeout(5).transform("a"),
    ):
        clock.advance(6)
        with pytest.raises(StreamTimeout, match="the call took more than 5 s"):
            next(stream)
    assert source.closed == 1


@both
def test_items_before_it_come_first(clock, mode):
    if mode == "sync":
        source = Fed()
        source.put("a", "b")
        stream = passing().with_timeout(chunk_timeout=1).transform(source)
        assert [next(stream), next(stream)] == ["a", "b"]
        late(clock, lambda: next(stream), 1)
        source.end()
        return

    async def main():
        source = AsyncFed()
        source.put("a", "b")
        stream = passing().with_timeout(chunk_timeout=1).atransform(source)
        assert [await anext(stream), await anext(stream)] == ["a", "b"]
        await alate(clock, anext(stream), 1)

    run(main())


# ---- calls


class Stuck:
    """A function of both kinds that returns when it is let."""

    def __init__(self):
        self.gate, self.cancelled = Gate(), 0

    def sync(self, x):
        self.gate.hold()
        return x

    async def asynchronous(self, x):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    @property
    def stage(self):
        return RunnableLambda(self.sync, self.asynchronous, name="stuck")


@pytest.mark.parametrize("kind", LIMITS)
def test_a_call(clock, kind):
    """Its result is its only chunk."""
    stuck = Stuck()
    stage = stuck.stage.with_timeout(**LIMITS[kind][0])
    error = late(clock, lambda: stage.invoke(1), 5)
    assert (error.kind, error.__notes__) == (kind, ["in RunnableLambda(stuck)"])
    stuck.gate.open()

    async def main():
        error = await alate(clock, stage.ainvoke(1), 5)
        assert (error.kind, error.__notes__) == (kind, ["in RunnableLambda(stuck)"])
        assert stuck.cancelled == 1

    run(main())


def test_a_call_that_folds_a_stream_has_the_limits_of_its_chunks(clock):
    def slowly(chunks):
        for chunk in chunks:
            clock.advance(3)
            yield chunk

    async def aslowly(chunks):
        async for chunk in chunks:
            clock.advance(3)
            yield chunk

    slow = RunnableGenerator(slowly, aslowly)
    spread = RunnableGenerator(lambda chunks: (c for text in chunks for c in text))
    for stage in (spread | slow, spread | slow | passing()):
        limited = stage.with_timeout(first_chunk_timeout=5, chunk_timeout=5)
        assert limited.invoke("abc") == "abc"
        assert run(limited.ainvoke("abc")) == "abc"


def test_in_a_chain_of_functions_the_slow_one_is_named(clock):
    stuck = Stuck()
    chain = RunnableLambda(len) | stuck.stage | RunnableLambda(str)
    for config in (None, {"tags": ["a"]}):  # by the loop for plain functions, and by the other one
        call = partial(chain.with_timeout(1).invoke, "a", config)
        error = late(clock, call, 1, stuck.gate.reached)
        assert error.__notes__ == ["in RunnableLambda(stuck), stage 2 of 3"]
        stuck.gate.open()

    async def main():
        error = await alate(clock, chain.with_timeout(1).ainvoke("a"), 1)
        assert error.__notes__ == ["in RunnableLambda(stuck), stage 2 of 3"]

    run(main())


@both
def test_in_a_batch_each_call_has_its_own(clock, mode):
    def call(x):
        clock.advance(x)
        return x

    async def acall(x):
        return call(x)

    stage = RunnableLambda(call, acall)
    config = {"max_concurrency": 1, "timeout": 5}

    class Own(Runnable[int, int]):
        def invoke(self, input, config=None):
            return call(input)

        async def ainvoke(self, input, config=None):
            return call(input)

    for kind, config in (
        (stage.with_timeout(5), {"max_concurrency": 1}),
        (stage, {"max_concurrency": 1, "timeout": 5}),
        (Own(), {"max_concurrency": 1, "timeout": 5}),
    ):
        if mode == "sync":
            assert kind.batch([3, 3, 3], config) == [3, 3, 3]
        else:
            assert run(kind.abatch([3, 3, 3], config)) == [3, 3, 3]

    async def stuck(x):
        await asyncio.Event().wait()

    async def main():
        for each in (RunnableLambda(stuck).with_timeout(5), RunnableLambda(stuck)):
            config = {} if isinstance(each, RunnableTimeout) else {"timeout": 5}
            task = asyncio.create_task(each.abatch([1, 2], config, return_exceptions=True))
            await clock.aadvance(5)
            assert [type(error) for error in await task] == [StreamTimeout] * 2

    run(main())


# ---- the config


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


FORMS = ["invoke", "stream", "transform"]


def called(stage, form, x, config):
    if form == "invoke":
        return stage.invoke(x, config)
    return list(stage.stream(x, config) if form == "stream" else stage.transform(iter([x]), config))


async def acalled(stage, form, x, config):
    if form == "invoke":
        return await stage.ainvoke(x, config)
    if form == "stream":
        return await listed(stage.astream(x, config))
    return await listed(stage.atransform(AsyncSource([x]), config))


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


# ---- threads and tasks


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
    assert list(RunnableGenerator(asame).with_timeout(60).transform("abc")) == list("abc")
    assert RunnableGenerator(asame).with_timeout(60).invoke("abc") == "abc"
    assert run(listed(RunnableGenerator(same).with_timeout(60).atransform(AsyncSource("abc")))) == list("abc")
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


# ---- whose cancellation, whose error


def test_an_outer_cancellation_is_no_limit(clock):
    async def once(count, at_once):
        source = AsyncSource("abcdef", waits=3)
        stage = passing() | passing().with_timeout(5, chunk_timeout=3) | ops.map(str.upper)
        task = asyncio.create_task(listed(stage.with_timeout(4).atransform(source)))
        await turns(count)
        done = task.done()
        task.cancel()
        if at_once:
            for timer in list(clock.timers):
                timer.cancel()  # as a loop forgets it that calls it
                timer.call()
        if done:
            assert await task == list("ABCDEF")
        else:
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelling() == 1
        assert clock.timers == []
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert source.closes <= 1
        assert source.closes or not count
        return done

    async def main():
        return [await once(count, at_once) for at_once in (False, True) for count in range(61)]

    ended = run(main())
    assert ended[60]
    assert not ended[9]


def test_a_limit_at_each_turn(clock):
    async def once(count):
        source = AsyncSource("abcdef", waits=3)
        stage = passing() | passing().with_timeout(5) | ops.map(str.upper)
        task = asyncio.create_task(listed(stage.atransform(source)))
        await turns(count)
        rang = bool(clock.timers)
        for timer in list(clock.timers):
            timer.cancel()  # as a loop forgets it that calls it
            timer.call()
        if rang:
            with pytest.raises(StreamTimeout):
                await task
        else:
            clock.advance(5) if not task.done() else None
            try:
                assert await task == list("ABCDEF")
            except StreamTimeout:
                assert not count
        assert task.cancelling() == 0
        assert clock.timers == []
        assert source.closes == 1
        return rang

    async def main():
        return [await once(count) for count in range(61)]

    assert any(run(main()))


def test_an_outer_limit_of_asyncio_and_one_inside():
    async def stuck(chunks):
        async for chunk in chunks:
            yield chunk
            await asyncio.Event().wait()

    async def own(chunks):
        async for chunk in chunks:
            yield chunk
            async with asyncio.timeout(0):
                await asyncio.Event().wait()

    async def main():
        source = AsyncSource("ab")
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0):
                await listed(RunnableGenerator(stuck).with_timeout(60).atransform(source))
        assert not isinstance(caught.value, StreamTimeout)
        assert source.closed == 1
        source = AsyncSource("ab")
        with pytest.raises(TimeoutError) as caught:
            await listed(RunnableGenerator(own).with_timeout(60).atransform(source))
        assert not isinstance(caught.value, StreamTimeout)
        assert source.closed == 1
        assert asyncio.current_task().cancelling() == 0

    run(main())


@both
@pytest.mark.parametrize("kind", [TimeoutError, StreamTimeout, asyncio.CancelledError, OSError])
def test_the_stages_own_error_is_raised_as_it_is(mode, kind):
    failure = kind("own")
    source = (Source if mode == "sync" else AsyncSource)("a", failure)
    stage = passing().with_timeout(60, chunk_timeout=60)
    with pytest.raises(kind) as caught:
        if mode == "sync":
            list(stage.transform(source))
        else:
            run(listed(stage.atransform(source)))
    if kind is not asyncio.CancelledError or mode == "sync":
        assert caught.value is failure
    assert source.closed == 1


def test_the_nearer_of_two_limits(clock):
    async def main():
        for inner, outer in ((1, 2), (2, 1), (1, 1)):
            source = AsyncFed()
            stage = passing().with_timeout(inner, chunk_timeout=None)
            stream = (passing() | stage).with_timeout(outer).atransform(source)
            error = await alate(clock, anext(stream), 1)
            assert error.seconds == 1
            assert source.closed == 1
            assert asyncio.current_task().cancelling() == 0

    run(main())


def test_a_stage_that_takes_no_notice_of_its_cancellation(clock):
    async def deaf(chunks):
        async for chunk in chunks:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                yield chunk

    async def failing(chunks):
        async for chunk in chunks:
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("cleanup")
            yield chunk

    async def main():
        for function in (deaf, failing):
            source = AsyncSource("ab")
            task = asyncio.create_task(listed(RunnableGenerator(function).with_timeout(5).atransform(source)))
            await clock.aadvance(5)
            with pytest.raises(StreamTimeout) as caught:
                await task
            assert source.closes == source.closed == 1
            assert task.cancelling() == 0
            if function is failing:
                assert "and the cancelled pull failed: OSError('cleanup')" in caught.value.__notes__

    run(main())


@both
def test_a_source_that_fails_in_its_close(clock, mode):
    stage = passing().with_timeout(5)
    if mode == "sync":
        with pytest.raises(OSError, match="close"):
            list(stage.transform(source := Source("ab", close_error=OSError("close"))))
        assert source.closed == 1
        return

    async def stuck(count):
        await asyncio.Event().wait()

    async def main():
        source = AsyncSource("ab", close_error=OSError("close"))
        with pytest.raises(OSError, match="close"):
            await listed(stage.atransform(source))
        assert source.closed == 1
        source = AsyncSource("ab", close_error=OSError("close"))
        stream = stage.atransform(source)
        assert await anext(stream) == "a"
        source.wait, source.waits = stuck, 1
        task = asyncio.create_task(anext(stream))
        await turns(3)
        source.wait = turns
        error = await alate(clock, _awaited(task), 5)
        assert any("close" in note for note in error.__notes__)

    run(main())


async def _awaited(task):
    return await task


# ---- in chains


def test_the_slow_stage_of_a_chain_is_named(clock):
    def slow(chunks):
        for chunk in chunks:
            yield chunk
            gate.hold()

    async def aslow(chunks):
        async for chunk in chunks:
            yield chunk
            await asyncio.Event().wait()

    slow = RunnableGenerator(slow, aslow, name="slow")
    gate = Gate()
    limited = passing().with_timeout(5)
    for chain, config, note in (
        ((passing() | slow | ops.map(str)).with_timeout(5), None, "in RunnableGenerator(slow), stage 2 of 3"),
        (passing() | slow | ops.map(str), {"timeout": 5}, "in RunnableGenerator(slow), stage 2 of 3"),
        (passing() | slow | limited, None, "in RunnableGenerator(slow), stage 2 of 3"),
        (
            passing() | slow.with_timeout(5),
            None,
            "in RunnableTimeout(RunnableGenerator(slow), 5), stage 2 of 2",
        ),
    ):
        source = Source("ab")
        stream = chain.transform(source, config)
        assert next(stream) == "a"
        error = late(clock, lambda s=stream: next(s), 5, gate.reached)
        assert error.__notes__ == [note]
        gate.open()
        assert source.closes == source.closed == 1

        async def main(chain=chain, config=config, note=note):
            source = AsyncSource("ab")
            stream = chain.atransform(source, config)
            assert await anext(stream) == "a"
            error = await alate(clock, anext(stream), 5)
            assert error.__notes__ == [note]
            assert source.closes == source.closed == 1

        run(main())


@both
def test_a_fallback_for_what_is_too_slow(clock, mode):
    stuck = Stuck()
    stage = stuck.stage.with_timeout(5).with_fallbacks([lambda x: -x], exceptions_to_handle=StreamTimeout)
    if mode == "sync":
        call = in_thread(stage.invoke, 1)
        waiting(clock)
        clock.advance(5)
        assert call() == -1
        stuck.gate.open()
        return

    async def main():
        task = asyncio.create_task(stage.ainvoke(1))
        await clock.aadvance(5)
        assert await task == -1

    run(main())


@pytest.mark.parametrize("way", ["at once", "half-way", "dropped"])
def test_closed_early(way):
    for stage in (
        passing().with_timeout(60),
        passing() | passing().with_timeout(60) | passing(),
        (passing() | passing()).with_config(timeout=60),
    ):
        source = Source(iter(int, 1))
        stream = stage.transform(source)
        if way != "at once":
            assert next(stream) == 0
        if way == "dropped":
            del stream
        else:
            stream.close()
        assert (source.closed, source.closes, source.pulled) == (1, 1, way != "at once")
        assert not workers()

        async def main(stage=stage):
            source = AsyncSource(iter(int, 1))
            stream = stage.atransform(source)
            if way != "at once":
                assert await anext(stream) == 0
            if way == "dropped":
                del stream
                await turns(10)
            else:
                await stream.aclose()
            assert (source.closed, source.closes, source.pulled) == (1, 1, way != "at once")
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(main())


def test_what_a_timeout_held_is_let_go_of(clock):
    def in_threads():
        source = Fed()
        stream = passing().with_timeout(5).transform(source)

        def pull():
            with contextlib.suppress(StreamTimeout):
                next(stream)

        thread = threading.Thread(target=pull)
        thread.start()
        waiting(clock)
        source.settled()
        clock.advance(5)
        thread.join()
        source.end()
        all_ended()
        return weakref.ref(source)

    async def on_a_loop():
        source = AsyncFed()
        stream = passing().with_timeout(5).atransform(source)

        async def pull():
            with contextlib.suppress(StreamTimeout):
                await anext(stream)

        task = asyncio.create_task(pull())
        await clock.aadvance(5)
        await task
        return weakref.ref(source)

    gc.disable()
    try:
        assert in_threads()() is None
        assert run(on_a_loop())() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("ended", ["ended", "closed", "failed"])
def test_one_timer_serves_all_chunks_of_a_stream(clock, monkeypatch, ended):
    """A loop keeps a cancelled timer until it turns: a source that never waits would fill it."""

    async def source():
        for number in range(1000):
            yield number
        if ended == "failed":
            raise KeyError(1000)

    made = []

    def call_later(seconds, call):
        made.append(clock.call_later(seconds, call))
        return made[-1]

    monkeypatch.setattr(clock_module, "call_later", call_later)

    async def main(stage):
        made.clear()
        stream = stage.atransform(source())
        with contextlib.suppress(KeyError):
            async for number in stream:
                if ended == "closed" and number == 500:
                    break
        await stream.aclose()
        assert len(made) == 1
        assert clock.timers == []

    for stage in (passing().with_timeout(None, chunk_timeout=5), ops.timeout(5)):
        run(main(stage))
        run(main(passing() | stage | passing()))


def test_a_limit_that_is_put_off_is_kept(clock):
    async def main():
        source = AsyncFed()
        stream = passing().with_timeout(chunk_timeout=5).atransform(source)
        for number in range(4):  # each within its five seconds, all of them beyond
            pull = asyncio.create_task(anext(stream))
            await clock.aadvance(3)
            source.put(number)
            assert await pull == number
            await clock.aadvance(1)  # the consumer's own time counts for nothing
        pull = asyncio.create_task(anext(stream))
        await clock.aadvance(4)
        assert not pull.done()
        await clock.aadvance(1)
        with pytest.raises(StreamTimeout):
            await pull

    run(main())


def test_laws():
    for stage, samples in (
        (Lines(), [b"", b"a\nb", b"a\r\n\nbc"]),
        (RunnableLambda(str.upper), ["", "abc"]),
        (ops.map(len) | ops.take(2), [["a", "bc", "d"]]),
    ):
        check_laws(stage.with_timeout(60, chunk_timeout=30), samples)
        check_laws(stage.with_config(timeout=60), samples)


def test_without_a_limit_nothing_is_paid():
    stage = passing()
    for limited, config in ((stage.with_timeout(), None), (stage, {"timeout": None, "tags": ["a"]})):
        assert type(limited.transform("ab", config)) is type(stage.transform("ab"))
        assert list(limited.transform("ab", config)) == ["a", "b"]
        stream = limited.transform("ab", config)
        assert next(stream) == "a"
        assert not workers()
    assert RunnableLambda(len).with_timeout(float("inf")).invoke("ab") == 2


# ---- form


def test_form():
    stage = RunnableLambda(len)
    assert repr(stage.with_timeout(5)) == "RunnableTimeout(RunnableLambda(len), 5)"
    many = stage.with_timeout(first_chunk_timeout=0.5, chunk_timeout=2)
    assert repr(many) == "RunnableTimeout(RunnableLambda(len), first_chunk_timeout=0.5, chunk_timeout=2)"
    again = pickle.loads(pickle.dumps(RunnableTimeout(len, 5, chunk_timeout=1)))
    assert again.invoke("abc") == 3
    assert (again.timeout, again.first_chunk_timeout, again.chunk_timeout) == (5, None, 1)
    assert (again.get_name(), RunnableTimeout(len, name="n").get_name()) == ("len", "n")
    assert many.describe().splitlines() == [
        "RunnableTimeout: gives one chunk; first_chunk_timeout 0.5 s; chunk_timeout 2 s; in sync calls in a thread",
        f"  within: {stage.describe()}",
    ]
    error = pickle.loads(pickle.dumps(StreamTimeout("slow", 5, "chunk")))
    assert (str(error), error.seconds, error.kind) == ("slow", 5, "chunk")
    assert isinstance(error, TimeoutError)


@pytest.mark.parametrize("key", ["timeout", "first_chunk_timeout", "chunk_timeout"])
def test_bad_arguments(key):
    for value, error in ((0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("1", TypeError)):
        with pytest.raises(error, match=key):
            RunnableLambda(len).with_timeout(**{key: value})
        if key != "chunk_timeout":
            with pytest.raises(error, match=key):
                RunnableLambda(len).invoke("a", {key: value})
    with pytest.raises(TypeError, match=key):
        RunnableLambda(len).with_timeout(**{key: True})


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
