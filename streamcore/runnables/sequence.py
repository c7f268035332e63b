"""``RunnableSequence``: stages in a row. A composed stream is the iterator of its last stage, with nothing per chunk.

Two kinds of stage meet in a chain. One that wrote ``transform`` streams: it takes chunks as they come. Any other waits:
the chunks before it are folded by the stage that made them, and it runs on the whole. ``invoke`` cuts the chain at the
stages that wait and calls ``invoke`` where nothing streams in between, so that it gives what folding the stream gives.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import cached_property, partial
from itertools import chain, pairwise
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Never, overload

from .._backend import Stream, async_closing_iterator, close_all, closing_iterator, surrounding
from .._shared.notes import loud
from .base import Chunk, Input, Output, Runnable
from .blocking import async_single, fold_then_astream, fold_then_stream
from .bridge.ahead import Ahead, ahead_of
from .bridge.in_thread import in_thread
from .config import LISTENED, child_config, inside
from .folding import fold_input, folded
from .function import RunnableLambda, coerce_to_runnable, run_result
from .notes import CALLS, Links, note_stage
from .raising import araising, caught_after, raising
from .surrounding import asurrounded, surrounded
from .written import chained

if TYPE_CHECKING:
    from .._backend import Step
    from .composing import FoldFunction
    from .config import RunnableConfig

__all__ = ["RunnableSequence"]


class RunnableSequence(Runnable[Input, Output, Chunk]):
    """Stages run one after the other: ``RunnableSequence(a, b, c)``, or ``a | b | c``.

    Sequences among the stages are flattened; anything that ``coerce_to_runnable`` takes may be a stage. Closing a
    stream closes every stage and the source, last to first, before ``close()`` returns.
    """

    _closes_input = True

    def __init__(self, *stages: Any, name: str | None = None) -> None:
        coerced = [coerce_to_runnable(stage) for stage in stages]
        parts = [stage.stages if isinstance(stage, RunnableSequence) else (stage,) for stage in coerced]
        # two tuples are joined at once: a chain that is made by ``|`` copies its stages each time
        self.stages: Stages = parts[0] + parts[1] if len(parts) == 2 else tuple(chain.from_iterable(parts))
        if not self.stages:
            raise ValueError("RunnableSequence needs at least one stage, got none")
        written = coerced[0]._written
        for part in coerced[1:] or coerced:
            written = chained(written, part._written)
        self._written = written
        if name is not None:
            self.name = name

    @property
    def steps(self) -> list[Runnable[Any, Any]]:
        """The stages, in order."""
        return list(self.stages)

    @property
    def first(self) -> Runnable[Any, Any]:
        """The first stage."""
        return self.stages[0]

    @property
    def middle(self) -> list[Runnable[Any, Any]]:
        """The stages between the first and the last."""
        return list(self.stages[1:-1])

    @property
    def last(self) -> Runnable[Any, Any]:
        """The last stage."""
        return self.stages[-1]

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.stages))

    @cached_property
    def _segments(self) -> tuple[tuple[int, int], ...]:
        return _segments(self.stages)

    @cached_property
    def _functions(self) -> tuple[Callable[[Any], Any], ...]:
        """The functions of which the chain is made, if it is made of plain ones and no more."""
        functions = [stage._plain for stage in self.stages if type(stage) is RunnableLambda and stage._plain]
        return tuple(functions) if len(functions) == len(self.stages) else ()

    def _invoke_functions(self, value: Any) -> Any:
        """``invoke`` of plain functions: a third of the calls."""
        at = 0
        try:
            for function in self._functions:
                output = function(value)
                if isinstance(output, Runnable):
                    output = run_result(self.stages[at], output, value, None)
                value = output
                at += 1
        except BaseException as error:
            note_stage(raised := loud(error), self.stages, at)
            if raised is not error:
                raise raised from error
            raise
        return value

    @property
    def _chunks_are(self) -> str:  # type: ignore[override]
        kinds = [stage._chunks_are for stage in reversed(self.stages)]
        made = [kind for kind in kinds if kind not in ("passed", "same")]
        return made[0] if made else "passed" if "passed" in kinds else "same"

    def _row(self) -> tuple[Runnable[Any, Any, Any], ...]:
        return self.stages

    def collect(self, chunks: Iterable[Any]) -> Output:
        """FoldFunction as the last stage does, or, where that only passes items on, as the one before it."""
        return _collector(self.stages, 0, len(self.stages))(chunks)  # type: ignore[no-any-return]

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        silent = config is None and (not LISTENED or surrounding() is None)
        if silent and not kwargs and self._functions:
            return self._invoke_functions(input)  # type: ignore[no-any-return]
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        config = child_config(config)
        with inside(config):
            return self._invoke(input, config, kwargs)  # type: ignore[no-any-return]

    def _invoke(self, value: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Any:
        stages = _heard(self.stages, config)
        for start, stop in self._segments:
            try:
                if stop - start == 1:
                    value = stages[start].invoke(value, config, **kwargs)
                else:
                    stream = _streamed(value, stages, start, stop, config, kwargs)
                    value = folded(_collector(self.stages, start, stop), stream)
            except BaseException as error:
                note_stage(error, self.stages, stop - 1)
                raise
            kwargs = {}
        return value

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        if not self._written.is_sync:
            return super().stream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        config = child_config(config)
        return surrounded(config, _streamed, input, self.stages, 0, len(self.stages), config, kwargs)

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        if not self._written.is_sync:
            return super().transform(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.transform(input, config, **kwargs)
        config = child_config(config)
        return surrounded(config, _chained, input, self.stages, 0, len(self.stages), config, kwargs)

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        config = child_config(config)
        with inside(config):
            return await self._ainvoke(input, config, kwargs)  # type: ignore[no-any-return]

    async def _ainvoke(self, value: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Any:
        stages = _heard(self.stages, config)
        for start, stop in self._segments:
            try:
                if stop - start == 1:
                    value = await stages[start].ainvoke(value, config, **kwargs)
                else:
                    stream = _astreamed(value, stages, start, stop, config, kwargs)
                    value = _collector(self.stages, start, stop)([chunk async for chunk in stream])
            except BaseException as error:
                note_stage(error, self.stages, stop - 1)
                raise
            kwargs = {}
        return value

    # a chain whose first stage takes any fragments, as stages that cut do, takes them from an async source too
    @overload
    def astream(
        self: RunnableSequence[Iterable[Never], Any, Chunk],
        input: AsyncIterable[Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Chunk]: ...

    @overload
    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]: ...

    def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        config = child_config(config)
        return asurrounded(config, _astreamed, input, self.stages, 0, len(self.stages), config, kwargs)

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        if (watched := self._watched(config)) is not None:
            return watched.atransform(input, config, **kwargs)
        config = child_config(config)
        return asurrounded(config, _achained, input, self.stages, 0, len(self.stages), config, kwargs)


CALLS[RunnableSequence._invoke.__code__] = lambda local: local["stop"] - 1 if "stop" in local else None
CALLS[RunnableSequence._invoke_functions.__code__] = lambda local: local.get("at")

Stages = tuple[Runnable[Any, Any], ...]
Note = Callable[[BaseException], None]


def _heard(stages: Stages, config: RunnableConfig | None) -> Stages:
    """The stages with the listeners of ``config``, if there are any; those that have them stay as they are."""
    if config is None or not config.get("listeners"):
        return stages
    return tuple([stage._called_with(config) for stage in stages])


def _segments(stages: Stages) -> tuple[tuple[int, int], ...]:
    """Cut before each stage that waits: inside a segment every stage but the first streams.

    Nothing is cut before a stage that catches errors of those before it.
    """
    least = max([at for at, stage in enumerate(stages) if stage._catches], default=0)
    cuts = [0, *(at for at, stage in enumerate(stages) if at > least and stage._written.waits), len(stages)]
    return tuple(pairwise(cuts))


def _collector(stages: Stages, start: int, stop: int, before: FoldFunction | None = None) -> FoldFunction:
    """The fold of the last stage that makes chunks of its own.

    Where there is none it is ``before``, the fold of the input if that is known; else a list where they pass items on.
    """
    passed = False
    for at in range(stop - 1, start - 1, -1):
        kind = stages[at]._chunks_are
        if kind not in ("passed", "same"):
            return stages[at]._collector(_collector(stages, start, at, before) if at > start else before)
        passed |= kind == "passed"
    return before or (list if passed else partial(fold_input, stages[start]))


def _streamed(
    input: Any,
    stages: Stages,
    start: int,
    stop: int,
    config: RunnableConfig | None,
    kwargs: dict[str, Any],
) -> Iterator[Any]:
    """Stream ``input`` through the stages from ``start`` up to ``stop``."""
    stages = _heard(stages, config)
    if "transform" in stages[start]._written and "stream" not in stages[start]._written:
        return _chained((input,), stages, start, stop, config, kwargs)
    try:
        first = stages[start].stream(input, config, **kwargs)
    except BaseException as error:
        note_stage(error, stages, start)
        if not caught_after(start, stages, stop, error):
            raise
        first = raising(error)
    return _chained(first, stages, start + 1, stop, config, {})


def _chained(
    first: Iterable[Any],
    stages: Stages,
    start: int,
    stop: int,
    config: RunnableConfig | None,
    kwargs: dict[str, Any],
    *,
    note: Note | None = None,
    fold: FoldFunction | None = None,
) -> Iterator[Any]:
    """Lead ``first``, which is the input of ``stages[start]``, through the stages up to ``stop``.

    It is the source's if ``start`` is 0, else that of the stage before; with ``note`` it comes from other links, which
    that asks. ``fold`` is the fold of ``first``, where it is known. Operators that do one thing with each item cost no
    iterator of their own: what comes next does it.
    """
    stages = _heard(stages, config)
    iterator = iter(first)
    owned: list[Any] = [iterator]
    links = Links(stages)
    links.add(start - 1, iterator, speaks=note is not None)
    steps: list[Step] = []
    at = start
    try:
        if note is not None:
            iterator = owned[0] = closing_iterator(iterator, owned[:], note)
        elif not isinstance(iterator, (GeneratorType, Stream)) and hasattr(iterator, "close"):
            # what is led on by ``yield from`` is closed by that, and by us: once, all the same
            iterator = owned[0] = closing_iterator(iterator, owned[:], links.note())
        for at in range(start, stop):
            stage = stages[at]
            step = stage._step(**kwargs)
            if step is not None:
                steps.append(step)
                kwargs = {}
                continue
            if steps or links.unwatched or (stage._notes_source and at):
                iterator = owned[-1] = closing_iterator(iterator, owned[-1:], links.note(), steps=steps)
                steps = []
            if stage._written.waits:
                iterator = fold_then_stream(stage, iterator, _fold_before(stages, at, fold), config, **kwargs)
                owned.append(iterator)
            else:
                before = _fold_before(stages, at, fold) if stage._takes_fold else None
                try:
                    iterator = stage._link(iterator, owned, config, before, **kwargs)
                except BaseException as error:
                    if not caught_after(at, stages, stop, error):
                        raise
                    note_stage(error, stages, at)
                    iterator = raising(error)
                    owned.append(iterator)
            links.add(at, iterator)
            kwargs = {}
    except BaseException as error:
        note_stage(error, stages, at)
        close_all(owned, error)
        raise
    if len(owned) == 1 and stages[stop - 1]._closes_input and not steps:
        return iterator
    return closing_iterator(iterator, owned, links.note(), steps=steps)


def _astreamed(
    input: Any,
    stages: Stages,
    start: int,
    stop: int,
    config: RunnableConfig | None,
    kwargs: dict[str, Any],
) -> AsyncIterator[Any]:
    """Async ``_streamed``."""
    stages = _heard(stages, config)
    _, end = next(_runs(stages, start, stop))
    if not end > start:
        if "atransform" in stages[start]._written and "astream" not in stages[start]._written:
            return _achained(async_single(input), stages, start, stop, config, kwargs)
        try:
            first = stages[start].astream(input, config, **kwargs)
        except BaseException as error:
            note_stage(error, stages, start)
            if not caught_after(start, stages, stop, error):
                raise
            first = araising(error)
        return _achained(first, stages, start + 1, stop, config, {})

    def make() -> Iterator[Any]:
        return _streamed(input, stages, start, end, config, kwargs)

    ahead = ahead_of(config)
    stream = in_thread(make, None, config, _sync(stages[start:end]), ahead)
    return _achained(stream, stages, end, stop, config, {}, ahead)


def _achained(
    first: AsyncIterable[Any],
    stages: Stages,
    start: int,
    stop: int,
    config: RunnableConfig | None,
    kwargs: dict[str, Any],
    ahead: Ahead | None = None,
    *,
    fold: FoldFunction | None = None,
) -> AsyncIterator[Any]:
    """Async ``_chained``; neighbours among which one has sync methods only share one worker thread."""
    stages = _heard(stages, config)
    iterator = aiter(first)
    owned: list[Any] = [iterator]
    links = Links(stages)
    links.add(start - 1, iterator)
    steps: list[Step] = []
    culprit: int | None = start
    try:
        for at, end in _runs(stages, start, stop):
            stage, culprit = stages[at], at
            step = stage._step(**kwargs) if end == at else None
            if step is not None:
                steps.append(step)
                kwargs = {}
                continue
            if steps or links.unwatched or (stage._notes_source and at):
                iterator = async_closing_iterator(iterator, owned, links.note(), steps=steps)
                owned, steps = [iterator], []
            if end > at:
                culprit = None
                make = partial(
                    _chained,
                    stages=stages,
                    start=at,
                    stop=end,
                    config=config,
                    kwargs=kwargs,
                    note=links.note(),
                    fold=fold,
                )
                ahead = ahead or ahead_of(config)
                iterator = in_thread(make, iterator, config, _sync(stages[at:end]), ahead)
                owned[-1] = iterator
            elif stage._written.waits:
                iterator = fold_then_astream(
                    stage, iterator, _fold_before(stages, at, fold), config, **kwargs
                )
                owned.append(iterator)
            else:
                before = _fold_before(stages, at, fold) if stage._takes_fold else None
                try:
                    iterator = stage._alink(iterator, owned, config, before, **kwargs)
                except BaseException as error:
                    if not caught_after(at, stages, stop, error):
                        raise
                    note_stage(error, stages, at)
                    iterator = araising(error)
                    owned.append(iterator)
            links.add(at, iterator)
            kwargs = {}
    except BaseException as error:
        if culprit is not None:  # else the config
            note_stage(error, stages, culprit)
        # a dropped stream is closed by the loop, or at once where none runs
        async_closing_iterator(iterator, owned)
        raise
    if len(owned) == 1 and stages[stop - 1]._closes_input and not steps:
        return iterator
    return async_closing_iterator(iterator, owned, links.note(), steps=steps)


def _fold_before(stages: Stages, at: int, fold: FoldFunction | None = None) -> FoldFunction:
    """How the input of ``stages[at]`` is folded: by what made it, if that is a stage; ``fold`` is that of all input."""
    return _collector(stages, 0, at, fold) if at else fold or partial(fold_input, stages[0])


def _sync(stages: Stages) -> Runnable[Any, Any]:
    """The first one that has sync methods only."""
    return next(stage for stage in stages if not stage._written.is_async)


def _runs(stages: Stages, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Pairs ``(at, end)``: stages to run together in one thread, or ``(at, at)`` for one that runs on the loop.

    A run is as long as stages have sync methods; it goes to a thread only if one of them has nothing else. A stage that
    hops runs on the loop.
    """
    at = start
    while at < stop:
        end = at
        while end < stop and stages[end]._written.is_sync and not stages[end]._hops:
            end += 1
        if all(stage._written.is_async for stage in stages[at:end]):
            end = max(end, at + 1)
            yield from ((one, one) for one in range(at, end))
        else:
            yield at, end
        at = end
