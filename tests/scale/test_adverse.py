"""``run`` with names, errors, streams and neighbours that are not as they should be."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from scale_stages import KINDS, raises

from streamcore import RunnableLambda, Words
from streamcore.scale import IncompleteRun, OtherJob, Result, plan, run

QUIET: Final[dict[str, Any]] = {"progress": False, "format": "jsonl", "jobs": 1}


def lines(path: Path, *texts: str) -> Path:
    path.write_bytes(b"".join(text.encode() + b"\n" for text in texts))
    return path


def documents(result: Result) -> list[Any]:
    return [
        json.loads(line)["items"]
        for name in result.files
        for line in Path(name).read_text(encoding="utf-8").splitlines()
    ]


def same(line: bytes) -> bytes:
    return line


def other(line: bytes) -> bytes:
    return line


def through(function: Any) -> Any:
    return RunnableLambda(function) | Words(as_=str)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff\n\x1b.txt")
    Path(name).write_bytes(b"one\n")
    made = plan([name])
    for form in ("jsonl", "parquet", "arrow"):
        if form != "jsonl":
            pytest.importorskip("pyarrow")
        out = tmp_path / form
        result = run(Words(as_=str), made, out=out, format=form, progress=False, jobs=1)
        assert (result.records, result.complete) == (1, True)
        assert json.loads((out / "meta.json").read_text("utf-8"))["sources"][0]["uri"] == name
        if form == "jsonl":
            row = json.loads((out / "part-000000.jsonl").read_text("utf-8"))
            assert row == {"uri": name.replace("\udcff", "\\udcff"), "offset": 0, "items": ["one"]}
        assert run(Words(as_=str), made, out=out, format=form, progress=False).skipped == 1
    with pytest.raises(IncompleteRun) as caught:
        run(through(raises), made, out=tmp_path / "bad", **QUIET)
    (failed,) = caught.value.result.failed
    told = [
        json.loads(line) for line in (tmp_path / "bad" / "manifest.jsonl").read_text("utf-8").splitlines()
    ]
    assert told[1]["error"] == failed.error
    assert "\udcff" in failed.error


@pytest.mark.parametrize("jobs", [1, 2])
def test_whatever_is_raised_is_a_failed_part(tmp_path: Path, jobs: int) -> None:
    words = list(KINDS)[: None if jobs > 1 else -1]  # at one job Ctrl-C is the user's
    paths = [lines(tmp_path / f"{word}.txt", word) for word in words]
    with pytest.raises(IncompleteRun) as caught:
        run(
            through(raises),
            plan(paths, split="files", target=1),
            out=tmp_path / "out",
            progress=False,
            format="jsonl",
            jobs=jobs,
        )
    failed = caught.value.result.failed
    assert [(each.part, each.attempts) for each in failed] == [(n, 1) for n in range(len(words))]
    kinds = ["Mute", "OddNotes", "GeneratorExit", "BaseException", "SystemExit", "", "ValueError"] + [
        "KeyboardInterrupt"
    ] * (jobs > 1)
    assert all(kind in each.error for kind, each in zip(kinds, failed, strict=True)), failed


def test_a_death_at_closing_of_a_process_with_the_same_number(tmp_path: Path) -> None:
    # in a container each process may have the same one
    made, out = plan([lines(tmp_path / "a.txt", "one")]), tmp_path / "out"
    out.mkdir()
    left = out / f"meta.json.{socket.gethostname()}-{os.getpid()}.closing.tmp"
    left.write_bytes(b"{")
    assert run(Words(as_=str), made, out=out, shard=(0, 1), **QUIET).complete
    assert not left.exists()


class Within:
    """Runs another shard, once, while the first one reads."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    def __call__(self, line: bytes) -> bytes:
        options, self.options = self.options, {}
        if options:
            run(out=WITHIN[0], shard=(1, 2), **options, **QUIET)
        return line

    def __repr__(self) -> str:
        return "within"


WITHIN: list[Path] = []


def test_shards_of_two_jobs_at_once_do_not_close(tmp_path: Path) -> None:
    one, two = lines(tmp_path / "a.txt", "one"), lines(tmp_path / "b.txt", "two", "three")
    out = tmp_path / "out"
    WITHIN[:] = [out]
    cases: list[dict[str, Any]] = [
        {"pipeline": through(other), "plan": plan([one, two], target=1)},
        {"pipeline": through(Within({})), "plan": plan([one, two], target=4)},
    ]
    for number, options in enumerate(cases):
        WITHIN[:] = [tmp_path / f"out{number}"]
        first = plan([one, two], target=8)
        with pytest.raises(OtherJob):
            run(through(Within(options)), first, out=WITHIN[0], shard=(0, 2), **QUIET)
        assert not (WITHIN[0] / "meta.json").exists()


def test_force_makes_what_shards_did_its_own(tmp_path: Path) -> None:
    paths = [lines(tmp_path / f"{n}.txt", f"w{n}") for n in range(3)]
    made, out = plan(paths, target=3), tmp_path / "out"
    for number in range(2):
        run(through(same), made, out=out, shard=(number, 2), **QUIET)
    with pytest.raises(OtherJob):
        run(through(other), made, out=out, **QUIET)
    (out / "part-000001.jsonl").unlink()
    assert run(through(other), made, out=out, resume="force", **QUIET).done == 1
    again = run(through(other), made, out=out, **QUIET)
    assert (again.done, again.skipped, documents(again)) == (0, 3, [["w0"], ["w1"], ["w2"]])


def test_an_output_never_takes_the_place_of_an_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    path = lines(out / "part-000000.jsonl", '{"text": "one"}')
    before = path.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(out)
    for name, folder in ((path, out), (link / path.name, out), (path, link)):
        with pytest.raises(ValueError, match="is an input"):
            run(Words(as_=str), plan([name], split="jsonl"), out=folder, **QUIET)
        assert path.read_bytes() == before
        assert os.listdir(out) == [path.name]
    beside = path.rename(out / "beside.jsonl")
    assert run(Words(as_=str), plan([beside], split="jsonl"), out=out, **QUIET).complete


class Broken:
    def isatty(self) -> bool:
        return False

    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_run_outlives_its_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan([lines(tmp_path / "a.txt", "one")])
    monkeypatch.setattr("streamcore.scale.progress.LINE_INTERVAL", 0)
    with open(tmp_path / "closed", "w") as closed:
        pass
    for number, stream in enumerate((Broken(), closed, None)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert run(Words(as_=str), made, out=tmp_path / f"out{number}", format="jsonl", jobs=1).complete


def append(line: bytes) -> bytes:
    with open(os.environ["STREAMCORE_TEST_INPUT"], "ab") as file:
        file.write(b"more\n")
    return line


def test_an_input_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lines(tmp_path / "a.txt", "one", "two")
    monkeypatch.setenv("STREAMCORE_TEST_INPUT", str(path))
    with pytest.raises(IncompleteRun, match=r"part 0: .*a\.txt changed after the plan was made"):
        run(through(append), plan([path]), out=tmp_path / "out", **QUIET)
    assert not (tmp_path / "out" / "part-000000.jsonl").exists()


def bad_at_one(line: bytes) -> bytes:
    if line == b"w1":
        raise ValueError("bad")
    return line


def test_failed_parts_of_all_shards_count_together(tmp_path: Path) -> None:
    paths = [lines(tmp_path / f"{n}.txt", f"w{n}") for n in range(2)]
    made = plan(paths, target=3)
    for order in ((0, 1), (1, 0)):
        out = tmp_path / f"out{order[0]}"
        results = [
            run(through(bad_at_one), made, out=out, shard=(number, 2), max_failed=1, **QUIET)
            for number in order
        ]
        assert [each.complete for each in results] == [False, True]
        (failed,) = json.loads((out / "meta.json").read_text("utf-8"))["failed"]
        assert failed.startswith("part 1, ")
        assert "ValueError: bad" in failed


def test_a_mended_part_is_done_though_it_may_fail(tmp_path: Path) -> None:
    paths = [lines(tmp_path / f"{n}.txt", f"w{n}") for n in range(2)]
    out = tmp_path / "out"
    made = plan(paths, target=3)
    first = run(through(bad_at_one), made, out=out, max_failed=1, **QUIET)
    assert (first.complete, len(first.failed)) == (True, 1)
    again = run(through(bad_at_one), made, out=out, max_failed=1, **QUIET)
    assert (again.done, [str(each) for each in again.failed]) == (0, [str(each) for each in first.failed])
    lines(paths[1], "wx")
    second = run(through(bad_at_one), plan(paths, target=3), out=out, max_failed=1, **QUIET)
    assert (second.done, second.skipped, documents(second)) == (1, 1, [["w0"], ["wx"]])


def elsewhere(line: bytes) -> bytes:
    os.chdir(os.environ["STREAMCORE_TEST_FOLDER"])
    return line


def test_a_pipeline_that_changes_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("STREAMCORE_TEST_FOLDER", str(tmp_path / "there"))
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "a.txt", "one", "two")
    result = run(through(elsewhere), plan("a.txt", target=4), out="out", **QUIET)
    monkeypatch.chdir(tmp_path)
    assert result.manifest == os.path.join("out", "manifest.jsonl")
    assert (documents(result), len(result.receipts)) == ([["one"], ["two"]], 2)
    assert os.listdir(tmp_path / "there") == []


def test_files_of_others_by_our_names_are_told(tmp_path: Path) -> None:
    made, out = plan([lines(tmp_path / "a.txt", "one")]), tmp_path / "out"
    out.mkdir()
    for text in (b"{", b"[]", b"null", b"\xff", b"{}", b'{"meta": 2}', b'{"meta": 1}'):
        (out / "meta.json").write_bytes(text)
        with pytest.raises(ValueError, match=r"meta\.json is not what a run wrote"):
            run(Words(as_=str), made, out=out, **QUIET)
    (out / "meta.json").unlink()
    (out / "plan.json").write_bytes(b"\xff")
    assert run(Words(as_=str), made, out=out, **QUIET).complete
    for damage in (b"\xff", None):
        lines(tmp_path / "a.txt", f"other {damage!r}")
        (out / "plan.json").unlink() if damage is None else (out / "plan.json").write_bytes(damage)
        with pytest.raises(OtherJob, match="part 0 was made from another input"):
            run(Words(as_=str), plan([tmp_path / "a.txt"]), out=out, **QUIET)


def not_finite(line: bytes) -> float:
    return float(line)


def test_lines_are_json_as_all_readers_have_it(tmp_path: Path) -> None:
    for word in ("nan", "inf"):
        made = plan([lines(tmp_path / "a.txt", word)])
        with pytest.raises(IncompleteRun, match="an item is no JSON"):
            run(RunnableLambda(not_finite), made, out=tmp_path / word, **QUIET)
