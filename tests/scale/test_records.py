"""The records of all parts together are those of the whole files, however the parts are cut."""

from __future__ import annotations

import gzip
import json
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from streamcore.scale import BadRecord, InputChanged, Plan, plan, read_blocks, read_records
from streamcore.scale.reading import LocalRanges

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "0"))
SEPARATORS = [b"\n\n", b"--", b"aba", b"\n", b"ab", b"abab", b"aab", b"a", b"---", b"aabaa"]


def oracle(data: bytes, split: str | bytes) -> list[tuple[int, bytes]]:
    """Offset and content of each record of a whole file."""
    separator = split if isinstance(split, bytes) else b"\n"
    found, at = [], 0
    for content in data.split(separator):
        found.append(
            (
                at,
                content
                if split != "lines" or at + len(content) == len(data)
                else content.removesuffix(b"\r"),
            )
        )
        at += len(content) + len(separator)
    return found[:-1] if not found[-1][1] else found


def read(made: Plan) -> dict[str, list[tuple[int, bytes | str]]]:
    """What the parts hold, and that each holds only what starts in it."""
    found: dict[str, list[tuple[int, bytes | str]]] = {each.uri: [] for each in made.inputs}
    for part in made:
        ranges = {piece.uri: piece for piece in part.pieces}
        for uri, offset, content in read_records(made, part):
            assert ranges[uri].start <= offset < ranges[uri].end or uri.endswith(".gz")
            found[uri].append((offset, content))
    return found


def test_any_part_size_gives_the_records_of_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(SEED)
    for number in range(int(70 * SCALE)):
        split: str | bytes = draw.choice([*SEPARATORS, "lines", "lines"])
        alphabet = (
            b"ab\r\n-" if draw.random() < 0.5 else b"\r\nx" if split == "lines" else (bytes(split) + b"z")
        )
        files = []
        for name in "abc"[: draw.randint(1, 3)]:
            runs = (
                bytes([draw.choice(alphabet)]) * draw.choice([1, 1, 1, 2, 3, 9, 40])
                for _ in range(draw.randint(0, 40))
            )
            data = b"".join(runs)
            packed = draw.random() < 0.1
            path = tmp_path / f"{name}{number}{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(data) if packed else data)
            files.append((path, data))
        monkeypatch.setattr(LocalRanges, "block", draw.choice([1, 2, 3, 7, 64, 1 << 18]))
        wanted = {str(path): oracle(data, split) for path, data in files}
        for target in {1, draw.randint(1, 9), draw.randint(1, 100)}:
            made = Plan.from_json(plan([path for path, _ in files], split=split, target=target).to_json())
            assert read(made) == wanted, (SEED, number, split, target, [data for _, data in files])


def test_each_part_size_of_a_torn_line_end_and_of_chains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalRanges, "block", 5)
    cases: list[tuple[str | bytes, bytes]] = [
        ("lines", b"one\r\ntwo\r\n\r\n\rthree\n" + b"long" * 12 + b"\r\n\nlast\r"),
        (b"\n\n", b"\n" * 7 + b"one" + b"\n" * 5 + b"two\n\n\nthree\n"),
        (b"aba", b"ababababa-abaaba-aba" + b"ab" * 9 + b"xababa"),
        (b"--", b"-" * 31),
    ]
    for split, data in cases:
        path = tmp_path / "file"
        path.write_bytes(data)
        for target in range(1, len(data) + 2):
            assert read(plan(path, split=split, target=target)) == {str(path): oracle(data, split)}, (
                split,
                target,
            )


def test_a_record_longer_than_parts_leaves_them_empty(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\n" + b"b" * 100 + b"\nc\n")
    made = plan(path, target=20)
    assert [[offset for _, offset, _ in read_records(made, part)] for part in made] == [
        [0, 2],
        [],
        [],
        [],
        [],
        [103],
    ]


def test_files_and_fixed(tmp_path: Path) -> None:
    names = [tmp_path / "a", tmp_path / "b.gz", tmp_path / "c"]
    names[0].write_bytes(b"0123456789" * 3)
    names[1].write_bytes(gzip.compress(b"packed" * 9))
    names[2].write_bytes(b"")
    made = plan(names, split="files", target=16)
    contents = [record.content for part in made for record in read_records(made, part)]
    assert contents == [b"0123456789" * 3, b"packed" * 9, b""]
    made = plan(names, split="fixed", target=16)
    records = [(record.offset, record.content) for part in made for record in read_records(made, part)]
    assert records == [(0, b"0123456789012345"), (16, b"67890123456789"), (0, b"packed" * 9)]


def test_jsonl_gives_texts_at_any_part_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = ["one", "zwei \u2028 \x85", "", 'a "quoted" \n line', "\U0001f600" * 20]
    lines = [
        json.dumps({"n": n, "text": text}, ensure_ascii=n % 2 == 0).encode() for n, text in enumerate(texts)
    ]
    data = b"\xef\xbb\xbf" + b"\r\n \t\r\n\n".join(lines)
    path.write_bytes(data)
    places = [0, *(data.index(line) for line in lines[1:])]
    for target in (1, 2, 5, 17, 100, 1000):
        assert read(plan(path, split="jsonl", target=target))[str(path)] == list(
            zip(places, texts, strict=True)
        )


def test_bad_lines_are_told_with_their_place(tmp_path: Path) -> None:
    good = b'{"text": "good"}\n'
    cases = [
        (b"{", "not JSON: Expecting property name"),
        (b"[1]", "not an object but list"),
        (b'{"body": "x"}', "no key 'text'"),
        (b'{"text": null}', "what is under 'text' is no text but NoneType"),
        (b'{"text": "\xff"}', "not UTF-8: invalid start byte 10 bytes into the line"),
        (b"[" * 200_000, ""),
    ]
    path = tmp_path / "file"
    for line, reason in cases:
        path.write_bytes(good * 2 + line + b"\n" + good)
        for target in (8, 1 << 20):
            made = plan(path, split="jsonl", target=target)
            seen = []
            with pytest.raises(BadRecord) as caught:
                for part in made:
                    for record in read_records(made, part):
                        seen.append(record.content)  # noqa: PERF401 - kept when the next one fails
            assert seen == ["good"] * 2
            assert (caught.value.uri, caught.value.offset) == (str(path), 34)
            assert reason in caught.value.reason
            assert str(caught.value) == f"{path}: {caught.value.reason}, at byte 34"


def test_a_changed_or_broken_file(tmp_path: Path) -> None:
    path, packed = tmp_path / "file", tmp_path / "file.gz"
    path.write_bytes(b"one\ntwo\n")
    made = plan(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputChanged, match="changed after the plan was made"):
        list(read_records(made, made[0]))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        list(read_records(made, made[0]))
    whole = gzip.compress(b"".join(b"%d\n" % n for n in range(1000)))
    for data, message in ((whole[:-9], "ends too early"), (b"nothing", "not a gzip file")):
        packed.write_bytes(data)
        made = plan(packed)
        with pytest.raises(BadRecord, match=message):
            list(read_records(made, made[0]))
    packed.write_bytes(b"")
    made = plan(packed)
    assert list(read_records(made, made[0])) == []


def test_urls_are_read_by_ranges() -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    data = b"".join(b"line %d\n" % n for n in range(500))
    system.pipe("/records/file", data)
    system.pipe("/records/packed.gz", gzip.compress(data))
    try:
        for target in (7, 100, 1 << 20):
            made = plan("memory://records/*", target=target)
            assert list(read(made).values()) == [oracle(data, "lines")] * 2
    finally:
        system.rm("/records", recursive=True)


def test_a_part_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes((b"x" * 999 + b"\n") * 16_000)
    made = plan(path, target="15MB")
    tracemalloc.start()
    try:
        count = sum(len(block.contents) for part in made for block in read_blocks(made, part))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert count == 16_000


def test_reading_stops_where_the_reader_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    close = LocalRanges.close
    monkeypatch.setattr(LocalRanges, "close", lambda self: (closed.append(self.uri), close(self)))
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\n")
    made = plan(path)
    records = read_records(made, made[0])
    next(records)
    records.close()
    assert closed == [str(path)]
