"""One stream for several consumers: ``tee`` for a number of them, ``replay`` for those that come when they come.

Each consumer has what it has not taken yet in a queue of its own. Whoever finds its own empty has the source pulled,
once, and what that gives is put into the queues of all: so never more is pulled than the fastest one has asked for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._shared.notes import note_failure
from .async_sharing import AsyncHub, AsyncShared
from .operator import checked_int, is_one_value

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
        shared = AsyncShared(aiter(source), buffer, 0)
        return tuple([shared.stream() for _ in range(n)])
    one = Shared(iter(source), buffer, 0, waits=on_full == "wait")
    return tuple([Side(one) for _ in range(n)])


if TYPE_CHECKING:

    @overload
    def replay(source: Iterable[T], n: int, *, buffer: int = 512) -> Hub[T]: ...
    @overload
    def replay(source: AsyncIterable[T], n: int, *, buffer: int = 512) -> AsyncHub[T]: ...


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
        return AsyncHub(AsyncShared(aiter(source), buffer, n))
    return Hub(Shared(iter(source), buffer, n, waits=False))


def checked_source(name: str, source: object) -> None:
    if is_one_value(source) or not (hasattr(source, "__iter__") or hasattr(source, "__aiter__")):
        raise TypeError(f"{name} takes an iterable of items, got {type(source).__name__}")


def checked_number(name: str, number: int, least: int) -> None:
    if checked_int(name, number) < least:
        raise ValueError(f"{name} must {'be positive' if least else 'not be negative'}, got {number}")


class Place:
    """What a consumer has not taken yet."""

    __slots__ = ("held", "open")

    def __init__(self, held: Iterable[Any], is_open: bool) -> None:
        self.held = deque(held)
        self.open = is_open


class Shared:
    """A source and the places of its consumers; it does not know these, so that one that is dropped is collected."""

    def __init__(self, source: Iterator[Any], buffer: int, recent: int, *, waits: bool) -> None:
        self.waiting = 0  # threads
        self.places: list[Place] = []
        self._changed = threading.Condition()  # over a lock that a finalizer may take again
        self._source: Iterator[Any] | None = source  # None once it is closed
        self._capacity = buffer + recent
        self._recent: deque[Any] = deque(maxlen=recent)
        self._waits = waits
        self._puller: int | None = None  # the thread that pulls
        self._over = False  # nothing more comes
        self._error: BaseException | None = None  # by which it ended
        self._kept = False  # by a hub, though there may be no consumer
        self._ended = False  # the hub was closed

    def add(self) -> Place:
        with self._changed:
            place = Place(() if self._ended else self._recent, not self._ended)
            if not self._over:
                self.places.append(place)
            return place

    def take(self, place: Place) -> Any:
        """The next item for ``place``, whose queue was found empty."""
        while True:
            with self._changed:
                if place.held:
                    return place.held.popleft()
                if not place.open:
                    raise StopIteration
                if self._over:
                    place.open = False
                    if self._error is not None:
                        raise self._error
                    raise StopIteration
                if not self._may_pull():
                    self._wait()
                    continue
                self._puller = threading.get_ident()
            self._pull()

    def _may_pull(self) -> bool:
        if self._puller is not None:
            if self._puller == threading.get_ident():
                raise RuntimeError("the source of a shared stream pulls that stream")
            return False
        for place in tuple(self.places):
            if len(place.held) >= self._capacity:
                if not self._waits:
                    raise BufferError(
                        f"{len(place.held)} items are held for another stream of the same source"
                    )
                return False
        return True

    def _wait(self) -> None:
        self.waiting += 1  # seen by who takes an item from now on, without the lock
        try:
            if not self._may_pull():
                self._changed.wait()
        finally:
            self.waiting -= 1

    def tell(self) -> None:
        """There is room."""
        with self._changed:
            self._changed.notify_all()

    def _pull(self) -> None:
        """Pull the source, once, for all."""
        source = self._source
        assert source is not None
        item = error = None
        came = False
        try:
            item = next(source)
            came = True
        except StopIteration:
            pass
        except BaseException as caught:  # noqa: BLE001 - raised by each stream at its place
            error = caught
        unwanted = came and not (self.places or self._kept)
        if not came or unwanted:
            failure = closed(source)
            if error is None:
                error = failure
            elif failure is not None:
                note_failure(error, f"closing {type(source).__name__}", failure)
        with self._changed:
            self._puller = None
            if came and not unwanted:
                for place in tuple(self.places):
                    place.held.append(item)
                self._recent.append(item)
            else:
                self._source = None
                self._over = True
                self._error = error
            self._changed.notify_all()
        if came and not unwanted and not (self.places or self._kept):  # closed in the instant between
            self.leave(None)

    def leave(self, place: Place | None) -> None:
        """``place`` counts no more; the last one closes the source."""
        with self._changed:
            if place is not None:
                place.open = False
                place.held.clear()
                if place in self.places:
                    self.places.remove(place)
            self._changed.notify_all()
            if self.places or self._kept or self._source is None:
                return
            if (
                self._puller == threading.get_ident()
            ):  # from within: closed when that pull has come to its end
                return
            while self._puller is not None and self._source is not None:
                self._changed.wait()
            source, self._source = self._source, None
            self._over = True
        failure = closed(source)
        if failure is not None:
            raise failure

    def keep(self) -> None:
        self._kept = True

    def let_go(self) -> None:
        """The hub has been dropped."""
        self._kept = False
        self.leave(None)

    def end(self) -> None:
        """The hub has been closed."""
        with self._changed:
            self._ended = True
            self._kept = False
            for place in self.places:
                place.open = False
                place.held.clear()
            self.places.clear()
            self._error = None
            self._recent.clear()
        self.leave(None)


def closed(source: Any) -> BaseException | None:
    """What closing it raised."""
    close = getattr(source, "close", None)
    if close is not None:
        try:
            close()
        except BaseException as failure:  # noqa: BLE001 - raised, or noted
            return failure
    return None


class Side:
    """The stream of one consumer."""

    __slots__ = ("_place", "_shared", "_take")

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._place = shared.add()
        self._take = self._place.held.popleft

    def __iter__(self) -> Side:
        return self

    def __next__(self) -> Any:
        try:
            item = self._take()
        except IndexError:
            pass
        else:
            if self._shared.waiting:
                self._shared.tell()
            return item
        return self._shared.take(self._place)

    def close(self) -> None:
        """Count no more; the last one closes the source."""
        self._shared.leave(self._place)

    def __del__(self) -> None:
        if hasattr(self, "_take"):
            self._shared.leave(self._place)


class Hub(Generic[T]):
    """A stream of the same source each time it is iterated over; see ``replay``."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        shared.keep()

    def __iter__(self) -> Iterator[T]:
        return Side(self._shared)

    def close(self) -> None:
        """End all streams and close the source."""
        self._shared.end()

    def __del__(self) -> None:
        self._shared.let_go()
