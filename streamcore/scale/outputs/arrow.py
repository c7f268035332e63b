"""``arrow``: an IPC file ("Feather 2"), which readers map into memory; record batches of about 4 MiB of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ..documents import Documents
from .columns import Groups, column_dtype, guessed_kind, pyarrow
from .files import PartFiles

GROUP: Final = 4 << 20
"""Bytes of a record batch; it is held twice."""


def make(pipeline: Any, eod: int | None) -> ArrowFormat:
    return ArrowFormat(column_dtype(pipeline, eod, "arrow"), eod, guessed_kind(pipeline))


@dataclass(frozen=True)
class ArrowFormat:
    dtype: str | None
    eod: int | None
    kind: str
    name: ClassVar[str] = "arrow"

    def writer(self, files: PartFiles) -> ArrowDocuments:
        return ArrowDocuments(files, Groups(self.dtype, self.eod, self.kind, GROUP))


class ArrowDocuments:
    """Not compressed: what is mapped is what is used."""

    def __init__(self, files: PartFiles, groups: Groups) -> None:
        self.file, self.groups = files.create(".arrow"), groups
        self.writer: Any = None

    @property
    def items(self) -> int:
        return self.groups.items

    def write(self, documents: Documents) -> None:
        if self.groups.add(documents):
            self.flush()

    def flush(self) -> None:
        table = self.groups.take()
        if self.writer is None:
            self.writer = pyarrow().ipc.new_file(self.file, table.schema)
        self.writer.write_table(table.combine_chunks())

    def finish(self) -> None:
        self.flush()
        self.writer.close()
