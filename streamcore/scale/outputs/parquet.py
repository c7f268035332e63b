"""``parquet``: a row for each document, row groups of about 4 MiB of ids."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .columns import ColumnFormat, ColumnWriter, column_dtype, guessed_kind, pyarrow
from .files import PartFiles, TalliedFile, Written
from .joining import checked_blocks, copy

if TYPE_CHECKING:
    from ..places import Place

GROUP: Final = 4 << 20
"""Bytes of a row group as Arrow has it. Peak memory of a worker is 145 MB, with 16 MiB 149, at the same speed and 1.910
bytes an id."""
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
class ParquetFormat(ColumnFormat):
    name: ClassVar[str] = "parquet"

    def writer(self, files: PartFiles) -> ParquetWriter:
        return ParquetWriter(files, self, GROUP)

    def opened(self, file: TalliedFile, schema: Any) -> Any:
        from pyarrow.parquet import ParquetWriter

        options = OF_ITEMS if self.dtype is None else OF_IDS
        # pyarrow's own pool keeps what it had at its peak
        return ParquetWriter(file, schema, memory_pool=pyarrow().system_memory_pool(), **options)

    def tables(self, place: Place, source: Written, files: PartFiles) -> Generator[Any, None, None]:
        """Its row groups, which stay as they are."""
        with whole(place, source, files) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, use_threads=False)

    def schema_of(self, place: Place, source: Written, files: PartFiles) -> Any:
        with whole(place, source, files) as file:
            return file.schema_arrow


@contextmanager
def whole(place: Place, source: Written, files: PartFiles) -> Generator[Any, None, None]:
    """A file that is what was written. It is read from its end, so from another place it is copied."""
    from pyarrow.parquet import ParquetFile

    if place.local is not None:
        for _ in checked_blocks(place, source):
            pass
        with ParquetFile(os.path.join(place.local, source.name)) as file:
            yield file
        return
    here = files.scratch(f".{source.name}")
    try:
        copy(place, source, here)
        with ParquetFile(here.path()) as file:
            yield file
    finally:
        here.give_up()


class ParquetWriter(ColumnWriter):
    def put(self, table: Any) -> None:
        self.writer.write_table(table, row_group_size=max(len(table), 1))
