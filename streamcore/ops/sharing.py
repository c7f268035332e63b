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
        shared = AsyncShared(aiter(source), buffer, 0, "ops.tee")
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
        return AsyncHub(AsyncShared(aiter(source), buffer, n, "ops.replay"))
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
    """A source and the places of its consumers; it does not know these, so that one that is dropped is collected.

    Who pulls the source has the lock meanwhile; an item that is there is taken without it. A place is left under a lock
    of its own, so that to close one stream does not wait for a pull by another. A finalizer may take both again.
    """

    def __init__(self, source: Iterator[Any], buffer: int, recent: int, *, waits: bool) -> None:
        self.waiting = 0  # threads, for room
        self._places: tuple[Place, ...] = ()
        self._counting = threading.RLock()  # the places
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._source: Iterator[Any] | None = source  # None once it is closed
        self._capacity = buffer + recent
        self._recent: deque[Any] = deque(maxlen=recent)
        self._waits = waits
        self._pulling = False
        self._over = False  # nothing more comes
        self._error: BaseException | None = None  # by which it ended
        self._kept = False  # by a hub, though there may be no consumer
        self._ended = False  # the hub was closed

    @property
    def number(self) -> int:
        return len(self._places)

    def add(self) -> Place:
        with self._counting:
            place = Place(() if self._ended else self._recent, not self._ended)
            if not self._over:
                self._places = (*self._places, place)
            return place

    def take(self, place: Place) -> Any:
        """The next item for ``place``, whose queue was found empty."""
        with self._lock:
            while not place.held:
                if not place.open:
                    raise StopIteration
                if self._over:
                    place.open = False
                    if self._error is not None:
                        raise self._error
                    raise StopIteration
                if self._pulling:
                    raise RuntimeError("the source of a shared stream pulls that stream")
                if self._has_room():
                    self._pull()
                else:
                    self._wait()
            return place.held.popleft()

    def _has_room(self) -> bool:
        capacity = self._capacity
        for place in self._places:  # noqa: SIM110 - all() costs five times as much
            if len(place.held) >= capacity:
                return False
        return True

    def _wait(self) -> None:
        if not self._waits:
            raise BufferError(f"{self._capacity} items are held for another stream of the same source")
        self.waiting += 1  # seen by who takes an item from now on, without the lock
        try:
            if not self._has_room():
                self._room.wait()
        finally:
            self.waiting -= 1

    def tell(self) -> None:
        """There is room."""
        with self._lock:
            self._room.notify_all()

    def _pull(self) -> None:
        """Pull the source, once, for all."""
        self._pulling = True
        try:
            item = next(self._source)  # type: ignore[arg-type]
        except StopIteration:
            self._end(None)
            return
        except BaseException as error:  # noqa: BLE001 - raised by each stream at its place
            self._end(error)
            return
        finally:
            self._pulling = False
        for place in self._places:
            place.held.append(item)
        self._recent.append(item)
        if not (self._places or self._kept):  # all have been closed meanwhile
            source, self._source = self._source, None
            self._over = True
            failure = closed(source)
            if failure is not None:
                raise failure

    def _end(self, error: BaseException | None) -> None:
        """Nothing more comes."""
        source, self._source = self._source, None
        self._over = True
        failure = closed(source)
        if error is None:
            error = failure
        elif failure is not None:
            note_failure(error, f"closing {type(source).__name__}", failure)
        self._error = error
        self._room.notify_all()

    def leave(self, place: Place) -> None:
        """``place`` counts no more; the last one closes the source."""
        with self._counting:
            place.open = False
            self._places = tuple([other for other in self._places if other is not place])
            place.held.clear()
        self._close_if_last()
        if self._waits:
            self.tell()

    def _close_if_last(self) -> None:
        if self._places or self._kept:
            return
        with self._lock:
            source = self._source
            if source is None or self._pulling:  # from within: closed when that pull has come to its end
                return
            self._source = None
            self._over = True
            failure = closed(source)
        if failure is not None:
            raise failure

    def keep(self) -> None:
        """A hub gives its streams."""
        self._kept = True

    def let_go(self) -> None:
        """The hub has been dropped."""
        self._kept = False
        self._close_if_last()

    def end(self) -> None:
        """The hub has been closed."""
        with self._counting:
            self._ended = True
            self._kept = False
            places, self._places = self._places, ()
            for place in places:
                place.open = False
                place.held.clear()
            self._recent.clear()
        self._close_if_last()


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

    __slots__ = ("_held", "_place", "_shared")

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._place = shared.add()
        self._held = self._place.held

    def __iter__(self) -> Side:
        return self

    def __next__(self) -> Any:
        if self._held:
            try:
                item = self._held.popleft()
            except IndexError:  # the hub was closed in the instant between
                raise StopIteration from None
            if self._shared.waiting:
                self._shared.tell()
            return item
        return self._shared.take(self._place)

    def close(self) -> None:
        """Count no more; the last one closes the source."""
        self._shared.leave(self._place)

    def __del__(self) -> None:
        if hasattr(self, "_held"):
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
