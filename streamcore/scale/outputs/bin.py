"""``bin``: the ids of all documents one after another, and beside them where each document starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..documents import Documents
from .files import PartFiles
from .ids import id_dtype, ids_and_ends, tokenizer_of


def make(pipeline: Any, eod: int | None) -> BinFormat:
    return BinFormat(id_dtype(tokenizer_of(pipeline, "bin").n_vocab, eod), eod)


@dataclass(frozen=True)
class BinFormat:
    dtype: str
    eod: int | None
    name: ClassVar[str] = "bin"

    def writer(self, files: PartFiles) -> BinWriter:
        return BinWriter(files, self.dtype, self.eod)


class BinWriter:
    """``eod`` is written after each document, and belongs to it."""

    def __init__(self, files: PartFiles, dtype: str, eod: int | None) -> None:
        self.ids, self.offsets = files.create(".bin"), files.create(".offsets")
        self.dtype, self.eod, self.items = dtype, eod, 0
        self.offsets.write(bytes(8))

    def write(self, documents: Documents) -> None:
        import numpy as np

        for ids, ends in ids_and_ends(documents, self.eod):
            self.ids.write(np.ascontiguousarray(ids, self.dtype))
            self.offsets.write(np.ascontiguousarray(ends + self.items, "<i8"))
            self.items += len(ids)

    def finish(self) -> None:
        """All is written."""
