"""How far a command has come, on standard error: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from .failure import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from .inputs import Input

# Seconds. A run shorter than QUIET shows nothing and does not import rich, which takes 60 ms.
QUIET = 0.3
BAR_INTERVAL = 0.1
LINE_INTERVAL = 10.0


def amount(number: float, unit: str) -> str:
    """Three digits and a decimal prefix: 12.3 kB, 1.23 M words."""
    for prefix in ("", "k", "M", "G"):
        if unit.startswith(" ") and not prefix and f"{number:.0f}" == "1":
            return f"1{unit.removesuffix('s')}"
        if number < 999.5:
            digits = f"{number:.{3 - len(str(int(number)))}f}" if prefix else f"{number:.0f}"
            return f"{digits} {prefix}{unit}" if prefix or unit == "B" else f"{digits}{unit}"
        number /= 1000
    return f"{number:.2f} T{unit}"


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


class Display(Protocol):
    """What a report is shown on."""

    interval: float

    def show(self, report: Report) -> None: ...
    def close(self, report: Report) -> None: ...


class Report:
    """Counts bytes read and items written, and shows them when it is time."""

    sums_up = False  # whether a terminal gets a line at the end even where it showed no progress

    def __init__(
        self,
        source: Input,
        unit: str,
        wanted: bool | None,
        data_on_terminal: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self.unit = unit
        self.items = 0
        self.clock = clock
        self.started = clock()
        self.display = choose_display(wanted, data_on_terminal, self.sums_up)
        self.due = self.started + (self.display.interval if self.display else float("inf"))

    def add(self, items: int) -> None:
        self.items += items
        if self.due <= (now := self.clock()) and self.display is not None:
            self.due = now + self.display.interval
            self.display.show(self)

    def close(self) -> None:
        if self.display is not None:
            self.display.close(self)

    def summary(self) -> str:
        return (
            f"{self.source.name}: {counted(self.items, self.unit)} in {self.seconds():.2f} s, {self.rates()}"
        )

    def seconds(self) -> float:
        return max(self.clock() - self.started, 1e-9)

    def rates(self) -> str:
        seconds = self.seconds()
        return f"{amount(self.source.position / seconds, 'B')}/s, {amount(self.items / seconds, f' {self.unit}')}/s"

    def left(self) -> float | None:
        """Seconds to go, if the length of the input is known."""
        if not self.source.size or not self.source.position:
            return None
        return self.seconds() * max(self.source.size / self.source.position - 1, 0)


class LastLine:
    """Nothing until the end, for a terminal that the data went to."""

    interval = float("inf")

    def show(self, report: Report) -> None:
        """It would run into the data."""

    def close(self, report: Report) -> None:
        print(report.summary(), file=sys.stderr, flush=True)


class LineDisplay:
    """One line of text each time; and a last one, if there was one before."""

    interval = LINE_INTERVAL

    def __init__(self) -> None:
        self.shown = False

    def show(self, report: Report) -> None:
        source = report.source
        done = amount(source.position, "B")
        if source.size:
            done += f" of {amount(source.size, 'B')} ({source.position / source.size:.0%})"
        left = report.left()
        rest = "" if left is None else f", {duration(left)} left"
        self.say(f"{source.name}: {done}, {amount(report.items, f' {report.unit}')}, {report.rates()}{rest}")

    def close(self, report: Report) -> None:
        if self.shown:
            done = f"{amount(report.source.position, 'B')}, {counted(report.items, report.unit)}"
            self.say(f"{report.source.name}: {done} in {duration(report.seconds())}, {report.rates()}")

    def say(self, line: str) -> None:
        self.shown = True
        print(f"streamcore: {line}", file=sys.stderr, flush=True)


class LinesAndLast(LineDisplay):
    """Lines of text, and a last one however few there were."""

    def close(self, report: Report) -> None:
        print(report.summary(), file=sys.stderr, flush=True)


class BarDisplay:
    """A bar by rich, drawn only from ``show``: no thread of its own."""

    interval = BAR_INTERVAL

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.task: TaskID | None = None

    def show(self, report: Report) -> None:
        if report.seconds() < QUIET:
            return
        if self.progress is None or self.task is None:
            self.progress = build_bar()
            self.task = self.progress.add_task(
                report.source.name, total=report.source.size, rates="", left=""
            )
            self.progress.start()
        left = report.left()
        self.progress.update(
            self.task,
            completed=report.source.position,
            rates=report.rates(),
            left="" if left is None else f"{duration(left)} left",
            refresh=True,
        )

    def close(self, report: Report) -> None:
        if self.progress is not None:
            self.progress.stop()
        print(report.summary(), file=sys.stderr)


def build_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rates]}"),
        TextColumn("{task.fields[left]}"),
    )
    return Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)


def choose_display(wanted: bool | None, data_on_terminal: bool, sums_up: bool) -> Display | None:
    """``--progress`` and ``--no-progress`` decide; without them, a bar that would run into data is left out."""
    if wanted is False or sys.stderr is None:
        return None
    if not sys.stderr.isatty():
        return LineDisplay()
    if wanted is None and data_on_terminal:
        return LastLine() if sums_up else None
    if rich_is_installed():
        return BarDisplay()
    return LinesAndLast() if sums_up else LineDisplay()


def rich_is_installed() -> bool:
    """Asked without importing it: most runs end before a bar is drawn."""
    return find_spec("rich") is not None
