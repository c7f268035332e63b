"""``meta.json``: what it says, that it comes last, and that closing can be done again."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deaths import killed_after
from short_texts import TEXTS

import streamcore
from streamcore import BPE, Words
from streamcore.scale import plan
from streamcore.scale.closing import close, finished
from streamcore.scale.outputs import FORMATS, output
from streamcore.scale.task import Job, Receipt, perform
from streamcore.scale.vocabulary import vocabulary_hash

if importlib.util.find_spec("pyarrow") is None:
    FORMATS = tuple(name for name in FORMATS if name not in ("parquet", "arrow"))


def done(
    folder: Path, source: Path, pipeline: Any, format: str, eod: int | None = None
) -> tuple[Job, list[Receipt]]:
    folder.mkdir()
    made = plan(source, split="jsonl", target=60)
    job = Job(made, pipeline, str(folder), format, eod)
    return job, [perform(job, part, "1") for part in made]


def test_meta_says_what_is_there(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    out = tmp_path / "out"
    job, receipts = done(out, source, gpt2.encoder(), "bin", 50256)
    assert finished(out) is None
    names = close(job, receipts, seconds=1.5)
    ids = np.concatenate([np.fromfile(out / name, "<u2") for name in names])
    wanted = [number for text in TEXTS for number in [*gpt2.encode_to_list(text), 50256]]
    assert ids.tolist() == wanted
    meta = finished(out)
    assert meta == json.loads((out / "meta.json").read_text(encoding="utf-8"))
    files = meta.pop("files")
    assert [name for name, _, _ in files] == sorted(set(os.listdir(out)) - {"meta.json"})
    for name, size, crc in files:
        data = (out / name).read_bytes()
        assert (len(data), zlib.crc32(data)) == (size, crc)
    status = source.stat()
    assert meta.pop("sources") == [
        {"uri": str(source), "size": status.st_size, "version": status.st_mtime_ns}
    ]
    assert meta.pop("receipts").startswith(f"{len(receipts)} ")
    assert meta == {
        "meta": 1,
        "streamcore": streamcore.__version__,
        "format": "bin",
        "dtype": "<u2",
        "vocabulary_size": 50257,
        "vocabulary_hash": vocabulary_hash(gpt2),
        "eod": 50256,
        "documents": 5,
        "tokens": len(wanted),
        "bytes_in": status.st_size,
        "split": "jsonl",
        "key": "text",
        "joined": False,
        "failed": [],
        "seconds": 1.5,
    }


def test_parts_without_documents_give_no_name(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    """``np.memmap`` takes no empty file."""
    job, receipts = done(tmp_path / "out", source, gpt2.encoder(), "bin")
    assert 0 in [each.records for each in receipts]
    names = close(job, receipts)
    assert names == tuple(f"part-{each.part:06}.bin" for each in receipts if each.records)


def test_of_items(tmp_path: Path, source: Path) -> None:
    job, receipts = done(tmp_path / "out", source, Words(keep="none"), "jsonl")
    close(job, receipts)
    meta = finished(job.folder)
    assert meta is not None
    assert (meta["documents"], meta["items"]) == (5, 8)
    assert not {"dtype", "eod", "tokens"} & set(meta)


def test_closing_again_changes_nothing_and_a_file_that_goes_makes_it_unfinished(
    tmp_path: Path, source: Path, gpt2: BPE
) -> None:
    job, receipts = done(tmp_path / "out", source, gpt2.encoder(), "bin")
    names = close(job, receipts, seconds=1)
    meta = tmp_path / "out" / "meta.json"
    before = meta.read_bytes()
    assert close(job, receipts, seconds=2) == names
    assert meta.read_bytes() == before
    (tmp_path / "out" / names[0]).write_bytes(b"x")
    assert finished(job.folder) is None
    with pytest.raises(ValueError, match="has 1 bytes, its receipt says"):
        close(job, receipts)
    perform(job, job.plan[0], "2")
    assert finished(job.folder) is not None
    (tmp_path / "out" / names[0]).unlink()
    assert finished(job.folder) is None
    with pytest.raises(FileNotFoundError):
        close(job, receipts)
    meta.write_text('{"meta": 99}')
    with pytest.raises(ValueError, match="not of version 1"):
        finished(job.folder)


def test_other_receipts_make_another_meta(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    job, receipts = done(tmp_path / "out", source, gpt2.encoder(), "jsonl")
    close(job, receipts)
    source.write_bytes(source.read_bytes().replace(b"Hello", b"Yellow"))
    job = Job(plan(source, split="jsonl", target=60), *list(vars(job).values())[1:])
    receipts = [perform(job, part, "2") for part in job.plan]
    close(job, receipts)
    meta = finished(job.folder)
    assert meta is not None
    assert meta["sources"][0]["size"] == source.stat().st_size


def test_what_a_death_left_goes(
    tmp_path: Path, source: Path, gpt2: BPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any rename or fsync of closing: nothing passes for finished, and closing again ends the same."""
    for format in FORMATS:
        job, receipts = done(tmp_path / format, source, gpt2.encoder(), format)
        reached = 0
        while finished(job.folder) is None:
            with killed_after(monkeypatch, reached):
                try:
                    close(job, receipts)
                except KeyboardInterrupt:
                    for left in Path(job.folder).glob("*.tmp"):
                        left.rename(left.with_name(left.name.replace(".closing", ".other.closing")))
            reached += 1
        assert reached > 2
        names = close(job, receipts)
        assert not list(Path(job.folder).glob("*.tmp"))
        fresh, receipts = done(tmp_path / f"{format}-fresh", source, gpt2.encoder(), format)
        assert close(fresh, receipts) == names
        for name in set(os.listdir(fresh.folder)) - {"meta.json"}:
            assert Path(fresh.folder, name).read_bytes() == Path(job.folder, name).read_bytes()
        assert set(os.listdir(job.folder)) == set(os.listdir(fresh.folder))


def test_formats_pickle(gpt2: BPE) -> None:
    for name in FORMATS:
        made = output(name, gpt2.encoder(), None)
        assert pickle.loads(pickle.dumps(made)) == made
        assert made.name == name


def test_the_hash_knows_each_part_of_a_vocabulary() -> None:
    ranks = {bytes([n]): n for n in range(256)} | {b"ab": 256, b"bc": 257}
    merges = [(b"a", b"b"), (b"b", b"c")]
    base: dict[str, Any] = {"ranks": ranks, "pattern": r"\w+|\W+"}
    changes: list[dict[str, Any]] = [
        {},
        {"ranks": ranks | {b"ab": 300}},
        {"ranks": ranks | {b"ac": 258}},
        {"pattern": r"\w+|[^\w]+"},
        {"special_tokens": {"<e>": 400}},
        {"merges": merges},
        {"merges": merges[::-1]},
        {"whole_pieces": False},
        {"normalization": "NFC"},
    ]
    hashes = [vocabulary_hash(BPE.from_ranks(**(base | change))) for change in changes]
    assert len(set(hashes)) == len(changes)
    reordered = dict(reversed(ranks.items()))
    assert vocabulary_hash(BPE.from_ranks(reordered, base["pattern"], cache_bytes=0)) == hashes[0]


def test_a_death_between_two_renames_is_no_receipt(
    tmp_path: Path, source: Path, gpt2: BPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids have their name, the offsets are those of before: only the receipt makes files whole."""
    job, before = done(tmp_path / "out", source, gpt2.encoder(), "bin")
    other = Job(job.plan, job.pipeline, job.folder, "bin", 50256)
    replace, renamed = os.replace, []

    def second_fails(old: str, new: str) -> None:
        renamed.append(new)
        if len(renamed) == 2:
            raise KeyboardInterrupt
        replace(old, new)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(KeyboardInterrupt):
        perform(other, other.plan[0], "2")
    assert [name[-4:] for name in renamed] == [".bin", "sets"]
    # the older receipt does not hold for what is there either
    with pytest.raises(ValueError, match="its receipt says"):
        close(job, before)
    assert finished(job.folder) is None
    close(other, [perform(other, part, "3") for part in other.plan])
    assert finished(job.folder) is not None
