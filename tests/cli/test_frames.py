"""``streamcore frames``, run in this process."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("click")

from streamcore.cli.commands import run

DATA = b"\x03one\x00\x05three"


@pytest.fixture
def frames(tmp_path, capfdbinary):
    """Writes ``data`` to a file, cuts it, and gives the exit code, what was written and what was said."""

    def cut(data: bytes, *options: str) -> tuple[int, bytes, str]:
        path = tmp_path / "frames"
        path.write_bytes(data)
        code = run(["frames", str(path), "--prefix", "u8", *options])
        out, told = capfdbinary.readouterr()
        return code, out, told.decode()

    return cut


def test_bodies_in_each_format(frames, tmp_path):
    assert frames(DATA) == (0, b"one\n\nthree\n", "")
    assert frames(DATA, "-f", "bin") == (0, b"onethree", "")
    assert frames(DATA, "-f", "bin", "--keep-head") == (0, DATA, "")
    assert frames(DATA, "-f", "jsonl") == (0, b'"one"\n""\n"three"\n', "")
    assert frames(DATA, "-o", str(tmp_path / "starts.npy"))[0] == 0
    assert np.load(tmp_path / "starts.npy").tolist() == [0, 4, 5, 11]
    assert frames(b"x\x05oney\x02", "--offset", "1", "--adjust", "-1", "--includes-prefix")[1] == b"one\n\n"


def test_what_is_wrong_is_told_with_its_place(frames):
    code, out, told = frames(b"\x01a\x05no")
    assert (code, out) == (2, b"a\n")
    assert "input ended inside an item: 3 bytes at offset 2" in told
    code, out, told = frames(b"\x01a\x05no", "--max-size", "4")
    assert (code, out) == (2, b"a\n")
    assert "item at offset 2 has at least 5 bytes, --max-size is 4" in told
    assert frames(b"\x02ab\x01c", "--max-size", "1", "--on-oversize", "skip")[:2] == (1, b"c\n")
    assert frames(b"", "--offset", "-1")[0] == 2
    assert run(["frames"]) == 2
