"""The files of a part: under a temporary name until they are whole and on the disk."""

from __future__ import annotations

import os
import zlib
from types import TracebackType
from typing import IO, Any, NamedTuple


class Written(NamedTuple):
    """A file that is there: its name in the folder, its bytes, and their CRC-32."""

    name: str
    size: int
    crc: int


class TalliedFile:
    """Writes to a temporary file and counts."""

    def __init__(self, folder: str, name: str, attempt: str) -> None:
        self.name = name
        self.path = os.path.join(folder, name)
        self.temporary = f"{self.path}.{attempt}.tmp"
        self.size = self.crc = 0
        self.file: IO[bytes] = open(self.temporary, "xb", buffering=1 << 18)  # noqa: SIM115 - closed by PartFiles

    def write(self, data: Any) -> None:
        """Bytes, or what has the buffer protocol and is contiguous."""
        data = memoryview(data).cast("B")
        self.file.write(data)
        self.size += data.nbytes
        self.crc = zlib.crc32(data, self.crc)

    def sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


class PartFiles:
    """The files of one part, together: a context that renames all at its end, or removes all if it is left by an error.

    ``attempt`` is in the temporary names, since two workers may have the same part; the final names depend on the part
    alone.
    """

    def __init__(self, folder: str, part: int, attempt: str) -> None:
        self.folder, self.part, self.attempt = folder, part, attempt
        self.files: list[TalliedFile] = []
        self.written: tuple[Written, ...] = ()

    def create(self, suffix: str) -> TalliedFile:
        self.files.append(TalliedFile(self.folder, f"part-{self.part:06}{suffix}", self.attempt))
        return self.files[-1]

    def __enter__(self) -> PartFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.publish()
        finally:
            for each in self.files:
                # closing flushes, which fails once more on a full disk
                try:
                    each.file.close()
                finally:
                    if os.path.exists(each.temporary):
                        os.unlink(each.temporary)

    def publish(self) -> None:
        for each in self.files:
            each.sync()
        for each in self.files:
            os.replace(each.temporary, each.path)
        if os.name == "posix":
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self.written = tuple(Written(each.name, each.size, each.crc) for each in self.files)
