"""The figures of a run: held, written and read as JSON, compared with those of another run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["SCHEMA", "Row", "Run", "Table", "compared", "number", "read"]

SCHEMA = 1
FACTS = ("cpu", "cores", "system", "python", "kernel")


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of a side, in the unit of its table."""

    side: str
    median: float
    low: float  # first quartile
    high: float  # third quartile
    least: float
    most: float
    rounds: int

    @property
    def spread(self) -> float:
        """The range between the quartiles, of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a case. ``missing`` says why a side is not there; ``differing`` sides gave another result."""

    name: str
    summary: str
    unit: str
    floor_is: str
    more_is_better: bool
    amount: float
    rows: list[Row]
    floor: Row | None
    missing: dict[str, str] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)

    def times_better(self, row: Row, than: Row) -> float:
        """How many times as good a figure is; below 1 it is worse."""
        better, worse = (row.median, than.median) if self.more_is_better else (than.median, row.median)
        return better / worse if worse else 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """Tables, and what they depend on. ``load`` is that before the first measurement, by core."""

    facts: dict[str, str]
    quick: bool
    load: float | None
    date: str
    tables: list[Table] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> Run:
    """The run that ``to_json`` wrote; ValueError for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(found, dict) or "schema" not in found:
        raise ValueError("was not written by streamcore bench --json")
    if found.pop("schema") != SCHEMA:
        raise ValueError(f"has another schema; this version reads {SCHEMA}")
    try:
        tables = [table_of(each) for each in found.pop("tables")]
        run = Run(**found, tables=tables)
        if not isinstance(run.facts, dict):
            raise TypeError("facts")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"is not whole: {error}") from None
    return run


def table_of(found: dict[str, Any]) -> Table:
    rows = [row_of(each) for each in found.pop("rows")]
    floor = found.pop("floor")
    return Table(**found, rows=rows, floor=None if floor is None else row_of(floor))


def row_of(found: dict[str, Any]) -> Row:
    row = Row(**found)
    for name in ("median", "low", "high", "least", "most"):
        if not isinstance(getattr(row, name), (int, float)):
            raise TypeError(f"{name} of {row.side} is no number")
    return row


def number(value: float) -> str:
    """Three digits that count; no more than are there."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def compared(new: Run, old: Run) -> Iterator[str]:
    """Lines: each figure beside the one of ``old``, then what else is not the same."""
    before = {(table.name, row.side): row for table in old.tables for row in table.rows}
    for table in new.tables:
        for row in table.rows:
            was = before.get((table.name, row.side))
            label = f"{table.name}, {row.side}"
            if was is None:
                yield f"{label:40} not in the other file"
                continue
            ratio = table.times_better(row, was)
            overlap = row.low <= was.high and was.low <= row.high
            remark = "  within the spread" if overlap else ""
            figures = f"({number(was.median)} before, now {number(row.median)} {table.unit})"
            yield f"{label:40} {number(ratio):>6} x  {figures}{remark}"
    yield from differences(new, old)


def differences(new: Run, old: Run) -> Iterator[str]:
    if new.quick != old.quick:
        yield "The inputs differ in size: one of the two was made with --quick."
    names = [*FACTS, *(name for name in new.facts if name not in FACTS and name in old.facts)]
    for name in names:
        was, now = old.facts.get(name, "unknown"), new.facts.get(name, "unknown")
        if was != now:
            yield f"Another {name}: {was} before, now {now}."
