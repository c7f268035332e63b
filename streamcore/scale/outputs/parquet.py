"""``parquet``: a row for each document, row groups of about 16 MiB of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ..documents import Documents
from .columns import Groups, column_dtype, guessed_kind
from .files import PartFiles

GROUP: Final = 16 << 20
"""Bytes of a row group as Arrow has it; peak memory grows by some 1.5 times this."""
OF_IDS: Final[dict[str, Any]] = {
    "use_dictionary": ["uri"],
    "column_encoding": {"ids.list.element": "BYTE_STREAM_SPLIT"},
    "compression": "zstd",
    "compression_level": -5,
    "write_statistics": ["uri", "offset"],
}
"""Of ids of GPT-2, with pyarrow 26, one core: these 73 million a second and 1.9 bytes an id, the defaults (dictionary,
snappy) 43 and 1.9, with a dictionary held until the end of the group; zstd of level 1: 50 and 1.5; no compression 90
and 4.0."""
OF_ITEMS: Final[dict[str, Any]] = {"use_dictionary": ["uri"], "compression": "zstd", "compression_level": 1}


def make(pipeline: Any, eod: int | None) -> ParquetFormat:
    return ParquetFormat(column_dtype(pipeline, eod, "parquet"), eod, guessed_kind(pipeline))


@dataclass(frozen=True)
class ParquetFormat:
    dtype: str | None
    eod: int | None
    kind: str
    name: ClassVar[str] = "parquet"

    def writer(self, files: PartFiles) -> ParquetDocuments:
        return ParquetDocuments(files, Groups(self.dtype, self.eod, self.kind, GROUP))


class ParquetDocuments:
    def __init__(self, files: PartFiles, groups: Groups) -> None:
        self.file, self.groups = files.create(".parquet"), groups
        self.writer: Any = None

    @property
    def items(self) -> int:
        return self.groups.items

    def write(self, documents: Documents) -> None:
        if self.groups.add(documents):
            self.flush()

    def flush(self) -> None:
        from pyarrow.parquet import ParquetWriter

        table = self.groups.take()
        if self.writer is None:
            self.writer = ParquetWriter(
                self.file, table.schema, **(OF_ITEMS if self.groups.dtype is None else OF_IDS)
            )
        self.writer.write_table(table, row_group_size=max(len(table), 1))

    def finish(self) -> None:
        self.flush()
        self.writer.close()
