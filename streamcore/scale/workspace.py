"""The output folder as a driver sees it: what is done, what is left, and the files beside the documents."""

from __future__ import annotations

import glob
import itertools
import os
import pickle
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from .. import __version__
from .closing import close, digest_of, document_files, read_meta, remove_meta, whole
from .manifest import Done, Log, fingerprint, head_of, manifest_name, receipt_line
from .pipelines import vocabulary_of
from .result import FailedPart
from .resuming import (
    Resume,
    crc_of,
    failed_before,
    remove,
    start_anew,
    temporary_files,
    trusted,
    where,
    write_plan,
)
from .task import Job, Receipt
from .worker import Order, keep, write_job

FAILED: Final = ("error", "attempts", "trace")


class Workspace:
    """Made when the driver has the lock on the folder."""

    def __init__(self, job: Job, shard: tuple[int, int] | None, resume: Resume, max_failed: int) -> None:
        self.job, self.plan, self.folder, self.resume = job, job.plan, job.folder, resume
        self.folders = {self.folder, job.place.local or self.folder}
        self.shard, (number, count) = shard, shard or (0, 1)
        self.mine = range(number, len(self.plan), count)
        self.size = sum(self.plan[part].size for part in self.mine)
        self.max_failed = max_failed
        self.attempt = f"{'' if shard is None else f'{number}of{count}-'}{uuid.uuid4().hex[:12]}"
        self.base, self.digest = os.getcwd(), ""
        self.attempts = itertools.count(1)
        self.head = head_of(job, vocabulary_of(job.pipeline))
        self.manifest = os.path.join(self.folder, manifest_name(shard))
        if resume is False and shard is None:
            start_anew(job, self.head)
        self.given_up: tuple[FailedPart, ...] = ()
        self.receipts: str | None = None  # their digest, while the output is whole
        self.done, self.whole = self.found()
        if resume is False:
            self.whole = False
            for part in self.mine:
                self.done.drop(part)
        self.number = self.done.manifest(self.manifest)

    def found(self) -> tuple[Done, bool]:
        """The parts that are done, and whether the output is whole: then parts may have been joined."""
        self.sizes = sizes = self.job.place.sizes()
        self.meta = meta = read_meta(self.job.place, sizes)
        if meta is not None and not whole(meta, sizes):
            meta = None
        if meta is not None and self.resume == "verify":
            same = (crc_of(self.job.place, name, size) == crc for name, size, crc in meta["files"])
            meta = meta if all(same) else None
        if meta is not None:
            done = trusted(self.job, self.head, self.resume, sizes, whole=True)
            failed = failed_before(self.folder, self.plan, self.head, done)
            if len(done) + len(failed) == len(self.plan) and len(failed) <= self.max_failed:
                digest = digest_of(done)
                if meta["receipts"] == digest:
                    self.given_up, self.receipts = tuple(failed), digest
                    return done, True
        return trusted(self.job, self.head, self.resume, sizes), False

    def kept(self) -> Iterator[Receipt]:
        """The receipts of the parts of this driver that were done before."""
        return (receipt for receipt in self.done if receipt.part in self.mine)

    def left(self) -> list[int]:
        """The parts that this driver has to do."""
        return [] if self.whole else [part for part in self.mine if not self.done.has(part)]

    @contextmanager
    def begun(self, dumps: Callable[[Any], bytes] = pickle.dumps) -> Generator[Log, None, None]:
        """From here on the folder is not whole. What is temporary goes at the end, and what others left now."""
        remove_meta(self.job.place, self.sizes, self.meta)
        for folder in self.folders:
            for path in temporary_files(folder, None if self.shard is None else self.mine):
                remove(path)
        try:
            write_plan(self.folder, self.plan, self.attempt)
            self.job_file, self.digest = write_job(self.folder, self.job, self.attempt, dumps)
            keep(self.digest, self.job)
            log = Log(self.manifest, self.head)
            try:
                if self.resume == "force":
                    # under this head, or the next run would refuse them
                    for receipt in list(self.kept()):
                        self.note(log, receipt)
                yield log
            finally:
                log.close()
        finally:
            keep(self.digest, None)
            for folder in self.folders:
                for path in glob.glob(os.path.join(glob.escape(folder), f"*.{self.attempt}*.tmp")):
                    remove(path)

    def order(self, part: int) -> Order:
        each = self.plan[part]
        inputs = tuple({piece.uri: self.plan.input(piece.uri) for piece in each.pieces}.values())
        attempt = f"{self.attempt}-{next(self.attempts)}"
        return Order(self.job_file, self.digest, __version__, each, inputs, attempt, self.base)

    def note(self, log: Log, receipt: Receipt) -> None:
        """A part is done."""
        mark = fingerprint(self.plan, self.plan[receipt.part])
        self.done.set(receipt.part, self.number, log.add(receipt_line(receipt, mark)))

    def where(self, part: int) -> str:
        """The beginning of a part, for a message."""
        return where(self.plan, part)

    def note_failed(self, log: Log, failed: FailedPart) -> None:
        """A part is given up."""
        mark = fingerprint(self.plan, self.plan[failed.part])
        log.add({"input": mark, "failed": failed.part, **{name: getattr(failed, name) for name in FAILED}})

    def end(self, failed: Iterable[FailedPart], seconds: float) -> tuple[tuple[str, ...], bool]:
        """Close the output if all is there; its files of documents, and whether it is whole."""
        failed = list(failed)
        if self.shard is not None and not self.whole:
            # what the other shards did meanwhile, which may be of another job: none was there to ask at the start
            resume = True if self.resume == "verify" else self.resume
            self.done = trusted(self.job, self.head, resume, self.job.place.sizes())
            mine = {each.part for each in failed}
            others = failed_before(self.folder, self.plan, self.head, self.done)
            failed += [each for each in others if each.part not in mine]
            failed.sort(key=lambda each: each.part)
        complete = self.whole or (
            len(failed) <= self.max_failed and len(self.done) + len(failed) == len(self.plan)
        )
        if complete:
            return close(
                self.job,
                self.done,
                seconds=seconds,
                failed=failed,
                digest=self.receipts if self.whole else None,
            ), True
        return document_files(self.done), False
