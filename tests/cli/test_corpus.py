"""Verbs over many files, into a directory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("click")

from streamcore import BPE
from streamcore.cli.commands import run
from streamcore.cli.corpus import NAMES, OPTIONS
from streamcore.scale.lock import driver_lock


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    for number in range(3):
        lines = "".join(f"line {n} of file {number}\r\n" for n in range(20))
        (tmp_path / f"f{number}.txt").write_text(lines, encoding="utf-8", newline="")
        record = json.dumps({"text": f"record of {number}", "body": f"body {number}"})
        (tmp_path / f"r{number}.jsonl").write_text(record + "\n", encoding="utf-8")
    return tmp_path


def documents(out: Path) -> list[Any]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(out.glob("part-*.jsonl"))]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def items(out: Path) -> list[Any]:
    return [each["items"] for each in documents(out)]


def test_words_lines_and_jsonl(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = texts / "words"
    assert (
        run(["words", str(texts / "f*.txt"), "-o", str(out), "-f", "jsonl", "-j", "1", "--target", "200"])
        == 0
    )
    assert items(out) == [["line", str(n), "of", "file", str(f)] for f in range(3) for n in range(20)]
    assert len(list(out.glob("part-*"))) > 3
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "60 records, 300 items" in said
    assert (
        run(["words", str(texts / "f*.txt"), "-o", str(out), "-f", "jsonl", "-j", "1", "--target", "200"])
        == 0
    )
    assert "parts were done before" in capfd.readouterr().err
    out = texts / "lines"
    files = [str(texts / f"f{n}.txt") for n in range(2)]
    assert run(["lines", *files, "-o", str(out), "-f", "jsonl", "--no-progress", "--split", "files"]) == 0
    assert items(out) == [[f"line {n} of file {f}" for n in range(20)] for f in range(2)]
    assert capfd.readouterr().err == ""
    out = texts / "texts"
    assert run(["jsonl", str(texts / "r*.jsonl"), "-o", f"{out}/", "-f", "jsonl"]) == 0
    assert items(out) == [[f"record of {n}"] for n in range(3)]
    out = texts / "bodies"
    assert run(["jsonl", str(texts / "r*.jsonl"), "-o", f"{out}/", "-f", "jsonl", "--field", "body"]) == 0
    assert items(out) == [[f"body {n}"] for n in range(3)]


def test_files_of_parts_are_joined(texts: Path) -> None:
    out = texts / "joined"
    many = ["words", str(texts / "f*.txt"), "-o", str(out), "-f", "jsonl", "-j", "1", "--target", "200"]
    assert run([*many, "--join", "1KiB", "--no-progress"]) == 0
    names = sorted(path.name for path in out.glob("*-0*"))
    assert names == [f"joined-{n:06}.jsonl" for n in range(len(names))]
    lines = [line for name in names for line in (out / name).read_text(encoding="utf-8").splitlines()]
    wanted = [["line", str(n), "of", "file", str(f)] for f in range(3) for n in range(20)]
    assert [json.loads(line)["items"] for line in lines] == wanted


def test_tokens_of_records_by_the_names(texts: Path) -> None:
    out = texts / "ids"
    assert run(["tokens", str(texts / "r*.jsonl"), "-o", str(out), "-f", "bin", "--eod", "50256"]) == 0
    bpe = BPE.gpt2()
    wanted = [each for n in range(3) for each in [*bpe.encode_to_list(f"record of {n}"), 50256]]
    assert np.fromfile(out / "part-000000.bin", "<u2").tolist() == wanted
    meta = json.loads((out / "meta.json").read_text(encoding="utf-8"))
    assert (meta["tokens"], meta["documents"], meta["eod"]) == (len(wanted), 3, 50256)


def test_shards_separators_and_a_bad_record(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = texts / "shards"
    command = [
        "words",
        str(texts / "f*.txt"),
        "-o",
        str(out),
        "-f",
        "jsonl",
        "--target",
        "150",
        "--separator",
        r"e \x30",
    ]
    for number in (1, 0):
        assert run([*command, "--shard", f"{number}/2", "--no-progress"]) == 0
        assert (out / "meta.json").exists() == (number == 0)
    assert len(items(out)) == sum((texts / f"f{n}.txt").read_bytes().count(b"e 0") + 1 for n in range(3))
    (texts / "r1.jsonl").write_bytes(b'{"text": "good"}\n{"text": 1}\n')
    command = ["tokens", str(texts / "r*.jsonl"), "-o", str(texts / "bad"), "-f", "jsonl", "--target", "20"]
    capfd.readouterr()
    assert run(command) == 3
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 2
    assert (
        "r1.jsonl: what is under 'text' is no text but int, at byte 17; run the same command again" in said[1]
    )
    assert run([*command, "--max-failed", "9"]) == 1
    (texts / "r1.jsonl").write_bytes(b'{"text": "good"}\n{"text": "too"}\n')
    assert run(command) in (0, 2)


def test_what_cannot_be_meant(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one, many, out = str(texts / "f0.txt"), str(texts / "f*.txt"), str(texts / "out")
    (texts / "out").mkdir()
    for arguments, told in [
        (["words", one, str(texts / "f1.txt")], "a run writes to a directory: -o DIR"),
        (["words", many, "-o", one], "f0.txt is a file; a run writes to a directory"),
        (["words", "-", "-o", out, "-j", "2"], "standard input cannot be read in parts"),
        (["words", "-j", "2", "-o", out], "a run needs PATHS"),
        (["words", many, "-o", out, "-f", "npy"], "npy is for one file; a run writes parquet"),
        (["words", one, "-o", f"{out}.txt", "-f", "parquet"], "parquet is for many files"),
        (["words", many, "-o", out, "-f", "bin"], "-f bin holds ids: it is for tokens"),
        (["words", many, "-o", out, "--shard", "2/2"], "'2/2'; wanted is I/N with I from 0 to N - 1"),
        (
            ["words", many, "-o", out, "--target", "big"],
            "streamcore: --target must be a positive size such as 4096 or",
        ),
        (["words", str(texts / "*.none"), "-o", out, "-f", "jsonl"], "no file matches"),
        (
            ["words", many, "-o", out, "-f", "jsonl", "--address", "x"],
            "--address is for --engine dask and --engine ray",
        ),
        (["tokens", many, "-o", out, "--count"], "--decode, --count and --truncate are for one file"),
        (["tokens", many, "-o", out, "--vocab", "nope"], "nope"),
        (["words", many, "-o", out, "--eod", "5"], "--eod is an id: it is for tokens"),
        (["tokens", many, "-o", out, "-f", "jsonl", "--eod", "5"], "--eod is for the other formats"),
        (["tokens", many, "-o", out, "--special", "--decode"], "--special is about text, --decode about ids"),
        (["words", many, "-o", out, "--state", "x"], f"--state is for -o with a URL, and {out} is a folder"),
        (
            ["words", many, "-o", out, "--split", "lines", "--separator", "x"],
            "--split and --separator say the same",
        ),
        (["words", many, "-o", out, "--key", "x"], "--key is for --split jsonl"),
        (
            ["words", many, "-o", "s3://a:b@c/d"],
            "-o holds a password: give it by the configuration of fsspec",
        ),
        (["words", many, "-o", "s3://c/d?e=1", "--state", "x"], "-o s3://c/d has a query"),
        (["words", many, "-o", f"{one}\x1b.txt", "-f", "text"], "text is for one file"),
        (["plan", one, "--split", "lines", "--separator", "x"], "--split and --separator say the same"),
        (["plan", one, "--key", "x"], "--key is for --split jsonl"),
        (["plan", one, "--target", "big"], "--target must be a positive size such as 4096 or"),
        (["jsonl", many, "-o", out, "--sequence"], "--sequence is for one file"),
        (["jsonl", many, "-o", out, "--field", "a", "--key", "b"], "--field and --key say the same"),
    ]:
        assert run(arguments) == 2, arguments
        said = capfd.readouterr().err
        assert told in said, (arguments, said)
        assert "Traceback" not in said
    with driver_lock(out, None):
        assert run(["words", many, "-o", out, "-f", "jsonl"]) == 2
    assert "another run writes to" in capfd.readouterr().err
    assert run(["words", many, "-o", out, "-f", "jsonl", "--no-progress"]) == 0
    assert run(["words", many, "-o", out, "-f", "jsonl", "--keep", "trailing"]) == 2
    assert "--resume no to start anew, or --resume force" in capfd.readouterr().err
    assert (
        run(
            ["words", many, "-o", out, "-f", "jsonl", "--keep", "trailing", "--resume", "no", "--no-progress"]
        )
        == 0
    )


def test_an_output_at_a_url(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fsspec = pytest.importorskip("fsspec", reason="URLs need fsspec")
    one, state, url = str(texts / "f0.txt"), str(texts / "state"), f"memory://{texts.name}/words"
    command = ["words", one, "-o", url, "-f", "jsonl", "-j", "1"]
    assert run(command) == 2
    assert "pass --state DIR, a local folder" in capfd.readouterr().err
    assert run(["words", one, "-o", url]) == 2
    assert run([*command, "--state", state]) == 0
    assert f"{url}: 1 of 1 part, 20 records" in capfd.readouterr().err
    assert b"line" in fsspec.filesystem("memory").cat_file(f"/{texts.name}/words/part-000000.jsonl")
    assert (texts / "state" / "manifest.jsonl").exists()
    assert run([*command, "--state", state]) == 0
    assert "the only part was done before" in capfd.readouterr().err
    assert run(["words", one, "-o", str(texts / "out"), "--state", state]) == 2
    assert "--state is for -o with a URL" in capfd.readouterr().err


def test_names_are_those_of_the_options() -> None:
    def command() -> None: ...

    for option in OPTIONS:
        option(command)
    assert {each.name for each in command.__click_params__} == set(NAMES)  # type: ignore[attr-defined]


def test_processes_from_the_command_line(texts: Path) -> None:
    out = texts / "out"
    command = [
        sys.executable,
        "-m",
        "streamcore",
        "words",
        str(texts / "f*.txt"),
        "-o",
        str(out),
        "-f",
        "jsonl",
    ]
    done = subprocess.run([*command, "-j", "2", "--target", "300"], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert len(items(out)) == 60


def test_one_is_not_many_and_places_are_told_once(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (texts / "one.txt").write_bytes(b"word\n")
    assert run(["words", str(texts / "one.txt"), "-o", f"{texts / 'one'}/", "-f", "jsonl"]) == 0
    assert "1 of 1 part, 1 record, 1 item, 5 B in" in capfd.readouterr().err
    (texts / "one.jsonl").write_bytes(b'{"text": 1}\n')
    assert run(["words", str(texts / "one.jsonl"), "-o", f"{texts / 'bad'}/", "-f", "jsonl"]) == 3
    said = capfd.readouterr().err
    assert (
        f"1 part failed: part 0: {texts / 'one.jsonl'}: what is under 'text' is no text but int, at byte 0;"
        in said
    )
