"""StopIteration and StopAsyncIteration that a function raises: never the end of a stream, never a hang."""

from __future__ import annotations

import asyncio

import pytest
from loops import run

from streamcore import Runnable, RunnableLambda, coerce_to_runnable, ops


def stops(_):
    raise StopIteration("x")


def stops_async(_):
    raise StopAsyncIteration("x")


class Invokes(Runnable[int, int]):
    def invoke(self, input, config=None):
        raise StopIteration("x")


class Foreign:
    def invoke(self, input, config=None):
        raise StopIteration("x")

    stream = transform = invoke


async def all_of(stream):
    return [chunk async for chunk in stream]


SYNC = {
    "invoke": lambda stage: stage.invoke(1),
    "batch": lambda stage: stage.batch([1, 2]),
    "stream": lambda stage: list(stage.stream(1)),
    "transform": lambda stage: list(stage.transform([1])),
}
ASYNC = {
    "ainvoke": lambda stage: stage.ainvoke(1),
    "abatch": lambda stage: stage.abatch([1, 2]),
    "astream": lambda stage: all_of(stage.astream(1)),
}


@pytest.mark.parametrize("way", [*SYNC, *ASYNC])
def test_stop_iteration_from_a_function(way):
    stage = RunnableLambda(stops)
    with pytest.raises(RuntimeError, match="generator raised StopIteration") as caught:
        SYNC[way](stage) if way in SYNC else run(ASYNC[way](stage))
    assert repr(caught.value.__cause__) == "StopIteration('x')"


@pytest.mark.parametrize("way", ASYNC)
@pytest.mark.parametrize("stage", [Invokes(), coerce_to_runnable(Foreign())], ids=["class", "foreign"])
def test_stop_iteration_from_a_sync_method_called_from_a_loop(stage, way):
    if way == "astream" and not isinstance(stage, Invokes):
        return
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        run(ASYNC[way](stage))


def test_stop_async_iteration_from_a_function_in_a_thread():
    with pytest.raises(RuntimeError, match="StopAsyncIteration") as caught:
        run(all_of(RunnableLambda(stops_async).astream(1)))
    assert repr(caught.value.__cause__) == "StopAsyncIteration('x')"


async def numbers():
    for number in range(3):
        await asyncio.sleep(0)
        yield number


async def stops_async_late(_):
    raise StopAsyncIteration("x")


async def stops_late(_):
    raise StopIteration("x")


@pytest.mark.parametrize("kind", [ops.map, ops.filter])
@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (stops, "generator raised StopIteration"),
        (stops_async, "async generator raised StopAsyncIteration"),
        (stops_late, "coroutine raised StopIteration"),
        (stops_async_late, "async generator raised StopAsyncIteration"),
    ],
)
def test_an_operator_in_an_async_stream(kind, fn, message):
    operator = kind(fn)
    with pytest.raises(RuntimeError, match=message) as caught:
        run(all_of(operator.atransform(numbers())))
    assert caught.value.__notes__ == [f"in {operator!r}, at item 0"]
