"""A run as text."""

from __future__ import annotations

from collections.abc import Iterator

from .machine import BUSY
from .results import Row, Run, Table, number

__all__ = ["footer", "table_lines", "warnings"]

WIDE = 0.3  # spread of a row above which its figures are doubtful
HEAD = f"{'':28} {'median':>9}  {'half of all rounds':>21}  {'native is':>10}  {'floor is':>9}"


def table_lines(table: Table) -> Iterator[str]:
    """A head, a line for each side, and those that are missing.

    ``native is``: how many times as good the native core is. ``floor is``: how many times as good the floor is.
    """
    rounds = max((row.rounds for row in table.rows), default=0)
    yield f"{table.name}: {table.summary}; {table.unit}, {rounds} rounds"
    if table.rows:
        yield HEAD
    native = next((row for row in table.rows if row.side == "native"), None)
    for row in table.rows:
        yield line(row, times(table, native, row), times(table, table.floor, row))
    if table.floor is not None:
        yield line(table.floor, "", "") + f"  {table.floor_is}"
    for side in table.differing:
        yield f"  {side}: another result than {table.rows[0].side if table.rows else 'the others'}; not timed"
    for side, why in table.missing.items():
        yield f"  {side}: not there; {why}"


def line(row: Row, native: str, floor: str) -> str:
    spread = f"{number(row.low)} .. {number(row.high)}"
    return f"  {row.side:26} {number(row.median):>9}  {spread:>21}  {native:>10}  {floor:>9}".rstrip()


def times(table: Table, better: Row | None, than: Row) -> str:
    return "" if better is None else f"{number(table.times_better(better, than))} x"


def warnings(run: Run) -> Iterator[str]:
    """What makes the figures doubtful."""
    if run.load is not None and run.load > BUSY:
        yield (
            f"The machine was not quiet: {run.load:.0%} of its cores were in use before the first measurement."
            " Close other programs and measure again."
        )
    wide = [f"{table.name}, {row.side}" for table in run.tables for row in table.rows if row.spread > WIDE]
    if wide:
        shown = "; ".join(wide[:5]) + (f"; and {len(wide) - 5} more" if len(wide) > 5 else "")
        yield f"Half of the rounds lie further apart than {WIDE:.0%} of the median: {shown}."


def footer(run: Run) -> Iterator[str]:
    """Processor, versions and load, in a line or two."""
    facts = dict(run.facts)
    cpu, cores, system = (facts.pop(name, "unknown") for name in ("cpu", "cores", "system"))
    python = facts.pop("python", "unknown")
    kernel = facts.pop("kernel", "none")
    load = "unknown" if run.load is None else f"{run.load:.0%}"
    yield f"{cpu}, {cores} cores, {system}, {python}, kernel {kernel}, load {load}, {run.date}"
    yield ", ".join(f"{name} {version}" for name, version in facts.items())
