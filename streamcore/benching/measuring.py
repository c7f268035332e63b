"""Times the sides of a case in turn, so that a change of the machine's load meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from .case import UNITS, Case, Side, Work
from .results import Row, Table

__all__ = ["LEAST", "MOST", "measure", "row"]

LEAST = 3  # rounds, however long they take
MOST = 25
SHORTEST = 0.005  # seconds that a timing lasts: a shorter run is repeated

Clock = Callable[[], float]


def figure(unit: str, amount: float, seconds: float) -> float:
    """What ``seconds`` for ``amount`` bytes or items are in a unit of ``UNITS``."""
    seconds = max(seconds, 1e-12)
    return {"MB/s": amount / seconds / 1e6, "ns an item": seconds / amount * 1e9, "ms": seconds * 1e3}[unit]


def row(side: str, figures: list[float]) -> Row:
    """Median, quartiles and range of the figures."""
    low, _, high = quantiles(figures, n=4, method="inclusive") if len(figures) > 1 else figures * 3
    return Row(side, median(figures), low, high, min(figures), max(figures), len(figures))


def unequal(work: Work) -> list[str]:
    """The sides whose result is not that of the first one; a peer that fails becomes a missing one."""
    results: dict[str, Any] = {}
    for name, side in list(work.sides.items()):
        try:
            if side.prepare is not None:
                side.prepare(0)
            results[name] = side.result()
        except Exception as error:  # noqa: BLE001
            work.fail(name, error)
    expected = next(iter(results.values()), None)
    return [name for name, result in results.items() if result != expected]


def measure(
    case: Case,
    scale: float,
    seconds: float,
    *,
    say: Callable[[str], object] = lambda _line: None,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
) -> Table:
    """The figures of a case: rounds until ``seconds`` are over, at least ``LEAST`` and at most ``MOST``.

    Results are compared before; a side with another one is not timed. One round before the others is not counted. Each
    round begins with another side.
    """
    say(f"{case.name}: makes its input")
    work = case.build(scale)
    say(f"{case.name}: compares the results")
    differing = unequal(work)
    sides = {name: side for name, side in work.sides.items() if name not in differing}
    if work.floor is not None:
        sides["floor"] = work.floor
    timer = cpu_clock if case.cpu else clock
    began = clock()
    repeats = {name: repeats_of(side, timer) for name, side in sides.items()}
    figures: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    most = LEAST if all(side.direct for side in sides.values()) else MOST
    for done in range(most):
        if done >= LEAST and clock() - began >= seconds:
            break
        say(f"{case.name}: round {done + 1}")
        turn = done % len(names)
        for name in names[turn:] + names[:turn]:
            value = sample(sides[name], repeats[name], done + 2, timer)
            figures[name].append(value if sides[name].direct else figure(case.unit, work.amount, value))
    rows = [row(name, found) for name, found in figures.items()]
    return Table(
        case.name,
        case.summary,
        case.unit,
        case.floor,
        UNITS[case.unit],
        work.amount,
        [each for each in rows if each.side != "floor"],
        next((each for each in rows if each.side == "floor"), None),
        dict(work.missing),
        differing,
    )


def repeats_of(side: Side, clock: Clock) -> int:
    """How often a side runs in one timing; the first run, which warms it up, does not tell unless it is long."""
    taken = sample(side, 1, 1, clock)
    if side.direct or side.prepare is not None or taken >= SHORTEST:
        return 1
    taken = sample(side, 1, 1, clock)
    return max(1, min(1000, round(SHORTEST / max(taken, 1e-9))))


def sample(side: Side, repeats: int, number: int, clock: Clock) -> float:
    """Seconds of a run, or the figure of a direct side."""
    if side.prepare is not None:
        side.prepare(number)
    if side.direct:
        return float(side.run())
    run = side.run
    begin = clock()
    for _ in range(repeats):
        run()
    return (clock() - begin) / repeats
