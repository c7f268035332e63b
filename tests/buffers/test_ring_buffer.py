"""RingBuffer: order, backpressure, what is copied and what is not, how it ends."""

from __future__ import annotations

import array
import sys
import threading

import pytest

WORD = bytes(range(100))  # long enough to be kept by reference


def test_read_returns_bytes_in_the_order_written(backend) -> None:
    ring = backend.RingBuffer(capacity=4)
    assert ring.write(b"abcdef") == 4
    assert ring.read(10) == b"abcd"


def test_capacity_and_free_and_len_add_up(backend) -> None:
    ring = backend.RingBuffer(10)
    assert (ring.capacity, ring.free, len(ring)) == (10, 10, 0)
    ring.write(b"abc")
    assert (ring.capacity, ring.free, len(ring)) == (10, 7, 3)
    ring.read(1)
    assert (ring.free, len(ring)) == (8, 2)
    assert repr(ring) == "<RingBuffer: 2 of 10 bytes>"


@pytest.mark.parametrize("capacity", [1, 2, 63, 64, 65, 127, 128, 129, 20_000])
@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("make", [bytes, bytearray])
def test_write_takes_what_fits(backend, capacity: int, by: int, make: type) -> None:
    data = make(i % 251 for i in range(capacity + by))
    ring = backend.RingBuffer(capacity)
    taken = min(capacity, len(data))
    assert ring.write(data) == taken
    assert ring.free == capacity - taken
    assert ring.write(data) == min(capacity - taken, len(data))
    assert ring.read() == bytes(data[:taken] + data[: capacity - taken])
    assert ring.write(data) == taken


def test_a_full_buffer_takes_nothing_until_something_is_read(backend) -> None:
    ring = backend.RingBuffer(100)
    assert ring.write(WORD) == 100
    assert ring.write(b"x") == ring.write(WORD) == ring.write(bytearray(1)) == 0
    assert ring.read(1) == b"\0"
    assert ring.write(b"xy") == 1
    assert ring.read() == WORD[1:] + b"x"


@pytest.mark.parametrize("size", [1, 10, 64, 100, 150])
def test_reads_of_any_size_give_everything_once(backend, size: int) -> None:
    ring = backend.RingBuffer(10_000)
    pieces = [b"ab", WORD, b"c", bytearray(70), memoryview(WORD)[10:90], b"", b"defg", WORD]
    for piece in pieces:
        assert ring.write(piece) == len(piece)
    read = iter(lambda: ring.read(size), b"")
    got = list(read)
    assert b"".join(got) == b"".join(pieces)
    assert {len(piece) for piece in got[:-1]} == {size}


# -- what is copied


@pytest.mark.parametrize("size", [100, 4096, 65536])
def test_whole_bytes_pass_through_uncopied(backend, size: int) -> None:
    ring = backend.RingBuffer(4 * size)
    written = [bytes([i]) * size for i in range(4)]
    for data in written:
        ring.write(data)
    assert ring.peek(size) is written[0]
    assert [ring.read(size) is data for data in written] == [True] * 4
    assert ring.copied_bytes == 0


def test_the_last_whole_bytes_pass_through_for_a_longer_read(backend) -> None:
    ring = backend.RingBuffer(1000)
    for n in (-1, None, 1000, sys.maxsize, 10**30):
        ring.write(WORD)
        assert ring.read(n) is WORD


def test_a_view_of_most_of_its_bytes_is_kept_by_reference(backend) -> None:
    ring = backend.RingBuffer(1000)
    assert ring.write(backend.View(WORD)[10:]) == 90
    assert ring.copied_bytes == 0
    assert ring.write(memoryview(WORD)[:70]) == 70
    assert ring.write(memoryview(WORD)) == 100
    assert ring.copied_bytes == 0
    ring.consume(160)
    assert ring.read(100) is WORD


def test_a_small_part_of_large_bytes_does_not_keep_them_alive(backend) -> None:
    large = bytes(1_000_000)
    references = sys.getrefcount(large)
    ring = backend.RingBuffer(1000)
    assert ring.write(large) == 1000
    ring.consume(1000)
    for _ in range(10):
        assert ring.write(memoryview(large)[5:105]) == 100
    assert sys.getrefcount(large) == references
    assert ring.read() == bytes(1000)


def test_mutable_buffers_are_copied_once_on_entry(backend) -> None:
    for size in (3, 100, 20_000):
        source = bytearray(b"x" * size)
        ring = backend.RingBuffer(100_000)
        readonly = memoryview(source).toreadonly()
        assert ring.write(source) == ring.write(memoryview(source)) == ring.write(readonly) == size
        assert ring.copied_bytes == 3 * size
        source[:] = b"y" * size
        readonly.release()
        source.append(0)  # nothing holds its buffer
        assert ring.read() == b"x" * (3 * size)


def test_items_larger_than_a_byte_are_taken_as_their_bytes(backend) -> None:
    ring = backend.RingBuffer(1000)
    numbers = array.array("I", range(50))
    assert ring.write(numbers) == 4 * 50
    assert ring.read() == numbers.tobytes()
    square = memoryview(bytes(range(100))).cast("B", (10, 10))
    assert ring.write(square) == 100
    assert ring.read() == bytes(range(100))


def test_many_small_writes_share_memory(backend) -> None:
    ring = backend.RingBuffer(100_000)
    for i in range(100_000):
        ring.write(bytes([i % 256]))
    views = ring.views()
    assert len(views) <= 10
    assert b"".join(views) == bytes(i % 256 for i in range(100_000))


# -- peek, consume, clear


def test_peek_leaves_everything(backend) -> None:
    ring = backend.RingBuffer(1000)
    ring.write(b"abc")
    ring.write(WORD)
    for n in (0, 1, 3, 4, 103, 200, -1, None):
        expected = (b"abc" + WORD)[: None if n in (-1, None) else n]
        assert ring.peek(n) == expected
        assert type(ring.peek(n)) is bytes
    assert len(ring) == 103
    assert ring.read(50) == (b"abc" + WORD)[:50]


def test_consume_drops_across_segments(backend) -> None:
    ring = backend.RingBuffer(1000)
    for piece in (WORD, b"abc", WORD, b"def"):
        ring.write(piece)
    ring.consume(0)
    ring.consume(50)
    ring.consume(52)
    assert ring.peek(3) == b"c" + WORD[:2]
    with pytest.raises(ValueError, match=r"cannot consume 105 bytes, 104 are held"):
        ring.consume(105)
    assert len(ring) == 104
    ring.consume(104)
    assert ring.read() == b""


def test_clear_frees_everything_and_goes_on(backend) -> None:
    ring = backend.RingBuffer(200)
    ring.write(WORD)
    ring.write(b"abc")
    ring.clear()
    assert (len(ring), ring.free) == (0, 200)
    ring.write(b"next")
    assert ring.read() == b"next"


# -- readinto


def test_readinto_fills_what_it_can(backend) -> None:
    ring = backend.RingBuffer(1000)
    for piece in (b"abc", WORD, b"def"):
        ring.write(piece)
    target = bytearray(50)
    assert ring.readinto(target) == 50
    assert target == (b"abc" + WORD)[:50]
    numbers = array.array("I", [0] * 5)
    assert ring.readinto(memoryview(numbers)) == 20
    assert numbers.tobytes() == WORD[47:67]
    assert ring.readinto(bytearray()) == 0
    assert ring.readinto(memoryview(target)[10:]) == 36
    assert target[10:46] == WORD[67:] + b"def"
    assert ring.readinto(target) == 0


# -- closing


def test_a_closed_buffer_gives_and_takes_nothing(backend) -> None:
    ring = backend.RingBuffer(300)
    ring.write(WORD)
    views = ring.views()
    grant = ring.grant(10)
    assert not ring.closed
    ring.close()
    ring.close()
    assert ring.closed
    assert (len(ring), ring.free, ring.capacity, ring.copied_bytes) == (0, 0, 300, 0)
    assert repr(ring) == "<RingBuffer: closed>"
    assert bytes(views[0]) == WORD
    with pytest.raises(ValueError, match="released"):
        grant[0] = 1
    calls = [
        lambda: ring.write(b"x"), lambda: ring.write(WORD), lambda: ring.write(b""), lambda: ring.read(),
        lambda: ring.read(0), lambda: ring.peek(), lambda: ring.consume(0), lambda: ring.clear(),
        lambda: ring.find(b""), lambda: ring.views(), lambda: ring.grant(1), lambda: ring.commit(0),
        lambda: ring.readinto(bytearray(1)), ring.__enter__,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=r"^RingBuffer is closed$"):
            call()


def test_with_closes(backend) -> None:
    with backend.RingBuffer(10) as ring:
        ring.write(b"abc")
        assert ring.read() == b"abc"
    assert ring.closed
    with pytest.raises(KeyError), backend.RingBuffer(10) as ring:
        raise KeyError
    assert ring.closed


def test_overlapping_calls_lose_nothing_natively(backend) -> None:
    if backend.name == "pure":
        pytest.skip("calls on the pure twin must not overlap")
    ring = backend.RingBuffer(10_000)
    taken: list[int] = []
    given: list[int] = []

    def write() -> None:
        given.extend(ring.write(WORD[: i % 100]) for i in range(5000))

    def read() -> None:
        for i in range(5000):
            views = ring.views(50)
            taken.append(len(ring.read(i % 120)))
            assert len(b"".join(views)) <= 50

    threads = [threading.Thread(target=work) for work in (write, read, write, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) + len(ring) == sum(given)
    ring.clear()
    assert ring.free == 10_000
