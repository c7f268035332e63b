"""JSON that comes in pieces: options, errors and constants of both backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import IncompleteItem, InvalidFrame
from .options import choice_option, limit_option, size_option

__all__ = [
    "AFTER_ITEM",
    "AFTER_MEMBER",
    "COLON",
    "CONTROL",
    "DIGIT",
    "END",
    "ESCAPE",
    "FENCE",
    "FIRST_ITEM",
    "FIRST_KEY",
    "HEX",
    "KEY",
    "LITERALS",
    "VALUE",
    "checked_delta",
    "delta_options",
    "halted",
    "no_document",
    "not_a_delta",
    "number",
    "too_deep",
    "unexpected",
]

LITERALS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}

# What was expected, for messages.
VALUE = "a value"
FIRST_ITEM = "a value or ']'"
FIRST_KEY = "a string as key or '}'"
KEY = "a string as key"
COLON = "':'"
AFTER_ITEM = "',' or ']'"
AFTER_MEMBER = "',' or '}'"
END = "the end of the document"
DIGIT = "a digit"
CONTROL = "no control character in a string"
ESCAPE = "an escape"
HEX = "a hexadecimal digit"
FENCE = "three backticks"


def delta_options(
    max_depth: Any, max_size: Any, as_: Any, parse_float: Any
) -> tuple[int, int | None, bool, Callable[[str], Any]]:
    """The options, checked; the third says whether snapshots are wanted."""
    depth = size_option("max_depth", max_depth)
    size = limit_option("max_size", max_size)
    snapshots = choice_option("as_", as_, ("delta", "snapshot")) == 1
    if not callable(parse_float):
        raise TypeError(f"parse_float must be callable, got {type(parse_float).__name__}")
    return depth, size, snapshots, parse_float


def unexpected(expected: str, offset: int, path: tuple[str | int, ...]) -> InvalidFrame:
    """The error where something else stands than what was expected."""
    return InvalidFrame(f"expected {expected}", offset, path)


def too_deep(max_depth: int, offset: int, path: tuple[str | int, ...]) -> InvalidFrame:
    """The error where an array or object opens that is one too many."""
    return InvalidFrame(f"expected no more than {max_depth} levels", offset, path)


def number(text: str, is_float: bool, parse_float: Callable[[str], Any]) -> Any:
    """The value of a number; raises what ``int`` or ``parse_float`` does."""
    return parse_float(text) if is_float else int(text)


def halted() -> RuntimeError:
    """The error of an engine whose snapshot was stopped in the middle of a change."""
    return RuntimeError(
        "JSONDeltas was stopped in the middle of a call, so that what follows may be wrong: call reset() first"
    )


def not_a_delta(made: Any) -> TypeError:
    """The error for something else among deltas."""
    return TypeError(f"deltas fold to a value, got {type(made).__name__}")


def no_document(path: tuple[str | int, ...] | None) -> ValueError | IncompleteItem:
    """The error for deltas that are not those of one document."""
    if path is None:
        return IncompleteItem(0, 0)
    return ValueError(f"these are not the deltas of one document, as the one at {path!r} shows")


def checked_delta(path: Any, value: Any, done: Any) -> tuple[tuple[Any, ...], Any, bool]:
    """The fields of a ``JSONDelta``; TypeError for a path that is none."""
    if type(path) is not tuple:
        raise TypeError(f"path must be a tuple, got {type(path).__name__}")
    return path, value, bool(done)
