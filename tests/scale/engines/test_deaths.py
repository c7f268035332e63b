"""Processes that end in the middle of a run: the next one goes on, and gives the same documents."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scale_runs import LONG, Folder, corpus, documents, kill, temporary, wanted

from streamcore import Words
from streamcore.scale import IncompleteRun, plan, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in /proc")


def whole_lines(folder: Folder) -> list[dict[str, object]]:
    """All its lines are whole."""
    return [json.loads(line) for line in (folder.out / "manifest.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("whole", [False, True])
def test_sigkill_of_the_driver_or_of_its_group(folder: Folder, whole: bool) -> None:
    paths = corpus(folder.path / "in", stops=[0])
    driver = folder.drive(paths, jobs=2)
    assert folder.told(driver)[0] == 0
    if whole:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(LONG)
    else:
        kill(driver)
    folder.none_left(10)
    assert not (folder.out / "meta.json").exists()
    folder.pass_by(0)
    result = folder.finish(paths, jobs=2)
    assert result["skipped"] >= 1
    folder.none_left(10)


def test_ctrl_c(folder: Folder) -> None:
    paths = corpus(folder.path / "in", stops=[0])
    driver = folder.drive(paths, jobs=2)
    folder.told(driver)
    os.killpg(driver.pid, signal.SIGINT)
    errors = driver.communicate(timeout=LONG)[1].decode()
    assert driver.returncode == -signal.SIGINT, errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1, errors
    folder.none_left(10)
    assert not temporary(folder.out)
    done = {line["part"] for line in whole_lines(folder) if "part" in line}
    folder.pass_by(0)
    assert folder.finish(paths, jobs=1)["skipped"] == len(done)


def test_a_worker_that_is_killed_from_outside(folder: Folder) -> None:
    paths = corpus(folder.path / "in", stops=[0])
    driver = folder.drive(paths, jobs=2)
    _, worker = folder.told(driver)
    folder.pass_by(0)
    os.kill(worker, signal.SIGKILL)
    assert driver.communicate(timeout=LONG)[1] == b""
    assert folder.finish(paths)["done"] == 0


def test_killed_three_times_and_gone_on_with_other_engines(folder: Folder) -> None:
    """Each run is on another engine, as far as there are some, and with another number of workers.

    Two orders at a time: a stop is then reached after the answer of the part two before it.
    """
    paths = corpus(folder.path / "in", lines=120, stops=[0, 1, 2])
    engines = [
        "local",
        *(name for name, module in (("dask", "distributed"), ("ray", "ray")) if there(module)),
    ]
    done = 0
    for stop in range(3):
        engine = engines[stop % len(engines)]
        driver = folder.drive(paths, engine=engine, jobs=2 - stop % 2, max_in_flight=2)
        assert folder.told(driver)[0] == stop
        kill(driver)
        folder.none_left()
        lines = {line["part"] for line in whole_lines(folder) if "part" in line}
        assert len(lines) > done
        done = len(lines)
        folder.pass_by(stop)
    result = folder.finish(paths, jobs=2)
    assert result["skipped"] == done
    folder.none_left()


def there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def mounted(folder: Path, size: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("full", ["at once", "on the way"])
def test_a_full_disk_then_room(tmp_path: Path, full: str) -> None:
    """What was whole stays, nothing temporary does; with room the run goes on."""
    out = tmp_path / "out"
    out.mkdir()
    if not mounted(out, "256k"):
        pytest.skip("needs a tmpfs, which only root may mount")
    try:
        paths = corpus(tmp_path / "in", lines=6000)
        made = plan(paths, target=20_000)
        options: dict[str, Any] = {"format": "jsonl", "progress": False, "retries": 1, "jobs": 1}
        ballast = out / "ballast"
        if full == "at once":
            with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            with pytest.raises(OSError, match="No space left"):
                run(Words(keep="none", as_=str), made, out=out, **options)
        else:
            with pytest.raises((IncompleteRun, OSError), match="No space left") as caught:
                run(Words(keep="none", as_=str), made, out=out, **options)
            assert [name for name in os.listdir(out) if name.startswith("part-")], caught.value
        assert not temporary(out)
        assert not (out / "meta.json").exists()
        ballast.unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,size=16m", str(out)], check=True)
        result = run(Words(keep="none", as_=str), made, out=out, **options)
        assert documents(result.files) == wanted(paths)
        assert (result.skipped > 0) == (full == "on the way")
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_a_torn_archive_and_a_bad_line_are_named_and_all_else_is_done(tmp_path: Path) -> None:
    good = [json.dumps({"text": f"one {number}"}) for number in range(50)]
    for name, lines in (("a.jsonl", good), ("bad.jsonl", [*good[:3], '{"text": 4}', *good[3:]])):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    data = gzip.compress(random.Random(1).randbytes(5000).hex().encode())
    (tmp_path / "torn.jsonl.gz").write_bytes(data[: len(data) // 2])
    paths = [str(tmp_path / name) for name in ("a.jsonl", "bad.jsonl", "torn.jsonl.gz")]
    made = plan(paths, split="jsonl", target=200)
    with pytest.raises(IncompleteRun, match="2 parts failed") as caught:
        run(Words(keep="none", as_=str), made, out=tmp_path / "out", jobs=2, format="jsonl", progress=False)
    failed = caught.value.result.failed
    assert caught.value.result.done == len(made) - 2
    assert paths[1] in failed[0].error
    assert failed[0].error.endswith(f"at byte {sum(len(line) + 1 for line in good[:3])}")
    assert paths[2] in failed[1].error
    assert [each.attempts for each in failed] == [1, 1]
    assert not temporary(tmp_path / "out")
