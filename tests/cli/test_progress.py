"""What the command line shows of its progress, and where; time is a number that the test moves on."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("click")

from streamcore.cli import progress
from streamcore.cli.progress import Report, amount, duration


class Screen(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch):
    """``shown(terminal=...)`` replaces standard error and returns what does."""

    def replace(terminal: bool) -> Screen:
        screen = Screen(terminal)
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    return replace


@pytest.fixture
def source():
    return SimpleNamespace(name="big.txt", size=4_000_000, position=0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (123_456_789, "123 MB"),
        (5e9, "5.00 GB"),
        (7.25e12, "7.25 TB"),
    ],
)
def test_amounts_have_three_digits(number: float, text: str) -> None:
    assert amount(number, "B") == text


def test_amounts_of_items() -> None:
    assert [amount(number, " words") for number in (12, 1234)] == ["12 words", "1.23 k words"]


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 3599, 36_000)] == [
        "0:00:00",
        "0:01:00",
        "0:59:59",
        "10:00:00",
    ]


def test_a_line_every_ten_seconds_and_one_at_the_end(shown, source) -> None:
    screen = shown(terminal=False)
    now = Clock()
    report = Report(source, "words", None, False, now)
    for _ in range(21):
        now.now += 1
        source.position += 100_000
        report.add(20_000)
    report.close()
    assert screen.getvalue().splitlines() == [
        "streamcore: big.txt: 1.00 MB of 4.00 MB (25%), 200 k words, 100 kB/s, 20.0 k words/s, 0:00:30 left",
        "streamcore: big.txt: 2.00 MB of 4.00 MB (50%), 400 k words, 100 kB/s, 20.0 k words/s, 0:00:20 left",
        "streamcore: big.txt: 2.10 MB, 420000 words in 0:00:21, 100 kB/s, 20.0 k words/s",
    ]


def test_an_input_of_unknown_length_has_no_end_in_sight(shown, source) -> None:
    screen = shown(terminal=False)
    now = Clock()
    source.size = None
    report = Report(source, "lines", None, False, now)
    now.now += 10
    source.position = 1_000_000
    report.add(1)
    assert screen.getvalue() == "streamcore: big.txt: 1.00 MB, 1 lines, 100 kB/s, 0 lines/s\n"


def test_a_short_run_says_nothing(shown, source) -> None:
    screen = shown(terminal=False)
    report = Report(source, "words", None, False, Clock())
    report.add(5)
    report.close()
    assert screen.getvalue() == ""


def test_no_progress_says_nothing(shown, source) -> None:
    screen = shown(terminal=True)
    now = Clock()
    report = Report(source, "words", False, False, now)
    now.now += 100
    report.add(5)
    report.close()
    assert screen.getvalue() == ""


def test_a_bar_does_not_run_into_data_on_the_same_terminal(shown, source) -> None:
    shown(terminal=True)
    assert Report(source, "words", None, True, Clock()).display is None
    assert Report(source, "words", True, True, Clock()).display is not None


def test_a_terminal_gets_a_bar(shown, source, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    screen = shown(terminal=True)
    now = Clock()
    report = Report(source, "words", None, False, now)
    now.now += 2
    source.position = 1_000_000
    report.add(10_000)
    report.close()
    assert "big.txt" in screen.getvalue()
    assert "500 kB/s, 5.00 k words/s 0:00:06 left" in screen.getvalue()
    assert screen.getvalue().endswith("big.txt: 10000 words in 2.00 s, 500 kB/s, 5.00 k words/s\n")
    assert "\x1b[3" not in screen.getvalue()  # no colour


def test_without_rich_a_terminal_gets_lines(shown, source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "rich_is_installed", lambda: False)
    shown(terminal=True)
    assert isinstance(Report(source, "words", None, False, Clock()).display, progress.LineDisplay)


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals of POSIX")
def test_a_real_terminal_sees_the_result_and_the_file_only_data(tmp_path: Path) -> None:
    import pty

    (tmp_path / "in").write_bytes(b"a b\n" * 1000)
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                seen.extend(os.read(ours, 1024))
            except OSError:
                return

    reader = threading.Thread(target=read)
    reader.start()
    command = [sys.executable, "-m", "streamcore", "words", "in", "-o", "out"]
    code = subprocess.run(command, cwd=tmp_path, stderr=theirs, stdout=subprocess.DEVNULL).returncode
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert code == 0
    assert seen.startswith(b"in: 2000 words in 0.")
    assert (tmp_path / "out").read_bytes() == b"a\nb\n" * 1000
