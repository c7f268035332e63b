"""Random compositions of all that composes, against a function from text to text: every form of a call, every end."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from recorder import AsyncSource, Source

from streamcore import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    ops,
)

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "0"))
ROUNDS = max(8, int(2000 * SCALE))


@dataclass
class Part:
    """A Runnable from text to text and what it does, on the whole text."""

    runnable: Runnable[Any, Any]
    oracle: Any


def shouted(chunks) -> Iterator[str]:
    for chunk in chunks:
        yield chunk.upper()


async def ashouted(chunks) -> AsyncIterator[str]:
    async for chunk in chunks:
        yield chunk.upper()


def doubled(chunks) -> Iterator[str]:
    for chunk in chunks:
        yield "".join(character * 2 for character in chunk)


def backwards(text):
    return text[::-1]


async def abackwards(text):
    return text[::-1]


def letters(text) -> Iterator[str]:
    yield from text


async def aletters(text) -> AsyncIterator[str]:
    for letter in text:
        yield letter


def is_long(text):
    return len(text) > 5


async def ais_long(text):
    return len(text) > 5


class Marked(Runnable[str, str]):
    def transform(self, input, config=None, *, mark="!"):
        for chunk in input:  # noqa: UP028 - that would close the source, too
            yield chunk
        yield mark


def gone(text):
    return text.replace("x", "")


def same(text):
    return text


SIMPLE = [
    Part(RunnableGenerator(shouted), str.upper),
    Part(RunnableGenerator(shouted, ashouted), str.upper),
    Part(RunnableGenerator(ashouted), str.upper),
    Part(RunnableGenerator(doubled), lambda text: "".join(character * 2 for character in text)),
    Part(RunnableLambda(backwards), backwards),
    Part(RunnableLambda(backwards, abackwards), backwards),
    Part(RunnableLambda(abackwards), backwards),
    Part(RunnableLambda(letters, aletters), same),
    Part(RunnableLambda(lambda text: RunnableLambda(backwards)), backwards),
    Part(RunnablePassthrough(), same),
    Part(RunnablePassthrough(len), same),
    Part(Marked(), lambda text: text + "!"),
    Part(Marked().bind(mark="?"), lambda text: text + "?"),
    Part(RunnableGenerator(shouted).with_config(tags=["a"]), str.upper),
    Part(RunnableLambda(letters).with_fold("".join), same),
    # items: what passes here does so for every cut of a text
    Part(RunnableLambda(letters, aletters) | ops.filter(lambda letter: letter != "x"), gone),
    Part(RunnableLambda(letters, aletters) | ops.take(4), lambda text: text[:4]),
    Part(RunnableLambda(letters) | ops.buffer(2), same),
]


def composed(rng: random.Random, depth: int) -> Part:
    kind = rng.choice(
        ["simple"] * 3 + ["chain"] * 3 + ["branch", "router", "binding", "parallel", "assign"]
        if depth
        else ["simple"]
    )
    if kind == "simple":
        return rng.choice(SIMPLE)
    parts = [composed(rng, depth - 1) for _ in range(rng.randint(2, 4) if kind == "chain" else 2)]
    first, second = parts[0], parts[1]
    if kind == "chain":
        return Part(
            first.runnable.pipe(*(part.runnable for part in parts[1:])),
            lambda text: [text := part.oracle(text) for part in parts][-1],
        )
    if kind == "branch":
        condition = rng.choice([is_long, ais_long])
        return Part(
            RunnableBranch((condition, first.runnable), second.runnable),
            lambda text: (first if is_long(text) else second).oracle(text),
        )
    if kind == "router":
        router = RouterRunnable({True: first.runnable, False: second.runnable})
        return Part(
            RunnableLambda(lambda text: {"key": is_long(text), "input": text}) | router,
            lambda text: (first if is_long(text) else second).oracle(text),
        )
    if kind == "parallel":
        both = RunnableParallel({"a": first.runnable, "b": second.runnable}, ordered=rng.random() < 0.7)
        return Part(
            both | RunnableLambda(lambda made: made["a"] + made["b"]),
            lambda text: first.oracle(text) + second.oracle(text),
        )
    if kind == "assign":
        assigned = RunnableParallel(text=RunnablePassthrough()).assign(
            made=RunnablePick("text") | first.runnable, ordered=rng.random() < 0.7
        )
        return Part(
            assigned | RunnableLambda(lambda whole: whole["text"] + whole["made"]),
            lambda text: text + first.oracle(text),
        )
    return Part(first.runnable.bind(), first.oracle)


def cut(rng: random.Random, text: str) -> list[str]:
    places = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 4)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


async def alisted(stream):
    return [chunk async for chunk in stream]


def folded(part: Part, chunks: list[str]) -> Any:
    return part.runnable.collect(chunks)


def check(seed: int) -> None:
    rng = random.Random(seed)
    part = composed(rng, 3)
    text = "".join(rng.choices("abcx ", k=rng.randint(1, 9)))
    wanted, fragments = part.oracle(text), cut(rng, text)
    stage, ends_early = part.runnable, rng.randint(0, 2)
    if type(stage) is Marked:  # a generator function does not close what it iterates over; a chain does
        stage |= RunnablePassthrough()

    assert stage.invoke(text) == wanted
    assert folded(part, list(stage.stream(text))) == wanted
    source = Source(fragments)
    assert folded(part, list(stage.transform(source))) == wanted
    assert source.closed == 1
    source = Source(fragments)
    stream = stage.transform(source)
    for _ in zip(range(ends_early), stream, strict=False):
        pass
    stream.close()
    assert source.closed == 1

    async def main() -> None:
        assert await stage.ainvoke(text) == wanted
        assert folded(part, await alisted(stage.astream(text))) == wanted
        source = AsyncSource(fragments)
        assert folded(part, await alisted(stage.atransform(source))) == wanted
        assert source.closed == 1
        source = AsyncSource(fragments)
        stream = stage.atransform(source)
        for _ in range(ends_early):
            if await anext(stream, None) is None:
                break
        await stream.aclose()
        assert source.closed == 1
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize("share", range(8))
def test_random_compositions_do_what_their_parts_do(share):
    for seed in range(SEED + share, SEED + ROUNDS, 8):
        try:
            check(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}: {composed(random.Random(seed), 3).runnable!r}")
            raise
