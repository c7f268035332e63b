"""One source for several streams, each of which gives all of its items (twin: ``_native.streams.sharing``)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from ..._shared.notes import make_room
from .closing import Stream, close_all

__all__ = ["SharedSource", "SharedStream"]

T_co = TypeVar("T_co", covariant=True)


class Place:
    """What a stream has not given out yet."""

    __slots__ = ("held", "open")

    def __init__(self, held: Iterable[Any], is_open: bool) -> None:
        self.held = deque(held)
        self.open = is_open


class SharedSource:
    """A source and what each of its streams has not given out yet; it does not know these: dropped ones are collected.

    At most ``buffer + recent`` items are held for a stream, and the last ``recent`` for those that are yet to come. A
    pull that would make it more is a BufferError, or, if it ``waits``, waits for another thread to take one.
    """

    # Who pulls the source has the lock meanwhile; an item that is there is taken without it. A place is left under a
    # lock of its own, so that to close one stream does not wait for a pull by another. A finalizer may take both again.

    def __init__(self, source: Iterator[Any], buffer: int, recent: int, waits: bool) -> None:
        if not hasattr(type(source), "__next__"):
            raise TypeError(f"'{type(source).__name__}' object is not an iterator")
        self._recent: deque[Any] = deque(maxlen=recent)
        self._capacity = buffer + recent
        self._waits = waits
        self._waiting = 0  # threads, for room
        self._places: tuple[Place, ...] = ()
        self._counting = threading.RLock()  # the places
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._source: Iterator[Any] | None = source  # None once it is closed
        self._pulling = False
        self._over = False  # nothing more comes
        self._error: BaseException | None = None  # by which it ended
        self._kept = False  # by a hub, though there may be no stream
        self._ended = False  # the hub was closed

    def keep(self) -> None:
        """Stay open without a stream."""
        self._kept = True

    def let_go(self) -> None:
        """Stay open no longer than the last stream."""
        self._kept = False
        close_all(self._unwanted(), None)

    def end(self) -> None:
        """End all streams and close the source."""
        with self._counting:
            self._ended = True
            self._kept = False
            places, self._places = self._places, ()
            for place in places:
                place.open = False
                place.held.clear()
            self._recent.clear()
        if self._waits:
            self._tell()
        close_all(self._unwanted(), None)

    def _add(self) -> Place:
        with self._counting:
            place = Place(() if self._ended else self._recent, not self._ended)
            if not self._over:
                self._places = (*self._places, place)
            return place

    def _take(self, place: Place) -> Any:
        """The next item for ``place``, whose queue was found empty."""
        with self._lock:
            while not place.held:
                if not place.open:
                    raise StopIteration
                if self._pulling:
                    raise RuntimeError("the source of a shared stream pulls that stream")
                if self._over:
                    place.open = False
                    if self._error is not None:
                        raise self._error
                    raise StopIteration
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
        self._waiting += 1  # seen by who takes an item from now on, without the lock
        try:
            if not self._has_room():
                self._room.wait()
        finally:
            self._waiting -= 1

    def _tell(self) -> None:
        """There is room."""
        with self._lock:
            self._room.notify_all()

    def _pull(self) -> None:
        """Pull the source, once, for all."""
        self._pulling = True
        try:
            item = next(self._source)  # type: ignore[arg-type]
        except StopIteration:
            self._finish(None)
        except BaseException as error:  # noqa: BLE001 - raised by each stream at its place
            self._finish(error)
        else:
            for place in self._places:
                place.held.append(item)
            self._recent.append(item)
            if not (self._places or self._kept):  # all have been closed meanwhile
                source, self._source = self._source, None
                self._over = True
                close_all((source,), None)
        finally:
            self._pulling = False

    def _finish(self, error: BaseException | None) -> None:
        """Nothing more comes."""
        make_room()
        source, self._source = self._source, None
        self._over = True
        self._error = error
        try:
            close_all((source,), error)
        except BaseException as failure:  # noqa: BLE001 - raised by each stream at its place
            self._error = failure
        self._room.notify_all()

    def _leave(self, place: Place) -> list[Any]:
        """``place`` counts no more; gives what is to be closed: the source, after the last one."""
        with self._counting:
            place.open = False
            self._places = tuple([other for other in self._places if other is not place])
            place.held.clear()
        if self._waits:
            self._tell()
        return self._unwanted()

    def _unwanted(self) -> list[Any]:
        """The source, if nobody wants more of it."""
        if self._places or self._kept:
            return []
        with self._lock:
            if self._source is None or self._pulling:  # from within: once that pull has come to its end
                return []
            source, self._source = self._source, None
            self._over = True
            return [source]


class SharedStream(Stream[T_co]):
    """A stream of a ``SharedSource``: all of its items from now on, after the recent ones.

    An error of the source reaches it at its place. Once it is closed or dropped it counts no more; the last one closes
    the source, before ``close()`` returns.
    """

    def __init__(self, shared: SharedSource) -> None:
        if not isinstance(shared, SharedSource):
            raise TypeError(f"shared must be a SharedSource, got {type(shared).__name__}")
        self._running = False
        self._place = shared._add()
        self._held = self._place.held
        self._shared = shared
        self._source: Any = shared

    def __next__(self) -> T_co:
        if self._held:
            try:
                item = self._held.popleft()
            except IndexError:  # closed in the instant between
                raise StopIteration from None
            if self._shared._waiting:
                self._shared._tell()
            return item  # type: ignore[no-any-return]
        return self._shared._take(self._place)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Count no more; the last one closes the source."""
        if not self._running:
            self._end(None)

    def _detach(self, error: BaseException | None) -> list[Any]:
        closing = self._shared._leave(self._place)
        self._source = None
        return closing
