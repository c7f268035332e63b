"""Where a command writes: standard output, or a file that bears its name only when it is complete."""

from __future__ import annotations

import errno
import os
import stat
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .failure import ClosedPipe, Failure

if TYPE_CHECKING:
    from .inputs import Input


class Output:
    """A binary output; as a context manager it is finished at the end of the block, or thrown away by an
    exception.
    """

    descriptor: int
    name: str

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``, now: what was read from a slow pipe must not wait for a buffer to fill."""
        rest = memoryview(data).cast("B")
        while rest:
            try:
                rest = rest[os.write(self.descriptor, rest) :]
            except OSError as error:
                # Windows says EINVAL where others say EPIPE.
                if error.errno == errno.EPIPE or (error.errno == errno.EINVAL and sys.platform == "win32"):
                    raise ClosedPipe from error
                raise Failure(f"{self.name}: cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.discard()

    def on_terminal(self) -> bool:
        """Whether a user sees the data as it is written."""
        return False

    def finish(self) -> None:
        """Everything was written."""

    def discard(self) -> None:
        """Something went wrong on the way."""


class StandardOutput(Output):
    descriptor = 1
    name = "standard output"

    def __init__(self) -> None:
        if sys.stdout is None:
            raise Failure("standard output: is closed")

    def on_terminal(self) -> bool:
        return os.isatty(self.descriptor)


class Device(Output):
    """An existing path that is no regular file: /dev/null, a named pipe."""

    def __init__(self, path: str) -> None:
        self.name = path
        self.descriptor = opened(path, path, os.O_WRONLY)

    def finish(self) -> None:
        os.close(self.descriptor)

    discard = finish


class NewFile(Output):
    """A file written under a temporary name beside its own, and renamed when complete.

    Beside it, because a rename across file systems is a copy; the old file, if any, stays until then.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self.path = os.path.realpath(path)  # a symbolic link stays one
        folder, base = os.path.split(self.path)
        self.temporary = os.path.join(folder, f".{base}.{os.urandom(4).hex()}.tmp")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self.descriptor = opened(self.temporary, path, flags)

    def finish(self) -> None:
        try:
            if os.path.exists(self.path):
                os.chmod(self.temporary, stat.S_IMODE(os.stat(self.path).st_mode))
            os.close(self.descriptor)
            os.replace(self.temporary, self.path)
        except OSError as error:
            raise Failure(f"{self.name}: cannot be written: {error.strerror}") from error

    def discard(self) -> None:
        os.close(self.descriptor)
        os.unlink(self.temporary)


def opened(path: str, name: str, flags: int) -> int:
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise Failure(f"{name}: cannot be written: {error.strerror}") from error


def open_output(path: str | None, source: Input) -> Output:
    """The output named by ``-o``; None or ``-`` is standard output.

    The file that is read is refused under any name, and as standard output too: appended to, it would never end.
    """
    if path is None or path == "-":
        out = StandardOutput()
        check_other(source, os.fstat(out.descriptor), out.name)
        return out
    if os.path.isdir(path):
        raise Failure(f"{path}: is a directory")
    if not os.path.exists(path):
        return NewFile(path)
    check_other(source, os.stat(path), path)
    return NewFile(path) if os.path.isfile(path) else Device(path)


def check_other(source: Input, status: os.stat_result, name: str) -> None:
    if source.is_file(status):
        raise Failure(f"{name}: is the input, {source.name}, and would be overwritten; write to another file")
