"""Rules of JSON Lines that both backends share: options, what is said of a bad record, and what stands for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .notes import PREFIX, loud
from .options import choice_option, count_option, shown

__all__ = [
    "BEFORE_THE_FIRST",
    "LEAD",
    "SHOWN",
    "UNTERMINATED",
    "checked_record",
    "loads_option",
    "loads_utf8",
    "noted",
    "oversize_option",
    "place_of",
]

LEAD = 1 << 16  # bytes of white space that are kept where they open a record
SHOWN = 80  # bytes of a bad record in a note

# What is wrong with a text of a sequence (RFC 7464, 2.1 and 2.4).
BEFORE_THE_FIRST = "text before the first record separator"
UNTERMINATED = "a number or literal that no white space ends"


def loads_option(value: Any) -> Callable[[Any], Any]:
    """What parses a record."""
    if not callable(value):
        raise TypeError(f"loads must be callable, got {type(value).__name__}")
    return value if value is not json.loads else loads_utf8


def loads_utf8(line: Any) -> Any:
    """``json.loads`` of text in UTF-8: by itself it guesses UTF-16 and UTF-32, which no line of JSON Lines is in."""
    return json.loads(line if isinstance(line, str) else str(line, "utf-8"))


def oversize_option(value: Any) -> Any:
    """``"raise"`` or ``"skip"``: the beginning of a record is none."""
    choice_option("on_oversize", value, ("raise", "skip"))
    return value


def place_of(line: int, offset: int, sequence: bool) -> str:
    """Where an error is, as its note says it."""
    return f"{PREFIX}JSONLines, {'text' if sequence else 'line'} {line}, at byte {offset} of its input"


def noted(error: BaseException, note: str) -> BaseException:
    """The error, or what becomes of StopIteration, with its note.

    An exception that takes no notes goes on without. MemoryError passes: the call that failed can be made again.
    """
    error = loud(error)
    try:
        BaseException.add_note(error, note)
    except Exception as failure:  # code of others
        if isinstance(failure, MemoryError):
            raise
    return error


def checked_record(line: Any, offset: Any, raw: Any, error: Any) -> tuple[int, int, bytes, Exception]:
    """The arguments of ``InvalidRecord``."""
    numbers = count_option("line", line), count_option("offset", offset)
    for name, number in zip(("line", "offset"), numbers, strict=True):
        if number >> 63:
            raise ValueError(f"{name} must be less than 2**63, got {shown(number)}")
    if type(raw) is not bytes:
        raise TypeError(f"raw must be bytes, got {type(raw).__name__}")
    if not isinstance(error, Exception):
        raise TypeError(f"error must be an Exception, got {type(error).__name__}")
    return *numbers, raw, error
