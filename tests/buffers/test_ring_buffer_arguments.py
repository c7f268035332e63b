"""RingBuffer: bad input is refused with the same words by both backends, odd but good input taken."""

from __future__ import annotations

import copy
import pickle
import sys

import pytest

WORD = bytes(range(100))  # long enough to be kept by reference


@pytest.mark.parametrize(
    ("capacity", "error", "message"),
    [
        (0, ValueError, "capacity must be positive, got 0"),
        (-5, ValueError, "capacity must be positive, got -5"),
        (-(10**30), ValueError, f"capacity must be positive, got -{10**30}"),
        (2**63, ValueError, f"capacity must be at most {sys.maxsize}, got {2**63}"),
        (1.5, TypeError, "capacity must be an int, got float"),
        (None, TypeError, "capacity must be an int, got NoneType"),
        ("4", TypeError, "capacity must be an int, got str"),
        (True, TypeError, "capacity must be an int, got bool"),
    ],
)
def test_bad_capacities(backend, capacity: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        backend.RingBuffer(capacity)
    assert str(raised.value) == message


def test_an_enormous_capacity_allocates_nothing(backend) -> None:
    ring = backend.RingBuffer(sys.maxsize)
    assert ring.write(WORD) == 100
    assert ring.free == sys.maxsize - 100


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("text", TypeError, "write() takes bytes-like data, got str"),
        (None, TypeError, "write() takes bytes-like data, got NoneType"),
        (7, TypeError, "write() takes bytes-like data, got int"),
        ([1, 2], TypeError, "write() takes bytes-like data, got list"),
        (
            memoryview(WORD)[::2],
            BufferError,
            "write() takes C-contiguous data, got a 1-dimensional view with gaps",
        ),
    ],
)
def test_bad_data(backend, data: object, error: type[Exception], message: str) -> None:
    ring = backend.RingBuffer(10)
    with pytest.raises(error) as raised:
        ring.write(data)
    assert str(raised.value) == message
    assert len(ring) == 0


@pytest.mark.parametrize("method", ["read", "peek", "views"])
def test_bad_counts(backend, method: str) -> None:
    ring = backend.RingBuffer(200)
    ring.write(WORD)
    ring.write(b"x")
    for n, error, message in [
        (-2, ValueError, "n must be -1 (all) or not negative, got -2"),
        (-(10**30), ValueError, f"n must be -1 (all) or not negative, got -{10**30}"),
        (100.0, TypeError, "n must be an int, got float"),
        ("1", TypeError, "n must be an int, got str"),
        (True, TypeError, "n must be an int, got bool"),
    ]:
        with pytest.raises(error) as raised:
            getattr(ring, method)(n)
        assert str(raised.value) == message
    assert len(ring) == 101


@pytest.mark.parametrize("method", ["grant", "commit", "consume"])
@pytest.mark.parametrize("n", [1.0, "1", None, True])
def test_bad_sizes(backend, method: str, n: object) -> None:
    ring = backend.RingBuffer(200)
    with pytest.raises(TypeError) as raised:
        getattr(ring, method)(n)
    assert str(raised.value) == f"n must be an int, got {type(n).__name__}"
    with pytest.raises(ValueError, match=r"^n must (not be negative|be positive), got -1$"):
        getattr(ring, method)(-1)


@pytest.mark.parametrize("target", [b"abc", memoryview(b"abc"), "abc", None, 5])
def test_readinto_needs_writable_memory(backend, target: object) -> None:
    ring = backend.RingBuffer(10)
    ring.write(b"abc")
    with pytest.raises(TypeError) as raised:
        ring.readinto(target)
    expected = f"readinto() takes a writable bytes-like object, got {type(target).__name__}"
    assert str(raised.value) == expected
    with pytest.raises(BufferError, match="C-contiguous data, got a 1-dimensional view with gaps"):
        ring.readinto(memoryview(bytearray(8))[::2])
    assert len(ring) == 3


class Seven:
    def __index__(self) -> int:
        return 7


def test_integers_of_other_types_are_integers(backend) -> None:
    ring = backend.RingBuffer(Seven())
    assert ring.write(b"0123456789") == ring.capacity == 7
    assert ring.peek(Seven()) == b"0123456"
    ring.consume(Seven())
    assert len(ring.grant(Seven())) == 7
    ring.commit(Seven())


def test_bytes_of_a_subclass_come_out_as_bytes(backend) -> None:
    class Odd(bytes):
        def __len__(self) -> int:
            return 3

    ring = backend.RingBuffer(1000)
    assert ring.write(Odd(WORD)) == 100
    assert ring.write(Odd(b"abcd")) == 4
    assert type(ring.peek(100)) is bytes
    assert ring.read() == WORD + b"abcd"


def test_it_can_be_neither_copied_nor_pickled(backend) -> None:
    ring = backend.RingBuffer(10)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"^cannot pickle 'RingBuffer' object$"):
            attempt(ring)
