"""What users of other libraries reported about streams and composition, each as a test, sync and async.

Issue numbers without a repository are langchain-ai/langchain's.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count

import pytest
from passing import apassed, passed
from recorder import AsyncSource, Source

from streamcore import Runnable, RunnableGenerator, RunnableLambda, ops


class PassOn(Runnable[int, int]):
    def transform(self, input, config=None):
        yield from input


class APassOn(Runnable[int, int]):
    async def atransform(self, input, config=None):
        async for chunk in input:
            yield chunk


async def atwice(number):
    return number * 2


sync, async_, both = RunnableGenerator(passed), RunnableGenerator(apassed), None
both = RunnableGenerator(passed, apassed)

ASYNC_PIPELINES = {
    "one async stage": async_,
    "three async stages": async_ | async_ | async_,
    "an async class": APassOn() | async_,
    "operators": ops.map(int) | ops.filter(lambda number: number >= 0) | ops.map(int),
    "operators between stages": async_ | ops.map(int) | async_ | ops.filter(lambda number: number >= 0),
    "a coroutine per item": ops.map(atwice) | async_,
    "with both forms": both | both,
}
THREADED_PIPELINES = {
    "a sync stage": sync,
    "a sync class": PassOn(),
    "sync stages between async ones": async_ | sync | PassOn() | async_,
    "sync stages and operators": ops.map(int) | sync | ops.map(int),
}
BUFFERED = 3
BUFFERED_PIPELINES = {
    "buffer": ops.buffer(BUFFERED),
    "buffer between stages": async_ | ops.buffer(BUFFERED) | async_,
    "buffer and operators": ops.map(int) | ops.buffer(BUFFERED) | ops.map(int),
}
PIPELINES = {**ASYNC_PIPELINES, **THREADED_PIPELINES, **BUFFERED_PIPELINES}


def ahead(name):
    """How far the source may be pulled beyond the items taken: the buffers declared, and an item in hand for each."""
    if name in BUFFERED_PIPELINES:
        return BUFFERED + 1
    return 2 * (BUFFERED + 1) if name in THREADED_PIPELINES else 0


def run(main):
    """``asyncio.run`` that also sees to it that no task and no thread is left."""

    async def watched():
        await main()
        assert len(asyncio.all_tasks()) == 1, "an orphaned task"

    asyncio.run(watched())
    gc.collect()
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("streamcore")]
    assert left == []


CONFIG = {"buffer_size": BUFFERED}


@pytest.mark.parametrize("name", PIPELINES)
def test_breaking_off_an_infinite_async_source(name):
    """#37976, #24914: the source is closed before aclose() returns, and was pulled no further than declared."""

    async def main():
        source = AsyncSource(count(), waits=1)
        stream = PIPELINES[name].atransform(source, CONFIG)
        got = [await anext(stream) for _ in range(3)]
        assert len(got) == 3
        await stream.aclose()
        assert source.closes == 1
        assert 3 <= source.pulled <= 3 + ahead(name)
        await stream.aclose()
        assert source.closes == 1

    run(main)


@pytest.mark.parametrize("name", PIPELINES)
def test_take_ends_an_infinite_async_source_without_an_error(name):
    """An early stop is no error: PR 22662, PR 22865, pydantic/pydantic-ai#1516, #4204."""

    async def main():
        source = AsyncSource(count(), waits=1)
        pipeline = PIPELINES[name] | ops.take(3)
        assert len([item async for item in pipeline.atransform(source, CONFIG)]) == 3
        assert source.closes == 1
        assert source.pulled <= 3 + ahead(name) + (ahead("a sync stage") if name in THREADED_PIPELINES else 0)

    run(main)


@pytest.mark.parametrize("name", PIPELINES)
def test_an_async_stream_that_is_not_pulled_closes_its_source(name):
    async def main():
        source = AsyncSource(count(), waits=1)
        stream = PIPELINES[name].atransform(source, CONFIG)
        await stream.aclose()
        assert (source.pulled, source.closes) == (0, 1)

    run(main)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_dropped_async_stream_closes_its_source(name):
    async def main():
        source = AsyncSource(count(), waits=1)
        closed = asyncio.Event()

        async def aclose():
            source.closes += 1
            closed.set()

        source.aclose = aclose
        stream = PIPELINES[name].atransform(source, CONFIG)
        await anext(stream)
        del stream
        gc.collect()
        await asyncio.wait_for(closed.wait(), 60)
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
        assert source.closes == 1

    run(main)


@pytest.mark.parametrize("at", [0, 1, 5])
@pytest.mark.parametrize("name", PIPELINES)
def test_items_before_an_error_come_first_async(name, at):
    async def main():
        failure = ConnectionResetError("the source broke")
        source = AsyncSource(range(at), failure, waits=1)
        got = []
        with pytest.raises(ConnectionResetError) as caught:
            async for item in PIPELINES[name].atransform(source, CONFIG):
                got.append(item)  # noqa: PERF401
        assert caught.value is failure
        assert (len(got), source.closes) == (at, 1)

    run(main)


@pytest.mark.parametrize("turn", [0, 1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("name", PIPELINES)
def test_cancelled_at_any_turn_of_the_loop(name, turn):
    """#37976: after a cancelled pull, aclose() raised "asynchronous generator is already running"."""

    async def main():
        source = AsyncSource(count(), waits=1)
        stream = PIPELINES[name].atransform(source, CONFIG)

        async def consume():
            async for _ in stream:
                pass

        task = asyncio.create_task(consume())
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stream.aclose()
        assert source.closes == 1

    run(main)


@pytest.mark.parametrize("name", ASYNC_PIPELINES)
def test_cancelled_at_every_await(name):
    """The coroutine is driven by hand: a cancellation at await number k, for every k."""

    class Cancelled(BaseException):
        pass

    async def consume(stream):
        return [item async for item in stream]

    for step in range(1, 60):
        source = AsyncSource(range(4), waits=1)
        stream = ASYNC_PIPELINES[name].atransform(source)
        steps = consume(stream)
        try:
            for _ in range(step):
                steps.send(None)
            steps.throw(Cancelled())
            while True:
                steps.send(None)
        except Cancelled:
            assert source.closes == 1, f"cancelled at step {step}"
        except StopIteration:
            assert source.closes == 1
            return
    raise AssertionError("the stream never ended")


@pytest.mark.parametrize("name", PIPELINES)
def test_a_loop_that_is_closed_in_the_middle_of_a_stream(name):
    """asyncio.run() ends with a stream half read and still referenced: nothing is left open, nothing warns."""
    source = AsyncSource(count(), waits=1)
    held = []

    async def main():
        held.append(PIPELINES[name].atransform(source, CONFIG))
        await anext(held[0])

    asyncio.run(main())
    gc.collect()
    assert source.closes == 1


def test_a_second_consumer_is_told_and_harms_nothing():
    async def main():
        source = AsyncSource(count(), waits=1)
        stream = (async_ | async_).atransform(source)
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already being pulled"):
            await anext(stream)
        with pytest.raises(RuntimeError, match="already being pulled"):
            await stream.aclose()
        assert await first == 0
        assert await anext(stream) == 1
        await stream.aclose()
        assert source.closes == 1

    run(main)


@pytest.mark.parametrize("stages", range(1, 5))
def test_breaking_off_an_infinite_sync_source_returns_at_once(stages):
    """langchain-core drains the source when a pipeline of two or more stages is broken off."""
    source = Source(count())
    pipeline = sync
    for _ in range(stages - 1):
        pipeline = pipeline | sync
    for item in pipeline.transform(source):
        if item == 2:
            break
    gc.collect()
    assert (source.pulled, source.closes) == (3, 1)


def test_describe_names_the_step_that_blocks_streaming():
    """#13126, #11998: a step that is no generator silently blocks the stream."""
    lines = (sync | RunnableLambda(str, name="whole") | sync).describe().splitlines()
    assert ["blocks" in line for line in lines] == [False, True, False]
    assert "RunnableLambda(whole)" in lines[1]


@pytest.mark.parametrize("chunks", [[{"a": 1}, {"b": 2}], [1, 2], ["a", b"b"]])
def test_folding_loses_nothing_in_silence(chunks):
    """Dict chunks {"a": 1}, {"b": 2} ended as {"b": 2}; ints were added up."""

    def emit(_):
        yield from chunks

    with pytest.raises(TypeError, match="no rule folds the 2 chunks of RunnableGenerator"):
        RunnableGenerator(emit).invoke("x")
    with pytest.raises(TypeError, match="no rule folds the 2 chunks of RunnableGenerator"):
        asyncio.run(RunnableGenerator(emit).ainvoke("x"))


def test_an_empty_stream_is_a_result_and_no_failure():
    def nothing(chunks: Iterator[str]) -> Iterator[str]:
        yield from ()

    chain = RunnableGenerator(nothing) | RunnableLambda(len)
    assert chain.invoke("x") == 0
    assert asyncio.run(chain.ainvoke("x")) == 0


def test_text_is_joined_once_and_not_added_up_chunk_by_chunk():
    """langchain-ai/langchainjs#11148, PR 31231, open-webui/open-webui#28817: quadratic in the length."""

    class Text(str):
        def __add__(self, other):
            raise AssertionError("added up")

        __radd__ = __add__

    def emit(_):
        for _ in range(100):
            yield Text("ab")

    assert RunnableGenerator(emit).invoke("x") == "ab" * 100
    assert asyncio.run(RunnableGenerator(emit).ainvoke("x")) == "ab" * 100


def test_a_sync_generator_stage_works_under_async():
    """langchain-ai/langserve#344, #17315."""
    where = set()

    def shout(chunks):
        for chunk in chunks:
            where.add(threading.current_thread())
            yield chunk.upper()

    async def main():
        chain = RunnableGenerator(shout)
        assert [chunk async for chunk in chain.astream("abc")] == ["ABC"]
        assert [chunk async for chunk in chain.atransform(AsyncSource(["a", "b"], waits=1))] == ["A", "B"]
        assert await chain.ainvoke("abc") == "ABC"
        assert await (chain | chain).ainvoke("abc") == "ABC"
        assert threading.current_thread() not in where

    run(main)


def test_invoke_under_ainvoke_runs_in_a_thread():
    async def main():
        assert (
            await RunnableLambda(lambda _: threading.current_thread()).ainvoke(1)
            != threading.current_thread()
        )

    run(main)


def test_a_chunk_may_be_waited_for_with_a_timeout():
    """No cancel, no per-token timeout: langchain-ai/langchainjs#3096, #10411, BerriAI/litellm#4050."""
    closed = []

    async def slow(chunks):
        try:
            async for chunk in chunks:
                yield chunk
                await asyncio.Event().wait()
        finally:
            closed.append("stage")

    async def main():
        source = AsyncSource(count(), waits=1)
        stream = (RunnableGenerator(slow) | async_).atransform(source)
        assert await asyncio.wait_for(anext(stream), 60) == 0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.001)
        assert (source.closes, closed) == (1, ["stage"])

    run(main)


def test_no_task_is_left_after_a_failing_branch():
    """PR 39851: orphaned tasks."""
    ended = []

    async def call(number):
        try:
            if number == 2:
                raise ValueError("two")
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def main():
        with pytest.raises(ValueError, match="two"):
            async for _ in RunnableLambda(call).abatch_as_completed(range(5), {"max_concurrency": 5}):
                pass
        assert len(asyncio.all_tasks()) == 1

    run(main)
    assert 2 in ended


def test_max_concurrency_holds_when_batches_are_nested():
    """#29425, #15767."""
    running, most, lock = 0, 0, threading.Lock()

    def call(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return number

    inner = RunnableLambda(call)
    outer = RunnableLambda(lambda numbers: inner.batch(numbers, {"max_concurrency": 8}))
    assert outer.batch([[1, 2, 3, 4]] * 4, {"max_concurrency": 2}) == [[1, 2, 3, 4]] * 4
    assert most <= 2


def test_importing_loads_no_third_party_module():
    """#40236: hundreds of modules for an import."""
    code = (
        "import sys; before = set(sys.modules); import streamcore; new = {m.partition('.')[0] for m in sys.modules}"
        " - {m.partition('.')[0] for m in before}; print(sorted(new - set(sys.stdlib_module_names)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "['streamcore']"


def test_pure_async_composition_on_trio():
    trio = pytest.importorskip("trio")

    async def checkpoint(_):
        await trio.lowlevel.checkpoint()

    async def main():
        source = AsyncSource(count(1), wait=checkpoint)
        chain = async_ | ops.map(lambda number: number + 1) | async_ | ops.take(3)
        assert [item async for item in chain.atransform(source)] == [2, 3, 4]
        assert source.closes == 1
        source = AsyncSource(count(1), wait=checkpoint)
        stream = (async_ | async_).atransform(source)
        with trio.move_on_after(60) as scope:
            async for item in stream:
                if item == 5:
                    scope.cancel()
        assert source.closes == 1
        assert await RunnableLambda(atwice).ainvoke(4) == 8

    trio.run(main)
