"""A task reads a part and writes its files; it gives back a receipt, never data."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .documents import LongIds, documents, takes_pieces
from .outputs import output
from .outputs.files import PartFiles, Written, part_stem
from .parts import Part
from .places import LocalFolder, Place
from .planning import Plan
from .records import RecordBlock, blocks_of_part


@dataclass(frozen=True)
class Job:
    """What all tasks of a run share; a worker keeps it.

    In ``folder`` are manifests and locks, and the files of documents too, unless they go to ``out``.
    """

    plan: Plan
    pipeline: Any
    folder: str
    format: str
    eod: int | None = None
    out: Place | None = None
    join: int | None = None
    """Bytes of documents in a file at the end; None: a file for each part, or what the format makes of them."""

    @property
    def place(self) -> Place:
        return LocalFolder(self.folder) if self.out is None else self.out


@dataclass(frozen=True)
class Receipt:
    """What became of a part.

    ``read_seconds`` are those for its records (with ``jsonl`` their JSON), ``write_seconds`` those for its files; the
    rest of ``seconds`` is the pipeline's. ``peak_memory`` is that of the process so far, in bytes (None where it is not
    known).
    """

    part: int
    records: int
    items: int
    bytes_in: int
    files: tuple[Written, ...]
    seconds: float
    read_seconds: float
    write_seconds: float
    host: str
    pid: int
    peak_memory: int | None

    @property
    def bytes_out(self) -> int:
        return sum(each.size for each in self.files)


def perform(job: Job, part: Part, attempt: str) -> Receipt:
    """Read the part, write its files, which have their names when they are whole; an error leaves no half of one."""
    started = time.perf_counter()
    format = output(job.format, job.pipeline, job.eod)
    blocks = Timed(blocks_of_part(job.plan, part, in_pieces=takes_pieces(job.pipeline)))
    writing = 0.0
    with PartFiles(job.place, part_stem(part.id), attempt) as files:
        writer = format.writer(files)
        for each in documents(job.pipeline, blocks):
            begun = time.perf_counter()
            writer.write(each)
            writing += time.perf_counter() - begun
            if isinstance(each.contents, LongIds):
                writing -= each.contents.seconds
        begun = time.perf_counter()
        writer.finish()
    ended = time.perf_counter()
    return Receipt(
        part.id,
        blocks.records,
        writer.items,
        part.size,
        files.written,
        ended - started,
        blocks.seconds,
        writing + ended - begun,
        socket.gethostname(),
        os.getpid(),
        peak_memory(),
    )


class Timed(Iterator[RecordBlock]):
    """Blocks of records, counted, and the time that they take."""

    def __init__(self, blocks: Iterator[RecordBlock]) -> None:
        self.blocks = blocks
        self.records, self.seconds = 0, 0.0

    def __next__(self) -> RecordBlock:
        begun = time.perf_counter()
        try:
            block = next(self.blocks)
        finally:
            self.seconds += time.perf_counter() - begun
        self.records += len(block.offsets)
        return block


def peak_memory() -> int | None:
    """The most that this process had, in bytes."""
    try:
        # ru_maxrss would be that of the process that started this one, if it had more
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:  # not on Linux
        pass
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
