"""R6, R8 to R14, R16: operators against the standard library and generators by hand; configs and listeners."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from operator import add
from typing import Any

import pytest

from streamcore import Runnable, RunnableGenerator, ops

ITEMS = 100_000
NUMBERS = range(1, ITEMS + 1)
TENS = range(ITEMS // 10)
PART = range(ITEMS // 4)
CALLS = range(ITEMS // 10)


def ten(_: Any) -> range:
    return range(10)


def drain(stream: Iterable[Any]) -> int:
    number = 0
    for _ in stream:
        number += 1
    return number


async def adrain(stream: Any) -> int:
    number = 0
    async for _ in stream:
        number += 1
    return number


def nested() -> Iterator[int]:
    for number in TENS:
        yield from ten(number)


def nested_loops() -> Iterator[int]:
    for number in TENS:
        for item in ten(number):  # noqa: UP028 - what a hand writes
            yield item


async def source(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def anested() -> AsyncIterator[int]:
    async for number in source(TENS):
        for item in ten(number):
            yield item


async def both_in_turn() -> int:
    """The least that two async sources cost: a loop without a stream of its own."""
    first, second, number = source(NUMBERS), source(NUMBERS), 0
    try:
        while True:
            await anext(first)
            await anext(second)
            number += 1
    except StopAsyncIteration:
        return number


def chunked(size: int) -> Iterator[list[int]]:
    """As ``more_itertools.chunked`` does it."""
    items = iter(NUMBERS)
    return iter(lambda: list(itertools.islice(items, size)), [])


async def achunked(size: int) -> AsyncIterator[list[int]]:
    items: list[int] = []
    async for item in source(NUMBERS):
        items.append(item)
        if len(items) == size:
            yield items
            items = []
    if items:
        yield items


async def four_tasks() -> int:
    """Four tasks and one queue, written by hand."""
    items: asyncio.Queue[Any] = asyncio.Queue(64)
    end = object()

    async def put_all(part: AsyncIterator[Any]) -> None:
        async for item in part:
            await items.put(item)
        await items.put(end)

    tasks = [asyncio.create_task(put_all(source(PART))) for _ in range(4)]
    number, live = 0, 4
    while live:
        if await items.get() is end:
            live -= 1
        else:
            number += 1
    await asyncio.gather(*tasks)
    return number


async def later(item: Any) -> Any:
    return item


async def tasks_in_order() -> int:
    """Eight tasks in flight, their results in order, by hand."""
    flying: deque[asyncio.Task[Any]] = deque()
    number = 0
    async for item in source(CALLS):
        flying.append(asyncio.create_task(later(item)))
        if len(flying) == 8:
            await flying.popleft()
            number += 1
    for task in flying:
        await task
        number += 1
    return number


def futures_in_order() -> int:
    """Four calls of an executor in flight, their results in order, by hand."""
    number = 0
    flying: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(4) as executor:
        for item in CALLS:
            flying.append(executor.submit(abs, item))
            if len(flying) == 4:
                flying.popleft().result()
                number += 1
        for future in flying:
            future.result()
            number += 1
    return number


def by_streamable(fn: Callable[[Any], Any], concurrency: int) -> Any:
    streamable = pytest.importorskip("streamable")
    return streamable.stream(CALLS).map(fn, concurrency=concurrency)


def four_threads() -> int:
    items: queue.Queue[Any] = queue.Queue(64)
    end = object()

    def put_all(part: Iterable[Any]) -> None:
        for item in part:
            items.put(item)
        items.put(end)

    threads = [threading.Thread(target=put_all, args=(PART,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    number, live = 0, 4
    while live:
        if items.get() is end:
            live -= 1
        else:
            number += 1
    for thread in threads:
        thread.join()
    return number


def one_thread() -> int:
    """A thread that reads ahead through a queue, by hand."""
    items: queue.Queue[Any] = queue.Queue(64)
    end = object()

    def put_all() -> None:
        for item in NUMBERS:
            items.put(item)
        items.put(end)

    thread = threading.Thread(target=put_all)
    thread.start()
    number = sum(1 for _ in iter(items.get, end))
    thread.join()
    return number


async def one_task() -> int:
    items: asyncio.Queue[Any] = asyncio.Queue(64)
    end = object()

    async def put_all() -> None:
        async for item in source(NUMBERS):
            await items.put(item)
        await items.put(end)

    task = asyncio.create_task(put_all())
    number = 0
    while await items.get() is not end:
        number += 1
    await task
    return number


def passed(chunks: Iterable[Any]) -> Iterator[Any]:
    for chunk in chunks:  # noqa: UP028 - what a stage does
        yield chunk


async def apassed(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk


def three(*, listening: bool = False) -> Runnable[Any, Any]:
    stage: Runnable[Any, Any] = RunnableGenerator(passed, apassed)
    if listening:
        stage = stage.with_listeners(on_end=id)
    return stage | stage | stage


CONFIG: Any = {"tags": ["a"]}

# of each group the first side is what the others are held against
SIDES: dict[str, dict[str, Callable[[], int]]] = {
    "R6: map": {
        "map": lambda: drain(map(abs, NUMBERS)),
        "ops.map": lambda: drain(ops.map(abs).stream(NUMBERS)),
    },
    "R6: filter": {
        "filter": lambda: drain(filter(abs, NUMBERS)),
        "ops.filter": lambda: drain(ops.filter(abs).stream(NUMBERS)),
    },
    "takewhile": {
        "itertools.takewhile": lambda: drain(itertools.takewhile(abs, NUMBERS)),
        "ops.take_while": lambda: drain(ops.take_while(abs).stream(NUMBERS)),
    },
    "accumulate": {
        "itertools.accumulate": lambda: drain(itertools.accumulate(NUMBERS, add)),
        "ops.scan": lambda: drain(ops.scan(add, 0).stream(NUMBERS)),
    },
    "enumerate": {
        "enumerate": lambda: drain(enumerate(NUMBERS)),
        "ops.enumerate": lambda: drain(ops.enumerate().stream(NUMBERS)),
    },
    "R8: read-ahead": {
        "a thread and queue.Queue(64)": one_thread,
        "ops.buffer(64)": lambda: drain(ops.buffer(64).stream(NUMBERS)),
        "ops.buffer(512)": lambda: drain(ops.buffer(512).stream(NUMBERS)),
    },
    "R8: read-ahead, async": {
        "a task and asyncio.Queue(64)": lambda: asyncio.run(one_task()),
        "ops.buffer(64)": lambda: asyncio.run(adrain(ops.buffer(64).astream(source(NUMBERS)))),
    },
    "R16: three stages": {
        "as they are": lambda: drain(three().transform(NUMBERS)),
        "with a config": lambda: drain(three().transform(NUMBERS, CONFIG)),
        "with listeners": lambda: drain(three(listening=True).transform(NUMBERS)),
    },
    "R16: three stages, async": {
        "as they are": lambda: asyncio.run(adrain(three().atransform(source(NUMBERS)))),
        "with a config": lambda: asyncio.run(adrain(three().atransform(source(NUMBERS), CONFIG))),
        "with listeners": lambda: asyncio.run(adrain(three(listening=True).atransform(source(NUMBERS)))),
    },
    "R9: merge of 4, async": {
        "four tasks and a queue": lambda: asyncio.run(four_tasks()),
        "ops.merge": lambda: asyncio.run(adrain(ops.merge(*(source(PART) for _ in range(4))))),
    },
    "R9: merge of 4": {
        "four threads and a queue": four_threads,
        "ops.merge": lambda: drain(ops.merge(*[PART] * 4)),
    },
    "R10: zip of 2": {
        "zip": lambda: drain(zip(NUMBERS, NUMBERS, strict=False)),
        "ops.zip": lambda: drain(ops.zip(NUMBERS, NUMBERS)),
    },
    "R10: zip of 2, async": {
        "a loop that awaits both": lambda: asyncio.run(both_in_turn()),
        "ops.zip": lambda: asyncio.run(adrain(ops.zip(source(NUMBERS), source(NUMBERS)))),
    },
    "R11: flat_map of ranges of 10": {
        "nested generator": lambda: drain(nested_loops()),
        "with yield from": lambda: drain(nested()),
        "ops.flat_map": lambda: drain(ops.flat_map(ten).stream(TENS)),
    },
    "R11: flat_map of ranges of 10, async": {
        "nested generator": lambda: asyncio.run(adrain(anested())),
        "ops.flat_map": lambda: asyncio.run(adrain(ops.flat_map(ten).astream(source(TENS)))),
    },
    "R12: group(100)": {
        "chunked": lambda: drain(chunked(100)),
        "ops.group": lambda: drain(ops.group(100).stream(NUMBERS)),
        "ops.group, seconds=1": lambda: drain(ops.group(100, seconds=1).stream(NUMBERS)),
    },
    "R12: group(100), async": {
        "generator": lambda: asyncio.run(adrain(achunked(100))),
        "ops.group": lambda: asyncio.run(adrain(ops.group(100).astream(source(NUMBERS)))),
        "ops.group, seconds=1": lambda: asyncio.run(
            adrain(ops.group(100, seconds=1).astream(source(NUMBERS)))
        ),
    },
    "R13: map(concurrency=8) of coroutines": {
        "eight tasks": lambda: asyncio.run(tasks_in_order()),
        "streamable": lambda: asyncio.run(adrain(by_streamable(later, 8))),
        "ops.map": lambda: asyncio.run(adrain(ops.map(later, concurrency=8).astream(source(CALLS)))),
        "ops.map, unordered": lambda: asyncio.run(
            adrain(ops.map(later, concurrency=8, ordered=False).astream(source(CALLS)))
        ),
    },
    "R13: map(concurrency=4) of functions": {
        "an executor": futures_in_order,
        "streamable": lambda: drain(by_streamable(abs, 4)),
        "ops.map": lambda: drain(ops.map(abs, concurrency=4).stream(CALLS)),
        "ops.map, unordered": lambda: drain(ops.map(abs, concurrency=4, ordered=False).stream(CALLS)),
    },
    "R14: tee of 2, in turn": {
        "itertools.tee": lambda: drain(zip(*itertools.tee(NUMBERS), strict=False)),
        "ops.tee": lambda: drain(zip(*ops.tee(NUMBERS), strict=False)),
    },
    "R14: chain": {
        "itertools.chain": lambda: drain(itertools.chain(NUMBERS[:10], NUMBERS[10:])),
        "ops.chain": lambda: drain(ops.chain(NUMBERS[:10], NUMBERS[10:])),
    },
}
CASES = [(group, side) for group, sides in SIDES.items() for side in sides]


@pytest.mark.parametrize(("group", "side"), CASES)
def test_operators(measure: Any, group: str, side: str) -> None:
    run = SIDES[group][side]
    assert run() == next(iter(SIDES[group].values()))()
    measure(f"{group}, time per {ITEMS} items", run, 8 * ITEMS)
