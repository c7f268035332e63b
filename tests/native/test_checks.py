"""C without Python: the hand-off's model under spin and its stress under ThreadSanitizer (T5), and the kernels.

Quick forms of the scripts ``tests/native/run_*.sh``; run those by hand, or ``STREAMCORE_NATIVE_FULL=1``, for the full
ones. Each also proves that it would notice: mutants of the protocol, and of the kernels, must fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SKIPPED = 77
FULL = "STREAMCORE_NATIVE_FULL" in os.environ


@pytest.mark.skipif(sys.platform == "win32", reason="the scripts need a POSIX shell")
@pytest.mark.parametrize(
    ("script", "quick"),
    [("run_spin.sh", {"QUICK": "1"}), ("run_tsan.sh", {"ROUNDS": "20"}), ("run_kernels.sh", {"QUICK": "1"})],
)
def test_what_is_checked_without_python_holds_and_mutants_are_caught(script, quick):
    if not (FOLDER.parent.parent / "streamcore" / "_native" / "channel" / "handoff.h").exists():
        pytest.skip("the headers are not beside these tests: they run against an installed package")
    done = subprocess.run(
        ["bash", str(FOLDER / script)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, **({} if FULL else quick)},
    )
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every mutant is caught" in done.stdout
