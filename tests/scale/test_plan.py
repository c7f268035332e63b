"""``streamcore.scale.plan``, and the command of that name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamcore.scale import Piece, Plan, plan
from streamcore.scale.splits import positive_size


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, size in {"b.txt": 25, "a.txt": 3, "c.txt.gz": 50, "d.txt": 4, "e.txt": 0, "f.txt": 10}.items():
        Path(name).write_bytes(b"x" * size)
        os.utime(name, ns=(10**18, 10**18))
    Path("sub").mkdir()
    Path("sub/[x].txt").write_bytes(b"yy")
    return tmp_path


def shape(made: Plan) -> list[list[tuple[str, int, int]]]:
    return [[tuple(piece) for piece in part.pieces] for part in made]


def test_parts_follow_the_order_of_names_and_small_files_share_one(files: Path) -> None:
    made = plan("*.txt*", target=10)
    assert shape(made) == [
        [("a.txt", 0, 3)],
        [("b.txt", 0, 10)],
        [("b.txt", 10, 20)],
        [("b.txt", 20, 25)],
        [("c.txt.gz", 0, 50)],
        [("d.txt", 0, 4), ("e.txt", 0, 0)],
        [("f.txt", 0, 10)],
    ]
    assert [part.id for part in made] == list(range(7)) == [made[n].id for n in range(7)]
    assert made[3].size == 5
    assert made.size == 92
    assert len(made) == 7
    assert made.input("a.txt").size == 3
    assert made.input("a.txt").version == 10**18
    assert [len(part.pieces) for part in plan("*.txt*", target="1KiB")] == [6]


def test_files_are_whole_and_fixed_parts_are_single(files: Path) -> None:
    names = ["b.txt", Path("a.txt"), "d.txt", "e.txt"]
    assert shape(plan(names, split="files", target=10)) == [
        [("b.txt", 0, 25)],
        [("a.txt", 0, 3), ("d.txt", 0, 4), ("e.txt", 0, 0)],
    ]
    assert shape(plan(names, split="fixed", target=20)) == [
        [("b.txt", 0, 20)],
        [("b.txt", 20, 25)],
        [("a.txt", 0, 3)],
        [("d.txt", 0, 4)],
    ]


def test_names(files: Path) -> None:
    assert [each.uri for each in plan(["d.txt", "[ad].txt", "./a.txt"]).inputs] == [
        "d.txt",
        "a.txt",
        "./a.txt",
    ]
    assert [each.uri for each in plan("sub/[x].txt").inputs] == ["sub/[x].txt"]
    assert "sub/[x].txt" in [each.uri for each in plan("**/*.txt").inputs]


@pytest.mark.parametrize("split", ["jsonl", "files", b"\xff\n\n"])
def test_json_is_the_same_each_time_and_gives_the_plan_back(files: Path, split: str | bytes) -> None:
    made = plan("*.txt*", split=split, target="10", key="body", storage_options={"secret": 1})
    text = made.to_json()
    assert text == plan("*.txt*", split=split, target=10, key="body").to_json()
    assert "secret" not in text + repr(made)
    back = Plan.from_json(text, storage_options={"secret": 1})
    assert back == made
    assert back.to_json() == text
    assert back.storage_options == {"secret": 1}
    assert isinstance(back[0].pieces[0], Piece)
    os.utime("a.txt", ns=(1, 1))
    assert plan("*.txt*", split=split, target=10, key="body").to_json() != text


def test_errors(files: Path) -> None:
    cases = [
        ("none.txt", {}, FileNotFoundError, "none.txt: no such file"),
        ("none*.txt", {}, FileNotFoundError, "no file matches none*.txt"),
        ("sub", {}, IsADirectoryError, "sub is a directory"),
        ([], {}, ValueError, "no input is given"),
        (b"a.txt", {}, TypeError, "uris must be"),
        ([b"a.txt"], {}, TypeError, "a path must be str"),
        ("a.txt", {"split": "words"}, ValueError, "split must be 'lines'"),
        ("a.txt", {"split": b""}, ValueError, "at least one byte"),
        ("a.txt", {"target": 0}, ValueError, "positive size"),
        ("a.txt", {"target": "many"}, ValueError, "got 'many'"),
        ("a.txt", {"target": True}, TypeError, "got bool"),
        ("a.txt", {"key": 1}, TypeError, "key must be str"),
    ]
    for uris, options, kind, message in cases:
        with pytest.raises(kind) as caught:
            plan(uris, **options)
        assert message in str(caught.value), (uris, options)
    for text in ("[]", '{"plan": 99}'):
        with pytest.raises(ValueError, match="not a plan of version"):
            Plan.from_json(text)


def test_table(files: Path) -> None:
    lines = str(plan("*.txt*", target=10)).splitlines()
    assert lines[0].split() == ["part", "bytes", "pieces", "from"]
    assert lines[6].split(maxsplit=3) == ["5", "4", "2", "d.txt [0, 4)"]
    assert lines[-1] == "7 parts, 6 files, 92 bytes, split by lines"
    Path("long").write_bytes(b"x" * 1000)
    lines = str(plan("long", target=1)).splitlines()
    assert [line.split()[0] for line in lines[20:23]] == ["19", "...", "995"]
    assert len(lines) == 28


def test_urls_by_fsspec() -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for name in ("b", "a", "c"):
        system.pipe(f"/plans/{name}.txt", name.encode() * 12)
    try:
        made = plan("memory://plans/*.txt", target=10)
        assert [each.uri for each in made.inputs] == [f"memory:///plans/{name}.txt" for name in "abc"]
        assert [each.size for each in made.inputs] == [12] * 3
        assert made.inputs[0].version
        assert shape(made)[1] == [("memory:///plans/a.txt", 10, 12)]
        with pytest.raises(FileNotFoundError, match="no file matches memory://none"):
            plan("memory://none/*")
        with pytest.raises(IsADirectoryError, match="memory://plans/\\*"):
            plan("memory://plans")
    finally:
        system.rm("/plans", recursive=True)


def test_the_core_does_not_import_it() -> None:
    code = "import sys, streamcore; streamcore.Lines; print([n for n in sys.modules if 'scale' in n or n == 'fsspec'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_command(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("click")
    from streamcore.cli.commands import run

    assert run(["plan", "*.txt*", "--target", "10"]) == 0
    assert capfd.readouterr().out == f"{plan('*.txt*', target=10)}\n"
    assert run(["plan", "a.txt", "b.txt", "--separator", r"\n\xff\\é", "--json"]) == 0
    out = capfd.readouterr().out
    separator = b"\n\xff\\" + "é".encode()
    assert out == plan(["a.txt", "b.txt"], split=separator).to_json() + "\n"
    assert json.loads(out)["split"] == {"separator": separator.decode("latin-1")}
    assert run(["plan", "a.txt", "--split", "jsonl", "--key", "k", "--json"]) == 0
    assert capfd.readouterr().out == plan("a.txt", split="jsonl", key="k").to_json() + "\n"
    for arguments in (
        ["none"],
        ["a.txt", "--target", "x"],
        ["a.txt", "--separator", ""],
        ["a.txt", "--key", "k"],
        [],
    ):
        assert run(["plan", *arguments]) == 2
        assert capfd.readouterr().out == ""


def test_a_target_is_taken_as_it_is() -> None:
    assert [positive_size("target", each) for each in (1, (1 << 62) + 1, "4096", "1.5K", "64MiB")] == [
        1,
        (1 << 62) + 1,
        4096,
        1536,
        64 << 20,
    ]
    for bad in (0, -1, 1 << 63, 10**5000, "nan", "inf", "", "1e999"):
        with pytest.raises(ValueError, match="target must be a positive size"):
            positive_size("target", bad)
