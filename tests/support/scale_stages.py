"""Stages of runs: a worker finds them by the name of this module, which the files of tests have not for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final


def upper(line: bytes) -> bytes:
    return line.upper()


def die_once(line: bytes) -> bytes:
    """Kills its process for a line with "4" in it, the first time."""
    mark = Path(os.environ["STREAMCORE_TEST_FOLDER"]) / "died"
    if b"4" in line and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return line


def die_at_poison(line: bytes) -> bytes:
    if b"poison" in line:
        os.kill(os.getpid(), signal.SIGKILL)
    return line


def stuck_at_poison(line: bytes) -> bytes:
    if b"poison" in line:
        signal.pause()
    return line


def flaky(line: bytes) -> bytes:
    """A disk that fails the first time."""
    mark = Path(os.environ["STREAMCORE_TEST_FOLDER"]) / "failed"
    if not mark.exists():
        mark.touch()
        raise OSError(5, "Input/output error")
    return line


def bad_at_poison(line: bytes) -> bytes:
    if b"poison" in line:
        raise ValueError("no such thing")
    return line


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class OddNotes(Exception):
    __notes__ = [1, "two"]  # noqa: RUF012


def raises(line: bytes) -> bytes:
    word = line.decode().strip()
    raise KINDS[word](word)


KINDS: Final[dict[str, type[BaseException]]] = {
    "mute": Mute,
    "notes": OddNotes,
    "generator": GeneratorExit,
    "base": BaseException,
    "exit": SystemExit,
    "stop": StopIteration,
    "value": ValueError,
    "ctrl": KeyboardInterrupt,
}
