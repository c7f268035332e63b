"""``bin``: the ids of all documents one after another, and beside them where each document starts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..documents import Documents
from .files import PartFiles, TalliedFile, Written
from .ids import id_dtype, ids_and_ends, tokenizer_of
from .joining import BLOCK, Parts, checked_blocks, copy, readable

if TYPE_CHECKING:
    from ..places import Place


def make(pipeline: Any, eod: int | None) -> BinFormat:
    return BinFormat(id_dtype(tokenizer_of(pipeline, "bin").n_vocab, eod), eod)


@dataclass(frozen=True)
class BinFormat:
    dtype: str
    eod: int | None
    name: ClassVar[str] = "bin"

    def writer(self, files: PartFiles) -> BinWriter:
        return BinWriter(files, self.dtype, self.eod)

    def join(self, files: PartFiles, place: Place, parts: Parts) -> None:
        import numpy as np

        ids = files.create(".bin", sum(data.size for data, _ in parts()))
        offsets = files.create(".offsets", sum(each.size for _, each in parts()))
        offsets.write(bytes(8))
        width = np.dtype(self.dtype).itemsize
        for data, each in parts():
            copy_offsets(place, each, ids.size // width, offsets)
            copy(place, data, ids)


def copy_offsets(place: Place, source: Written, first: int, target: TalliedFile) -> None:
    """Append them without the 0 at their head, as they are behind ``first`` ids."""
    import numpy as np

    with closing(checked_blocks(place, source)) as blocks, readable(blocks) as file:
        file.read(8)
        while data := file.read(BLOCK):
            target.write(np.frombuffer(data, "<i8") + first)


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
