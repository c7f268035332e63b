"""describe(): a line for each stage, its parts below it, and which one holds back the first chunk."""

from __future__ import annotations

from streamcore import (
    Lines,
    RouterRunnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    ops,
)
from streamcore import RunnablePassthrough as Passed


def shout(chunks):
    yield from chunks


async def ashout(chunks):
    async for chunk in chunks:
        yield chunk


async def asize(text):
    return len(text)


Shout = RunnableGenerator(shout, ashout)
Size = RunnableLambda(len, asize)
SHOUT = "RunnableGenerator(shout): streams"
BLOCKS = "RunnableLambda(len): blocks: waits for its whole input, gives one chunk"
ONE = "RunnableLambda(len): gives one chunk"


def lines(stage):
    return stage.describe().splitlines()


def test_where_a_stage_runs():
    assert lines(Shout) == [SHOUT]
    assert lines(RunnableGenerator(shout)) == [f"{SHOUT}; in async calls in a thread"]
    assert lines(RunnableGenerator(ashout)) == [
        "RunnableGenerator(ashout): streams; in sync calls on a loop of its own"
    ]
    assert lines(Lines()) == ["Lines(): streams"]


def test_operators_that_read_ahead():
    ahead = "runs those before it in a thread or task; reads ahead by"
    for stage, said in (
        (ops.buffer(64), f"{ahead} 64"),
        (ops.buffer(3, overflow="error"), f"{ahead} 3"),
        (ops.conflate(max), f"{ahead} 1"),
        (ops.debounce(1), f"{ahead} 1"),
        (ops.group(seconds=1), f"{ahead} one list"),
        (ops.map(len, concurrency=4), "4 calls at once in threads or tasks; reads ahead by 4"),
        (ops.flat_map(len, concurrency=2), "2 iterables at once in threads or tasks; reads ahead by 2"),
        (ops.timeout(1), "in sync calls runs those before it in a thread"),
    ):
        assert lines(stage) == [f"{stage!r}: streams; {said}"]
    for stage in (ops.map(len), ops.flat_map(len), ops.group(2), ops.take(1)):
        assert lines(stage) == [f"{stage!r}: streams"]
    assert lines(ops.merge(Shout, Shout)) == [
        "ops.merge: streams; each part in a thread or task; reads ahead by 64",
        f"  1: {SHOUT}",
        f"  2: {SHOUT}",
    ]


def test_what_holds_back_the_first_chunk_is_the_last_that_waits():
    holds = "; holds back the first chunk"
    assert lines(Shout | Size | Shout | Size | Shout) == [SHOUT, BLOCKS, SHOUT, BLOCKS + holds, SHOUT]
    assert lines(Shout | Shout) == [SHOUT, SHOUT]
    assert lines(Size | Shout) == [ONE + holds, SHOUT]
    assert lines(Size | Shout | Size) == [ONE, SHOUT, BLOCKS + holds]
    assert lines(Size) == [ONE]
    partly = Shout | RunnableParallel(a=Size, b=Shout)
    assert not any(holds in line for line in lines(partly))
    wholly = Shout | RunnableParallel(a=Size, b=Size)
    assert [holds in line for line in lines(wholly)] == [False, True, False, False]


def test_parts_are_indented_below_what_is_made_of_them():
    assert lines(Shout | RunnableParallel(a=Size, b=Shout | Shout | {"c": Shout})) == [
        SHOUT,
        "RunnableParallel: streams; branches take turns",
        f"  a: {BLOCKS}",
        "  b:",
        f"    {SHOUT}",
        f"    {SHOUT}",
        "    RunnableParallel: streams; branches take turns",
        f"      c: {SHOUT}",
    ]
    assert lines(RunnableParallel(a={"b": Size}, ordered=False)) == [
        "RunnableParallel: streams; each branch in a thread or task, which reads ahead by buffer_size",
        "  a: RunnableParallel: streams; branches take turns",
        f"    b: {ONE}",
    ]
    assert lines(Passed.assign(size=Size)) == [
        "RunnableAssign: streams; the input goes on at once, then the branches; branches take turns",
        f"  size: {ONE}",
    ]
    assert lines(Shout | RunnableBranch((len, Shout), Size)) == [
        SHOUT,
        "RunnableBranch: waits for its whole input, then streams; holds back the first chunk",
        f"  if RunnableLambda(len): {SHOUT}",
        f"  else: {ONE}",
    ]
    assert lines(RouterRunnable({"k": Size})) == ["RouterRunnable: streams", f"  'k': {ONE}"]
    assert lines(Size.map()) == ["RunnableEach: gives one chunk", f"  each: {ONE}"]


def test_what_wraps_another_one():
    for stage, first, name in (
        (
            Shout.with_retry(stop_after_attempt=5),
            "RunnableRetry: streams; 5 attempts at most",
            "each attempt",
        ),
        (
            Shout.with_timeout(5, chunk_timeout=1),
            "RunnableTimeout: streams; timeout 5 s; chunk_timeout 1 s; in sync calls in a thread",
            "within",
        ),
        (Shout.bind(n=1), "RunnableBinding: streams; kwargs={'n': 1}", "bound"),
        (
            Shout.with_config(timeout=3),
            "RunnableBinding: streams; config={'timeout': 3}; in sync calls in a thread",
            "bound",
        ),
    ):
        assert lines(stage) == [first, f"  {name}: {SHOUT}"]
    assert lines(Lines() | Shout.with_fallbacks([Size, Shout]))[1:] == [
        "RunnableWithFallbacks: streams",
        f"  first: {SHOUT}",
        f"  fallback 1: {BLOCKS}",
        f"  fallback 2: {SHOUT}",
    ]
