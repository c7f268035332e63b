"""Runnables that hand on what comes in, or a part of it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import MapStep, SkipStep, async_closing_iterator, closing_iterator
from .._shared.steps import DROPPED
from .addable import AddableDict
from .base import Runnable
from .config import checked
from .folding import fold_input
from .function import RunnableLambda
from .notes import note_source
from .written import ASYNC, METHODS, Written

if TYPE_CHECKING:
    from .._backend import Step
    from .assigning import RunnableAssign
    from .composing import FoldFunction, Same
    from .config import RunnableConfig
else:
    from typing import TypeVar

    Same = TypeVar("Same")

__all__ = ["RunnablePassthrough", "RunnablePick"]


class PerChunk(Runnable[Any, Any, Any]):
    """A stage that is a step: it does one thing with each chunk."""

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.transform(input, config, **kwargs)
        source, step = iter(input), self._step(**kwargs)
        assert step is not None
        return closing_iterator(source, (source,), partial(note_source, self), steps=(step,))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.atransform(input, config, **kwargs)
        source, step = aiter(input), self._step(**kwargs)
        assert step is not None
        return async_closing_iterator(source, (source,), partial(note_source, self), steps=(step,))


class _Assign:
    """``assign`` of the class gives the stage alone, that of an object, which may have a tap, a chain of both."""

    def __get__(
        self, stage: RunnablePassthrough[Any] | None, owner: type[RunnablePassthrough[Any]]
    ) -> Callable[..., Any]:
        return partial(self._of, stage)

    def _of(self, stage: RunnablePassthrough[Any] | None, /, **runnables: Any) -> Any:
        from .assigning import RunnableAssign
        from .parallel import RunnableParallel

        assigned = RunnableAssign(RunnableParallel(**runnables))
        return assigned if stage is None or stage._tap is None else stage.pipe(assigned)


class RunnablePassthrough(Runnable[Same, Same, Same]):
    """The input as it is, each chunk at once.

    ``func``, or ``afunc`` in async calls, is called once with the folded input, after the last chunk; not if the stream
    is closed before. It may have a parameter ``config``. A sync ``func`` of an async call runs in a thread.
    """

    _chunks_are = "same"

    def __init__(
        self, func: Callable[..., Any] | None = None, afunc: Callable[..., Any] | None = None
    ) -> None:
        self.func, self.afunc = func, afunc
        taps = [func, afunc] if func is not None else [afunc]
        self._tap = None if taps == [None] else RunnableLambda(*taps)  # type: ignore[arg-type]
        if self._tap is not None:
            self._tap._is_heard = False  # type: ignore[misc]
        self._takes_fold = self._tap is not None  # type: ignore[misc]
        written = METHODS if self._tap is None or self._tap._written.is_sync else ASYNC
        self._written = Written(name for name in written if not name.endswith("stream"))

    def __repr__(self) -> str:
        return f"RunnablePassthrough({'' if self._tap is None else self._tap.name})"

    if TYPE_CHECKING:

        def _passes(self, item: Same, /) -> None: ...
        @classmethod
        def assign(cls, **runnables: Any) -> RunnableAssign:  # type: ignore[override]
            """The input, mappings, with keys that ``runnables`` make of it; see ``RunnableAssign``."""
            raise NotImplementedError

    else:
        assign = _Assign()

    def _step(self, **kwargs: Any) -> Step | None:
        return SkipStep(0) if self._tap is None else None

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        if self._tap is None:
            return input
        output = self._tapped(input, config, fold, kwargs)
        owned.append(output)
        return output

    def _tapped(
        self,
        input: Iterator[Any],
        config: RunnableConfig | None,
        fold: FoldFunction | None,
        kwargs: dict[str, Any],
    ) -> Iterator[Any]:
        chunks = []
        for chunk in input:
            chunks.append(chunk)
            yield chunk
        assert self._tap is not None
        self._tap.invoke((fold or partial(fold_input, self))(chunks), config, **kwargs)

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        if self._tap is None:
            return input
        output = self._atapped(input, config, fold, kwargs)
        owned.append(output)
        return output

    async def _atapped(
        self,
        input: AsyncIterator[Any],
        config: RunnableConfig | None,
        fold: FoldFunction | None,
        kwargs: dict[str, Any],
    ) -> AsyncIterator[Any]:
        chunks = []
        async for chunk in input:
            chunks.append(chunk)
            yield chunk
        assert self._tap is not None
        await self._tap.ainvoke((fold or partial(fold_input, self))(chunks), config, **kwargs)

    def collect(self, chunks: Iterable[Any]) -> Any:
        return fold_input(self, chunks)

    def invoke(self, input: Same, config: RunnableConfig | None = None, **kwargs: Any) -> Same:
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        if self._tap is not None:
            self._tap.invoke(input, config, **kwargs)
        return input

    def transform(
        self, input: Iterable[Same], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Same]:
        if not self._written.is_sync:
            return super().transform(input, config, **kwargs)
        return self._transformed(input, config, **kwargs)

    async def ainvoke(self, input: Same, config: RunnableConfig | None = None, **kwargs: Any) -> Same:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        if self._tap is not None:
            await self._tap.ainvoke(input, config, **kwargs)
        return input

    def atransform(
        self, input: AsyncIterable[Same], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Same]:
        return self._atransformed(input, config, **kwargs)


class RunnablePick(PerChunk):
    """Of mappings the value of a key, or an ``AddableDict`` of those of several; chunks without any are dropped."""

    def __init__(self, keys: str | list[str] | tuple[str, ...]) -> None:
        if not isinstance(keys, (str, list, tuple)) or not all(isinstance(key, str) for key in keys):
            raise TypeError(f"RunnablePick needs a key or a list of keys, got {keys!r}")
        self.keys = keys if isinstance(keys, str) else list(keys)

    def __repr__(self) -> str:
        return f"RunnablePick({self.keys!r})"

    def _step(self, **kwargs: Any) -> Step | None:
        return MapStep(self._picked, repr(self))

    def _picked(self, chunk: Any) -> Any:
        if not isinstance(chunk, Mapping):
            raise TypeError(f"{self!r} takes mappings, got {type(chunk).__name__}")
        if isinstance(self.keys, str):
            return chunk.get(self.keys, DROPPED)
        return AddableDict((key, chunk[key]) for key in self.keys if key in chunk) or DROPPED
