"""What an object serves itself: the facts that a chain asks for."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest
from foreign_stages import AsyncForeign, Foreign
from recorder import AsyncSource, Source

from streamcore import (
    Lines,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    ops,
)
from streamcore.runnables.function import coerce_to_runnable
from streamcore.runnables.written import METHODS, Written


def plain(value):
    return value


def generated(value):
    yield value


async def coroutine(value):
    return value


async def agenerated(value):
    yield value


class Waits(Runnable):
    def stream(self, input, config=None):
        yield input


OBJECTS = {
    "plain": (RunnableLambda(plain), {"invoke"}),
    "generator": (RunnableLambda(generated), {"stream"}),
    "coroutine": (RunnableLambda(coroutine), {"ainvoke"}),
    "both": (RunnableLambda(generated, agenerated), {"stream", "astream"}),
    "transform": (RunnableGenerator(generated), {"transform"}),
    "atransform": (RunnableGenerator(agenerated), {"atransform"}),
    "foreign": (coerce_to_runnable(Foreign()), {"invoke", "stream", "transform"}),
    "async foreign": (coerce_to_runnable(AsyncForeign()), set(METHODS)),
    "operator": (ops.map(plain), {"stream", "transform", "astream", "atransform"}),
    "operator of a coroutine": (ops.map(coroutine), {"astream", "atransform"}),
    "chain": (Lines() | ops.map(plain), set(METHODS)),
    "chain with one that waits": (Lines() | Waits(), {"invoke", "stream", "ainvoke", "astream"}),
    "chain with an async one": (Lines() | ops.map(coroutine), {"ainvoke", "astream", "atransform"}),
}


@pytest.mark.parametrize("which", OBJECTS)
def test_an_object_knows_what_it_serves(which):
    runnable, names = OBJECTS[which]
    assert set(runnable._written) == names


@pytest.mark.parametrize("which", OBJECTS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_a_copy_knows_it_too(which, copied):
    written = copied(OBJECTS[which][0])._written
    assert written == OBJECTS[which][0]._written
    for fact in Written.__slots__:
        assert getattr(written, fact) is getattr(OBJECTS[which][0]._written, fact)


def test_what_a_subclass_overrides_counts():
    class Streams(RunnableLambda):
        def transform(self, input, config=None, **kwargs):
            for chunk in input:
                yield self.func(chunk)

    class Called(RunnableLambda):
        def invoke(self, input, config=None, **kwargs):
            return "sync"

    assert list((RunnableGenerator(generated_from) | Streams(str)).stream(3)) == ["0", "1", "2"]
    called = Called(coroutine)
    assert set(called._written) == {"invoke", "ainvoke"}
    assert (called | Called(coroutine)).invoke(1) == "sync"
    assert asyncio.run(called.ainvoke(1)) == 1


def generated_from(numbers):
    for number in numbers:
        yield from range(number)


@pytest.mark.parametrize(
    ("names", "facts"),
    [
        ((), (False, False, True, False)),
        (("invoke",), (True, False, True, False)),
        (("astream",), (False, True, True, True)),
        (("transform",), (True, False, False, True)),
        (("atransform", "invoke"), (True, True, False, True)),
    ],
)
def test_what_follows_from_the_names(names, facts):
    written = Written(names)
    assert (written.is_sync, written.is_async, written.waits, written.gives_chunks) == facts


def twice(chunks):
    for chunk in chunks:
        yield chunk * 2


@pytest.mark.parametrize(
    "kind",
    [
        lambda: type("Own", (RunnableGenerator,), {"transform": by_hand, "atransform": aby_hand})(twice),
        lambda: type("Own", (ops.map,), {"transform": by_hand, "atransform": aby_hand})(str),
        lambda: type("Own", (ops.take,), {"transform": by_hand, "atransform": aby_hand})(1),
        lambda: type("Own", (RunnablePassthrough,), {"transform": by_hand, "atransform": aby_hand})(),
        lambda: type("Own", (RunnablePick,), {"transform": by_hand, "atransform": aby_hand})("a"),
        lambda: type("Own", (Lines,), {"transform": by_hand, "atransform": aby_hand})(),
    ],
    ids=["RunnableGenerator", "map", "take", "RunnablePassthrough", "RunnablePick", "Lines"],
)
def test_what_a_subclass_writes_is_what_a_chain_runs(kind):
    """Not what the class below it had for a chain, which is about the method that it replaces."""
    for others in ((), (RunnableGenerator(lambda chunks: chunks),)):
        stage = kind()
        for before, after in ((others, ()), ((), others), (others, others)):
            chain = RunnableSequence(*before, stage, *after)
            source = Source("ab")
            assert list(chain.transform(source)) == ["own a", "own b"]
            assert source.closes == 1
            source = Source("ab")
            stream = chain.transform(source)
            next(stream)
            stream.close()
            assert source.closes == 1

            async def main():
                source = AsyncSource("ab")
                assert [chunk async for chunk in chain.atransform(source)] == ["own a", "own b"]  # noqa: B023
                assert source.closes == 1

            asyncio.run(main())


@pytest.mark.parametrize("base", [lambda kind: kind(str), lambda kind: type("Below", (kind,), {})(str)])
@pytest.mark.parametrize("written", ["transform", "atransform"])
def test_a_subclass_that_writes_one_form_has_the_other_one_of_the_class_below(written, base):
    stage = base(type("Own", (ops.map,), {written: by_hand if written == "transform" else aby_hand}))
    own, inherited = ["own 1", "own 2"], ["1", "2"]
    for before, after in (((), ()), ((RunnablePassthrough(),), ()), ((), (RunnablePassthrough(),))):
        chain = RunnableSequence(*before, stage, *after)
        for count in (2, 1):
            source = Source([1, 2])
            stream = chain.transform(source)
            assert [next(stream) for _ in range(count)] == (own if written == "transform" else inherited)[
                :count
            ]
            stream.close()
            assert source.closes == 1

            async def main(count=count):
                source = AsyncSource([1, 2])
                stream = chain.atransform(source)  # noqa: B023
                got = [await anext(stream) for _ in range(count)]
                assert got == (own if written == "atransform" else inherited)[:count]
                await stream.aclose()
                assert source.closes == 1

            asyncio.run(main())


def by_hand(self, input, config=None):
    for chunk in input:
        yield f"own {chunk}"


async def aby_hand(self, input, config=None):
    async for chunk in input:
        yield f"own {chunk}"
