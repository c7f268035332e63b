"""A part through a pipeline to files, and its receipt."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_texts import TEXTS

from streamcore import BPE, UTF8, Words, ops
from streamcore.scale import BadRecord, plan
from streamcore.scale import documents as documents_module
from streamcore.scale.outputs import output
from streamcore.scale.outputs.ids import id_dtype
from streamcore.scale.task import Job, perform


def run(folder: Path, source: Path, pipeline: Any, format: str, target: int, **options: Any) -> list[Any]:
    folder.mkdir(exist_ok=True)
    made = plan(source, split=options.pop("split", "jsonl"), target=target)
    job = Job(made, pipeline, str(folder), format, options.get("eod"))
    return [perform(job, part, "1") for part in made]


@pytest.mark.parametrize("limit", [1, 1 << 20])
def test_bin_holds_the_ids_of_each_record(
    tmp_path: Path, source: Path, gpt2: BPE, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(documents_module, "BLOCK", limit)
    monkeypatch.setattr(documents_module, "STREAMED", 100)
    for eod in (None, 50256, 70000):
        wanted = [gpt2.encode_to_list(text) + ([] if eod is None else [eod]) for text in TEXTS]
        for target in (30, 1 << 20):
            out = tmp_path / f"{eod}-{target}"
            receipts = run(out, source, gpt2.encoder(), "bin", target, eod=eod)
            found = []
            for receipt in receipts:
                ids_file, offsets_file = receipt.files
                assert [each.name for each in receipt.files] == [
                    f"part-{receipt.part:06}.bin",
                    f"part-{receipt.part:06}.offsets",
                ]
                for each in receipt.files:
                    data = (out / each.name).read_bytes()
                    assert (len(data), zlib.crc32(data)) == (each.size, each.crc)
                ids = np.fromfile(out / ids_file.name, "<u4" if eod == 70000 else "<u2")
                offsets = np.fromfile(out / offsets_file.name, "<i8")
                assert (len(ids), len(offsets)) == (receipt.items, receipt.records + 1)
                found += [part.tolist() for part in np.split(ids, offsets[1:-1])] if receipt.records else []
            assert found == wanted
            assert sum(receipt.bytes_in for receipt in receipts) == source.stat().st_size
            assert len(os.listdir(out)) == 2 * len(receipts)
            assert all(r.pid == os.getpid() and r.seconds >= 0 and r.bytes_out for r in receipts)


def test_the_dtype_fits_every_id() -> None:
    assert [id_dtype(n, None) for n in (50257, 65536, 65537)] == ["<u2", "<u2", "<u4"]
    assert [id_dtype(10, eod) for eod in (0, 65535, 65536)] == ["<u2", "<u2", "<u4"]
    for eod in (-1, 1 << 32):
        with pytest.raises(ValueError, match=f"got {eod}"):
            id_dtype(10, eod)


def test_jsonl_of_items_and_of_ids(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    path = tmp_path / "text"
    path.write_bytes("one two\n\ndrei Äpfel\n".encode())
    receipts = run(tmp_path / "words", path, Words(keep="none"), "jsonl", 4, split="lines")
    lines = [
        json.loads(line)
        for receipt in receipts
        for line in (tmp_path / "words" / receipt.files[0].name).read_text(encoding="utf-8").splitlines()
    ]
    wanted = [(0, ["one", "two"]), (8, []), (9, ["drei", "Äpfel"])]
    assert lines == [{"uri": str(path), "offset": offset, "items": items} for offset, items in wanted]
    assert (sum(r.records for r in receipts), sum(r.items for r in receipts)) == (3, 4)
    run(tmp_path / "ids", path, UTF8() | gpt2.encoder(), "jsonl", 100, split="lines")
    first = (tmp_path / "ids" / "part-000000.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads(first)["ids"] == gpt2.encode_to_list("one two")


def test_a_failed_part_leaves_no_file_and_the_older_one_as_it_was(tmp_path: Path, gpt2: BPE) -> None:
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_bytes(b'{"text": "good"}\n{"text": 1}\n')
    out.mkdir()
    (out / "part-000000.bin").write_bytes(b"older")
    with pytest.raises(BadRecord, match="at byte 17"):
        run(out, path, gpt2.encoder(), "bin", 100)
    assert {name: (out / name).read_bytes() for name in os.listdir(out)} == {"part-000000.bin": b"older"}
    path.write_bytes(b'{"text": "good"}\n{"text": "a <|endoftext|>"}\n')
    with pytest.raises(ValueError, match="endoftext") as caught:
        run(out, path, gpt2.encoder(), "bin", 100)
    assert f"in the record at byte 17 of {path}" in caught.value.__notes__[-1]
    assert os.listdir(out) == ["part-000000.bin"]


def test_two_attempts_at_once_leave_one_result(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    """A scheduler that gives a part up may start it again while the first worker lives."""
    out = tmp_path / "out"
    out.mkdir()
    made = plan(source, split="jsonl")
    job = Job(made, gpt2.encoder(), str(out), "bin")
    (out / "part-000000.bin.first.tmp").write_bytes(b"half")
    receipts = [perform(job, made[0], attempt) for attempt in ("second", "third")]
    assert receipts[0].files == receipts[1].files
    assert sorted(os.listdir(out)) == ["part-000000.bin", "part-000000.bin.first.tmp", "part-000000.offsets"]


def test_what_does_not_fit_is_refused(gpt2: BPE) -> None:
    for name, pipeline, eod, kind, message in [
        ("xml", gpt2.encoder(), None, ValueError, "format must be .*, got .xml."),
        ("bin", Words(), None, TypeError, "must end in BPE"),
        ("jsonl", Words(), 5, ValueError, "eod is for 'bin'"),
    ]:
        with pytest.raises(kind, match=message):
            output(name, pipeline, eod)


def test_jsonl_takes_what_json_has(tmp_path: Path) -> None:
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_bytes(b"x")
    out.mkdir()
    made = plan(path)
    given: list[Any] = []
    pipeline = Words() | ops.flat_map(lambda _: given)
    cases: list[tuple[Any, Any]] = [
        ("ä\u2028", "ä\u2028"),
        ("ä".encode(), "ä"),
        (memoryview(b"ab"), "ab"),
        (bytearray(b"ab"), "ab"),
        (5, 5),
        (None, None),
        ({"a": [1, b"b"]}, {"a": [1, "b"]}),
        (np.arange(2), [0, 1]),
        (b"\xff", "an item is no JSON: 'utf-8' codec"),
        (object(), "an item is no JSON: object has no form in JSON"),
        ("\ud800", "an item is no JSON: 'utf-8' codec"),
    ]
    for item, wanted in cases:
        given[:] = [item]
        job = Job(made, pipeline, str(out), "jsonl")
        if isinstance(wanted, str) and wanted.startswith("an item is no"):
            with pytest.raises(BadRecord) as caught:
                perform(job, made[0], "1")
            assert wanted in caught.value.reason
            assert caught.value.offset == 0
        else:
            receipt = perform(job, made[0], "1")
            (line,) = (out / receipt.files[0].name).read_bytes().splitlines()
            assert json.loads(line) == {"uri": str(path), "offset": 0, "items": [wanted]}
            assert receipt.items == 1
