"""One driver for an output folder; with shards one for each, and none besides.

The lock is the system's, on an open file: it is gone with the process, however that ends. Where a file system has none
(Lustre without ``flock``, some network mounts), the file itself is the lock, and one that was left is told by its host
and process.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Final

from ..errors import StreamcoreError

NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Locked(StreamcoreError, RuntimeError):
    """Another driver works on this output."""


@contextmanager
def driver_lock(folder: str, shard: tuple[int, int] | None) -> Generator[None, None, None]:
    """Held while a driver runs: alone, or together with other shards."""
    with ExitStack() as stack:
        stack.enter_context(lock(os.path.join(folder, ".lock"), shared=shard is not None))
        if shard is not None:
            name = f".lock-{shard[0]:05}-of-{shard[1]:05}"
            stack.enter_context(lock(os.path.join(folder, name)))
        yield


@contextmanager
def lock(path: str, *, shared: bool = False) -> Generator[None, None, None]:
    """The lock on ``path``; ``Locked`` says who has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            take(file, shared)
        except OSError as error:
            if error.errno in NO_LOCKS:
                os.close(file)
                file = -1
                with marked(path, shared):
                    yield
                return
            raise Locked(
                f"another run writes to {os.path.dirname(path)}: {holder(file) or 'it did not say who'}"
            ) from None
        if not shared:
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, whoami().encode())
        yield
    finally:
        if file >= 0:
            os.close(file)


def whoami() -> str:
    return f"{socket.gethostname()} process {os.getpid()}"


def holder(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, 300).decode(errors="replace").strip()


if sys.platform == "win32":
    import msvcrt

    def take(file: int, shared: bool) -> None:
        # no shared locks there: shards exclude a run without shards by their own files only
        if not shared:
            os.lseek(file, 1 << 30, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def take(file: int, shared: bool) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


@contextmanager
def marked(path: str, shared: bool) -> Generator[None, None, None]:
    """The same by a file that is there as long as the lock is held; shards have only their own."""
    if shared:
        yield
        return
    path += ".held"
    while True:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            break
        except FileExistsError:
            if not left_behind(path):
                with open(path, encoding="utf-8") as held:
                    who = held.read().strip()
                raise Locked(
                    f"another run writes to {os.path.dirname(path)}: {who}; if it has ended, delete {path}"
                ) from None
            os.unlink(path)
    try:
        os.write(file, whoami().encode())
        os.close(file)
        yield
    finally:
        os.unlink(path)


def left_behind(path: str) -> bool:
    """Whether the holder was a process of this host that is no more."""
    with open(path, encoding="utf-8") as held:
        host, _, process = held.read().strip().partition(" process ")
    if host != socket.gethostname() or not process.isdecimal() or os.name == "nt":
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
