"""What a run shows: lines now and then, a bar on a terminal, the totals."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from streamcore.scale import Receipt
from streamcore.scale.outputs.files import Written
from streamcore.scale.progress import Report


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def receipt(part: int, seconds: float = 2.0, reading: float = 0.5, writing: float = 0.25) -> Receipt:
    files = (Written(f"part-{part:06}.bin", 3_000_000, 0),)
    return Receipt(part, 1000, 2_000_000, 10_000_000, files, seconds, reading, writing, "host", 1, None)


def test_a_line_each_ten_seconds_and_the_totals(capfd: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    report = Report(40_000_000, 4, True, clock)
    report.skip(receipt(0))
    assert report.tick() == 10
    clock.now += 4
    report.add(receipt(1, seconds=3.5))
    assert report.tick() == 6
    assert capfd.readouterr().err == ""
    clock.now += 6
    report.failed += 1
    report.tick()
    assert capfd.readouterr().err == (
        "streamcore: 20.0 MB of 40.0 MB, 1.00 MB/s, 4.00 M items, 2 of 4 parts, 1 failed,"
        " slowest part 1: 3.5 s, 0:00:20 left\n"
    )
    report.add(receipt(2))
    report.close("out")
    assert capfd.readouterr().err == (
        "streamcore: out: 3 of 4 parts (1 done before), 1 part failed, 3.00 k records, 6.00 M items,"
        " 30.0 MB in, 9.00 MB out, 10.0 s, 2.00 MB/s; 73% of the work was the pipeline\n"
    )


@pytest.mark.parametrize(
    ("reading", "writing", "told"), [(1.5, 0.1, "reading"), (0.1, 1.5, "writing"), (0.1, 0.1, "the pipeline")]
)
def test_the_limit(reading: float, writing: float, told: str) -> None:
    report = Report(1, 1, False)
    report.add(receipt(0, 2.0, reading, writing))
    assert report.limit().endswith(f"of the work was {told}")


def test_nothing_is_shown_to_those_who_want_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    report = Report(40_000_000, 4, False, clock)
    report.add(receipt(0))
    clock.now += 100
    report.tick()
    report.close("out")
    assert capfd.readouterr() == ("", "")


def test_a_bar_on_a_terminal_fits_into_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    terminal: Any = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    clock = Clock()
    report = Report(40_000_000, 4, True, clock)
    report.add(receipt(0))
    clock.now += 1
    report.tick()
    shown = terminal.getvalue()
    assert "1 of 4 parts" in shown
    assert "10.0/40.0 MB" in shown
    assert "0:00:03 left" in shown
    assert "\n" not in shown.strip()
    report.close("out")
    assert terminal.getvalue().count("1 of 4 parts, ") == 1
