"""How far a run has come, on standard error: a bar on a terminal, else a line each ten seconds; then the totals."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..cli.failure import counted, printable
from ..cli.progress import LINE_INTERVAL, QUIET, amount, duration, rich_is_installed
from .task import Receipt

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

BAR_INTERVAL: Final = 0.2


class Report:
    """Counts what receipts say, and shows it when it is time."""

    def __init__(
        self, size: int, parts: int, wanted: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size, self.parts, self.clock = size, parts, clock
        self.bytes_in = self.bytes_out = self.records = self.items = self.done = self.failed = 0
        self.old_bytes = self.skipped = 0
        self.reading = self.writing = self.working = 0.0
        self.slowest: tuple[float, int] | None = None
        self.started = clock()
        wanted = wanted and sys.stderr is not None and not getattr(sys.stderr, "closed", False)
        terminal = wanted and sys.stderr.isatty()
        self.show: Callable[[], None] = nothing
        self.interval = LINE_INTERVAL
        if terminal and rich_is_installed():
            self.show, self.interval = Bar(self).show, BAR_INTERVAL
        elif wanted:
            self.show = self.line
        self.wanted = wanted
        self.due = self.started + self.interval

    def skip(self, receipt: Receipt) -> None:
        """A part that was done before."""
        self.skipped += 1
        self.old_bytes += receipt.bytes_in
        self.count(receipt)

    def add(self, receipt: Receipt) -> None:
        self.done += 1
        self.reading += receipt.read_seconds
        self.writing += receipt.write_seconds
        self.working += receipt.seconds
        if self.slowest is None or receipt.seconds > self.slowest[0]:
            self.slowest = (receipt.seconds, receipt.part)
        self.count(receipt)

    def count(self, receipt: Receipt) -> None:
        self.records += receipt.records
        self.items += receipt.items
        self.bytes_in += receipt.bytes_in
        self.bytes_out += receipt.bytes_out

    def tick(self) -> float:
        """Show what is due; seconds until the next time."""
        now = self.clock()
        if now >= self.due:
            self.due = now + self.interval
            with suppress(OSError, ValueError):  # a terminal that is gone ends no run
                self.show()
        return max(self.due - now, 0.01)

    def seconds(self) -> float:
        return max(self.clock() - self.started, 1e-9)

    def rates(self) -> str:
        rate = (self.bytes_in - self.old_bytes) / self.seconds()
        return f"{amount(rate, 'B')}/s, {amount(self.items, ' items')}"

    def left(self) -> str:
        """Time to go, by bytes."""
        rate = (self.bytes_in - self.old_bytes) / self.seconds()
        return f"{duration((self.size - self.bytes_in) / rate)} left" if rate else ""

    def state(self) -> str:
        done = f"{self.done + self.skipped} of {counted(self.parts, 'parts')}"
        return f"{done}, {self.failed} failed" if self.failed else done

    def line(self) -> None:
        amounts = f"{amount(self.bytes_in, 'B')} of {amount(self.size, 'B')}"
        rest = self.left()
        slow = f", slowest part {self.slowest[1]}: {self.slowest[0]:.1f} s" if self.slowest else ""
        say(f"{amounts}, {self.rates()}, {self.state()}{slow}{', ' + rest if rest else ''}")

    def limit(self) -> str:
        """What took most of the workers' time."""
        shares = {
            "reading": self.reading,
            "writing": self.writing,
            "the pipeline": self.working - self.reading - self.writing,
        }
        most = max(shares, key=lambda name: shares[name])
        return f"{shares[most] / self.working:.0%} of the work was {most}" if self.working else ""

    def close(self, folder: str) -> None:
        """The totals, in one line."""
        if isinstance(bar := getattr(self.show, "__self__", None), Bar):
            with suppress(OSError, ValueError):
                bar.stop()
        if not self.wanted:
            return
        if not self.done and not self.failed:
            were = f"all {self.parts} parts were" if self.parts != 1 else "the only part was"
            if self.skipped != self.parts:
                were = f"{self.skipped} of {counted(self.parts, 'parts')} were"
            say(f"{folder}: {were} done before, {amount(self.items, ' items')}")
            return
        failed = f", {counted(self.failed, 'parts')} failed" if self.failed else ""
        before = f" ({self.skipped} done before)" if self.skipped else ""
        limit = self.limit()
        say(
            f"{folder}: {self.done + self.skipped} of {counted(self.parts, 'parts')}{before}{failed},"
            f" {amount(self.records, ' records')}, {amount(self.items, ' items')},"
            f" {amount(self.bytes_in, 'B')} in, {amount(self.bytes_out, 'B')} out,"
            f" {self.seconds():.1f} s, {amount((self.bytes_in - self.old_bytes) / self.seconds(), 'B')}/s"
            f"{'; ' + limit if limit else ''}"
        )


def nothing() -> None:
    """No one wants to see it."""


def say(line: str) -> None:
    with suppress(OSError, ValueError):  # who read it may be gone; the run is not for that
        print(f"streamcore: {printable(line)}", file=sys.stderr, flush=True)


class Bar:
    """A bar by rich, drawn only from ``show``: no thread of its own."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.progress: Progress | None = None
        self.task: TaskID | None = None

    def show(self) -> None:
        report = self.report
        if report.seconds() < QUIET:
            return
        if self.progress is None or self.task is None:
            from ..cli.progress import build_bar

            self.progress = build_bar()
            self.task = self.progress.add_task("", total=report.size, rates="", left="")
            self.progress.start()
        self.progress.update(
            self.task,
            completed=report.bytes_in,
            description=report.state(),
            rates=report.rates(),
            left=report.left(),
            refresh=True,
        )

    def stop(self) -> None:
        if self.progress is not None:
            self.progress.stop()
