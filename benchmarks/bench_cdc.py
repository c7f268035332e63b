"""Chunks by content: F5 (FastCDC of 16 KiB, random bytes and text) and F6 ("ram" against it), and M2.

Peers: pyfastcdc's ``cut_buf`` and ``cut_stream``, fastcdc. ``python benchmarks/bench_cdc.py`` prints the ratios, both
sides in one process, round by round, and how much "ram" and FastCDC find again in data that was changed.

AMD EPYC (Zen 4), CPython 3.11, loaded, two runs, random / text. FastCDC: 4.1 to 4.4 / 3.7 to 4.5 GB/s. Times of the
others over ours: cut_buf 0.97 and 1.02 / 0.99 and 1.14 (wanted 1.0), cut_stream 1.11 and 1.24 / 1.12 and 1.33 (wanted
1.3, missed), fastcdc 1.74 and 1.78 / 1.83 and 2.04 (wanted 2, missed on random). "ram": 16 to 23 GB/s, 3.9 and 5.2 /
6.1 and 5.2 times FastCDC (wanted 5). What stands in the way of FastCDC: two loads, an addition and a branch per byte;
loops of 2, 4 and 8 bytes a step, and one with loads of 8 bytes, run at 4.0, 4.0, 4.0 and 3.7 GB/s here.
"""

from __future__ import annotations

import hashlib
import io
import random
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import pytest

SIZE = 16_000_000
FRAGMENT = 1 << 20
F5 = "F5 FastCDC 16 KiB"


def random_bytes() -> bytes:
    return random.Random(1).randbytes(SIZE)


def text() -> bytes:
    """Words of a small vocabulary in lines, which never repeat for long."""
    choose = random.Random(2)
    words = [bytes(choose.choices(b"etaoinshrdlu", k=choose.randrange(2, 10))) for _ in range(3000)]
    lines = b"\n".join(b" ".join(choose.choices(words, k=12)) for _ in range(SIZE // 60))
    return (lines * 2)[:SIZE]


DATA = {"random": random_bytes, "text": text}


def sizes(items: Any) -> int:
    count = 0
    for _ in items:
        count += 1
    return count


def fragments(data: bytes) -> list[bytes]:
    return [data[at : at + FRAGMENT] for at in range(0, len(data), FRAGMENT)]


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("algorithm", ["fastcdc2020", "ram"])
def test_chunks(backend, kind, algorithm, measure):
    data = DATA[kind]()[: SIZE if backend.name == "native" else SIZE // 40]

    def run() -> int:
        return sizes(backend.ContentDefinedEngine(algorithm=algorithm).iterate(iter([data])))

    assert run() > 1
    measure(f"{F5}, {kind}", run, len(data))


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("way", ["cut_buf", "cut_stream"])
def test_pyfastcdc(kind, way, measure):
    peer = pytest.importorskip("pyfastcdc")
    data = DATA[kind]()
    make = peer.FastCDC(16384)

    def run() -> int:
        return sizes(make.cut_buf(data) if way == "cut_buf" else make.cut_stream(io.BytesIO(data)))

    assert run() > 1
    measure(f"{F5}, {kind}", run, len(data))


@pytest.mark.parametrize("kilobytes", [4096, 16384])
def test_one_large_chunk_in_small_fragments(backend, kilobytes, measure):
    data = bytes(kilobytes << 10)
    cuts = [data[at : at + 1024] for at in range(0, len(data), 1024)]
    if backend.name == "pure":
        cuts = cuts[: len(cuts) // 16]

    def run() -> int:
        return sizes(backend.ContentDefinedEngine(1 << 22, None, 1 << 24).iterate(iter(cuts)))

    assert run() == 1
    measure("M2 one chunk in 1 KiB fragments", run, sum(map(len, cuts)), rounds=3)


def ratios(title: str, sides: dict[str, Callable[[], Any]], rounds: int, size: int) -> None:
    """Time the sides in turn: the speed of each, and how many times that of the others the first one's is."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, run in sides.items():
            start = perf_counter()
            run()
            times[name].append(perf_counter() - start)
    first = median(times[next(iter(sides))][1:])
    print(title)
    for name, taken in times.items():
        print(f"  {name:24} {size / median(taken[1:]) / 1e9:7.2f} GB/s, {median(taken[1:]) / first:6.2f} x")


def found_again(algorithm: str, data: bytes) -> float:
    """Which part of ``data``, with 200 small insertions, lies in chunks that ``data`` had."""
    from streamcore import ContentDefined

    choose = random.Random(3)
    marks = sorted(choose.randrange(len(data)) for _ in range(200))
    changed = b"".join(
        data[a:b] + choose.randbytes(20) for a, b in zip([0, *marks], [*marks, len(data)], strict=True)
    )
    stage = ContentDefined(algorithm=algorithm, digest=hashlib.sha256)
    known = {chunk.digest for chunk in stage.stream(data)}
    return sum(len(chunk.data) for chunk in stage.stream(changed) if chunk.digest in known) / len(changed)


def main(rounds: int) -> None:
    from streamcore._native.framing.content_defined import ContentDefinedEngine as Native

    for kind, make in DATA.items():
        data = make()
        cuts = fragments(data)
        sides: dict[str, Callable[[], Any]] = {
            "native": lambda data=data: sizes(Native().iterate(iter([data]))),
            "native, 1 MiB fragments": lambda cuts=cuts: sizes(Native().iterate(iter(cuts))),
            "native, ram": lambda data=data: sizes(Native(algorithm="ram").iterate(iter([data]))),
        }
        try:
            import pyfastcdc
        except ImportError:
            print("pyfastcdc is not installed")
        else:
            peer = pyfastcdc.FastCDC(16384)
            wanted = [bytes(chunk.data) for chunk in peer.cut_buf(data)]
            assert [bytes(item) for item in Native().iterate(iter(cuts))] == wanted
            sides["pyfastcdc cut_buf"] = lambda data=data, peer=peer: sizes(peer.cut_buf(data))
            sides["pyfastcdc cut_stream"] = lambda data=data, peer=peer: sizes(
                peer.cut_stream(io.BytesIO(data))
            )
        try:
            from fastcdc import fastcdc
        except ImportError:
            print("fastcdc is not installed")
        else:
            sides["fastcdc"] = lambda data=data, fastcdc=fastcdc: sizes(fastcdc(data, 4096, 16384, 65536))
        ratios(f"F5, F6: {kind}", sides, rounds, len(data))
        for algorithm in ("fastcdc2020", "ram"):
            print(f"  {algorithm} finds again {found_again(algorithm, data):.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
