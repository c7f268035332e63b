"""``streamcore tokens``, run as a user runs it: in a process of its own, on both backends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

from streamcore import BPE

pytest.importorskip("click")

SAMPLE = files("streamcore").joinpath("cli/sample.txt").read_bytes()
END = "<|endoftext|>"


@pytest.fixture(scope="module")
def gpt2():
    return BPE.gpt2()


@pytest.fixture
def tokens(command_line, tmp_path):
    """``tokens(*arguments, stdin=b"")`` runs the command in ``tmp_path``."""

    def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return command_line.run(["tokens", *map(str, arguments)], tmp_path, stdin)

    return run


def succeeds(run):
    assert (run.returncode, run.stderr) == (0, b"")
    return run.stdout


def fails(run):
    assert run.returncode == 2
    assert b"Traceback" not in run.stderr
    return run.stderr.decode()


def test_without_a_file_gives_the_ids_of_the_sample(tokens, gpt2):
    assert [*map(int, succeeds(tokens()).split())] == gpt2.encode_to_list(SAMPLE)


def test_ids_of_standard_input_and_back(tokens, gpt2):
    text = "Größe 中文 \U0001f600\n" * 200
    ids = succeeds(tokens("-", stdin=text.encode()))
    assert [*map(int, ids.split())] == gpt2.encode_to_list(text)
    assert succeeds(tokens("--decode", "-", stdin=ids)).decode() == text


def test_count_and_truncate(tokens, gpt2):
    assert int(succeeds(tokens("--count"))) == gpt2.count(SAMPLE)
    assert [*map(int, succeeds(tokens("--truncate", 5)).split())] == gpt2.encode_to_list(SAMPLE)[:5]
    assert succeeds(tokens("--truncate", 0)) == b""
    assert succeeds(tokens("--truncate", 5, "--count")) == b"5\n"


def test_special_tokens_are_text_unless_asked_for(tokens):
    text = f"a{END}".encode()
    assert succeeds(tokens("-", "--special", stdin=text)) == b"64\n50256\n"
    assert b"50256" not in succeeds(tokens("-", stdin=text))


def test_npy_and_bin_files(tokens, gpt2, tmp_path):
    wanted = gpt2.encode_to_list(SAMPLE)
    for name in ("out.npy", "out.bin"):
        assert succeeds(tokens("-o", name)) == b""
    array = np.load(tmp_path / "out.npy")
    assert (array.dtype, array.tolist()) == (np.dtype("<u4"), wanted)
    assert np.fromfile(tmp_path / "out.bin", "<u4").tolist() == wanted
    assert succeeds(tokens("--decode", "out.bin")) == SAMPLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.bin", "out.npy"]


def test_jsonl_says_where_each_token_lies(tokens, gpt2, tmp_path):
    succeeds(tokens("-o", "out.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == gpt2.encode_to_list(SAMPLE)
    assert all(SAMPLE[line["start"] : line["end"]] == gpt2.decode_bytes([line["id"]]) for line in lines)
    assert succeeds(tokens("--decode", "out.jsonl")) == SAMPLE


def test_vocabulary_from_a_file(tokens, tmp_path):
    import base64

    ranks = [*(bytes((value,)) for value in range(256)), b"ab"]
    path = tmp_path / "own.tiktoken"
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(ranks)))
    pattern = BPE.gpt2().pattern
    assert succeeds(tokens("-", "--vocab", path.name, "--pattern", pattern, stdin=b"abc")) == b"256\n99\n"
    assert "is none of the published encodings" in fails(tokens("-", "--vocab", path.name, stdin=b"abc"))
    path.write_bytes(path.read_bytes() + b"oops\n")
    message = fails(tokens("-", "--vocab", path.name, "--pattern", pattern, stdin=b"abc"))
    assert "own.tiktoken, line 258: expected base64 and a rank" in message


def npy(values):
    """A npy file of them."""
    file = io.BytesIO()
    np.save(file, np.array(values))
    return file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["-"], b"ab\xff", "standard input: utf-8: invalid start byte: b'\\xff' at offset 2"),
        (["--decode", "-"], b"1\nx\n", "standard input, line 2: no ids"),
        (["--decode", "-"], b"99999", "standard input: unknown id 99999 at position 0"),
        (["--decode", "-", "-f", "bin"], b"123", "the input ends inside an id: 3 bytes are left over"),
        (["-f", "npy"], b"", "npy needs a file: -o OUT.npy"),
        (["--decode"], b"1", "--decode needs a FILE of ids, or - for standard input"),
        (["--decode", "-", "-f", "npy"], b"", "standard input: no npy file"),
        (["--decode", "-", "-f", "npy"], b"1 2 3 and no header", "standard input: no npy file"),
        (["--decode", "-", "-f", "npy"], npy([1.5]), "a row of integers is due, got an array of float64"),
        (["--decode", "-", "-f", "npy"], npy([[1, 2]]), "got an array of int64 of shape (1, 2)"),
        (["--decode", "-", "-f", "npy"], npy([1, 2, 3])[:-9], "the input ends before its last 2 of 3 ids"),
        (["--decode", "-", "-f", "npy"], npy([64, 99999]), "unknown id 99999 at position 1"),
        (
            ["--decode", "-", "-f", "jsonl"],
            b'[1]\n{"ids": 2}',
            'line 2: no ids: an object needs the key "id"',
        ),
        (["--decode", "-", "-f", "jsonl"], b"true", "line 1: no ids: an id must be an integer"),
        (["--decode", "-", "-f", "jsonl"], b"[1", "line 1: no ids"),
        (["--decode", "-", "-f", "bin"], b"1", "the input ends inside an id: 1 byte is left over"),
        (["--decode", "-", "-o", "out.npy"], b"1", "out.npy: what is decoded is written as plain text"),
        (["--count", "-", "-o", "out.npy"], b"1", "out.npy: how many ids there are is written as plain text"),
        (["--count", "-", "-f", "jsonl"], b"1", "--count writes a number, -f says how ids are written"),
        (["--pattern", "x", "-"], b"1", "--pattern is for a .tiktoken file, and --vocab is gpt2"),
        (["--truncate", "-1"], b"", "-1 is not in the range"),
        (["--vocab", "nonsense", "-"], b"", "nonsense"),
        (["none.txt"], b"", "none.txt: cannot be opened"),
        (["--vocab", "none.json"], b"", "none.json: cannot be opened"),
        (["--vocab", "none.tiktoken"], b"", "none.tiktoken: cannot be opened"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tokens, arguments, stdin, message):
    assert message in fails(tokens(*arguments, stdin=stdin))


def test_npy_files_of_any_integers_are_decoded(tokens, gpt2, tmp_path):
    text = "Größe 中文 \U0001f600\n" * 4_000  # more than one block
    ids = gpt2.encode(text)
    for number, array in enumerate([ids, ids.astype(">i8"), ids.astype("<u2"), ids[:0]]):
        np.save(tmp_path / f"{number}.npy", array)
        wanted = text if len(array) else ""
        assert succeeds(tokens("--decode", f"{number}.npy")).decode() == wanted
    assert int(succeeds(tokens("--decode", "0.npy", "--count"))) == len(ids)
    assert succeeds(tokens("--decode", "0.npy", "--truncate", 3)).decode() == gpt2.decode(ids[:3])
    assert (
        succeeds(tokens("--decode", "-", "-f", "npy", stdin=(tmp_path / "1.npy").read_bytes())).decode()
        == text
    )


def test_an_unknown_vocabulary_lists_the_known_ones_in_one_line(tokens):
    message = fails(tokens("--vocab", "nonsense", "-"))
    assert message.count("\n") == 1
    assert message.startswith("streamcore: 'nonsense' is no file, and ")
    tiktoken = pytest.importorskip("tiktoken")
    assert message.endswith(f" none of the known names: {', '.join(tiktoken.list_encoding_names())}\n")


def test_offline_the_message_says_what_to_pass(monkeypatch):
    from streamcore.cli.failure import Failure
    from streamcore.cli.tokens import load

    def offline(*_args, **_options):
        raise OSError("HTTPSConnectionPool(host='nowhere', port=443): Max retries exceeded")

    monkeypatch.setattr(BPE, "from_tiktoken", offline)
    with pytest.raises(
        Failure, match=r"^cl100k_base: could not be downloaded; without a network pass --vocab gpt2, or "
    ):
        load("cl100k_base", None)


def test_names_that_are_known_without_tiktoken(monkeypatch):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(
        ValueError, match="'nonsense' is no file, and the known names are gpt2 and r50k_base; "
    ):
        BPE.from_tiktoken("nonsense")


def test_closed_pipe_ends_quietly(tokens, tmp_path):
    (tmp_path / "long.txt").write_bytes(b"hello world " * 40_000)  # more than a pipe holds
    if os.name == "nt":
        pytest.skip("needs a POSIX pipe")
    import shlex

    succeeds(tokens("long.txt", "-o", "ids.bin"))
    for arguments in ("long.txt", "--decode ids.bin", "-f jsonl long.txt"):
        command = f"{shlex.quote(sys.executable)} -m streamcore tokens {arguments} | head -c 5"
        run = subprocess.run(["sh", "-c", command], capture_output=True, cwd=tmp_path)
        assert (len(run.stdout), run.stderr) == (5, b"")


def test_failure_leaves_no_file(tokens, tmp_path):
    fails(tokens("-", "-o", "out.bin", stdin=b"ab" * 100_000 + b"\xff"))
    assert list(tmp_path.iterdir()) == []
