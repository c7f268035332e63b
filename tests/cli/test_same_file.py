"""The input is refused as output, under whatever name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("click")

from streamcore.cli.commands import COMMANDS, run

DATA = b"data: a\n\ndata: b\n\n"
VERBS = [name for name in COMMANDS if name not in ("bench", "doctor", "plan")]


def test_the_input_under_every_name(tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(DATA)
    Path("folder").mkdir()
    names = ["file", "./file", "folder/../file", str(tmp_path / "file")]
    if os.name == "posix":
        os.link("file", "hard")
        os.symlink("file", "soft")
        os.symlink("../soft", "folder/soft")
        os.symlink("folder", "other")
        names += ["hard", "soft", "folder/soft", "other/soft"]
    before = sorted(os.listdir())
    for verb in VERBS:
        for output in names:
            assert run([verb, "file", "-o", output]) == 2
            told = capfd.readouterr()
            message = f"{output}: is the input, file, and would be overwritten; write to another file\n"
            assert (told.out, told.err) == ("", f"streamcore: {message}")
    assert run(["lines", names[-1], "-o", "file"]) == 2
    assert Path("file").read_bytes() == DATA
    assert sorted(os.listdir()) == before


def test_the_input_as_standard_output(tmp_path: Path) -> None:
    """A file that is read and appended to would have no end."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    for arguments in (["lines", "file"], ["lines", "-"], ["lines", "-", "-o", "file"]):
        with path.open("rb") as source, path.open("ab") as out:
            command = [sys.executable, "-m", "streamcore", *arguments]
            ended = subprocess.run(command, stdin=source, stdout=out, stderr=subprocess.PIPE, cwd=tmp_path)
        assert ended.returncode == 2
        assert b" is the input, " in ended.stderr
        assert path.read_bytes() == DATA


def test_what_may_be_both(tmp_path: Path, monkeypatch, capfdbinary) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(DATA)
    Path("copy").write_bytes(DATA)
    assert run(["lines", "file", "-o", "copy"]) == 0
    assert run(["lines", os.devnull, "-o", os.devnull]) == 0
    assert run(["words", "-o", "copy"]) == 0  # the sample is no file
    assert capfdbinary.readouterr() == (b"", b"")
