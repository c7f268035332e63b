"""The operators of ``streamcore.ops``: an item goes out before the next one is pulled."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, filter_iterator, map_iterator, take_iterator
from .._shared.notes import raise_noted
from ..runnables.base import Runnable
from ..runnables.function import is_async, name_of

if TYPE_CHECKING:
    from ..runnables.ahead import Ahead
    from ..runnables.config import RunnableConfig

__all__ = ["buffer", "filter", "map", "take"]


class Operator(Runnable[Any, Any]):
    """A stage whose input is a stream of items; ``invoke`` gives the list of what comes out."""

    _closes_input = True

    def collect(self, chunks: Iterable[Any]) -> list[Any]:
        """The list of the items."""
        return list(chunks)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Work on the items of the iterable ``input``."""
        return self.transform(self._items(input), config, **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Work on the items of the iterable or async iterable ``input``."""
        if hasattr(input, "__aiter__"):
            return self.atransform(input, config, **kwargs)
        source = iter(self._items(input))
        items = _as_async(source)
        return self._over(items, (source, items), config)

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        source = aiter(input)
        return self._over(source, (source,), config)

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        step = self._item_step()
        if step is not None:
            return async_closing_iterator(source, owned, steps=(step,))
        output = self._aitems(source)
        return async_closing_iterator(output, (*owned, output))

    def _bare_atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        return self._aitems(input)

    def _aitems(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The operator's work on an async iterator, which is closed elsewhere; where it has no ``_item_step``."""
        raise NotImplementedError

    def _items(self, input: Any) -> Iterable[Any]:
        if isinstance(input, (str, bytes, bytearray, memoryview, dict)) or not hasattr(input, "__iter__"):
            raise TypeError(f"{self!r} takes an iterable of items, got {type(input).__name__}")
        return input  # type: ignore[no-any-return]


async def _as_async(items: Iterator[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


class _PerItem(Operator):
    """An operator that calls one function for each item; a coroutine function works in async streams."""

    def _item_step(self) -> tuple[str, Any, str] | None:
        return None if self._fn_is_async else (type(self).__name__, self.fn, self._name)

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        if not callable(fn):
            raise TypeError(f"{self._kind} needs a callable, got {type(fn).__name__}")
        self.fn = fn
        self._fn_is_async = is_async(fn)
        self._name = f"{self._kind}({name_of(fn)})"

    @property
    def _kind(self) -> str:
        return f"ops.{type(self).__name__}"

    def __repr__(self) -> str:
        return self._name

    @property
    def _has_sync(self) -> bool:
        return not self._fn_is_async

    def _with_loop(self, input: Iterable[Any], config: RunnableConfig | None) -> Iterator[Any]:
        from ..runnables import private_loop

        return private_loop.transform(self, input, config)


class map(_PerItem):  # noqa: N801 - the field's word, used as ops.map
    """``fn`` of each item, in order; ``fn`` may be a coroutine function.

    An exception of ``fn`` ends the stream after the items before it, with a note that tells the item's number.
    """

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        if self._fn_is_async:
            return self._with_loop(input, config)
        return map_iterator(iter(input), self.fn, self._name)

    async def _aitems(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        at = 0
        async for item in source:
            try:
                result = await self.fn(item)
            except BaseException as error:  # noqa: BLE001 - raised, noted
                raise_noted(error, self._name, at, in_async=True)
            yield result
            at += 1


class filter(_PerItem):  # noqa: N801
    """The items for which ``fn`` is true, in order; ``fn`` may be a coroutine function."""

    _passes_items = True

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        if self._fn_is_async:
            return self._with_loop(input, config)
        return filter_iterator(iter(input), self.fn, self._name)

    async def _aitems(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        at = 0
        async for item in source:
            try:
                kept = bool(await self.fn(item))
            except BaseException as error:  # noqa: BLE001 - raised, noted
                raise_noted(error, self._name, at, in_async=True)
            if kept:
                yield item
            at += 1


class buffer(Operator):  # noqa: N801
    """Read ahead: the stages before it work while those after it do, up to ``count`` items ahead.

    These hold at most ``config["buffer_bytes"]`` bytes, 8 MiB if not given; an item larger than that goes alone.
    What comes before runs in a worker thread of its own; in an async stream, in a task of the (asyncio) loop. Items
    before an error come first. Closing the stream stops the reading and closes the source before it returns; in a
    thread, a pull that is under way is waited for.
    """

    _passes_items = True
    _acloses_input = True

    def __init__(self, count: int) -> None:
        self.count = _count(count, least=1)

    def __repr__(self) -> str:
        return f"ops.buffer({self.count})"

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        from ..runnables.read_ahead import read_ahead

        return read_ahead(iter(input), self._ahead(config))

    def _ahead(self, config: RunnableConfig | None) -> Ahead:
        from ..runnables.ahead import Ahead, buffer_bytes

        return Ahead(self.count, buffer_bytes(config))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        from ..runnables.read_ahead import aread_ahead

        return aread_ahead(aiter(input), self._ahead(config))

    def _bare_atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        return self.atransform(input, config)

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        output = self.atransform(source, config)
        return async_closing_iterator(output, (*owned[:-1], output))


class take(Operator):  # noqa: N801
    """The first ``count`` items; then the source is closed, without being pulled for one more."""

    _passes_items = True

    def __init__(self, count: int) -> None:
        self.count = _count(count, least=0)

    def __repr__(self) -> str:
        return f"ops.take({self.count})"

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        return take_iterator(iter(input), self.count)

    def _item_step(self) -> tuple[str, Any, str]:
        return "take", self.count, repr(self)


def _count(count: int, least: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count must be an int, got {type(count).__name__}")
    if count < least:
        raise ValueError(f"count must {'be positive' if least else 'not be negative'}, got {count}")
    return count
