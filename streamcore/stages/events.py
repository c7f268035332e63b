"""``ServerSentEvents``: what a server sends by ``text/event-stream``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._backend import Event
from .._shared.options import DEFAULT_MAX_SIZE
from ..ops import map as map_items
from .stage import Item, ItemStage

if TYPE_CHECKING:
    from typing import Literal, Unpack, overload

    from .._backend import View
    from .kinds import EventOptions

__all__ = ["EventEncoder", "ServerSentEvents"]


class ServerSentEvents(ItemStage[Item]):
    """Cuts an event stream into events, as the WHATWG HTML standard has it: ``Event(event, data, id, retry)``.

    Lines end at LF, CR and CRLF in any mixture and at nothing else; a CR ends its line at once. One byte-order mark at
    the very start goes. ``as_`` is ``"event"``, or ``str``, ``bytes`` or ``"view"`` for the data alone, the last two
    not decoded; what is not UTF-8 becomes U+FFFD.

    The first event whose data equals ``stop`` is not given: the stream ends there and the source is closed.
    ``max_size`` bounds what is held of an event, in bytes: its data with a LF between two lines, its name, and the id
    set in its block (None: no bound). A larger one is an ``ItemTooLarge``, or with ``on_oversize="skip"`` left out (its
    id and retry count), or with ``"truncate"`` the data ends there, and a name or id that does not fit is passed over.
    Comments, unknown fields and blank lines are not held. What no blank line ends is dropped, as in a browser; with
    ``on_incomplete="emit"`` it is an event, with ``"raise"`` an ``IncompleteItem``.

    Of an engine, ``last_event_id`` and ``retry`` are as of the item that was given last.
    """

    _engine = "ServerSentEventsEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: ServerSentEvents[Event], *, as_: Literal["event"] = ..., **options: Unpack[EventOptions]
        ) -> None: ...
        @overload
        def __init__(
            self: ServerSentEvents[str], *, as_: type[str], **options: Unpack[EventOptions]
        ) -> None: ...
        @overload
        def __init__(
            self: ServerSentEvents[bytes], *, as_: type[bytes], **options: Unpack[EventOptions]
        ) -> None: ...
        @overload
        def __init__(
            self: ServerSentEvents[View], *, as_: Literal["view"], **options: Unpack[EventOptions]
        ) -> None: ...

    def __init__(
        self,
        *,
        stop: str | bytes | None = None,
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "drop",
        as_: Any = "event",
    ) -> None:
        super().__init__(
            stop=stop, max_size=max_size, on_oversize=on_oversize, on_incomplete=on_incomplete, as_=as_
        )

    @staticmethod
    def encoder() -> EventEncoder:
        """A Runnable that makes bytes of each ``Event``, or of a ``str``, which is the data of one."""
        return EventEncoder()


def encode(item: Event | str) -> bytes:
    """The event as a server writes it."""
    if isinstance(item, str):
        item = Event(data=item)
    if not isinstance(item, Event):
        raise TypeError(f"an Event or a str is due here, got {type(item).__name__}")
    return item.encode()


class EventEncoder(map_items):
    """Makes bytes of each event; ``ServerSentEvents`` gives the events back."""

    def __init__(self) -> None:
        super().__init__(encode)
        self._name = "ServerSentEvents.encoder()"
