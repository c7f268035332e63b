"""``Event``: what a server sent (native: ``_native.framing.event``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._shared.events import checked_event, encode_event, restore_event

__all__ = ["Event"]


class Event:
    """A server-sent event. ``id`` is the last event id when it was dispatched, ``retry`` the milliseconds that its
    block set. It cannot be changed. An empty ``event`` means ``"message"``, as in a stream.
    """

    __slots__ = ("_data", "_event", "_id", "_retry")
    __match_args__ = ("event", "data", "id", "retry")

    _data: str | bytes
    _event: str
    _id: str
    _retry: int | None

    def __init__(
        self, event: str = "message", data: str = "", id: str = "", retry: int | None = None
    ) -> None:
        if hasattr(self, "_event"):
            raise TypeError("Event is made already and does not change")
        fill(self, *checked_event(event, data, id, retry))

    @property
    def event(self) -> str:
        """The name of the event."""
        return self._event

    @property
    def data(self) -> str:
        """Its data lines, joined by LF; bytes that are not UTF-8 are U+FFFD."""
        data = self._data
        if isinstance(data, bytes):
            data = data.decode("utf-8", "replace")
            _set_data(self, data)
        return data

    @property
    def id(self) -> str:
        """The last event id when the event was dispatched."""
        return self._id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds that was set in the event's block, else None."""
        return self._retry

    def encode(self) -> bytes:
        """The event as a server writes it; ValueError where a field cannot be written."""
        return encode_event(self._event, self.data, self._id, self._retry)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute {name!r} of 'Event' objects is not writable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"attribute {name!r} of 'Event' objects is not writable")

    def __repr__(self) -> str:
        return f"Event(event={self._event!r}, data={self.data!r}, id={self._id!r}, retry={self._retry!r})"

    def __hash__(self) -> int:
        return hash((self._event, self.data, self._id, self._retry))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return (
            self.data == other.data
            and self._event == other._event
            and self._id == other._id
            and self._retry == other._retry
        )

    def __copy__(self) -> Event:
        return self

    def __deepcopy__(self, memo: Any) -> Event:
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str, str, int | None]]:
        return restore_event, (self._event, self.data, self._id, self._retry)


_set_event = Event.__dict__["_event"].__set__
_set_data = Event.__dict__["_data"].__set__
_set_id = Event.__dict__["_id"].__set__
_set_retry = Event.__dict__["_retry"].__set__


def fill(made: Event, event: str, data: str | bytes, id: str, retry: int | None) -> Event:
    """Set the fields of a new event; ``data`` as bytes becomes text when it is asked for."""
    _set_event(made, event)
    _set_data(made, data)
    _set_id(made, id)
    _set_retry(made, retry)
    return made
