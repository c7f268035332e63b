"""Which files there are: paths, globs in the order of names, and URLs by fsspec."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..cli.inputs import PACKED

MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class Input:
    """A file: ``size`` in bytes as it lies there; ``version`` changes when it does (mtime in ns, or an etag)."""

    uri: str
    size: int
    version: int | str | None

    @property
    def compression(self) -> str | None:
        """ "gzip", "zstd" or None, by the suffix."""
        return PACKED.get(os.path.splitext(self.uri)[1].lower())


def is_remote(uri: str) -> bool:
    return "://" in uri


def local_path(uri: str) -> str | None:
    """Of a path, or of a URL of a file of this machine."""
    protocol, mark, path = uri.partition("://")
    if not mark:
        return uri
    return path if protocol in ("file", "local") else None


def file_system(uri: str, storage_options: Mapping[str, Any] | None) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(f"{uri}: URLs need fsspec: pip install fsspec") from error
    found: tuple[Any, str] = url_to_fs(uri, **(storage_options or {}))
    return found


def find_inputs(uris: Any, storage_options: Mapping[str, Any] | None) -> list[Input]:
    """All files that ``uris`` name, in the order given, the names of a glob sorted, each file once."""
    if isinstance(uris, str | os.PathLike):
        uris = [uris]
    elif isinstance(uris, bytes) or not isinstance(uris, Iterable):
        raise TypeError(f"uris must be a path, a URL or several, got {type(uris).__name__}")
    found: dict[str, Input] = {}
    for each in uris:
        uri = os.fspath(each)
        if not isinstance(uri, str):
            raise TypeError(f"a path must be str or PathLike of str, got {uri!r}")
        for entry in remote_files(uri, storage_options) if is_remote(uri) else local_files(uri):
            found.setdefault(entry.uri, entry)
    if not found:
        raise ValueError("no input is given")
    return list(found.values())


def local_files(path: str) -> Iterator[Input]:
    # a name with a star in it is a name if such a file exists
    if MAGIC.isdisjoint(path) or os.path.lexists(path):
        yield local_file(path)
        return
    names = sorted(name for name in glob.glob(path, recursive=True) if not os.path.isdir(name))
    if not names:
        raise FileNotFoundError(f"no file matches {path}")
    for name in names:
        yield local_file(name)


def local_file(path: str) -> Input:
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a directory; {os.path.join(path, '*')} names the files in it")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file, so it cannot be read in parts")
    status = os.stat(path)
    return Input(path, status.st_size, status.st_mtime_ns)


def remote_files(uri: str, storage_options: Mapping[str, Any] | None) -> Iterator[Input]:
    system, path = file_system(uri, storage_options)
    if MAGIC.isdisjoint(path):
        yield remote_file(system, uri, system.info(path))
        return
    details: dict[str, Any] = system.glob(path, detail=True)
    names = sorted(name for name, info in details.items() if info["type"] != "directory")
    if not names:
        raise FileNotFoundError(f"no file matches {uri}")
    for name in names:
        yield remote_file(system, str(system.unstrip_protocol(name)), details[name])


def remote_file(system: Any, uri: str, info: Mapping[str, Any]) -> Input:
    if info["type"] == "directory":
        raise IsADirectoryError(f"{uri} is a directory; {uri.rstrip('/')}/* names the files in it")
    if info.get("size") is None:
        raise ValueError(f"{uri} has no known size, so it cannot be read in parts")
    for name in ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "created"):
        if info.get(name) is not None:
            return Input(uri, int(info["size"]), str(info[name]))
    return Input(uri, int(info["size"]), None)
