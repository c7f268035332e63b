"""Buffers of other shapes, formats and layouts as fragments: both backends take, or refuse, the same."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import ENGINES, NO_BORROW, make

BYTES = np.arange(24, dtype=np.uint8) + 97
TAKEN = {
    "empty strided": (memoryview(b"")[::2], b""),
    "empty of two dimensions": (np.zeros((0, 4), np.uint8)[:, ::2], b""),
    "two-dimensional": (BYTES.reshape(4, 6), BYTES.tobytes()),
    "big-endian": (np.arange(97, 99, dtype=">i4"), b"\0\0\0a\0\0\0b"),
    "of chars": (memoryview(b"ab").cast("c"), b"ab"),
    "of records": (np.zeros(2, "u1,u4"), bytes(10)),
    "numpy scalar": (np.uint8(97), b"a"),
    "no dimension": (np.array(97, np.uint8), b"a"),
    "read-only over mutable": (memoryview(bytearray(b"ab")).toreadonly(), b"ab"),
}
REFUSED = {
    "strided": memoryview(b"abcdef")[::2],
    "reversed": memoryview(b"abc")[::-1],
    "Fortran order": np.asfortranarray(BYTES.reshape(4, 6)),
}


def options(name, borrow):
    return {} if name in NO_BORROW else {"borrow": borrow}


@pytest.mark.parametrize("borrow", [False, True])
@pytest.mark.parametrize("fragment", TAKEN)
@pytest.mark.parametrize("name", ENGINES)
def test_a_buffer_without_gaps_is_its_bytes(backend, name, fragment, borrow):
    given, data = TAKEN[fragment]
    engine, other = make(backend, name, **options(name, borrow)), make(backend, name)
    assert [*engine.feed(given), *engine.finish()] == [*other.feed(data), *other.finish()]


@pytest.mark.parametrize("borrow", [False, True])
@pytest.mark.parametrize("fragment", REFUSED)
@pytest.mark.parametrize("name", ENGINES)
def test_a_buffer_with_gaps_is_refused(backend, name, fragment, borrow):
    engine = make(backend, name, **options(name, borrow))
    with pytest.raises(BufferError, match=r" takes C-contiguous data, got a \d-dimensional view with gaps$"):
        engine.feed(REFUSED[fragment])
    assert engine.offset == 0


@pytest.mark.parametrize("fragment", TAKEN)
def test_views_and_rings_take_the_same(backend, fragment):
    given, data = TAKEN[fragment]
    assert bytes(backend.View(given)) == data
    ring = backend.RingBuffer(100)
    assert ring.write(given) == len(data)
    assert ring.read() == data
    assert ring.readinto(np.zeros((0, 4), np.uint8)[:, ::2]) == 0


def test_readinto_fills_any_array_of_numbers_but_none_of_objects(backend):
    ring = backend.RingBuffer(100)
    ring.write(bytes(8) + b"abcd")
    big = np.ones((1, 2), ">i4")
    assert ring.readinto(big) == 8
    assert big.tolist() == [[0, 0]]
    for objects in (np.array([None]), np.zeros(1, "u1,O")):
        with pytest.raises(
            TypeError, match=r"^readinto\(\) takes a writable bytes-like object, got ndarray$"
        ):
            ring.readinto(objects)
    assert ring.read() == b"abcd"
