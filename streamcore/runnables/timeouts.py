"""``RunnableTimeout``: limits on how long a call may take, and how long its consumer has to wait for a chunk.

In sync calls the work runs in a thread, so that its consumer can stop to wait; on an event loop a timer cancels the
pull. Without a limit there is neither.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .._backend import async_closing_iterator, closing_iterator
from .base import Chunk, Input, Output, Runnable
from .bridge.in_time import AsyncInTime, InTime, Watch, within
from .config import checked, is_limited, seconds_or_none, unlimited
from .folding import afolded, folded
from .wrapping import Wrapping

if TYPE_CHECKING:
    from .composing import FoldFunction, Stage
    from .config import RunnableConfig
    from .describing import Part

__all__ = ["RunnableTimeout"]


class RunnableTimeout(Wrapping[Input, Output, Chunk]):
    """``bound``, whose calls raise ``StreamTimeout`` when a limit, in seconds, is over; ``x.with_timeout`` makes it.

    ``timeout`` runs from the call on. ``first_chunk_timeout`` and ``chunk_timeout`` run while the consumer waits for
    the first chunk, and for any other one, the end included; without the former the latter is for the first one, too.
    The result of ``invoke`` is its only chunk, unless ``invoke`` folds a stream. A ``timeout`` and
    ``first_chunk_timeout`` of the config hold as well.
    """

    _notes_source = True
    _hops = True

    def __init__(
        self,
        bound: Stage[Input, Output, Chunk],
        timeout: float | None = None,
        *,
        first_chunk_timeout: float | None = None,
        chunk_timeout: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(bound, name)
        self.timeout = seconds_or_none("timeout", timeout)
        self.first_chunk_timeout = seconds_or_none("first_chunk_timeout", first_chunk_timeout)
        self.chunk_timeout = seconds_or_none("chunk_timeout", chunk_timeout)
        self._since: float | None = None  # when the call began, if that was before the limits are asked for

    def __repr__(self) -> str:
        shown = [repr(self.bound)]
        if self.timeout is not None:
            shown.append(repr(self.timeout))
        keys = ("first_chunk_timeout", "chunk_timeout")
        shown += [f"{key}={getattr(self, key)!r}" for key in keys if getattr(self, key) is not None]
        return f"RunnableTimeout({', '.join(shown)})"

    def _parts(self, head: bool) -> list[Part]:
        return [("within", self.bound, head)]

    def _remarks(self) -> list[str]:
        keys = ("timeout", "first_chunk_timeout", "chunk_timeout")
        limits = [f"{key} {getattr(self, key)!r} s" for key in keys if getattr(self, key) is not None]
        return [*limits, "in sync calls in a thread"]

    # -- the limits of a call

    def _begun(
        self, config: RunnableConfig | None
    ) -> tuple[RunnableTimeout[Any, Any, Any], Runnable[Any, Any, Any], RunnableConfig | None]:
        """This one with the limits of ``config`` as well, from now on, what it calls, and the config without them."""
        config = checked(config)
        begun = copy(self)
        if is_limited(config):
            given: Any = config
            begun.timeout = _shorter(self.timeout, given.get("timeout"))
            begun.first_chunk_timeout = _shorter(self.first_chunk_timeout, given.get("first_chunk_timeout"))
            config = unlimited(config)
        if begun._since is None:
            begun._since = Watch.now()
        return begun, self.bound._called_with(config), config

    def _watch(self) -> Watch | None:
        """The time of the call; None if nothing limits it."""
        limits = (self.timeout, self.first_chunk_timeout, self.chunk_timeout)
        if limits == (None, None, None):
            return None
        assert self._since is not None
        return Watch(self._since, *limits)

    # -- sync

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        begun, bound, config = self._begun(config)
        watch = begun._watch()
        if watch is None:
            return cast("Output", bound.invoke(input, config, **kwargs))
        if not self._written.is_sync:
            return cast("Output", super(RunnableTimeout, begun).invoke(input, config, **kwargs))
        if watch.looks_at_chunks and _folds(self.bound):
            return cast("Output", folded(self.bound.collect, begun.stream(input, config, **kwargs)))

        def once() -> Iterator[Any]:
            yield bound.invoke(input, config, **kwargs)

        stream = _in_time(once, watch, self.bound)
        try:
            return cast("Output", next(stream))
        finally:
            stream.close()  # type: ignore[attr-defined]

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        begun, bound, config = self._begun(config)
        watch = begun._watch()
        if watch is None:
            return bound.stream(input, config, **kwargs)
        if not self._written.is_sync:
            return super(RunnableTimeout, begun).stream(input, config, **kwargs)
        return _in_time(partial(bound.stream, input, config, **kwargs), watch, self.bound)

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        begun, bound, config = self._begun(config)
        watch = begun._watch()
        if watch is None:
            return bound.transform(input, config, **kwargs)
        if not self._written.is_sync:
            return super(RunnableTimeout, begun).transform(input, config, **kwargs)
        return _in_time(partial(bound.transform, input, config, **kwargs), watch, self.bound)

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        begun, bound, config = self._begun(config)
        watch = begun._watch()
        output = bound._link(input, owned, config, fold, **kwargs)
        if watch is None:
            return output
        # all that comes before: a pull that is given up is in there, and its thread closes it
        stream: Iterator[Any] = closing_iterator(output, owned)
        limited = InTime(lambda: stream, watch)
        owned[:] = [limited]
        return limited

    # -- async

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        begun, bound, config = self._begun(config)
        watch = begun._watch()
        if watch is None:
            return cast("Output", await bound.ainvoke(input, config, **kwargs))
        if watch.looks_at_chunks and _folds(self.bound):
            stream: AsyncIterator[Any] = begun.astream(input, config, **kwargs)
            return cast("Output", await afolded(self.bound.acollect, stream))
        return cast(
            "Output",
            await within(watch, self.bound, lambda: bound.ainvoke(input, config, **kwargs)),
        )

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        begun, bound, config = self._begun(config)
        return begun._awatched(bound.astream(input, config, **kwargs))

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        begun, bound, config = self._begun(config)
        return begun._awatched(bound.atransform(input, config, **kwargs))

    def _awatched(self, stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
        watch = self._watch()
        if watch is None:
            return stream
        stream = aiter(stream)
        limited = AsyncInTime(stream, watch, self.bound)
        return async_closing_iterator(limited, (stream, limited))

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        begun, bound, config = self._begun(config)
        watch = begun._watch()
        output = bound._alink(input, owned, config, fold, **kwargs)
        if watch is None:
            return output
        limited = AsyncInTime(output, watch, None, self.bound)
        owned.append(limited)
        return limited


def _shorter(own: float | None, given: Any) -> float | None:
    there = [seconds for seconds in (own, seconds_or_none("", given)) if seconds is not None]
    return min(there, default=None)


def _in_time(make: Callable[[], Iterable[Any]], watch: Watch, stage: Runnable[Any, Any]) -> Iterator[Any]:
    limited = InTime(make, watch, stage)
    return closing_iterator(limited, (limited,))


def _folds(stage: Runnable[Any, Any]) -> bool:
    """Whether ``invoke`` is the fold of ``stream``, however the class was written."""
    stages = getattr(stage, "stages", None)
    if isinstance(stages, tuple):
        return all(map(_folds, stages))
    return stage._written.isdisjoint(("invoke", "ainvoke")) or not stage._written.gives_chunks
