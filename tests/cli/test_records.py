"""``streamcore jsonl`` and ``streamcore sse``."""

from __future__ import annotations

import json
import subprocess

import pytest

pytest.importorskip("click")

from streamcore.cli.commands import run

RECORDS = (
    b'\xef\xbb\xbf{"text": "one two", "n": 1}\r\n\n{\n{"text": 5}\n {"text": "\xc3\xa9"}\n"x"\n{"n": 1.50}'
)
EVENTS = b"data: a\r\rid: 7\nevent: e\nretry: 5\ndata: b\ndata: c\xff\n\n: c\n\ndata: [DONE]\n\ndata: x"


@pytest.fixture
def streamcore(tmp_path, capfdbinary):
    """Runs a command on a file of ``data``, and gives the exit code, what was written and what was said."""
    path = tmp_path / "in"

    def cut(command: str, data: bytes, *options: str) -> tuple[int, bytes, list[str]]:
        path.write_bytes(data)
        code = run([command, str(path), *options])
        out, told = capfdbinary.readouterr()
        return code, out, told.decode().replace(str(path), "FILE").splitlines()

    return cut


@pytest.fixture
def process(command_line, tmp_path):
    """The same by standard input, in a process of its own on this backend."""

    def cut(*arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        return command_line.run(arguments, tmp_path, stdin)

    return cut


def test_records_are_written_as_they_are(streamcore):
    code, out, told = streamcore("jsonl", RECORDS)
    assert (code, out.splitlines()) == (
        1,
        [b'{"text": "one two", "n": 1}', b'{"text": 5}', b'{"text": "\xc3\xa9"}', b'"x"', b'{"n": 1.50}'],
    )
    assert told[0].startswith("streamcore: FILE: line 3, at byte 33: Expecting property name")
    assert told[1:] == ["streamcore: FILE: 1 bad record, skipped"]
    assert streamcore("jsonl", b"") == (0, b"", [])
    assert streamcore("jsonl", b" \n\n[1]\n", "-f", "jsonl") == (0, b"[1]\n", [])


def test_records_are_utf_8(streamcore):
    for line in ("1".encode("utf-16-le"), '"a"'.encode("utf-16-be"), '"a"'.encode("utf-32"), b'"\xff"'):
        code, out, told = streamcore("jsonl", line + b"\n2\n")
        assert (code, out) == (1, b"2\n")
        assert told[0].startswith("streamcore: FILE: line 1, at byte 0: ")


def test_the_text_of_a_field(streamcore):
    told = [
        "streamcore: FILE: line 4, at byte 35: field 'text' is no text but int",
        "streamcore: FILE: line 6, at byte 63: not an object but str",
        "streamcore: FILE: line 7, at byte 67: no field 'text'",
        "streamcore: FILE: 4 bad records, skipped",
    ]
    code, out, said = streamcore("jsonl", RECORDS, "--field", "text")
    assert (code, out, said[1:]) == (1, "one two\né\n".encode(), told)
    code, out, said = streamcore("jsonl", RECORDS, "--field", "text", "-f", "jsonl")
    assert (code, out, said[1:]) == (1, '"one two"\n"é"\n'.encode(), told)
    code, out, said = streamcore("jsonl", b'{"a": "\\ud800"}\n{"a": "b"}\n', "--field", "a")
    assert (code, out) == (1, b"b\n")
    assert "surrogates not allowed" in said[0]


def test_only_the_first_bad_records_are_told(streamcore):
    code, out, told = streamcore("jsonl", b"{\n" * 5000 + b"1\n")
    assert (code, out, len(told)) == (1, b"1\n", 11)
    assert told[9].startswith("streamcore: FILE: line 10, at byte 18: ")
    assert told[10] == "streamcore: FILE: 5000 bad records, skipped, the first 10 of them above"


def test_bad_records_are_told_when_something_else_ends_it(streamcore):
    code, out, told = streamcore("jsonl", b"{\n1\n[123456]\n", "--max-size", "5")
    assert (code, out) == (2, b"1\n")
    assert told[0].startswith("streamcore: FILE: line 1, at byte 0: ")
    assert told[1] == "streamcore: FILE: 1 bad record, skipped"
    assert told[2].startswith("streamcore: FILE: item at offset 4 has at least 6 bytes")


def test_the_first_bad_record_may_end_it(streamcore, tmp_path):
    code, out, told = streamcore("jsonl", RECORDS, "--on-error", "raise")
    assert (code, out) == (2, b'{"text": "one two", "n": 1}\n')
    assert told[0].endswith(" (line 3, at byte 33 of its input: b'{')")
    code, out, told = streamcore("jsonl", b"1\n[123456]\n2\n", "--max-size", "5")
    assert (code, out, told) == (
        2,
        b"1\n",
        ["streamcore: FILE: item at offset 2 has at least 6 bytes, --max-size is 5"],
    )
    code, out, told = streamcore("jsonl", b"1\n[123456]\n2\n", "--max-size", "5", "--on-oversize", "skip")
    assert (code, out, told) == (1, b"1\n2\n", ["streamcore: FILE: 1 record too large, skipped"])
    assert streamcore("jsonl", RECORDS, "--on-error", "raise", "-o", str(tmp_path / "out"))[0] == 2
    assert not (tmp_path / "out").exists()
    assert run(["jsonl"]) == run(["sse"]) == 2


def test_text_sequences(streamcore):
    data = b'\x1e{"a":\r\n "b"}\n\x1e5\n\x1e12'
    code, out, told = streamcore("jsonl", data, "--sequence")
    assert (code, out) == (1, b'{"a":   "b"}\n5\n')
    assert told[0].startswith(
        "streamcore: FILE: text 3, at byte 18: a number or literal that no white space ends"
    )


def test_records_through_pipes(process):
    data = b'{"text": "one two"}\n{"text": "three"}\n{"text": 4}\n'
    found = process("jsonl", "-", "--field", "text", stdin=data)
    assert (found.returncode, found.stdout) == (1, b"one two\nthree\n")
    assert found.stderr.count(b"\n") == 2
    words = process("words", "-", stdin=found.stdout)
    assert words.stdout == b"one\ntwo\nthree\n"
    tokens = process("tokens", "-", "--count", stdin=found.stdout)
    assert (tokens.returncode, int(tokens.stdout)) == (0, 5)


def test_events_in_each_format(streamcore, process):
    assert streamcore("sse", EVENTS) == (0, "a\nb\nc\ufffd\n[DONE]\n".encode(), [])
    code, out, told = streamcore("sse", EVENTS, "-f", "jsonl", "--on-incomplete", "emit")
    assert (code, told) == (0, [])
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "message", "data": "a", "id": "", "retry": None},
        {"event": "e", "data": "b\nc\ufffd", "id": "7", "retry": 5},
        {"event": "message", "data": "[DONE]", "id": "7", "retry": None},
        {"event": "message", "data": "x", "id": "7", "retry": None},
    ]
    found = process("sse", "-", "--stop", "[DONE]", stdin=EVENTS)
    assert (found.returncode, found.stdout, found.stderr) == (0, "a\nb\nc\ufffd\n".encode(), b"")


def test_what_is_wrong_with_events(streamcore):
    assert streamcore("sse", EVENTS, "--max-size", "1") == (
        2,
        b"a\n",
        ["streamcore: FILE: item at offset 9 has at least 2 bytes, --max-size is 1"],
    )
    assert streamcore("sse", EVENTS, "--max-size", "2", "--on-oversize", "skip") == (
        1,
        b"a\n",
        ["streamcore: FILE: 2 events too large, skipped"],
    )
    code, out, told = streamcore("sse", EVENTS, "--on-incomplete", "raise")
    assert (code, out.splitlines()[0], len(told)) == (2, b"a", 1)
    assert "input ended inside an item: 7 bytes at offset 70" in told[0]
