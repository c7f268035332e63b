"""``joined``: the items of a batch with a separator after each."""

from __future__ import annotations

from array import array
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

ITEMS = st.lists(
    st.one_of(st.binary(max_size=40), st.integers(0, 40).map(lambda size: b"x" * size)), max_size=30
)


def columns(items: list[bytes]) -> tuple[bytes, bytes]:
    return b"".join(items), array("q", accumulate(map(len, items), initial=0)).tobytes()


@given(items=ITEMS, separator=st.sampled_from([b"\n", b"", b", ", b"a longer separator than a block"]))
def test_each_item_is_followed_by_the_separator(backend, items: list[bytes], separator: bytes) -> None:
    assert backend.joined(*columns(items), separator) == b"".join(item + separator for item in items)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33, 1000])
def test_sizes_around_a_block(backend, size: int) -> None:
    items = [bytes([65 + number % 26]) * size for number in range(5)]
    assert backend.joined(*columns(items), b"\n") == b"".join(item + b"\n" for item in items)


@pytest.mark.parametrize(
    ("data", "offsets"),
    [
        (b"abc", []),
        (b"abc", [0]),
        (b"abc", [0, 2]),
        (b"abc", [1, 3]),
        (b"abc", [0, 4]),
        (b"abc", [0, 2, 1, 3]),
        (b"abc", [0, -1, 3]),
        (b"abc", [0, 1 << 62, 3]),
        (b"", []),
    ],
)
def test_offsets_that_do_not_fit_the_data(backend, data: bytes, offsets: list[int]) -> None:
    with pytest.raises(ValueError, match=f"offsets must rise from 0 to the size of the data, {len(data)}"):
        backend.joined(data, array("q", offsets).tobytes(), b"\n")


def test_half_an_offset(backend) -> None:
    with pytest.raises(TypeError, match="length is not a multiple of itemsize"):
        backend.joined(b"", bytes(9), b"\n")
