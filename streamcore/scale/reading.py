"""Ranges of bytes of a local or remote file, and what a compressed one holds."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from ..errors import StreamcoreError
from ..runnables import clock
from .errors import BadRecord, InputChanged
from .inputs import Input, file_system, is_remote

if TYPE_CHECKING:
    from ..cli.inputs import Input as PackedInput

LOCAL_BLOCK: Final = 256 * 1024
REMOTE_BLOCK: Final = 8 * 1024 * 1024
TRIES: Final = 6  # of a request, which takes half a minute in all
FIRST_WAIT: Final = 0.5  # seconds; up to twice as long, so that workers do not ask all at once
FINAL: Final = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    NotImplementedError,
    TypeError,
    ImportError,
)
"""Errors of a request that no other one would spare."""
Result = TypeVar("Result")

_base: ContextVar[str] = ContextVar("_base", default="")


@contextmanager
def paths_from(folder: str) -> Generator[None, None, None]:
    """Relative paths are taken from ``folder``, which may be another one than that of this process."""
    token = _base.set(folder)
    try:
        yield
    finally:
        _base.reset(token)


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
        self.file: IO[bytes] = open(os.path.join(_base.get(), entry.uri), "rb", buffering=0)  # noqa: SIM115 - closed by close()
        self.entry = entry
        try:
            self.check()
        except BaseException:
            self.file.close()
            raise

    def check(self) -> None:
        """``InputChanged`` if the file is not what the plan saw."""
        entry, status = self.entry, os.fstat(self.file.fileno())
        if (status.st_size, status.st_mtime_ns) != (entry.size, entry.version):
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


def patient(request: Callable[[], Result], what: str) -> Result:
    """A request that may be made several times; ``what`` it was is told when it is given up."""
    import random  # here: files of this machine need none of it

    wait = FIRST_WAIT
    for tried in itertools.count(1):
        try:
            return request()
        except FINAL:
            raise
        except Exception as error:
            if tried == TRIES:
                error.add_note(f"{what}: {TRIES} requests failed")
                raise
            clock.sleep(wait * (1 + random.random()))
            wait *= 2
    raise AssertionError


class RemoteRanges:
    """One request for each read, of what the last one did not bring.

    A request that fails is made again, after 0.5 to 1 seconds, then after twice as long each time; ``file not found``
    and the like are not.
    """

    block = REMOTE_BLOCK

    def __init__(self, entry: Input, storage_options: Mapping[str, Any] | None) -> None:
        self.uri, self.size = entry.uri, entry.size
        self.system, self.path = file_system(entry.uri, storage_options)
        self.at, self.last = 0, b""

    def read(self, start: int, end: int) -> bytes:
        known = b""
        if self.at <= start < self.at + len(self.last):
            known = self.last[start - self.at : end - self.at]
        if start + len(known) < end:
            self.at, self.last = start + len(known), self.request(start + len(known), end)
            return known + self.last if known else self.last
        return known

    def request(self, start: int, end: int) -> bytes:
        data = bytes(
            patient(
                lambda: self.system.cat_file(self.path, start=start, end=end),
                f"{self.uri}, bytes {start} to {end}",
            )
        )
        if len(data) != end - start:
            raise InputChanged(self.uri, f"{len(data)} bytes from byte {start} to {end}")
        return data

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def open_ranges(entry: Input, storage_options: Mapping[str, Any] | None) -> Generator[Ranges, None, None]:
    """The file, as long as the block runs; a local one must be the same at its end."""
    file: Ranges = RemoteRanges(entry, storage_options) if is_remote(entry.uri) else LocalRanges(entry)
    with closing(file):
        yield file
        if isinstance(file, LocalRanges):
            file.check()


def fragments(file: Ranges, start: int, end: int) -> Iterator[bytes]:
    """The bytes of a range, a block at a time; of a remote file the next one is on its way meanwhile."""
    blocks = in_turn(file, start, end)
    if isinstance(file, RemoteRanges) and end - start > file.block:
        from .. import ops

        blocks = ops.buffer(1).stream(blocks)
    return blocks


def in_turn(file: Ranges, start: int, end: int) -> Iterator[bytes]:
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
