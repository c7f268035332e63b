"""What the command line shows of its progress, and where; time is a number that the test moves on."""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("click")

from streamcore import BPE
from streamcore.cli import progress
from streamcore.cli.pieces import cells, visible
from streamcore.cli.progress import Report, amount, duration
from streamcore.cli.tokens import TokenReport

posix_only = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals of POSIX")


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
    assert screen.getvalue() == "streamcore: big.txt: 1.00 MB, 1 line, 100 kB/s, 0 lines/s\n"


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


def test_tokens_sum_up_on_a_terminal_and_nowhere_else(shown, source, monkeypatch) -> None:
    line = "big.txt: 1000 ids, 4200 bytes, 4.20 bytes per id, 2.00 s\n"
    for terminal, wanted, data_there, rich, expected in (
        (True, None, True, True, line),
        (True, None, False, True, line),
        (True, None, False, False, line),
        (True, True, True, True, line),
        (True, False, False, True, ""),
        (False, None, False, True, ""),
        (False, None, True, True, ""),
    ):
        monkeypatch.setattr(progress, "rich_is_installed", lambda rich=rich: rich)
        screen, now = shown(terminal), Clock()
        report = TokenReport(source, "ids", wanted, data_there, now)
        report.text_bytes = 4200
        report.items = 1000
        now.now += 2
        report.close()
        assert screen.getvalue() == expected, (terminal, wanted, data_there, rich)
    screen = shown(terminal=True)
    TokenReport(source, "ids", None, False, lambda: 1.0).close()
    assert screen.getvalue() == "big.txt: 0 ids, 0 bytes, 0.00 s\n"


def seen_on_terminal(folder: Path, *arguments: str, data_too: bool = False) -> tuple[int, bytes]:
    """The exit code of a command whose standard error is a terminal, and what that showed."""
    import pty

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
    command = [sys.executable, "-m", "streamcore", *arguments]
    out = theirs if data_too else subprocess.DEVNULL
    code = subprocess.run(command, cwd=folder, stderr=theirs, stdout=out).returncode
    os.close(theirs)
    reader.join()
    os.close(ours)
    return code, bytes(seen)


@posix_only
def test_a_real_terminal_sees_the_result_and_the_file_only_data(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"a b\n" * 1000)
    code, seen = seen_on_terminal(tmp_path, "words", "in", "-o", "out")
    assert code == 0
    assert b"in: 2000 words in " in seen
    assert (tmp_path / "out").read_bytes() == b"a\nb\n" * 1000


@posix_only
def test_tokens_end_with_one_line_on_a_real_terminal(tmp_path: Path) -> None:
    text = "Größe und Maß\n".encode() * 500
    (tmp_path / "in.gz").write_bytes(gzip.compress(text))
    code, seen = seen_on_terminal(tmp_path, "tokens", "in.gz", "-o", "out.bin")
    ids = (tmp_path / "out.bin").stat().st_size // 4
    assert code == 0
    each = f"{len(text) / ids:.2f} bytes per id"
    # a bar stood before it, and was wiped away, where this took longer than it is quiet
    line = rf"(^|\x1b\[2K)in.gz: {ids} ids, {len(text)} bytes, {each}, \d+\.\d\d s\r\n\Z"
    assert re.search(line.encode(), seen)
    _, seen = seen_on_terminal(tmp_path, "tokens", "--decode", "out.bin")
    assert f"out.bin: {ids} ids, {len(text)} bytes, {each}, ".encode() in seen
    _, seen = seen_on_terminal(tmp_path, "tokens", "in.gz", "--truncate", "2", data_too=True)
    lines = seen.splitlines()
    assert [*map(int, lines[:2])] == BPE.gpt2().encode_to_list("Größe und Maß")[:2]
    assert re.fullmatch(rb"in.gz: 2 ids, 4 bytes, 2.00 bytes per id, \d+\.\d\d s", lines[2])
    assert len(lines) == 3


@posix_only
def test_tokens_without_a_file_are_coloured_over_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row by row the pieces are the text and the ids those of a pipe; NO_COLOR, a pipe, a file or a format: plain."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    code, seen = seen_on_terminal(tmp_path, "tokens", data_too=True)
    assert code == 0
    rows = [re.sub(r"\x1b\[\d+m", "", row).split() for row in seen.decode().splitlines()]
    assert rows.pop()[:3] == ["sample:", "697", "ids,"]
    ids = [number for row in rows[1::2] for number in row]
    text = "".join(piece for row in rows[::2] for piece in row).replace("\u00b7", " ").replace("\u21b5", "\n")
    assert all(len(above) == len(below) for above, below in zip(rows[::2], rows[1::2], strict=True))
    for arguments, variable in (
        ([], "NO_COLOR"),
        (["-f", "text"], "NONE"),
        (["--truncate", "697"], "NO_COLOR"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "1")
            _, plain = seen_on_terminal(tmp_path, "tokens", *arguments, data_too=True)
        assert b"\x1b" not in plain
        assert plain.decode().split()[: len(ids)] == ids
    sample = Path(progress.__file__).with_name("sample.txt").read_bytes()
    # tokens that are a part of a character
    found = re.sub(rb"\\x([0-9a-f]{2})", lambda byte: bytes.fromhex(byte[1].decode()), text.encode())
    assert found == sample


def test_pieces_on_a_terminal() -> None:
    """What moves the cursor is an escape, a part of a character its bytes; wide characters take two columns."""
    assert [visible(piece) for piece in (b" a\n\n", b"\t\x1b", b"\xe2\x82", "\u65e5\u0301".encode())] == [
        "\u00b7a\u21b5\u21b5", "\u2192\\x1b", "\\xe2\\x82", "\u65e5\u0301",
    ]  # fmt: skip
    assert [cells(text) for text in ("abc", "\u65e5\u672c", "e\u0301", "")] == [3, 4, 1, 0]
