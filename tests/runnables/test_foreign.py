"""Stages of other libraries: their input ends once they are closed, whatever they do with the rest of it."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from recorder import AsyncSource, Source

from streamcore import Channel, RunnableGenerator, RunnableLambda, coerce_to_runnable


class Draining:
    """Takes in what is left of its input when it is closed."""

    def invoke(self, input, config=None):
        return input

    def stream(self, input, config=None):
        yield input

    def transform(self, input, config=None):
        try:
            yield from (chunk + 1 for chunk in input)
        finally:
            for _ in input:
                pass

    async def ainvoke(self, input, config=None):
        return input

    async def astream(self, input, config=None):
        yield input

    async def atransform(self, input, config=None):
        try:
            async for chunk in input:
                yield chunk + 1
        finally:
            async for _ in input:
                pass


def each(chunks):
    for chunk in chunks:  # noqa: UP028 - that would close the source, too
        yield chunk


async def aeach(chunks):
    async for chunk in chunks:
        yield chunk


CHAINS = [
    coerce_to_runnable(Draining()),
    RunnableGenerator(each, aeach) | Draining() | RunnableGenerator(each, aeach),
]


@pytest.mark.parametrize("pulls", [0, 1, 3])
@pytest.mark.parametrize("chain", CHAINS, ids=["alone", "in a chain"])
def test_an_endless_input_ends_when_the_stream_is_closed(chain, pulls):
    source = Source(count())
    stream = chain.transform(source)
    assert [next(stream) for _ in range(pulls)] == list(range(1, pulls + 1))
    stream.close()
    assert (source.pulled, source.closed) == (pulls, 1)

    async def main():
        source = AsyncSource(count())
        stream = chain.atransform(source)
        for _ in range(pulls):
            await anext(stream)
        await stream.aclose()
        assert (source.pulled, source.closed) == (pulls, 1)

    asyncio.run(main())


@pytest.mark.parametrize("chain", CHAINS, ids=["alone", "in a chain"])
def test_all_of_an_input_is_there_before(chain):
    assert list(chain.transform(Source(range(3)))) == [1, 2, 3]

    async def main():
        return [chunk async for chunk in chain.atransform(AsyncSource(range(3)))]

    assert asyncio.run(main()) == [1, 2, 3]


def test_a_stage_of_langchain_does_not_hang_on_an_endless_source():
    runnables = pytest.importorskip("langchain_core.runnables")
    chain = RunnableGenerator(each) | runnables.RunnableGenerator(each) | RunnableGenerator(each)
    source = Source(count())
    stream = chain.transform(source)
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()
    assert source.closed == 1


def test_what_a_function_does_to_its_config_stays_with_it():
    seen = []

    def spoils(text, config):
        seen.append(dict(config, tags=list(config["tags"]), metadata=dict(config["metadata"])))
        config["tags"].append("mine")
        config["metadata"]["mine"] = 1
        config["more"] = 2
        return text

    def spoils_chunks(chunks, config):
        for chunk in chunks:
            yield spoils(chunk, config)

    async def aspoils(text, config):
        return spoils(text, config)

    config = {"tags": ["a"], "metadata": {"k": 1}, "own": 3}
    RunnableLambda(spoils).pipe(spoils, spoils_chunks, spoils_chunks).invoke("x", config)
    asyncio.run(RunnableLambda(aspoils).pipe(aspoils).ainvoke("x", config))
    RunnableLambda(spoils).batch(["x", "y"], config)
    assert seen == [config] * 8
    assert config == {"tags": ["a"], "metadata": {"k": 1}, "own": 3}


def test_a_channel_takes_one_parameter(backend):
    assert backend.Channel[int] is not None
    with pytest.raises(TypeError, match="Too many arguments for .*; actual 2, expected 1"):
        backend.Channel[int, str]
    assert Channel[str] is not None
