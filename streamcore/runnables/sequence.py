"""``RunnableSequence``: stages in a row. A composed stream is the iterator of its last stage, with nothing per chunk.

Two kinds of stage meet in a chain. One that wrote ``transform`` streams: it takes chunks as they come. Any other waits:
the chunks before it are folded by the stage that made them, and it runs on the whole. ``invoke`` cuts the chain at the
stages that wait and calls ``invoke`` where nothing streams in between, so that it gives what folding the stream gives.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import cached_property, partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, close_all, closing_iterator
from . import private_loop
from .ahead import Ahead, ahead_of
from .base import Runnable
from .blocking import fold_then_astream, fold_then_stream
from .config import child_config
from .folding import folded
from .function import coerce_to_runnable
from .notes import stage_notes
from .threads import in_thread

if TYPE_CHECKING:
    from .config import RunnableConfig

__all__ = ["RunnableSequence"]


class RunnableSequence(Runnable[Any, Any]):
    """Stages run one after the other: ``RunnableSequence(a, b, c)``, or ``a | b | c``.

    Sequences among the stages are flattened; anything that ``coerce_to_runnable`` takes may be a stage. Closing a
    stream closes every stage and the source, last to first, before ``close()`` returns.
    """

    def __init__(self, *stages: Any) -> None:
        coerced = [coerce_to_runnable(stage) for stage in stages]
        parts = [stage.stages if isinstance(stage, RunnableSequence) else (stage,) for stage in coerced]
        # two tuples are joined at once: a chain that is made by ``|`` copies its stages each time
        self.stages: Stages = parts[0] + parts[1] if len(parts) == 2 else tuple(chain.from_iterable(parts))
        if not self.stages:
            raise ValueError("RunnableSequence needs at least one stage, got none")

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.stages))

    @cached_property
    def _segments(self) -> tuple[Stages, ...]:
        return _segments(self.stages)

    @property
    def _blocks(self) -> bool:
        return any(stage._blocks for stage in self.stages)

    @property
    def _has_sync(self) -> bool:
        return all(stage._has_sync for stage in self.stages)

    @property
    def _flow(self) -> bool:  # type: ignore[override]
        return next((stage._flow for stage in reversed(self.stages) if not stage._passes_items), False)

    @property
    def _closes_input(self) -> bool:  # type: ignore[override]
        return True

    _acloses_input = True

    def _describe(self, *, head: bool) -> str:
        return "\n".join(stage._describe(head=head and not at) for at, stage in enumerate(self.stages))

    def collect(self, chunks: Iterable[Any]) -> Any:
        """Fold as the last stage does, or, where that only passes items on, as the one before it."""
        return _collector(self.stages)(chunks)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if not self._has_sync:
            return private_loop.invoke(self, input, config, **kwargs)
        config = child_config(config)
        value = input
        for stages in self._segments:
            head, *rest = stages
            if rest:
                first = head.stream(value, config, **kwargs)
                value = folded(_collector(stages), _chained(first, stages, 1, len(stages), config))
            else:
                value = head.invoke(value, config, **kwargs)
            kwargs = {}
        return value

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        if not self._has_sync:
            return private_loop.stream(self, input, config, **kwargs)
        config = child_config(config)
        first = self.stages[0].stream(input, config, **kwargs)
        return _chained(first, self.stages, 1, len(self.stages), config)

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        if not self._has_sync:
            return private_loop.transform(self, input, config, **kwargs)
        return _chained(input, self.stages, 0, len(self.stages), child_config(config), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        config = child_config(config)
        value = input
        for stages in self._segments:
            head, *rest = stages
            if rest:
                stream = _astreamed(value, stages, config, **kwargs)
                value = _collector(stages)([chunk async for chunk in stream])
            else:
                value = await head.ainvoke(value, config, **kwargs)
            kwargs = {}
        return value

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        return _astreamed(input, self.stages, child_config(config), **kwargs)

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        return _achained(input, self.stages, 0, child_config(config), **kwargs)


Stages = tuple[Runnable[Any, Any], ...]


def _segments(stages: Stages) -> tuple[Stages, ...]:
    """Cut before each stage that waits: inside a segment every stage but the first streams."""
    cuts = [0, *(at for at, stage in enumerate(stages) if at and stage._blocks), len(stages)]
    return tuple(stages[start:stop] for start, stop in pairwise(cuts))


def _collector(stages: Stages) -> Callable[[Iterable[Any]], Any]:
    """The fold of the last stage that makes chunks of its own; a list where every stage only passes items on."""
    for stage in reversed(stages):
        if not stage._passes_items:
            return stage.collect
    return list


def _chained(
    first: Iterable[Any],
    stages: Stages,
    start: int,
    stop: int,
    config: RunnableConfig | None,
    **kwargs: Any,
) -> Iterator[Any]:
    """Lead ``first``, which is the input of ``stages[start]``, through the stages up to ``stop``."""
    iterator = iter(first)
    owned: list[Any] = [iterator]
    links: list[tuple[object, object]] = [(stages[start - 1], iterator)] if start else []
    try:
        for at in range(start, stop):
            stage = stages[at]
            if stage._blocks:
                iterator = fold_then_stream(stage, iterator, _fold_before(stages, at), config, **kwargs)
            else:
                iterator = iter(stage._bare_transform(iterator, config, **kwargs))
                if stage._closes_input:
                    owned.pop()
            owned.append(iterator)
            links.append((stage, iterator))
            kwargs = {}
    except BaseException as error:
        close_all(owned, error)
        raise
    if len(owned) == 1 and stages[stop - 1]._closes_input:
        return iterator
    return closing_iterator(iterator, owned, stage_notes(links))


def _astreamed(
    input: Any, stages: Stages, config: RunnableConfig | None, **kwargs: Any
) -> AsyncIterator[Any]:
    """Stream ``input`` through all ``stages``."""
    head = stages[0]
    _, stop = next(_runs(stages, 0))
    if not stop:
        return _achained(head.astream(input, config, **kwargs), stages, 1, config)

    def make() -> Iterator[Any]:
        return _chained(head.stream(input, config, **kwargs), stages, 1, stop, config)

    ahead = ahead_of(config)
    return _achained(in_thread(make, None, config, ahead), stages, stop, config, ahead)


def _achained(
    first: AsyncIterable[Any],
    stages: Stages,
    start: int,
    config: RunnableConfig | None,
    ahead: Ahead | None = None,
    **kwargs: Any,
) -> AsyncIterator[Any]:
    """Async ``_chained``; neighbours among which one has sync methods only share one worker thread.

    Operators that do one thing with each item cost no iterator of their own: whatever comes next does it for them.
    """
    iterator = aiter(first)
    owned: list[Any] = [iterator]
    links: list[tuple[object, object]] = [(stages[start - 1], iterator)] if start else []
    steps: list[tuple[str, Any, str]] = []
    try:
        for at, stop in _runs(stages, start):
            stage = stages[at]
            step = stage._item_step() if stop == at else None
            if step is not None:
                steps.append(step)
                continue
            if steps:
                iterator = async_closing_iterator(iterator, owned, steps=steps)
                owned, steps = [iterator], []
            if stop > at:
                make = partial(_chained, stages=stages, start=at, stop=stop, config=config, **kwargs)
                ahead = ahead or ahead_of(config)
                iterator = in_thread(make, iterator, config, ahead)
                owned.pop()
            elif stage._blocks:
                iterator = fold_then_astream(stage, iterator, _fold_before(stages, at), config, **kwargs)
            else:
                iterator = aiter(stage._bare_atransform(iterator, config, **kwargs))
                if stage._acloses_input:
                    owned.pop()
            owned.append(iterator)
            links.append((stage, iterator))
            kwargs = {}
    except BaseException:
        # a dropped stream is closed by the loop, or at once where none runs
        async_closing_iterator(iterator, owned)
        raise
    if len(owned) == 1 and stages[-1]._acloses_input:
        return iterator
    return async_closing_iterator(iterator, owned, stage_notes(links), steps=steps)


def _fold_before(stages: Stages, at: int) -> Callable[[Iterable[Any]], Any]:
    """How the input of ``stages[at]`` is folded: by what made it, if that is a stage."""
    return _collector(stages[:at]) if at else stages[0]._fold_input


def _runs(stages: Stages, start: int) -> Iterator[tuple[int, int]]:
    """Pairs ``(at, stop)``: stages to run together in one thread, or ``(at, at)`` for one that runs on the loop.

    A run is as long as stages have sync methods; it goes to a thread only if one of them has nothing else.
    """
    at = start
    while at < len(stages):
        stop = at
        while stop < len(stages) and stages[stop]._has_sync:
            stop += 1
        if all(stage._has_async for stage in stages[at:stop]):
            stop = max(stop, at + 1)
            yield from ((one, one) for one in range(at, stop))
        else:
            yield at, stop
        at = stop
