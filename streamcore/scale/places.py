"""Where the files of documents lie: a folder of this machine here, one of an object store in ``remote``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import IO, Any, Final, Protocol

BLOCK: Final = 1 << 20
"""Bytes that are read at once."""


class Sink(Protocol):
    """A file on its way. It has its name after ``finish`` and ``publish``, and holds all then; or it never gets it."""

    @property
    def closed(self) -> bool: ...

    def write(self, data: memoryview, /) -> object: ...

    def finish(self) -> None:
        """All is written: it lasts when this returns."""

    def publish(self) -> None: ...

    def give_up(self) -> None:
        """After ``publish`` there is nothing to give up."""


class Place(Protocol):
    """A folder. ``name`` is what messages say, ``local`` its path where it is on this machine."""

    name: str
    local: str | None

    def join(self, name: str) -> str:
        """A file of it, for messages and results."""

    def create(self, name: str, attempt: str, expected: int) -> Sink:
        """A file to write once, of about ``expected`` bytes (0: not known)."""

    def scratch(self, name: str, attempt: str) -> LocalFile:
        """A file on this machine that never gets its name."""

    def settle(self) -> None:
        """Make the names of files that were published last."""

    def sizes(self) -> dict[str, int]:
        """All files, and their bytes."""

    def read(self, name: str) -> bytes: ...

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """The first ``size`` bytes; less where the file has less."""

    def remove(self, names: Iterable[str]) -> None:
        """Those that are there."""

    def holds(self, uri: str) -> bool:
        """Whether a URL of another protocol than ``file`` names something in this folder."""


class LocalFile:
    """Lies under a temporary name beside its own; ``attempt`` is in it, since two workers may have the same part."""

    def __init__(self, path: str, attempt: str) -> None:
        self.path, self.temporary = path, f"{path}.{attempt}.tmp"
        self.file: IO[bytes] = open(self.temporary, "xb", buffering=1 << 18)  # noqa: SIM115 - finish() or give_up()
        self.write = self.file.write

    @property
    def closed(self) -> bool:
        return self.file.closed

    def finish(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def publish(self) -> None:
        os.replace(self.temporary, self.path)

    def give_up(self) -> None:
        # closing flushes, which fails once more on a full disk
        try:
            self.file.close()
        finally:
            if os.path.exists(self.temporary):
                os.unlink(self.temporary)


class LocalFolder:
    def __init__(self, folder: str, name: str | None = None) -> None:
        self.local: str | None = folder
        self.folder, self.name = folder, folder if name is None else name

    def join(self, name: str) -> str:
        return os.path.join(self.name, name)

    def create(self, name: str, attempt: str, expected: int) -> Sink:
        return LocalFile(os.path.join(self.folder, name), attempt)

    def scratch(self, name: str, attempt: str) -> LocalFile:
        return LocalFile(os.path.join(self.folder, name), attempt)

    def settle(self) -> None:
        if os.name == "posix":
            handle = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def sizes(self) -> dict[str, int]:
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another shard renames
                    if entry.is_file():
                        found[entry.name] = entry.stat().st_size
        return found

    def read(self, name: str) -> bytes:
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        with open(os.path.join(self.folder, name), "rb", buffering=0) as file:
            while data := file.read(min(size, BLOCK)):
                size -= len(data)
                yield data

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self.folder, name))

    def holds(self, uri: str) -> bool:
        return False


def place_of(folder: str | os.PathLike[str] | Place) -> Place:
    """A path is a folder of this machine."""
    return LocalFolder(os.fspath(folder)) if isinstance(folder, str | os.PathLike) else folder


def checked_places(out: Any, state: Any, out_options: Mapping[str, Any] | None) -> tuple[str, Place | None]:
    """The folder for manifests, and where the files of documents go if not there too."""
    folder = os.fspath(out)
    if not isinstance(folder, str) or not folder:
        raise TypeError(f"out must be the path of a folder or a URL, got {out!r}")
    if "://" not in folder:
        for name, value in (("state", state), ("out_options", out_options)):
            if value is not None:
                raise ValueError(f"{name} is for an out that is a URL, and out={folder!r} is a folder")
        return folder, None
    from .remote import checked_url, remote_place

    checked_url(folder)
    if state is None:
        raise ValueError(
            f"out={folder!r} is a URL, where nothing can be locked or appended to: pass state='folder',"
            " a local folder for the manifest, which all workers see by the same path"
        )
    state = os.fspath(state)
    if not isinstance(state, str) or not state or "://" in state:
        raise ValueError("state must be the path of a local folder")
    if out_options is not None and not isinstance(out_options, Mapping):
        raise TypeError(f"out_options must be a mapping, got {type(out_options).__name__}")
    return state, remote_place(folder, out_options)
