"""Files of parts joined to larger ones: the same documents, whatever the sizes, and nothing of the parts left."""

from __future__ import annotations

import importlib.util
import json
import os
import random
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deaths import killed_after

from streamcore import BPE, Words, ops
from streamcore.scale import OtherJob, places, plan, run
from streamcore.scale.closing import close, finished
from streamcore.scale.outputs import FORMATS
from streamcore.scale.task import Job, perform

HAS_ARROW = importlib.util.find_spec("pyarrow") is not None
NAMES = FORMATS if HAS_ARROW else tuple(name for name in FORMATS if name not in ("parquet", "arrow"))
QUIET: dict[str, Any] = {"progress": False, "jobs": 1}


def corpus(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def some_texts(count: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abc de\n", k=draw.choice([0, 3, 40, 300]))) for _ in range(count)]


def documents(folder: Path, names: list[str]) -> list[Any]:
    """In the order of the files."""
    found: list[Any] = []
    for name in names:
        path = folder / name
        kind = path.suffix
        if kind == ".jsonl":
            rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            found += [list(row.values()) for row in rows]
        elif kind == ".bin":
            found += of_ids(path)
        else:
            found += [list(row.values()) for row in table(path).to_pylist()]
    return found


def of_ids(path: Path) -> list[list[int]]:
    ids = np.fromfile(path, "<u2").tolist()
    if path.with_suffix(".idx").exists():
        index = path.with_suffix(".idx").read_bytes()
        count = int.from_bytes(index[18:26], "little")
        lengths = np.frombuffer(index, "<i4", count, 34)
        places = np.frombuffer(index, "<i8", count, 34 + 4 * count) // 2
        return [
            ids[place : place + length]
            for place, length in zip(places.tolist(), lengths.tolist(), strict=True)
        ]
    ends = np.fromfile(path.with_suffix(".offsets"), "<i8").tolist()
    assert (ends[0], ends[-1]) == (0, len(ids))
    return [ids[start:end] for start, end in pairwise(ends)]


def table(path: Path) -> Any:
    from pyarrow import ipc, parquet

    return parquet.read_table(path) if path.suffix == ".parquet" else ipc.open_file(path).read_all()


@pytest.mark.parametrize("format", NAMES)
def test_documents_are_the_same_whatever_the_sizes(
    tmp_path: Path, gpt2: BPE, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "BLOCK", 7)
    source = corpus(tmp_path / "in.jsonl", some_texts(24))
    pipeline = gpt2.encoder()
    eod = 50256 if format in ("bin", "megatron") else None
    for target in (120, 700):
        made = plan(source, split="jsonl", target=target)
        alone = tmp_path / f"{target}"
        parts = run(pipeline, made, out=alone, format=format, eod=eod, **QUIET)
        wanted = documents(alone, [os.path.basename(name) for name in parts.files])
        sizes = [each.files[0].size for each in parts.receipts if each.records]
        for limit in (1, "0.5KiB", 10**9):
            out = tmp_path / f"{target}-{limit}"
            result = run(pipeline, made, out=out, format=format, eod=eod, join=limit, **QUIET)
            names = [os.path.basename(name) for name in result.files]
            assert names == [f"joined-{n:06}.{names[0].partition('.')[2]}" for n in range(len(names))]
            assert documents(out, names) == wanted
            meta = finished(out)
            assert meta is not None
            assert meta["joined"] is True
            beside = {"meta.json", "manifest.jsonl", "plan.json", ".lock"}
            assert set(os.listdir(out)) == beside | {name for name, _, _ in meta["files"]}
            # as few as neighbours allow
            groups = grouped(sizes, limit if isinstance(limit, int) else 512)
            assert len(names) == len(groups)
            again = run(pipeline, made, out=out, format=format, eod=eod, join=3, **QUIET)
            assert (again.done, again.files, again.complete) == (0, result.files, True)
            assert finished(out) == meta


def grouped(sizes: list[int], limit: int) -> list[list[int]]:
    groups: list[list[int]] = []
    for size in sizes:
        if groups and sum(groups[-1]) + size <= limit:
            groups[-1].append(size)
        else:
            groups.append([size])
    return groups


@pytest.mark.skipif(not HAS_ARROW, reason="columns need pyarrow")
@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_parts_with_items_of_several_kinds(tmp_path: Path, format: str) -> None:
    """Text alone stays text; with bytes in another part it is bytes, and so are lists of none."""
    for texts, kind in (
        (["a b", "", "c"], "string"),
        (["", ""], "string"),
        (["a", "b'", "", "é"], "binary"),
        (["b'", "b'"], "binary"),
    ):
        out = tmp_path / str(len(os.listdir(tmp_path)))
        source = corpus(tmp_path / f"{out.name}.jsonl", texts)
        pipeline = Words(keep="none") | ops.map(as_bytes)
        run(pipeline, plan(source, split="jsonl", target=3), out=out, format=format, join=10**9, **QUIET)
        found = table(out / f"joined-000000.{format}")
        assert str(found.schema.field("items").type.value_type) == kind
        words = [[as_bytes(word) for word in text.split()] for text in texts]
        wanted = [
            [word.encode() if kind == "binary" and isinstance(word, str) else word for word in each]
            for each in words
        ]
        assert found["items"].to_pylist() == wanted


def as_bytes(word: str) -> str | bytes:
    return word.encode() if "'" in word else word


def test_without_documents_there_is_no_file(tmp_path: Path, gpt2: BPE) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n" * 30)
    for format in NAMES:
        out = tmp_path / format
        made = plan(source, split="jsonl", target=10)
        result = run(gpt2.encoder(), made, out=out, format=format, join=100, **QUIET)
        assert (list(result.files), result.complete) == ([], True)
        assert set(os.listdir(out)) == {"meta.json", "manifest.jsonl", "plan.json", ".lock"}


def test_a_part_that_is_not_what_was_written_is_not_joined(tmp_path: Path, gpt2: BPE) -> None:
    source = corpus(tmp_path / "in.jsonl", some_texts(20))
    for format in NAMES:
        out = tmp_path / format
        out.mkdir()
        job = Job(
            plan(source, split="jsonl", target=200), gpt2.encoder(), str(out), format, None, None, 10**9
        )
        receipts = [perform(job, part, "1") for part in job.plan]
        for file in next(each for each in receipts if each.items > 1).files:
            if file.name.endswith(".idx"):  # no more than lengths is taken of it
                continue
            path = out / file.name
            whole = path.read_bytes()
            at = len(whole) // 2
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(ValueError, match=rf"{file.name} is not what its receipt says"):
                close(job, receipts)
            assert finished(out) is None
            assert not list(out.glob("joined-*"))
            path.write_bytes(whole)
        assert close(job, receipts)[0].startswith("joined-000000.")


def test_killed_at_any_step_of_closing(tmp_path: Path, gpt2: BPE, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed again, with joined files of another size: nothing of the first try stays."""
    source = corpus(tmp_path / "in.jsonl", some_texts(12))
    made = plan(source, split="jsonl", target=300)
    for format in NAMES:
        reached, ended = 0, False
        while not ended:
            out = tmp_path / f"{format}-{reached}"
            out.mkdir()
            first = Job(made, gpt2.encoder(), str(out), format, None, None, 1)
            receipts = [perform(first, part, "1") for part in made]
            with killed_after(monkeypatch, reached), suppress(KeyboardInterrupt):
                close(first, receipts)
                ended = True
            whole = finished(out) is not None
            names = close(Job(made, gpt2.encoder(), str(out), format, None, None, 10**9), receipts)
            assert (len(names) > 1) == whole
            meta = finished(out)
            assert meta is not None
            assert set(os.listdir(out)) == {"meta.json"} | {name for name, _, _ in meta["files"]}
            reached += 7
        assert reached > 9


def test_more_input_or_a_lost_file_makes_all_anew(tmp_path: Path, gpt2: BPE) -> None:
    source = corpus(tmp_path / "in.jsonl", some_texts(30))
    made = plan(source, split="jsonl", target=300)
    out = tmp_path / "out"

    def done(**options: Any) -> list[str]:
        result = run(gpt2.encoder(), made, out=out, format="bin", **options, **QUIET)
        assert result.complete
        return sorted(path.name for path in out.glob("*.bin"))

    many = done(join=500)
    assert len(many) > 2
    (out / many[-1]).unlink()
    assert done() == [f"part-{n:06}.bin" for n in range(len(made))]
    assert done(join=10**9) == [f"part-{n:06}.bin" for n in range(len(made))]  # it is whole as it is
    assert done(join=10**9, resume=False) == ["joined-000000.bin"]
    assert done(resume=False) == [f"part-{n:06}.bin" for n in range(len(made))]
    assert len(done(join=500, resume=False)) > 2
    (out / "joined-000000.offsets").write_bytes(b"")
    assert done(join=10**9) == ["joined-000000.bin"]
    source.write_bytes(source.read_bytes().replace(b"a", b"b"))
    with pytest.raises(OtherJob):
        run(gpt2.encoder(), plan(source, split="jsonl", target=300), out=out, format="bin", **QUIET)


def test_an_object_store(tmp_path: Path, gpt2: BPE) -> None:
    pytest.importorskip("fsspec", reason="URLs need fsspec")
    from object_store import Store

    source = corpus(tmp_path / "in.jsonl", some_texts(30))
    made = plan(source, split="jsonl", target=600)
    store = Store(tmp_path / "store")
    for format in NAMES:
        local = tmp_path / format
        expected = run(gpt2.encoder(), made, out=local, format=format, join=1000, **QUIET)
        store.put(f"bucket/{format}/joined-999999.txt", b"of somebody else")
        options = {"state": tmp_path / f"{format}-state", "out_options": store.options, "join": 1000}
        out = f"mini://bucket/{format}"
        result = run(gpt2.encoder(), made, out=out, format=format, **options, **QUIET)
        assert list(result.files) == [f"{out}/{os.path.basename(name)}" for name in expected.files]
        objects = store.objects(f"bucket/{format}")
        assert objects.pop("joined-999999.txt")
        names = {path.name for path in local.iterdir()} - {"manifest.jsonl", "plan.json", ".lock"}
        assert set(objects) == names
        for name in names - {"meta.json"}:
            assert objects[name] == (local / name).read_bytes()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (0, ValueError, "join must be a positive size"),
        ("much", ValueError, "join must be a positive size"),
        (True, TypeError, "join must be an int or a str"),
        (1.5, TypeError, "join must be an int or a str"),
    ],
)
def test_sizes_that_are_none(tmp_path: Path, given: Any, error: type[Exception], message: str) -> None:
    source = corpus(tmp_path / "in.jsonl", ["a"])
    with pytest.raises(error, match=message):
        run(Words(), plan(source), out=tmp_path / "out", format="jsonl", join=given)
    assert not (tmp_path / "out").exists()


def test_no_input_by_such_a_name(tmp_path: Path) -> None:
    source = corpus(tmp_path / "joined-000000.jsonl", ["a"])
    with pytest.raises(ValueError, match="is an input, and a run writes files of such names"):
        run(Words(), plan(source), out=tmp_path, format="jsonl", join=5)
