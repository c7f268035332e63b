"""``arrow``: an IPC file ("Feather 2"), which readers map into memory; record batches of about 4 MiB of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .columns import ColumnFormat, ColumnWriter, column_dtype, guessed_kind, pyarrow
from .files import PartFiles

GROUP: Final = 4 << 20
"""Bytes of a record batch; it is held twice."""


def make(pipeline: Any, eod: int | None) -> ArrowFormat:
    return ArrowFormat(column_dtype(pipeline, eod, "arrow"), eod, guessed_kind(pipeline))


@dataclass(frozen=True)
class ArrowFormat(ColumnFormat):
    name: ClassVar[str] = "arrow"

    def writer(self, files: PartFiles) -> ArrowWriter:
        return ArrowWriter(files, self, GROUP)


class ArrowWriter(ColumnWriter):
    """Not compressed: what is mapped is what is used."""

    def opened(self, schema: Any) -> Any:
        return pyarrow().ipc.new_file(self.file, schema)

    def put(self, table: Any) -> None:
        self.writer.write_table(table.combine_chunks() if table["offset"].num_chunks > 1 else table)
