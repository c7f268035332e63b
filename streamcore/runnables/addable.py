"""``AddableDict``: chunks of several values, which add up key by key."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from functools import reduce
from operator import add as plus
from typing import Any, TypeVar, cast

__all__ = ["AddableDict", "aadd", "add"]

Key = TypeVar("Key")
Value = TypeVar("Value")


class AddableDict(dict[Key, Value]):
    """A dict that can be added: the keys of both, a shared key's values added, None giving way to any other value."""

    def __add__(self, other: Any) -> AddableDict[Key, Value]:
        if not isinstance(other, dict):
            return NotImplemented
        return _sum(self, other)

    def __radd__(self, other: Any) -> AddableDict[Key, Value]:
        if not isinstance(other, dict):
            return NotImplemented
        return _sum(other, self)


def _sum(first: dict[Any, Any], second: dict[Any, Any]) -> AddableDict[Any, Any]:
    total: AddableDict[Any, Any] = AddableDict(first)
    for key, value in second.items():
        have = total.get(key)
        if have is None:
            total[key] = value
        elif value is not None:
            try:
                total[key] = have + value
            except TypeError as error:
                raise TypeError(
                    f"the values of key {key!r} cannot be added: {type(have).__name__} and {type(value).__name__}"
                ) from error
    return total


def add(chunks: Iterable[Value]) -> Value | None:
    """The sum of ``chunks`` by ``+``, None if there are none; text and bytes in linear time."""
    held: list[Any] = list(chunks)
    if not held:
        return None
    for kind, nothing in ((str, ""), (bytes, b"")):
        if all(type(chunk) is kind for chunk in held):
            return cast("Value", nothing.join(held))
    return cast("Value", reduce(plus, held))


async def aadd(chunks: AsyncIterable[Value]) -> Value | None:
    """``add`` for an async stream."""
    return add([chunk async for chunk in chunks])
