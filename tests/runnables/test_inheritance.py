"""A Runnable that is called in the code of a stage inherits the config around it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from streamcore import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    ops,
)
from streamcore.config import ensure_config

CONFIG = {"tags": ["outer"], "metadata": {"a": 1}, "run_name": "run", "timeout": 60, "mine": 7}


class Seen:
    """What a Runnable that is called in many places was handed there."""

    def __init__(self):
        self.configs = []
        self.runnable = RunnableLambda(self._call, self._acall, name="inner")

    def _call(self, value, config):
        self.configs.append(config)
        return value

    async def _acall(self, value, config):
        self.configs.append(config)
        return value

    def taken(self):
        taken, self.configs[:] = self.configs[:], []
        return taken

    def all_inherited(self, count):
        taken = self.taken()
        assert len(taken) == count
        for config in taken:
            assert config["tags"] == ["outer"]
            assert config["metadata"] == {"a": 1}
            assert config["mine"] == 7
            assert "run_name" not in config
            assert "timeout" not in config
        return True


@pytest.fixture
def seen():
    return Seen()


async def drained(stream):
    return [chunk async for chunk in stream]


def sync_forms(runnable, value, config):
    yield runnable.invoke(value, config)
    yield list(runnable.stream(value, config))
    yield list(runnable.transform(iter([value]), config))
    yield runnable.batch([value], config)
    yield list(runnable.batch_as_completed([value], config))


async def single(value):
    yield value


async def async_forms(runnable, value, config):
    await runnable.ainvoke(value, config)
    yield
    await drained(runnable.astream(value, config))
    yield
    await drained(runnable.atransform(single(value), config))
    yield
    await runnable.abatch([value], config)
    yield
    await drained(runnable.abatch_as_completed([value], config))
    yield


def in_all_forms(seen, runnable, value, calls, form="both"):
    """Call it in every form; each time the inner one must have been called so often, and have inherited."""
    if form != "async":
        for _ in sync_forms(runnable, value, CONFIG):
            assert seen.all_inherited(calls)

    async def main():
        async for _ in async_forms(runnable, value, CONFIG):
            assert seen.all_inherited(calls)

    asyncio.run(main())
    runnable.invoke(value)
    assert [config.get("tags") for config in seen.taken()] == [None] * calls


def test_in_a_function(seen):
    in_all_forms(seen, RunnableLambda(lambda x: seen.runnable.invoke(x)), "x", 1)


def test_in_branches(seen):
    def called(chunks):
        for chunk in chunks:
            seen.runnable.invoke(chunk)
            yield chunk
        seen.runnable.invoke(1)

    both = {"a": lambda x: seen.runnable.invoke(x), "b": called}
    for ordered in (True, False):
        in_all_forms(seen, RunnableParallel(both, ordered=ordered), "x", 3)
        in_all_forms(seen, RunnablePassthrough.assign(**both, ordered=ordered), {"k": 1}, 3)


def test_in_a_function_of_a_chain(seen):
    stage = RunnableLambda(lambda x: seen.runnable.invoke(x))
    in_all_forms(seen, stage | stage | RunnableLambda(str), "x", 2)


def test_in_a_coroutine_and_in_tasks_that_it_makes(seen):
    async def calls(x):
        await asyncio.gather(*(seen.runnable.ainvoke(x) for _ in range(3)))
        return x

    in_all_forms(seen, RunnableLambda(calls), "x", 3)
    in_all_forms(seen, RunnableLambda(calls) | RunnableLambda(str) | RunnableLambda(calls), "x", 6)


def test_in_a_generator_before_and_after_each_yield_and_at_its_end(seen):
    def generates(chunks):
        try:
            seen.runnable.invoke(1)
            for chunk in chunks:
                seen.runnable.invoke(2)
                yield chunk
                seen.runnable.invoke(3)
        finally:
            seen.runnable.invoke(4)

    in_all_forms(seen, RunnableGenerator(generates), "x", 4)
    in_all_forms(seen, RunnableLambda(str) | generates | RunnableLambda(str), "x", 4)


def test_in_an_async_generator_with_tasks_of_its_own(seen):
    async def generates(chunks):
        try:
            await asyncio.gather(seen.runnable.ainvoke(1), seen.runnable.ainvoke(1))
            async for chunk in chunks:
                await asyncio.sleep(0)
                await seen.runnable.ainvoke(2)
                yield chunk
                await asyncio.create_task(seen.runnable.ainvoke(3))
        finally:
            await seen.runnable.ainvoke(4)

    in_all_forms(seen, RunnableGenerator(generates), "x", 5, "async")
    in_all_forms(seen, RunnableLambda(str) | generates | ops.take(5), "x", 5, "async")


def test_in_the_function_of_an_operator(seen):
    async def acalls(item):
        await asyncio.sleep(0)
        return await seen.runnable.ainvoke(item)

    def split(text):
        return text.split()

    chain = RunnableLambda(split) | ops.flat_map(lambda word: word) | ops.map(seen.runnable.invoke)
    in_all_forms(seen, chain, "a bc", 2)

    async def main():
        assert await drained(ops.map(acalls).astream(["a", "b"], CONFIG)) == ["a", "b"]
        assert seen.all_inherited(2)

    asyncio.run(main())
    assert ops.map(seen.runnable.invoke).invoke(["a", "b"], CONFIG) == ["a", "b"]
    assert seen.all_inherited(2)


def test_in_conditions_taps_and_parts(seen):
    calls = RunnableLambda(lambda x: seen.runnable.invoke(x))
    in_all_forms(seen, RunnableBranch((calls, calls), str), "x", 2)
    in_all_forms(seen, RunnablePassthrough(lambda x: seen.runnable.invoke(x)), "x", 1)
    in_all_forms(seen, RunnableLambda(str) | {"a": calls, "b": calls}, "x", 2)
    in_all_forms(seen, calls.with_retry(), "x", 1)


def test_in_the_methods_of_a_class(seen):
    class Invokes(Runnable):
        def invoke(self, input, config=None):
            return seen.runnable.invoke(input)

    class Streams(Runnable):
        def stream(self, input, config=None):
            yield seen.runnable.invoke(input)
            seen.runnable.invoke(input)

    class Transforms(Runnable):
        def transform(self, input, config=None):
            for chunk in input:
                seen.runnable.invoke(chunk)
                yield chunk

    class Ainvokes(Runnable):
        async def ainvoke(self, input, config=None):
            return await seen.runnable.ainvoke(input)

    class Astreams(Runnable):
        async def astream(self, input, config=None):
            yield await seen.runnable.ainvoke(input)

    kinds = ((Invokes, 1), (Streams, 2), (Transforms, 1))
    for kind, calls in kinds:
        in_all_forms(seen, RunnableLambda(str) | kind() | RunnableLambda(str), "x", calls)
    for kind in (Ainvokes, Astreams):
        in_all_forms(seen, RunnableLambda(str) | kind(), "x", 1, "async")
    # what is derived is ours, what they wrote is called as it is
    for stage, forms in (
        (Invokes(), ("stream", "transform")),
        (Streams(), ("invoke", "transform")),
        (Transforms(), ("invoke", "stream")),
    ):
        for form in forms:
            made = getattr(stage, form)("x", CONFIG)
            list(made)
            assert seen.all_inherited(2 if type(stage) is Streams else 1)


def test_a_config_of_its_own_is_merged_over_it(seen):
    def calls(x):
        return seen.runnable.invoke(
            x, {"tags": ["own"], "metadata": {"b": 2}, "mine": 8, "run_name": "inner"}
        )

    RunnableLambda(calls).invoke("x", CONFIG)
    [config] = seen.taken()
    assert config["tags"] == ["outer", "own"]
    assert config["metadata"] == {"a": 1, "b": 2}
    assert config["mine"] == 8
    assert "timeout" not in config


def test_one_that_is_handed_on_changes_nothing(seen):
    heard = []

    def listener(event, run):
        heard.append(event)

    stage = RunnableLambda(lambda x, config: seen.runnable.invoke(x, config))
    stage.invoke("x", {**CONFIG, "listeners": [listener]})
    [config] = seen.configs
    assert config["listeners"] == [listener]
    assert config["tags"] == ["outer"]
    assert heard == ["on_start", "on_start", "on_first_chunk", "on_end", "on_first_chunk", "on_end"]


def test_ensure_config_gives_it(seen):
    stage = RunnableLambda(lambda x: ensure_config({"tags": ["own"]}))
    assert stage.invoke("x", CONFIG)["tags"] == ["outer", "own"]
    assert ensure_config()["tags"] == []


def test_the_consumer_of_a_stream_is_not_in_it(seen):
    def generates(chunks):
        yield from chunks

    outside = []
    for _ in (RunnableGenerator(generates) | str).stream("x", CONFIG):
        seen.runnable.invoke("outside")
        outside += seen.taken()

    async def main():
        async for _ in (RunnableLambda(str) | seen.runnable).astream("x", CONFIG):
            seen.taken()
            await seen.runnable.ainvoke("outside")
            outside.extend(seen.taken())

    asyncio.run(main())
    assert outside == [{}, {}]


def test_streams_of_other_configs_in_turn(seen):
    def generates(chunks):
        for chunk in chunks:
            seen.runnable.invoke(chunk)
            yield chunk

    stage = RunnableGenerator(generates)
    streams = [stage.transform(iter("abc"), {"tags": [name]}) for name in ("one", "two")]
    for _ in zip(*streams, strict=True):
        assert [config["tags"] for config in seen.taken()] == [["one"], ["two"]]


def test_a_stream_in_the_code_of_another(seen):
    inner = RunnableGenerator(lambda chunks: (seen.runnable.invoke(chunk) for chunk in chunks))

    def outer(chunks):
        seen.runnable.invoke("before")
        yield from inner.transform(chunks, {"tags": ["inner"]})
        seen.runnable.invoke("after")

    assert list(RunnableGenerator(outer).transform(iter("ab"), CONFIG)) == ["a", "b"]
    assert [config["tags"] for config in seen.taken()] == [
        ["outer"],
        ["outer", "inner"],
        ["outer", "inner"],
        ["outer"],
    ]


@pytest.mark.parametrize("kind", ["function", "generator"])
def test_a_stage_with_a_config_bound_to_it(seen, kind):
    """Its code finds that; the stages before and after it find what is around."""

    def calls(name):
        def function(x):
            seen.runnable.invoke(name)
            return x

        def generator(chunks):
            for chunk in chunks:
                seen.runnable.invoke(name)
                yield chunk

        async def agenerator(chunks):
            async for chunk in chunks:
                await seen.runnable.ainvoke(name)
                yield chunk

        if kind == "function":
            return RunnableLambda(function)
        return RunnableGenerator(generator, agenerator)

    chain = calls("a") | calls("b").with_config({"tags": ["bound"], "mine": 8}) | calls("c")
    expected = [["outer"], ["bound", "outer"], ["outer"]]
    for _ in sync_forms(chain, "x", CONFIG):
        assert [config["tags"] for config in seen.taken()] == expected

    async def main():
        async for _ in async_forms(chain, "x", CONFIG):
            assert [config["tags"] for config in seen.taken()] == expected

    asyncio.run(main())
    for _ in sync_forms(chain, "x", None):
        assert [config.get("tags") for config in seen.taken()] == [None, ["bound"], None]


def test_an_error_leaves_nothing_behind(seen):
    def fails(x):
        raise KeyError(x)

    chain = RunnableLambda(str) | fails
    for _ in range(2):
        with pytest.raises(KeyError):
            chain.invoke("x", CONFIG)
        with pytest.raises(KeyError):
            list(chain.stream("x", CONFIG))

        async def main():
            with pytest.raises(KeyError):
                await chain.ainvoke("x", CONFIG)
            with pytest.raises(KeyError):
                await drained(chain.astream("x", CONFIG))
            await seen.runnable.ainvoke("x")

        asyncio.run(main())
    seen.runnable.invoke("x")
    assert seen.taken() == [{}, {}, {}]


def test_a_cancelled_call_leaves_nothing_behind(seen):
    async def waits(x):
        await asyncio.Event().wait()

    async def main():
        stream = (RunnableLambda(str) | waits | seen.runnable).astream("x", CONFIG)
        for cancelled in (RunnableLambda(waits).ainvoke("x", CONFIG), anext(stream)):
            task = asyncio.ensure_future(cancelled)
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await stream.aclose()
        await seen.runnable.ainvoke("x")

    asyncio.run(main())
    assert seen.taken() == [{}]


def test_a_call_closed_in_another_context_than_it_ran_in(seen):
    """As an event loop does it with what is left when it ends."""
    from contextvars import copy_context

    class Waits:
        def __await__(self):
            yield

    async def waits(x):
        await Waits()

    for make in (
        lambda: RunnableLambda(waits).ainvoke("x", {"tags": ["outer"]}),
        lambda: (RunnableLambda(waits) | RunnableLambda(waits)).ainvoke("x", {"tags": ["outer"]}),
    ):
        call = make()
        copy_context().run(call.send, None)
        copy_context().run(call.close)
    seen.runnable.invoke("x")
    assert seen.taken() == [{}]


def test_another_thread_is_not_in_it(seen):
    def calls(chunks):
        for chunk in chunks:
            thread = threading.Thread(target=seen.runnable.invoke, args=("thread",))
            thread.start()
            thread.join()
            yield chunk

    list(RunnableGenerator(calls).transform(iter("a"), CONFIG))
    assert seen.taken() == [{}]


def test_how_deep_functions_may_return_runnables_is_inherited():
    def deeper(_):
        return stage

    stage = RunnableLambda(deeper)
    outer = RunnableLambda(lambda x: stage.invoke(x))
    with pytest.raises(RecursionError, match="recursion_limit reached"):
        outer.invoke("x", {"recursion_limit": 3})


def test_limits_of_a_nested_batch_are_inherited():
    """``max_concurrency`` of the call around holds for a batch in it."""
    running, most, lock = 0, 0, threading.Lock()

    def work(x):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return x

    stage = RunnableLambda(lambda xs: RunnableLambda(work).batch(xs))
    assert stage.invoke(list(range(50)), {"max_concurrency": 1}) == list(range(50))
    assert most == 1


def test_surround_takes_one_config(backend):
    stream = backend.closing_iterator(iter("ab"), ())
    assert stream.surround({"tags": ["a"]})
    assert not stream.surround({"tags": ["b"]})
    assert list(stream) == ["a", "b"]
