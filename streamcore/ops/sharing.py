"""One stream for several consumers: ``tee`` for a number of them, ``replay`` for those that come when they come.

Each consumer has what it has not taken yet in a queue of its own. Whoever finds its own empty has the source pulled,
once, and what that gives is put into the queues of all: so never more is pulled than the fastest one has asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._backend import SharedSource, SharedStream
from .async_sharing import AsyncHub, AsyncShared
from .operator import checked_int, is_one_value, public

if TYPE_CHECKING:
    from typing import overload

T = TypeVar("T")

__all__ = ["replay", "tee"]

if TYPE_CHECKING:

    @overload
    def tee(
        source: Iterable[T], n: int = 2, *, buffer: int = 512, on_full: str | None = None
    ) -> tuple[Iterator[T], ...]: ...
    @overload
    def tee(
        source: AsyncIterable[T], n: int = 2, *, buffer: int = 512, on_full: str | None = None
    ) -> tuple[AsyncIterator[T], ...]: ...


@public
def tee(source: Any, n: int = 2, *, buffer: int = 512, on_full: str | None = None) -> Any:
    """``n`` streams of the items of ``source``, which is pulled when one of them asks for an item that has not come.

    At most ``buffer`` items are held for the slowest one. A stream that is that much ahead of it waits for it, where
    the source is an async iterable; else its pull raises BufferError, and may be made again later. With
    ``on_full="wait"`` it waits there too, for streams that several threads pull. One that is closed or dropped counts
    no more, and the last one closes the source. An error of the source reaches each stream at its place.
    """
    checked_source("ops.tee", source)
    checked_number("n", n, 1)
    checked_number("buffer", buffer, 1)
    if on_full not in (None, "wait"):
        raise ValueError(f"on_full must be None or 'wait', got {on_full!r}")
    if not hasattr(source, "__iter__"):
        shared = AsyncShared(aiter(source), buffer, 0, "ops.tee")
        return tuple([shared.stream() for _ in range(n)])
    one = SharedSource(iter(source), buffer, 0, on_full == "wait")
    return tuple([SharedStream(one) for _ in range(n)])


if TYPE_CHECKING:

    @overload
    def replay(source: Iterable[T], n: int, *, buffer: int = 512) -> Hub[T]: ...
    @overload
    def replay(source: AsyncIterable[T], n: int, *, buffer: int = 512) -> AsyncHub[T]: ...


@public
def replay(source: Any, n: int, *, buffer: int = 512) -> Any:
    """What gives a stream of ``source`` each time it is iterated over: the last ``n`` items seen, then those to come.

    After the end of the source a new stream gives the last ``n`` and ends, or raises the source's error. The streams
    are as those of ``tee``: each has ``buffer`` items held for it beyond the last ``n``; the source is pulled when one
    asks for an item that has not come. ``close()`` (``await aclose()`` where the source is an async iterable) ends all
    streams and closes the source; so does dropping it once no stream is open.
    """
    checked_source("ops.replay", source)
    checked_number("n", n, 0)
    checked_number("buffer", buffer, 1)
    if not hasattr(source, "__iter__"):
        return AsyncHub(AsyncShared(aiter(source), buffer, n, "ops.replay"))
    return Hub(SharedSource(iter(source), buffer, n, False))


def checked_source(name: str, source: object) -> None:
    if is_one_value(source) or not (hasattr(source, "__iter__") or hasattr(source, "__aiter__")):
        raise TypeError(f"{name} takes an iterable of items, got {type(source).__name__}")


def checked_number(name: str, number: int, least: int) -> None:
    if checked_int(name, number) < least:
        raise ValueError(f"{name} must {'be positive' if least else 'not be negative'}, got {number}")


class Hub(Generic[T]):
    """A stream of the same source each time it is iterated over; see ``replay``."""

    def __init__(self, shared: SharedSource) -> None:
        self._shared = shared
        shared.keep()

    def __iter__(self) -> Iterator[T]:
        return SharedStream(self._shared)

    def close(self) -> None:
        """End all streams and close the source."""
        self._shared.end()

    def __del__(self) -> None:
        self._shared.let_go()
