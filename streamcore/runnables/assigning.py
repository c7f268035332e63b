"""``RunnableAssign``: the mappings that come in, and keys that Runnables make of them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from .._backend import MapStep, async_closing_iterator, closing_iterator
from .addable import AddableDict
from .async_turns import AsyncTurns
from .base import Runnable
from .bridge.ahead import buffer_size
from .config import child_config
from .folding import fold_input
from .function import coerce_to_runnable
from .notes import note_source, note_stage, watched_source
from .parallel import RunnableParallel
from .passthrough import PerChunk
from .sequence import _achained, _astreamed, _chained, _streamed
from .surrounding import asurrounded, surrounded
from .turns import Turns
from .written import Written

if TYPE_CHECKING:
    from .._backend import Step
    from .composing import FoldFunction
    from .config import RunnableConfig
    from .describing import Part

__all__ = ["RunnableAssign"]


class RunnableAssign(Runnable[Any, "dict[str, Any]", "AddableDict[str, Any]"]):
    """The input, a mapping, with the keys of ``mapper``, a ``RunnableParallel`` on the same input.

    In a stream the chunks of the input go on at once, without the keys that are assigned; those come when the input
    has ended. What the mapper has not taken of the input is held for it, ``buffer_size`` chunks at most: where these
    are there, it gives a chunk before the next one of the input is pulled. A branch that waits for its whole input
    holds all of it.
    """

    _notes_source = True
    _takes_fold = True

    def __init__(self, mapper: Any) -> None:
        mapper = coerce_to_runnable(mapper)
        if not isinstance(mapper, RunnableParallel):
            raise TypeError(
                f"RunnableAssign needs a RunnableParallel or a mapping of Runnables, got {mapper!r}"
            )
        self.mapper = mapper
        kinds = {"": mapper._written.is_sync, "a": mapper._written.is_async}
        self._written = Written(
            f"{kind}{name}" for kind in kinds if kinds[kind] for name in ("invoke", "stream", "transform")
        )
        self._kept = _Kept(self)

    def __repr__(self) -> str:
        return f"RunnableAssign({self.mapper!r})"

    def _parts(self, head: bool) -> list[Part]:
        return self.mapper._parts(head)

    def _remarks(self) -> list[str]:
        return ["the input goes on at once, then the branches", *self.mapper._remarks()]

    @property
    def _chunks_are(self) -> str:  # type: ignore[override]
        return self.mapper._chunks_are

    def _checked(self, input: Any) -> Mapping[str, Any]:
        if not isinstance(input, Mapping):
            raise TypeError(f"{self!r} takes mappings, got {type(input).__name__}")
        return input

    # -- folding

    def collect(self, chunks: Iterable[Any]) -> Any:
        """The fold of the input without the assigned keys, and each of these as its branch folds it."""
        return self._collected(None, chunks)

    def _collector(self, before: FoldFunction | None) -> FoldFunction:
        return partial(self._collected, before)

    def _collected(self, before: FoldFunction | None, chunks: Iterable[Any]) -> Any:
        whole = partial(self._whole, before or partial(fold_input, self))
        kept: list[Any] = []
        made: list[Any] = []
        for chunk in chunks:
            (made if chunk.keys() <= self.mapper.branches.keys() else kept).append(chunk)
        return AddableDict({**whole(kept), **self.mapper._collector(whole)(made)})

    def _whole(self, before: FoldFunction, chunks: Iterable[Any]) -> Any:
        """The fold of the input, by ``before``; that of no chunk is an empty mapping where that knows none."""
        held = list(chunks)
        whole = before(held)
        return AddableDict() if whole is None and not held else self._checked(whole)

    # -- invoke

    def _taken(self, input: Any) -> Mapping[str, Any]:
        try:
            return self._checked(input)
        except TypeError as error:
            note_stage(error, (self,), 0)
            raise

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        return AddableDict({**self._taken(input), **self.mapper.invoke(input, config, **kwargs)})

    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        return AddableDict({**self._taken(input), **await self.mapper.ainvoke(input, config, **kwargs)})

    # -- streams

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AddableDict[str, Any]]:
        if not self._written.is_sync:
            return super().stream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        config = child_config(config)
        kept = self._kept._of(self._taken(input))
        stream = surrounded(config, _streamed, input, (self.mapper,), 0, 1, config, kwargs)
        output = chain((kept,) if kept else (), stream)
        return closing_iterator(output, (stream, output))

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AddableDict[str, Any]]:
        if not self._written.is_sync:
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
        config = child_config(config)
        turns = Turns(source, buffer_size(config), first_goes_on=True)
        whole = partial(self._whole, fold or partial(fold_input, self))
        for stage, given in ((self._kept, {}), (self.mapper, kwargs)):
            branch = turns.add(None, waits=stage._written.waits)
            assert branch.side is not None
            branch.stream = _chained(branch.side, (stage,), 0, 1, config, given, fold=whole)
            owned.append(branch.stream)
        output = turns.chunks()
        owned.append(output)
        return output

    def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AddableDict[str, Any]]:
        if not self._written.is_async:
            return super().astream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        config = child_config(config)
        kept = self._kept._of(self._taken(input))
        stream = asurrounded(config, _astreamed, input, (self.mapper,), 0, 1, config, kwargs)
        output = _after(kept, stream)
        return async_closing_iterator(output, (stream, output))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AddableDict[str, Any]]:
        if not self._written.is_async:
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
        config = child_config(config)
        turns = AsyncTurns(input, buffer_size(config), self, partial(note_source, self), first_goes_on=True)
        whole = partial(self._whole, fold or partial(fold_input, self))
        for stage, given in ((self._kept, {}), (self.mapper, kwargs)):
            branch = turns.add(None, waits=stage._written.waits)
            assert branch.side is not None
            branch.stream = _achained(branch.side, (stage,), 0, 1, config, given, fold=whole)
            owned.append(branch.stream)
        output = turns.chunks()
        owned.append(output)
        return output


async def _after(first: Any, stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    if first:
        yield first
    async for chunk in stream:
        yield chunk


class _Kept(PerChunk):
    """Of each mapping what is not assigned, though that be nothing."""

    _is_heard = False

    def __init__(self, stage: RunnableAssign) -> None:
        self._stage = stage

    def __repr__(self) -> str:
        return repr(self._stage)

    def _step(self, **kwargs: Any) -> Step | None:
        return MapStep(self._of, repr(self))

    def _of(self, chunk: Any) -> AddableDict[str, Any]:
        assigned = self._stage.mapper.branches
        return AddableDict(
            (key, value) for key, value in self._stage._checked(chunk).items() if key not in assigned
        )
