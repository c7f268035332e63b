"""A folder of an object store, by fsspec: an object is written once, under its own name; it is there when it is whole.

There is no rename. Up to a block an object is one request; above it, it is sent in blocks (``autocommit=False``:
multipart uploads and the like) and becomes an object by the last request. What is given up before never is one.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from .errors import InputChanged
from .inputs import Input, file_system
from .places import LocalFile, LocalFolder, Place
from .reading import FINAL, RemoteRanges, fragments, patient

BLOCK: int = 16 << 20
"""Bytes of a request; of a larger object each of its blocks."""
BLOCKS: Final = 9000  # of an object: S3 takes 10,000


def checked_url(url: str) -> None:
    """ValueError for a URL that names no folder, or holds a secret: a result, messages and manifests name it."""
    protocol, _, rest = url.partition("://")
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise ValueError("out holds a password: pass it by out_options")
    if "?" in rest:
        raise ValueError(f"out={url.partition('?')[0]!r} has a query: pass what it says by out_options")
    if "::" in url:
        raise ValueError(f"out={url!r}: out must be one URL, without '::'")
    if not {"*", "["}.isdisjoint(rest):
        raise ValueError(f"out={url!r} is a pattern: it must name one folder")
    if "//" in rest.rstrip("/"):
        raise ValueError(f"out={url!r} has a folder without a name")
    if not protocol:
        raise ValueError(f"out={url!r} has no protocol")
    if protocol in ("http", "https"):
        raise ValueError(f"out={url!r}: a run writes where files can be listed, which HTTP cannot")


def remote_place(url: str, options: Mapping[str, Any] | None) -> Place:
    """Where a URL leads to: ``file://`` is a folder of this machine."""
    system, path = file_system(url, options)
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    if "file" in protocols:
        return LocalFolder(path, f"file://{path}")
    if not path.strip("/") and not system.root_marker:
        raise ValueError(f"out={url!r} names no folder")
    return RemoteFolder(url, options)


class RemoteFolder:
    """Pickled it is its URL and its options, which are in no ``repr``."""

    local: str | None = None

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.name = url if url.endswith("://") else url.rstrip("/")
        self.options = options

    def __repr__(self) -> str:
        return f"RemoteFolder({self.name!r})"

    def join(self, name: str) -> str:
        return f"{self.name}{'' if self.name.endswith('/') else '/'}{name}"

    def at(self, name: str = "") -> tuple[Any, str]:
        """The file system, which fsspec keeps for each thread, and the path in it."""
        system, path = file_system(self.name, self.options)
        return system, f"{path.rstrip('/')}/{name}" if name else path

    def create(self, name: str, attempt: str, expected: int) -> Upload:
        return Upload(*self.at(name), self.join(name), expected)

    def scratch(self, name: str, attempt: str) -> LocalFile:
        return LocalFile(os.path.join(tempfile.gettempdir(), f"streamcore-{name}"), attempt)

    def settle(self) -> None:
        """An object lasts once it is there."""

    def sizes(self) -> dict[str, int]:
        """One listing, of what the store has now."""
        system, path = self.at()
        system.invalidate_cache(path)
        try:
            with told(self.name):
                entries = patient(lambda: system.ls(path, detail=True), self.name)
        except FileNotFoundError:
            return {}
        found, above = {}, path.strip("/")
        for entry in entries:
            folder, _, name = entry["name"].strip("/").rpartition("/")
            # with a slash at its end it marks a folder
            if entry["type"] == "file" and entry["name"].lstrip("/") == above:
                raise FileExistsError(f"{self.name} is an object, a run writes to a folder")
            if entry["type"] == "file" and folder == above:
                found[name] = int(entry["size"] or 0)
        return found

    def read(self, name: str) -> bytes:
        system, path = self.at(name)
        with told(self.join(name)):
            return bytes(patient(lambda: system.cat_file(path), self.join(name)))

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """A request each, the next one on its way meanwhile."""
        url = self.join(name)
        try:
            with told(url):
                yield from fragments(RemoteRanges(Input(url, size, None), self.options), 0, size)
        except InputChanged:
            return

    def remove(self, names: Iterable[str]) -> None:
        system, above = self.at()
        paths = [f"{above.rstrip('/')}/{name}" for name in names]
        with told(self.name):
            if len(paths) > 1:
                try:
                    patient(lambda: system.rm(paths), self.name)
                    return
                except FileNotFoundError:
                    pass  # which of them, it does not say
            for path in paths:
                with suppress(FileNotFoundError):
                    patient(partial(system.rm_file, path), self.name)

    def holds(self, uri: str) -> bool:
        """Whether a URL names something in this folder."""
        from fsspec import get_filesystem_class

        kind, (system, path) = get_filesystem_class(uri.partition("://")[0]), self.at()
        return isinstance(system, kind) and system._parent(uri).strip("/") == path.strip("/")


class Upload:
    """An object on its way. Up to a block it is held here; then the blocks are sent, one after another."""

    def __init__(self, system: Any, path: str, url: str, expected: int) -> None:
        self.system, self.path, self.url = system, path, url
        self.block = max(BLOCK, -(-expected // BLOCKS) + (1 << 20) - 1 >> 20 << 20)
        self.held = io.BytesIO()
        self.file: Any = None
        self.closed = False

    def write(self, data: memoryview, /) -> None:
        if self.file is None:
            if self.held.tell() + len(data) < self.block or is_memory(self.system):
                self.held.write(data)
                return
            self.begin()
        for start in range(0, len(data), self.block):
            with told(self.url):
                self.file.write(data[start : start + self.block])

    def begin(self) -> None:
        with told(self.url):
            self.file = self.system.open(self.path, "wb", block_size=self.block, autocommit=False)
            with suppress(AttributeError, ValueError):
                # of the system for all of this process; this file is committed or given up here
                self.system.transaction.files.remove(self.file)
            self.file.write(self.held.getbuffer())
        self.held = io.BytesIO()

    def finish(self) -> None:
        """Here it becomes an object."""
        with told(self.url):
            if self.file is None and sends_at_once(self.system):
                data = self.held.getvalue()
                patient(lambda: self.system.pipe_file(self.path, data), self.url)
            else:
                if self.file is None:
                    self.begin()
                self.file.close()
                if hasattr(self.file, "commit"):
                    self.file.commit()
        self.closed = True

    def publish(self) -> None:
        """It has its name since ``finish``."""

    def give_up(self) -> None:
        """No request where nothing was sent. What a store cannot be told now, it forgets after some days."""
        if self.closed:
            return
        self.closed, self.held = True, io.BytesIO()
        if self.file is None:
            return
        try:
            # the error that led here is the one to tell
            with suppress(Exception):
                if hasattr(self.file, "discard"):
                    self.file.discard()
                else:  # half of it is there, for want of better
                    self.file.close()
                    self.system.rm_file(self.path)
        finally:
            # what is not closed is closed, and with some systems finished, when it is forgotten
            with suppress(AttributeError):
                self.file.closed = True


def is_memory(system: Any) -> bool:
    """Whether files are there as soon as they are opened, and in the memory of this process anyway."""
    return bool(system.protocol == "memory")


def sends_at_once(system: Any) -> bool:
    """Whether an object can be put by one request."""
    from fsspec import AbstractFileSystem

    return bool(
        getattr(system, "async_impl", False) or type(system).pipe_file is not AbstractFileSystem.pipe_file
    )


@contextmanager
def told(url: str) -> Generator[None, None, None]:
    """What a store raises in its own words is an OSError, as of a disk: the part is tried again."""
    try:
        yield
    except (OSError, MemoryError, *FINAL):
        raise
    except Exception as error:
        told = OSError(f"{url}: {type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        raise told from error
