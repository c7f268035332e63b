"""How items become bytes of the output: text, JSON lines, or offsets as a numpy file."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from .._backend import joined
from .failure import Failure
from .outputs import Output

if TYPE_CHECKING:
    from ..batch import Batch

SUFFIXES = {".txt": "text", ".jsonl": "jsonl", ".ndjson": "jsonl", ".npy": "npy", ".bin": "bin"}
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
NPY_HEADER = 128  # bytes before the values of a npy file


def begin_npy(out: Output) -> None:
    """Leave room for the header of a npy file, which says how many values there are."""
    out.write(bytes(NPY_HEADER))


def end_npy(out: Output, kind: str, count: int) -> None:
    """Write the header: ``count`` values of ``kind`` ("<i8"). Format 1.0, numpy.lib.format."""
    fields = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}"
    start = b"\x93NUMPY\x01\x00" + (NPY_HEADER - 10).to_bytes(2, "little")
    os.lseek(out.descriptor, 0, os.SEEK_SET)
    out.write(start + fields.ljust(NPY_HEADER - 11).encode() + b"\n")


def choose(wanted: str | None, path: str | None, offered: tuple[str, ...]) -> str:
    """The format: as asked for, else by the suffix of the output, else the first that the command offers."""
    suffix = Path(path).suffix.lower() if path is not None else ""
    if wanted is None and suffix in COMPRESSED:
        raise Failure(f"{path}: compressed output is not supported; pipe standard output into a compressor")
    if wanted is not None or not suffix:
        return wanted or offered[0]
    if SUFFIXES.get(suffix) not in offered:
        raise Failure(
            f"{path}: give -f, {suffix} is no format of this command: it writes {', '.join(offered)}"
        )
    return SUFFIXES[suffix]


class Writer(ABC):
    """Writes batches of items to an output."""

    def __init__(self, out: Output) -> None:
        self.out = out

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Write the items of a batch."""

    def finish(self) -> None:  # noqa: B027
        """All items were written; most formats have nothing to add."""


class Text(Writer):
    """One item a line."""

    def write(self, batch: Batch) -> None:
        self.out.write(joined(batch.data, batch._raw_offsets(), b"\n"))


class Ended(Writer):
    """Items that bring their own line ends."""

    def write(self, batch: Batch) -> None:
        self.out.write(batch.data)


class LF(Writer):
    """Lines that bring their own ends, each written with a LF instead; the last line may have none."""

    def __init__(self, out: Output, universal: bool) -> None:
        super().__init__(out)
        self.universal = universal
        self.last = b"\n"

    def write(self, batch: Batch) -> None:
        data = batch.data
        if b"\r" in data:  # replace() without a find takes 6 times as long as this search
            data = data.replace(b"\r\n", b"\n")
            if self.universal:
                data = data.replace(b"\r", b"\n")
        self.last = data[-1:]
        self.out.write(data)

    def finish(self) -> None:
        if self.last != b"\n":
            self.out.write(b"\n")


class JSONL(Writer):
    """One JSON string per line; the items are ``str``."""

    def write(self, batch: Batch) -> None:
        # One call for the batch: no JSON string holds a raw line end, so the separator can be one.
        text = json.dumps(list(batch), ensure_ascii=False, separators=("\n", ":"))
        self.out.write(f"{text[1:-1]}\n".encode())


class NPY(Writer):
    """Where each item starts in the input, and as the last value the input's length: int64, n + 1 values.

    The items are those that keep everything (lines with their ends, words with the whitespace after them), so
    item ``i`` is ``input[offsets[i]:offsets[i + 1]]``.
    """

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self.count = 0
        self.position = 0
        begin_npy(out)

    def write(self, batch: Batch) -> None:
        offsets = batch.offsets
        self.out.write((offsets[:-1] + self.position).astype("<i8").data)
        self.count += len(batch)
        self.position += int(offsets[-1])

    def finish(self) -> None:
        self.out.write(self.position.to_bytes(8, "little"))
        end_npy(self.out, "<i8", self.count + 1)
