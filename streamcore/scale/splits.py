"""What ends a record, and sizes as users write them."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from .._shared.options import seen
from .._shared.sizes import size_in_bytes

NAMES: Final = ("lines", "jsonl", "fixed", "files")


def checked_split(split: object) -> str | bytes:
    """One of the names, or the separator, which has at least one byte."""
    if isinstance(split, bytes):
        if not split:
            raise ValueError("a separator has at least one byte, got b''")
        return bytes(split)
    if isinstance(split, str) and split in NAMES:
        return split
    raise ValueError(f"split must be {', '.join(map(repr, NAMES))} or a separator as bytes, got {split!r}")


def separator_of(split: str | bytes) -> bytes | None:
    """The bytes that end a record; None where borders of pieces do."""
    if isinstance(split, bytes):
        return split
    return b"\n" if split in ("lines", "jsonl") else None


def positive_size(name: str, size: object) -> int:
    """67108864, "64MiB", "1.5G": a positive number of bytes."""
    if isinstance(size, bool) or not isinstance(size, int | str):
        raise TypeError(f"{name} must be an int or a str such as '64MiB', got {type(size).__name__}")
    if isinstance(size, int) and 1 <= size < 1 << 63:
        return int(size)  # as it is: text goes through a float
    if isinstance(size, str):
        with suppress(ValueError):
            return size_in_bytes(size)
    raise ValueError(f"{name} must be a positive size such as 4096 or '64MiB', got {seen(size)}")
