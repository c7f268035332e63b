"""Ids as callers hand them over: an int, a sequence, an array (both backends)."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

from .options import shown

__all__ = ["id_list", "join_tokens", "unknown_id"]


def id_list(ids: Any, taker: str) -> list[int]:
    """A new list of the ids, each an exact ``int``; TypeError for what holds none.

    All code of the caller's (``tolist``, ``__iter__``, ``__index__``) runs in here, so that none runs where ids are
    used. A ``bool`` is an int, as everywhere in Python; a float is not, whatever its value.
    """
    numbers = list(ids) if type(ids) in (list, tuple) else _listed(ids, taker)
    if not set(map(type, numbers)) <= {int}:
        for position, number in enumerate(numbers):
            if type(number) is not int:
                numbers[position] = _exact(number, position, taker)
    return numbers


def _listed(ids: Any, taker: str) -> list[Any]:
    if isinstance(ids, int):
        return [ids]
    if not isinstance(ids, (str, bytes, bytearray)):
        if hasattr(ids, "tolist"):
            made = ids.tolist()
            return list(made) if isinstance(made, list) else [made]
        try:
            numbers = iter(ids)
        except TypeError:
            pass
        else:
            return list(numbers)
    raise TypeError(f"{taker} takes ids, not {type(ids).__name__}")


def _exact(number: Any, position: int, taker: str) -> int:
    if not isinstance(number, int):
        if not hasattr(type(number), "__index__"):
            got = type(number).__name__
            where = f"not {got}" if taker == "BPEDecoder" else f"got {got} at position {position}"
            raise TypeError(f"ids must be int, {where}")
        number = index(number)
    return int.__index__(number)


def join_tokens(numbers: list[int], bytes_of: Mapping[int, bytes]) -> bytes:
    """The bytes of ids; ValueError for the first one that is unknown."""
    try:
        return b"".join(map(bytes_of.__getitem__, numbers))
    except KeyError:
        for position, number in enumerate(numbers):
            if number not in bytes_of:
                raise unknown_id(number, position) from None
        raise


def unknown_id(number: int, position: int) -> ValueError:
    """The error for an id that is not in the vocabulary."""
    return ValueError(f"unknown id {shown(number)} at position {position}")
