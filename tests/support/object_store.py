"""An object store in miniature over a folder, which every process sees: ``mini://bucket/key`` with ``root=folder``.

As in S3 an object is put by one request, or by an upload of several, and is there when the last one has succeeded;
empty ones mark folders. Each request is a line of the file ``requests``. Errors are of a kind that only this store
knows.
``plain://`` is a file system that has nothing of that: what is written is there at once.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem


class StoreError(Exception):
    """Says nothing of what it is, as those of some stores."""


class MiniStore(AbstractFileSystem):
    protocol = "mini"
    watch: Callable[[str, str], None] | None = None
    """Called with each request of this process before it is done; may raise."""

    def __init__(self, root: str, secret: str = "", **options: Any) -> None:
        super().__init__(root=root, secret=secret, **options)
        self.root = Path(root)

    def request(self, kind: str, path: str) -> Path:
        with open(self.root / "requests", "a", encoding="utf-8") as log:
            log.write(f"{kind} {path}\n")
        if type(self).watch is not None:
            type(self).watch(kind, path)
        return self.root / "objects" / path

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if path not in self.dircache:
            folder = self.request("ls", path)
            if folder.is_file():
                found = [folder]
            elif folder.is_dir():
                found = sorted(folder.iterdir())
            else:
                raise FileNotFoundError(path)
            marks = [{"name": f"{path}/", "size": 0, "type": "file"}] if folder.is_dir() else []
            self.dircache[path] = marks + [
                {
                    "name": str(each.relative_to(self.root / "objects")),
                    "size": each.stat().st_size,
                    "type": "file" if each.is_file() else "directory",
                }
                for each in found
            ]
        return [each if detail else each["name"] for each in self.dircache[path]]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        file = self.request("head", self._strip_protocol(path))
        return {
            "name": path,
            "size": file.stat().st_size,
            "type": "file",
            "ETag": str(file.stat().st_mtime_ns),
        }

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        with open(self.request("get", self._strip_protocol(path)), "rb") as file:
            file.seek(start or 0)
            return file.read(-1 if end is None else end - (start or 0))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        self.appear(self.request("put", self._strip_protocol(path)), [value])

    def appear(self, file: Path, data: Iterable[bytes]) -> None:
        made = self.root / uuid.uuid4().hex
        with open(made, "wb") as whole:
            whole.writelines(data)
        file.parent.mkdir(parents=True, exist_ok=True)
        os.replace(made, file)

    def rm_file(self, path: str) -> None:
        self.request("delete", self._strip_protocol(path)).unlink()

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        assert isinstance(path, list)
        assert not recursive
        self.request("delete", " ".join(path))
        for each in path:
            (self.root / "objects" / each).unlink()

    def _open(
        self, path: str, mode: str = "rb", block_size: Any = None, autocommit: bool = True, **_: Any
    ) -> Any:
        return MiniFile(self, path, mode, block_size=block_size, autocommit=autocommit)


class MiniFile(AbstractBufferedFile):
    upload: Path | None = None

    def _initiate_upload(self) -> None:
        self.fs.request("initiate", self.path)
        self.upload, self.parts = self.fs.root / "uploads" / uuid.uuid4().hex, 0
        self.upload.mkdir(parents=True)

    def _upload_chunk(self, final: bool = False) -> None:
        data = self.buffer.getvalue()
        if data:
            self.fs.request("part", self.path)
            (self.upload / f"{self.parts:06}").write_bytes(data)
            self.parts += 1
        if final and self.autocommit:
            self.commit()

    def commit(self) -> None:
        file = self.fs.request("complete", self.path)
        self.fs.appear(file, (each.read_bytes() for each in sorted(self.upload.iterdir())))
        shutil.rmtree(self.upload)

    def discard(self) -> None:
        if self.upload is not None:
            self.fs.request("abort", self.path)
            shutil.rmtree(self.upload)


class PlainFiles(AbstractFileSystem):
    protocol = "plain"

    def __init__(self, root: str, **options: Any) -> None:
        super().__init__(root=root, **options)
        self.root = Path(root)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        found = sorted((self.root / path).iterdir())
        return [
            {"name": f"{path}/{each.name}", "size": each.stat().st_size, "type": "file"} for each in found
        ]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        return open(self.root / path, mode)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        return (self.root / path).read_bytes()[start:end]

    def rm_file(self, path: str) -> None:
        (self.root / path).unlink()


fsspec.register_implementation("mini", MiniStore, clobber=True)
fsspec.register_implementation("plain", PlainFiles, clobber=True)


class Store:
    """The same from outside."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.options = {"root": str(root), "secret": "hush"}
        root.mkdir(parents=True)

    def objects(self, folder: str = "bucket/ids") -> dict[str, bytes]:
        files = sorted((self.root / "objects" / folder).glob("*"))
        return {each.name: each.read_bytes() for each in files if each.is_file()}

    def put(self, path: str, data: bytes) -> None:
        file = self.root / "objects" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def uploads(self) -> list[str]:
        return os.listdir(self.root / "uploads") if (self.root / "uploads").exists() else []

    def requests(self) -> Counter[str]:
        """How many of each kind there were since this was asked for last."""
        try:
            lines = (self.root / "requests").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return Counter()
        (self.root / "requests").unlink()
        return Counter(line.split()[0] for line in lines)


def upper(line: bytes) -> bytes:
    """A stage that workers find here, and the store with it."""
    return line.upper()
