"""Blocks in flight: what a channel holds, as many items at a time as are there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from .home import Home

if TYPE_CHECKING:
    from ..._backend import Channel

__all__ = ["Blocks", "most_in_hand"]


def most_in_hand(items: int) -> int:
    """How many of ``items`` a consumer may take beyond the one it asked for.

    A block in hand counts as held. It is the smaller part of what may be: the two sides change places when the rest is
    full or empty.
    """
    return min(items // 8, 64)


class Blocks:
    """The items of a channel as lists, for ``async_closing_iterator``: one turn of the loop for all that are there.

    The work that fills the channel begins with the first pull, on the loop of that, for the stage ``of``; it ends,
    once, with ``aclose()``.
    """

    def __init__(self, items: int, of: object) -> None:
        self.home = Home(of)
        self._most = 1 + most_in_hand(items)
        self._channel: Channel[Any] | None = None
        self._waits: AsyncIterator[Any]
        self._closed = False

    def __aiter__(self) -> Blocks:
        return self

    async def __anext__(self) -> list[Any]:
        if self._closed:
            raise StopAsyncIteration
        channel = self._channel
        if channel is None:
            self.home.found()
            channel, self._waits = self._begin()
            self._channel = channel
        else:
            self.home.check()
        if channel:
            return channel.get_many(self._most)
        return [await anext(self._waits)]

    async def aclose(self) -> None:
        """End the work and close its source; raises what that raised. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._end()

    def _begin(self) -> tuple[Channel[Any], AsyncIterator[Any]]:
        """Begin the work; gives the channel that it fills, and what to wait on for an item where that is empty."""
        raise NotImplementedError

    async def _end(self) -> None:
        """End the work, which may not have begun, and close its source."""
        raise NotImplementedError
