"""Objects of other libraries that have the same method names, as stages of a chain.

One that is closed may first take in what is left of its input, without end where that has none. So its input ends as
soon as its output is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator
from .base import Runnable
from .config import checked
from .written import ASYNC, METHODS, SYNC, Written

if TYPE_CHECKING:
    from .composing import FoldFunction
    from .config import RunnableConfig

__all__ = ["ForeignRunnable"]


class Feed:
    """The input of such a stage, which ends when it is closed; the iterator itself is closed by the chain."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._next = source.__next__
        self._ended = False

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Any:
        if self._ended:
            raise StopIteration
        return self._next()

    def close(self) -> None:
        self._ended = True


class AsyncFeed:
    """Async ``Feed``."""

    def __init__(self, source: AsyncIterator[Any]) -> None:
        self._next = source.__anext__
        self._ended = False

    def __aiter__(self) -> AsyncFeed:
        return self

    def __anext__(self) -> Any:
        return _stop() if self._ended else self._next()

    def close(self) -> None:
        self._ended = True


async def _stop() -> Any:
    raise StopAsyncIteration


class ForeignRunnable(Runnable[Any, Any]):
    """Anything with ``invoke``, ``stream`` and ``transform``, called by these names; async twins where it has them."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self._written = Written(METHODS if all(hasattr(thing, name) for name in ASYNC) else SYNC)

    def __repr__(self) -> str:
        return f"{type(self.thing).__name__}"

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        feed = Feed(input)
        output = iter(self.thing.transform(feed, config, **kwargs))
        owned.append(closing_iterator(output, (output, feed)))
        return owned[-1]  # type: ignore[no-any-return]

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        if not self._written.is_async:
            return super()._alink(input, owned, config, fold, **kwargs)
        feed = AsyncFeed(input)
        output = aiter(self.thing.atransform(feed, config, **kwargs))
        owned.append(async_closing_iterator(output, (output, feed)))
        return owned[-1]  # type: ignore[no-any-return]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        return self.thing.invoke(input, checked(config), **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        return iter(self.thing.stream(input, checked(config), **kwargs))

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        return self._transformed(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if not self._written.is_async:
            return await super().ainvoke(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        return await self.thing.ainvoke(input, checked(config), **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        if not self._written.is_async:
            return super().astream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        return aiter(self.thing.astream(input, checked(config), **kwargs))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        if not self._written.is_async:
            return super().atransform(input, config, **kwargs)
        return self._atransformed(input, config, **kwargs)
