"""Types of Runnables and chains; ``test_types.py`` says how to read the comments."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from typing import Any, reveal_type

from streamcore import (
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    RunnableSequence,
    coerce_to_runnable,
)

# ---- subclasses, without ``**kwargs`` and with


class Splitter(Runnable[str, str]):
    def stream(self, input: str, config: RunnableConfig | None = None) -> Iterator[str]:
        yield from input.split()

    def invoke(self, input: str, config: RunnableConfig | None = None) -> str:
        return input


class Fetcher(Runnable[str, bytes]):
    def invoke(self, input: str, config: RunnableConfig | None = None) -> bytes:
        return input.encode()


class Sizes(Runnable[bytes, int]):
    def transform(
        self, input: Iterable[bytes], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[int]:
        yield from map(len, input)


class Model(Runnable[str, str]):
    async def ainvoke(self, input: str, config: RunnableConfig | None = None) -> str:
        return input

    async def astream(self, input: str, config: RunnableConfig | None = None) -> AsyncIterator[str]:
        yield input


class Listed(Runnable[str, list[int], int]):
    def stream(self, input: str, config: RunnableConfig | None = None) -> Iterator[int]:
        yield len(input)

    def collect(self, chunks: Iterable[int]) -> list[int]:
        return list(chunks)


class Wrong(Runnable[str, str]):
    def invoke(self, input: str, config: RunnableConfig | None = None) -> int:  # error
        return len(input)


# ---- functions


def shout(chunks: Iterator[str]) -> Iterator[str]:
    yield from map(str.upper, chunks)


def sizes(chunks: Iterable[str]) -> Iterator[int]:
    yield from map(len, chunks)


async def ashout(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        yield chunk.upper()


async def ask(text: str) -> int:
    return len(text)


def with_config(text: str, config: RunnableConfig) -> float:
    return len(text)


def letters(text: str) -> Generator[int, None, None]:
    yield from map(ord, text)


def iterator(text: str) -> Iterator[int]:
    return map(ord, text)


def chosen(text: str) -> Runnable[str, int]:
    return RunnableLambda(len)


def total(numbers: Iterable[int]) -> float:
    return sum(numbers)


reveal_type(RunnableLambda(len))  # RunnableLambda[Sized, int, int]
reveal_type(RunnableLambda(ask))  # RunnableLambda[str, int, int]
reveal_type(RunnableLambda(with_config))  # RunnableLambda[str, float, float]
reveal_type(RunnableLambda(letters))  # RunnableLambda[str, int, int]
reveal_type(RunnableLambda(letters, collect=total))  # RunnableLambda[str, float, int]
reveal_type(RunnableLambda(iterator))  # RunnableLambda[str, Any, Any]
reveal_type(RunnableLambda(chosen))  # RunnableLambda[str, int, int]
reveal_type(RunnableLambda[str, int](lambda text: len(text)))  # RunnableLambda[str, int, int]
reveal_type(RunnableGenerator(shout))  # RunnableGenerator[str, str, str]
reveal_type(RunnableGenerator(ashout))  # RunnableGenerator[str, str, str]
reveal_type(RunnableGenerator(sizes, collect=total))  # RunnableGenerator[str, float, int]
reveal_type(RunnableGenerator[str, int](sizes))  # RunnableGenerator[str, int, int]
reveal_type(RunnableSequence[str, int](Splitter(), len))  # RunnableSequence[str, int, int]
reveal_type(coerce_to_runnable(len))  # Runnable[Sized, int, int]
reveal_type(coerce_to_runnable(shout))  # Runnable[str, str, str]
reveal_type(coerce_to_runnable(Splitter()))  # Runnable[str, str, str]
RunnableLambda[str, int](str.upper)  # error
RunnableLambda(5)  # error

# ---- chains

reveal_type(Splitter() | shout)  # RunnableSequence[str, str, str]
reveal_type(Splitter() | sizes)  # RunnableSequence[str, int, int]
reveal_type(Splitter() | ashout)  # RunnableSequence[str, str, str]
reveal_type(Splitter() | len)  # RunnableSequence[str, int, int]
reveal_type(Splitter() | ask)  # RunnableSequence[str, int, int]
reveal_type(Splitter() | with_config)  # RunnableSequence[str, float, float]
reveal_type(Splitter() | RunnableLambda(json.loads))  # RunnableSequence[str, Any, Any]
reveal_type(Splitter() | Listed())  # RunnableSequence[str, list[int], int]
reveal_type(Listed() | total)  # RunnableSequence[str, float, float]
reveal_type(Fetcher() | Sizes())  # RunnableSequence[str, int, int]
reveal_type(Splitter() | Model() | shout | Fetcher())  # RunnableSequence[str, bytes, bytes]
reveal_type(str.upper | Splitter())  # RunnableSequence[str, str, str]
reveal_type(shout | Splitter())  # RunnableSequence[str, str, str]
reveal_type(Splitter().pipe(shout, len))  # RunnableSequence[str, Any, Any]
reveal_type(Splitter().assign(size=len))  # RunnableSequence[str, dict[str, Any], AddableDict[str, Any]]
reveal_type(RunnablePassthrough.assign(size=len))  # RunnableAssign
_ = Fetcher() | Splitter()  # error
_ = Fetcher() | RunnableLambda(str.upper)  # error
_ = Fetcher() | str.upper  # error
_ = Splitter() | sizes | Splitter()  # error
_ = Splitter() | 5  # error

# ---- what they give

chain = Splitter() | sizes
reveal_type(chain.invoke("a b"))  # int
reveal_type(chain.stream("a b"))  # Iterator[int]
reveal_type(chain.transform(["a b"]))  # Iterator[int]
reveal_type(chain.astream("a b"))  # AsyncIterator[int]
reveal_type(chain.batch(["a", "b"]))  # list[int]
reveal_type(chain.batch_as_completed(["a", "b"]))  # Iterator[tuple[int, int]]
reveal_type(Listed().invoke("a"))  # list[int]
reveal_type(Listed().stream("a"))  # Iterator[int]
chain.invoke(b"a b")  # error


def anything(unknown: Runnable, known: Runnable[str, int]) -> None:
    reveal_type(known | unknown)  # RunnableSequence[str, Any, Any]
    reveal_type(unknown | known)  # RunnableSequence[Any, int, int]


async def later() -> None:
    reveal_type(await chain.ainvoke("a b"))  # int
    reveal_type(await chain.abatch(["a b"]))  # list[int]
