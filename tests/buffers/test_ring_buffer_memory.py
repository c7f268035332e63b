"""Memory of a RingBuffer that works for long: flat, and bounded by what it holds.

``STREAMCORE_TEST_SCALE`` multiplies the bytes of the long run: 1 is 200 MB, 50 the 10 GB of M1.
"""

from __future__ import annotations

import gc
import os
import random
import tracemalloc
from collections import deque
from pathlib import Path

import pytest

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
STATM = Path("/proc/self/statm")


def resident() -> int:
    """Bytes of this process in memory."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def work(backend, total: int, seed: int) -> None:
    """Bring ``total`` bytes through a buffer of 1 MiB in every way there is, with the latest views held."""
    draw = random.Random(seed)
    ring = backend.RingBuffer(1 << 20)
    block = bytes(1 << 16)
    latest: deque[object] = deque(maxlen=50)
    passed = 0
    while passed < total:
        kind = draw.randrange(5)
        size = draw.choice((1, 20, 63, 100, 1000, 4096, 65536))
        if kind == 0:
            ring.write(block[:size])
        elif kind == 1:
            ring.write(bytearray(size))
        elif kind == 2:
            ring.write(memoryview(block)[: draw.randrange(65536)])
        elif kind == 3 and ring.free:
            grant = ring.grant(size)
            granted = len(grant)
            grant[:] = block[:granted]
            ring.commit(draw.randrange(granted + 1))
        else:
            latest.extend(ring.views(size))
            assert ring.find(b"x", max(0, len(ring) - 100)) == -1
        if ring.free < 1 << 18:
            for _ in range(100):
                passed += len(ring.read(draw.choice((10, 1000, 65536, 100_000))))


@pytest.mark.skipif(not STATM.exists(), reason="needs /proc to see the resident memory")
@pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps freed memory back"
)
def test_a_long_run_keeps_memory_flat(backend) -> None:
    work(backend, 50_000_000, 0)
    gc.collect()
    before = resident()
    work(backend, int(200_000_000 * SCALE), 1)
    gc.collect()
    assert resident() - before < 1_000_000


# pytest-xdist takes in its messages in a thread of this process: they are no memory of the buffer's.
OTHERS = [tracemalloc.Filter(False, f"*/{name}/*") for name in ("execnet", "xdist")]


def traced(make) -> int:
    """Bytes that the result of ``make`` holds, and whatever was allocated for it."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = make()
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces(OTHERS)
        del kept
        return sum(trace.size for trace in snapshot.traces)
    finally:
        tracemalloc.stop()


def test_a_full_buffer_of_tiny_pieces_holds_little_more_than_its_bytes(backend) -> None:
    def fill():
        ring = backend.RingBuffer(1 << 18)
        for i in range(1 << 17):
            assert ring.write((i & 0xFFFF).to_bytes(2, "big")) == 2
        return ring

    assert traced(fill) < 1.3 * (1 << 18) + 20_000


def test_parts_of_large_objects_do_not_pin_them(backend) -> None:
    def fill():
        ring = backend.RingBuffer(1 << 16)
        while ring.free:
            ring.write(memoryview(bytes(1 << 20))[:1000])
        return ring

    assert traced(fill) < 2 * (1 << 16) + 20_000


def test_short_commits_of_long_grants_hold_what_was_committed(backend) -> None:
    def fill():
        ring = backend.RingBuffer(1 << 20)
        while ring.free >= 1400:
            ring.grant(65536)
            ring.commit(1400)
        return ring

    assert traced(fill) < 1.1 * (1 << 20) + (1 << 17)


def test_an_emptied_buffer_holds_next_to_nothing(backend) -> None:
    def fill_and_empty():
        ring = backend.RingBuffer(1 << 22)
        for _ in range(20_000):
            ring.write(bytes(200))
        ring.read()
        return ring

    assert traced(fill_and_empty) < 20_000


def test_a_closed_buffer_holds_nothing(backend) -> None:
    def fill_and_close():
        ring = backend.RingBuffer(1 << 22)
        for _ in range(500):
            ring.write(bytes(200))
            ring.write(b"small")
        ring.grant(100_000)
        ring.commit(9)
        ring.close()
        return ring

    assert traced(fill_and_close) < 50_000  # with the larger objects of a free-threaded build
