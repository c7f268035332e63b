"""What a run gives back, and the error where too much of it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..errors import StreamcoreError
from .task import Receipt

TOLD: Final = 3  # failed parts in the message of an error


@dataclass(frozen=True)
class FailedPart:
    """A part that was given up after ``attempts``: where it begins, and why. ``trace`` may be empty."""

    part: int
    uri: str
    error: str
    attempts: int
    trace: str = field(repr=False, default="")

    def __str__(self) -> str:
        times = f" (after {self.attempts} attempts)" if self.attempts > 1 else ""
        file = self.uri.partition(" from byte ")[0]
        where = "" if self.error.startswith((f"{file}: ", f"{file} changed ")) else f", {self.uri}"
        return f"part {self.part}{where}: {self.error}{times}"


@dataclass(frozen=True)
class Result:
    """What was made. Counts are of all parts of this driver that are done, in this run or before.

    ``done`` are the parts that this run did, ``skipped`` those that were done before, ``failed`` those it gave up (of
    an output that was whole before: those that it lacks). ``receipts`` has one for each part that is done, read from
    the manifest when asked for. ``files`` are the files with the documents in order, ``manifest`` is the path of the
    manifest. ``complete`` says whether the whole output is there, with its ``meta.json``; of shards that is the last
    one to end.
    """

    records: int
    items: int
    bytes_in: int
    bytes_out: int
    done: int
    skipped: int
    failed: tuple[FailedPart, ...]
    receipts: Sequence[Receipt] = field(repr=False)
    files: Sequence[str] = field(repr=False)
    manifest: str
    seconds: float
    complete: bool


class IncompleteRun(StreamcoreError, RuntimeError):
    """More parts failed than ``max_failed``; all others are done. ``result`` says which; run again to go on."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result

    def __str__(self) -> str:
        failed = self.result.failed
        more = f"; and {len(failed) - TOLD} more" if len(failed) > TOLD else ""
        parts = "1 part" if len(failed) == 1 else f"{len(failed)} parts"
        return f"{parts} failed: {'; '.join(map(str, failed[:TOLD]))}{more}"
