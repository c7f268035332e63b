"""``megatron``: the pair of files of Megatron-LM's ``IndexedDataset``, one sequence a document.

An index is a head (magic, version, code of the dtype, numbers of sequences and of document borders), then the length of
each sequence (int32), its place in bytes (int64), and the number of the first sequence of each document and one more
(int64). Lengths are laid aside while a part is written, and places are sums over them, a block at a time: no list of
documents is held. The pairs of the parts are joined at the end by copying.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..documents import Documents
from ..errors import BadRecord
from .files import PartFiles, Scratch, TalliedFile, Written
from .ids import ids_and_ends, ids_needed, tokenizer_of
from .joining import Parts, copy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..places import Place

    Lengths = npt.NDArray[np.int32]

HEAD: Final = struct.Struct("<9sQBQQ")
MAGIC: Final = b"MMIDIDX\x00\x00"
CODES: Final = {"<u2": 8, "<i4": 4}
BLOCK: Final = 1 << 20
"""Lengths that are read at once."""
LONGEST: Final = (1 << 31) - 1


def make(pipeline: Any, eod: int | None) -> MegatronFormat:
    needed = ids_needed(tokenizer_of(pipeline, "megatron").n_vocab, eod)
    if needed > 1 << 31:
        raise ValueError(f"format='megatron' holds ids as int32, and {needed - 1} is above")
    # the border is Megatron's own, below 65,536
    return MegatronFormat("<u2" if needed < 65500 else "<i4", eod)


@dataclass(frozen=True)
class MegatronFormat:
    dtype: str
    eod: int | None
    name: ClassVar[str] = "megatron"
    stem: ClassVar[str] = "tokens"

    def writer(self, files: PartFiles) -> MegatronWriter:
        return MegatronWriter(files, self.dtype, self.eod)

    def join(self, files: PartFiles, place: Place, parts: Parts) -> None:
        """One pair of all, each part read once; ValueError where one is not what its receipt says."""
        ids = files.create(".bin", sum(data.size for data, _ in parts()))
        index = files.create(".idx", sum(each.size for _, each in parts()))
        lengths = files.scratch(".lengths")
        for data, each in parts():
            copy(place, data, ids)
            copy_lengths(place, each, self.dtype, lengths)
        size = write_index(index, self.dtype, lengths.size // 4, lambda: blocks_of(lengths))
        if size != ids.size:
            raise ValueError(f"the indexes of the parts tell of {size} bytes, there are {ids.size}")


class MegatronWriter:
    """``eod`` is written after each document, and belongs to it."""

    def __init__(self, files: PartFiles, dtype: str, eod: int | None) -> None:
        self.ids, self.index = files.create(".bin"), files.create(".idx")
        self.lengths = files.scratch(".lengths")
        self.dtype, self.eod, self.items = dtype, eod, 0
        self.open = 0  # ids of a document that has not ended

    def write(self, documents: Documents) -> None:
        import numpy as np

        for ids, ends in ids_and_ends(documents, self.eod):
            lengths = np.diff(ends, prepend=-self.open)
            self.open += len(ids) - int(lengths.sum())
            if max(self.open, lengths.max(initial=0)) > LONGEST:
                raise BadRecord(
                    documents.uri, documents.offsets[0], f"more ids than a sequence has at most, {LONGEST}"
                )
            self.ids.write(np.ascontiguousarray(ids, self.dtype))
            self.lengths.write(np.ascontiguousarray(lengths, "<i4"))
            self.items += len(ids)

    def finish(self) -> None:
        write_index(self.index, self.dtype, self.lengths.size // 4, lambda: blocks_of(self.lengths))


def write_index(file: TalliedFile, dtype: str, count: int, lengths: Callable[[], Iterable[Lengths]]) -> int:
    """Gives the bytes of all sequences; ``lengths`` their lengths, in blocks, each time anew."""
    import numpy as np

    file.write(HEAD.pack(MAGIC, 1, CODES[dtype], count, count + 1))
    for block in lengths():
        file.write(block)
    width, place = np.dtype(dtype).itemsize, 0
    for block in lengths():
        ends = np.cumsum(block, dtype="<i8") * width + place
        file.write(ends - block * np.int64(width))
        place = int(ends[-1])
    for first in range(0, count + 1, BLOCK):
        file.write(np.arange(first, min(first + BLOCK, count + 1), dtype="<i8"))
    return place


def blocks_of(lengths: Scratch) -> Iterator[Lengths]:
    """What was written to a file of lengths."""
    import numpy as np

    with open(lengths.path(), "rb") as file:
        while len(block := np.fromfile(file, "<i4", BLOCK)):
            yield block


def copy_lengths(place: Place, source: Written, dtype: str, target: Scratch) -> None:
    """Append the lengths in an index; no more of it is read."""
    count = (source.size - HEAD.size - 8) // 20
    head, left = b"", 4 * count
    for data in place.blocks(source.name, HEAD.size + left):
        missing = HEAD.size - len(head)
        head += data[:missing]
        left -= target.write(data[missing:])
    if len(head) < HEAD.size or HEAD.unpack(head) != (MAGIC, 1, CODES[dtype], count, count + 1):
        raise ValueError(f"{place.join(source.name)} is no index of {dtype} with one sequence a document")
    if left:
        raise ValueError(f"{place.join(source.name)} lacks {left} bytes of lengths")
