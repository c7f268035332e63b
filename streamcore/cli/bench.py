"""``streamcore bench``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from .failure import Failure, printable
from .outputs import Device, NewFile, Output

if TYPE_CHECKING:
    from ..benching.case import Case
    from ..benching.results import Run

SECONDS = 4.0  # of each case
QUICK_SECONDS = 1.0
QUICK_SCALE = 0.25
RESERVED = 256 * 1024  # bytes that an output may need, asked for before anything is measured


class Steps:
    """What is done at the moment, on standard error: one line that changes on a terminal, else a line for each case."""

    def __init__(self) -> None:
        self.terminal = sys.stderr is not None and sys.stderr.isatty()
        self.prefix = self.last = ""

    def begin(self, number: int, count: int, name: str) -> None:
        self.prefix = f"{number}/{count} "
        if not self.terminal:
            click.echo(f"streamcore: {self.prefix}{name}", err=True)

    def say(self, line: str) -> None:
        if self.terminal:
            click.echo(f"\r\x1b[K{self.prefix}{line}", nl=False, err=True)

    def clear(self) -> None:
        if self.terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.clear()


@click.command("bench")
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Smaller inputs and fewer rounds: under a minute for all.")
@click.option("--list", "as_list", is_flag=True, help="Show the names of the cases, and measure nothing.")
@click.option("--json", "json_path", metavar="PATH", help="Write the figures there.")
@click.option("--plot", "plot_path", metavar="PATH", help="Draw the figures there, as SVG.")
@click.option("--compare", "old_path", metavar="PATH", help="Compare with a file that --json wrote.")
def command(
    names: tuple[str, ...],
    quick: bool,
    as_list: bool,
    json_path: str | None,
    plot_path: str | None,
    old_path: str | None,
) -> int:
    """Measure the stages against their pure twins and what else does the work.

    NAMES are those of --list; without one all are measured. Results are compared before they are timed.
    """
    from ..benching import catalogue

    try:
        cases = catalogue.chosen(names)
    except ValueError as error:
        raise Failure(str(error)) from error
    if as_list:
        if quick or json_path or plot_path or old_path:
            raise click.UsageError(
                "--list measures nothing: --quick, --json, --plot and --compare are without it"
            )
        for case in cases:
            click.echo(f"{case.name:14}  {case.summary}; {', '.join(case.sides)}")
        return 0
    old = None if old_path is None else earlier(old_path)
    if json_path and plot_path and os.path.realpath(json_path) == os.path.realpath(plot_path):
        raise Failure(f"{plot_path}: is both --json and --plot")
    with ExitStack() as outputs:
        json_out, plot_out = (
            None if path is None else outputs.enter_context(reserved(path)) for path in (json_path, plot_path)
        )
        run = measured(cases, quick)
        show_end(run, old)
        write(json_out, plot_out, run)
    if differing := [f"{table.name}: {side}" for table in run.tables for side in table.differing]:
        raise Failure(f"results differ, {'; '.join(differing)}")
    return 0


def earlier(path: str) -> Run:
    from ..benching.results import read

    try:
        with open(path, encoding="utf-8") as file:
            return read(file.read())
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # also what is no UTF-8
        raise Failure(f"{path}: {error}") from error


def reserved(path: str) -> Output:
    """An output that has the room it will need: a full disk is found before anything is measured."""
    if path in ("", "-"):
        raise Failure(f"{path!r} names no file; standard output has the table")
    if os.path.isdir(path):
        raise Failure(f"{path}: is a directory")
    if os.path.exists(path) and not os.path.isfile(path):
        device = Device(path)
        device.write(b"\n")  # nothing to JSON or SVG, and refused where nothing can be written
        return device
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise Failure(f"{path}: cannot be written: Permission denied")
    out = NewFile(path)
    try:
        out.write(bytes(RESERVED))
        os.fsync(out.descriptor)
        os.lseek(out.descriptor, 0, os.SEEK_SET)
    except BaseException:
        out.discard()
        raise
    return out


def measured(cases: Sequence[Case], quick: bool) -> Run:
    """Measure the cases; the table of each is shown as soon as it is there."""
    from ..benching.machine import facts, load
    from ..benching.measuring import measure
    from ..benching.report import table_lines
    from ..benching.results import Run

    run = Run(facts(), quick, load(), time.strftime("%Y-%m-%d"))
    with Steps() as steps:
        for number, case in enumerate(cases, 1):
            steps.begin(number, len(cases), case.name)
            scale, seconds = (QUICK_SCALE, QUICK_SECONDS) if quick else (1.0, SECONDS)
            run.tables.append(measure(case, scale, seconds, say=steps.say))
            steps.clear()
            for line in table_lines(run.tables[-1]):
                click.echo(printable(line))
            click.echo()
    return run


def show_end(run: Run, old: Run | None) -> None:
    """Footer, comparison and warnings."""
    from ..benching.report import footer, warnings
    from ..benching.results import compared

    for line in footer(run):
        click.echo(printable(line))
    if old is not None:
        click.echo()
        click.echo(printable(f"Against {old.date}; above 1 it is better now:"))
        for line in compared(run, old):
            click.echo(printable(line))
    sys.stdout.flush()
    for line in warnings(run):
        click.echo(f"streamcore: {line}", err=True)


def write(json_out: Output | None, plot_out: Output | None, run: Run) -> None:
    from ..benching.plot import svg

    for out, text in ((json_out, run.to_json), (plot_out, lambda: svg(run))):
        if out is not None:
            out.write(text().encode())
            if isinstance(out, NewFile):
                os.ftruncate(out.descriptor, os.lseek(out.descriptor, 0, os.SEEK_CUR))
