"""``streamcore bench`` on a case that takes no time, in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("click")

from streamcore.benching import catalogue, machine
from streamcore.benching.case import Case, Side, Work
from streamcore.cli import bench, commands


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Side]:
    """The sides of the only case, ``made``; a test changes them."""
    sides = [Side(lambda: 2.0, lambda: 1, direct=True), Side(lambda: 4.0, lambda: 1, direct=True)]

    def build(_scale: float) -> Work:
        return Work(1, {"native": sides[0], "pure": sides[1]})

    made = Case("made", "in no time", "MB", ("native", "pure"), "nothing", build)
    monkeypatch.setattr(catalogue, "CASES", {"made": made})
    monkeypatch.setattr(commands.signal, "signal", lambda *_: None)
    monkeypatch.setattr(machine, "load", lambda: 0.01)
    monkeypatch.chdir(tmp_path)
    return sides


def run(*arguments: str) -> int:
    return commands.run(["bench", *arguments])


def test_a_table_for_each_case_and_progress_on_standard_error(works, capsys) -> None:
    assert run("made", "--quick") == 0
    output, errors = capsys.readouterr()
    assert output.startswith("made: in no time; MB, 3 rounds\n")
    assert ["native", "2.00", "2.00", "..", "2.00", "1.00", "x"] in [
        line.split() for line in output.splitlines()
    ]
    assert ["pure", "4.00", "4.00", "..", "4.00", "2.00", "x"] in [
        line.split() for line in output.splitlines()
    ]
    assert errors == "streamcore: 1/1 made\n"


def test_list_measures_nothing(works, capsys) -> None:
    works[0] = works[1] = None
    assert run("--list") == 0
    assert capsys.readouterr() == ("made            in no time; native, pure\n", "")


def test_names_that_do_not_exist(works, capsys) -> None:
    assert run("nope", "made") == 2
    assert capsys.readouterr().err == "streamcore: no case is named nope; there are made\n"


def test_figures_are_written_drawn_and_compared(works, capsys) -> None:
    assert run("--json", "old.json", "--plot", "out.svg") == 0
    assert json.loads(Path("old.json").read_text())["tables"][0]["rows"][0]["median"] == 2.0
    assert Path("out.svg").read_text().endswith("</svg>\n")
    assert sorted(os.listdir()) == ["old.json", "out.svg"]
    works[0] = Side(lambda: 1.0, lambda: 1, direct=True)
    capsys.readouterr()
    assert run("--compare", "old.json", "--json", "old.json") == 0
    assert "2.00 x  (2.00 before, now 1.00 MB)" in capsys.readouterr().out
    assert json.loads(Path("old.json").read_text())["tables"][0]["rows"][0]["median"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "no/out.json"], "no/out.json: cannot be written: No such file or directory"),
        (["--json", ""], "'' names no file"),
        (["--plot", "-"], "'-' names no file; standard output has the table"),
        (["--plot", "."], ".: is a directory"),
        (["--json", "a", "--plot", "./a"], "./a: is both --json and --plot"),
        (["--compare", "missing"], "missing: cannot be read: No such file or directory"),
        (["--compare", "other"], "other: was not written by streamcore bench --json"),
        (["--compare", "binary"], "binary: 'utf-8' codec can't decode"),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_measured(works, capsys, arguments, message: str) -> None:
    Path("other").write_text("{}")
    Path("binary").write_bytes(b"\xff")
    works[0] = None
    assert run(*arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"streamcore: {message}")
    assert len(errors.splitlines()) == 1
    assert sorted(os.listdir()) == ["binary", "other"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_found_before_anything_is_measured(works, capsys) -> None:
    works[0] = None
    assert run("--json", "/dev/full") == 2
    assert capsys.readouterr() == ("", "streamcore: /dev/full: cannot be written: No space left on device\n")


def test_ctrl_c_is_one_line_and_leaves_no_file(works, capsys) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    works[1] = Side(interrupted, lambda: 1)
    Path("old.svg").write_text("old")
    assert run("--json", "out.json", "--plot", "old.svg") == 130
    assert capsys.readouterr() == ("", "streamcore: 1/1 made\nstreamcore: interrupted\n")
    assert os.listdir() == ["old.svg"]
    assert Path("old.svg").read_text() == "old"


def test_a_closed_pipe_is_quiet(works, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **options: object) -> None:
        if not options.get("err"):
            raise BrokenPipeError

    monkeypatch.setattr(bench.click, "echo", closed)
    monkeypatch.setattr(commands, "silence_standard_output", lambda: None)
    assert run("--json", "out.json") == 0
    assert capsys.readouterr().err == ""
    assert os.listdir() == []


def test_another_result_is_an_error_at_the_end(works, capsys) -> None:
    works[1] = Side(lambda: 4.0, lambda: 2, direct=True)
    assert run("--json", "out.json") == 2
    output, errors = capsys.readouterr()
    assert "pure: another result than native; not timed" in output
    assert errors.endswith("streamcore: results differ, made: pure\n")
    assert json.loads(Path("out.json").read_text())["tables"][0]["differing"] == ["pure"]


def test_a_busy_machine_is_told(works, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "load", lambda: 0.9)
    assert run() == 0
    assert "The machine was not quiet: 90% of its cores" in capsys.readouterr().err
