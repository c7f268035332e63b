"""``JSONLines``: a JSON text on each line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .._shared.options import DEFAULT_MAX_SIZE
from ..ops.per_item import map as map_items
from .stage import Item, ItemStage, written

if TYPE_CHECKING:
    from typing import Literal, Unpack, overload

    from .._backend import InvalidRecord
    from .kinds import Record, RecordOptions

__all__ = ["JSONLines", "RecordEncoder"]


class JSONLines(ItemStage[Item]):
    r"""Cuts lines at LF and gives what ``loads`` makes of each; one byte-order mark at the start goes.

    Lines of nothing but spaces, tabs and CR are passed over: they have a number, but are neither held nor measured.
    ``loads`` gets a line as ``as_``: ``bytes``, ``str`` or ``"view"``, a ``memoryview``; white space that opens it is
    left out where it is more than 64 KiB. An ``Exception`` of ``loads`` ends the stream, with a note of the line's
    number, its byte offset and its first 80 bytes; with ``on_error="skip"`` the record is left out and counted in
    ``engine.skipped``, with ``"yield"`` an ``InvalidRecord(line, offset, raw, error)`` stands for it. The next line is
    not affected.

    With ``sequence`` the input is a JSON text sequence (RFC 7464): a record separator stands before each text, which
    may have lines, and the next one ends it. A number or literal that no white space ends is a bad record
    (``InvalidFrame``), and so is text before the first separator; texts are numbered by their separators.

    ``max_size`` bounds a line in bytes (None: no bound): ``ItemTooLarge``, or with ``on_oversize="skip"`` left out and
    counted. ``on_incomplete`` says what becomes of a last line without LF: ``"emit"``, ``"drop"`` or ``"raise"``
    (``IncompleteItem``). Batches have the lines as they are, not parsed.

    >>> from streamcore import JSONLines
    >>> JSONLines().invoke([b'{"a": 1}\n[2', b"]\n"])
    [{'a': 1}, [2]]
    """

    _engine = "JSONLinesEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: JSONLines[Any],
            *,
            on_error: Literal["raise", "skip", "yield"] = ...,
            as_: type[bytes] | type[str] = ...,
            **options: Unpack[RecordOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: JSONLines[Record],
            loads: Callable[[bytes], Record],
            *,
            on_error: Literal["raise", "skip"] = ...,
            as_: type[bytes] = ...,
            **options: Unpack[RecordOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: JSONLines[Record],
            loads: Callable[[str], Record],
            *,
            on_error: Literal["raise", "skip"] = ...,
            as_: type[str],
            **options: Unpack[RecordOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: JSONLines[Record],
            loads: Callable[[memoryview], Record],
            *,
            on_error: Literal["raise", "skip"] = ...,
            as_: Literal["view"],
            **options: Unpack[RecordOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: JSONLines[Record | InvalidRecord],
            loads: Callable[[bytes], Record],
            *,
            on_error: Literal["yield"],
            as_: type[bytes] = ...,
            **options: Unpack[RecordOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: JSONLines[Record | InvalidRecord],
            loads: Callable[[str], Record],
            *,
            on_error: Literal["yield"],
            as_: type[str],
            **options: Unpack[RecordOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: JSONLines[Record | InvalidRecord],
            loads: Callable[[memoryview], Record],
            *,
            on_error: Literal["yield"],
            as_: Literal["view"],
            **options: Unpack[RecordOptions],
        ) -> None: ...

    def __init__(
        self,
        loads: Callable[[Any], Any] = json.loads,
        *,
        on_error: str = "raise",
        sequence: bool = False,
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "emit",
        as_: Any = bytes,
    ) -> None:
        super().__init__(
            *([] if loads is json.loads else [loads]),
            on_error=on_error,
            sequence=sequence,
            max_size=max_size,
            on_oversize=on_oversize,
            on_incomplete=on_incomplete,
            as_=as_,
        )

    @staticmethod
    def encoder(dumps: Callable[[Any], str | bytes] = json.dumps) -> RecordEncoder:
        """A Runnable that makes a line of each item; ValueError where ``dumps`` gives a text of more than one line."""
        return RecordEncoder(dumps)


def encode(item: Any, dumps: Callable[[Any], str | bytes]) -> bytes:
    """The line of an item."""
    text = dumps(item)
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"dumps must give str or bytes, got {type(text).__name__}")
    line = text.encode() if isinstance(text, str) else bytes(text)
    if b"\n" in line:
        raise ValueError(f"dumps must give one line, got a line end at byte {line.index(10)}")
    return line + b"\n"


class RecordEncoder(map_items):
    """Makes a line of each item; ``JSONLines`` gives the items back."""

    def __init__(self, dumps: Callable[[Any], str | bytes] = json.dumps) -> None:
        if not callable(dumps):
            raise TypeError(f"dumps must be callable, got {type(dumps).__name__}")
        super().__init__(partial(encode, dumps=dumps))
        self._name = f"JSONLines.encoder({'' if dumps is json.dumps else written(dumps)})"
