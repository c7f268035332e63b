"""Random files, splits, sizes of parts, formats, places, workers and histories: always the documents of the whole."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

try:
    import fsspec
except ImportError:
    fsspec = None

from streamcore import BPE, Delimited, Lines, RunnableLambda, Words
from streamcore.scale import IncompleteRun, Plan, Result, plan, run

SPLITS: list[Any] = ["lines", "jsonl", "files", b"\n\n", b"aba", b"--", b";"]


def random_file(rng: random.Random, split: Any) -> bytes:
    if split == "jsonl":
        pool = ["", "a", "naïve 😀", "x y  z", "long " * 40]
        records = [rng.choice(pool) for _ in range(rng.randrange(12))]
        line = (
            json.dumps({"text": text, "n": n}, ensure_ascii=rng.random() < 0.5).encode()
            for n, text in enumerate(records)
        )
        return b"".join(each + rng.choice([b"\n", b"\r\n", b"\n \n"]) for each in line)
    pool = [
        b"a",
        b"b",
        b"aba",
        b"ab",
        b"\n",
        b"\r\n",
        b"\n\n\n",
        b"--",
        b"---",
        b";",
        b"words and words ",
        b"x" * 50,
    ]
    return b"".join(rng.choices(pool, k=rng.randrange(60)))


def records(data: bytes, split: Any) -> Iterator[bytes]:
    """The slow way: all of the file at once."""
    if split == "files":
        yield data
    elif split == "lines":
        yield from Lines(max_size=None).stream(data)
    elif split == "jsonl":
        lines = (line for line in data.split(b"\n") if line.strip(b" \t\r"))
        yield from (json.loads(line.decode())["text"].encode() for line in lines)
    else:
        yield from Delimited(split, max_size=None).stream(data)


def documents(result: Result, form: str, copies: Path) -> list[Any]:
    found: list[Any] = []
    remote = [name for name in result.files if name.startswith("memory://")]
    if remote:
        copies.mkdir()
        files = fsspec.filesystem("memory")
        for name in files.ls(remote[0].rpartition("/")[0], detail=False):
            (copies / Path(name).name).write_bytes(files.cat_file(name))
    for name in result.files:
        path = copies / Path(name).name if remote else Path(name)
        if form == "jsonl":
            found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            continue
        ids, ends = np.fromfile(path, "<u2"), np.fromfile(path.with_suffix(".offsets"), "<i8")
        found += [ids[start:end].tolist() for start, end in pairwise(ends)]
    return [each.get("items", each.get("ids")) for each in found] if form == "jsonl" else found


class FailsAt:
    """Fails for the records that a file names; its name and its code stay the same."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, record: Any) -> Any:
        if Path(self.path).exists() and hash_of(record) % 5 == 0:
            raise OSError(5, "Input/output error")
        return record

    def __repr__(self) -> str:
        return "FailsAt()"


def hash_of(record: Any) -> int:
    return sum(record.encode() if isinstance(record, str) else bytes(record))


@pytest.mark.parametrize("seed", range(8))
def test_equal_documents(tmp_path: Path, gpt2: BPE, seed: int) -> None:
    rng = random.Random(seed)
    for case in range(6):
        split, form = rng.choice(SPLITS), rng.choice(["jsonl", "bin"])
        folder = tmp_path / str(case)
        folder.mkdir()
        contents = [random_file(rng, split) for _ in range(rng.randrange(1, 5))]
        for number, data in enumerate(contents):
            packed = rng.random() < 0.2
            path = folder / (f"{number}.gz" if packed else str(number))
            path.write_bytes(gzip.compress(data) if packed else data)
        every = [record for data in contents for record in records(data, split)]
        trouble = folder / "trouble"
        stages: Any = gpt2.encoder() if form == "bin" else Words(keep="none", as_=str)
        pipeline = RunnableLambda(FailsAt(str(trouble))) | stages
        expected = [
            gpt2.encode_to_list(record.decode()) if form == "bin" else record.decode().split()
            for record in every
        ]
        target = rng.choice([1, 2, 7, 50, 300, 1 << 20])
        made = plan(sorted(folder.glob("[0-9]*")), split=split, target=target)
        again = Plan.from_json(made.to_json())
        out = folder / "out"
        at: dict[str, Any] = {"out": out}
        if fsspec is not None and rng.random() < 0.3:
            at = {"out": f"memory:/{folder}", "state": out}
        shards: list[Any] = rng.choice([[None], [(0, 2), (1, 2)], [(2, 3), (0, 3), (1, 3)]])
        if rng.random() < 0.5:
            trouble.touch()
            for shard in shards:
                any_way(rng, pipeline, made, at, form, shard)
            trouble.unlink()
        for shard in shards:
            result = any_way(rng, pipeline, again, at, form, shard)
        if len(shards) > 1 and rng.random() < 0.5:
            result = any_way(rng, pipeline, made, at, form, None)
        assert result is not None
        assert result.complete
        assert documents(result, form, folder / "copies") == expected, (seed, case, split, target)
        assert result.done + result.skipped == len(
            range(*slice(*shard_slice(shards[-1])).indices(len(made)))
        ) or (result.done + result.skipped == len(made))
        assert not list(out.glob("*.tmp"))


def shard_slice(shard: Any) -> tuple[int, None, int]:
    number, count = shard or (0, 1)
    return number, None, count


def any_way(
    rng: random.Random, pipeline: Any, made: Plan, at: dict[str, Any], form: str, shard: Any
) -> Result | None:
    """By one thread or several, some parts at a time."""
    options: dict[str, Any] = {**at, "format": form, "shard": shard, "progress": False, "retries": 0}
    try:
        if rng.random() < 0.5:
            return run(pipeline, made, jobs=1, **options)
        with ThreadPoolExecutor(rng.randrange(1, 5)) as pool:
            return run(pipeline, made, engine=pool, max_in_flight=rng.choice([None, 1, 9]), **options)
    except IncompleteRun:
        return None


def test_equal_documents_of_processes(tmp_path: Path, gpt2: BPE) -> None:
    rng = random.Random(0)
    data = b"".join(rng.choices([b"word ", b"another ", b"\n", b"\r\n", "Übergang ".encode()], k=5000))
    (tmp_path / "in").write_bytes(data)
    found = []
    for target, jobs in ((1000, 2), (97, 3)):
        made = plan(tmp_path / "in", target=target)
        result = run(
            gpt2.encoder(), made, out=tmp_path / str(target), format="bin", jobs=jobs, progress=False
        )
        found.append(documents(result, "bin", tmp_path))
    assert found[0] == found[1] == [gpt2.encode_to_list(line.decode()) for line in records(data, "lines")]
