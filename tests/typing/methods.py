"""Types of what the methods of a Runnable give, and of the classes that put several together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import reveal_type

from streamcore import (
    AddableDict,
    RouterRunnable,
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableConfig,
    RunnableEach,
    RunnableLambda,
    RunnableListening,
    RunnableMap,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableRetry,
    RunnableTimeout,
    RunnableWithFallbacks,
    aadd,
    add,
    chain,
    ops,
    runnable,
)


class Splitter(Runnable[str, str]):
    lower: bool = True

    def stream(self, input: str, config: RunnableConfig | None = None) -> Iterator[str]:
        yield from input.split()


class Listed(Runnable[str, list[int], int]):
    def stream(self, input: str, config: RunnableConfig | None = None) -> Iterator[int]:
        yield len(input)


def shout(chunks: Iterator[str]) -> Iterator[str]:
    yield from map(str.upper, chunks)


async def ask(text: str) -> int:
    return len(text)


def told(run: object) -> None: ...


splitter, listed = Splitter(), Listed()

# ---- one wrapped

reveal_type(splitter.with_retry(stop_after_attempt=2))  # RunnableRetry[str, str, str]
reveal_type(listed.with_retry().stream("a"))  # Iterator[int]
reveal_type(splitter.with_fallbacks([shout]))  # RunnableWithFallbacks[str, str, str]
reveal_type(listed.with_fallbacks([listed]).invoke("a"))  # list[int]
reveal_type(splitter.with_timeout(5, chunk_timeout=1))  # RunnableTimeout[str, str, str]
reveal_type(splitter.with_listeners(on_end=told))  # RunnableListening[str, str, str]
reveal_type(splitter.with_alisteners(on_end=told))  # RunnableListening[str, str, str]
reveal_type(splitter.with_config(tags=["a"]))  # RunnableBinding[str, str, str]
reveal_type(splitter.with_config({"tags": ["a"]}).stream("a"))  # Iterator[str]
reveal_type(listed.bind(stop="x"))  # RunnableBinding[str, list[int], int]
reveal_type(listed.bind(stop="x").invoke("a"))  # list[int]
reveal_type(listed.map())  # RunnableEach[str, list[int]]
reveal_type(listed.map().invoke(["a"]))  # list[list[int]]
reveal_type(splitter.map().map().invoke([["a"]]))  # list[list[str]]
reveal_type(splitter.with_fold("list"))  # RunnableBinding[str, Any, str]
reveal_type(splitter.with_fold(len))  # RunnableBinding[str, Any, str]
reveal_type(splitter.with_types(output_type=str))  # Runnable[str, str, str]
reveal_type(RunnableLambda(ask).with_retry())  # RunnableRetry[str, int, int]
reveal_type(RunnableRetry(listed).invoke("a"))  # list[int]
reveal_type(RunnableWithFallbacks(listed, [len]).invoke("a"))  # list[int]
reveal_type(RunnableTimeout(listed, 5).invoke("a"))  # list[int]
reveal_type(RunnableListening(listed, on_end=told).invoke("a"))  # list[int]
reveal_type(RunnableEach(listed).invoke(["a"]))  # list[list[int]]
reveal_type(splitter.with_retry() | listed.with_timeout(1))  # RunnableSequence[str, list[int], int]
reveal_type(ops.map(len).with_retry())  # RunnableRetry[Iterable[Sized], list[int], int]
reveal_type(splitter | ops.map(str.upper).with_timeout(1))  # RunnableSequence[str, list[str], str]
splitter.with_retry(stop_after_attempt="2")  # error
splitter.with_timeout("5")  # error
splitter.with_listeners(on_stop=told)  # error
splitter.with_config(5)  # error

# ---- several

both = RunnableParallel(words=splitter, size=len)
reveal_type(both)  # RunnableParallel[Any]
reveal_type(both.invoke("a"))  # dict[str, Any]
reveal_type(both.stream("a"))  # Iterator[AddableDict[str, Any]]
reveal_type(RunnableMap({"words": splitter}))  # RunnableParallel[Any]
reveal_type(splitter | {"a": shout, "b": len})  # RunnableSequence[str, dict[str, Any], AddableDict[str, Any]]
reveal_type((splitter | both).stream("a"))  # Iterator[AddableDict[str, Any]]
reveal_type(splitter | both | (lambda made: made["words"]))  # RunnableSequence[str, Any, Any]
reveal_type(RunnableBranch((str.isupper, splitter), shout))  # RunnableBranch[Any, Any, Any]
reveal_type(RunnableBranch[str, int]((str.isupper, len), len).invoke("a"))  # int
reveal_type(RouterRunnable({"a": splitter}))  # RouterRunnable[Any, Any]
reveal_type(RunnableAssign({"size": len}).invoke({"a": 1}))  # dict[str, Any]
reveal_type(RunnablePick("a"))  # RunnablePick
reveal_type(RunnablePassthrough())  # RunnablePassthrough[Any]
reveal_type(RunnablePassthrough[str]().invoke("a"))  # str
reveal_type(both.assign(size=len))  # RunnableSequence[Any, dict[str, Any], AddableDict[str, Any]]
reveal_type(both.assign(size=len).invoke("a"))  # dict[str, Any]
reveal_type(both.pick("words"))  # RunnableSequence[Any, Any, Any]
reveal_type(both.pick(["words"]))  # RunnableSequence[Any, AddableDict[str, Any], AddableDict[str, Any]]
reveal_type(both.pick(["words"]).stream("a"))  # Iterator[AddableDict[str, Any]]
counts: AddableDict[str, int] = AddableDict(a=1)
reveal_type(counts + {"b": 2})  # AddableDict[str, int]
reveal_type(splitter | RunnablePassthrough())  # RunnableSequence[str, str, str]
reveal_type((splitter | RunnablePassthrough() | ops.map(len)).invoke("a"))  # list[int]
reveal_type(splitter | RunnablePassthrough().pick("a"))  # RunnableSequence[str, Any, Any]
reveal_type(add(["a", "b"]))  # str | None

# ---- many inputs

reveal_type(listed.batch(["a"]))  # list[list[int]]
reveal_type(listed.batch(["a"], return_exceptions=True))  # list[list[int]]
reveal_type(listed.batch_as_completed(["a"]))  # Iterator[tuple[int, list[int]]]
with_errors = listed.batch_as_completed(["a"], return_exceptions=True)
reveal_type(with_errors)  # Iterator[tuple[int, list[int] | Exception]]
listed.batch([1])  # error


async def later(chunks: AsyncIterator[str]) -> None:
    reveal_type(await listed.abatch(["a"]))  # list[list[int]]
    reveal_type(await listed.abatch(["a"], return_exceptions=True))  # list[list[int]]
    reveal_type(listed.abatch_as_completed(["a"]))  # AsyncIterator[tuple[int, list[int]]]
    reveal_type(await listed.with_retry().ainvoke("a"))  # list[int]
    reveal_type(listed.with_fallbacks([listed]).astream("a"))  # AsyncIterator[int]
    reveal_type(listed.atransform(chunks))  # AsyncIterator[int]
    reveal_type(await aadd(chunks))  # str | None


# ---- decorators


@runnable
def decorated(text: str) -> int:
    return len(text)


@chain(name="named")
def named(text: str) -> Iterator[int]:
    yield len(text)


@runnable
async def fetched(text: str) -> bytes:
    return text.encode()


reveal_type(decorated)  # RunnableLambda[str, int, int]
reveal_type(named)  # RunnableLambda[str, Any, Any]
reveal_type(fetched)  # RunnableLambda[str, bytes, bytes]
reveal_type(splitter | decorated)  # RunnableSequence[str, int, int]
