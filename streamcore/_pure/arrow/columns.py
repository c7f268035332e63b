"""Stands in for the Arrow export of the native core: what Arrow libraries call has to be machine code.

A callback of ctypes would be called while an exception is under way (as pyarrow does for a type that does not fit), and
loses that exception.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["column_type", "export_columns"]

MESSAGE = (
    "the Arrow interface needs the native core (`streamcore doctor` says why it is missing); "
    "pyarrow.LargeBinaryArray.from_buffers(len(batch), pyarrow.py_buffer(batch.offsets), "
    "pyarrow.py_buffer(batch.data)) makes the same"
)


def column_type(kinds: Any, record: Any) -> NoReturn:
    """The type of ``export_columns`` as a capsule: a struct of named columns, or with ``record`` false the only one.

    ``kinds`` are pairs of name and format: ``"Z"`` (large_binary), ``"U"`` (large_string) or ``"l"`` (int64).
    """
    raise NotImplementedError(MESSAGE)


def export_columns(columns: Any, length: int, offset: int, requested_schema: Any, record: Any) -> NoReturn:
    """Capsules of type and data: ``length`` values of each column, from number ``offset`` on.

    A column is ``(name, format, validity, buffers)``, all buffers ``bytes``: n + 1 int64 offsets and the data, or int64
    values; ``validity`` None says that all values are there. ``requested_schema`` may have large_binary for text, and
    large_string for bytes that are UTF-8; any other wish is passed over, as the interface allows.
    """
    raise NotImplementedError(MESSAGE)
