"""Long texts of JSON in pieces, and long records to files: as short ones, and what they take."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from short_texts import TEXTS

from streamcore import BPE
from streamcore.scale import BadRecord, long_texts, plan, read_records, records
from streamcore.scale import documents as documents_module
from streamcore.scale.long_texts import LongText, long_text
from streamcore.scale.outputs import FORMATS
from streamcore.scale.records import text_of
from streamcore.scale.task import Job, perform

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
HAS_ARROW = importlib.util.find_spec("pyarrow") is not None
MB = 1_000_000
PIECES = ["a", "é", "中", "😀", "\\", '"', "\n", "\\u", "d83d", "\x07", "/", "\ud83d", "\ude00", "u", "8"]


def damaged(draw: random.Random, line: bytes) -> bytes:
    data = bytearray(line)
    for _ in range(draw.randint(1, 2)):
        place = draw.randrange(len(data))
        data[place : place + draw.randint(0, 1)] = draw.choice(
            [b"", b'"', b"\\", b"u", b"}", b"\x80", b"\xc3", b"\n", b"\\ude0\\u"]
        )
    return bytes(data)


def test_a_line_is_read_as_json_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "STEP", 16)
    draw = random.Random(1)
    found_long = found_bad = 0
    for _ in range(int(4000 * SCALE)):
        text = "".join(draw.choices(PIECES, k=draw.randint(0, 60)))
        other = "".join(draw.choices('ab\\"', k=draw.randint(0, 40)))
        record = {"n": [1, {"x": other}], "text": text, **({other: 1} if draw.random() < 0.2 else {})}
        whole = any(0xD800 <= ord(character) < 0xE000 for character in text) or draw.random() < 0.5
        line = json.dumps(record, ensure_ascii=whole).encode()
        if draw.random() < 0.5:
            line = damaged(draw, line)
        found = long_text(line, "text", 40)
        try:
            wanted = text_of(line, "text")
        except (ValueError, RecursionError):
            assert found is None, line
            found_bad += 1
            continue
        assert str(found) == wanted or (found is None and other == "text"), line
        found_long += isinstance(found, LongText)
    assert found_long > 500 * SCALE
    assert found_bad > 500 * SCALE


def test_pieces_end_between_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("\U0001f600" * 50, "中é" * 50, '\\"' * 50, "\ud800" * 20 + "\U0001f600" * 9):
        for escaped in (True, False):
            try:
                line = json.dumps(text, ensure_ascii=escaped).encode()
            except UnicodeEncodeError:
                continue
            for step in range(16, 30):
                monkeypatch.setattr(long_texts, "STEP", step)
                pieces = list(LongText(line, 1, len(line) - 1))
                assert "".join(pieces) == text
                assert len(pieces) >= (len(line) - 2) // step


def test_long_records_give_the_same_records_and_files(
    tmp_path: Path, gpt2: BPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in.jsonl"
    texts = [*TEXTS, "", "long \U0001f600 text " * 40, 'a "quoted" \\ one\n' * 30, *TEXTS]
    path.write_bytes(
        b"".join(
            json.dumps({"text": text}, ensure_ascii=n % 2 == 0).encode() + b" \r\n"
            for n, text in enumerate(texts)
        )
    )
    names = FORMATS if HAS_ARROW else [name for name in FORMATS if name not in ("parquet", "arrow")]
    jobs = [(name, "jsonl", None if name == "jsonl" else 50256, 1 << 20) for name in names]
    jobs += [("bin", split, None, target) for split in ("lines", b"\n", "files") for target in (700, 1 << 20)]
    jobs += [("bin", "jsonl", None, 700), ("bin", "fixed", 50256, 700)]

    def written(folder: Path) -> list[dict[str, bytes]]:
        found = []
        for number, (name, split, eod, target) in enumerate(jobs):
            out = folder / str(number)
            out.mkdir(parents=True)
            made = plan(path, split=split, target=target)
            job = Job(made, gpt2.encoder(), str(out), name, eod)
            for part in made:
                perform(job, part, "1")
            found.append({each.name: each.read_bytes() for each in sorted(out.iterdir())})
        return found

    def contents() -> list[object]:
        made = plan(path, split="jsonl", target=100)
        return [record.content for part in made for record in read_records(made, part)]

    assert contents() == texts
    wanted = written(tmp_path / "short")
    monkeypatch.setattr(records, "LONG", 50)
    monkeypatch.setattr(long_texts, "STEP", 16)
    monkeypatch.setattr(documents_module, "STREAMED", 50)
    monkeypatch.setattr(documents_module, "BLOCK", 60)
    monkeypatch.setattr(documents_module, "STEP", 7)
    assert contents() == texts
    for job, short, long in zip(jobs, wanted, written(tmp_path / "long"), strict=True):
        assert short.keys() == long.keys()
        if job[0] == "arrow" or job[0] == "parquet":  # batches have other borders
            assert [tables(data) for data in short.values()] == [tables(data) for data in long.values()], job
        else:
            assert short == long, job


def tables(data: bytes) -> list[dict[str, object]]:
    import pyarrow
    from pyarrow import ipc, parquet

    source = pyarrow.BufferReader(data)
    table = parquet.read_table(source) if data.startswith(b"PAR1") else ipc.open_file(source).read_all()
    found: list[dict[str, object]] = table.to_pylist()
    return found


def test_a_bad_long_line_is_told_as_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    for line in (
        b'{"text": "%s\xff"}' % (b"x" * 90),
        b'{"text": "%s"' % (b"x" * 90),
        b'["%s"]' % (b"x" * 90),
    ):
        path.write_bytes(b'{"text": "good"}\n' + line + b"\n")
        made = plan(path, split="jsonl")
        reasons = []
        for long in (50, 1 << 20):
            monkeypatch.setattr(records, "LONG", long)
            with pytest.raises(BadRecord) as caught:
                list(read_records(made, made[0]))
            reasons.append((caught.value.offset, caught.value.reason))
        assert reasons[0] == reasons[1]
        assert reasons[0][0] == 17


PEAKS = """
import json, sys
from streamcore import BPE
from streamcore.scale import plan, run
if __name__ == "__main__":
    ballast = bytearray(400_000_000)  # of the driver: no worker's
    ballast[::4096] = bytes(len(ballast[::4096]))
    out, formats, *paths = sys.argv[1:]
    found = {}
    for name in formats.split():
        made = plan(paths, split="jsonl", target="16MiB")
        result = run(BPE.gpt2().encoder(), made, out=f"{out}/{name}", format=name, jobs=2, progress=False)
        found[name] = max(each.peak_memory for each in result.receipts)
    print(json.dumps(found))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of a process is read from /proc")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer keeps freed memory")
@pytest.mark.skipif(
    os.environ.get("STREAMCORE_BACKEND") == "pure"
    or importlib.util.find_spec("streamcore._native.bpe.core") is None,
    reason="the marks are those of the native core; dicts and strings of Python take more",
)
def test_the_peak_of_a_worker(tmp_path: Path) -> None:
    """The mark is 150 MB and three times the longest record; here with half as much again."""
    words = [f"word{n % 997} of some text, {n}. " for n in range(20_000)]
    lines = json.dumps({"text": "".join(words[:100])}) + "\n"
    (tmp_path / "short").write_text(lines * (20 * MB // len(lines)), encoding="utf-8")
    long = json.dumps({"text": "".join(words) * 12 + "\U0001f600"}, ensure_ascii=False)
    (tmp_path / "long").write_text("{}\n".format('{"text": "one"}') + long + "\n", encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(PEAKS)
    formats = "bin parquet arrow" if HAS_ARROW else "bin"
    ended = subprocess.run(
        [
            sys.executable,
            str(script),
            str(tmp_path),
            formats,
            str(tmp_path / "short"),
            str(tmp_path / "long"),
        ],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    for name, peak in json.loads(ended.stdout).items():
        ids = 12 * len(long) if name == "parquet" else 0  # pyarrow makes one page of it
        assert 30 * MB < peak < 1.5 * (150 * MB + 3 * len(long)) + ids, (name, peak)
