"""The laws of cost and of memory: a stream four times as long is four times the work, and no more is held.

Both feed the samples over and over, so that items keep coming: a stream that is one endless item is not tried.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from .outcomes import Failure, short, with_error
from .sources import counting
from .subject import Subject

if TYPE_CHECKING:
    from ..runnables.config import RunnableConfig

__all__ = ["check_cost", "check_memory"]

LINEAR = 8
"""Four times the input may be less than this many times the work: 4 is linear, 16 is quadratic."""
SUSPECT = 6
"""The same of two single times, to be looked at again: one that is longer by chance hides what is quadratic."""
ELEMENTS = 64
"""n, where single elements are counted; or the length of the samples, up to ``MOST_ELEMENTS``."""
MOST_ELEMENTS = 512
FRAGMENTS = (64, 256, 1024, 4096)
"""The lengths of the streams that are timed, as long as one takes no longer than ``LONG``."""
LONG = 0.01
"""Seconds of the thread: less is not judged."""
PULLS = 64
"""n, where memory is traced; items are four times as many, since one may take up nothing."""
SHORT_PIECE, PIECE = 8, 32
"""Elements of a fragment of text there, and where time is taken."""
GROWTH = 1024
"""Bytes that may be held more at 4n than at n."""
FRAMES = 25
"""How deep the code of a stage may be below that of the check, to know its memory from that of other threads."""
SMALL_BUFFERS: RunnableConfig = {"buffer_size": 4}
"""What is read ahead is no growth, but looks like it until the buffers are full."""
_tracing = threading.Lock()

Run = Callable[[Iterator[Any]], None]


def check_cost(subject: Subject) -> None:
    unit = _repeatable(subject)
    if unit is None:
        return
    if isinstance(unit, (str, bytes)) and len(unit) <= MOST_ELEMENTS:
        _check_touched(subject, unit)
    _check_time(subject, unit)


def check_memory(subject: Subject) -> None:
    """Traced memory at n and 4n; where it grew, again, for what was allocated on behalf of the stream alone."""
    unit = _repeatable(subject)
    if unit is None:
        return
    for run in _runs(subject):
        with _tracing:
            grown = _grows(run, unit)
        subject.hold("memory", not grown, lambda: f"holds more and more of {short(unit)}, over and over")


def _repeatable(subject: Subject) -> Any:
    """What may come over and over without an error, items coming out all the while: all samples in a row, or one."""
    if not subject.streams:
        return None
    samples = [each for each in subject.samples if isinstance(each, (str, bytes, list, tuple)) and each]
    if not samples:
        return None
    joined: Any = samples[0][:0]
    for each in samples:
        if isinstance(each, type(joined)):
            joined += each
    return next((unit for unit in (joined, *samples) if _gives_items(subject, unit)), None)


def _gives_items(subject: Subject, unit: Any) -> bool:
    """Whether more items come, and no error, if it comes more often."""
    pieces = [unit] if isinstance(unit, (str, bytes)) else list(unit)
    once, often = (
        list(with_error(subject.runnable.transform(iter(given)))) for given in (pieces, 4 * pieces)
    )
    return len(often) > len(once) and not isinstance(often[-1], Failure)


def _pieces(unit: Any, least: int = SHORT_PIECE) -> Iterator[Any]:
    """Without an end: the items of ``unit``, or its text in fragments that are new objects."""
    if not isinstance(unit, (str, bytes)):
        return cycle(unit)
    block = unit * -(-2 * least // len(unit))
    return (block[at : at + least] for _ in cycle((0,)) for at in range(0, len(block), least))


async def _as_async(pieces: Iterator[Any]) -> AsyncIterator[Any]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


def _runs(subject: Subject) -> list[Run]:
    """How to lead pieces through the stage, its output dropped: sync, and async where that is other code."""

    def run(pieces: Iterator[Any]) -> None:
        for _ in subject.runnable.transform(pieces, SMALL_BUFFERS):
            pass

    async def arun(pieces: Iterator[Any]) -> None:
        async for _ in subject.runnable.atransform(_as_async(pieces), SMALL_BUFFERS):
            pass

    runs: list[Run] = [run] if subject.runnable._written.is_sync else []
    if subject.is_async:
        runs.append(lambda pieces: asyncio.run(arun(pieces)))
    return runs


# -- cost


def _check_touched(subject: Subject, unit: Any) -> None:
    """Elements that the methods of text looked at, in streams of n and of 4n single elements."""
    n = max(ELEMENTS, len(unit))
    elements = subject.elements(unit)
    for run in _runs(subject):
        touched = []
        for size in (n, 4 * n):
            seen = [0]
            kind = counting(type(unit), seen)
            try:
                run(map(kind, islice(cycle(elements), size)))
            except Exception:  # noqa: BLE001 - it takes no subclasses; or it has a limit, which is another law's
                return
            touched.append(seen[0])
        few, many = touched
        subject.hold(
            "cost",
            many < LINEAR * max(few, n),
            lambda few=few, many=many: (  # type: ignore[misc]
                f"looked at {few} elements in a stream of {n}, and at {many} in one of {4 * n}: "
                f"{short(unit)}, over and over"
            ),
        )


def _check_time(subject: Subject, unit: Any) -> None:
    """For what no count shows: the time of the thread, judged only where it is long, and by the least of several."""
    if not subject.runnable._written.is_sync:
        return
    before = took = 0.0
    size = FRAGMENTS[0]
    for size in FRAGMENTS:
        before, took = took, _seconds(subject, unit, size)
        if took > LONG:
            break
    slow = took > LONG and took > SUSPECT * before > 0
    # the least of several runs is what the work takes; whatever comes between makes a run longer
    slow = slow and _least(subject, unit, size) > LINEAR * _least(subject, unit, size // 4)
    subject.hold(
        "cost",
        not slow,
        lambda: (
            f"took {before:.3f} s for {size // 4} fragments and {took:.3f} s for {size}: {short(unit)}, over and over"
        ),
    )


def _least(subject: Subject, unit: Any, size: int) -> float:
    return min(_seconds(subject, unit, size) for _ in range(5))


def _seconds(subject: Subject, unit: Any, size: int) -> float:
    pieces = islice(_pieces(unit, PIECE), size)
    collects = gc.isenabled()
    gc.disable()
    try:
        start = time.thread_time()
        for _ in subject.runnable.transform(pieces):
            pass
        return time.thread_time() - start
    except Exception:  # noqa: BLE001 - a limit of the stage: the other laws judge errors
        return 0.0
    finally:
        if collects:
            gc.enable()


# -- memory


def _grows(run: Run, unit: Any) -> bool:
    mine = not tracemalloc.is_tracing()
    pulls = PULLS if isinstance(unit, (str, bytes)) else 4 * PULLS
    if mine:
        tracemalloc.start()
    try:
        with suppress(Exception):
            run(islice(_pieces(unit), pulls))  # what is made once
        marks = _marks(run, unit, 64, pulls, lambda: tracemalloc.get_traced_memory()[0])
        if marks is None or min(marks[48:]) - max(marks[8:17]) <= GROWTH:
            return False
        if mine:
            tracemalloc.stop()
            tracemalloc.start(FRAMES)
        # in a thread of its own, whose stack is short
        with ThreadPoolExecutor(1) as thread:
            marks = thread.submit(_marks, run, unit, 4, pulls, _held_here).result()
        if marks is None:
            return False
        grown = marks[3] - marks[1]
        return bool(grown > GROWTH / 2 and marks[3] - marks[2] > grown / 5)  # not in one step
    finally:
        if mine:
            tracemalloc.stop()


def _marks(run: Run, unit: Any, count: int, pulls: int, held: Callable[[], int]) -> Any:
    """What is held at ``count`` places of a stream of ``4 * pulls``; None if the stage took less of it, or failed."""
    marks = array("q", [0]) * count
    every = 4 * pulls // count

    def source() -> Iterator[Any]:
        for at, piece in enumerate(islice(_pieces(unit), 4 * pulls)):
            if at % every == 0:
                marks[at // every] = held()
            yield piece

    try:
        run(source())
    except Exception:  # noqa: BLE001 - a limit of the stage: the other laws judge errors
        return None
    return marks if marks[-1] else None


def _held_here() -> int:
    """Bytes that this file, or what it called, allocated: not those of other threads."""
    gc.collect()
    here: dict[tracemalloc.Traceback, bool] = {}
    held = 0
    for trace in tracemalloc.take_snapshot().traces:
        where = trace.traceback
        if where not in here:
            here[where] = any(frame.filename == __file__ for frame in where)
        held += trace.size * here[where]
    return held
