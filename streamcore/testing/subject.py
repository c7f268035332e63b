"""The Runnable that is held to the laws: how its streams are opened, and how two outputs of it are compared."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..ops.operator import Operator
from ..runnables.base import Runnable
from ..runnables.binding import RunnableBinding
from ..runnables.function import RunnableGenerator
from ..runnables.sequence import RunnableSequence
from .outcomes import Failure, awith_error, short, value_or_error, with_error
from .outcomes import equal as equal_by_default
from .report import LawReport, LawViolation
from .sources import RecordingSource

__all__ = ["Subject"]


class Subject:
    """A Runnable, its samples, and what was found out about it."""

    def __init__(
        self,
        runnable: Runnable[Any, Any],
        samples: Iterable[Any],
        flow: bool | None,
        equal: Callable[[Any, Any], bool] | None,
    ) -> None:
        self.runnable = runnable
        self.flow = runnable._chunks_are == "pieces" if flow is None else flow
        self.equal = equal or equal_by_default
        self.report = LawReport()
        first = _first(runnable)
        self.by_item = isinstance(first, Operator)
        self.samples = [_items(sample) if self.by_item else sample for sample in samples]
        self.streams = not runnable._written.waits
        self.is_async = runnable._written.is_async
        self.reads_ahead = any(map(_reads_ahead, _stages(runnable)))
        self._first = first
        self._closing: dict[tuple[int, str], bool] = {}

    def same(self, law: str, got: Any, wanted: Any, where: str) -> None:
        self.hold(law, self.equal(got, wanted), lambda: f"{where}: got {short(got)}, not {short(wanted)}")

    def hold(self, law: str, kept: bool, message: Callable[[], str]) -> None:
        self.report.checked[law] += 1
        if not kept:
            raise LawViolation(law, f"{self.runnable!r} {message()}")

    # -- samples

    def pieces(self, sample: Any) -> list[Any]:
        """The sample as the fragments of a stream: text and bytes in halves, other sequences item by item."""
        if isinstance(sample, (str, bytes)):
            half = len(sample) // 2
            return [sample[:half], sample[half:]]
        return list(sample) if isinstance(sample, (list, tuple)) else [sample]

    def elements(self, sample: Any) -> list[Any]:
        """The sample in the smallest pieces."""
        if isinstance(sample, (str, bytes)):
            return [sample[at : at + 1] for at in range(len(sample))]
        return list(sample)

    # -- streams

    def opened(self, source: Any) -> Any:
        """A stream over ``source`` that owes it a close: the public one, or that of a chain of this one stage."""
        if self._closes(self.runnable, "transform"):
            return self.runnable.transform(source)
        return self.runnable._transformed(source, None)

    def aopened(self, source: Any) -> Any:
        """Async ``opened``."""
        if self._closes(self.runnable, "atransform"):
            return self.runnable.atransform(source)
        return self.runnable._atransformed(source, None)

    def closes_enough(self, source: RecordingSource, method: str) -> bool:
        """Whether the source was closed, and no more than once by each of those who may.

        A generator that the user wrote may, as it does by itself in ``yield from source``; and what runs it must.
        """
        of_user = isinstance(self._first, RunnableGenerator) or not self._closes(self._first, method)
        return 1 <= source.closed <= 1 + of_user

    def _closes(self, stage: Any, method: str) -> bool:
        """Whether what that method gives can close its source: a generator that was never pulled cannot."""
        key = id(stage), method
        if key not in self._closing:
            known = stage._closes_input or method not in stage._written
            self._closing[key] = known or _can_close(stage, method)
        return self._closing[key]

    # -- outputs

    def outcome(self, make: Callable[[], Iterable[Any]]) -> tuple[Any, Any]:
        """The output, folded if it is a flow, and the error that ended it as (type, text)."""
        chunks: list[Any] = []
        error = None
        try:
            chunks.extend(make())
        except Exception as failure:  # noqa: BLE001 - an outcome like any other, compared below
            error = type(failure), str(failure)
        return self.folded(chunks), error

    async def aoutcome(self, stream: Any) -> tuple[Any, Any]:
        """Async ``outcome``."""
        chunks = await awith_error(stream)
        failure = chunks.pop() if chunks and isinstance(chunks[-1], Failure) else None
        return self.folded(chunks), failure and (failure.kind, failure.text)

    def folded(self, chunks: list[Any]) -> Any:
        return (self.runnable.collect(chunks) if chunks else None) if self.flow else chunks

    def flat(self, chunks: Iterable[Any]) -> Any:
        """The output as a sequence of what cannot be cut further; an error that ended it is the last of it."""
        held = list(with_error(chunks))
        if not self.flow:
            return held
        failed = [held.pop()] if held and isinstance(held[-1], Failure) else []
        return [*(self.runnable.collect(held) if held else ()), *failed]


class _NoMore:
    """An async source without an item."""

    def __aiter__(self) -> _NoMore:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        pass


def _first(runnable: Any) -> Any:
    """The stage that gets the input."""
    while True:
        if isinstance(runnable, RunnableSequence):
            runnable = runnable.stages[0]
        elif isinstance(runnable, RunnableBinding):
            runnable = runnable.bound
        else:
            return runnable


def _stages(runnable: Any) -> Iterator[Any]:
    """The stages in a row, bindings and chains opened."""
    if isinstance(runnable, RunnableSequence):
        for stage in runnable.stages:
            yield from _stages(stage)
    elif isinstance(runnable, RunnableBinding):
        yield from _stages(runnable.bound)
    else:
        yield runnable


def _reads_ahead(stage: Any) -> bool:
    """Whether it pulls more than it needs, as it declares."""
    return getattr(stage, "_reads_ahead", False) or getattr(stage, "concurrency", 1) > 1


def _can_close(stage: Any, method: str) -> bool:
    source, close = (RecordingSource(()), "close") if method == "transform" else (_NoMore(), "aclose")
    output = value_or_error(lambda: getattr(stage, method)(source))
    if close == "close" and hasattr(output, close):
        output.close()
    return hasattr(output, close) and not (inspect.isgenerator(output) or inspect.isasyncgen(output))


def _items(sample: Any) -> Any:
    """Text and bytes as the list of their elements, one item each."""
    if isinstance(sample, (str, bytes)):
        return [sample[at : at + 1] for at in range(len(sample))]
    return sample
