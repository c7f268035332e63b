"""RunnableParallel: the order of its chunks, what it holds, its ends, its folds."""

from __future__ import annotations

import asyncio
import pickle
import threading
from itertools import count

import pytest
from closing import aleave, leave
from recorder import AsyncSource, Source, listed

from streamcore import (
    AddableDict,
    Lines,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableMap,
    RunnableParallel,
    RunnablePassthrough,
    coerce_to_runnable,
    ops,
)
from streamcore.testing import check_laws


def shout(chunks):
    for chunk in chunks:
        yield chunk.upper()


async def ashout(chunks):
    async for chunk in chunks:
        yield chunk.upper()


def pairs(chunks):
    for chunk in chunks:
        yield chunk + next(chunks, "")


async def apairs(chunks):
    async for chunk in chunks:
        yield chunk + await anext(chunks, "")


def whole(chunks):
    yield "".join(chunks)


async def awhole(chunks):
    yield "".join([chunk async for chunk in chunks])


def silent(chunks):
    for _ in chunks:
        yield from ()


async def asilent(chunks):
    async for _ in chunks:
        for nothing in ():
            yield nothing


def doubled(text):
    return text * 2


async def adoubled(text):
    return text * 2


Shout = RunnableGenerator(shout, ashout)
Pairs = RunnableGenerator(pairs, apairs)
Whole = RunnableGenerator(whole, awhole)
Silent = RunnableGenerator(silent, asilent)
Doubled = RunnableLambda(doubled, adoubled)
Passed = RunnablePassthrough()


def sync_chunks(stage, source, config=None):
    return [next(iter(chunk.items())) for chunk in stage.transform(source, config)]


def async_chunks(stage, items, config=None):
    async def main():
        source = AsyncSource(items)
        chunks = [next(iter(chunk.items())) async for chunk in stage.atransform(source, config)]
        assert source.closed == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return chunks

    return asyncio.run(main())


def both(stage, items, config=None):
    """The chunks, which are the same in sync and async streams."""
    chunks = sync_chunks(stage, Source(items), config)
    assert async_chunks(stage, items, config) == chunks
    return chunks


# -- what it is


def test_invoke_gives_all_keys_and_streams_dicts_of_one():
    stage = RunnableParallel({"a": doubled}, b=Passed)
    assert stage.invoke("x") == {"a": "xx", "b": "x"}
    assert list(stage.stream("x")) == [{"a": "xx"}, {"b": "x"}]
    assert all(type(chunk) is AddableDict for chunk in stage.stream("x"))
    assert RunnableParallel(a=Doubled).batch(["x", "y"]) == [{"a": "xx"}, {"a": "yy"}]
    assert RunnableMap is RunnableParallel


def test_async_twins():
    stage = RunnableParallel(a=doubled, b=Passed, c=Doubled)

    async def main():
        assert await stage.ainvoke("x") == {"a": "xx", "b": "x", "c": "xx"}
        return await listed(stage.astream("x"))

    assert asyncio.run(main()) == [{"a": "xx"}, {"b": "x"}, {"c": "xx"}]


def test_coroutine_functions_in_sync_calls():
    stage = RunnableParallel(a=adoubled, b=Passed)
    assert stage.invoke("x") == {"a": "xx", "b": "x"}
    assert list(stage.stream("x")) == [{"a": "xx"}, {"b": "x"}]


def test_branches_of_invoke_run_at_once():
    meet = threading.Barrier(3)

    def waits(x):
        meet.wait(20)
        return x

    assert RunnableParallel(a=waits, b=waits, c=waits).invoke(1) == {"a": 1, "b": 1, "c": 1}
    one = threading.get_ident()

    def where(x):
        return threading.get_ident()

    assert RunnableParallel(a=where).invoke(1) == {"a": one}


def test_max_concurrency_bounds_the_branches():
    running, most, lock = 0, 0, threading.Lock()

    def counted(x):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    stage = RunnableParallel({str(key): counted for key in range(20)})
    stage.invoke(1, {"max_concurrency": 1})
    assert most == 1


def test_mappings_are_coerced():
    assert (Doubled | {"x": doubled, "y": Passed}).invoke("a") == {"x": "aaaa", "y": "aa"}
    assert ({"x": doubled} | RunnableLambda(len)).invoke("a") == 1
    assert isinstance(coerce_to_runnable({"a": doubled}), RunnableParallel)
    assert RunnableParallel(a={"b": doubled}).invoke("x") == {"a": {"b": "xx"}}
    with pytest.raises(TypeError, match="expected a Runnable"):
        RunnableParallel(a=3)
    with pytest.raises(TypeError, match="needs a mapping of Runnables, got int"):
        RunnableParallel(3)
    with pytest.raises(TypeError, match="must be str, got 1"):
        RunnableParallel({1: doubled})


def test_repr_describe_pickle():
    stage = RunnableParallel(a=doubled, b=Passed)
    assert repr(stage) == "RunnableParallel(a=RunnableLambda(doubled), b=RunnablePassthrough())"
    assert repr(RunnableParallel({"a b": Passed})) == "RunnableParallel({'a b': RunnablePassthrough()})"
    assert "  a: " in stage.describe()
    assert pickle.loads(pickle.dumps(stage)).invoke("x") == {"a": "xx", "b": "x"}


def test_no_branches():
    stage = RunnableParallel()
    assert stage.invoke(1) == {}
    assert list(stage.stream(1)) == []
    assert asyncio.run(stage.ainvoke(1)) == {}


# -- order


def test_branches_take_turns_and_those_that_ended_are_passed_over():
    stage = RunnableParallel(a=ops.take(1), b=Shout, c=Pairs)
    assert both(stage, "abcd") == [
        ("a", "a"),
        ("b", "A"),
        ("c", "ab"),
        ("b", "B"),
        ("c", "cd"),
        ("b", "C"),
        ("b", "D"),
    ]


def test_pulls_no_more_than_the_branch_in_turn_asks_for():
    source = Source(map(str, count()))
    stream = RunnableParallel(a=Shout, b=Passed).transform(source)
    for pulled in range(1, 20):
        assert next(stream).keys() == {"a"}
        assert source.pulled == pulled
        assert next(stream).keys() == {"b"}
        assert source.pulled == pulled
    stream.close()
    assert source.closed == 1


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("slow", [Whole, Doubled, Doubled | Shout])
def test_a_branch_that_waits_for_all_lets_the_full_one_go_first(slow, size):
    items = [str(number % 10) for number in range(100)]
    end = "".join(items) * (1 if slow is Whole else 2)
    config = {"buffer_size": size}
    stage = RunnableParallel(a=Passed, b=slow, c=Shout)
    chunks = both(stage, items, config)
    assert [chunk for key, chunk in chunks if key == "a"] == items
    assert [chunk for key, chunk in chunks if key == "c"] == items
    assert [chunk for key, chunk in chunks if key == "b"] == [end]
    assert chunks == sync_chunks(stage, items, config)
    # what the others have left when the input has ended comes after
    assert len(chunks) - chunks.index(("b", end)) <= 2 * size + 1


def test_a_branch_that_waits_holds_back_no_endless_source():
    async def endless():
        for number in count():
            yield str(number)

    stage = RunnableParallel(a=doubled, b=Shout)
    source = Source(map(str, count()))
    stream = stage.transform(source, {"buffer_size": 4})
    assert [next(stream)["b"] for _ in range(50)] == [str(number) for number in range(50)]
    assert source.pulled <= 55
    stream.close()
    assert source.closed == 1

    async def main():
        stream = RunnableParallel(a=Whole, b=Shout).atransform(endless(), {"buffer_size": 4})
        got = [(await anext(stream))["b"] for _ in range(50)]
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return got

    assert asyncio.run(main()) == [str(number) for number in range(50)]


def test_two_branches_that_take_all():
    items = [str(number % 10) for number in range(50)]
    stage = RunnableParallel(a=Whole, b=Whole, c=Shout)
    chunks = both(RunnableParallel(a=Whole, c=Shout), items, {"buffer_size": 2})
    assert ("a", "".join(items)) in chunks
    assert stage.collect(stage.transform(items, {"buffer_size": 2})) == dict.fromkeys("abc", "".join(items))
    assert ("b", "".join(items)) in async_chunks(stage, items, {"buffer_size": 2})


def test_a_branch_that_reads_ahead_in_a_thread():
    before = threading.active_count()
    items = [str(number) for number in range(300)]
    stage = RunnableParallel(a=ops.buffer(3), b=Shout, c=ops.buffer(2))
    chunks = sync_chunks(stage, items, {"buffer_size": 2})
    for key in "abc":
        assert [chunk for name, chunk in chunks if name == key] == items
    stream = stage.transform(map(str, count()), {"buffer_size": 2})
    for _ in range(30):
        next(stream)
    stream.close()
    assert threading.active_count() == before


# -- folds


def test_the_fold_has_every_key_each_by_its_own_rule():
    class Quiet(Runnable[str, str]):
        def transform(self, input, config=None):
            for _ in input:
                yield from ()

    last = Shout.with_fold("last")
    stage = RunnableParallel(a=Quiet(), b=Silent, c=ops.map(str.upper), d=last, e=Shout)
    wanted = {"a": "", "b": None, "c": ["A", "B"], "d": "B", "e": "AB"}
    assert stage.collect(stage.transform("ab")) == wanted
    assert (ops.map(str) | stage).invoke(["a", "b"]) == wanted


def test_a_branch_that_passes_on_folds_as_what_came_before():
    stage = ops.map(int) | RunnableParallel(a=Passed, b=ops.filter(bool), c=RunnableLambda(sum))
    assert stage.invoke(["1", "2", "0"]) == {"a": [1, 2, 0], "b": [1, 2], "c": 3}
    assert asyncio.run(stage.ainvoke(["1", "2", "0"])) == {"a": [1, 2, 0], "b": [1, 2], "c": 3}
    assert RunnableParallel(a=ops.filter(bool)).invoke([1, 0, 2]) == {"a": [1, 2]}


# -- ends

STAGES = [
    RunnableParallel(a=Shout, b=Passed),
    RunnableParallel(a=Whole, b=Pairs),
    RunnableParallel(a=Doubled, b=Shout, c=Pairs),
    RunnableParallel(a=ops.take(1), b=ops.take(2)),
    RunnableParallel(a=Shout, b=RunnableParallel(c=Shout, d=Doubled)),
]


@pytest.mark.parametrize("stage", STAGES, ids=range(len(STAGES)))
@pytest.mark.parametrize("taken", range(8))
def test_closed_or_dropped_anywhere(stage, taken):
    for closing in (True, False):
        leave(stage, Source("abcdef"), taken, closing)
        asyncio.run(aleave(stage, AsyncSource("abcdef"), taken, closing))


@pytest.mark.parametrize("stage", STAGES, ids=range(len(STAGES)))
@pytest.mark.parametrize("turns", [*range(20), 30, 40, 60])
def test_cancelled_anywhere(stage, turns):
    async def main():
        source = AsyncSource("abcdef", waits=1)

        async def consume():
            await listed(stage.atransform(source, {"buffer_size": 2}))

        task = asyncio.create_task(consume())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert source.closes == (1 if turns else 0)  # the close may be cancelled as well
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("good", range(5))
def test_source_fails_after_what_came_before(good):
    error = ConnectionResetError("broke")
    stage = RunnableParallel(a=Pairs, b=Shout)
    source = Source("abcd"[:good], error)
    got = []
    with pytest.raises(ConnectionResetError) as caught:
        got.extend(stage.transform(source))  # a list takes what comes before
    assert caught.value is error
    assert error.__notes__ == [f"in the source of {stage!r}"]
    assert source.closed == 1
    got = []
    with pytest.raises(ConnectionResetError):
        for chunk in stage.transform(Source("abcd"[:good], ConnectionResetError("broke"))):
            got.append(chunk)
    assert [chunk["b"] for chunk in got if "b" in chunk] == list("ABCD"[:good])

    async def main():
        source = AsyncSource("abcd"[:good], ConnectionResetError("broke"))
        again = []
        with pytest.raises(ConnectionResetError) as caught:
            async for chunk in stage.atransform(source):
                again.append(chunk)  # noqa: PERF401
        assert caught.value.__notes__ == [f"in the source of {stage!r}"]
        assert source.closed == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return again

    assert asyncio.run(main()) == got


@pytest.mark.parametrize("good", range(5))
def test_a_branch_fails_and_the_others_are_closed_first(good):
    seen = []

    def fails(chunks):
        for at, chunk in enumerate(chunks):
            if at == good:
                raise KeyError(seen == ["closed"])
            yield chunk

    def watched(chunks):
        try:
            yield from chunks
        finally:
            seen.append("closed")

    async def afails(chunks):
        at = 0
        async for chunk in chunks:
            if at == good:
                raise KeyError("boom")
            at += 1
            yield chunk

    async def awatched(chunks):
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            seen.append("closed")

    branch = RunnableGenerator(fails, afails)
    stage = RunnableParallel(a=RunnableGenerator(watched, awatched), b=branch)
    source, got = Source("abcdef"), []
    with pytest.raises(KeyError) as caught:
        for chunk in stage.transform(source):
            got.append(chunk)  # noqa: PERF402
    assert seen == ["closed"]
    assert source.closed == 1
    assert caught.value.__notes__ == [f"in {branch!r}"]
    assert got == [{key: char} for char in "abcd"[:good] for key in "ab"] + [{"a": "abcde"[good]}]

    async def main():
        source, again = AsyncSource("abcdef"), []
        with pytest.raises(KeyError) as caught:
            async for chunk in stage.atransform(source):
                again.append(chunk)  # noqa: PERF401
        assert source.closed == 1
        assert caught.value.__notes__ == [f"in {branch!r}"]
        return again

    seen.clear()
    assert asyncio.run(main()) == got
    assert seen == ["closed"]


def test_a_branch_fails_while_another_one_waits_for_an_endless_source():
    def fails(chunks):
        for at, chunk in enumerate(chunks):
            if at == 5:
                raise KeyError("boom")
            yield chunk

    source = Source(map(str, count()))
    got = []
    with pytest.raises(KeyError):
        for chunk in RunnableParallel(a=Whole, b=fails).transform(source, {"buffer_size": 2}):
            got.append(chunk)  # noqa: PERF402
    assert got == [{"b": str(number)} for number in range(5)]
    assert source.closed == 1


def test_errors_of_invoke_name_the_branch():
    def boom(x):
        raise KeyError(x)

    stage = RunnableParallel(a=Passed, b=boom)
    for call in (stage.invoke, lambda x: asyncio.run(stage.ainvoke(x)), lambda x: list(stage.stream(x))):
        with pytest.raises(KeyError) as caught:
            call("x")
        assert caught.value.__notes__ == ["in RunnableLambda(boom)"]


def test_keyword_arguments_reach_every_branch():
    def times(x, *, n=1):
        return x * n

    stage = RunnableParallel(a=times, b=times)
    assert stage.invoke("x", n=2) == {"a": "xx", "b": "xx"}
    assert list(stage.stream("x", n=3)) == [{"a": "xxx"}, {"b": "xxx"}]


# -- laws


@pytest.mark.parametrize(
    ("stage", "samples"),
    [
        (RunnableParallel(a=Shout, b=Passed), ["", "ab", "some words"]),
        (RunnableParallel(a=Lines(), b=Lines(keepends=True)), [b"", b"a\nb", b"a\n\nbc\n"]),
        (RunnableParallel(a=RunnableGenerator(shout), b=Shout), ["some words", "a b c"]),
        (RunnableParallel(a=doubled, b=Doubled), ["ab", ""]),
        (Shout | {"a": Shout, "b": {"c": Shout}}, ["ab", "some"]),
    ],
    ids=range(5),
)
def test_laws(stage, samples):
    shouts = any(branch is Shout for branch in getattr(stage, "branches", {"": Shout}).values())
    check_laws(stage, samples, cuts=20, flow=shouts or None)
