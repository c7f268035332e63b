"""Runs of ``scale_driver``, what they have to give, and ways to wait for processes without sleeping."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

LONG = 150.0  # seconds that nothing here takes, unless it hangs
HERE = Path(__file__).parent


def corpus(folder: Path, lines: int = 60, stops: Iterable[int] = ()) -> list[str]:
    """Two files of lines of words; ``stop-N`` are lines in the second, in their order."""
    rng = random.Random(lines)
    folder.mkdir(parents=True, exist_ok=True)
    texts = [" ".join(rng.choices(["one", "zwei", "trois", "4"], k=rng.randrange(12))) for _ in range(lines)]
    stops = list(stops)
    for number, stop in enumerate(stops):
        texts.insert(lines // 2 + (number + 1) * lines // (2 * len(stops) + 2), f"here stop-{stop} is")
    paths = [folder / "a.txt", folder / "b.txt"]
    for path, part in zip(paths, (texts[: lines // 2], texts[lines // 2 :]), strict=True):
        path.write_text("".join(f"{text}\n" for text in part), encoding="utf-8")
    return [str(path) for path in paths]


def wanted(paths: Sequence[str]) -> list[Any]:
    """What the whole files say, without any part of ``run``."""
    found = []
    for path in paths:
        offset = 0
        for line in Path(path).read_bytes().splitlines(keepends=True):
            found.append({"uri": path, "offset": offset, "items": line.decode().split()})
            offset += len(line)
    return found


def documents(files: Sequence[str]) -> list[Any]:
    return [
        json.loads(line) for name in files for line in Path(name).read_text(encoding="utf-8").splitlines()
    ]


def temporary(out: Path) -> list[str]:
    return [name for name in os.listdir(out) if name.endswith(".tmp")]


class Folder:
    """A folder for one test: its ``told`` pipe, the processes that were started under it."""

    def __init__(self, path: Path) -> None:
        self.path, self.out = path, path / "out"
        os.mkfifo(path / "told")
        self.pipe = os.open(path / "told", os.O_RDWR | os.O_NONBLOCK)
        self.said = b""
        self.started: list[subprocess.Popen[bytes]] = []

    def environment(self) -> dict[str, str]:
        root = str(HERE.parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        return {**os.environ, "PYTHONPATH": path, "STREAMCORE_TEST_FOLDER": str(self.path)}

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """A process of Python in a session of its own."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(
            [sys.executable, *command], env=self.environment(), start_new_session=True, **options
        )
        self.started.append(process)
        return process

    def drive(self, paths: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        asked = {"paths": paths, "out": str(self.out), "target": 100, **options}
        return self.start(str(HERE / "scale_driver.py"), json.dumps(asked))

    def finish(self, paths: Sequence[str], **options: Any) -> dict[str, Any]:
        """Drive to the end; the documents are what they have to be, and nothing temporary is left."""
        process = self.drive(paths, **options)
        output, errors = process.communicate(timeout=LONG)
        assert process.returncode == 0, errors.decode()
        result: dict[str, Any] = json.loads(output)
        assert documents(result["files"]) == wanted(paths)
        assert not temporary(self.out)
        return result

    def finish_though_one_hangs(self, paths: Sequence[str], **options: Any) -> None:
        """The first attempt at the stop never ends, and its time passes; the next one goes through."""
        driver = self.drive(paths, retries=20, **options)
        self.told(driver)
        self.pass_by(0)
        _, errors = driver.communicate(timeout=LONG)
        assert driver.returncode == 0, errors.decode()
        assert self.finish(paths)["done"] == 0

    def pass_by(self, *stops: int) -> None:
        for stop in stops:
            (self.path / f"pass-{stop}").touch()

    def told(self, driver: subprocess.Popen[bytes] | None = None) -> tuple[int, int]:
        """Which stop was reached next, and in which process."""
        until = time.monotonic() + LONG
        while b"\n" not in self.said:
            if driver is not None and driver.poll() is not None:
                raise AssertionError(driver.communicate()[1].decode())
            ready, _, _ = select.select([self.pipe], [], [], 1)
            assert time.monotonic() < until, "no stop was reached"
            if ready:
                self.said += os.read(self.pipe, 4096)
        line, _, self.said = self.said.partition(b"\n")
        stop, process = map(int, line.split())
        return stop, process

    def none_left(self, seconds: float = LONG) -> None:
        """All processes that were started under this folder end within that time."""
        until = time.monotonic() + seconds
        while found := self.processes():
            for process in found:
                assert time.monotonic() < until, f"left: {Path(f'/proc/{process}/cmdline').read_bytes()!r}"
                wait_for_end(process, until - time.monotonic())

    def processes(self) -> list[int]:
        mark = f"STREAMCORE_TEST_FOLDER={self.path}".encode()
        found = []
        for name in filter(str.isdecimal, os.listdir("/proc")):
            try:
                whole = Path("/proc", name, "environ").read_bytes().split(b"\0")
                state = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if mark in whole and state != "Z" and int(name) != os.getpid():
                found.append(int(name))
        return found

    def close(self) -> None:
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        for started in self.started:
            started.communicate()
        os.close(self.pipe)


def wait_for_end(process: int, seconds: float) -> None:
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        select.select([handle], [], [], max(seconds, 0))
    finally:
        os.close(handle)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to it alone, and what it said is dropped."""
    process.kill()
    process.wait(LONG)
