"""The law of independence: calls do not see each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from .outcomes import END, next_or_failure, short, value_or_error, with_error
from .subject import Subject

__all__ = ["check_independence"]


def check_independence(subject: Subject, sample: Any) -> None:
    """One call after another, one after a stream that was left, two streams in turns."""
    runnable = subject.runnable
    once, again = (value_or_error(lambda: runnable.invoke(sample)) for _ in range(2))
    subject.same("independence", again, once, f"invoked a second time with {short(sample)}")

    def opened() -> Iterator[Any]:
        if subject.streams:
            return runnable.transform(iter(subject.pieces(sample)))
        return runnable.stream(sample)

    wanted = subject.flat(opened())
    _leave(opened())
    subject.same(
        "independence", subject.flat(opened()), wanted, f"after a stream of {short(sample)} was left"
    )
    outputs = _in_turns(with_error(opened()), with_error(opened()))
    _compare(subject, sample, outputs, wanted, "")
    if subject.is_async:
        outputs = asyncio.run(_async_in_turns(subject, sample))
        _compare(subject, sample, outputs, wanted, ", on an event loop")


def _leave(stream: Any) -> None:
    value_or_error(lambda: next(stream, None))
    if hasattr(stream, "close"):
        value_or_error(stream.close)


def _compare(subject: Subject, sample: Any, outputs: list[list[Any]], wanted: Any, where: str) -> None:
    for chunks in outputs:
        got = subject.flat(chunks)
        subject.same("independence", got, wanted, f"one of two streams of {short(sample)} in turns{where}")


def _in_turns(*streams: Iterator[Any]) -> list[list[Any]]:
    """What each of the streams gives."""
    outputs: list[list[Any]] = [[] for _ in streams]
    going = list(zip(streams, outputs, strict=True))
    while going:
        for each in list(going):
            stream, chunks = each
            chunk = next(stream, END)
            if chunk is END:
                going.remove(each)
            else:
                chunks.append(chunk)
    return outputs


async def _async_in_turns(subject: Subject, sample: Any) -> list[list[Any]]:
    async def source() -> Any:
        for piece in subject.pieces(sample):
            yield piece

    def opened() -> Any:
        return subject.runnable.atransform(source()) if subject.streams else subject.runnable.astream(sample)

    streams = [opened(), opened()]
    outputs: list[list[Any]] = [[] for _ in streams]
    going = list(zip(streams, outputs, strict=True))
    while going:
        for each in list(going):
            stream, chunks = each
            chunk = await next_or_failure(stream)
            if chunk is END:
                going.remove(each)
            else:
                chunks.append(chunk)
    return outputs
