"""``RunnableParallel``: several Runnables on the same input, their outputs in a dict."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, close_all, closing_iterator
from .addable import AddableDict
from .async_at_once import AsyncSharedInput, async_at_once
from .async_turns import AsyncTurns
from .at_once import SharedInput, at_once
from .base import Input, Runnable
from .batching.in_tasks import abatch
from .batching.in_threads import batch
from .bridge.ahead import buffer_size
from .bridge.home import needed_loop
from .config import child_config
from .folding import fold_input
from .function import coerce_to_runnable
from .notes import note_source, note_stage, watched_source
from .sequence import RunnableSequence, _achained, _astreamed, _chained, _collector, _streamed
from .surrounding import asurrounded, surrounded
from .turns import Gathering, Turns
from .written import ASYNC, METHODS, SYNC, Written

if TYPE_CHECKING:
    from .composing import FoldFunction
    from .config import RunnableConfig
    from .describing import Part

__all__ = ["RunnableMap", "RunnableParallel"]


class RunnableParallel(Runnable[Input, "dict[str, Any]", "AddableDict[str, Any]"]):
    """Each branch on the same input: ``RunnableParallel(a=..., b=...)``, or of a mapping.

    ``invoke`` runs the branches at once, in threads or tasks, within ``max_concurrency``, and gives a dict of all keys.
    A stream gives ``AddableDict({key: chunk})``: the branches take turns in key order, a chunk each, those that have
    ended are passed over; ``turns.py`` has the rules. At most ``buffer_size`` chunks of the input are held for a branch
    that is slower than another one; one that waits for its whole input holds all of it.

    With ``ordered=False``, a keyword whose value is a bool, the chunks of a stream come as they are there: each branch
    runs in a thread or a task of its own from the first pull on, at most ``buffer_size`` chunks ahead.
    """

    _notes_source = True
    _takes_fold = True

    def __init__(self, mapping: Mapping[str, Any] | None = None, /, **branches: Any) -> None:
        if mapping is not None and not isinstance(mapping, Mapping):
            raise TypeError(f"RunnableParallel needs a mapping of Runnables, got {type(mapping).__name__}")
        self.ordered: bool = branches.pop("ordered") if isinstance(branches.get("ordered"), bool) else True
        given = {**(mapping or {}), **branches}
        for key in given:
            if not isinstance(key, str):
                raise TypeError(f"the keys of RunnableParallel must be str, got {key!r}")
        self.branches: dict[str, Runnable[Any, Any, Any]] = {
            key: coerce_to_runnable(each) for key, each in given.items()
        }
        parts = [each._written for each in self.branches.values()]
        names: Iterable[str] = METHODS
        if not all(part.is_sync for part in parts):
            names = ASYNC
        elif not all(part.is_async for part in parts):
            names = SYNC
        waits = all(part.waits for part in parts)
        self._written = Written(name for name in names if not (waits and name.endswith("transform")))

    def __repr__(self) -> str:
        shown = [repr(self.branches)]
        if all(key.isidentifier() for key in self.branches):
            shown = [f"{key}={each!r}" for key, each in self.branches.items()]
        if not self.ordered:
            shown.append("ordered=False")
        return f"RunnableParallel({', '.join(shown)})"

    def _parts(self, head: bool) -> list[Part]:
        return [(key, each, head) for key, each in self.branches.items()]

    def _remarks(self) -> list[str]:
        if self.ordered:
            return ["branches take turns"]
        return ["each branch in a thread or task, which reads ahead by buffer_size"]

    @property
    def _chunks_are(self) -> str:  # type: ignore[override]
        return (
            "items"
            if self.ordered and all(each._chunks_are == "items" for each in self.branches.values())
            else "pieces"
        )

    # -- folding

    def collect(self, chunks: Iterable[Any]) -> Any:
        """All keys, each with the fold of its branch."""
        return self._collected(None, chunks)

    def _collector(self, before: FoldFunction | None) -> FoldFunction:
        return partial(self._collected, before)

    def _collected(self, before: FoldFunction | None, chunks: Iterable[Any]) -> Any:
        """``before`` is the fold of the input, if it is known: that of a branch that passes chunks on."""
        given: dict[str, list[Any]] = {key: [] for key in self.branches}
        for chunk in chunks:
            for key, value in chunk.items():
                given[key].append(value)
        return AddableDict((key, self._fold_of(key, before)(each)) for key, each in given.items())

    def _fold_of(self, key: str, before: FoldFunction | None) -> FoldFunction:
        stages = _stages(self.branches[key])
        return _collector(stages, 0, len(stages), before)

    # -- invoke

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        call = _Call(input, kwargs)
        outputs = batch(call, list(self.branches.values()), child_config(config))
        return AddableDict(zip(self.branches, outputs, strict=True))

    async def ainvoke(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        needed_loop(self)
        call = _Call(input, kwargs)
        outputs = await abatch(call, list(self.branches.values()), child_config(config))
        return AddableDict(zip(self.branches, outputs, strict=True))

    # -- sync streams

    def stream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AddableDict[str, Any]]:
        if not self._written.is_sync:
            return super().stream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        config = child_config(config)
        return surrounded(config, self._streamed, input, config, kwargs)

    def _streamed(self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Iterator[Any]:
        owned: list[Any] = []
        try:
            for each in self.branches.values():
                stages = _stages(each, config)
                owned.append(_streamed(input, stages, 0, len(stages), config, kwargs))
        except BaseException as error:
            close_all(owned, error)
            raise
        if not self.ordered:
            merged, output = at_once(zip(self.branches, owned, strict=True), None, buffer_size(config))
            return closing_iterator(output, (merged, output))
        turns = Turns(None, 1)
        for key, stream in zip(self.branches, owned, strict=True):
            turns.add(key, waits=False).stream = stream
        output = turns.chunks()
        return closing_iterator(output, (*owned, output))

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AddableDict[str, Any]]:
        if not self._written.is_sync or self._written.waits:
            return super().transform(input, config, **kwargs)
        return self._transformed(input, config, **kwargs)

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        source = watched_source(self, input)
        if source is not input:
            owned[-1] = source
        config, fold = child_config(config), fold or partial(fold_input, self)
        if not self.ordered:
            return self._link_at_once(source, owned, config, fold, kwargs)
        turns = Turns(source, buffer_size(config))
        for key, each in self.branches.items():
            stages = _stages(each, config)
            waits = next((at for at, stage in enumerate(stages) if stage._written.waits), 0)
            branch = turns.add(key, waits=stages[0]._written.waits)
            taken: Any = branch.side
            if waits:
                before = _chained(taken, stages, 0, waits, config, kwargs, fold=fold)
                owned.append(before)
                taken = branch.gathering = Gathering(before)
            branch.stream = _chained(
                taken, stages, waits, len(stages), config, {} if waits else kwargs, fold=fold
            )
            owned.append(branch.stream)
        output = turns.chunks()
        owned.append(output)
        return output

    def _link_at_once(
        self,
        source: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None,
        fold: FoldFunction,
        kwargs: dict[str, Any],
    ) -> Iterator[Any]:
        capacity, before = buffer_size(config), len(owned)
        shared = SharedInput(source, capacity)
        for each in self.branches.values():
            stages = _stages(each, config)
            owned.append(_chained(shared.side(), stages, 0, len(stages), config, kwargs, fold=fold))
        owned[before:] = at_once(zip(self.branches, owned[before:], strict=True), shared, capacity)
        return owned[-1]  # type: ignore[no-any-return]

    # -- async streams

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AddableDict[str, Any]]:
        if not self._written.is_async:
            return super().astream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        config = child_config(config)
        return asurrounded(config, self._astreamed, input, config, kwargs)

    def _astreamed(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        owned: list[Any] = []
        try:
            for each in self.branches.values():
                stages = _stages(each, config)
                owned.append(_astreamed(input, stages, 0, len(stages), config, kwargs))
        except BaseException:
            if owned:  # a dropped stream is closed by the loop
                async_closing_iterator(owned[-1], owned)
            raise
        if not self.ordered:
            merged, output = async_at_once(
                zip(self.branches, owned, strict=True), None, buffer_size(config), self
            )
            return async_closing_iterator(output, (merged, output))
        turns = AsyncTurns(None, 1, self)
        for key, stream in zip(self.branches, owned, strict=True):
            turns.add(key, waits=False).stream = stream
        output = turns.chunks()
        return async_closing_iterator(output, (*owned, output))

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AddableDict[str, Any]]:
        if not self._written.is_async or self._written.waits:
            return super().atransform(input, config, **kwargs)
        return self._atransformed(input, config, **kwargs)

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        config, fold = child_config(config), fold or partial(fold_input, self)
        if not self.ordered:
            return self._alink_at_once(input, owned, config, fold, kwargs)
        turns = AsyncTurns(input, buffer_size(config), self, partial(note_source, self))
        for key, each in self.branches.items():
            stages = _stages(each, config)
            branch = turns.add(key, waits=stages[0]._written.waits)
            assert branch.side is not None
            branch.stream = _achained(branch.side, stages, 0, len(stages), config, kwargs, fold=fold)
            owned.append(branch.stream)
        output = turns.chunks()
        owned.append(output)
        return output

    def _alink_at_once(
        self,
        source: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None,
        fold: FoldFunction,
        kwargs: dict[str, Any],
    ) -> AsyncIterator[Any]:
        capacity, before = buffer_size(config), len(owned)
        owned[-1] = shared = AsyncSharedInput(source, capacity, partial(note_source, self), self)
        for each in self.branches.values():
            stages = _stages(each, config)
            owned.append(_achained(shared.side(), stages, 0, len(stages), config, kwargs, fold=fold))
        owned[before:] = async_at_once(
            zip(self.branches, owned[before:], strict=True), shared, capacity, self
        )
        return owned[-1]  # type: ignore[no-any-return]


RunnableMap = RunnableParallel
"""LangChain's name for it."""


class _Call(Runnable[Any, Any]):
    """Runs what it is given on an input: the branches are the inputs of a batch."""

    _is_heard = False

    def __init__(self, input: Any, kwargs: dict[str, Any]) -> None:
        self._input = input
        self._kwargs = kwargs

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        try:
            return input._called_with(config).invoke(self._input, config, **self._kwargs)
        except BaseException as error:
            note_stage(error, (input,), 0)
            raise

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        try:
            return await input._called_with(config).ainvoke(self._input, config, **self._kwargs)
        except BaseException as error:
            note_stage(error, (input,), 0)
            raise


def _stages(
    branch: Runnable[Any, Any, Any], config: RunnableConfig | None = None
) -> tuple[Runnable[Any, Any], ...]:
    """Those that ``branch`` is made of; itself where listeners are to be told of it."""
    if config is not None and config.get("listeners"):
        return (branch,)
    return branch.stages if isinstance(branch, RunnableSequence) else (branch,)
