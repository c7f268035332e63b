"""BPE: S16 (encode, one thread), S17 (short strings), S18 (pathological pieces), S21 (threads).

Peers: gigatoken, quicktok-v1, tiktoken, rs-bpe. "cold" is the first text of a new object, "steady" is new text after
other text of the kind, "warm" is the same text again. ``pytest benchmarks/bench_bpe.py`` prints all of it; set
``STREAMCORE_BPE_CORPUS`` to real text (see bpe_corpora.py).
"""

from __future__ import annotations

import base64
import random
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bpe_corpora import KINDS, PATTERNS, ranks, text

PEERS = ("native", "pure", "gigatoken", "quicktok", "tiktoken")
Encode = Callable[[str], Any]


def maker(folder: str) -> Callable[[str, str], Encode]:
    """``make(who, vocabulary)``: the ``encode`` of a new object. Vocabulary files go to ``folder``."""

    def build(who: str, name: str) -> Encode:
        if who in ("native", "pure"):
            module = pytest.importorskip(f"streamcore._{who}.bpe.core")
            return module.BPECore(ranks(name), PATTERNS[name]).encode_ordinary  # type: ignore[no-any-return]
        if who == "gigatoken":
            path = Path(folder, f"{name}.tiktoken")
            if not path.exists():
                ordered = sorted(ranks(name).items(), key=lambda item: item[1])
                path.write_text(
                    "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ordered)
                )
            return pytest.importorskip("gigatoken").Tokenizer.from_tiktoken(path, pretokenizer=name).encode  # type: ignore[no-any-return]
        if who == "quicktok":
            return pytest.importorskip("quicktok").get_encoding(f"{name}_base").encode  # type: ignore[no-any-return]
        if who == "rs-bpe":
            return getattr(pytest.importorskip("rs_bpe.bpe").openai, f"{name}_base")().encode  # type: ignore[no-any-return]
        encoding = pytest.importorskip("tiktoken").Encoding(
            name, pat_str=PATTERNS[name], mergeable_ranks=ranks(name), special_tokens={}
        )
        return encoding.encode_ordinary  # type: ignore[no-any-return]

    return build


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def make(folder: str) -> Callable[[str, str], Encode]:
    return maker(folder)


@pytest.fixture(scope="module")
def expected() -> Callable[[str, str], list[int]]:
    """tiktoken's ids of a text: a figure counts only if the ids are equal."""
    encodings: dict[str, Any] = {}

    def encode(name: str, text: str) -> list[int]:
        if name not in encodings:
            encodings[name] = pytest.importorskip("tiktoken").Encoding(
                name, pat_str=PATTERNS[name], mergeable_ranks=ranks(name), special_tokens={}
            )
        return encodings[name].encode_ordinary(text)  # type: ignore[no-any-return]

    return encode


@pytest.fixture(scope="module")
def expected_piece() -> Callable[[str, str], list[int]]:
    """tiktoken's ids of a text that the pattern leaves whole: its regex overflows its stack on 1 MB of spaces."""

    def encode(name: str, piece: str) -> list[int]:
        encoding = pytest.importorskip("tiktoken").Encoding(
            name, pat_str=PATTERNS[name], mergeable_ranks=ranks(name), special_tokens={}
        )
        return encoding._encode_single_piece(piece)  # type: ignore[no-any-return]

    return encode


# Resident memory (KiB) that a tokenizer takes with its first text, seen from outside, as peers do not tell.
MEASURE = """
import sys
sys.path[:0] = sys.argv[1:3]
import bench_bpe, bpe_corpora
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
text, make = bpe_corpora.text(sys.argv[5]), bench_bpe.maker(sys.argv[6])
bpe_corpora.ranks(sys.argv[4])
before = resident()
kept = make(sys.argv[3], sys.argv[4])
ids = kept(text)
print(resident() - before)
"""


@cache
def memory(who: str, name: str, kind: str, folder: str) -> int | None:
    """See MEASURE; None where the system does not tell."""
    if not Path("/proc/self/status").exists():
        return None
    import streamcore

    # -P: the package that is measured, not the sources in the working directory
    places = (str(Path(__file__).parent), str(Path(streamcore.__file__).parents[1]))
    run = [sys.executable, "-P", "-c", MEASURE, *places, who, name, kind, folder]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def check(encode: Encode, text: str, ids: list[int]) -> None:
    assert list(encode(text)) == ids


@pytest.mark.parametrize("who", PEERS)
@pytest.mark.parametrize("state", ["cold", "steady", "warm"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PATTERNS)
def test_s16_encode(
    benchmark, make, expected, folder: str, name: str, kind: str, state: str, who: str
) -> None:
    whole = text(kind)
    half = len(whole) // 2
    timed = whole[half:] if state == "steady" else whole
    check(make(who, name), timed, expected(name, timed))
    kept = make(who, name)
    kept(timed)

    def setup() -> tuple[tuple[Encode, str], dict[str, Any]]:
        encode = kept if state == "warm" else make(who, name)
        if state == "steady":
            encode(whole[:half])
        return (encode, timed), {}

    benchmark.group = f"S16 {name} {kind} {state}"
    benchmark.extra_info["bytes"] = len(timed.encode())
    if state == "cold":
        benchmark.extra_info["resident KiB"] = memory(who, name, kind, folder)
    if who == "native":
        benchmark.extra_info["cache bytes"] = kept.__self__.cache_bytes
    slow = who in ("pure", "tiktoken", "quicktok")
    benchmark.pedantic(lambda encode, text: encode(text), setup=setup, rounds=2 if slow else 7)


@pytest.mark.parametrize("who", PEERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PATTERNS)
def test_s17_strings_of_100_characters(benchmark, make, expected, name: str, kind: str, who: str) -> None:
    whole = text(kind)
    texts = [whole[i : i + 100] for i in range(0, 100_000, 100)]
    encode = make(who, name)
    for short in texts:
        check(encode, short, expected(name, short))
    benchmark.group = f"S17 {name} {kind}: 1000 strings of 100 characters"
    benchmark.extra_info["bytes"] = len("".join(texts).encode())
    benchmark.pedantic(lambda: [encode(short) for short in texts], rounds=15, warmup_rounds=1)


def long_piece(what: str) -> str:
    source = random.Random(what)
    if what == "random letters":
        return "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=1_000_000))
    if what == "random han":
        return "".join(chr(source.randrange(0x4E00, 0x9FA5)) for _ in range(333_333))
    return {"a": "a", "spaces": " "}[what] * 1_000_000


@pytest.mark.parametrize("who", ["native", "quicktok", "rs-bpe"])
@pytest.mark.parametrize("what", ["a", "spaces", "random letters", "random han"])
@pytest.mark.parametrize("name", PATTERNS)
def test_s18_one_piece_of_1_mb(benchmark, make, expected_piece, name: str, what: str, who: str) -> None:
    piece = long_piece(what)
    encode = make(who, name)
    check(encode, piece, expected_piece(name, piece))
    benchmark.group = f"S18 {name}, 1 MB of {what}"
    benchmark.extra_info["bytes"] = len(piece.encode())
    benchmark.pedantic(lambda: encode(piece), rounds=5)


@pytest.mark.parametrize("megabytes", [1, 16])
@pytest.mark.parametrize("what", ["a", "spaces", "random letters", "random han"])
def test_s18_time_grows_with_the_length(benchmark, make, what: str, megabytes: int) -> None:
    encode = make("native", "cl100k")
    piece = long_piece(what) * megabytes
    benchmark.group = f"S18 growth, {what}"
    benchmark.extra_info["bytes"] = len(piece.encode())
    benchmark.pedantic(lambda: encode(piece), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_s21_threads(benchmark, kind: str, threads: int) -> None:
    core = pytest.importorskip("streamcore._native.bpe.core").BPECore(ranks("cl100k"), PATTERNS["cl100k"])
    whole = text(kind)
    texts = [whole[i : i + 4000] for i in range(0, len(whole), 4000)]
    ids, offsets = core.encode_many(texts, threads)
    assert list(ids[: offsets[50]]) == [
        one for short in texts[:50] for one in core.encode_ordinary_to_list(short)
    ]
    benchmark.group = f"S21 {kind}: {len(texts)} texts of 4000 characters"
    benchmark.extra_info["bytes"] = len(whole.encode())
    benchmark.pedantic(lambda: core.encode_many(texts, threads), rounds=9, warmup_rounds=1)
