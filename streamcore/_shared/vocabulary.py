"""Checks of the vocabulary that a BPE core is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any, NamedTuple

from .options import shown

HIGHEST_ID = 0xFFFFFFFE


class CheckedVocabulary(NamedTuple):
    """What a core is made of, copied: nobody else can change it, and it runs no code but Python's own."""

    ranks: dict[bytes, int]
    special_tokens: dict[str, int]
    bytes_of: dict[int, bytes]


def checked_vocabulary(
    ranks: Mapping[bytes, int], special_tokens: Mapping[str, int] | None, alphabet: bool = True
) -> CheckedVocabulary:
    """A copy of both mappings and the bytes of each id; ValueError or TypeError if they cannot encode every text.

    ``alphabet`` says that each byte must be a token. The copy is checked, because a mapping of the caller's may answer
    otherwise the next time.
    """
    checked = CheckedVocabulary(
        copied("ranks", ranks, bytes),
        {} if special_tokens is None else copied("special_tokens", special_tokens, str),
        {},
    )
    found = checked.bytes_of
    for token, rank in checked.ranks.items():
        if not token:
            raise ValueError(f"rank {shown(rank)} has a token of no bytes")
        if not 0 <= rank <= HIGHEST_ID:
            raise ValueError(f"rank of {token!r} must be from 0 to {HIGHEST_ID}, got {shown(rank)}")
        if found.setdefault(rank, token) is not token:
            raise ValueError(f"rank {rank} belongs to two tokens: {found[rank]!r} and {token!r}")
    missing = [value for value in range(256) if alphabet and bytes((value,)) not in checked.ranks]
    if missing:
        some = ", ".join(f"0x{value:02x}" for value in missing[:8]) + (", ..." if len(missing) > 8 else "")
        raise ValueError(f"ranks lack {len(missing)} of the 256 single bytes: {some}")
    ordinary = set(found)
    for name, number in checked.special_tokens.items():
        if not name:
            raise ValueError(f"special token {shown(number)} has no text")
        if not is_unicode(name):
            raise ValueError(f"special token {name!r} has half a pair of surrogates, which no text has")
        if not 0 <= number <= HIGHEST_ID:
            raise ValueError(
                f"id of special token {name!r} must be from 0 to {HIGHEST_ID}, got {shown(number)}"
            )
        if number in ordinary and found[number] != name.encode():
            raise ValueError(
                f"special token {name!r} has the id of the ordinary token {found[number]!r}: {number}"
            )
        found.setdefault(number, name.encode())
    return checked


def is_unicode(text: str) -> bool:
    """Whether ``text`` has UTF-8: no half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def copied(argument: str, mapping: Any, kind: type) -> dict[Any, int]:
    """A mapping of ``kind`` (bytes or str) to int as a dict of exact objects."""
    if not hasattr(type(mapping), "keys"):
        raise TypeError(f"{argument} must be a mapping, not {type(mapping).__name__}")
    copy = dict(mapping)
    if set(map(type, copy)) <= {kind} and set(map(type, copy.values())) <= {int}:
        return copy
    exact: dict[Any, int] = {}
    empty = kind()
    for key, number in copy.items():
        if not issubclass(type(key), kind) or not issubclass(type(number), int):
            raise TypeError(f"{argument} must map {kind.__name__} to int, got {key!r}: {number!r}")
        key, number = empty.join((key,)), int.__index__(number)
        if exact.setdefault(key, number) != number:
            raise ValueError(f"{argument} has {key!r} twice: {shown(exact[key])} and {shown(number)}")
    return exact


def are_joined(lefts: Sequence[bytes], rights: Sequence[bytes], ranks: dict[bytes, int]) -> bool:
    """Whether all of them, and each left one with its right one, are tokens."""
    known = ranks.__contains__
    return all(map(known, lefts)) and all(map(known, rights)) and all(map(known, map(add, lefts, rights)))


def checked_merges(
    merges: Iterable[tuple[bytes, bytes]], ranks: dict[bytes, int], prefix: bytes = b""
) -> list[tuple[bytes, bytes]]:
    """A copy of pairs of tokens; raises for one whose parts or result are no tokens.

    ``prefix`` stands before the right part of each, and falls away.
    """
    given = list(merges)
    if set(map(type, given)) == {tuple} and set(map(len, given)) == {2} and not prefix:
        # as the loop would find, in a third of its time
        lefts, rights = zip(*given, strict=True)
        if set(map(type, lefts)) == {bytes} == set(map(type, rights)) and are_joined(lefts, rights, ranks):
            return given
    pairs: list[tuple[bytes, bytes]] = []
    for i, pair in enumerate(given):
        parts = tuple(pair) if hasattr(type(pair), "__iter__") else ()
        if len(parts) != 2 or not all(issubclass(type(part), bytes) for part in parts):
            raise TypeError(f"merge {i} must be a pair of bytes, got {pair!r}")
        left, right = (b"".join((part,)) for part in parts)
        if not right.startswith(prefix):
            raise ValueError(f"merge {i} ({left!r}, {right!r}) lacks the prefix {prefix!r}")
        for token in (left, right, left + right[len(prefix) :]):
            if token not in ranks:
                raise ValueError(f"merge {i} ({left!r}, {right!r}) needs a token that ranks lack: {token!r}")
        pairs.append((left, right))
    return pairs
