"""RingBuffer.find: what bytes.find finds, wherever the segments are cut."""

from __future__ import annotations

import itertools

import pytest

WORD = bytes(range(100))  # long enough to be kept by reference


def pieces_of(data: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    return [data[a:b] for a, b in itertools.pairwise((0, *cuts, len(data)))]


def test_find_at_every_split_of_the_pattern(backend) -> None:
    before, after = WORD, WORD[::-1]
    for pattern in (b"\r\n", b"--boundary--", b"aab", bytes(200)):
        whole = before + pattern + after
        for cut in range(len(before), len(before) + len(pattern) + 1):
            ring = backend.RingBuffer(1000)
            for piece in pieces_of(whole, (cut,)):
                ring.write(piece)
            assert ring.find(pattern) == whole.find(pattern)
            assert ring.find(pattern, 1) == whole.find(pattern, 1)
            assert ring.find(pattern, len(before) + 1) == whole.find(pattern, len(before) + 1)


@pytest.mark.parametrize(
    "start", [None, 0, 1, 99, 100, 101, 205, 206, 207, 400, -1, -100, -500, 10**30, -(10**30)]
)
@pytest.mark.parametrize("end", [None, 0, 1, 101, 206, 300, -1, -150, 10**30, -(10**30)])
def test_find_takes_the_arguments_of_bytes_find(backend, start: int | None, end: int | None) -> None:
    whole = WORD + b"middle" + WORD
    ring = backend.RingBuffer(1000)
    for piece in (WORD, b"mid", b"dle", WORD):
        ring.write(piece)
    for pattern in (b"", b"middle", b"c", b"\x63m", b"e\0", 0, 99, 200, memoryview(b"ddl"), WORD, whole):
        assert ring.find(pattern, start, end) == whole.find(pattern, start, end)


def test_find_with_repetitive_patterns(backend) -> None:
    # The failure function is what this tries: every border of the pattern matters.
    ring = backend.RingBuffer(10_000)
    whole = b"a" * 130 + b"b" + b"aab" * 60 + b"aaab" + b"ab" * 70 + b"aabaaabaaac" * 3
    for piece in pieces_of(whole, (70, 140, 210, 280, 345)):
        ring.write(piece)
    for length in range(1, 9):
        for letters in itertools.product(b"abc", repeat=length if length < 6 else 1):
            pattern = bytes(letters) * (1 if length < 6 else length)
            assert ring.find(pattern) == whole.find(pattern)
    assert ring.find(b"a" * 131) == whole.find(b"a" * 131)
    assert ring.find(b"ab" * 66) == whole.find(b"ab" * 66)


@pytest.mark.parametrize("sub", ["x", None, 1.5, memoryview(b"abcd")[::2], 256, -1])
def test_find_refuses_what_bytes_find_refuses(backend, sub: object) -> None:
    ring = backend.RingBuffer(10)
    ring.write(b"abc")
    with pytest.raises((TypeError, ValueError, BufferError)) as expected:
        b"abc".find(sub)
    with pytest.raises(expected.type) as raised:
        ring.find(sub)
    assert str(raised.value) == str(expected.value)
