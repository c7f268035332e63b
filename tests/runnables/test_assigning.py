"""RunnableAssign: what it gives and when, what it holds, its folds, its ends."""

from __future__ import annotations

import asyncio
import pickle
import threading
from itertools import count
from types import MappingProxyType

import pytest
from closing import aleave, leave
from recorder import AsyncSource, Source, listed

from streamcore import (
    AddableDict,
    RunnableAssign,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    ops,
)
from streamcore.testing import check_laws


def loud(chunks):
    for chunk in chunks:
        if "text" in chunk:
            yield chunk["text"].upper()


async def aloud(chunks):
    async for chunk in chunks:
        if "text" in chunk:
            yield chunk["text"].upper()


def size(whole):
    return len(whole["text"])


async def asize(whole):
    return len(whole["text"])


Loud = RunnableGenerator(loud, aloud)
Size = RunnableLambda(size, asize)
Both = RunnablePassthrough.assign(loud=Loud, size=Size)
Parted = ops.flat_map(lambda text: [AddableDict(text=letter) for letter in text])


def texts(letters):
    return [AddableDict(text=letter) for letter in letters]


def test_invoke_gives_the_merged_mapping():
    whole = {"text": "ab", "size": None, "more": 1}
    merged = {"text": "ab", "size": 2, "more": 1, "loud": "AB"}
    assert Both.invoke(whole) == merged
    assert whole == {"text": "ab", "size": None, "more": 1}
    assert asyncio.run(Both.ainvoke(whole)) == merged
    assert Both.batch([whole, {"text": ""}]) == [merged, {"text": "", "size": 0, "loud": ""}]
    assert Both.invoke(MappingProxyType({"text": "ab"})) == {"text": "ab", "size": 2, "loud": "AB"}
    for only in (RunnableLambda(size), RunnableLambda(asize)):
        stage = RunnablePassthrough.assign(size=only)
        assert stage.invoke({"text": "ab"}) == {"text": "ab", "size": 2}
        assert asyncio.run(stage.ainvoke({"text": "ab"})) == {"text": "ab", "size": 2}
        assert list(stage.stream({"text": "ab"})) == [{"text": "ab"}, {"size": 2}]
        assert asyncio.run(listed(stage.astream({"text": "ab"}))) == [{"text": "ab"}, {"size": 2}]


def test_what_makes_it():
    assert isinstance(Both, RunnableAssign)
    assert isinstance(RunnablePassthrough().assign(size=size), RunnableAssign)
    assert RunnableAssign({"size": size}).invoke({"text": "a"}) == {"text": "a", "size": 1}
    seen = []
    tapped = RunnablePassthrough(seen.append).assign(size=size)
    assert tapped.invoke({"text": "a"}) == {"text": "a", "size": 1}
    assert seen == [{"text": "a"}]
    chain = (
        RunnableLambda(lambda text: {"text": text}).assign(size=size).assign(twice=lambda x: 2 * x["size"])
    )
    assert isinstance(chain, RunnableSequence)
    assert chain.invoke("ab") == {"text": "ab", "size": 2, "twice": 4}
    assert RunnablePassthrough.assign(stage=size, self=size).invoke({"text": ""}) == {
        "text": "",
        "stage": 0,
        "self": 0,
    }
    for wrong in (Loud, size, 3):
        with pytest.raises(TypeError):
            RunnableAssign(wrong)
    stage = RunnableAssign(RunnableParallel(size=size))
    assert repr(stage) == "RunnableAssign(RunnableParallel(size=RunnableLambda(size)))"
    assert pickle.loads(pickle.dumps(stage)).invoke({"text": "a"}) == {"text": "a", "size": 1}
    assert list(pickle.loads(pickle.dumps(stage)).stream({"text": "a"})) == [{"text": "a"}, {"size": 1}]


def test_the_input_goes_on_at_once_and_the_assigned_keys_follow():
    items = [
        AddableDict(text="a", size=None),
        AddableDict(loud="x"),
        AddableDict(),
        AddableDict(text="b", n=1),
    ]
    wanted = [{"text": "a"}, {"text": "b", "n": 1}, {"loud": "A"}, {"size": 2}, {"loud": "B"}]
    source = Source(items)
    stream = Both.transform(source)
    assert next(stream) == {"text": "a"}
    assert source.pulled == 1
    rest = list(stream)
    assert [{"text": "a"}, *rest] == wanted
    assert source.closed == 1
    assert all(type(chunk) is AddableDict for chunk in rest)

    async def main():
        source = AsyncSource(items)
        stream = Both.atransform(source)
        first = await anext(stream)
        assert source.pulled == 1
        got = [first, *[chunk async for chunk in stream]]
        assert source.closed == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return got

    assert asyncio.run(main()) == wanted
    assert Both.collect(map(AddableDict, wanted)) == {"text": "ab", "n": 1, "loud": "AB", "size": 2}


def test_what_is_no_mapping_is_refused_in_every_form():
    for input in ("text", 3, [("text", "a")], None):
        said = f"takes mappings, got {type(input).__name__}"
        for call in (
            lambda input=input: Both.invoke(input),
            lambda input=input: list(Both.stream(input)),
            lambda input=input: list(Both.transform([input])),
            lambda input=input: asyncio.run(Both.ainvoke(input)),
            lambda input=input: asyncio.run(listed(Both.astream(input))),
            lambda input=input: (RunnablePassthrough() | Both).invoke(input),
        ):
            with pytest.raises(TypeError, match=said) as caught:
                call()
            (note,) = caught.value.__notes__
            assert note.startswith(f"in {Both!r}")
    source = Source([{"text": "a"}, 3])
    stream = Both.transform(source)
    assert next(stream) == {"text": "a"}
    with pytest.raises(TypeError):
        next(stream)
    assert source.closed == 1
    listed_before = ops.map(lambda letter: {"text": letter}) | Both  # whose fold is a list
    with pytest.raises(TypeError, match="takes mappings, got list"):
        listed_before.invoke(["a", "b"])


def test_folds():
    chain = RunnableParallel(text=RunnablePassthrough().with_fold("last"), size=str) | Both
    assert chain.invoke("ab") == {"text": "ab", "size": 2, "loud": "AB"}
    assert chain.collect(chain.transform(["a", "b"])) == {"text": "b", "size": 1, "loud": "AB"}
    parted = RunnableGenerator(lambda _: iter(texts("abc"))) | Both
    assert parted.invoke(1) == {"text": "abc", "size": 3, "loud": "ABC"}
    assert asyncio.run(parted.ainvoke(1)) == {"text": "abc", "size": 3, "loud": "ABC"}
    assert list(RunnablePassthrough.assign(n=len).transform([])) == [{"n": 0}]
    assert RunnablePassthrough.assign(n=len).collect([]) == {"n": None}
    assert list(RunnablePassthrough.assign().stream({})) == []
    assert RunnablePassthrough.assign().invoke({}) == RunnablePassthrough.assign().collect([]) == {}


def test_keyword_arguments_reach_the_branches():
    def times(whole, *, n=1):
        return whole["text"] * n

    stage = RunnablePassthrough.assign(many=times)
    assert stage.invoke({"text": "x"}, n=2)["many"] == "xx"
    assert list(stage.stream({"text": "x"}, n=3)) == [{"text": "x"}, {"many": "xxx"}]


def test_what_it_holds_of_an_endless_input_is_bounded():
    stage = RunnablePassthrough.assign(loud=Loud)
    config = {"buffer_size": 3}

    def endless(key):
        return ({key: str(number)} for number in count())

    source = Source(endless("text"))
    stream = stage.transform(source, config)
    got = [next(stream) for _ in range(101)]
    assert [chunk["text"] for chunk in got if "text" in chunk] == [str(number) for number in range(52)]
    assert [chunk["loud"] for chunk in got if "loud" in chunk] == [str(number) for number in range(49)]
    stream.close()
    assert source.closed == 1

    async def main():
        source = AsyncSource(endless("text"))
        stream = stage.atransform(source, config)
        again = [await anext(stream) for _ in range(101)]
        await stream.aclose()
        assert source.closed == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return again

    assert asyncio.run(main()) == got
    # of which nothing goes on
    stream = RunnablePassthrough.assign(text=Loud).transform(Source(endless("text")), config)
    assert [next(stream)["text"] for _ in range(50)] == [str(number) for number in range(50)]
    stream.close()


STAGES = [
    Both,
    RunnablePassthrough.assign(size=Size),
    RunnablePassthrough.assign(text=Loud | str.lower, loud=ops.take(1)),
    RunnablePassthrough.assign(a=Both, b=ops.buffer(2)),
]


def test_closed_or_dropped_anywhere():
    threads = threading.active_count()
    for stage in STAGES:
        for taken in (0, 1, 3, 7, 12):
            for closing in (False, True):
                leave(stage, Source(texts("abcdef")), taken, closing)
                asyncio.run(aleave(stage, AsyncSource(texts("abcdef")), taken, closing))
    assert threading.active_count() == threads


def test_cancelled_anywhere():
    async def main(stage, turns):
        source = AsyncSource(texts("abc"), waits=1)
        task = asyncio.create_task(listed(stage.atransform(source, {"buffer_size": 2})))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert source.closes == (1 if turns else 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for stage in STAGES:
        for turns in range(61):
            asyncio.run(main(stage, turns))


def test_source_fails_after_what_came_before():
    for good in range(4):
        got = []
        source = Source(texts("abc"[:good]), ConnectionResetError("broke"))
        stage = RunnablePassthrough.assign(loud=Loud, size=Size)
        with pytest.raises(ConnectionResetError) as caught:
            got.extend(stage.transform(source))
        assert caught.value.__notes__ == [f"in the source of {stage!r}"]
        assert source.closed == 1

        async def main(good=good):
            source = AsyncSource(texts("abc"[:good]), ConnectionResetError("broke"), OSError("close"))
            again = []
            with pytest.raises(ConnectionResetError):
                async for chunk in Both.atransform(source):
                    again.append(chunk)  # noqa: PERF401
            assert source.closed == 1
            return again

        assert got == asyncio.run(main()) == texts("abc"[:good])


def test_a_branch_fails_and_all_is_closed_first():
    seen = []

    def boom(whole):
        raise KeyError(whole["text"])

    def watched(chunks):
        try:
            yield from map(str, chunks)
        finally:
            seen.append("closed")

    stage = RunnablePassthrough.assign(a=watched, b=boom)
    source = Source(texts("ab"))
    got = []
    with pytest.raises(KeyError) as caught:
        for chunk in stage.transform(source):
            got.append(chunk)  # noqa: PERF402
    assert got == [*texts("ab"), {"a": "{'text': 'a'}"}]
    assert caught.value.__notes__ == ["in RunnableLambda(boom)"]
    assert seen == ["closed"]
    assert source.closed == 1
    for call in (stage.invoke, lambda x: asyncio.run(stage.ainvoke(x))):
        with pytest.raises(KeyError) as caught:
            call({"text": "a"})
        assert caught.value.__notes__ == ["in RunnableLambda(boom)"]


def test_laws():
    samples = [{"text": "ab"}, {"text": "", "size": 3}, {"text": "x", "more": [1]}]
    for stage in (*STAGES[:2], Both | Both, Both.pick(["text", "loud"])):
        assert check_laws(stage, samples).total > 20
    taken = RunnablePassthrough.assign(first=ops.take(1))  # no iterable: in all forms the same
    check_laws(taken, samples, laws=["completeness", "order"])
    check_laws(Both.with_timeout(60), samples[:1])
