"""The law of cleanup: however a stream ends, its source is closed once, before the call that ended it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from . import eagerness
from .endings import ASYNC_ENDINGS, ENDINGS, TURNS, aexhaust, cancelled_after
from .outcomes import short
from .report import LawViolation
from .sources import AsyncSource, RecordingSource
from .subject import Subject

__all__ = ["check_cleanup"]

IN_THREAD = (0, 1, 3, 10)
"""Turns after which the stream of a sync stage is cancelled: each such stream has a thread."""


def check_cleanup(subject: Subject, sample: Any) -> None:
    if subject.streams:
        if subject.runnable._written.is_sync:
            _check_sync(subject, sample)
        asyncio.run(_check_async(subject, sample))
    elif subject.is_async:
        asyncio.run(_check_calls(subject, sample))


def _check_sync(subject: Subject, sample: Any) -> None:
    for name, end in ENDINGS.items():
        source = RecordingSource(subject.pieces(sample))
        try:
            end(subject.opened(source))
        except LawViolation:
            raise
        except Exception:  # noqa: BLE001 - bad input: the other laws judge it, the source is closed all the same
            name = f"{name}, after an error"
        _judge(subject, source, "transform", f"{short(sample)} was closed, {name}")


async def _check_async(subject: Subject, sample: Any) -> None:
    failed = False
    for name, end in ASYNC_ENDINGS.items():
        source = RecordingSource(subject.pieces(sample))
        failed |= await _failed(end, subject.aopened(AsyncSource(source)))
        _judge(subject, source, "atransform", f"{short(sample)} was closed, async, {name}")
    for turns in range(TURNS) if subject.is_async else IN_THREAD:
        source = RecordingSource(subject.pieces(sample))
        stream = subject.aopened(AsyncSource(source))
        ending = await cancelled_after(turns, aexhaust(stream), eagerness.LATE)
        await stream.aclose()
        where = f"{short(sample)} was closed, cancelled after {turns} turns of the loop"
        _judge(subject, source, "atransform", where)
        if ending is None:
            break
        kept = ending == "cancelled" or (failed and ending.startswith("raised"))
        subject.hold("cleanup", kept, lambda: f"{ending}: {where}")  # noqa: B023 - called here


async def _check_calls(subject: Subject, sample: Any) -> None:
    """A stage that waits: its calls end when they are cancelled."""
    runnable = subject.runnable
    try:
        await runnable.ainvoke(sample)
    except Exception:  # noqa: BLE001 - bad input: the other laws judge it
        return
    calls: dict[str, Callable[[], Any]] = {
        "ainvoke": lambda: runnable.ainvoke(sample),
        "astream": lambda: aexhaust(runnable.astream(sample)),
    }
    for name, call in calls.items():
        for turns in range(TURNS):
            ending = await cancelled_after(turns, call(), eagerness.LATE)
            if ending is None:
                break
            where = f"{name} of {short(sample)}, cancelled after {turns} turns of the loop"
            subject.hold("cleanup", ending == "cancelled", lambda: f"{ending}: {where}")  # noqa: B023 - called here


async def _failed(end: Callable[[Any], Awaitable[None]], stream: Any) -> bool:
    try:
        await end(stream)
    except LawViolation:
        raise
    except Exception:  # noqa: BLE001 - bad input: an error has closed the source already
        return True
    return False


def _judge(subject: Subject, source: RecordingSource, method: str, where: str) -> None:
    kept = subject.closes_enough(source, method)
    subject.hold("cleanup", kept, lambda: f"times the source of {where}: got {source.closed}, not 1")
