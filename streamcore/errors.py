"""Every error that streamcore raises of its own, each also the built-in exception that a caller would expect."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ChannelClosed",
    "IncompleteItem",
    "InvalidEncoding",
    "InvalidFrame",
    "ItemTooLarge",
    "StreamTimeout",
    "StreamcoreError",
]


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"


class StreamcoreError(Exception):
    """Base class of the errors below."""


class _Placed(StreamcoreError):
    """An error that is a value, too: it is equal to one with the same fields, and they do not change."""

    __match_args__: tuple[str, ...] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name not in self.__match_args__}
        return type(self), self.args, state or None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), *self._fields()))

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__match_args__ and name in self.__dict__:
            raise AttributeError(f"attribute {name!r} of {type(self).__name__!r} objects is not writable")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__match_args__:
            raise AttributeError(f"attribute {name!r} of {type(self).__name__!r} objects is not writable")
        super().__delattr__(name)


class ItemTooLarge(_Placed, ValueError):
    """An item grew beyond ``max_size``.

    ``size`` is the least size the item is known to have, ``limit`` is ``max_size``, ``offset`` is where the item
    starts; all three in bytes (in code points for ``str`` input).
    """

    __match_args__ = ("size", "limit", "offset")

    def __init__(self, size: int, limit: int, offset: int) -> None:
        super().__init__(size, limit, offset)
        self.size = size
        self.limit = limit
        self.offset = offset

    def __str__(self) -> str:
        return f"item at offset {self.offset} has at least {_bytes(self.size)}, max_size is {self.limit}"


class IncompleteItem(_Placed, EOFError):
    """The input ended inside an item: ``size`` bytes of it, starting at ``offset``."""

    __match_args__ = ("size", "offset")

    def __init__(self, size: int, offset: int) -> None:
        super().__init__(size, offset)
        self.size = size
        self.offset = offset

    def __str__(self) -> str:
        return f"input ended inside an item: {_bytes(self.size)} at offset {self.offset}"


class InvalidFrame(_Placed, ValueError):
    """A frame, record or document breaks its format at ``offset`` of the stream, in bytes (in code points for ``str``).

    ``path`` is where in a document, a tuple of keys and indexes; None where there is no such place.
    """

    __match_args__ = ("reason", "offset", "path")

    def __init__(self, reason: str, offset: int, path: tuple[str | int, ...] | None = None) -> None:
        super().__init__(*((reason, offset) if path is None else (reason, offset, path)))
        self.reason = reason
        self.offset = offset
        self.path = path

    def __str__(self) -> str:
        where = "" if self.path is None else f", path {self.path!r}"
        return f"{self.reason} at offset {self.offset}{where}"


class InvalidEncoding(_Placed, UnicodeDecodeError):
    """Bytes that are not valid in ``encoding``; ``offset`` is where in the stream the first bad byte lies.

    The attributes of ``UnicodeDecodeError`` describe ``object``, the few bytes at hand.
    """

    __match_args__ = ("encoding", "object", "start", "end", "reason", "offset")

    def __init__(self, encoding: str, object: bytes, start: int, end: int, reason: str, offset: int) -> None:
        UnicodeDecodeError.__init__(self, encoding, object, start, end, reason)
        self.offset = offset

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._fields(), *super().__reduce__()[2:]

    def __repr__(self) -> str:
        return f"InvalidEncoding({', '.join(map(repr, self._fields()))})"

    def __str__(self) -> str:
        bad = self.object[self.start : self.end]
        return f"{self.encoding}: {self.reason}: {bad!r} at offset {self.offset}"


class ChannelClosed(StreamcoreError, EOFError):
    """The channel is closed and holds nothing more to take, or takes nothing more."""


class StreamTimeout(StreamcoreError, TimeoutError):
    """A call was not done, or a stream gave no chunk, within its time limit; or a pattern split no text within its own.

    ``seconds`` is the limit and ``kind`` which one of a call: ``"total"``, ``"first chunk"`` or ``"chunk"``. Both are
    None for limits of another kind.
    """

    def __init__(self, message: str = "", seconds: float | None = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.kind = kind
