"""``arrow``: an IPC file ("Feather 2"), which readers map into memory; record batches of about 4 MiB of ids."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .columns import ColumnFormat, ColumnWriter, column_dtype, guessed_kind, pyarrow
from .files import PartFiles, TalliedFile, Written
from .joining import checked_blocks, readable

if TYPE_CHECKING:
    from ..places import Place

GROUP: Final = 4 << 20
"""Bytes of a record batch; it is held twice."""
MAGIC: Final = 8
"""Bytes before the stream in a file: ``ARROW1`` and two zeros."""


def make(pipeline: Any, eod: int | None) -> ArrowFormat:
    return ArrowFormat(column_dtype(pipeline, eod, "arrow"), eod, guessed_kind(pipeline))


@dataclass(frozen=True)
class ArrowFormat(ColumnFormat):
    name: ClassVar[str] = "arrow"

    def writer(self, files: PartFiles) -> ArrowWriter:
        return ArrowWriter(files, self, GROUP)

    def opened(self, file: TalliedFile, schema: Any) -> Any:
        return pyarrow().ipc.new_file(file, schema)

    def tables(self, place: Place, source: Written, _files: PartFiles) -> Generator[Any, None, None]:
        """Of the stream that it holds between its magic number and its footer."""
        pa = pyarrow()
        with closing(checked_blocks(place, source)) as blocks:
            file = readable(blocks)
            file.read(MAGIC)
            for batch in pa.ipc.open_stream(file):
                yield pa.Table.from_batches([batch])
            for _ in blocks:  # to the end, where they are found whole
                pass

    def schema_of(self, place: Place, source: Written, _files: PartFiles) -> Any:
        with closing(checked_blocks(place, source)) as blocks:
            file = readable(blocks)
            file.read(MAGIC)
            return pyarrow().ipc.open_stream(file).schema


class ArrowWriter(ColumnWriter):
    """Not compressed: what is mapped is what is used."""

    def put(self, table: Any) -> None:
        self.writer.write_table(table.combine_chunks() if table["offset"].num_chunks > 1 else table)
