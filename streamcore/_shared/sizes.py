"""Sizes as users write them: ``64MiB``, ``1.5G``, ``4096``."""

from __future__ import annotations

from typing import Final

__all__ = ["size_in_bytes"]

UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size_in_bytes(text: str) -> int:
    """A positive number of bytes below 2**63; ValueError for what is none."""
    number = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = number[-1:] if number[-1:] in UNITS else ""
    size = float(number.removesuffix(unit)) * UNITS[unit]
    if not 1 <= size < 1 << 63:
        raise ValueError(f"{text!r} is no size")
    return int(size)
