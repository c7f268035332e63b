"""``streamcore tokens`` on files that are not trusted: one line, exit code 2, and nothing in them is run."""

from __future__ import annotations

import gzip
import pickle
import struct
from contextlib import closing

import numpy as np
import pytest

pytest.importorskip("click")

from streamcore.cli.failure import Failure
from streamcore.cli.inputs import open_input
from streamcore.cli.tokens import npy_numbers, numbers


def npy(fields, data=b"", version=1, size=None):
    """A npy file with the text ``fields`` as its header."""
    header = fields if isinstance(fields, bytes) else fields.encode("latin-1")
    length = len(header) if size is None else size
    return (
        b"\x93NUMPY"
        + bytes((version, 0))
        + struct.pack("<H" if version == 1 else "<I", length)
        + header
        + data
    )


def row(descr="'<u4'", shape="(2,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


IDS = struct.pack("<2I", 64, 65)
BAD = {
    "nothing": b"",
    "text": b"1 2 3",
    "magic alone": b"\x93NUMPY",
    "no header": b"\x93NUMPY\x01\x00",
    "truncated header": npy(row(), size=500),
    "header of 4 GB": npy(row(), version=2, size=0xFFFFFFFF),
    "long header": npy(row().rstrip().ljust(20_000) + "\n", IDS),
    "long header, version 2": npy(row().rstrip().ljust(60_000) + "\n", IDS, version=2),
    "version 3": npy(row(), IDS, version=3),
    "version 9": npy(row(), IDS, version=9),
    "brackets": npy("(" * 9000 + "\n"),
    "signs": npy("-" * 9000 + "1\n"),
    "lists": npy("[" * 90 + "]" * 90 + "\n"),
    "a call": npy("__import__('os').abort()\n"),
    "no dict": npy("1\n"),
    "other keys": npy("{'a': 1}\n"),
    "unhashable": npy("{[]: 1}\n"),
    "indents": npy("  1\n 2\n"),
    "quotes": npy("'''\n"),
    "python 2": npy(row(shape="(2L,)"), IDS),
    "no utf-8": npy(b"\xff\xfe\x00\n"),
    "shape of text": npy(row(shape="('2',)"), IDS),
    "shape of lists": npy(row(shape="([],)"), IDS),
    "shape an int": npy(row(shape="2"), IDS),
    "no shape": npy(row(shape="()"), IDS),
    "matrix": npy(row(shape="(1, 2)"), IDS),
    "negative": npy(row(shape="(-2,)"), IDS),
    "float size": npy(row(shape="(2.0,)"), IDS),
    "too large": npy(row(shape="(9" * 1 + "9" * 30 + ",)"), IDS),
    "thousands of digits": npy(row(shape="(" + "9" * 5000 + ",)"), IDS),
    "truncated data": npy(row(shape="(3,)"), IDS),
    "half an id": npy(row(), IDS[:7]),
    "objects": npy(row("'|O'"), IDS),
    "floats": npy(row("'<f8'"), IDS),
    "bools": npy(row("'|b1'"), IDS),
    "text values": npy(row("'<U1'"), IDS),
    "times": npy(row("'<m8[s]'"), IDS),
    "records": npy(row("[('a', '<u4')]"), IDS),
    "rows of rows": npy(row("('<u4', (2,))"), IDS),
    "no type": npy(row("'nonsense'"), IDS),
    "type None": npy(row("None"), IDS),
    "type int": npy(row("5"), IDS),
    "order 7": npy(row(order="7"), IDS),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_npy_file_is_one_line(tmp_path, name):
    path = tmp_path / "ids.npy"
    path.write_bytes(BAD[name])
    with closing(open_input(str(path))) as source, pytest.raises((Failure, ValueError)) as caught:
        list(npy_numbers(source))
    message = str(caught.value)
    assert type(caught.value) in (Failure, ValueError)
    assert "\n" not in message
    assert len(message) < 700


@pytest.mark.parametrize("fields", [row(), row(order="True")])
@pytest.mark.parametrize("version", [1, 2])
def test_row_of_either_version_and_order_is_read(tmp_path, fields, version):
    path = tmp_path / "ids.npy"
    path.write_bytes(npy(fields, IDS + b"more than was said", version=version))
    with closing(open_input(str(path))) as source:
        assert [number for some in npy_numbers(source) for number in some.tolist()] == [64, 65]


def test_pickled_objects_are_never_loaded(tmp_path):
    made = tmp_path / "made"
    path = tmp_path / "ids.npy"
    np.save(path, np.array([Runs(str(made))], dtype=object), allow_pickle=True)
    for content in (path.read_bytes(), pickle.dumps(Runs(str(made)))):
        path.write_bytes(content)
        with closing(open_input(str(path))) as source, pytest.raises(Failure):
            list(npy_numbers(source))
    assert not made.exists()


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("jsonl", b"[" * 100_000),
        ("jsonl", b"9" * 5000),
        ("jsonl", b"[1.0]"),
        ("jsonl", b'{"id": NaN}'),
        ("jsonl", b"\xff"),
        ("text", b"9" * 5000),
        ("text", b"x" * 100_000),
        ("text", b"1.0"),
    ],
    ids=lambda value: str(value[:12]),
)
def test_bad_line_of_ids_is_one_line(tmp_path, form, data):
    path = tmp_path / "ids"
    path.write_bytes(b"1\n" + data)
    with (
        closing(open_input(str(path))) as source,
        pytest.raises(Failure, match="ids, line 2: no ids: ") as caught,
    ):
        list(numbers(source, form))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("name", "content", "arguments"),
    [
        ("a.npy", BAD["brackets"], ["--decode", "a.npy"]),
        ("a.npy", BAD["negative"], ["--decode", "a.npy"]),
        ("a.npy", BAD["objects"], ["--decode", "a.npy"]),
        ("a.jsonl", b"[" * 100_000, ["--decode", "a.jsonl"]),
        ("a.json", b"[" * 100_000, ["--vocab", "a.json", "-"]),
        ("a.json", b'{"model": {"type": NaN}}', ["--vocab", "a.json", "-"]),
        ("a.tiktoken", b"\xff", ["--vocab", "a.tiktoken", "--pattern", ".", "-"]),
        ("a.gz", gzip.compress(b"hello " * 1000, mtime=0)[:-20], ["a.gz"]),
        ("a.gz", b"\x1f\x8b" + b"\xff" * 40, ["a.gz"]),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_file_is_one_line_and_exit_code_2(command_line, tmp_path, name, content, arguments):
    (tmp_path / name).write_bytes(content)
    run = command_line.run(["tokens", *arguments], tmp_path)
    assert run.returncode == 2
    assert run.stderr.count(b"\n") == 1
    assert name.encode() in run.stderr
