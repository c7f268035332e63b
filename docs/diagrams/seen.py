"""What the diagrams show, seen by running the package: after which piece something came out, and at which moment.

Time is that of an event loop whose clock jumps to the next timer, so that a moment is exact and costs nothing.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest.mock import patch

from streamcore.runnables import clock

__all__ = ["At", "Step", "after_pieces", "arriving", "at_moments", "now", "until", "watched"]

Value = TypeVar("Value")


@dataclass(frozen=True)
class At:
    """Something that lasts from a moment to another one, or is at one."""

    start: float
    end: float
    what: Any


@dataclass(frozen=True)
class Step:
    """A piece of the input, and what came out before the next one was asked for."""

    piece: bytes
    out: list[Any]


def after_pieces(stage: Any, pieces: Iterable[bytes]) -> list[Step]:
    """The items of a stage by the piece after which they came; those at the end belong to the last, ``b""``."""
    steps: list[Step] = []

    def source() -> Iterator[bytes]:
        for piece in pieces:
            steps.append(Step(piece, []))
            yield piece
        steps.append(Step(b"", []))

    for item in stage.transform(source()):
        steps[-1].out.append(item)
    return steps


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait: where the loop would, its clock goes on by that time."""

    time = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen"
            self.time += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.time


def at_moments(main: Coroutine[Any, Any, Value]) -> Value:
    """Run ``main`` where time is counted, from 0."""
    loop = JumpingLoop()
    try:
        with patch.object(clock, "now", loop.time):
            return loop.run_until_complete(main)
    finally:
        loop.close()


def now() -> float:
    return round(asyncio.get_running_loop().time(), 6)


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - now()))


async def arriving(moments: dict[float, Any], end: float) -> AsyncIterator[Any]:
    """A source whose items come at their moments, and that ends at ``end``."""
    for moment, item in moments.items():
        await until(moment)
        yield item
    await until(end)


async def watched(stream: AsyncIterable[Any], note: Callable[[At], object]) -> float:
    """Take a stream as fast as it comes; the moment of each item is noted, that of its end returned."""
    async for item in stream:
        note(At(now(), now(), item))
    return now()
