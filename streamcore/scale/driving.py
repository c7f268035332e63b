"""The loop of a driver: orders to an engine, receipts into the manifest; what is tried again, and what given up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .engines import Engine, WorkerDied
from .manifest import Log
from .progress import Report
from .result import FailedPart
from .task import Receipt
from .worker import Failure
from .workspace import Workspace


@dataclass
class Try:
    """A part on its way: how often it was begun, and how many workers died of it."""

    part: int
    attempts: int = 0
    deaths: int = 0
    ends: float | None = None  # when its time is up


class Driver:
    """Keeps ``in_flight`` orders with the engine until all parts are done or given up.

    An error that may pass is tried again ``retries`` times. A part that ``retries`` workers died of is suspect: it
    waits until nothing else runs and is tried once more, alone.
    """

    def __init__(
        self,
        engine: Engine,
        work: Workspace,
        log: Log,
        report: Report,
        *,
        in_flight: int,
        retries: int,
        timeout: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine, self.work, self.log, self.report = engine, work, log, report
        self.in_flight, self.retries, self.timeout, self.clock = in_flight, retries, timeout, clock
        self.running: dict[Any, Try] = {}
        self.again: deque[Try] = deque()
        self.suspects: deque[Try] = deque()
        self.failed: list[FailedPart] = []

    def run(self, parts: Iterable[int]) -> tuple[FailedPart, ...]:
        """Do the parts; what is given back are those that failed."""
        left = iter(parts)
        while True:
            while len(self.running) < self.in_flight:
                if self.again:
                    self.begin(self.again.popleft())
                elif (part := next(left, None)) is not None:
                    self.begin(Try(part))
                else:
                    break
            if not self.running:
                if not self.suspects:
                    return tuple(sorted(self.failed, key=lambda each: each.part))
                self.begin(self.suspects.popleft())
            self.wait()

    def begin(self, each: Try) -> None:
        each.attempts += 1
        handle = self.engine.submit(self.work.order(each.part))
        each.ends = None if self.timeout is None else self.clock() + self.timeout
        self.running[handle] = each

    def wait(self) -> None:
        """Take what is answered; the manifest goes to the disk when nothing more is there at once."""
        until = self.report.tick()
        ends = [each.ends for each in self.running.values() if each.ends is not None]
        if ends:
            until = max(min(until, min(ends) - self.clock()), 0.001)
        answered = self.engine.next_done(until)
        heard = False
        while answered is not None:
            heard = True
            self.hear(*answered)
            answered = self.engine.next_done(0) if self.running else None
        if heard:
            self.log.sync()
        if ends:
            self.end_late()

    def hear(self, handle: Any, answer: Receipt | Failure | WorkerDied) -> None:
        each = self.running.pop(handle)
        if isinstance(answer, Receipt):
            self.work.note(self.log, answer)
            self.report.add(answer)
        elif isinstance(answer, WorkerDied):
            self.died(each, str(answer))
        elif answer.again and each.attempts <= self.retries:
            self.again.append(each)
        else:
            self.give_up(each, answer.error, answer.trace)

    def died(self, each: Try, how: str) -> None:
        each.deaths += 1
        if each.deaths < self.retries:
            self.again.append(each)
        elif each.deaths == self.retries:
            self.suspects.append(each)
        else:
            self.give_up(each, f"{how}, at each of {each.attempts} attempts", "")

    def end_late(self) -> None:
        now = self.clock()
        for handle, each in list(self.running.items()):
            if each.ends is not None and each.ends <= now:
                self.engine.cancel(handle)
                del self.running[handle]
                if each.attempts <= self.retries:
                    self.again.append(each)
                else:
                    self.give_up(each, f"not done within {self.timeout} seconds", "")

    def give_up(self, each: Try, error: str, trace: str) -> None:
        failed = FailedPart(each.part, self.work.where(each.part), error, each.attempts, trace)
        self.failed.append(failed)
        self.report.failed += 1
        self.work.note_failed(self.log, failed)
