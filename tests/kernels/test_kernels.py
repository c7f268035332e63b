"""All kernels that this machine runs make of much text what the pure core makes of it, and a demand for one is met."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

scan = pytest.importorskip("streamcore._native.kernels.scan", reason="no native core")

DIGESTS = Path(__file__).with_name("digests.py")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "STREAMCORE_BACKEND": "auto", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def by_the_pure_core() -> dict[str, str]:
    result = run(str(DIGESTS), STREAMCORE_BACKEND="pure")
    assert not result.returncode, result.stderr
    return json.loads(result.stdout)["digests"]


@pytest.mark.parametrize("kernel", scan.NAMES)
def test_a_kernel_makes_what_the_pure_core_makes(kernel: str) -> None:
    if kernel not in scan.available():
        pytest.skip(f"{kernel} does not run here")
    result = run(str(DIGESTS), STREAMCORE_KERNEL=kernel)
    assert not result.returncode, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["kernel"] == kernel
    wanted = by_the_pure_core()
    assert {name for name in wanted if wanted[name] != found["digests"][name]} == set()
    assert wanted.keys() == found["digests"].keys()


def imported(kernel: str) -> subprocess.CompletedProcess[str]:
    return run("-c", "from streamcore import _backend; print(_backend.KERNEL)", STREAMCORE_KERNEL=kernel)


def test_the_best_kernel_runs_where_none_is_demanded() -> None:
    assert imported("auto").stdout.strip() == scan.available()[-1]


def not_built() -> str:
    """A name that this build has no kernels for: no build has both NEON and SSE2."""
    return "neon" if "sse2" in scan.available() else "sse2"


def test_a_kernel_that_is_not_in_this_build_is_an_import_error() -> None:
    result = imported(not_built())
    assert result.returncode != 0
    said = f"ImportError: STREAMCORE_KERNEL '{not_built()}' is not in this build, which has scalar"
    assert said in result.stderr


@pytest.mark.parametrize("name", ["mmx", "", "AVX2", "scalar "])
def test_a_kernel_that_does_not_exist_is_an_import_error(name: str) -> None:
    result = imported(name)
    assert result.returncode != 0
    assert (
        f"ImportError: STREAMCORE_KERNEL must be auto or one of scalar, sse2, neon, avx2, got {name!r}"
        in result.stderr
    )


def test_what_is_refused_says_whether_the_build_the_cpu_or_nobody_has_it() -> None:
    lacks, not_in_build, unknown = 1, 2, 3  # of cpu.h
    assert scan._refusal("avx2", lacks) == (
        f"STREAMCORE_KERNEL 'avx2' is in this build, but not on this CPU, which runs {', '.join(scan.available())}"
    )
    assert "'neon' is not in this build, which has scalar" in scan._refusal("neon", not_in_build)
    assert scan._refusal("mmx", unknown).endswith(
        "must be auto or one of scalar, sse2, neon, avx2, got 'mmx'"
    )
