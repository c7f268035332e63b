"""``parquet`` and ``arrow``, read by the libraries that people read them with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_texts import TEXTS

from streamcore import BPE, FixedSize, Lines, Words, ops
from streamcore.scale import BadRecord, documents, plan
from streamcore.scale.closing import close
from streamcore.scale.outputs import arrow, output, parquet
from streamcore.scale.task import Job, perform

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def offsets(source: Path) -> list[int]:
    sizes = [len(line) for line in source.read_bytes().splitlines(keepends=True)]
    return [sum(sizes[:place]) for place in range(len(sizes))]


def written(
    folder: Path, source: Path, pipeline: Any, format: str, eod: int | None = None, **options: Any
) -> list[Path]:
    folder.mkdir()
    made = plan(source, **{"split": "jsonl", "target": 60, **options})
    job = Job(made, pipeline, str(folder), format, eod)
    receipts = [perform(job, part, "1") for part in made]
    names = close(job, receipts)
    tables = [read(folder / name) for name in names]
    assert sum(len(table) for table in tables) == sum(each.records for each in receipts)
    column = "ids" if "ids" in tables[0].column_names else "items"
    found = sum(len(each) for table in tables for each in table[column].to_pylist())
    assert found == sum(each.items for each in receipts)
    return [folder / name for name in names]


def read(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        return reader.read_all()


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_ids_in_the_smallest_type(
    tmp_path: Path, source: Path, gpt2: BPE, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for eod, kind in ((None, "uint16"), (50256, "uint16"), (70000, "uint32")):
        wanted = [gpt2.encode_to_list(text) + ([] if eod is None else [eod]) for text in TEXTS]
        for target in (60, 1 << 20):
            folder = tmp_path / f"{eod}-{target}"
            paths = written(folder, source, gpt2.encoder(), format, eod, target=target)
            table = pa.concat_tables([read(path) for path in paths])
            assert table.schema.names == ["uri", "offset", "ids"]
            assert table.schema.field("ids").type == pa.list_(getattr(pa, kind)())
            assert table["ids"].to_pylist() == wanted
            assert table["offset"].to_pylist() == offsets(source)
            assert set(table["uri"].to_pylist()) == {str(source)}
    assert output(format, gpt2.encoder(), None).dtype == "<u2"


def test_groups_are_bounded(tmp_path: Path, gpt2: BPE, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"one two three four\n" * 100_000)
    monkeypatch.setattr(documents, "BLOCK", 1 << 16)
    for module, name in ((parquet, "parquet"), (arrow, "arrow")):
        monkeypatch.setattr(module, "GROUP", 1 << 18)
        (made,) = written(tmp_path / name, path, gpt2.encoder(), name, split="lines", target="1GiB")
        rows = read(made)
        assert rows["ids"].to_pylist() == [gpt2.encode_to_list("one two three four")] * 100_000
        if name == "parquet":
            data = pq.ParquetFile(made).metadata
            sizes = [data.row_group(n).num_rows for n in range(data.num_row_groups)]
        else:
            with pa.memory_map(str(made)) as file:
                reader = pa.ipc.open_file(file)
                sizes = [reader.get_batch(n).num_rows for n in range(reader.num_record_batches)]
        assert len(sizes) > 2
        assert max(sizes) * 12 < (1 << 18) + (1 << 17)


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_items_are_text_or_bytes(tmp_path: Path, format: str) -> None:
    path = tmp_path / "in"
    path.write_bytes("one two\n\ndrei Äpfel\n".encode())
    cases: list[tuple[Any, Any, list[list[Any]]]] = [
        (Words(keep="none", as_=str), "string", [["one", "two"], [], ["drei", "Äpfel"]]),
        (Words(keep="none"), "binary", [[b"one", b"two"], [], [b"drei", "Äpfel".encode()]]),
        (FixedSize(4), "binary", [[b"one ", b"two"], [], [b"drei", " Äp".encode(), b"fel"]]),
        (FixedSize(4, as_="view"), "binary", [[b"one ", b"two"], [], [b"drei", " Äp".encode(), b"fel"]]),
        (Lines() | ops.map(bytearray), "binary", [[b"one two"], [], ["drei Äpfel".encode()]]),
    ]
    for number, (pipeline, kind, wanted) in enumerate(cases):
        for target in (1, 100):  # with small parts, one has only an empty document
            made = written(
                tmp_path / f"{number}-{target}", path, pipeline, format, split="lines", target=target
            )
            tables = [read(each) for each in made]
            items = [each for table in tables for each in table["items"].to_pylist()]
            assert items == wanted, pipeline
            kinds = {str(table.schema.field("items").type.value_type) for table in tables}
            # a part whose documents have no items knows their type from stages with ``as_`` alone
            assert kinds == ({"string", "binary"} if number in (1, 4) and target == 1 else {kind})


def test_the_first_documents_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"\n" * 20_000 + b"one\n")
    for format in ("parquet", "arrow"):
        (made,) = written(
            tmp_path / format, path, Lines() | ops.map(bytes), format, split="lines", target="1GiB"
        )
        items = read(made)["items"]
        assert items.type.value_type == pa.binary()
        assert items.to_pylist() == [[]] * 20_000 + [[b"one"]]


def test_other_items_are_refused_by_name(tmp_path: Path) -> None:
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_bytes(b"one\ntwo\n")
    out.mkdir()
    made = plan(path)
    given: dict[bytes, Any] = {}
    pipeline = Lines() | ops.map(lambda line: given[bytes(line)])
    cases = [
        (1, 1, 0, "an item is int"),
        ({"a": 1}, "x", 0, "an item is dict"),
        ("x", 2.5, 4, "an item is float"),
        ("x", b"x", 4, "an item is bytes after items of type string"),
        (b"x", "x", 4, "an item is str after items of type binary"),
        (None, "x", 0, "an item is NoneType"),
        (np.arange(3), "x", 0, "an item is ndarray"),
    ]
    for format in ("parquet", "arrow"):
        for first, second, place, reason in cases:
            given |= {b"one": first, b"two": second}
            with pytest.raises(BadRecord) as caught:
                perform(Job(made, pipeline, str(out), format), made[0], "1")
            assert caught.value.offset == place
            assert reason in caught.value.reason
            assert "format='jsonl'" in caught.value.reason
            assert os.listdir(out) == []
        given |= {b"one": "x", b"two": "\ud800"}
        with pytest.raises(BadRecord, match="surrogates"):
            perform(Job(made, pipeline, str(out), format), made[0], "1")
        with pytest.raises(ValueError, match="eod is an id"):
            output(format, pipeline, 5)


def test_a_writer_that_is_given_up_writes_no_more(
    tmp_path: Path, gpt2: BPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writers of pyarrow write their footer when they are collected."""
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_bytes(b'{"text": "good"}\n' * 50_000 + b"{\n")
    out.mkdir()
    monkeypatch.setattr(parquet, "GROUP", 1)
    monkeypatch.setattr(arrow, "GROUP", 1)
    for format in ("parquet", "arrow"):
        made = plan(path, split="jsonl")
        with pytest.raises(BadRecord):
            perform(Job(made, gpt2.encoder(), str(out), format), made[0], "1")
        assert os.listdir(out) == []


def test_pandas_is_not_imported(source: Path, tmp_path: Path) -> None:
    """pyarrow imports it for some calls, which takes a worker 58 MB and half a second."""
    code = """
import sys
from streamcore import BPE, Words
from streamcore.scale import plan, run
for name in ("parquet", "arrow"):
    for number, pipeline in enumerate([BPE.gpt2().encoder(), Words(), Words(as_=str)]):
        made = plan(sys.argv[1], split="jsonl")
        run(pipeline, made, out=f"{sys.argv[2]}/{name}{number}", format=name, jobs=1, progress=False)
assert "pyarrow" in sys.modules
assert "pandas" not in sys.modules
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, str(source), str(tmp_path)], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


def test_without_pyarrow() -> None:
    code = """
import sys
sys.modules["pyarrow"] = None
from streamcore import Words
from streamcore.scale.outputs import output
for name in ("parquet", "arrow"):
    try:
        output(name, Words(), None)
    except ImportError as error:
        print(error)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.count('pip install "pystreamcore[arrow]"') == 2


def test_polars_reads_both(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    polars = pytest.importorskip("polars")
    wanted = [gpt2.encode_to_list(text) for text in TEXTS]
    paths = written(tmp_path / "parquet", source, gpt2.encoder(), "parquet")
    found = polars.read_parquet(paths)
    assert found["ids"].to_list() == wanted
    assert found["ids"].dtype == polars.List(polars.UInt16)
    paths = written(tmp_path / "arrow", source, gpt2.encoder(), "arrow")
    assert polars.read_ipc(paths)["ids"].to_list() == wanted
    paths = written(tmp_path / "words", source, Words(keep="none"), "parquet")
    assert polars.read_parquet(paths)["items"].to_list()[0] == ["Hello", "world"]


def test_duckdb_reads_parquet(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    duckdb = pytest.importorskip("duckdb")
    written(tmp_path / "out", source, gpt2.encoder(), "parquet")
    with duckdb.connect() as connection:
        found = connection.execute(
            'select "offset", ids from read_parquet(?) order by "offset"', [f"{tmp_path}/out/*.parquet"]
        ).fetchall()
    assert [(place, list(ids)) for place, ids in found] == list(
        zip(offsets(source), [gpt2.encode_to_list(text) for text in TEXTS], strict=True)
    )


def test_datasets_reads_parquet(tmp_path: Path, source: Path, gpt2: BPE) -> None:
    pytest.importorskip("datasets")
    paths = written(tmp_path / "out", source, gpt2.encoder(), "parquet")
    code = """
import sys, json, datasets
read = datasets.Dataset.from_parquet(sys.argv[2:], cache_dir=sys.argv[1])
print(json.dumps([list(row) for row in read["ids"]]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache"), *map(str, paths)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == [gpt2.encode_to_list(text) for text in TEXTS]
