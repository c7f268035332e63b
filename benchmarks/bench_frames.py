"""Length-prefixed frames: S11, F3 (frames of 100 B against plain Python loops) and M2 (one long frame).

Peers: the best loop over a ``BufferedReader`` (two reads a frame) and over ``bytes`` (slices), for ``u32be`` and for
``varint``. ``python benchmarks/bench_frames.py`` prints the ratios of F3, both sides in one process, round by round.

AMD EPYC (Zen 4), CPython 3.11, loaded: u32be 29 ns a frame, in batches 9; loops 405 (reader) and 460 (bytes): 13.8
and 16 times as fast, batches 46. varint 28 and 10 ns; loops 357 and 390: 12.6 and 13.7 times, batches 36. The pure twin
takes 1.4 times as long as the loops, which know neither limits nor fragments nor errors.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import pytest

FRAGMENT = 65536
COUNT = 50_000
F3 = "F3 frames of 100 B as bytes, 64 KiB fragments"


def bodies() -> list[bytes]:
    """Of 100 bytes in the middle; those of 128 and more have a varint of two bytes."""
    choose = random.Random(1)
    return [choose.randbytes(choose.randrange(60, 141)) for _ in range(COUNT)]


def framed(prefix: str, items: list[bytes]) -> bytes:
    if prefix == "u32be":
        return b"".join(len(item).to_bytes(4, "big") + item for item in items)
    return b"".join(
        bytes((len(item),)) + item
        if len(item) < 128
        else bytes((len(item) % 128 + 128, len(item) // 128)) + item
        for item in items
    )


def by_reader(data: bytes) -> Iterator[bytes]:
    read, from_bytes = io.BufferedReader(io.BytesIO(data), FRAGMENT).read, int.from_bytes  # type: ignore[type-var]
    while head := read(4):
        yield read(from_bytes(head, "big"))


def by_reader_varint(data: bytes) -> Iterator[bytes]:
    read = io.BufferedReader(io.BytesIO(data), FRAGMENT).read  # type: ignore[type-var]
    while head := read(1):
        size, shift = head[0] & 127, 7
        while head[0] > 127:
            head = read(1)
            size |= (head[0] & 127) << shift
            shift += 7
        yield read(size)


def by_slices(data: bytes) -> Iterator[bytes]:
    at, end, from_bytes = 0, len(data), int.from_bytes
    while at < end:
        body = at + 4
        at = body + from_bytes(data[at:body], "big")
        yield data[body:at]


def by_slices_varint(data: bytes) -> Iterator[bytes]:
    at, end = 0, len(data)
    while at < end:
        size, shift = data[at] & 127, 7
        while data[at] > 127:
            at += 1
            size |= (data[at] & 127) << shift
            shift += 7
        body = at + 1
        at = body + size
        yield data[body:at]


def fragments(data: bytes) -> list[bytes]:
    return [data[at : at + FRAGMENT] for at in range(0, len(data), FRAGMENT)]


def consume(items: Any) -> None:
    for _ in items:
        pass


def sizes(batches: Any) -> int:
    return sum(len(batch.offsets) - 1 for batch in batches)


@pytest.mark.parametrize("prefix", ["u32be", "varint"])
def test_frames(backend, prefix, measure):
    items = bodies()
    data = framed(prefix, items)
    cuts = fragments(data)

    def run() -> Any:
        return backend.LengthPrefixedEngine(prefix).iterate(iter(cuts))

    assert list(run()) == items
    measure(f"{F3}, {prefix}", lambda: consume(run()), len(data))


@pytest.mark.parametrize("prefix", ["u32be", "varint"])
def test_batches(backend, prefix, measure):
    data = framed(prefix, bodies())
    cuts = fragments(data)

    def run() -> int:
        return sizes(backend.LengthPrefixedEngine(prefix).batches(iter(cuts)))

    assert run() == COUNT
    measure(f"{F3}, {prefix}", run, len(data))


@pytest.mark.parametrize(
    ("prefix", "loop"),
    [("u32be", by_reader), ("u32be", by_slices), ("varint", by_reader_varint), ("varint", by_slices_varint)],
)
def test_loops_by_hand(prefix, loop, measure):
    items = bodies()
    data = framed(prefix, items)
    assert list(loop(data)) == items
    measure(f"{F3}, {prefix}", lambda: consume(loop(data)), len(data))


@pytest.mark.parametrize("megabytes", [8, 64])
def test_one_long_frame(backend, megabytes, measure):
    body = b"x" * (megabytes << 20)
    data = len(body).to_bytes(4, "big") + body
    cuts = [data[at : at + 1024] for at in range(0, len(data), 1024)]

    def run() -> list[bytes]:
        return list(backend.LengthPrefixedEngine(max_size=None).iterate(iter(cuts)))

    assert run() == [body]
    measure("M2 one frame in 1 KiB fragments", run, len(data), rounds=3)


def ratios(title: str, sides: dict[str, Callable[[], Any]], rounds: int, per: int) -> None:
    """Time the sides in turn; the first one's time over that of each."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, run in sides.items():
            start = perf_counter()
            run()
            times[name].append((perf_counter() - start) / per)
    first = times[next(iter(sides))][1:]
    print(title)
    for name, taken in times.items():
        print(
            f"  {name:30} {median(taken[1:]) * 1e9:8.1f} ns a frame, {median(first) / median(taken[1:]):6.1f} x"
        )


def main(rounds: int) -> None:
    from streamcore._native.framing.length_prefixed import LengthPrefixedEngine as Native

    from streamcore._pure.framing.length_prefixed import LengthPrefixedEngine as Pure

    items = bodies()
    for prefix, reader, slices in (
        ("u32be", by_reader, by_slices),
        ("varint", by_reader_varint, by_slices_varint),
    ):
        data = framed(prefix, items)
        cuts = fragments(data)
        for engine in (Native, Pure):
            assert (
                list(engine(prefix).iterate(iter(cuts))) == items == list(reader(data)) == list(slices(data))
            )
        sides = {
            "loop over a BufferedReader": lambda reader=reader, data=data: consume(reader(data)),
            "loop over bytes": lambda slices=slices, data=data: consume(slices(data)),
            "native": lambda prefix=prefix, cuts=cuts: consume(Native(prefix).iterate(iter(cuts))),
            "native batches": lambda prefix=prefix, cuts=cuts: sizes(Native(prefix).batches(iter(cuts))),
            "pure": lambda prefix=prefix, cuts=cuts: consume(Pure(prefix).iterate(iter(cuts))),
        }
        ratios(f"F3, {prefix}", sides, rounds, COUNT)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
