"""Branches that take turns, against an oracle of lists: the order of their chunks, and how far the source is ahead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import AsyncSource, Source

from streamcore import (
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    ops,
)

END = -1


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


def doubled(text):
    return text * 2


async def adoubled(text):
    return text * 2


def joined(items):
    return "".join(items)


async def ajoined(items):
    return "".join(items)


Shout = RunnableGenerator(shout, ashout)
Pairs = RunnableGenerator(pairs, apairs)
Joined = RunnableLambda(joined, ajoined)
Doubled = RunnableLambda(doubled, adoubled)


@dataclass
class Branch:
    """``gives``: of all items the chunks, each with how many of the items it needs, and what the end needs."""

    runnable: Any
    gives: Any
    holds: bool = False  # its first step waits
    streams: bool = False  # a chunk for each item
    asks: bool = (
        False  # for several items in one pull, or ends without: what others give meanwhile is not modelled
    )


def folding(make):
    return lambda items: [(END, make("".join(items))), (END, None)]


def of_pairs(items):
    ends = range(2, len(items) + 1, 2)
    given = [(end, "".join(items[end - 2 : end])) for end in ends]
    return [*given, *([(END, items[-1])] if len(items) % 2 else []), (END, None)]


def of_three(make):
    def gives(items):
        end = 3 if len(items) >= 3 else END
        return [(end, make("".join(items[:3]))), (end, None)]

    return gives


BRANCHES = [
    Branch(RunnablePassthrough(), lambda items: [*enumerate(items, 1), (END, None)], streams=True),
    Branch(Shout, lambda items: [*enumerate(map(str.upper, items), 1), (END, None)], streams=True),
    Branch(Pairs, of_pairs, asks=True),
    Branch(Doubled, folding(doubled), holds=True),
    Branch(Doubled | Shout, folding(lambda text: doubled(text).upper()), holds=True),
    Branch(Doubled.with_retry(), folding(doubled), holds=True),
    Branch(RunnableBranch((bool, Doubled), Doubled), folding(doubled), holds=True),
    Branch(Shout | Doubled, folding(lambda text: doubled(text).upper())),
    Branch(Pairs | Shout | Doubled | Doubled, folding(lambda text: (text * 4).upper()), asks=True),
    Branch(Shout.with_retry() | Doubled | Shout, folding(lambda text: doubled(text).upper())),
    Branch(Shout | ops.take(3) | Joined | Doubled, of_three(lambda text: doubled(text).upper()), asks=True),
]


def oracle(branches, items, capacity):
    """What is given, in order: (which branch, chunk)."""
    given = []
    rest = [branch.gives(items) for branch in branches]
    taken = [0] * len(branches)
    pulled, ended = 0, False

    def run(at):
        """Whether it gives a chunk or ends; else it has taken all that is there, and asks."""
        needed, chunk = rest[at][0]
        taken[at] = pulled if needed == END else max(taken[at], min(pulled, needed))
        if not (ended if needed == END else taken[at] >= needed):
            return False
        rest[at].pop(0)
        if chunk is not None:
            given.append((at, chunk))
        return True

    while any(rest):
        for at, branch in enumerate(branches):
            while rest[at]:
                if (ended or not branch.holds) and run(at):
                    break
                full = [
                    other
                    for other, each in enumerate(branches)
                    if other != at and rest[other] and not each.holds and pulled - taken[other] >= capacity
                ]
                if full:
                    run(full[0])
                elif pulled < len(items):
                    pulled += 1
                else:
                    ended = True
    return given


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(BRANCHES), max_size=3),
    st.lists(st.sampled_from(["a", "bc", "d"]), min_size=1, max_size=20),
    st.integers(1, 4),
)
def test_the_order_is_that_of_the_oracle(branches, items, capacity):
    branches.insert(
        len(branches) // 2, BRANCHES[0]
    )  # else none may stream, and the whole input comes as one chunk
    stage = RunnableParallel({str(at): branch.runnable for at, branch in enumerate(branches)})
    wanted = oracle(branches, items, capacity)
    got = []
    given = [0] * len(branches)
    source = Source(items)
    for chunk in stage.transform(source, {"buffer_size": capacity}):
        [(key, value)] = chunk.items()
        given[int(key)] += 1
        got.append((int(key), value))
        for branch, count_of in zip(branches, given, strict=True):
            assert not branch.streams or source.pulled - count_of <= capacity + 2
    exact = not any(branch.asks for branch in branches)
    assert ordered(got, exact) == ordered(wanted, exact)
    assert source.closed == 1

    async def main():
        source = AsyncSource(items)
        stream = stage.atransform(source, {"buffer_size": capacity})
        got = [next(iter(chunk.items())) async for chunk in stream]
        assert source.closed == 1
        return [(int(key), value) for key, value in got]

    assert ordered(asyncio.run(main()), exact) == ordered(wanted, exact)


def ordered(given, exact):
    """As it is, or that of each branch by itself."""
    return given if exact else sorted(given, key=lambda each: each[0])


@pytest.mark.parametrize("capacity", [1, 3])
@pytest.mark.parametrize("folding", [branch.runnable for branch in BRANCHES[3:10]], ids=repr)
def test_a_branch_that_folds_lets_no_other_one_fall_behind(folding, capacity):
    """The source has no end: whatever were held of it would grow."""
    stage = RunnableParallel(a=folding, b=Shout, c=Pairs | folding)
    source = Source(map(str, count()))
    stream = stage.transform(source, {"buffer_size": capacity})
    for number in range(200):
        assert next(stream) == {"b": str(number)}
        assert source.pulled <= number + 4 + capacity
    stream.close()
    assert source.closed == 1

    async def main():
        source = AsyncSource(map(str, count()))
        stream = stage.atransform(source, {"buffer_size": capacity})
        for number in range(200):
            assert await anext(stream) == {"b": str(number)}
            assert source.pulled <= number + 4 + capacity
        await stream.aclose()
        assert source.closed == 1

    asyncio.run(main())


@pytest.mark.parametrize("good", range(6))
def test_an_error_before_the_step_that_waits(good):
    """It is raised in its place: caught by a step behind that, and else after what came before it."""

    def fails(chunks):
        for at, chunk in enumerate(chunks):
            if at == good:
                raise KeyError("boom")
            yield chunk

    async def afails(chunks):
        at = 0
        async for chunk in chunks:
            if at == good:
                raise KeyError("boom")
            at += 1
            yield chunk

    broken = RunnableGenerator(fails, afails)
    caught = broken | Doubled | ops.catch(KeyError, lambda error: ["caught"])
    source = Source("abcdef")
    stage = RunnableParallel(a=caught, b=Shout)
    assert stage.collect(stage.transform(source, {"buffer_size": 2})) == {"a": "caught", "b": "ABCDEF"}
    assert source.closed == 1
    stage, source, got = RunnableParallel(a=Shout, b=broken | Doubled), Source("abcdef"), []
    with pytest.raises(KeyError) as error:
        for chunk in stage.transform(source, {"buffer_size": 2}):
            got.append(chunk["a"])  # noqa: PERF401
    assert error.value.__notes__ == [f"in {broken!r}, stage 1 of 2"]
    assert got == list("ABCDEF"[: max(1, good - 1)])  # two are held for it when it fails
    assert source.closed == 1

    async def main():
        source, again = AsyncSource("abcdef"), []
        with pytest.raises(KeyError):
            async for chunk in stage.atransform(source, {"buffer_size": 2}):
                again.append(chunk["a"])  # noqa: PERF401
        assert source.closed == 1
        return again

    assert asyncio.run(main()) == got
