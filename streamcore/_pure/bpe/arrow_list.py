"""Stands in for the Arrow export of the native core: what Arrow libraries call has to be machine code.

A callback of ctypes would be called while an exception is under way (as pyarrow does for a type that does not fit), and
loses that exception.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["export_lists", "list_type"]

MESSAGE = (
    "the Arrow interface needs the native core (`streamcore doctor` says why it is missing); "
    "pyarrow.LargeListArray.from_arrays(batch.offsets, batch.ids) makes the same"
)


def list_type() -> NoReturn:
    """The type of ``export_lists`` as a capsule."""
    raise NotImplementedError(MESSAGE)


def export_lists(values: Any, offsets: Any, requested_schema: Any = None) -> NoReturn:
    """Capsules of type and data: list ``i`` is ``values[offsets[i]:offsets[i + 1]]``, of uint32 and n + 1 int64 values.

    The type is large_list, whose offsets have 64 bits, so that nothing is copied; or list, if ``requested_schema`` asks
    for that and the offsets fit.
    """
    raise NotImplementedError(MESSAGE)
