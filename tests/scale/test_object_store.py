"""Outputs at URLs: an object store in miniature, its requests counted, and with failures on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("fsspec", reason="URLs need fsspec")

import fsspec
from object_store import MiniStore, Store, StoreError, upper
from scale_runs import Folder, corpus, documents, kill, wanted

from streamcore import BPE, RunnableLambda, Words
from streamcore.runnables import clock
from streamcore.scale import IncompleteRun, OtherJob, plan, remote, run
from streamcore.scale.outputs import FORMATS
from streamcore.scale.remote import RemoteFolder, Upload

if importlib.util.find_spec("pyarrow") is None:
    FORMATS = tuple(name for name in FORMATS if name not in ("parquet", "arrow"))
URL: Final = "mini://bucket/ids"
QUIET: Final[dict[str, Any]] = {"progress": False, "jobs": 1}
WORDS = RunnableLambda(upper) | Words(keep="none", as_=str)


@pytest.fixture(scope="module")
def gpt2() -> BPE:
    return BPE.gpt2()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    yield Store(tmp_path / "store")
    MiniStore.watch = None
    MiniStore.clear_instance_cache()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(clock, "sleep", waits.append)
    return waits


def to(store: Store, tmp_path: Path, **options: Any) -> dict[str, Any]:
    """The options of a run to the store."""
    return {"out": URL, "state": tmp_path / "state", "out_options": store.options, **QUIET, **options}


def files_in(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def test_every_format_is_that_of_a_folder_and_takes_few_requests(
    tmp_path: Path, store: Store, gpt2: BPE
) -> None:
    made = plan(corpus(tmp_path / "in"), target=200)
    for format in FORMATS:
        local, state = tmp_path / format, tmp_path / f"{format}-state"
        pipeline = gpt2.encoder()
        expected = run(pipeline, made, out=local, format=format, **QUIET)
        store.requests()
        options = to(store, tmp_path, state=state, format=format, out=f"{URL}/{format}/")
        result = run(pipeline, made, **options)
        requests = store.requests()
        assert result.complete
        assert list(result.files) == [f"{URL}/{format}/{Path(name).name}" for name in expected.files]
        objects = store.objects(f"bucket/ids/{format}")
        meta = json.loads(objects.pop("meta.json"))
        assert meta["files"] == json.loads((local / "meta.json").read_bytes())["files"]
        beside = {"plan.json", "manifest.jsonl", ".lock"}
        assert objects == {
            name: data for name, data in files_in(local).items() if name not in {*beside, "meta.json"}
        }
        assert set(os.listdir(state)) == beside
        # a request for each object, and a listing at the start and at the end
        of_parts = len(made) * len(result.receipts[0].files)
        counts = Counter(ls=2, delete=1, put=of_parts + 1)
        if format == "megatron":
            empty = sum(not each.items for each in result.receipts)
            counts += Counter(put=2, get=of_parts - empty, delete=1)
        assert requests == counts
        again = run(pipeline, made, **options)
        assert (again.done, again.skipped, again.files) == (0, len(made), result.files)
        assert store.requests() == {"ls": 2, "get": 2}


def test_large_objects_go_up_in_blocks(
    tmp_path: Path, store: Store, gpt2: BPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "BLOCK", 100)
    made = plan(corpus(tmp_path / "in"), target=400)
    for format in FORMATS:
        local = tmp_path / format
        run(gpt2.encoder(), made, out=local, format=format, **QUIET)
        store.requests()
        options = to(
            store, tmp_path, state=tmp_path / f"{format}-state", format=format, out=f"{URL}/{format}"
        )
        result = run(gpt2.encoder(), made, **options)
        objects, requests = store.objects(f"bucket/ids/{format}"), store.requests()
        sizes = [each.size for receipt in result.receipts for each in receipt.files]
        assert requests["initiate"] == requests["complete"] > 0
        if format != "megatron":
            assert requests["initiate"] + requests["put"] == len(sizes) + 1
            assert requests["part"] <= sum(2 + size // 100 for size in [*sizes, len(objects["meta.json"])])
        for name in set(objects) - {"meta.json"}:
            assert objects[name] == (local / name).read_bytes()
        assert not store.uploads()
        system = MiniStore(**store.options)
        assert not system.transaction.files


def test_blocks_grow_with_what_is_expected() -> None:
    system = fsspec.filesystem("memory")
    assert Upload(system, "/a", "memory://a", 0).block == 16 << 20
    for size in (1, 9000 * (16 << 20), 9000 * (16 << 20) + 1, 5 << 40):
        block = Upload(system, "/a", "memory://a", size).block
        assert block % (1 << 20) == 0
        assert 9000 * block >= size
    assert block < 600 << 20


class Stop(BaseException):
    """As Ctrl-C."""


def test_a_failure_at_any_request_leaves_whole_objects_and_a_run_that_goes_on(
    tmp_path: Path, store: Store, gpt2: BPE, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(remote, "BLOCK", 128)
    made = plan(corpus(tmp_path / "in", lines=10), target=200)
    run(gpt2.encoder(), made, out=tmp_path / "local", format="megatron", **QUIET)
    expected = files_in(tmp_path / "local")
    seen, fail_at, ended = 0, 0, False

    def fails(request: str, path: str) -> None:
        nonlocal seen
        if request != "abort":
            seen += 1
            # what is asked again fails again
            if seen > fail_at:
                raise (StoreError, Stop)[fail_at % 2](request)

    while not ended:
        seen, fail_at = 0, fail_at + 1
        MiniStore.watch = fails
        out = f"bucket/{fail_at}"
        options = to(
            store, tmp_path, out=f"mini://{out}", state=tmp_path / str(fail_at), format="megatron", retries=0
        )
        try:
            run(gpt2.encoder(), made, **options)
            ended = True
        except (OSError, IncompleteRun, Stop, KeyboardInterrupt):
            assert not store.uploads()
            for name, data in store.objects(out).items():
                if name.startswith("tokens"):
                    assert data == expected[name]
        MiniStore.watch = None
        result = run(gpt2.encoder(), made, **options)
        assert result.complete
        assert {name: data for name, data in store.objects(out).items() if name != "meta.json"} == {
            name: data for name, data in expected.items() if name.startswith("tokens")
        }
    assert fail_at > 20


def test_no_object_of_a_part_that_fails(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "good and well"}\n' * 40 + b"{\n")
    made = plan(tmp_path / "a.jsonl", split="jsonl")
    for block in (1 << 20, 64):
        monkeypatch.setattr(remote, "BLOCK", block)
        with pytest.raises(IncompleteRun, match="not JSON"):
            run(Words(as_=str), made, **to(store, tmp_path, format="jsonl"))
        assert store.objects() == {}
        assert not store.uploads()
    assert store.requests()["abort"] == 1


def test_what_passes_is_tried_again(
    tmp_path: Path, store: Store, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = corpus(tmp_path / "in")
    made = plan(paths, target=200)
    failed: set[tuple[str, str]] = set()

    def once(request: str, path: str) -> None:
        if (request, path) not in failed:
            failed.add((request, path))
            raise StoreError(request)

    MiniStore.watch = once
    result = run(WORDS, made, **to(store, tmp_path, format="jsonl"))
    assert result.complete
    # requests that can be made again are; no part was done twice
    assert len(waits) == len(failed) == len(made) + 3
    monkeypatch.setattr(remote, "BLOCK", 64)
    failed.clear()
    waits.clear()
    MiniStore.watch = lambda request, path: (
        once(request, path) if "part-" in path and request != "abort" else None
    )
    options = to(
        store, tmp_path, format="jsonl", out="mini://bucket/more", state=tmp_path / "more", retries=9
    )
    assert run(WORDS, made, **options).complete
    assert {"initiate", "part", "complete"} <= {request for request, _ in failed}
    assert not store.uploads()
    run(WORDS, made, out=tmp_path / "local", format="jsonl", **QUIET)
    for name, data in files_in(tmp_path / "local").items():
        if name.startswith("part-"):
            assert store.objects()[name] == store.objects("bucket/more")[name] == data
    MiniStore.watch = lambda request, path: (
        (_ for _ in ()).throw(StoreError("down")) if request == "put" else None
    )
    monkeypatch.setattr(remote, "BLOCK", 1 << 20)
    options = to(
        store, tmp_path, format="jsonl", out="mini://bucket/down", state=tmp_path / "down", retries=1
    )
    with pytest.raises(IncompleteRun, match=r"StoreError: down.*6 requests failed.*after 2 attempts"):
        run(WORDS, made, **options)


def test_a_killed_driver_goes_on(tmp_path: Path) -> None:
    store, folder = Store(tmp_path / "store"), Folder(tmp_path)
    try:
        paths = corpus(tmp_path / "in", stops=[1])
        options = {"out": URL, "state": str(tmp_path / "state"), "out_options": store.options, "jobs": 2}
        driver = folder.drive(paths, **options)
        folder.told(driver)
        kill(driver)
        folder.none_left()
        assert "meta.json" not in store.objects()
        folder.pass_by(1)
        process = folder.drive(paths, **options)
        output, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors.decode()
        result = json.loads(output)
        assert result["done"] > 0
        found = [store.root / "objects" / name.removeprefix("mini://") for name in result["files"]]
        assert documents([str(path) for path in found]) == wanted(paths)
        assert set(os.listdir(tmp_path / "state")) == {"plan.json", "manifest.jsonl", ".lock"}
    finally:
        folder.close()


def test_shards_and_processes(tmp_path: Path, store: Store) -> None:
    made = plan(corpus(tmp_path / "in"), target=200)
    run(WORDS, made, out=tmp_path / "local", format="jsonl", **QUIET)
    options = to(store, tmp_path, format="jsonl")
    for number in (1, 0):
        result = run(WORDS, made, **{**options, "shard": (number, 2), "jobs": 2})
        assert result.complete == (number == 0)
        assert ("meta.json" in store.objects()) == (number == 0)
    assert store.requests()["put"] == len(made) + 1
    assert run(WORDS, made, **options).skipped == len(made)
    for name, data in files_in(tmp_path / "local").items():
        if name.startswith("part-"):
            assert store.objects()[name] == data


def test_what_is_trusted(tmp_path: Path, store: Store) -> None:
    made = plan(corpus(tmp_path / "in"), target=200)
    options = to(store, tmp_path, format="jsonl")
    first = run(WORDS, made, **options)
    whole, names = store.objects(), [Path(name).name for name in first.files]
    # gone, of another size, of the same size
    (store.root / "objects/bucket/ids" / names[0]).unlink()
    store.put(f"bucket/ids/{names[1]}", b"x")
    changed = whole[names[2]].swapcase()
    store.put(f"bucket/ids/{names[2]}", changed)
    assert run(WORDS, made, **options).done == 2
    assert store.objects()[names[2]] == changed
    store.requests()
    assert run(WORDS, made, **options, resume="verify").done == 1
    assert store.requests()["get"] == 1 + 3 + len(made)
    assert {**store.objects(), "meta.json": b""} == {**whole, "meta.json": b""}
    for pipeline in (Words(as_=str), RunnableLambda(upper) | Words(as_=str)):
        with pytest.raises(OtherJob, match=f"^{URL} holds parts of another job: the pipeline was"):
            run(pipeline, made, **options)
    # two attempts at once: the object is of one, the receipt of the other
    with pytest.raises(ValueError, match=f"^{URL}/{names[0]} has 1 bytes, its receipt says"):
        MiniStore.watch = lambda request, path: (
            store.put(f"bucket/ids/{names[0]}", b"x") if path.endswith(names[-1]) else None
        )
        run(WORDS, made, **options, resume=False)
    MiniStore.watch = None
    assert run(WORDS, made, **options).done == 1
    assert {**store.objects(), "meta.json": b""} == {**whole, "meta.json": b""}


def test_what_is_not_of_the_run_stays(tmp_path: Path, store: Store) -> None:
    made = plan(corpus(tmp_path / "in"), target=200)
    options = to(store, tmp_path, format="jsonl")
    foreign = {
        "part-000000.closing.tmp": b"1",
        "part-999999.jsonl": b"2",
        "job.x.tmp": b"3",
        "tokens.bin": b"4",
    }
    for name, data in foreign.items():
        store.put(f"bucket/ids/{name}", data)
    store.put("bucket/ids/below/part-000000.jsonl", b"5")
    store.put("bucket/ids-2/part-000000.jsonl", b"6")
    run(WORDS, made, **options)
    run(WORDS, made, **options, resume=False)
    (tmp_path / "in" / "a.txt").write_bytes(b"little\n")
    run(WORDS, plan(tmp_path / "in" / "a.txt"), **options, resume=False)
    assert set(store.objects()) == {*foreign, "part-000000.jsonl", "meta.json"}
    assert {name: store.objects()[name] for name in foreign} == foreign
    assert store.objects("bucket/ids/below") == {"part-000000.jsonl": b"5"}
    assert store.objects("bucket/ids-2") == {"part-000000.jsonl": b"6"}
    # a manifest of another place names files of that
    for resume in (True, False, "verify"):
        for out in ({**options, "out": "mini://bucket/ids-2"}, {"out": tmp_path / "state", **QUIET}):
            with pytest.raises(OtherJob, match=f"state holds the manifest of the output {URL}, not of "):
                run(WORDS, made, **{**out, "format": "jsonl", "resume": resume})
    assert store.objects("bucket/ids-2") == {"part-000000.jsonl": b"6"}
    # objects that were moved with all that belongs to them
    (store.root / "objects/bucket/ids").rename(store.root / "objects/moved")
    one = plan(tmp_path / "in" / "a.txt")
    moved = {**options, "out": "mini://moved"}
    assert run(WORDS, one, **moved, resume="force").done == 0


def test_the_secret_is_in_the_job_alone(
    tmp_path: Path, store: Store, capfd: pytest.CaptureFixture[str], waits: list[float]
) -> None:
    made = plan(corpus(tmp_path / "in"), target=1000)
    options = {**to(store, tmp_path, format="jsonl"), "progress": True}
    jobs: list[int] = []

    def looks(request: str, path: str) -> None:
        jobs.extend(each.stat().st_mode & 0o777 for each in (tmp_path / "state").glob("job.*"))
        raise StoreError("no")

    result = run(WORDS, made, **options)
    assert "hush" not in repr(result)
    MiniStore.watch = looks
    with pytest.raises(OSError, match="StoreError") as caught:
        run(WORDS, made, **options)
    MiniStore.watch = lambda request, path: looks(request, path) if request == "put" else None
    with pytest.raises(IncompleteRun) as failed:
        run(WORDS, made, **{**options, "out": f"{URL}-2", "state": tmp_path / "state"}, resume="force")
    assert set(jobs) == {0o600}
    traces = [each.trace for each in failed.value.result.failed]
    said = [str(caught.value), str(failed.value), repr(failed.value.result), *traces, *capfd.readouterr()]
    said += [each.read_text("utf-8") for each in (tmp_path / "state").iterdir()]
    assert not any("hush" in text for text in said)
    assert "hush" not in repr(RemoteFolder(URL, store.options))
    assert pickle.loads(pickle.dumps(RemoteFolder(URL, store.options))).options == store.options


def test_what_cannot_be_meant(tmp_path: Path, store: Store) -> None:
    made = plan(corpus(tmp_path / "in"))
    state = {"state": tmp_path / "state"}
    for options, kind, told in [
        ({"out": URL}, ValueError, f"out='{URL}' is a URL.*: pass state='folder', a local folder"),
        ({"out": URL, "state": "s3://state"}, ValueError, "state must be the path of a local folder"),
        ({"out": URL, "state": ""}, ValueError, "state must be the path"),
        ({"out": tmp_path / "out", **state}, ValueError, "state is for an out that is a URL"),
        ({"out": tmp_path / "out", "out_options": {}}, ValueError, "out_options is for an out that is a URL"),
        ({"out": URL, **state, "out_options": [1]}, TypeError, "out_options must be a mapping, got list"),
        ({"out": "sftp://me:hush@host/ids", **state}, ValueError, "^out holds a password: pass it by"),
        ({"out": "https://host/ids?sig=hush", **state}, ValueError, "^out='https://host/ids' has a query"),
        ({"out": "simplecache::mini://a/b", **state}, ValueError, "one URL, without '::'"),
        ({"out": "mini://bucket/*", **state}, ValueError, "is a pattern"),
        ({"out": "https://host/ids", **state}, ValueError, "can be listed, which HTTP cannot"),
        ({"out": "mini://bucket//ids", **state}, ValueError, "has a folder without a name"),
        ({"out": "mini://", **state}, ValueError, "names no folder"),
        ({"out": "://a", **state}, ValueError, "has no protocol"),
        ({"out": "nosuch://a/b", **state}, ValueError, "nosuch"),
    ]:
        given = {"out_options": store.options, **options} if options["out"] in ("mini://",) else options
        with pytest.raises(kind, match=told):
            run(WORDS, made, **given, **QUIET)
        assert not (tmp_path / "state").exists()
        assert not (tmp_path / "out").exists()
    store.put("bucket/ids", b"an object")
    with pytest.raises(FileExistsError, match=f"{URL} is an object"):
        run(WORDS, made, **to(store, tmp_path, format="jsonl"))


def test_an_output_never_takes_the_place_of_an_input(tmp_path: Path, store: Store) -> None:
    store.put("bucket/ids/part-000000.jsonl", b"one\n")
    store.put("bucket/ids/other.txt", b"two\n")
    made = plan(f"{URL}/part-000000.jsonl", storage_options=store.options)
    for out in (URL, f"{URL}/"):
        with pytest.raises(ValueError, match=f"part-000000.jsonl is an input.* names to {URL}$"):
            run(WORDS, made, **to(store, tmp_path, out=out, format="jsonl"))
    made = plan([f"{URL}/part-000000.jsonl", f"{URL}/other.txt"], storage_options=store.options)
    assert run(WORDS, made, **to(store, tmp_path, out="mini://bucket/id", format="jsonl")).complete
    made = plan(f"{URL}/other.txt", storage_options=store.options)
    result = run(
        WORDS, made, **to(store, tmp_path, state=tmp_path / "2", out="mini://bucket", format="jsonl")
    )
    assert result.files == ["mini://bucket/part-000000.jsonl"]
    folder = tmp_path / "there"
    folder.mkdir()
    path = folder / "part-000000.jsonl"
    path.write_bytes(b"one\n")
    url = f"file://{folder}"
    for name, options in (
        (str(path), {"out": url, "state": tmp_path / "state"}),
        (f"{url}/{path.name}", {"out": url, "state": tmp_path / "state"}),
        (f"{url}/{path.name}", {"out": folder}),
        (str(path), {"out": "memory://x", "state": folder}),
    ):
        with pytest.raises(ValueError, match="is an input, and a run writes files of such names to"):
            run(WORDS, plan(name), **options, format="jsonl", **QUIET)
    assert path.read_bytes() == b"one\n"


def test_files_memory_and_a_system_without_uploads(
    tmp_path: Path, store: Store, gpt2: BPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "BLOCK", 64)
    made = plan(corpus(tmp_path / "in"), target=500)
    run(gpt2.encoder(), made, out=tmp_path / "local", format="bin", **QUIET)
    expected = {name: data for name, data in files_in(tmp_path / "local").items() if name.startswith("part")}
    (store.root / "ids").mkdir()
    memory = fsspec.filesystem("memory")
    for out, options in (
        (f"file://{tmp_path}/made/ids", None),
        (f"memory://{tmp_path.name}/ids/", None),
        ("plain://ids", {"root": str(store.root)}),
    ):
        state = tmp_path / out.partition(":")[0]
        again: dict[str, Any] = {"out": out, "state": state, "out_options": options, "format": "bin", **QUIET}
        result = run(gpt2.encoder(), made, **again)
        assert result.complete
        for name, data in expected.items():
            with fsspec.open(f"{out.rstrip('/')}/{name}", **(options or {})) as file:
                assert file.read() == data
        assert result.files[0] == f"{out.rstrip('/')}/part-000000.bin"
        assert run(gpt2.encoder(), made, **again).skipped == len(made)
        assert set(os.listdir(state)) == {"plan.json", "manifest.jsonl", ".lock"}
    assert set(os.listdir(tmp_path / "made" / "ids")) == {*expected, "meta.json"}
    # half an object is not left
    (tmp_path / "bad.jsonl").write_bytes(b'{"text": "good and well"}\n' * 40 + b"{\n")
    bad = plan(tmp_path / "bad.jsonl", split="jsonl")
    for out, options in (("memory://bad", None), ("plain://ids", {"root": str(store.root)})):
        with pytest.raises(IncompleteRun, match="not JSON"):
            run(
                Words(as_=str),
                bad,
                out=out,
                state=tmp_path / f"bad-{out[:5]}",
                out_options=options,
                format="jsonl",
                **QUIET,
            )
    assert not memory.exists("/bad/part-000000.jsonl")
    assert not (store.root / "ids/part-000000.jsonl").exists()


def test_receipts_hold_for_objects(tmp_path: Path, store: Store) -> None:
    made = plan(corpus(tmp_path / "in"), target=200)
    result = run(WORDS, made, **to(store, tmp_path, format="jsonl"))
    objects = store.objects()
    for receipt in result.receipts:
        for name, size, crc in receipt.files:
            assert (len(objects[name]), zlib.crc32(objects[name])) == (size, crc)
    assert json.loads((tmp_path / "state/manifest.jsonl").read_text("utf-8").splitlines()[0])["out"] == URL
