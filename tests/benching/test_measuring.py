"""Rounds and statistics, on a clock that runs only when a side works."""

from __future__ import annotations

import pytest

from streamcore.benching.case import Case, Side, Work
from streamcore.benching.measuring import LEAST, MOST, measure, row


class Clock:
    """``works(seconds)`` are the runs of a side, each of which takes the next of these times, then the last."""

    def __init__(self) -> None:
        self.time = 0.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.time

    def works(self, name: str, *seconds: float):
        left = list(seconds)

        def run() -> None:
            self.order.append(name)
            self.time += left.pop(0) if len(left) > 1 else left[0]

        return run


def case_of(work: Work, unit: str = "MB/s", cpu: bool = False) -> Case:
    return Case("made", "a case", unit, tuple(work.sides), "the floor", lambda scale: work, cpu)


def test_median_and_quartiles() -> None:
    found = row("side", [4.0, 1.0, 3.0, 2.0, 5.0])
    assert (found.median, found.low, found.high, found.least, found.most, found.rounds) == (3, 2, 4, 1, 5, 5)
    assert found.spread == pytest.approx(2 / 3)
    assert row("side", [7.0]).spread == 0


def test_rates_of_the_rounds_and_not_of_the_first_run() -> None:
    clock = Clock()
    work = Work(2_000_000)
    work.sides["native"] = Side(clock.works("n", 100.0, 1.0, 2.0, 4.0), lambda: 1)
    work.sides["pure"] = Side(clock.works("p", 100.0, 4.0), lambda: 1)
    table = measure(case_of(work), 1, 0, clock=clock)
    native, pure = table.rows
    assert (native.rounds, native.median, native.least, native.most) == (LEAST, 1.0, 0.5, 2.0)
    assert (pure.median, pure.spread) == (0.5, 0)
    assert table.times_better(native, pure) == 2
    assert table.floor is None


def test_each_round_begins_with_another_side() -> None:
    clock = Clock()
    work = Work(1)
    for name in "abc":
        work.sides[name] = Side(clock.works(name, 1.0), lambda: 1)
    measure(case_of(work), 1, 0, clock=clock)
    assert "".join(clock.order) == "abc" + "abc" + "bca" + "cab"


def test_rounds_end_with_the_time_or_with_their_number() -> None:
    for seconds, rounds in ((0, LEAST), (12, 10), (1e9, MOST)):
        clock = Clock()
        work = Work(
            1, {"native": Side(clock.works("n", 1.0), lambda: 1)}, floor=Side(lambda: None, lambda: 1)
        )
        table = measure(case_of(work, "ms"), 1, seconds, clock=clock)
        assert table.rows[0].rounds == min(rounds, MOST) or seconds == 12
        assert LEAST <= table.rows[0].rounds <= MOST
        assert table.rows[0].median == 1000
        assert table.floor is not None
        assert table.floor.rounds == table.rows[0].rounds


def test_a_short_run_is_repeated_and_one_with_a_preparation_is_not() -> None:
    clock = Clock()
    prepared: list[int] = []
    work = Work(10)
    work.sides["short"] = Side(clock.works("s", 0.001), lambda: 1)
    work.sides["prepared"] = Side(clock.works("p", 0.001), lambda: 1, prepared.append)
    table = measure(case_of(work, "ns an item"), 1, 0, clock=clock)
    assert clock.order.count("s") == 2 + 5 * LEAST
    assert clock.order.count("p") == 1 + LEAST
    assert prepared == list(range(LEAST + 2))
    assert [each.median for each in table.rows] == pytest.approx([100_000, 100_000])


def test_a_case_may_count_the_time_of_the_processor() -> None:
    clock, processor = Clock(), Clock()
    work = Work(1, {"native": Side(processor.works("n", 2.0), lambda: 1)})
    assert (
        measure(case_of(work, "ms", cpu=True), 1, 0, clock=clock, cpu_clock=processor).rows[0].median == 2000
    )


def test_a_side_may_give_its_figure() -> None:
    figures = iter([9.0, 5.0, 7.0, 6.0])
    work = Work(1, {"native": Side(lambda: next(figures), lambda: 1, direct=True)})
    assert measure(case_of(work, "MB"), 1, 1e9).rows[0].median == 6


def test_another_result_is_told_and_not_timed() -> None:
    clock = Clock()
    work = Work(1)
    work.sides["native"] = Side(clock.works("n", 1.0), lambda: [1])
    work.sides["peer"] = Side(clock.works("p", 1.0), lambda: [2])
    said: list[str] = []
    table = measure(case_of(work), 1, 0, say=said.append, clock=clock)
    assert table.differing == ["peer"]
    assert [each.side for each in table.rows] == ["native"]
    assert "p" not in clock.order
    assert said[-1] == f"made: round {LEAST}"
