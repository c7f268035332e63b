"""All byte-scanning kernels that this machine runs agree with Python, and the choice of one is a demand."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

scan = pytest.importorskip("streamcore._native.kernels.scan", reason="no native core")

KERNELS = scan.available()
SIZES = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 2000]


def samples():
    """Data of all sizes around the blocks that kernels read, from no hit at all to nothing but hits."""
    rng = random.Random(5)
    for size in SIZES:
        for alphabet in (
            b"a",
            b"\n",
            b"\r",
            b"\r\n",
            b"a\n",
            b"aaaaaaaaaaaa\n",
            b"a\x00\xff\x80\n\r;|,",
            bytes(range(256)),
        ):
            yield bytes(rng.choice(alphabet) for _ in range(size))
    for size in (64, 300):
        for at in range(size):
            yield b"a" * at + b"\n" + b"a" * (size - at - 1)


def newlines(data, after_cr):
    found = [
        at
        for at, byte in enumerate(data)
        if byte == 13 or (byte == 10 and not (data[at - 1] == 13 if at else after_cr))
    ]
    return found, data.endswith(b"\r") if data else after_cr


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_finds_one_byte(kernel):
    for data in samples():
        for byte in (b"\n", b"\x00", b"\xff"):
            assert scan.scan(data, byte, kernel) == [i for i, b in enumerate(data) if b == byte[0]]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "wanted", [b"\n\x00", b"\n;|", b"\r\n;|,\x00\x80\xff", bytes(range(9)), bytes(range(100, 256))]
)
def test_a_kernel_finds_the_bytes_of_a_set(kernel, wanted):
    for data in samples():
        expected = [i for i, byte in enumerate(data) if byte in wanted]
        assert scan.scan(data, wanted, kernel) == expected
        assert scan.find_set(data, wanted, kernel) == (expected[0] if expected else len(data))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("after_cr", [False, True])
def test_a_kernel_finds_where_universal_line_ends_start(kernel, after_cr):
    for data in samples():
        assert scan.scan_newlines(data, after_cr, kernel) == newlines(data, after_cr)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("gap", [1, 2, 63, 64, 70])
def test_a_kernel_finds_the_first_pair_of_bytes_at_a_distance(kernel, gap):
    for data in samples():
        for first, other in ((97, 10), (10, 97), (10, 10)):
            hits = (i for i in range(len(data) - gap) if data[i] == first and data[i + gap] == other)
            assert scan.find_pair(data, first, other, gap, kernel) == next(hits, len(data))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_measures_the_run_of_ascii(kernel):
    for data in samples():
        assert scan.ascii_run(data, kernel) == next((i for i, b in enumerate(data) if b > 127), len(data))


def test_the_kernel_in_use_is_the_default_of_every_function():
    data = b"a\nb\r\n" * 50
    assert scan.kernel() in KERNELS
    assert scan.scan(data, b"\n") == scan.scan(data, b"\n", "scalar")


def imported(kernel):
    code = "from streamcore._native.kernels import scan; print(scan.kernel())"
    environment = {**os.environ, "STREAMCORE_KERNEL": kernel, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_environment_variable_forces_a_kernel(kernel):
    assert imported(kernel).stdout.strip() == kernel


def not_built():
    """A name that this build has no kernels for: no build has both NEON and SSE2."""
    return "neon" if "sse2" in KERNELS else "sse2"


def test_a_kernel_that_is_not_in_this_build_is_an_import_error():
    result = imported(not_built())
    assert result.returncode != 0
    assert (
        f"ImportError: STREAMCORE_KERNEL '{not_built()}' is not in this build, which has scalar"
        in result.stderr
    )


def test_what_is_refused_says_whether_the_build_the_cpu_or_nobody_has_it():
    here = ", ".join(KERNELS)
    lacks, not_in_build, unknown = 1, 2, 3  # of cpu.h
    assert scan.refusal("kernel", "avx2", lacks) == (
        f"kernel 'avx2' is in this build, but not on this CPU, which runs {here}"
    )
    assert scan.refusal("kernel", "neon", not_in_build).startswith(
        "kernel 'neon' is not in this build, which has scalar"
    )
    assert (
        scan.refusal("kernel", "mmx", unknown) == "kernel must be one of scalar, sse2, neon, avx2, got 'mmx'"
    )


@pytest.mark.parametrize("name", [not_built(), "mmx", "", "AVX2", "auto"])
def test_every_module_refuses_a_kernel_with_the_same_words(name):
    from streamcore._native.bpe import core
    from streamcore._native.kernels import utf8_text
    from streamcore._native.text import words

    said = set()
    for call in (
        lambda: scan.scan(b"", b"a", name),
        lambda: utf8_text.decode_by(name, b""),
        lambda: words.changes_by(name, b""),
        lambda: core._use_kernel(name),
    ):
        with pytest.raises(ValueError, match="kernel") as refused:
            call()
        said.add(str(refused.value))
    assert len(said) == 1, said
    assert repr(name) in said.pop()


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_module_has_every_kernel(kernel):
    from streamcore._native.bpe import core
    from streamcore._native.kernels import utf8_text
    from streamcore._native.text import words

    assert scan.scan(b"a\n", b"\n", kernel) == [1]
    assert utf8_text.decode_by(kernel, b"a") == ("a", 1)
    assert words.changes_by(kernel, b"a b") == ([1, 2], False)
    try:
        core._use_kernel(kernel)
    finally:
        core._use_kernel(None)


def test_a_kernel_that_does_not_exist_is_an_import_error():
    result = imported("mmx")
    assert result.returncode != 0
    assert "ImportError: STREAMCORE_KERNEL must be auto or one of scalar" in result.stderr
    assert "got 'mmx'" in result.stderr


def test_a_kernel_name_that_does_not_exist_is_a_value_error():
    with pytest.raises(ValueError, match="kernel must be one of scalar.*, got 'mmx'"):
        scan.scan(b"", b"a", "mmx")
