"""Slow, obvious oracles of ``ContentDefined``: one byte a step, over the whole input, from the papers."""

from __future__ import annotations

from hashlib import md5
from math import log2

# Bits that have to be 0, by their number: 5 to 25.
MASKS = dict(
    enumerate(
        (
            0x0000000001804110, 0x0000000001803110, 0x0000000018035100, 0x0000001800035300, 0x0000019000353000,
            0x0000590003530000, 0x0000D90003530000, 0x0000D90103530000, 0x0000D90303530000, 0x0000D90313530000,
            0x0000D90F03530000, 0x0000D90303537000, 0x0000D90703537000, 0x0000D90707537000, 0x0000D91707537000,
            0x0000D91747537000, 0x0000D91767537000, 0x0000D93767537000, 0x0000D93777537000, 0x0000D93777577000,
            0x0000DB3777577000,
        ),
        start=5,
    )
)  # fmt: skip
WORD = 2**64


def gear(byte: int, seed: int) -> int:
    return int.from_bytes(md5(bytes([byte] * 64)).digest()[:8], "big") ^ seed


def masks(average: int, level: int) -> tuple[int, int]:
    bits = round(log2(average))
    return MASKS[bits + level], MASKS[bits - level]


def fastcdc2020(
    data: bytes, average: int, least: int, most: int, level: int, seed: int
) -> list[tuple[int, int]]:
    """Hash and size of each chunk."""
    table = [gear(byte, seed) for byte in range(256)]
    small, large = masks(average, level)
    found = []
    while data:
        hash_, size = 0, min(len(data), most)
        if len(data) > least:
            center = min(average, size)
            for index in range(least // 2, size // 2):
                mask = small if index < center // 2 else large
                # The first byte of a pair is hashed one bit to the left, as if the second were there.
                hash_ = (hash_ * 4 + table[data[2 * index]] * 2) % WORD
                if hash_ & mask * 2 == 0:
                    size = 2 * index
                    break
                hash_ = (hash_ + table[data[2 * index + 1]]) % WORD
                if hash_ & mask == 0:
                    size = 2 * index + 1
                    break
        found.append((hash_, size))
        data = data[size:]
    return found


def fastcdc2016(
    data: bytes, average: int, least: int, most: int, level: int, seed: int = 0
) -> list[tuple[int, int]]:
    """The same, byte by byte."""
    table = [gear(byte, seed) for byte in range(256)]
    small, large = masks(average, level)
    found = []
    while data:
        hash_, size = 0, min(len(data), most)
        if len(data) > least:
            for index in range(least, size):
                hash_ = (hash_ * 2 + table[data[index]]) % WORD
                if hash_ & (small if index < average else large) == 0:
                    size = index
                    break
        found.append((hash_, size))
        data = data[size:]
    return found


def ram(data: bytes, average: int, most: int) -> list[int]:
    """Sizes of the chunks."""
    found = []
    while data:
        window, size = average - 256, min(len(data), most)
        if len(data) > window:
            greatest = max(data[:window])
            for index in range(window, size):
                if data[index] >= greatest:
                    size = index + 1
                    break
        found.append(size)
        data = data[size:]
    return found
