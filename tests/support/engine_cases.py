"""Every engine of spans, how it is made and what it cuts: a new engine is one line here."""

from __future__ import annotations

from typing import Any

# By the class's name: its arguments, and input that gives three items and leaves something unfinished.
ENGINES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "FixedSizeEngine": ((2,), b"aabbccd"),
    "LinesEngine": ((), b"a\nb\nc\nd"),
    "DelimitedEngine": ((b"|", b"||-"), b"a|b|c|d"),
    "UTF8Engine": (("replace",), b"abc\xc3"),
    "WordsEngine": (("none",), b"a b c d"),
}


def make(backend: Any, name: str, **options: Any) -> Any:
    """The engine ``name`` of ``backend``."""
    return getattr(backend, name)(*ENGINES[name][0], **options)
