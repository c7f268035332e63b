"""``run`` on this machine: the same documents whatever happens on the way."""

from __future__ import annotations

import json
import os
import random
import signal
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from scale_stages import bad_at_poison, die_at_poison, die_once, flaky, stuck_at_poison, upper

from streamcore import RunnableLambda, Words
from streamcore.scale import IncompleteRun, Locked, OtherJob, Result, plan, read_records, run
from streamcore.scale.engines.local import signal_name
from streamcore.scale.lock import driver_lock
from streamcore.scale.manifest import BadManifest

QUIET: dict[str, Any] = {"progress": False, "format": "jsonl"}


def corpus(folder: Path, seed: int = 0, lines: int = 40) -> list[Path]:
    """A few files of lines of words."""
    rng = random.Random(seed)
    folder.mkdir(exist_ok=True)
    paths = []
    for name in ("a.txt", "b.txt", "c.txt"):
        texts = (
            " ".join(rng.choices(["one", "zwei", "trois", "4"], k=rng.randrange(12))) for _ in range(lines)
        )
        path = folder / name
        path.write_bytes(b"".join(text.encode() + rng.choice([b"\n", b"\r\n"]) for text in texts))
        paths.append(path)
    return paths


def wanted(paths: list[Path]) -> list[Any]:
    """What the whole files say, without any part of ``run``."""
    found = []
    for path in paths:
        offset = 0
        for line in path.read_bytes().splitlines(keepends=True):
            found.append({"uri": str(path), "offset": offset, "items": line.decode().split()})
            offset += len(line)
    return found


def documents(result: Result) -> list[Any]:
    return [
        json.loads(line)
        for name in result.files
        for line in Path(name).read_text(encoding="utf-8").splitlines()
    ]


def times(out: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mtime_ns for each in os.scandir(out) if each.name != ".lock"}


def left_over(out: Path) -> list[str]:
    return [name for name in os.listdir(out) if name.endswith(".tmp")]


def words_after(function: Any) -> Any:
    return RunnableLambda(function) | Words(keep="none", as_=str)


@pytest.mark.parametrize("jobs", [1, 2])
def test_any_size_of_parts_gives_the_same_documents(tmp_path: Path, jobs: int) -> None:
    paths = corpus(tmp_path / "in")
    expected = wanted(paths)
    for target in (1 << 20, 300, 37) if jobs == 1 else (300,):
        out = tmp_path / str(target)
        made = plan(paths, target=target)
        result = run(Words(keep="none", as_=str), made, out=out, jobs=jobs, **QUIET)
        assert documents(result) == expected
        assert (result.done, result.skipped, result.failed, result.complete) == (len(made), 0, (), True)
        assert result.records == len(expected)
        assert result.items == sum(len(each["items"]) for each in expected)
        assert result.bytes_in == sum(path.stat().st_size for path in paths)
        assert result.bytes_out == sum(Path(name).stat().st_size for name in result.files)
        assert [receipt.part for receipt in result.receipts] == list(range(len(made)))
        assert not left_over(out)
        meta = json.loads((out / "meta.json").read_text(encoding="utf-8"))
        assert (meta["documents"], meta["failed"]) == (len(expected), [])


def test_a_finished_run_again_does_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = corpus(tmp_path / "in")
    made = plan(paths, target=300)
    first = run(Words(keep="none"), made, out=tmp_path / "out", format="jsonl", jobs=1)
    before = times(tmp_path / "out")
    capfd.readouterr()
    again = run(Words(keep="none"), made, out=tmp_path / "out", format="jsonl", jobs=1)
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"all {len(made)} parts were done before" in said
    assert (again.done, again.skipped, again.records, again.files) == (
        0,
        len(made),
        first.records,
        first.files,
    )
    assert before == times(tmp_path / "out")


def test_another_job_in_the_folder_is_refused(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    made, out = plan(paths, target=300), tmp_path / "out"
    run(Words(keep="none"), made, out=out, jobs=1, **QUIET)
    content = sorted((entry.name, entry.stat().st_size) for entry in os.scandir(out))
    for pipeline, other, options, told in [
        (Words(), made, {}, "the pipeline was"),
        (
            Words(keep="none"),
            plan(paths, target=200),
            {},
            r"part 0 was bytes 0 to 300 of .*a\.txt, is bytes 0 to 200",
        ),
        (Words(keep="none"), plan(paths, split=b"\n", target=300), {}, "the split of the plan was 'lines'"),
        (Words(keep="none"), plan(paths[:2], target=300), {}, r"the plan has \d+ parts \(it had \d+\)"),
    ]:
        with pytest.raises(OtherJob, match=told):
            run(pipeline, other, out=out, jobs=1, **QUIET, **options)
    with paths[1].open("ab") as file:
        file.write(b"one more\n")
    with pytest.raises(OtherJob, match=r"b\.txt, which part \d+ was made from, had \d+ bytes, has \d+"):
        run(Words(keep="none"), plan(paths, target=300), out=out, jobs=1, **QUIET)
    assert content == sorted((entry.name, entry.stat().st_size) for entry in os.scandir(out))
    kept = run(Words(), made, out=out, jobs=1, resume="force", **QUIET)
    assert (kept.done, kept.skipped) == (0, len(made))


def test_resume_false_starts_anew_and_leaves_other_files(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    out = tmp_path / "out"
    run(Words(keep="none"), plan(paths, target=100), out=out, jobs=1, **QUIET)
    (out / "mine.txt").touch()
    result = run(
        Words(keep="none", as_=str), plan(paths, target=4000), out=out, jobs=1, resume=False, **QUIET
    )
    assert documents(result) == wanted(paths)
    parts = [name for name in os.listdir(out) if name.startswith("part-")]
    assert (len(parts), (out / "mine.txt").exists()) == (result.done, True)


def test_what_is_gone_or_torn_is_done_again(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    made, out = plan(paths, target=300), tmp_path / "out"

    def again(resume: Any = True) -> Result:
        result = run(Words(keep="none", as_=str), made, out=out, jobs=1, resume=resume, **QUIET)
        assert documents(result) == wanted(paths)
        assert (out / "meta.json").exists()
        assert not left_over(out)
        return result

    again()
    (out / "part-000002.jsonl").unlink()
    assert again().done == 1
    size = (out / "part-000001.jsonl").stat().st_size
    (out / "part-000001.jsonl").write_bytes(b"x" * (size - 1))
    assert again().done == 1
    (out / "part-000003.jsonl").write_bytes(b"x" * (out / "part-000003.jsonl").stat().st_size)
    assert again("verify").done == 1
    with open(out / "manifest.jsonl", "r+b") as file:
        lines = file.read().splitlines(keepends=True)
        file.truncate(sum(map(len, lines[:4])) - 7)
    (out / "meta.json").unlink()
    for name in ("part-000001.jsonl.dead.tmp", "job.dead.tmp", "meta.json.dead.tmp"):
        (out / name).touch()
    assert again().skipped == 2
    (out / "meta.json").unlink()
    assert again().done == 0


def test_an_input_that_was_mended_is_read_again(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    good = paths[1].read_bytes()
    size = max(path.stat().st_size for path in paths) + 100
    paths[1].write_bytes(good + b"poison\n")
    out = tmp_path / "out"
    pipeline = words_after(bad_at_poison)
    with pytest.raises(
        IncompleteRun, match=r"1 part failed: part 1, .*b\.txt from byte 0: ValueError"
    ) as caught:
        run(pipeline, plan(paths, target=size), out=out, jobs=1, **QUIET)
    failed = caught.value.result.failed[0]
    assert f"in the record at byte {len(good)} of {paths[1]}" in failed.error
    assert "no such thing" in failed.trace
    assert (caught.value.result.done, caught.value.result.complete) == (2, False)
    assert not (out / "meta.json").exists()
    assert not left_over(out)
    tolerated = run(pipeline, plan(paths, target=size), out=out, jobs=1, max_failed=1, **QUIET)
    assert (tolerated.complete, len(tolerated.failed), tolerated.skipped) == (True, 1, 2)
    assert len(json.loads((out / "meta.json").read_text(encoding="utf-8"))["failed"]) == 1
    paths[1].write_bytes(good)
    mended = run(pipeline, plan(paths, target=size), out=out, jobs=1, **QUIET)
    assert (mended.done, mended.skipped, mended.complete) == (1, 2, True)
    assert documents(mended) == wanted(paths)


def test_errors_that_may_pass_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCORE_TEST_FOLDER", str(tmp_path))
    paths = corpus(tmp_path / "in")
    made = plan(paths, target=300)
    with pytest.raises(IncompleteRun, match=r"OSError: \[Errno 5\] Input/output error"):
        run(words_after(flaky), made, out=tmp_path / "none", jobs=1, retries=0, **QUIET)
    (tmp_path / "failed").unlink()
    result = run(words_after(flaky), made, out=tmp_path / "out", jobs=1, **QUIET)
    assert documents(result) == wanted(paths)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_worker_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCORE_TEST_FOLDER", str(tmp_path))
    paths = corpus(tmp_path / "in")
    result = run(words_after(die_once), plan(paths, target=300), out=tmp_path / "out", jobs=2, **QUIET)
    assert (tmp_path / "died").exists()
    assert documents(result) == wanted(paths)
    assert not left_over(tmp_path / "out")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_part_that_kills_every_worker_is_named_and_no_other(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    made = plan(paths, target=300)
    at = sum(path.stat().st_size for path in paths[:1])
    bad = tmp_path / "in" / "bad.txt"
    bad.write_bytes(b"poison\n")
    made = plan([*paths, bad], target=300)
    with pytest.raises(IncompleteRun, match="1 part failed") as caught:
        run(words_after(die_at_poison), made, out=tmp_path / "out", jobs=2, retries=2, **QUIET)
    failed = caught.value.result.failed[0]
    assert failed.part in {part.id for part in made if str(bad) in {piece.uri for piece in part.pieces}}
    assert failed.error == "the worker ended with signal SIGKILL, at each of 3 attempts"
    assert caught.value.result.done == len(made) - 1
    assert at
    assert not left_over(tmp_path / "out")


@pytest.mark.skipif(os.name != "posix", reason="signal.pause")
def test_a_part_that_takes_too_long(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", lines=3)
    paths[2].write_bytes(b"poison\n")
    made = plan(paths, target=20)
    with pytest.raises(IncompleteRun, match=r"not done within 5 seconds") as caught:
        run(words_after(stuck_at_poison), made, out=tmp_path / "out", jobs=1, retries=0, timeout=5, **QUIET)
    assert (len(caught.value.result.failed), caught.value.result.done) == (1, len(made) - 1)


def test_an_executor_is_an_engine_and_is_left_running(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    with ThreadPoolExecutor(3) as pool:
        result = run(
            Words(keep="none", as_=str), plan(paths, target=300), out=tmp_path / "out", engine=pool, **QUIET
        )
        assert pool.submit(int, "4").result() == 4
    assert documents(result) == wanted(paths)

    class Broken(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            raise BrokenExecutor("a process was killed")

    with Broken(1) as pool, pytest.raises(BrokenExecutor):
        run(Words(), plan(paths), out=tmp_path / "broken", engine=pool, **QUIET)
    assert not left_over(tmp_path / "broken")


def test_shards_close_the_output_once(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    made, out = plan(paths, target=300), tmp_path / "out"
    results = [
        run(Words(keep="none", as_=str), made, out=out, jobs=1, shard=(number, 3), **QUIET)
        for number in (1, 0, 2)
    ]
    assert [each.complete for each in results] == [False, False, True]
    assert sum(each.done for each in results) == len(made)
    assert documents(results[-1]) == wanted(paths)
    again = run(Words(keep="none", as_=str), made, out=out, jobs=1, **QUIET)
    assert (again.done, again.skipped, documents(again)) == (0, len(made), wanted(paths))
    (out / "part-000004.jsonl").unlink()
    other = run(Words(keep="none", as_=str), made, out=out, jobs=1, shard=(0, 2), **QUIET)
    assert (other.done, other.complete) == (1, True)
    anew = [
        run(Words(keep="none", as_=str), made, out=out, jobs=1, shard=(n, 2), resume=False, **QUIET)
        for n in (0, 1)
    ]
    assert sum(each.done for each in anew) == len(made)
    assert documents(anew[-1]) == wanted(paths)


def test_two_drivers_at_once_are_refused_but_shards_are_not(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    made, out = plan(paths, target=300), tmp_path / "out"
    out.mkdir()
    with (
        driver_lock(str(out), None),
        pytest.raises(Locked, match=rf"another run writes .*: .* process {os.getpid()}"),
    ):
        run(Words(), made, out=out, jobs=1, **QUIET)
    with driver_lock(str(out), (0, 2)):
        for shard in (None, (0, 2)):
            with pytest.raises(Locked):
                run(Words(), made, out=out, jobs=1, shard=shard, **QUIET)
        assert not run(Words(), made, out=out, jobs=1, shard=(1, 2), **QUIET).complete
    assert run(Words(), made, out=out, jobs=1, **QUIET).complete


def test_what_cannot_go_to_a_worker_is_named_at_once(tmp_path: Path) -> None:
    made = plan(corpus(tmp_path / "in"))
    for pipeline, told in [
        (
            Words() | (lambda word: word),
            r"stage 2 of 2, RunnableLambda\(.*cannot go to a worker: .*with def, at the top",
        ),
        (lambda word: word, r"cannot go to a worker"),
    ]:
        with pytest.raises(TypeError, match=told):
            run(pipeline, made, out=tmp_path / "out", **QUIET)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"jobs": 0}, ValueError, "jobs must be at least 1, got 0"),
        ({"jobs": True}, TypeError, "jobs must be an int, got bool"),
        ({"retries": -1}, ValueError, "retries must be at least 0"),
        ({"max_failed": 1.5}, TypeError, "max_failed must be an int"),
        ({"max_in_flight": 0}, ValueError, "max_in_flight must be at least 1"),
        ({"timeout": 0}, ValueError, "timeout"),
        ({"resume": "yes"}, ValueError, "resume must be True, False, 'verify' or 'force', got 'yes'"),
        ({"shard": (2, 2)}, ValueError, r"counts from 0 to n - 1, got \(2, 2\)"),
        ({"shard": 3}, TypeError, r"shard must be \(i, n\)"),
        ({"engine": "spark"}, ValueError, "engine must be 'local', 'dask', 'ray' or an object, got 'spark'"),
        ({"engine": 3}, TypeError, "engine must be a name, an Executor"),
        ({"address": "tcp://x"}, ValueError, "address is for engine='dask' and engine='ray'"),
        ({"format": "xml"}, ValueError, "format must be"),
    ],
)
def test_options(tmp_path: Path, options: dict[str, Any], kind: type[Exception], told: str) -> None:
    made = plan(corpus(tmp_path / "in"))
    with pytest.raises(kind, match=told):
        run(Words(), made, out=tmp_path / "out", **{**QUIET, **options})
    assert not (tmp_path / "out").exists()
    with pytest.raises(TypeError, match="plan must be a Plan, which plan"):
        run(Words(), str(tmp_path), out=tmp_path / "out", **QUIET)  # type: ignore[arg-type]


def test_records_of_a_plan_are_what_run_reads(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in")
    made = plan(paths, target=123)
    result = run(words_after(upper), made, out=tmp_path / "out", jobs=1, **QUIET)
    read = [(record.uri, record.offset) for part in made for record in read_records(made, part)]
    assert [(each["uri"], each["offset"]) for each in documents(result)] == read


def test_a_manifest_that_no_run_wrote_is_refused_and_resume_false_gets_rid_of_it(tmp_path: Path) -> None:
    made, out = plan(corpus(tmp_path / "in"), target=1000), tmp_path / "out"
    run(Words(), made, out=out, jobs=1, **QUIET)
    manifest = out / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    receipt = json.loads(lines[1])
    for bad in (
        b"\0" * 10 + b"\n",
        b"[1]\n",
        b'{"manifest": 9}\n',
        b"[" * 100_000 + b"\n",
        *(
            json.dumps({**receipt, **change}).encode() + b"\n"
            for change in (
                {"part": -1},
                {"part": "1"},
                {"part": True},
                {"files": [["x", 1]]},
                {"files": 3},
                {"more": 1},
            )
        ),
    ):
        (out / "meta.json").unlink(missing_ok=True)
        manifest.write_bytes(lines[0] + bad + lines[1])
        with pytest.raises(BadManifest, match=f"byte {len(lines[0])}: no line of a manifest"):
            run(Words(), made, out=out, jobs=1, **QUIET)
    manifest.write_bytes(lines[1])
    with pytest.raises(BadManifest, match="does not begin with a head"):
        run(Words(), made, out=out, jobs=1, **QUIET)
    assert run(Words(), made, out=out, jobs=1, resume=False, **QUIET).done == len(made)
    outside = tmp_path / "part-000000.jsonl"
    outside.touch()
    evil = {**receipt, "files": [["../part-000000.jsonl", 0, 0]]}
    manifest.write_bytes(lines[0] + json.dumps(evil).encode() + b"\n")
    assert run(Words(), made, out=out, jobs=1, resume=False, **QUIET).done == len(made)
    assert outside.exists()


def test_nothing_to_do_is_a_whole_output(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for split in ("lines", "fixed", "files"):
        out = tmp_path / split
        for _ in range(2):
            result = run(Words(), plan(tmp_path / "empty", split=split), out=out, jobs=1, **QUIET)
            assert (result.complete, result.items, (out / "meta.json").exists()) == (True, 0, True)
            assert not left_over(out)


def test_what_is_no_folder(tmp_path: Path) -> None:
    made = plan(corpus(tmp_path / "in"))
    for out, kind, told in (
        (b"out", TypeError, "out must be the path of a folder"),
        ("", TypeError, "out must be the path of a folder"),
        ("s3://bucket/out", ValueError, "pass state='folder'"),
        (made.inputs[0].uri, FileExistsError, "a.txt"),
    ):
        with pytest.raises(kind, match=told):
            run(Words(), made, out=out, **QUIET)  # type: ignore[arg-type]


def test_a_signal_without_a_name_has_a_number() -> None:
    assert (signal_name(signal.SIGTERM), signal_name(1000)) == ("SIGTERM", "1000")
