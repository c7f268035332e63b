"""Which stage the note on an exception names: the one that raised it, in every form of a call."""

from __future__ import annotations

import asyncio

import pytest
from recorder import AsyncSource, Source, listed

from streamcore import Lines, Runnable, RunnableGenerator, RunnableLambda, ops

L = RunnableLambda


def first(text):
    return text


def boom(text):
    raise KeyError(text)


def last(text):
    return text


async def acalled(text):
    return text


async def aboom(text):
    raise KeyError(text)


def each(chunks):
    yield from chunks


def fails(chunks):
    for chunk in chunks:
        raise KeyError(chunk)
        yield


async def aeach(chunks):
    async for chunk in chunks:
        yield chunk


async def afails(chunks):
    async for chunk in chunks:
        raise KeyError(chunk)
        yield


class Mapped(Runnable):
    """A stage whose stream is an iterator of C."""

    def __init__(self, fn):
        self.fn = fn

    def __repr__(self):
        return f"Mapped({self.fn.__name__})"

    def transform(self, input, config=None):
        return map(self.fn, input)


class Walking(Runnable):
    """A stage whose stream is an object of its own class."""

    def __init__(self, fn):
        self.fn = fn

    def __repr__(self):
        return f"Walking({self.fn.__name__})"

    def transform(self, input, config=None):
        return Walk(iter(input), self.fn)


class Walk:
    def __init__(self, source, fn):
        self.source, self.fn = source, fn

    def __iter__(self):
        return self

    def __next__(self):
        return self.fn(next(self.source))


async def consumed(stream):
    async for _ in stream:
        pass


FORMS = {
    "stream": lambda chain, text: list(chain.stream(text)),
    "invoke": lambda chain, text: chain.invoke(text),
    "batch": lambda chain, text: chain.batch([text, text]),
    "transform": lambda chain, text: list(chain.transform([text])),
    "ainvoke": lambda chain, text: asyncio.run(chain.ainvoke(text)),
    "astream": lambda chain, text: asyncio.run(consumed(chain.astream(text))),
    "abatch": lambda chain, text: asyncio.run(chain.abatch([text])),
    "atransform": lambda chain, text: asyncio.run(consumed(chain.atransform(AsyncSource([text])))),
}

G = RunnableGenerator
CHAINS = {
    "functions": (L(first) | L(boom) | L(last), "RunnableLambda(boom), stage 2 of 3"),
    "the first": (L(boom) | L(first) | L(last), "RunnableLambda(boom), stage 1 of 3"),
    "the last": (L(first) | L(last) | L(boom), "RunnableLambda(boom), stage 3 of 3"),
    "generators": (G(each) | G(fails) | G(each), "RunnableGenerator(fails), stage 2 of 3"),
    "the same one twice": (G(each) | G(each) | G(fails), "RunnableGenerator(fails), stage 3 of 3"),
    "map of C": (G(each) | Mapped(boom) | G(each), "Mapped(boom), stage 2 of 3"),
    "map of C, last": (G(each) | Mapped(boom), "Mapped(boom), stage 2 of 2"),
    "before a map of C": (G(fails) | Mapped(first) | Mapped(first), "RunnableGenerator(fails), stage 1 of 3"),
    "after a map of C": (Mapped(first) | G(fails) | Mapped(first), "RunnableGenerator(fails), stage 2 of 3"),
    "two maps of C": (Mapped(first) | Mapped(boom) | Mapped(first), "Mapped(boom), stage 2 of 3"),
    "a class": (G(each) | Walking(boom) | Walking(first), "Walking(boom), stage 2 of 3"),
    "before a class": (Walking(boom) | Walking(first) | G(each), "Walking(boom), stage 1 of 3"),
    "both": (G(each) | L(first) | G(fails) | L(last), "RunnableGenerator(fails), stage 3 of 4"),
    "nested": ((L(first) | L(boom)) | (L(last) | L(last)), "RunnableLambda(boom), stage 2 of 4"),
    "operators": (G(each) | ops.map(boom) | G(each), "ops.map(boom), at item 0"),
    "before operators": (G(fails) | ops.map(first) | G(each), "RunnableGenerator(fails), stage 1 of 3"),
    "after operators": (L(first) | ops.map(first) | G(fails), "RunnableGenerator(fails), stage 3 of 3"),
    "before a stage of the core": (G(fails) | Lines() | G(each), "RunnableGenerator(fails), stage 1 of 3"),
    "map of C before one": (Mapped(boom) | Lines() | G(each), "Mapped(boom), stage 1 of 3"),
    "after a stage of the core": (G(each) | Lines() | G(fails), "RunnableGenerator(fails), stage 3 of 3"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chain", CHAINS)
def test_the_note_names_the_stage_that_raised(form, chain):
    stages, name = CHAINS[chain]
    with pytest.raises(KeyError) as caught:
        FORMS[form](stages, b"text")
    assert caught.value.__notes__ == [f"in {name}"]


ASYNC_CHAINS = {
    "functions": (L(first, acalled) | L(aboom) | L(first, acalled), "RunnableLambda(aboom), stage 2 of 3"),
    "generators": (G(aeach) | G(afails) | G(aeach), "RunnableGenerator(afails), stage 2 of 3"),
    "a sync stage before": (G(fails) | G(aeach) | G(each), "RunnableGenerator(fails), stage 1 of 3"),
    "a sync stage after": (G(aeach) | G(fails) | G(each), "RunnableGenerator(fails), stage 2 of 3"),
    "before a sync stage": (G(afails) | G(each) | G(each), "RunnableGenerator(afails), stage 1 of 3"),
    "between sync stages": (G(each) | G(afails) | G(each), "RunnableGenerator(afails), stage 2 of 3"),
    "operators": (G(aeach) | ops.map(aboom) | G(aeach), "ops.map(aboom), at item 0"),
    "before a stage of the core": (G(afails) | Lines() | G(aeach), "RunnableGenerator(afails), stage 1 of 3"),
    "after one": (G(aeach) | Lines() | G(afails), "RunnableGenerator(afails), stage 3 of 3"),
}


@pytest.mark.parametrize("form", ["ainvoke", "astream", "abatch", "atransform", "invoke", "stream"])
@pytest.mark.parametrize("chain", ASYNC_CHAINS)
def test_the_note_names_the_async_stage_that_raised(form, chain):
    stages, name = ASYNC_CHAINS[chain]
    with pytest.raises(KeyError) as caught:
        FORMS[form](stages, b"text")
    assert caught.value.__notes__ == [f"in {name}"]


def generated():
    yield b"a\n"
    raise OSError("gone")


def mapped():
    return map(failing, [b"a\n", b"b\n"])


def failing(chunk):
    raise OSError("gone")


def walked():
    return Walk(iter([b"a\n"]), failing)


def recorded():
    return Source([b"a\n"], OSError("gone"))


SOURCES = [generated, mapped, walked, recorded]
HEADS = {
    "a generator": G(each),
    "a map of C": Mapped(first),
    "an operator": ops.map(first),
    "a stage of the core": Lines(),
    "buffer": ops.buffer(2),
    "a stage that waits": L(first),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "rest", [(), (G(each),), (Mapped(first), G(each)), (ops.map(first), Lines())], ids=len
)
@pytest.mark.parametrize("head", HEADS)
def test_a_source_that_fails_is_named_as_such(head, rest, source):
    if head in ("buffer", "a stage that waits", "a map of C") and not rest:
        pytest.skip("it is no chain: nobody asks whose the error is")
    chain = HEADS[head].pipe(*rest) if rest else HEADS[head]
    for form in ("sync", "async"):
        with pytest.raises(OSError, match="gone") as caught:
            if form == "sync":
                list(chain.transform(source()))
            else:
                asyncio.run(listed(chain.atransform(asynchronous(source))))
        assert caught.value.__notes__ == [f"in the source of {HEADS[head]!r}"]


async def asynchronous(source):
    for chunk in source():
        yield chunk


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "stage", [Lines(), Lines() | G(each), ops.map(first), ops.map(first) | Lines()], ids=repr
)
def test_the_source_of_a_stream_too(stage, source):
    named = repr(stage).split(" | ")[0]
    for run in (lambda: list(stage.stream(source())), lambda: stage.invoke(source())):
        with pytest.raises(OSError, match="gone") as caught:
            run()
        assert caught.value.__notes__ == [f"in the source of {named}"]


def test_a_stage_that_raises_when_it_is_called():
    class Refuses(Runnable):
        def transform(self, input, config=None):
            raise KeyError("no")

    source = Source([1])
    with pytest.raises(KeyError) as caught:
        (G(each) | Refuses() | G(each)).transform(source)
    assert caught.value.__notes__ == ["in Refuses(), stage 2 of 3"]
    assert source.closed == 1


def test_an_error_that_has_a_place_keeps_it():
    inner = G(each) | G(fails)
    outer = L(first) | L(lambda text: inner.invoke(text)) | L(last)
    with pytest.raises(KeyError) as caught:
        outer.invoke("a")
    assert caught.value.__notes__ == ["in RunnableGenerator(fails), stage 2 of 2"]


def test_interrupts_bear_no_note():
    def interrupted(chunks):
        raise KeyboardInterrupt
        yield

    for run in ((G(each) | interrupted).transform, (L(first) | interrupted).stream):
        with pytest.raises(KeyboardInterrupt) as caught:
            list(run("a"))
        assert not hasattr(caught.value, "__notes__")


def test_an_iterator_of_c_within_a_combined_source(backend):
    def failing():
        return map(int, ["1", "x"])

    sources = (
        lambda: ops.chain(failing(), [2]),
        lambda: ops.zip(failing(), [1, 2]),
        lambda: ops.zip(failing(), [1, 2], strict=True),
        lambda: ops.merge(failing()),
        lambda: ops.tee(failing())[0],
    )
    stages = RunnableGenerator(each, name="a"), RunnableGenerator(each, name="b")
    for source in sources:
        for stage in (stages[0], stages[0] | stages[1], ops.map(str) | stages[1]):
            head = getattr(stage, "stages", (stage,))[0]
            with pytest.raises(ValueError, match="invalid literal") as caught:
                list(stage.transform(source()))
            assert caught.value.__notes__ == [f"in the source of {head!r}"]

    async def main():
        stage = RunnableGenerator(aeach, name="a") | RunnableGenerator(aeach, name="b")
        for source in (
            ops.chain(failing(), AsyncSource([1])),
            ops.zip(failing(), AsyncSource([1, 2])),
            ops.merge(failing(), AsyncSource([1])),
        ):
            with pytest.raises(ValueError, match="invalid literal") as caught:
                await listed(stage.atransform(source))
            assert caught.value.__notes__ == ["in the source of RunnableGenerator(a)"]

    asyncio.run(main())
