"""What a command reads: a file, standard input or the embedded sample; plain, gzip or Zstandard."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from ..sources import READ_SIZE
from .failure import Failure, printable

PACKED = {".gz": "gzip", ".zst": "zstd"}


class Input:
    """A source of bytes with a name for messages, and a count of what was read for the progress.

    ``size`` is its length in bytes as it lies on disk (compressed, if it is), or None where nobody knows; ``given``
    counts the bytes that came out of ``fragments``, which are more where they were compressed.
    """

    def __init__(self, descriptor: int, name: str, compression: str | None) -> None:
        self.descriptor = descriptor
        self.name = printable(name)
        self.compression = compression
        self.position = self.given = 0
        status = os.fstat(descriptor)
        self.size: int | None = status.st_size if os.path.isfile(descriptor) else None

    def read(self, size: int = READ_SIZE) -> bytes:
        """At most ``size`` bytes, as soon as any are there; empty at the end."""
        try:
            data = os.read(self.descriptor, size)
        except OSError as error:
            raise self.failure(f"cannot be read: {error.strerror}") from error
        self.position += len(data)
        return data

    def failure(self, what: str) -> Failure:
        return Failure(f"{self.name}: {what}, at byte {self.position}")

    def fragments(self) -> Iterator[bytes]:
        """The (decompressed) bytes, piece by piece."""
        for data in self.unpacked():
            self.given += len(data)
            yield data

    def unpacked(self) -> Iterator[bytes]:
        if self.compression is None:
            return iter(self.read, b"")
        from .compression import DECOMPRESSORS

        return DECOMPRESSORS[self.compression](self)

    def is_file(self, other: os.stat_result) -> bool:
        """Whether it is the regular file that has this status."""
        return stat.S_ISREG(other.st_mode) and os.path.samestat(os.fstat(self.descriptor), other)

    def close(self) -> None:
        if self.descriptor != 0:
            os.close(self.descriptor)


class Sample(Input):
    """The embedded page of text."""

    def __init__(self) -> None:
        from importlib.resources import files

        self.name = "sample"
        self.text = files("streamcore.cli").joinpath("sample.txt").read_bytes()
        self.position = self.given = 0
        self.size = len(self.text)
        self.compression = None

    def read(self, size: int = READ_SIZE) -> bytes:
        data = self.text[self.position : self.position + size]
        self.position += len(data)
        return data

    def is_file(self, other: os.stat_result) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


def open_input(file: str | None) -> Input:
    """Open FILE, standard input (``-``) or the sample (None); the suffix tells the compression."""
    if file is None:
        return Sample()
    if file == "-":
        if sys.stdin is None:
            raise Failure("standard input: is closed")
        return Input(0, "standard input", None)
    try:
        # O_BINARY exists on Windows only, where text mode would change line ends.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Failure(f"{file}: cannot be opened: {error.strerror}") from error
    if os.path.isdir(descriptor):
        os.close(descriptor)
        raise Failure(f"{file}: is a directory")
    return Input(descriptor, file, PACKED.get(Path(file).suffix.lower()))
