"""Rules of server-sent events that both backends share: options, and how an event is written."""

from __future__ import annotations

import re
from typing import Any

from .options import as_option, seen, shown

__all__ = [
    "BOM",
    "LARGEST_RETRY",
    "checked_event",
    "encode_event",
    "event_kind",
    "restore_event",
    "stop_option",
]

BOM = b"\xef\xbb\xbf"
LARGEST_RETRY = (1 << 63) - 1

_LINE_END = re.compile("\r\n?|\n")


def event_kind(value: Any) -> tuple[bool, Any]:
    """Whether items are ``Event`` objects, and the type of their data otherwise."""
    if isinstance(value, str) and value == "event":
        return True, str
    try:
        as_option(value)
    except ValueError:
        raise ValueError(f"as_ must be 'event', bytes, str or 'view', got {seen(value)}") from None
    return False, value


def stop_option(value: Any) -> bytes | None:
    """The data that ends a stream, as bytes."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return str.encode(value)
        except UnicodeEncodeError:
            raise ValueError(f"stop must be text that has an encoding, got {value!r}") from None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"stop must be a str, bytes or None, got {type(value).__name__}")


def checked_event(event: Any, data: Any, id: Any, retry: Any) -> tuple[str, str, str, int | None]:
    """The fields of an event: TypeError where one is of another type; an empty ``event`` means ``"message"``."""
    for name, value in (("event", event), ("data", data), ("id", id)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, got {type(value).__name__}")
    if retry is not None and (isinstance(retry, bool) or not isinstance(retry, int)):
        raise TypeError(f"retry must be an int or None, got {type(retry).__name__}")
    plain = [value if type(value) is str else str.__str__(value) for value in (event, data, id)]
    return plain[0] or "message", plain[1], plain[2], None if retry is None else int.__index__(retry)


def encode_event(event: str, data: str, id: str, retry: int | None) -> bytes:
    """The lines of an event, the blank one included."""
    lines = []
    if event != "message":
        _refuse("event", event, "\r\n")
        lines.append(f"event: {event}\n")
    if id:
        _refuse("id", id, "\r\n\0")
        lines.append(f"id: {id}\n")
    if retry is not None:
        if not 0 <= retry <= LARGEST_RETRY:
            raise ValueError(f"retry must be from 0 to {LARGEST_RETRY}, got {shown(retry)}")
        lines.append(f"retry: {retry}\n")
    lines += [f"data: {line}\n" for line in _LINE_END.split(data)]
    return f"{''.join(lines)}\n".encode()


def _refuse(name: str, value: str, characters: str) -> None:
    for character in characters:
        if character in value:
            raise ValueError(f"{name} must not contain {character!r}, got {value!r}")


def restore_event(event: str, data: str, id: str, retry: int | None) -> Any:
    """Unpickle: an event of the backend that runs."""
    from .._backend import Event

    return Event(event, data, id, retry)
