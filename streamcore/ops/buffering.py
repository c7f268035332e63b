"""Operators that hold items between the stages before them and those after them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator
from .operator import Passing, checked_count

if TYPE_CHECKING:
    from ..runnables.bridge.ahead import Ahead
    from ..runnables.config import RunnableConfig

__all__ = ["buffer"]


class buffer(Passing[Any]):  # noqa: N801
    """Read ahead: the stages before it work while those after it do, up to ``count`` items ahead.

    These hold at most ``config["buffer_bytes"]`` bytes, 8 MiB if not given; an item larger than that goes alone.
    What comes before runs in a worker thread of its own; in an async stream, in a task of the (asyncio) loop. Items
    before an error come first. Closing the stream stops the reading and closes the source before it returns; in a
    thread, a pull that is under way is waited for.
    """

    def __init__(self, count: int) -> None:
        self.count = checked_count(count, least=1)

    def __repr__(self) -> str:
        return f"ops.buffer({self.count})"

    def _ahead(self, config: RunnableConfig | None) -> Ahead:
        from ..runnables.bridge.ahead import Ahead, buffer_bytes

        return Ahead(self.count, buffer_bytes(config))

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        from ..runnables.bridge.read_ahead import read_ahead

        return read_ahead(source, self._ahead(config))

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        from ..runnables.bridge.read_ahead import aread_ahead

        output = aread_ahead(source, self._ahead(config))
        below = owned[:-1]
        return async_closing_iterator(output, (*below, output)) if below else output
