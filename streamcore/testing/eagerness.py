"""The law of eagerness: an item comes when no continuation can change it, and not before."""

from __future__ import annotations

import asyncio
from typing import Any

from .outcomes import END, common_prefix, equal, next_or_failure, short, with_error
from .sources import GatedSource, RecordingSource
from .subject import Subject

__all__ = ["check_eagerness"]

EAGER = 48
"""Samples beyond this many elements are too long for this check, which is quadratic."""
ELEMENTS = 40
"""As many elements of the samples are tried as continuations."""
LATE = 10.0
"""Seconds after which a chunk that was due on an event loop is missing."""


def check_eagerness(subject: Subject, sample: Any) -> None:
    text = isinstance(sample, (str, bytes))
    if not subject.streams or subject.reads_ahead or not (text or isinstance(sample, (list, tuple))):
        return
    if len(sample) > EAGER:
        return
    elements = subject.elements(sample)
    transform = subject.runnable.transform
    emitted = _emitted_by_prefix(subject, elements)
    endings = _endings(subject, sample)
    for length in range(1, len(sample)):
        here = [*endings, sample[length:]]
        if text:
            inputs = [[sample[:length], ending] for ending in here]
        else:
            inputs = [[*elements[:length], *ending] for ending in here]
        decided = common_prefix([subject.flat(transform(iter(each))) for each in inputs])
        subject.same("eagerness", emitted[length], decided, f"after {short(sample[:length])}")
    asyncio.run(_async_eagerness(subject, sample, elements, emitted))


def _endings(subject: Subject, sample: Any) -> list[Any]:
    """How a prefix may go on: not at all, with each element that the samples have, with each short sample."""
    kind = type(sample)
    alike = [each for each in subject.samples if isinstance(each, kind) and len(each) <= EAGER]
    if isinstance(sample, (str, bytes)):
        elements = {
            each[at : at + 1] for each in subject.samples if isinstance(each, kind) for at in range(len(each))
        }
        return [sample[:0], *sorted(elements), *alike]
    distinct: list[Any] = []
    for each in alike:
        for at in range(len(each)):
            element = each[at : at + 1]
            if len(distinct) < ELEMENTS and not any(equal(element, other) for other in distinct):
                distinct.append(element)
    return [sample[:0], *distinct, *alike]


def _emitted_by_prefix(subject: Subject, elements: list[Any]) -> list[Any]:
    """What has come out by the time that the stage asks for more than the first n elements, for each n."""
    source = RecordingSource(elements)
    when = [(source.pulled, chunk) for chunk in with_error(subject.runnable.transform(source))]
    return [subject.flat(chunk for pulled, chunk in when if pulled <= n) for n in range(len(elements) + 1)]


async def _async_eagerness(subject: Subject, sample: Any, elements: list[Any], emitted: list[Any]) -> None:
    """``atransform`` gives what ``transform`` gives, while its source waits with the next element."""
    source = GatedSource(elements)
    stream: Any = subject.runnable.atransform(source)
    pull = asyncio.ensure_future(next_or_failure(stream))
    held: list[Any] = []
    try:
        for length in range(1, len(sample)):
            source.allow_one()
            wanted = emitted[length]
            while not (held and held[-1] is END):
                late = len(subject.flat(held)) < len(wanted)
                await asyncio.wait([pull], timeout=LATE if late else 0)
                if not pull.done():
                    break
                held.append(pull.result())
                pull = asyncio.ensure_future(next_or_failure(stream))
            got = subject.flat(held[:-1] if held and held[-1] is END else held)
            subject.same("eagerness", got, wanted, f"on an event loop, after {short(sample[:length])}")
    finally:
        source.allow_all()  # so that it ends, even if it swallows this
        pull.cancel()
        await asyncio.wait([pull])
        if hasattr(stream, "aclose"):
            await stream.aclose()
