"""S22: bytes through a bounded FIFO, one write and one read of the same size at a time.

Native, pure, the plain-Python ways (a deque of bytes, a bytearray) and ``asyncio.StreamReader``, which is driven
inside one coroutine, so that no event loop turn is in the measured time::

    pytest benchmarks/bench_ring_buffer.py --benchmark-group-by=group
"""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

pytest.importorskip("pytest_benchmark")

ROUNDS = 2000  # writes and reads in one measured call
CAPACITY = 1 << 20
SIZES = [100, 4096, 65536]


class PlainDeque:
    """What one would write by hand: bounded, no copy for equal sizes, and nothing else."""

    def __init__(self, capacity: int) -> None:
        self.parts: deque[bytes] = deque()
        self.capacity = capacity
        self.size = 0

    def write(self, data: bytes) -> int:
        room = self.capacity - self.size
        if len(data) > room:
            data = data[:room]
        self.parts.append(data)
        self.size += len(data)
        return len(data)

    def read(self, n: int) -> bytes:
        parts = self.parts
        if parts and len(parts[0]) == n:
            self.size -= n
            return parts.popleft()
        whole = b"".join(parts)
        parts.clear()
        parts.append(whole[n:])
        self.size = len(parts[0])
        return whole[:n]


class PlainBytearray:
    """The other way: one bytearray, cut at its front."""

    def __init__(self, capacity: int) -> None:
        self.data = bytearray()
        self.capacity = capacity

    def write(self, data: bytes) -> int:
        room = self.capacity - len(self.data)
        if len(data) > room:
            data = data[:room]
        self.data += data
        return len(data)

    def read(self, n: int) -> bytes:
        taken = bytes(self.data[:n])
        del self.data[:n]
        return taken


def through_buffer(buffer, data: bytes) -> bytes:
    write, read, size = buffer.write, buffer.read, len(data)
    for _ in range(ROUNDS):
        write(data)
        taken = read(size)
    return taken


def through_stream_reader(loop: asyncio.AbstractEventLoop, data: bytes) -> bytes:
    async def run() -> bytes:
        reader = asyncio.StreamReader(limit=CAPACITY)
        feed, read, size = reader.feed_data, reader.readexactly, len(data)
        for _ in range(ROUNDS):
            feed(data)
            taken = await read(size)
        return taken

    return loop.run_until_complete(run())


def ring_buffers() -> dict[str, type]:
    from streamcore._pure.buffers.ring_buffer import RingBuffer as Pure

    found: dict[str, type] = {"pure": Pure, "plain deque": PlainDeque, "plain bytearray": PlainBytearray}
    try:
        from streamcore._native.buffers.ring_buffer import RingBuffer as Native
    except ImportError:
        return found
    return {"native": Native, **found}


@pytest.mark.parametrize("name", ["native", "pure", "plain deque", "plain bytearray", "asyncio.StreamReader"])
@pytest.mark.parametrize("size", SIZES)
def test_write_and_read(benchmark, size: int, name: str) -> None:
    benchmark.group = f"ring buffer: {size} B written and read"
    benchmark.extra_info["bytes"] = size * ROUNDS
    data = bytes(i % 251 for i in range(size))
    if name == "asyncio.StreamReader":
        loop = asyncio.new_event_loop()
        try:
            assert through_stream_reader(loop, data) == data
            benchmark(through_stream_reader, loop, data)
        finally:
            loop.close()
        return
    if name not in ring_buffers():
        pytest.skip("extensions are not built")
    buffer = ring_buffers()[name](CAPACITY)
    assert through_buffer(buffer, data) == data
    benchmark(through_buffer, buffer, data)
    if name in ("native", "pure"):
        assert buffer.copied_bytes == 0


@pytest.mark.parametrize("name", ["native", "pure", "plain deque", "plain bytearray"])
def test_other_sizes_out_than_in(benchmark, name: str) -> None:
    """100 B in, 4 KiB out: every byte is copied once, into what ``read`` returns."""
    benchmark.group = "ring buffer: 100 B written, 4 KiB read"
    benchmark.extra_info["bytes"] = 100 * ROUNDS
    if name not in ring_buffers():
        pytest.skip("extensions are not built")
    data = bytes(range(100))

    def run() -> list[bytes]:
        buffer = ring_buffers()[name](CAPACITY)
        taken = []
        for i in range(ROUNDS):
            buffer.write(data)
            if i % 41 == 40:
                taken.append(buffer.read(4096))
        return taken

    assert run()[:2] == [(data * 41)[:4096], (data * 83)[4096:8192]]
    benchmark(run)
