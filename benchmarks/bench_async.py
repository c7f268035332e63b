"""S4, S5: async streams, beside bare async generators, one thread hop per item, and janus."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

import pytest

from streamcore import Lines, RunnableGenerator, ops

CHUNKS = 20_000


async def source(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def one(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    async for chunk in chunks:
        yield chunk + 1


async def two(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    async for chunk in chunks:
        yield chunk * 2


async def three(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    async for chunk in chunks:
        yield chunk - 1


async def drain(stream: AsyncIterator[Any]) -> int:
    number = 0
    async for _ in stream:
        number += 1
    return number


async def listed(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]


def composed(backend: Any, chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    """What a chain of three builds, with the backend's own closing iterator."""
    first = one(chunks)
    second = two(first)
    third = three(second)
    return backend.async_closing_iterator(third, (chunks, first, second, third))  # type: ignore[no-any-return]


def by_langchain(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    runnables = pytest.importorskip("langchain_core.runnables")
    stages = [runnables.RunnableGenerator(stage) for stage in (one, two, three)]
    return (stages[0] | stages[1] | stages[2]).atransform(chunks)  # type: ignore[no-any-return]


THREE = "S4: three async Python stages"


def run_three(
    measure: Any, make: Callable[[AsyncIterator[int]], AsyncIterator[int]], count: int = CHUNKS
) -> None:
    async def run() -> int:
        return await drain(make(source(range(count))))

    wanted = asyncio.run(listed(three(two(one(source(range(100)))))))
    assert asyncio.run(listed(make(source(range(100))))) == wanted
    group = f"{THREE}, {CHUNKS} chunks (langchain-core: a tenth of them)"
    assert measure(group, lambda: asyncio.run(run()), 8 * count, rounds=15) == count


def test_three_bare_generators(measure: Any) -> None:
    run_three(measure, lambda chunks: three(two(one(chunks))))


def test_three_stages(measure: Any, backend: Any) -> None:
    run_three(measure, lambda chunks: composed(backend, chunks))


def test_three_runnables(measure: Any) -> None:
    chain = RunnableGenerator(one) | RunnableGenerator(two) | RunnableGenerator(three)
    run_three(measure, chain.atransform)


def test_three_of_langchain(measure: Any) -> None:
    run_three(measure, by_langchain, CHUNKS // 10)


# -- native stages on the loop


async def py_lines(fragments: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for fragment in fragments:
        lines = (rest + fragment).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line
    if rest:
        yield rest


async def py_map(fn: Callable[[Any], Any], items: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for item in items:
        yield fn(item)


async def py_filter(fn: Callable[[Any], Any], items: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for item in items:
        if fn(item):
            yield item


@pytest.mark.parametrize("way", ["streamcore", "bare generators"])
def test_lines_map_filter(measure: Any, corpus: Any, way: str) -> None:
    data = corpus.lines(100, 2_000_000)
    fragments = corpus.fragments(data, 65536)
    chain = Lines() | ops.map(len) | ops.filter(bool)
    make: Callable[[], AsyncIterator[int]] = {
        "streamcore": lambda: chain.atransform(source(fragments)),
        "bare generators": lambda: py_filter(bool, py_map(len, py_lines(source(fragments)))),
    }[way]
    assert asyncio.run(listed(make())) == [len(line) for line in data.split(b"\n") if line]
    measure("S3, S4: lines | map | filter, async", lambda: asyncio.run(drain(make())), len(data))


# -- a sync generator consumed from the loop

ITEMS = 2000
CHUNK = bytes(4096)
END: Any = object()


def produce(_: Any = None) -> Iterator[bytes]:
    for _ in range(ITEMS):
        yield CHUNK


async def by_astream() -> int:
    size = 0
    async for chunk in RunnableGenerator(produce).astream(b""):
        size += len(chunk)
    return size


async def by_hops() -> int:
    to_thread = pytest.importorskip("anyio.to_thread")
    chunks, size = produce(), 0
    while (chunk := await to_thread.run_sync(next, chunks, END)) is not END:
        size += len(chunk)
    return size


async def by_janus() -> int:
    queue = pytest.importorskip("janus").Queue(64)

    def put() -> None:
        for chunk in produce():
            queue.sync_q.put(chunk)
        queue.sync_q.put(END)

    thread = threading.Thread(target=put)
    thread.start()
    size = 0
    while (chunk := await queue.async_q.get()) is not END:
        size += len(chunk)
    thread.join()
    await queue.aclose()
    return size


WAYS: dict[str, Callable[[], Awaitable[int]]] = {
    "astream": by_astream,
    "a thread hop per item (anyio)": by_hops,
    "janus, 64 items": by_janus,
}


@pytest.mark.parametrize("way", WAYS)
def test_sync_generator_under_async(measure: Any, way: str) -> None:
    async def run() -> int:
        return await WAYS[way]()

    assert asyncio.run(run()) == ITEMS * len(CHUNK)
    group = f"S5: a sync generator's {ITEMS} chunks of 4 KiB from the event loop"
    measure(group, lambda: asyncio.run(run()), ITEMS * len(CHUNK), rounds=10)
