"""``streamcore split``, run as a user runs it."""

from __future__ import annotations

import json
import subprocess

import pytest

from streamcore import TextSplitter

pytest.importorskip("click")

TEXT = "One two three.\n\nFour five six seven eight é.\n" * 3


@pytest.fixture
def split(command_line, tmp_path):
    def run(*arguments: object, stdin: bytes = TEXT.encode()) -> subprocess.CompletedProcess[bytes]:
        return command_line.run(["split", *map(str, arguments)], tmp_path, stdin)

    return run


def test_chunks_are_records(split) -> None:
    found = split("-", "--size", 16, "--overlap", 5)
    assert (found.returncode, found.stderr) == (0, b"")
    expected = [
        {"text": c.text, "start": c.start, "stop": c.stop} for c in TextSplitter(16, overlap=5).invoke(TEXT)
    ]
    assert [json.loads(line) for line in found.stdout.splitlines()] == expected


def test_text_and_other_lengths(split, tmp_path) -> None:
    found = split("-", "-f", "text", "--size", 16, "--length", "bytes", "--kind", "sentences", "-o", "out")
    assert (found.returncode, found.stderr) == (0, b"")
    expected = TextSplitter.sentences(16, length="bytes", as_=str).invoke(TEXT)
    assert [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()] == expected
    assert split("-", "--size", 5, "--length", "tokens").stdout.count(b"\n") > 5


def test_what_is_wrong_is_told(split) -> None:
    for arguments, stdin, message in (
        (("--overlap", 10, "--size", 10), b"", b"--overlap must be smaller than --size, 10, got 10"),
        (("--size", 1 << 64), b"", b"size must be at most 9223372036854775807, got 18446744073709551616"),
        (("--length", "tokens", "--vocab", "none"), b"", b"'none' is no file"),
        (("--vocab", "gpt2"), b"", b"--vocab means nothing with --length chars: give --length tokens"),
        ((), b"text \xff more", b"at offset 5"),
        (("--length", "tokens", "--vocab", "missing.json"), b"", b"missing.json"),
    ):
        found = split("-", *arguments, stdin=stdin)
        assert found.returncode == 2
        assert message in found.stderr, found.stderr
        assert b"Traceback" not in found.stderr
