"""``check_laws``: each law, on each sample."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..runnables.base import Runnable
from .cleanup import check_cleanup
from .eagerness import check_eagerness
from .failing_sources import check_errors
from .fragmentations import few_fragmentations, fragmentations
from .growth import check_cost, check_memory
from .independence import check_independence
from .outcomes import as_plain, short, value_or_error
from .report import LAWS, LawReport
from .subject import Subject
from .twins import on_backend

__all__ = ["check_laws"]

FEW = 8
"""Ways to cut a sample for the async form of a sync stage: each such stream has a thread."""
SEVERAL = 40
"""The same for a stage that works on the loop."""


def check_laws(
    runnable: Runnable[Any, Any],
    samples: Iterable[Any],
    *,
    laws: Sequence[str] = LAWS,
    cuts: int = 100,
    seed: int = 0,
    flow: bool | None = None,
    equal: Callable[[Any, Any], bool] | None = None,
) -> LawReport:
    """Raise ``LawViolation`` if ``runnable`` breaks a law on one of ``samples``; see the module for what is checked.

    ``laws`` selects; ``cuts`` and ``seed`` steer the random fragmentations. ``flow`` says that the output is one text,
    one run of bytes or of ids, whose pieces may lie otherwise for another cut: then folds are compared, not items;
    ``None`` takes the Runnable's word. ``equal`` compares two outputs where ``==`` does not do.
    """
    unknown = set(laws) - set(LAWS)
    if unknown:
        raise ValueError(f"no such law: {', '.join(sorted(unknown))}; there are {', '.join(LAWS)}")
    subject = Subject(runnable, samples, flow, equal)
    of_samples: dict[str, Callable[[Any], None]] = {
        "completeness": lambda sample: _check_completeness(subject, sample),
        "independence": lambda sample: check_independence(subject, sample),
        "fragmentation": lambda sample: _check_fragmentation(subject, sample, cuts, seed),
        "order": lambda sample: _check_order(subject, sample),
        "eagerness": lambda sample: check_eagerness(subject, sample),
        "cleanup": lambda sample: check_cleanup(subject, sample),
        "errors": lambda sample: check_errors(subject, sample),
    }
    of_all: dict[str, Callable[[], None]] = {
        "cost": lambda: check_cost(subject),
        "memory": lambda: check_memory(subject),
        "twins": lambda: _check_twins(subject, cuts, seed),
    }
    for law in LAWS:
        if law not in laws:
            continue
        if law in of_all:
            of_all[law]()
        else:
            for sample in subject.samples:
                of_samples[law](sample)
    return subject.report


def _check_completeness(subject: Subject, sample: Any) -> None:
    runnable = subject.runnable
    whole = value_or_error(lambda: runnable.invoke(sample))
    folded = value_or_error(lambda: runnable.collect(runnable.stream(sample)))
    subject.same("completeness", folded, whole, f"folding the stream of {short(sample)}")
    if subject.streams and (subject.by_item or isinstance(sample, (str, bytes))):
        chunks = list(sample) if subject.by_item else [sample]
        folded = value_or_error(lambda: runnable.collect(runnable.transform(iter(chunks))))
        subject.same("completeness", folded, whole, f"folding transform of {short(sample)}")

    async def folded_async() -> Any:
        return runnable.collect([chunk async for chunk in runnable.astream(sample)])

    async def outputs() -> Any:
        return await asyncio.gather(runnable.ainvoke(sample), folded_async(), return_exceptions=True)

    for name, got in zip(("ainvoke", "folding astream"), asyncio.run(outputs()), strict=True):
        got = (type(got), str(got)) if isinstance(got, Exception) else got
        subject.same("completeness", got, whole, f"{name} of {short(sample)}")


def _check_fragmentation(subject: Subject, sample: Any, cuts: int, seed: int) -> None:
    if not (subject.streams and isinstance(sample, (str, bytes))):
        return
    transform = subject.runnable.transform
    wanted = subject.outcome(lambda: transform(iter([sample])))
    for fragments in fragmentations(sample, cuts, seed):
        got = subject.outcome(lambda fragments=fragments: transform(fragments))  # type: ignore[misc]
        subject.same("fragmentation", got, wanted, f"cut as {short(fragments)}")
    most = min(SEVERAL if subject.is_async else FEW, cuts)
    asyncio.run(_check_async_fragmentation(subject, few_fragmentations(sample, most, seed), wanted))


async def _check_async_fragmentation(subject: Subject, ways: Iterable[list[Any]], wanted: Any) -> None:
    async def source(fragments: list[Any]) -> Any:
        for fragment in fragments:
            yield fragment

    for fragments in ways:
        got = await subject.aoutcome(subject.runnable.atransform(source(fragments)))
        subject.same("fragmentation", got, wanted, f"cut as {short(fragments)}, on an event loop")


def _check_order(subject: Subject, sample: Any) -> None:
    runnable = subject.runnable
    several = [sample, *subject.samples[:7]]
    one_by_one = [value_or_error(lambda each=each: runnable.invoke(each)) for each in several]  # type: ignore[misc]
    for name, outputs in (
        ("batch", runnable.batch(several, return_exceptions=True)),
        ("abatch", asyncio.run(runnable.abatch(several, return_exceptions=True))),
    ):
        together = [(type(each), str(each)) if isinstance(each, Exception) else each for each in outputs]
        subject.same("order", together, one_by_one, f"{name} of {len(several)} inputs")


def _check_twins(subject: Subject, cuts: int, seed: int) -> None:
    samples = [sample for sample in subject.samples if isinstance(sample, (str, bytes))]
    pair = [on_backend(subject.runnable, backend) for backend in ("native", "pure")] if samples else [None]
    if None in pair:
        return
    for sample in samples:
        for fragments in fragmentations(sample, max(cuts // 10, 3), seed):
            native, pure = (
                subject.outcome(lambda twin=twin, fragments=fragments: twin.transform(fragments))  # type: ignore[misc]
                for twin in pair
            )
            where = f"native against pure, cut as {short(fragments)}"
            subject.same("twins", as_plain(native), as_plain(pure), where)
