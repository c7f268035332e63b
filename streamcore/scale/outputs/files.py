"""Files that appear together, when they are whole."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple

from ..places import LocalFile, Place, Sink, place_of

JOINED: Final = re.compile(r"joined-\d{6,}\.(arrow|bin|idx|jsonl|offsets|parquet)")
"""Names of files that parts were joined to."""


class Written(NamedTuple):
    """A file that is there: its name in the folder, its bytes, and their CRC-32."""

    name: str
    size: int
    crc: int


class TalliedFile:
    """A binary file to write to, which counts; it has no name as long as it is written.

    Libraries that write to file objects take it. Their writers may outlive it: what they write after it was given up
    is dropped.
    """

    def __init__(self, name: str, sink: Sink) -> None:
        self.name, self.sink = name, sink
        self.size = self.crc = 0
        self.given_up = False

    def write(self, data: Any) -> int:
        """Bytes, or what has the buffer protocol and is contiguous."""
        view = memoryview(data).cast("B")
        if not self.given_up:
            self.sink.write(view)
            self.size += view.nbytes
            self.crc = zlib.crc32(view, self.crc)
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing to do before its end."""

    def writable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return self.sink.closed and not self.given_up

    def give_up(self) -> None:
        """It never gets its name, if it has not got it."""
        self.given_up = not self.sink.closed
        self.sink.give_up()


class Scratch(TalliedFile):
    """Lies on this machine, and never gets a name."""

    def __init__(self, name: str, sink: LocalFile) -> None:
        super().__init__(name, sink)
        self.local = sink

    def path(self) -> str:
        """Where what was written so far can be read."""
        self.local.file.flush()
        return self.local.temporary


class PartFiles:
    """Files with one stem: a context that gives all their names at its end, or none if it is left by an error.

    The names depend on the part alone. They appear one after the other: until a receipt says so, nobody may take them
    for whole.
    """

    def __init__(self, folder: str | Place, stem: str, attempt: str) -> None:
        self.place, self.stem, self.attempt = place_of(folder), stem, attempt
        self.files: list[TalliedFile] = []
        self.scratches: list[Scratch] = []
        self.written: tuple[Written, ...] = ()

    def create(self, suffix: str, expected: int = 0) -> TalliedFile:
        """A file; of about ``expected`` bytes, where that is known."""
        name = self.stem + suffix
        self.files.append(TalliedFile(name, self.place.create(name, self.attempt, expected)))
        return self.files[-1]

    def scratch(self, suffix: str) -> Scratch:
        name = self.stem + suffix
        self.scratches.append(Scratch(name, self.place.scratch(name, self.attempt)))
        return self.scratches[-1]

    def __enter__(self) -> PartFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.publish()
        finally:
            give_up([*self.files, *self.scratches])

    def publish(self) -> None:
        for each in self.files:
            each.sink.finish()
        for each in self.files:
            each.sink.publish()
        self.place.settle()
        self.written = tuple(Written(each.name, each.size, each.crc) for each in self.files)


def part_stem(part: int) -> str:
    """What the names of the files of a part begin with."""
    return f"part-{part:06}"


def joined_stem(number: int) -> str:
    """What the names of the files begin with that parts were joined to."""
    return f"joined-{number:06}"


def give_up(files: Sequence[TalliedFile]) -> None:
    """All of them, also where one fails; then the first failure is raised."""
    if files:
        try:
            files[0].give_up()
        finally:
            give_up(files[1:])
