"""``ContentDefined``: the chunks of fastcdc-rs, for every cut of the input; "ram"; digests."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import re
from pathlib import Path

import pytest
from chunks_oracle import fastcdc2016, fastcdc2020, ram
from traced_memory import traced_peak

from streamcore import ContentDefined
from streamcore.testing import check_laws

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))
# Vectors and picture of fastcdc-rs (MIT), https://github.com/nlfiedler/fastcdc-rs
FOLDER = Path(__file__).parents[1] / "data" / "cdc"
VECTORS = json.loads((FOLDER / "fastcdc_rs_vectors.json").read_text())["cases"]
PICTURE = (FOLDER / "SekienAkashita.jpg").read_bytes()
ORACLES = {"fastcdc2020": fastcdc2020, "fastcdc2016": fastcdc2016}


def options_of(vector):
    """The options of a call of fastcdc-rs, as its test writes it."""
    sizes = [int(size) for size in re.findall(r"\d+", vector["args"].split("Normalization")[0])]
    level = re.search(r"Level(\d)", vector["args"])
    seed = re.search(r"Level\d, (\d+)", vector["args"])
    return (sizes[1], sizes[0], sizes[2]), {
        "algorithm": "fastcdc" + vector["module"][1:],
        "normalization": int(level[1]) if level else 1,
        "seed": int(seed[1]) if seed else 0,
    }


def sizes_of(vector):
    pairs = [tuple(pair) for pair in vector["hash_len_pairs"]]
    return pairs + [
        tuple(int(re.search(rf"{name}: (\d+)", text)[1]) for name in ("hash", "length"))
        for text in vector["expected_chunks"]
    ]


def cut(engine, data, size=None):
    cuts = [data] if size is None else [data[at : at + size] for at in range(0, len(data), size)]
    return [bytes(item) for item in engine.iterate(iter(cuts))]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['module']} {vector['test']}")
def test_the_chunks_of_fastcdc_rs(backend, vector):
    sizes, options = options_of(vector)
    pairs = sizes_of(vector)
    assert len(pairs) > 0
    oracle = ORACLES[options["algorithm"]]
    assert [pair[:2] for pair in oracle(PICTURE, *sizes, options["normalization"], options["seed"])] == pairs
    engine = backend.ContentDefinedEngine(*sizes, **options)
    for size in (None, 1000, 4097, 65536) if backend.name == "native" else (None, 4097):
        assert [len(item) for item in cut(engine, PICTURE, size)] == [length for _, length in pairs]
        engine.reset()


def random_data(rng, size):
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(size)
    if kind == 1:
        return bytes(rng.choices(b"ab", k=size))
    if kind == 2:
        return (rng.randbytes(300) * (size // 300 + 1))[:size]
    return rng.randbytes(size)


def random_options(rng):
    algorithm = rng.choice(("fastcdc2020", "fastcdc2020", "fastcdc2016", "ram"))
    if algorithm == "ram":
        average = rng.choice((257, 300, 400))
        return (average, None, rng.choice((1024, 1200))), {"algorithm": algorithm}
    average = rng.choice((256, 257, 300, 511))
    sizes = (average, rng.choice((64, 65, 127, 256)), rng.choice((1024, 1025, 1500)))
    options = {"algorithm": algorithm, "normalization": rng.randrange(4)}
    return sizes, options | ({"seed": rng.choice((0, 666, 2**64 - 1))} if algorithm == "fastcdc2020" else {})


def expected(data, sizes, options):
    if options["algorithm"] == "ram":
        return ram(data, sizes[0], sizes[2])
    oracle = ORACLES[options["algorithm"]]
    return [size for _, size in oracle(data, *sizes, options["normalization"], options.get("seed", 0))]


def random_cuts(rng, data):
    if rng.random() < 0.15:
        return [data[at : at + 1] for at in range(len(data))]
    if rng.random() < 0.3:
        size = rng.choice((3, 7, 63, 255, 257))
        return [data[at : at + size] for at in range(0, len(data), size)]
    marks = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((1, 2, 5, 30))))
    return [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]


def test_chunks_equal_the_oracle_however_the_input_is_cut(backend):
    rng = random.Random(SEED)
    for _ in range(int((400 if backend.name == "native" else 100) * SCALE)):
        sizes, options = random_options(rng)
        data = random_data(rng, rng.choice((0, 1, 63, 64, 65, 66, 256, 1023, 1024, 1025, 5000)))
        wanted = expected(data, sizes, options)
        engine = backend.ContentDefinedEngine(*sizes, **options)
        for way in ("feed", "iterate", "batches", "feed"):
            cuts = random_cuts(rng, data)
            if way == "feed":
                items = [item for fragment in cuts for item in engine.feed(fragment)] + engine.finish()
            elif way == "iterate":
                items = list(engine.iterate(iter(cuts)))
            else:
                items = [item for batch in engine.batches(iter(cuts)) for item in batch]
            assert [len(item) for item in items] == wanted, (sizes, options, way)
            assert b"".join(map(bytes, items)) == data
            assert engine.offset == len(data)
            engine.reset()


def test_a_chunk_comes_when_its_end_is_there_and_no_later(backend):
    data = random.Random(1).randbytes(4000)
    for algorithm in ("fastcdc2020", "fastcdc2016", "ram"):
        engine = backend.ContentDefinedEngine(
            300, None if algorithm == "ram" else 64, 1024, algorithm=algorithm
        )
        sizes = expected(data, (300, 64, 1024), {"algorithm": algorithm, "normalization": 1})
        found, end = [], 0
        for at in range(len(data)):
            new = engine.feed(data[at : at + 1])
            found += new
            if new:
                end += len(new[0])
                # The byte that matched opens the next chunk; a match at an even byte waits for its pair.
                assert (
                    at + 1 - end in {"fastcdc2020": (0, 1, 2), "fastcdc2016": (0, 1), "ram": (0,)}[algorithm]
                )
        assert [len(item) for item in found] == sizes[: len(found)]
        assert len(found) >= len(sizes) - 1 > 3


@pytest.mark.parametrize("algorithm", ["fastcdc2020", "fastcdc2016", "ram"])
def test_edges(backend, algorithm):
    engine = backend.ContentDefinedEngine(257, None, 1024, algorithm=algorithm)
    assert cut(engine, b"") == []
    engine.reset()
    assert cut(engine, b"x") == [b"x"]
    engine.reset()
    zeros = cut(engine, bytes(5000))
    assert b"".join(zeros) == bytes(5000)
    assert len(zeros[0]) == (2 if algorithm == "ram" else 1024)


def test_views_share_the_fragment(backend):
    before = """
import random
engine = backend.ContentDefinedEngine()
engine.feed(random.Random(1).randbytes(1 << 14))
data = random.Random(2).randbytes(1 << 18)
"""
    assert traced_peak(backend, before, "assert len(engine.feed(data)) > 5") < 200_000


def test_views_stay_what_they_were(backend):
    data = random.Random(2).randbytes(1 << 18)
    fragments = [bytearray(data[at : at + 3000]) for at in range(0, len(data), 3000)]
    found = []
    engine = backend.ContentDefinedEngine(1024)
    for fragment in fragments:
        found += engine.feed(fragment)
        fragment[:] = bytes(len(fragment))
    found += engine.finish()
    assert b"".join(map(bytes, found)) == data


def test_digests(backend):
    data = random.Random(3).randbytes(20_000)
    engine = backend.ContentDefinedEngine(1024, digest=hashlib.sha256)
    chunks = list(engine.iterate(iter([data[:7001], data[7001:]])))
    at = 0
    for chunk in chunks:
        assert chunk.offset == at
        assert chunk.digest == hashlib.sha256(chunk.data).digest()
        assert data[at : at + len(chunk.data)] == chunk.data
        at += len(chunk.data)
    assert at == len(data)
    engine = backend.ContentDefinedEngine(1024, digest=len, as_=bytes)
    assert [chunk.digest for chunk in engine.feed(data) + engine.finish()] == [len(c.data) for c in chunks]
    engine.reset()
    assert [bytes(item) for batch in engine.batches(iter([data])) for item in batch] == [
        c.data for c in chunks
    ]


def test_an_error_of_the_digest_comes_after_the_chunks_before(backend):
    data = random.Random(3).randbytes(20_000)
    calls = []

    def fail(view):
        calls.append(len(view))
        if len(calls) == 3:
            raise LookupError("third")
        return None

    engine = backend.ContentDefinedEngine(1024, digest=fail)
    chunks = engine.iterate(iter([data]))
    first = [next(chunks), next(chunks)]
    with pytest.raises(LookupError, match="third") as caught:
        next(chunks)
    offset = sum(len(chunk.data) for chunk in first)
    assert caught.value.__notes__ == [f"in ContentDefined, at byte {offset} of its input"]


def test_a_chunk_is_a_value(backend):
    chunk = backend.Chunk(b"abc", 5, b"d")
    assert chunk == backend.Chunk(b"abc", 5, b"d") != backend.Chunk(b"abc", 6, b"d")
    assert hash(chunk) == hash((b"abc", 5, b"d"))
    assert repr(chunk) == "Chunk(data=b'abc', offset=5, digest=b'd')"
    assert repr(backend.Chunk(memoryview(b"abc"))) == "Chunk(data=b'abc', offset=0, digest=None)"
    match chunk:
        case backend.Chunk(data, offset, digest):
            assert (data, offset, digest) == (b"abc", 5, b"d")
    view = backend.Chunk(backend.View(b"abc"), 5, b"d")
    assert pickle.loads(pickle.dumps(view)) == chunk == view
    with pytest.raises(AttributeError):
        chunk.offset = 1
    with pytest.raises(TypeError, match="data must be bytes-like or str, got int"):
        backend.Chunk(5)
    with pytest.raises(ValueError, match="offset must not be negative, got -1"):
        backend.Chunk(b"", -1)


def test_offsets_beyond_32_bits(backend):
    if backend.name == "pure":
        pytest.skip("4 GiB take the pure core too long; its offsets are ints of Python")
    engine = backend.ContentDefinedEngine(1 << 22, None, 1 << 24, algorithm="ram", digest=len)
    part = bytes([255]) * (1 << 24)
    last = None
    for _ in range(257):
        for chunk in engine.feed(part):
            assert last is None or chunk.offset == last.offset + len(last.data)
            last = chunk
    assert last.offset > 1 << 32
    assert engine.offset == 257 << 24


def test_the_offset_of_a_chunk_has_63_bits(backend):
    chunk = backend.Chunk(b"", (1 << 33) + 1)
    assert chunk.offset == (1 << 33) + 1
    with pytest.raises(ValueError, match=r"offset must be less than 2\*\*63"):
        backend.Chunk(b"", 1 << 63)


BAD_OPTIONS = [
    ((255,), {}, ValueError, "avg_size must be from 256 to 4194304, got 255"),
    (((1 << 22) + 1,), {}, ValueError, "avg_size must be from 256 to 4194304, got 4194305"),
    ((1024, 63), {}, ValueError, "min_size must be from 64 to 1048576, got 63"),
    ((1024, 64, 1023), {}, ValueError, "max_size must be from 1024 to 16777216, got 1023"),
    ((1024, 64, (1 << 24) + 1), {}, ValueError, "max_size must be from 1024 to 16777216, got 16777217"),
    ((512, 513), {}, ValueError, "min_size <= avg_size <= max_size must hold, got 513, 512, 2048"),
    ((4096, 64, 4095), {}, ValueError, "min_size <= avg_size <= max_size must hold, got 64, 4096, 4095"),
    ((1024.0,), {}, TypeError, "avg_size must be an int, got float"),
    ((), {"normalization": 4}, ValueError, "normalization must be from 0 to 3, got 4"),
    ((), {"normalization": -1}, ValueError, "normalization must not be negative, got -1"),
    ((), {"seed": 1 << 64}, ValueError, "seed must be less than 2**64, got 18446744073709551616"),
    ((), {"seed": "a"}, TypeError, "seed must be an int, got str"),
    ((), {"algorithm": "rabin"}, ValueError, "algorithm must be 'fastcdc2020', 'fastcdc2016' or 'ram', got 'rabin'"),
    ((), {"algorithm": "fastcdc2016", "seed": 5}, ValueError, "seed must be 0 with algorithm='fastcdc2016', got 5"),
    ((), {"algorithm": "ram", "seed": 5}, ValueError, "seed means nothing with algorithm='ram', got 5"),
    ((), {"algorithm": "ram", "normalization": 0}, ValueError,
     "normalization means nothing with algorithm='ram', got 0"),
    ((1024, 64), {"algorithm": "ram"}, ValueError, "min_size means nothing with algorithm='ram', got 64"),
    ((256,), {"algorithm": "ram"}, ValueError, "avg_size must be more than 256 with algorithm='ram', got 256"),
    ((), {"digest": 5}, TypeError, "digest must be callable, got int"),
    ((), {"as_": "bytes"}, ValueError, "as_ must be bytes, str or 'view', got 'bytes'"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD_OPTIONS)
def test_a_bad_option_is_refused_with_its_value(backend, arguments, options, error, message):
    for make in (backend.ContentDefinedEngine, ContentDefined):
        with pytest.raises(error) as caught:
            make(*arguments, **options)
        assert str(caught.value) == message


def test_the_stage_holds_the_laws():
    rng = random.Random(SEED)
    samples = [b"", b"abc", rng.randbytes(3000)]
    check_laws(ContentDefined(256, 64, 1024), samples, cuts=10)
    check_laws(ContentDefined(300, algorithm="ram", digest=hashlib.md5), samples, cuts=10)


def test_the_stage_shows_and_pickles():
    stage = ContentDefined(1024, seed=5, digest=hashlib.sha256)
    data = random.Random(1).randbytes(10_000)
    again = pickle.loads(pickle.dumps(stage))
    assert [chunk.digest for chunk in again.stream(data)] == [chunk.digest for chunk in stage.stream(data)]
    assert repr(ContentDefined(1024, algorithm="ram")) == "ContentDefined(1024, algorithm='ram')"
    assert repr(ContentDefined(1024, 256, seed=5)) == "ContentDefined(1024, min_size=256, seed=5)"
