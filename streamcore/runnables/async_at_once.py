"""Branches of an async stream that give their chunks as they come, each in a task of its own: see ``at_once``.

A further task pulls the source, as one of the branches asks (``ops/async_sharing``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator
from .addable import AddableDict

if TYPE_CHECKING:
    from ..ops.async_sharing import AsyncShared

__all__ = ["AsyncSharedInput", "async_at_once"]


class AsyncSharedInput:
    """A source, which its last side closes, and the sides of its branches."""

    def __init__(
        self, source: AsyncIterator[Any], capacity: int, note: Callable[[BaseException], None], of: object
    ) -> None:
        from ..ops.async_sharing import AsyncShared

        watched: Any = async_closing_iterator(source, (source,), note)
        self.shared: AsyncShared = AsyncShared(watched, capacity, 0, of)

    def side(self) -> AsyncIterator[Any]:
        return self.shared.stream()

    async def aclose(self) -> None:
        """End the input of each branch and close the source, unless it is."""
        await self.shared.end()


def async_at_once(
    streams: Iterable[tuple[str, AsyncIterator[Any]]],
    input: AsyncSharedInput | None,
    capacity: int,
    of: object,
) -> tuple[AsyncIterator[Any], AsyncIterator[Any]]:
    """What closes the ``streams`` of the branches of ``of``, and the stream of their chunks, which is closed before."""
    from ..ops.merge_tasks import merged_in_tasks

    failed: list[BaseException] = []
    parts: list[Any] = []
    for key, stream in streams:
        given = _given(key, stream, input, failed)
        parts.append(async_closing_iterator(given, (stream, given)))
    merged = merged_in_tasks(parts, capacity, None, of)
    return merged, _chunks(merged, failed)


async def _given(
    key: str, stream: AsyncIterator[Any], input: AsyncSharedInput | None, failed: list[BaseException]
) -> AsyncIterator[Any]:
    try:
        async for chunk in stream:
            yield AddableDict({key: chunk})
    except BaseException as error:
        if input is None or error is not input.shared.error:
            raise
        failed.append(error)


async def _chunks(merged: AsyncIterator[Any], failed: list[BaseException]) -> AsyncIterator[Any]:
    """The chunks of all, then the error of the source, if it failed."""
    try:
        async for chunk in merged:
            yield chunk
        if failed:
            raise failed[0]
    finally:
        failed.clear()
