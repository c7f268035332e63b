"""Exceptions whose notes are not as Python makes them: they go through as they are, and the source is closed once."""

from __future__ import annotations

import asyncio

import pytest
from recorder import AsyncSource, Source

from streamcore import BPE, Lines, RunnableGenerator, ops
from streamcore.vocab.encodings import GPT2


class NoList(Exception):
    __notes__ = 5


class NoText(Exception):
    __notes__ = [b"in ", 5]  # noqa: RUF012 - what it has is the point


class Raises(Exception):
    @property
    def __notes__(self):
        raise OSError("no notes")


ERRORS = [NoList, NoText, Raises]
MAKERS = {
    "lines": lambda b: b.LinesEngine(),
    "words": lambda b: b.WordsEngine(),
    "utf8": lambda b: b.UTF8Engine(),
    "encoder": lambda b: b.BPEEncoder(core(b)),
    "decoder": lambda b: b.BPEDecoder(core(b)),
}


def core(backend):
    return backend.BPECore({bytes((i,)): i for i in range(256)}, GPT2)


@pytest.mark.parametrize("closing", [None, *ERRORS])
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("name", MAKERS)
def test_an_engine_raises_the_error_of_its_source(backend, name, kind, closing):
    error = kind("gone")
    source = Source([[97] if name == "decoder" else b"a\nb"], error, closing and closing("again"))
    engine = MAKERS[name](backend)
    with pytest.raises(kind) as caught:
        list(engine.iterate(source))
    assert caught.value is error
    assert source.closed == 1
    engine.reset()  # it is free
    assert engine.finish() == []


def passed(chunks):
    for chunk in chunks:  # noqa: UP028 - a stage of the plain kind
        yield chunk


CHAINS = {
    "stage": Lines(),
    "thread": RunnableGenerator(passed),
    "buffer": ops.buffer(2),
    "operator": ops.map(bytes),
    "decoder": RunnableGenerator(passed) | BPE.gpt2().decoder(),
}


@pytest.mark.parametrize("closing", [None, *ERRORS])
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("name", CHAINS)
def test_a_stream_raises_the_error_of_its_source(name, kind, closing):
    first = [97] if name == "decoder" else b"a\nb"
    error = kind("gone")
    source = Source([first], error, closing and closing("again"))
    with pytest.raises(kind) as caught:
        list(CHAINS[name].transform(source))
    assert caught.value is error
    assert source.closed == 1

    async def main():
        source = AsyncSource([first], error, closing and closing("again"))
        with pytest.raises(kind) as caught:
            async for _ in CHAINS[name].atransform(source):
                pass
        assert caught.value is error
        assert source.closed == 1

    asyncio.run(main())
