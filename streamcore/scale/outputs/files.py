"""Files that appear together: under temporary names until they are whole and on the disk."""

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
    """A binary file to write to, which counts; it lies under a temporary name.

    Libraries that write to file objects take it. Their writers may outlive it: what they write after it was given up
    is dropped.
    """

    def __init__(self, folder: str, name: str, attempt: str) -> None:
        self.name = name
        self.path = os.path.join(folder, name)
        self.temporary = f"{self.path}.{attempt}.tmp"
        self.size = self.crc = 0
        self.given_up = False
        self.file: IO[bytes] = open(self.temporary, "xb", buffering=1 << 18)  # noqa: SIM115 - closed by PartFiles

    def write(self, data: Any) -> int:
        """Bytes, or what has the buffer protocol and is contiguous."""
        view = memoryview(data).cast("B")
        if not self.given_up:
            self.file.write(view)
            self.size += view.nbytes
            self.crc = zlib.crc32(view, self.crc)
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing to do before ``sync``."""

    def writable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return self.file.closed and not self.given_up

    def sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def give_up(self) -> None:
        """Close it and remove it, if it has not got its name."""
        self.given_up = not self.file.closed
        # closing flushes, which fails once more on a full disk
        try:
            self.file.close()
        finally:
            if os.path.exists(self.temporary):
                os.unlink(self.temporary)


class PartFiles:
    """Files with one stem: a context that renames all at its end, or removes all if it is left by an error.

    ``attempt`` is in the temporary names, since two workers may have the same part; the final names depend on the part
    alone. They appear one after the other: until a receipt says so, nobody may take them for whole.
    """

    def __init__(self, folder: str, stem: str, attempt: str) -> None:
        self.folder, self.stem, self.attempt = folder, stem, attempt
        self.files: list[TalliedFile] = []
        self.scratches: list[TalliedFile] = []
        self.written: tuple[Written, ...] = ()

    def create(self, suffix: str) -> TalliedFile:
        self.files.append(TalliedFile(self.folder, self.stem + suffix, self.attempt))
        return self.files[-1]

    def scratch(self, suffix: str) -> TalliedFile:
        """A file that never gets its name."""
        self.scratches.append(TalliedFile(self.folder, self.stem + suffix, self.attempt))
        return self.scratches[-1]

    def __enter__(self) -> PartFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.publish()
        finally:
            give_up([*self.files, *self.scratches])

    def publish(self) -> None:
        for each in self.files:
            each.sync()
        for each in self.files:
            os.replace(each.temporary, each.path)
        sync_folder(self.folder)
        self.written = tuple(Written(each.name, each.size, each.crc) for each in self.files)


def part_stem(part: int) -> str:
    """What the names of the files of a part begin with."""
    return f"part-{part:06}"


def give_up(files: list[TalliedFile]) -> None:
    """All of them, also where one fails; then the first failure is raised."""
    if files:
        try:
            files[0].give_up()
        finally:
            give_up(files[1:])


def sync_folder(folder: str) -> None:
    """Makes renames last."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
