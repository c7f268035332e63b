"""Checks of options and offsets, shared by both backends so that their messages cannot differ."""

from __future__ import annotations

import operator
import sys
from typing import Any

__all__ = [
    "as_option",
    "check_offsets",
    "choice_option",
    "core_option",
    "count_option",
    "flag_option",
    "int_option",
    "limit_option",
    "on_incomplete_option",
    "on_oversize_option",
    "seen",
    "shown",
    "size_option",
]

# 10 MB of text seen before, against 16 MiB: 1.07 times as fast in English, 2.3 times in mixed languages; 64 MiB: 1.1
# times as fast again. New text does not care. (Native core, Zen 4.)
DEFAULT_CACHE_BYTES = 1 << 25
DEFAULT_MAX_SIZE = 64 * 1024 * 1024


def core_option(core: Any, kind: type) -> None:
    """TypeError for what is no tokenizer of this backend."""
    if not isinstance(core, kind):
        raise TypeError(f"core must be a {kind.__name__}, got {type(core).__name__}")


def int_option(name: str, value: Any) -> int:
    """An exact int: TypeError for another type (``bool`` included)."""
    if isinstance(value, (bool, type)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    try:
        return int.__index__(operator.index(value))
    except TypeError as error:  # an array of several
        raise TypeError(f"{name} must be an int, got {type(value).__name__}: {error}") from None


def flag_option(name: str, value: Any) -> bool:
    """A bool: TypeError for what is only true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    return value


def size_option(name: str, value: Any) -> int:
    """A positive int: TypeError for another type (``bool`` included), ValueError out of range."""
    size = int_option(name, value)
    if size <= 0:
        raise ValueError(f"{name} must be positive, got {shown(size)}")
    if size > sys.maxsize:
        raise ValueError(f"{name} must be at most {sys.maxsize}, got {shown(size)}")
    return size


def count_option(name: str, value: Any) -> int:
    """An int that is not negative, however large: TypeError for another type (``bool`` included)."""
    count = int_option(name, value)
    if count < 0:
        raise ValueError(f"{name} must not be negative, got {shown(count)}")
    return count


def shown(number: int) -> str:
    """An int in a message: Python refuses to write one of thousands of digits."""
    return str(number) if number.bit_length() < 1000 else f"an int of {number.bit_length()} bits"


def limit_option(name: str, value: Any) -> int | None:
    """A positive int, or None for no limit."""
    return None if value is None else size_option(name, value)


def choice_option(name: str, value: Any, choices: tuple[str, ...]) -> int:
    """The index of ``value`` in ``choices``, else ValueError."""
    for index, choice in enumerate(choices):
        if isinstance(value, str) and value == choice:
            return index
    wanted = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
    raise ValueError(f"{name} must be {wanted}, got {seen(value)}")


def seen(value: Any) -> str:
    """A value that is none of the choices, in a message."""
    return shown(value) if type(value) is int else repr(value)


def on_oversize_option(value: Any) -> int:
    """0 raise, 1 skip, 2 truncate."""
    return choice_option("on_oversize", value, ("raise", "skip", "truncate"))


def on_incomplete_option(value: Any) -> int:
    """0 emit, 1 drop, 2 raise."""
    return choice_option("on_incomplete", value, ("emit", "drop", "raise"))


def as_option(value: Any) -> int:
    """The item type: 0 ``bytes``, 1 ``str``, 2 ``"view"``."""
    if value is bytes:
        return 0
    if value is str:
        return 1
    if isinstance(value, str) and value == "view":
        return 2
    raise ValueError(f"as_ must be bytes, str or 'view', got {seen(value)}")


def check_offsets(ids: Any, offsets: Any) -> None:
    """ValueError unless the offsets cut ``ids`` into texts."""
    if ids.ndim != 1 or offsets.ndim != 1:
        raise ValueError(f"ids and offsets must have one dimension, got {ids.ndim} and {offsets.ndim}")
    if not len(offsets):
        raise ValueError("offsets must have one value more than there are texts, got none")
    if offsets[0] != 0 or offsets[-1] != len(ids) or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"offsets must begin with 0, never fall and end with {len(ids)}, the number of ids")
