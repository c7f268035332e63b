"""``.tiktoken`` files: a line per token, its bytes in base64, a blank, its rank."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from hashlib import sha256
from os import PathLike, fspath
from typing import Any

from .._shared.vocabulary import HIGHEST_ID
from .encodings import ENCODINGS
from .reading import read_file, shown
from .vocabulary import Vocabulary

__all__ = ["load_tiktoken", "of_encoding", "read_tiktoken"]


def read_tiktoken(data: bytes, name: str) -> dict[bytes, int]:
    """The ranks in ``data``; ValueError names the line of ``name`` that is wrong. Ranks may have holes."""
    ranks: dict[bytes, int] = {}
    lines: dict[int, int] = {}  # which line gave a rank
    for number, line in enumerate(data.split(b"\n"), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2:
            raise ValueError(f"{name}, line {number}: expected base64 and a rank, got {_shown(line)}")
        try:
            token = binascii.a2b_base64(fields[0], strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"{name}, line {number}: bad base64 {_shown(fields[0])}: {error}") from None
        if not fields[1].isdigit() or len(fields[1]) > 10 or int(fields[1]) > HIGHEST_ID:
            raise ValueError(
                f"{name}, line {number}: rank must be from 0 to {HIGHEST_ID}, got {_shown(fields[1])}"
            )
        rank = int(fields[1])
        if not token:
            raise ValueError(f"{name}, line {number}: a token of no bytes")
        if token in ranks:
            raise ValueError(
                f"{name}, line {number}: token {shown(token)} stands in line {lines[ranks[token]]} already"
            )
        if rank in lines:
            raise ValueError(f"{name}, line {number}: rank {rank} stands in line {lines[rank]} already")
        ranks[token], lines[rank] = rank, number
    missing = [value for value in range(256) if bytes((value,)) not in ranks]
    if missing:
        raise ValueError(
            f"{name}: {len(missing)} of the 256 single bytes have no token, first 0x{missing[0]:02x}"
        )
    return ranks


def _shown(field: bytes) -> str:
    text = field.decode("ascii", "backslashreplace")
    return repr(text if len(text) <= 40 else text[:37] + "...")


def load_tiktoken(
    source: str | PathLike[str], pattern: str | None, special_tokens: Mapping[str, int] | None
) -> Vocabulary:
    """Read a ``.tiktoken`` file; pattern and special tokens of a published one are known by its SHA-256."""
    name = fspath(source)
    data = read_file(source, name)
    if pattern is None:
        digest = sha256(data).hexdigest()
        known = next((known for known in ENCODINGS.values() if known.sha256 == digest), None)
        if known is None:
            raise ValueError(
                f"{name} is none of the published encodings ({', '.join(ENCODINGS)}): pass its pattern="
            )
        pattern = known.pattern
        special_tokens = known.special_tokens if special_tokens is None else special_tokens
    return Vocabulary(read_tiktoken(data, name), pattern, special_tokens or {}, source=name)


def of_encoding(encoding: Any, pattern: str | None, special_tokens: Mapping[str, int] | None) -> Vocabulary:
    """The vocabulary of a ``tiktoken.Encoding`` (or what has its attributes)."""
    try:
        known = Vocabulary(encoding._mergeable_ranks, encoding._pat_str, encoding._special_tokens)
    except AttributeError:
        raise TypeError(
            f"expected the path of a .tiktoken file or a tiktoken.Encoding, got {type(encoding).__name__}"
        ) from None
    return Vocabulary(
        known.ranks,
        known.pattern if pattern is None else pattern,
        known.special_tokens if special_tokens is None else special_tokens,
    )
