"""Ranges of bytes of a local or remote file, and what a compressed one holds."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, cast

from ..errors import StreamcoreError
from .errors import BadRecord, InputChanged
from .inputs import Input, file_system, is_remote

if TYPE_CHECKING:
    from ..cli.inputs import Input as PackedInput

LOCAL_BLOCK: Final = 256 * 1024
REMOTE_BLOCK: Final = 8 * 1024 * 1024


class Ranges(Protocol):
    """A file that is read by places; ``block`` is how much at once pays."""

    uri: str
    size: int
    block: int

    def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` up to ``end``, all of them."""

    def close(self) -> None: ...


class LocalRanges:
    block = LOCAL_BLOCK

    def __init__(self, entry: Input) -> None:
        self.uri, self.size = entry.uri, entry.size
        self.file: IO[bytes] = open(entry.uri, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        status = os.fstat(self.file.fileno())
        if (status.st_size, status.st_mtime_ns) != (entry.size, entry.version):
            self.file.close()
            raise InputChanged(entry.uri, f"{entry.size} bytes before, now {status.st_size}, or another time")

    def read(self, start: int, end: int) -> bytes:
        self.file.seek(start)
        read: list[bytes] = []
        while start < end:
            data = self.file.read(end - start)
            if not data:
                raise InputChanged(self.uri, f"ends at byte {start}")
            read.append(data)
            start += len(data)
        return read[0] if len(read) == 1 else b"".join(read)

    def close(self) -> None:
        self.file.close()


class RemoteRanges:
    """One request for each read."""

    block = REMOTE_BLOCK

    def __init__(self, entry: Input, storage_options: Mapping[str, Any] | None) -> None:
        self.uri, self.size = entry.uri, entry.size
        self.system, self.path = file_system(entry.uri, storage_options)

    def read(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        data = bytes(self.system.cat_file(self.path, start=start, end=end))
        if len(data) != end - start:
            raise InputChanged(self.uri, f"{len(data)} bytes from byte {start} to {end}")
        return data

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def open_ranges(entry: Input, storage_options: Mapping[str, Any] | None) -> Generator[Ranges, None, None]:
    """The file, as long as the block runs."""
    file: Ranges = RemoteRanges(entry, storage_options) if is_remote(entry.uri) else LocalRanges(entry)
    with closing(file):
        yield file


def fragments(file: Ranges, start: int, end: int) -> Iterator[bytes]:
    """The bytes of a range, a block at a time."""
    while start < end:
        data = file.read(start, min(start + file.block, end))
        start += len(data)
        yield data


class Packed:
    """A compressed file as the decompressors of the command line take it."""

    def __init__(self, file: Ranges) -> None:
        self.file, self.name, self.position = file, file.uri, 0

    def read(self, size: int = 0) -> bytes:
        data = self.file.read(self.position, min(self.position + (size or self.file.block), self.file.size))
        self.position += len(data)
        return data

    def failure(self, what: str) -> StreamcoreError:
        return BadRecord(self.name, self.position, f"{what} (compressed)")


def unpacked(file: Ranges, compression: str) -> Iterator[bytes]:
    """What a compressed file holds; ``BadRecord`` where it is broken."""
    from ..cli.compression import DECOMPRESSORS
    from ..cli.failure import Failure

    source = Packed(file)
    if not file.size:
        return
    try:
        yield from DECOMPRESSORS[compression](cast("PackedInput", source))
    except Failure as error:
        if isinstance(error.__cause__, ImportError):
            raise ImportError(str(error)) from error
        reason = str(error).removeprefix(f"{file.uri}: ")
        raise BadRecord(file.uri, source.position, f"{reason} (compressed)") from error
