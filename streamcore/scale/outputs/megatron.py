"""``megatron``: the pair of files of Megatron-LM's ``IndexedDataset``, one sequence a document.

An index is a head (magic, version, code of the dtype, numbers of sequences and of document borders), then the length of
each sequence (int32), its place in bytes (int64), and the number of the first sequence of each document and one more
(int64). Lengths are laid aside while a part is written, and places are sums over them, a block at a time: no list of
documents is held. The pairs of the parts are joined at the end by copying.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..documents import Documents
from ..errors import BadRecord
from .files import PartFiles, TalliedFile, Written
from .ids import ids_and_ends, ids_needed, tokenizer_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Lengths = npt.NDArray[np.int32]

HEAD: Final = struct.Struct("<9sQBQQ")
MAGIC: Final = b"MMIDIDX\x00\x00"
CODES: Final = {"<u2": 8, "<i4": 4}
BLOCK: Final = 1 << 20
"""Bytes that are copied at once, and lengths that are read at once."""
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

    def merge(
        self, files: PartFiles, folder: str, parts: Callable[[], Iterator[tuple[Written, ...]]]
    ) -> None:
        """One pair of all; ValueError where a part is not what its receipt says."""
        ids, index = files.create(".bin"), files.create(".idx")
        for data, _ in parts():
            copy(folder, data, ids)

        def paths() -> Iterator[str]:
            return (os.path.join(folder, each.name) for _, each in parts())

        count = sum(count_of(path, self.dtype) for path in paths())
        size = write_index(
            index, self.dtype, count, lambda: (block for path in paths() for block in lengths_in(path))
        )
        if size != ids.size:
            raise ValueError(f"the indexes of the parts tell of {size} bytes, there are {ids.size}")


class MegatronWriter:
    """``eod`` is written after each document, and belongs to it."""

    def __init__(self, files: PartFiles, dtype: str, eod: int | None) -> None:
        self.ids, self.index = files.create(".bin"), files.create(".idx")
        self.lengths = files.scratch(".lengths")
        self.dtype, self.eod, self.items = dtype, eod, 0

    def write(self, documents: Documents) -> None:
        import numpy as np

        ids, ends = ids_and_ends(documents, self.eod)
        lengths = np.diff(ends, prepend=0)
        if len(ids) > LONGEST:
            raise BadRecord(
                documents.uri, documents.offsets[0], f"{len(ids)} ids: a sequence has {LONGEST} at most"
            )
        self.ids.write(np.ascontiguousarray(ids, self.dtype))
        self.lengths.write(np.ascontiguousarray(lengths, "<i4"))
        self.items += len(ids)

    def finish(self) -> None:
        self.lengths.file.flush()
        count = self.lengths.size // 4
        write_index(self.index, self.dtype, count, lambda: lengths_from(self.lengths.temporary, 0, count))


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


def count_of(path: str, dtype: str) -> int:
    """Sequences of an index."""
    with open(path, "rb") as file:
        magic, version, code, count, borders = HEAD.unpack(file.read(HEAD.size))
    if (magic, version, code, borders) != (MAGIC, 1, CODES[dtype], count + 1):
        raise ValueError(f"{path} is no index of {dtype} with one sequence a document")
    return int(count)


def lengths_in(path: str) -> Iterator[Lengths]:
    with open(path, "rb") as file:
        count = HEAD.unpack(file.read(HEAD.size))[3]
    return lengths_from(path, HEAD.size, count)


def lengths_from(path: str, start: int, count: int) -> Iterator[Lengths]:
    """Blocks of ``count`` lengths that begin at byte ``start`` of a file."""
    import numpy as np

    with open(path, "rb") as file:
        file.seek(start)
        while count:
            block = np.fromfile(file, "<i4", min(count, BLOCK))
            if not len(block):
                raise ValueError(f"{path} lacks {count} lengths")
            count -= len(block)
            yield block


def copy(folder: str, source: Written, target: TalliedFile) -> None:
    """Append a file, which must be what was written."""
    path = os.path.join(folder, source.name)
    size = crc = 0
    with open(path, "rb", buffering=0) as file:
        while data := file.read(BLOCK):
            size, crc = size + len(data), zlib.crc32(data, crc)
            target.write(data)
    if (size, crc) != (source.size, source.crc):
        raise ValueError(f"{path} is not what its receipt says: {size} bytes of CRC-32 {crc:08x}")
