"""Every engine of spans, how it is made and what it cuts: a new engine is one line here."""

from __future__ import annotations

from typing import Any

# By the class's name: its arguments, and input that gives three items and leaves something unfinished.
ENGINES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "FixedSizeEngine": ((2,), b"aabbccd"),
    "LinesEngine": ((), b"a\nb\nc\nd"),
    "DelimitedEngine": ((b"|", b"||-"), b"a|b|c|d"),
    "LengthPrefixedEngine": (("u8",), b"\1a\1b\1c\2d"),
    "UTF8Engine": (("replace",), b"abc\xc3"),
    "WordsEngine": (("none",), b"a b c d"),
    "JSONLinesEngine": ((bytes,), b"a\nb\nc\nd"),
    "ServerSentEventsEngine": ((), b"data:a\n\ndata:b\n\ndata:c\n\ndata:d"),
}
NO_BORROW = {"UTF8Engine", "ServerSentEventsEngine", "JSONLinesEngine"}


OPTIONS = {"LengthPrefixedEngine": {"on_incomplete": "emit"}}


def make(backend: Any, name: str, **options: Any) -> Any:
    """The engine ``name`` of ``backend``."""
    return getattr(backend, name)(*ENGINES[name][0], **OPTIONS.get(name, {}) | options)
