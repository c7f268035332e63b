"""The law of errors: what was complete before the source raised comes first, then the exception as it is."""

from __future__ import annotations

import asyncio
from typing import Any

from .outcomes import short, value_or_error
from .outcomes import with_error as as_items
from .report import LawViolation
from .sources import AsyncSource, RecordingSource
from .subject import Subject

__all__ = ["check_errors"]


def check_errors(subject: Subject, sample: Any) -> None:
    if not subject.streams:
        return
    pieces = subject.pieces(sample)
    if isinstance(value_or_error(lambda: list(subject.runnable.transform(iter(pieces)))), tuple):
        return  # bad input
    expected = [_expected(subject, pieces[:count]) for count in range(len(pieces) + 1)]
    if subject.runnable._written.is_sync:
        for count, (least, most) in enumerate(expected):
            failure = ConnectionResetError("the source broke")
            source = RecordingSource(pieces[:count], failure)
            ending = _ended(subject, source)
            _judge(
                subject,
                "transform",
                source,
                count,
                failure,
                ending,
                least,
                most,
                f"after {count} fragments of {short(sample)}",
            )
    asyncio.run(_check_async(subject, sample, pieces, expected))


async def _check_async(subject: Subject, sample: Any, pieces: list[Any], expected: list[Any]) -> None:
    for count, (least, most) in enumerate(expected):
        failure = ConnectionResetError("the source broke")
        source = RecordingSource(pieces[:count], failure)
        ending = await _aended(subject, source)
        where = f"after {count} fragments of {short(sample)}, on an event loop"
        _judge(subject, "atransform", source, count, failure, ending, least, most, where)


def _expected(subject: Subject, given: list[Any]) -> tuple[list[Any], list[Any]]:
    """The chunks that came without another pull, and all that there are if the source just ends here."""
    source = RecordingSource(given)
    when = [(source.pulled, chunk) for chunk in as_items(subject.runnable.transform(source))]
    least = [] if subject.reads_ahead else [chunk for pulled, chunk in when if pulled <= len(given)]
    return least, [chunk for _, chunk in when]


def _ended(subject: Subject, source: RecordingSource) -> tuple[list[Any], BaseException | None]:
    """What came over ``source``, and the error that ended it."""
    got: list[Any] = []
    try:
        for chunk in subject.opened(source):
            got.append(chunk)  # noqa: PERF402
    except LawViolation:
        raise
    except Exception as error:  # noqa: BLE001 - to be judged
        return got, error
    return got, None


async def _aended(subject: Subject, source: RecordingSource) -> tuple[list[Any], BaseException | None]:
    """Async ``_ended``."""
    got: list[Any] = []
    try:
        async for chunk in subject.aopened(AsyncSource(source)):
            got.append(chunk)  # noqa: PERF401 - what came before an error counts
    except LawViolation:
        raise
    except Exception as error:  # noqa: BLE001 - to be judged
        return got, error
    return got, None


def _judge(
    subject: Subject,
    method: str,
    source: RecordingSource,
    count: int,
    failure: BaseException,
    ending: tuple[list[Any], BaseException | None],
    least: list[Any],
    most: list[Any],
    where: str,
) -> None:
    got, error = ending
    enough = error is None and subject.reads_ahead and subject.equal(got, most)
    if source.pulled <= count or enough:
        return  # it had enough, or failed by itself, before its source did
    subject.hold("errors", error is not None, lambda: f"swallowed the exception of its source {where}")
    subject.hold(
        "errors", error is failure, lambda: f"gives {error!r} in the place of its source's exception, {where}"
    )
    closed, kept = source.closed, subject.closes_enough(source, method)
    subject.hold("errors", kept, lambda: f"times the source was closed: got {closed}, not 1, {where}")
    subject.same("errors", got[: len(least)], least, f"before its source broke {where}")
    subject.same("errors", got, most[: len(got)], f"before its source broke {where}")
