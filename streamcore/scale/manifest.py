"""What is done: JSON Lines beside the output, a head for each run and a line for each part, only ever appended to.

A driver has a manifest of its own, ``manifest.jsonl``, or with ``shard=(i, n)`` one in whose name i and n are. All of a
folder count together, so a run can go on with another number of shards. What is kept in memory for a part is where its
line stands.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from typing import IO, Any, Final, overload

from .. import __version__
from ..errors import StreamcoreError
from .outputs.files import Written
from .parts import Part
from .planning import Plan
from .task import Job, Receipt

VERSION: Final = 1
PATTERN: Final = "manifest*.jsonl"
RECEIPT_KEYS: Final = {"input", *(each.name for each in fields(Receipt))}


class BadManifest(StreamcoreError, ValueError):
    """A manifest holds what no run wrote."""


class OtherJob(StreamcoreError, ValueError):
    """The output folder holds the parts of another job."""


def manifest_name(shard: tuple[int, int] | None) -> str:
    return "manifest.jsonl" if shard is None else f"manifest-{shard[0]:05}-of-{shard[1]:05}.jsonl"


def head_of(job: Job, vocabulary: str | None) -> dict[str, Any]:
    """What makes the content of a part, besides its input."""
    split = job.plan.split
    where = {} if job.out is None else {"out": job.out.name}
    return {
        "manifest": VERSION,
        "streamcore": __version__,
        "pipeline": re.sub(r" at 0x[0-9a-fA-F]+", "", repr(job.pipeline)),
        "vocabulary": vocabulary,
        "format": job.format,
        "eod": job.eod,
        "split": {"separator": split.decode("latin-1")} if isinstance(split, bytes) else split,
        "key": job.plan.key if split == "jsonl" else None,
        **where,
    }


def fingerprint(plan: Plan, part: Part) -> str:
    """Of the bytes that a part reads: files, their sizes and times, and which range of each."""
    pieces = []
    for uri, start, end in part.pieces:
        entry = plan.input(uri)
        pieces.append([uri, entry.size, entry.version, start, end])
    return hashlib.sha256(json.dumps(pieces).encode()).hexdigest()[:32]


def encoded(text: str) -> bytes:
    """JSON as UTF-8; what a name of a file has that is none becomes an escape of JSON, ``\\udcff``."""
    return text.encode(errors="backslashreplace")


class Log:
    """The manifest that this driver writes. A line is there when ``add`` returns, on the disk after ``sync``."""

    def __init__(self, path: str, head: dict[str, Any]) -> None:
        self.path = path
        self.file: IO[bytes] = open(path, "r+b" if os.path.exists(path) else "w+b", buffering=0)  # noqa: SIM115 - close()
        self.size = whole_lines(self.file)
        self.file.truncate(self.size)
        self.add(head)
        self.sync()

    def add(self, line: dict[str, Any]) -> int:
        """Append a line; the place where it begins."""
        data = memoryview(encoded(json.dumps(line, ensure_ascii=False, separators=(",", ":"))) + b"\n")
        place = self.size
        self.file.seek(place)
        while data:
            data = data[self.file.write(data) :]
        self.size = self.file.tell()
        return place

    def sync(self) -> None:
        os.fsync(self.file.fileno())

    def close(self) -> None:
        self.file.close()


def whole_lines(file: IO[bytes]) -> int:
    """The size of a file up to its last line end: what was torn by a death goes."""
    at = file.seek(0, os.SEEK_END)
    while at:
        start = max(at - 65536, 0)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def receipt_line(receipt: Receipt, mark: str) -> dict[str, Any]:
    return {"input": mark, **asdict(receipt)}


def receipt_of(line: dict[str, Any]) -> Receipt:
    line.pop("input")
    line["files"] = tuple(Written(*each) for each in line["files"])
    return Receipt(**line)


class Done(Sequence[Receipt]):
    """The receipts of the parts that are done, in the order of the parts; each is read when it is asked for.

    Kept of a part are two numbers: its manifest (``files``, 0: not done), and where in it the line begins (``places``).
    """

    def __init__(self, parts: int) -> None:
        self.paths: list[str] = []
        self.files = array("H", bytes(2 * parts))
        self.places = array("q", bytes(8 * parts))
        self.size = 0

    def manifest(self, path: str) -> int:
        """The number of a manifest."""
        if path not in self.paths:
            self.paths.append(path)
        return self.paths.index(path) + 1

    def set(self, part: int, manifest: int, place: int) -> None:
        self.size += not self.files[part]
        self.files[part], self.places[part] = manifest, place

    def drop(self, part: int) -> None:
        self.size -= bool(self.files[part])
        self.files[part] = 0

    def has(self, part: int) -> bool:
        return bool(self.files[part])

    def parts(self) -> Iterator[int]:
        """The numbers of the parts that are done."""
        return (part for part, manifest in enumerate(self.files) if manifest)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Receipt]:
        opened: dict[int, Any] = {}
        try:
            for part in self.parts():
                number = self.files[part]
                if number not in opened:
                    opened[number] = open(self.paths[number - 1], "rb")  # noqa: SIM115 - closed below
                opened[number].seek(self.places[part])
                yield receipt_of(json.loads(opened[number].readline()))
        finally:
            for file in opened.values():
                file.close()

    @overload
    def __getitem__(self, index: int) -> Receipt: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Receipt, ...]: ...
    def __getitem__(self, index: int | slice) -> Receipt | tuple[Receipt, ...]:
        numbers = list(self.parts())
        if isinstance(index, slice):
            return tuple(map(self.read, numbers[index]))
        return self.read(numbers[index])

    def read(self, part: int) -> Receipt:
        with open(self.paths[self.files[part] - 1], "rb") as file:
            file.seek(self.places[part])
            return receipt_of(json.loads(file.readline()))


def checked_line(line: Any, place: int) -> dict[str, Any]:
    """A head, a failed part or a receipt; the first line is a head."""
    if not isinstance(line, dict) or not (place or "manifest" in line):
        raise ValueError("it does not begin with a head" if isinstance(line, dict) else "no object")
    if "manifest" in line:
        if line["manifest"] != VERSION:
            raise ValueError(f"version {line['manifest']!r}, wanted is {VERSION}")
    elif "failed" not in line and not is_receipt(line):
        raise ValueError("no receipt")
    return line


def is_receipt(line: dict[str, Any]) -> bool:
    part, files = line.get("part"), line.get("files")
    return (
        line.keys() == RECEIPT_KEYS
        and type(part) is int
        and part >= 0
        and isinstance(files, list)
        and all(isinstance(each, list) and list(map(type, each)) == [str, int, int] for each in files)
    )


def manifests(folder: str) -> list[str]:
    return sorted(glob.glob(os.path.join(glob.escape(folder), PATTERN)))


def lines_of(path: str, having: Sequence[bytes] = (b"",)) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines of a manifest that have one of these, each with its place; a torn last one is passed over."""
    place = 0
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            if any(each in line for each in having):
                try:
                    entry = checked_line(json.loads(line), place)
                except (ValueError, RecursionError) as error:
                    raise BadManifest(f"{path}, byte {place}: no line of a manifest: {error}") from error
                yield place, entry
            place += len(line)
