"""The ranks of cl100k and o200k, which the ``quicktok-v1`` distribution carries; tests without it skip."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path

import pytest


def quicktok_ranks(name: str) -> dict[bytes, int]:
    """Token bytes to id of ``"cl100k"`` or ``"o200k"``: records of u16 size, bytes and u32 id behind a u32 count."""
    found = find_spec("quicktok")
    if found is None or not found.submodule_search_locations:
        pytest.skip("cl100k and o200k come from quicktok-v1, which is not installed")
    data = Path(found.submodule_search_locations[0], "data", f"{name}.vocab").read_bytes()
    ranks, at = {}, 4
    for _ in range(*struct.unpack_from("<I", data)):
        (size,) = struct.unpack_from("<H", data, at)
        (ranks[data[at + 2 : at + 2 + size]],) = struct.unpack_from("<I", data, at + 2 + size)
        at += 6 + size
    return ranks
