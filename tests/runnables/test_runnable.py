"""``Runnable``: what follows from the one method that a class writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from streamcore import Runnable, RunnableGenerator, RunnableLambda


class WordByWordSplitter(Runnable[str, str]):
    def stream(self, input, config=None):
        for word in input.split():
            yield word + " "

    def invoke(self, input, config=None):
        return input


def fetch(url: str) -> bytes:
    return url.encode() * 2


class BlobFetcher(Runnable[str, bytes]):
    def invoke(self, input, config=None):
        return fetch(input)

    def stream(self, input, config=None):
        yield self.invoke(input, config)


class OnlyInvoke(Runnable[str, str]):
    def invoke(self, input, config=None):
        return input.upper()


class OnlyStream(Runnable[str, str]):
    def stream(self, input, config=None):
        yield from input


class OnlyTransform(Runnable[str, str]):
    def transform(self, input, config=None):
        for chunk in input:
            yield chunk.upper()


class OnlyAinvoke(Runnable[str, str]):
    async def ainvoke(self, input, config=None):
        await asyncio.sleep(0)
        return input.upper()


class OnlyAstream(Runnable[str, str]):
    async def astream(self, input, config=None):
        for character in input:
            await asyncio.sleep(0)
            yield character


class OnlyAtransform(Runnable[str, str]):
    async def atransform(self, input, config=None):
        async for chunk in input:
            yield chunk.upper()


ALL = [OnlyInvoke, OnlyStream, OnlyTransform, OnlyAinvoke, OnlyAstream, OnlyAtransform]
UPPER = [OnlyInvoke, OnlyTransform, OnlyAinvoke, OnlyAtransform]


async def listed(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


async def asynchronous(chunks: Any) -> Any:
    for chunk in chunks:
        yield chunk


def test_the_splitter_of_the_design_streams_word_by_word(capsys):
    splitter = WordByWordSplitter()
    for chunk in splitter.stream("Hello World"):
        print(repr(chunk))
    assert capsys.readouterr().out == "'Hello '\n'World '\n"
    assert splitter.invoke("Hello World") == "Hello World"


def test_the_fetcher_of_the_design_gives_one_chunk():
    assert BlobFetcher().invoke("ab") == b"abab"
    assert list(BlobFetcher().stream("ab")) == [b"abab"]


@pytest.mark.parametrize("kind", ALL)
def test_one_method_written_gives_all_the_others(kind):
    runnable = kind()
    wanted = "ABC" if kind in UPPER else "abc"
    assert runnable.invoke("abc") == wanted
    assert "".join(runnable.stream("abc")) == wanted
    assert "".join(runnable.transform(iter(["a", "bc"]))) == wanted
    assert asyncio.run(runnable.ainvoke("abc")) == wanted
    assert "".join(asyncio.run(listed(runnable.astream("abc")))) == wanted
    assert "".join(asyncio.run(listed(runnable.atransform(asynchronous(["a", "bc"]))))) == wanted
    assert runnable.batch(["abc", "abc"]) == [wanted, wanted]
    assert asyncio.run(runnable.abatch(["abc", "abc"])) == [wanted, wanted]


def test_transform_streams_where_it_is_written_and_waits_where_not():
    assert list(OnlyTransform().transform(iter(["a", "bc"]))) == ["A", "BC"]
    assert list(OnlyInvoke().transform(iter(["a", "bc"]))) == ["ABC"]
    assert list(OnlyStream().transform(iter(["a", "bc"]))) == ["a", "b", "c"]


def test_a_class_that_writes_nothing_is_told_so():
    class Nothing(Runnable[str, str]):
        pass

    runnable = Nothing()
    for call in (
        runnable.invoke,
        lambda x: list(runnable.stream(x)),
        lambda x: list(runnable.transform([x])),
    ):
        with pytest.raises(TypeError, match="Nothing must override one of invoke, stream and transform"):
            call("x")
    for make in (runnable.ainvoke, lambda x: listed(runnable.astream(x))):
        with pytest.raises(TypeError, match="Nothing must override"):
            asyncio.run(make("x"))


class StreamCallsInvoke(Runnable[str, str]):
    def stream(self, input, config=None):
        yield self.invoke(input, config)


class InvokeCallsStream(Runnable[str, str]):
    def invoke(self, input, config=None):
        return "".join(self.stream(input, config))


class AstreamCallsAinvoke(Runnable[str, str]):
    async def astream(self, input, config=None):
        yield await self.ainvoke(input, config)


def test_a_stream_that_calls_an_unwritten_invoke_gets_a_type_error_not_endless_recursion():
    for call in (StreamCallsInvoke().invoke, lambda x: list(StreamCallsInvoke().stream(x))):
        with pytest.raises(TypeError, match="StreamCallsInvoke has no invoke of its own.* override invoke"):
            call("x")
    with pytest.raises(TypeError, match="InvokeCallsStream has no stream of its own"):
        InvokeCallsStream().invoke("x")
    with pytest.raises(TypeError, match="AstreamCallsAinvoke has no ainvoke of its own"):
        asyncio.run(AstreamCallsAinvoke().ainvoke("x"))


def test_a_runnable_may_call_itself_on_a_smaller_input():
    class Depth(Runnable[list, int]):
        def stream(self, input, config=None):
            yield 1 + max((self.invoke(part, config) for part in input), default=0)

    assert Depth().invoke([[], [[[]]], []]) == 4


def test_folding_joins_text_and_bytes_and_refuses_what_has_no_rule():
    class Gives(Runnable[list, Any]):
        def stream(self, input, config=None) -> Iterator[Any]:
            yield from input

    gives = Gives()
    assert gives.invoke(["a", "b"]) == "ab"
    assert gives.invoke([b"a", bytearray(b"b"), memoryview(b"c")]) == b"abc"
    assert gives.invoke([{"a": 1}]) == {"a": 1}
    for chunks, types in (
        ([{"a": 1}, {"b": 2}], "dict and dict"),
        ([1, 2], "int and int"),
        (["a", b"b"], "str and bytes"),
        ([b"a", "b"], "bytes and str"),
        ([None, None], "NoneType"),
        (["a", None], "str and NoneType"),
    ):
        with pytest.raises(TypeError, match=f"no rule folds the 2 chunks of .*{types}"):
            gives.invoke(chunks)
    assert gives.invoke([]) is None


def test_collect_may_be_overridden():
    class Numbers(Runnable[int, list]):
        def stream(self, input, config=None):
            yield from range(input)

        def collect(self, chunks):
            return list(chunks)

    assert Numbers().invoke(3) == [0, 1, 2]
    assert Numbers().invoke(0) == []
    assert asyncio.run(Numbers().ainvoke(3)) == [0, 1, 2]


def test_a_runnable_takes_two_or_three_type_parameters():
    class Two(Runnable[str, int]):
        def invoke(self, input, config=None):
            return len(input)

    class Three(Runnable[str, list, int]):
        def stream(self, input, config=None):
            yield len(input)

    assert Two().invoke("abc") == 3
    assert list(Three().stream("abc")) == [3]


def test_keyword_arguments_reach_the_method_that_was_written():
    class Scaled(Runnable[int, int]):
        def invoke(self, input, config=None, *, factor=1):
            return input * factor

    assert Scaled().invoke(2, factor=3) == 6
    assert list(Scaled().stream(2, factor=3)) == [6]
    assert list(Scaled().transform([2], factor=3)) == [6]
    assert Scaled().batch([1, 2], factor=3) == [3, 6]
    assert asyncio.run(Scaled().ainvoke(2, factor=3)) == 6


def test_an_async_only_runnable_refuses_sync_calls_inside_a_running_loop():
    async def main() -> None:
        with pytest.raises(RuntimeError, match="an event loop is running here: use ainvoke"):
            OnlyAinvoke().invoke("x")
        with pytest.raises(RuntimeError, match="use astream"):
            list(OnlyAstream().stream("x"))

    asyncio.run(main())


def test_describe_says_which_stages_stream_and_which_one_blocks():
    def shout(chunks):
        yield from chunks

    chain = OnlyStream() | RunnableGenerator(shout) | RunnableLambda(len) | OnlyStream()
    assert chain.describe().splitlines() == [
        "OnlyStream(): streams; in async calls in a thread",
        "RunnableGenerator(shout): streams; in async calls in a thread",
        "RunnableLambda(len): blocks: waits for its whole input, gives one chunk; in async calls in a thread",
        "OnlyStream(): waits for its whole input, then streams; in async calls in a thread; "
        "holds back the first chunk",
    ]


def test_a_sync_stream_leaves_the_context_of_its_caller_alone():
    from contextvars import ContextVar, copy_context

    seen: ContextVar[str] = ContextVar("seen", default="nothing")

    class Sets(Runnable[str, str]):
        def stream(self, input, config=None):
            yield seen.get()

    def run() -> list[str]:
        seen.set("mine")
        return list(Sets().stream("x")) + asyncio.run(listed(Sets().astream("x")))

    assert copy_context().run(run) == ["mine", "mine"]
    assert seen.get() == "nothing"


@pytest.mark.parametrize("fold", ["fails", "leaves off", "is cancelled"])
def test_ainvoke_closes_the_stream_that_it_folds(fold):
    closed = []

    class Chunks:
        def __aiter__(self):
            return self

        async def __anext__(self):
            return "chunk"

        async def aclose(self):
            closed.append(fold)

    class Streams(Runnable):
        def astream(self, input, config=None):
            return Chunks()

        async def acollect(self, chunks):
            async for chunk in chunks:
                if fold == "fails":
                    raise LookupError(chunk)
                if fold == "is cancelled":
                    await asyncio.Event().wait()
                return chunk

    async def main():
        task = asyncio.create_task(Streams().ainvoke(1))
        await asyncio.sleep(0)
        if fold == "is cancelled":
            task.cancel()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    ended = asyncio.run(main())
    kinds = {"fails": LookupError, "leaves off": str, "is cancelled": asyncio.CancelledError}
    assert type(ended) is kinds[fold]
    assert closed == [fold]
