"""S1, S2, S3, S6, R3, R15: what composing costs, beside generators composed by hand, langchain-core and plain calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from streamcore import Lines, Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, ops
from streamcore.benching.passing import one, three, two

CHUNKS = 100_000


class One(Runnable[int, int]):
    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[int]:
        return one(input)


class Two(Runnable[int, int]):
    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[int]:
        return two(input)


class Three(Runnable[int, int]):
    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[int]:
        return three(input)


def by_langchain() -> Callable[[Iterable[int]], Iterator[int]]:
    runnables = pytest.importorskip("langchain_core.runnables")
    stages = [runnables.RunnableGenerator(stage) for stage in (one, two, three)]
    return (stages[0] | stages[1] | stages[2]).transform  # type: ignore[no-any-return]


PYTHON_STAGES: dict[str, Callable[[], Callable[[Iterable[int]], Iterator[int]]]] = {
    "bare generators": lambda: lambda chunks: three(two(one(chunks))),
    "RunnableGenerator": lambda: (
        (RunnableGenerator(one) | RunnableGenerator(two) | RunnableGenerator(three)).transform
    ),
    "classes with transform": lambda: (One() | Two() | Three()).transform,
    "langchain-core": by_langchain,
}


@pytest.mark.parametrize("way", PYTHON_STAGES)
def test_three_python_stages(measure: Any, way: str) -> None:
    transform = PYTHON_STAGES[way]()
    assert list(transform(iter(range(1000)))) == list(three(two(one(range(1000)))))
    count = CHUNKS // 10 if way == "langchain-core" else CHUNKS
    group = f"S1, S2: three Python stages, time per {CHUNKS} chunks (langchain-core: a tenth of them)"
    measure(group, lambda: drain(transform(iter(range(count)))), 8 * count)


@pytest.mark.parametrize("chunks", [1000, 10_000])
@pytest.mark.parametrize("way", ["RunnableGenerator", "langchain-core"])
def test_stages_of_text(measure: Any, way: str, chunks: int) -> None:
    """R3: three stages that pass text on; langchain-core also adds up all of it, for its tracers."""
    kind: Any = RunnableGenerator
    if way == "langchain-core":
        kind = pytest.importorskip("langchain_core.runnables").RunnableGenerator
    chain = kind(upper) | kind(upper) | kind(upper)
    words = ["word "] * chunks
    assert list(chain.transform(iter(words))) == ["WORD "] * chunks
    measure(
        f"R3: three stages, {chunks} chunks of text", lambda: drain(chain.transform(iter(words))), 5 * chunks
    )


def upper(chunks: Iterable[str]) -> Iterator[str]:
    for chunk in chunks:
        yield chunk.upper()


@pytest.mark.parametrize("way", ["in turn", "as they come", "langchain-core"])
def test_two_branches(measure: Any, way: str) -> None:
    """R15: a generator before two branches."""
    kinds: Any = (RunnableGenerator, RunnableParallel)
    options = {"ordered": False} if way == "as they come" else {}
    if way == "langchain-core":
        runnables = pytest.importorskip("langchain_core.runnables")
        kinds = runnables.RunnableGenerator, runnables.RunnableParallel
    generator, parallel = kinds
    chain = generator(one) | parallel(a=generator(two), b=generator(three), **options)
    assert [chunk["b"] for chunk in chain.transform(iter(range(100))) if "b" in chunk] == list(range(100))
    count = 500 if way == "langchain-core" else 10_000
    group = "R15: two branches, time per 20000 chunks (langchain-core: 1000)"
    measure(group, lambda: drain(chain.transform(iter(range(count)))), 16 * count)


def drain(stream: Iterable[Any]) -> int:
    number = 0
    for _ in stream:
        number += 1
    return number


# -- native stages against generators that do the same


def py_lines(fragments: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for fragment in fragments:
        lines = (rest + fragment).split(b"\n")
        rest = lines.pop()
        yield from lines
    if rest:
        yield rest


def py_map(fn: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        yield fn(item)


def py_filter(fn: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if fn(item):
            yield item


def py_take(count: int, items: Iterable[Any]) -> Iterator[Any]:
    if count:
        for at, item in enumerate(items, 1):
            yield item
            if at == count:
                return


def with_e(line: bytes) -> bool:
    return b"e" in line


NATIVE_STAGES: dict[str, tuple[Any, Callable[[Iterable[bytes]], Iterator[Any]]]] = {
    "lines | map(bytes.upper) | filter": (
        Lines() | ops.map(bytes.upper) | ops.filter(with_e),
        lambda fragments: py_filter(with_e, py_map(bytes.upper, py_lines(fragments))),
    ),
    "lines | map(len) | map(abs)": (
        Lines() | ops.map(len) | ops.map(abs),
        lambda fragments: py_map(abs, py_map(len, py_lines(fragments))),
    ),
    "lines | map(len) | take": (
        Lines() | ops.map(len) | ops.take(10**9),
        lambda fragments: py_take(10**9, py_map(len, py_lines(fragments))),
    ),
}


@pytest.mark.parametrize("way", ["streamcore", "bare generators"])
@pytest.mark.parametrize("work", NATIVE_STAGES)
def test_three_native_stages(measure: Any, corpus: Any, work: str, way: str) -> None:
    chain, bare = NATIVE_STAGES[work]
    data = corpus.lines(100)
    fragments = corpus.fragments(data, 65536)
    assert list(chain.transform(fragments[:20])) == list(bare(fragments[:20]))
    make = chain.transform if way == "streamcore" else bare
    measure(f"S3: {work}, 100 B lines in 64 KiB fragments", lambda: drain(make(fragments)), len(data))


# -- single calls


def double(number: int) -> int:
    return 2 * number


NUMBERS = range(10_000)


@pytest.mark.parametrize("way", ["plain call", "invoke", "langchain-core"])
def test_invoke(measure: Any, way: str) -> None:
    call: Callable[[int], int] = double
    if way == "invoke":
        call = RunnableLambda(double).invoke
    elif way == "langchain-core":
        call = pytest.importorskip("langchain_core.runnables").RunnableLambda(double).invoke
    assert [call(number) for number in range(10)] == [2 * number for number in range(10)]
    numbers = 100 if way == "langchain-core" else len(NUMBERS)

    def run() -> None:
        for number in range(numbers):
            call(number)

    measure(f"S6: {len(NUMBERS)} calls of a function (langchain-core: 100)", run, 8 * numbers)


@pytest.mark.parametrize("way", ["batch", "ThreadPoolExecutor.map"])
def test_batch(measure: Any, way: str) -> None:
    inputs = list(range(1000))
    runnable = RunnableLambda(double)

    def in_pool() -> list[int]:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(double, inputs))

    run = in_pool if way != "batch" else lambda: runnable.batch(inputs)
    assert run() == [2 * number for number in inputs]
    measure("S6: batch of 1000", run, 8 * len(inputs))


async def adouble(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("way", ["abatch", "asyncio.gather"])
def test_abatch(measure: Any, way: str) -> None:
    inputs = list(range(1000))
    runnable = RunnableLambda(adouble)

    async def gathered() -> list[int]:
        return await asyncio.gather(*map(adouble, inputs))

    make = gathered if way != "abatch" else lambda: runnable.abatch(inputs)
    with asyncio.Runner() as runner:
        assert runner.run(make()) == [2 * number for number in inputs]
        measure("S6: abatch of 1000", lambda: runner.run(make()), 8 * len(inputs))
