"""Dask: the same documents, whoever's cluster it is and whoever dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from scale_runs import LONG, Folder, corpus, documents, wanted

from streamcore import RunnableLambda, Words
from streamcore.scale import IncompleteRun, plan, run

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in /proc"),
    pytest.mark.filterwarnings("default"),  # what Dask and its peers warn of is theirs
]
QUIET: dict[str, Any] = {"progress": False, "format": "jsonl"}


def scheduler(folder: Folder) -> tuple[subprocess.Popen[bytes], str]:
    """``dask scheduler`` on loopback, and its address."""
    process = folder.start(
        "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
    )
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rb"Scheduler at:\s+(tcp://\S+)", line):
            drain(process)
            return process, found[1].decode()
    raise AssertionError("the scheduler did not start")


def worker(folder: Folder, address: str) -> subprocess.Popen[bytes]:
    process = folder.start(
        "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
        "--local-directory", str(folder.path),
    )  # fmt: skip
    drain(process)
    return process


def drain(process: subprocess.Popen[bytes]) -> None:
    """Nobody waits for room in the pipe of its log."""
    assert process.stderr is not None
    threading.Thread(target=process.stderr.read, daemon=True).start()


def test_a_cluster_for_the_run_and_a_part_that_hangs(folder: Folder) -> None:
    paths = corpus(folder.path / "in", stops=[0])
    folder.finish_though_one_hangs(paths, engine="dask", jobs=2, timeout=4)
    folder.none_left(10)


def test_two_workers_by_command_line_one_of_them_killed(folder: Folder) -> None:
    """A function of ``__main__``, relative paths, and the worker that has the order ends."""
    _, address = scheduler(folder)
    workers = [worker(folder, address) for _ in range(2)]
    paths = corpus(folder.path / "in", stops=[0])
    driver = folder.drive(paths, engine="dask", address=address)
    _, process = folder.told(driver)
    assert process in {each.pid for each in workers}
    folder.pass_by(0)
    os.kill(process, signal.SIGKILL)
    _, errors = driver.communicate(timeout=LONG)
    assert driver.returncode == 0, errors.decode()
    assert folder.finish(paths)["done"] == 0
    assert sorted(each.poll() is None for each in workers) == [False, True]


def die_at_poison(line: bytes) -> bytes:
    if b"poison" in line:
        os.kill(os.getpid(), signal.SIGKILL)
    return line


def test_an_address_that_names_no_place_is_refused_before_a_client_is_made(tmp_path: Path) -> None:
    """A Client that fails on it waits for its own end when it is collected, for ever."""
    (tmp_path / "a.txt").write_bytes(b"one\n")
    for address, told in [("nohost", "missing port number"), ("tcp://name.invalid:8786", "")]:
        with pytest.raises(ValueError, match=rf"^address='{address}': .*{told}"):
            run(
                Words(as_=str), plan(tmp_path / "a.txt"), out=tmp_path / "out", engine="dask", address=address
            )


def test_a_client_is_an_engine_and_is_left_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambdas go; paths may be relative; a part that kills its workers is named, and no other."""
    here = corpus(tmp_path / "in")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50,
            scheduler_kwargs={"allowed_failures": 0}, local_directory=str(tmp_path),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        monkeypatch.chdir(tmp_path)
        paths = [os.path.relpath(path) for path in here]
        pipeline = RunnableLambda(lambda line: line) | Words(keep="none", as_=str)
        result = run(pipeline, plan(paths, target=100), out="out", engine=client, **QUIET)
        assert documents(result.files) == wanted(paths)
        Path("bad.txt").write_bytes(b"poison\n")
        made = plan([*paths, "bad.txt"], target=200)
        kills = RunnableLambda(lambda line: die_at_poison(line)) | Words(keep="none", as_=str)
        with pytest.raises(IncompleteRun, match=r"1 part failed: .*Dask lost its worker") as caught:
            run(kills, made, out="bad", engine=client, retries=1, **QUIET)
        assert caught.value.result.done == len(made) - 1
        assert client.submit(int, "4").result() == 4
