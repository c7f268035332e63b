"""Files of parts joined to larger ones: what is copied must be what was written."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, Final

from ..places import Place
from .files import TalliedFile, Written

BLOCK: Final = 1 << 20
"""Bytes of a part that are held."""
Parts = Callable[[], Iterator[tuple[Written, ...]]]
"""The files of each part, in order; begins anew each time."""


def checked_blocks(place: Place, source: Written) -> Generator[bytes, None, None]:
    """A file; ValueError at its end where it is not what its receipt says."""
    size = crc = 0
    for data in place.blocks(source.name, source.size):
        size, crc = size + len(data), zlib.crc32(data, crc)
        yield data
    if (size, crc) != (source.size, source.crc):
        raise ValueError(
            f"{place.join(source.name)} is not what its receipt says: {size} bytes of CRC-32 {crc:08x}"
        )


def copy(place: Place, source: Written, target: TalliedFile) -> None:
    """Append a file."""
    with closing(checked_blocks(place, source)) as blocks:
        for data in blocks:
            target.write(data)


def readable(blocks: Iterator[bytes]) -> io.BufferedReader:
    """Blocks as a binary file to read once, which gives all that is asked for."""
    return io.BufferedReader(Blocks(blocks), BLOCK)


class Blocks(io.RawIOBase):
    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self.blocks, self.left = blocks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.left:
            block = next(self.blocks, None)
            if block is None:
                return 0
            self.left = memoryview(block)
        count = min(len(buffer), len(self.left))
        buffer[:count], self.left = self.left[:count], self.left[count:]
        return count
