"""``megatron`` against a builder and a reader after the description of the files, which hold everything in lists."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamcore import BPE, Words
from streamcore.scale import plan
from streamcore.scale.closing import close, finished
from streamcore.scale.outputs import megatron, output
from streamcore.scale.task import Job, perform

TEXTS = ["Hello world", "", "ein Übergang 12345", "x" * 300, "", "last one"] * 3


@pytest.fixture
def job(tmp_path: Path, gpt2: BPE) -> Job:
    path, out = tmp_path / "in.jsonl", tmp_path / "out"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    out.mkdir()
    return Job(plan(path, split="jsonl", target=60), gpt2.encoder(), str(out), "megatron")


def built(documents: list[list[int]], dtype: type) -> tuple[bytes, bytes]:
    """Ids and index, as the description has them."""
    places, at = [], 0
    for document in documents:
        places.append(at)
        at += len(document) * np.dtype(dtype).itemsize
    count = len(documents)
    index = b"".join(
        [
            b"MMIDIDX\x00\x00",
            struct.pack("<Q", 1),
            struct.pack("<B", {np.uint16: 8, np.int32: 4}[dtype]),
            struct.pack("<Q", count),
            struct.pack("<Q", count + 1),
            np.array([len(document) for document in documents], np.int32).tobytes(),
            np.array(places, np.int64).tobytes(),
            np.array(list(range(count + 1)), np.int64).tobytes(),
        ]
    )
    return b"".join(np.array(document, dtype).tobytes() for document in documents), index


def read(prefix: Path) -> list[list[int]]:
    index = prefix.with_suffix(".idx").read_bytes()
    ids = prefix.with_suffix(".bin").read_bytes()
    assert index[:17] == b"MMIDIDX\x00\x00" + struct.pack("<Q", 1)
    dtype = {8: np.uint16, 4: np.int32}[index[17]]
    count, borders = struct.unpack_from("<QQ", index, 18)
    lengths = np.frombuffer(index, np.int32, count, 34)
    places = np.frombuffer(index, np.int64, count, 34 + 4 * count)
    documents = np.frombuffer(index, np.int64, borders, 34 + 12 * count)
    assert len(index) == 34 + 12 * count + 8 * borders
    assert documents[-1] == count
    return [
        np.frombuffer(ids, dtype, length, place).tolist()
        for length, place in zip(lengths.tolist(), places.tolist(), strict=True)
    ]


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_parts_and_the_whole_are_what_a_builder_makes(
    job: Job, gpt2: BPE, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(megatron, "BLOCK", block)
    for eod, dtype in ((None, np.uint16), (50256, np.uint16), (65499, np.int32), (70000, np.int32)):
        job = Job(job.plan, job.pipeline, job.folder, "megatron", eod)
        wanted = [gpt2.encode_to_list(text) + ([] if eod is None else [eod]) for text in TEXTS]
        receipts = [perform(job, part, "1") for part in job.plan]
        found = []
        for each in receipts:
            assert [file.name[-4:] for file in each.files] == [".bin", ".idx"]
            documents = read(Path(job.folder, each.files[0].name))
            pair = [Path(job.folder, file.name).read_bytes() for file in each.files]
            assert pair == list(built(documents, dtype))
            assert (len(documents), sum(map(len, documents))) == (each.records, each.items)
            found += documents
        assert found == wanted
        assert close(job, receipts) == ("tokens.bin",)
        # the parts are gone, and closing again leaves all as it is
        assert sorted(os.listdir(job.folder)) == ["meta.json", "tokens.bin", "tokens.idx"]
        assert close(job, receipts) == ("tokens.bin",)
        tokens = Path(job.folder, "tokens")
        pair = [tokens.with_suffix(suffix).read_bytes() for suffix in (".bin", ".idx")]
        assert pair == list(built(wanted, dtype))
        assert read(tokens) == wanted
        meta = finished(job.folder)
        assert meta is not None
        assert (meta["documents"], meta["tokens"]) == (len(TEXTS), sum(map(len, wanted)))
        assert [name for name, _, _ in meta["files"]] == ["tokens.bin", "tokens.idx"]
        assert np.dtype(meta["dtype"]) == dtype


def test_places_go_beyond_32_bits(tmp_path: Path) -> None:
    """Sums of lengths, and places in bytes: nothing is written that long."""
    from streamcore.scale.outputs.files import PartFiles

    lengths = np.full(5, (1 << 31) - 1, np.int32)
    with PartFiles(str(tmp_path), "long", "1") as files:
        megatron.write_index(files.create(".idx"), "<i4", 10, lambda: [lengths, lengths])
    places = np.fromfile(tmp_path / "long.idx", np.int64, 10, offset=34 + 40)
    assert places.tolist() == [((1 << 31) - 1) * 4 * n for n in range(10)]


def test_a_part_that_is_not_what_was_written_is_not_joined(job: Job) -> None:
    receipts = [perform(job, part, "1") for part in job.plan]
    for number in (0, 1):
        path = Path(job.folder, receipts[0].files[number].name)
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[0] ^= 1
        for data in (bytes(changed), whole[:-1] if number == 0 else whole[: megatron.HEAD.size + 1]):
            path.write_bytes(data)
            with pytest.raises(ValueError, match=path.name):
                close(job, receipts)
            assert finished(job.folder) is None
            assert not list(Path(job.folder).glob("tokens*"))
        path.write_bytes(whole)
    assert close(job, receipts) == ("tokens.bin",)


def test_another_one_who_closes_is_no_failure(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = [perform(job, part, "1") for part in job.plan]
    join = megatron.MegatronFormat.join

    def overtaken(*args: Any) -> None:
        monkeypatch.setattr(megatron.MegatronFormat, "join", join)
        monkeypatch.setattr(os, "getpid", lambda: 1)
        close(job, receipts)
        join(*args)

    monkeypatch.setattr(megatron.MegatronFormat, "join", overtaken)
    assert close(job, receipts) == ("tokens.bin",)
    assert sorted(os.listdir(job.folder)) == ["meta.json", "tokens.bin", "tokens.idx"]


def test_a_failed_part_leaves_nothing(job: Job) -> None:
    path = Path(job.plan.inputs[0].uri)
    path.write_bytes(b'{"text": "good"}\n' * 3 + b"{\n")
    made = plan(path, split="jsonl")
    with pytest.raises(ValueError, match="not JSON"):
        perform(Job(made, job.pipeline, job.folder, "megatron"), made[0], "1")
    assert os.listdir(job.folder) == []


def test_what_does_not_fit(gpt2: BPE) -> None:
    with pytest.raises(ValueError, match=f"and {1 << 31} is above"):
        output("megatron", gpt2.encoder(), 1 << 31)
    assert output("megatron", gpt2.encoder(), (1 << 31) - 1).dtype == "<i4"
    with pytest.raises(TypeError, match="must end in BPE"):
        output("megatron", Words(), None)
