"""Folding the chunks of a stream into the one value that ``invoke`` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

__all__ = ["fold", "folded"]

T = TypeVar("T")


def fold(chunks: Iterable[Any], stage: str) -> Any:
    """Join text to text and bytes-like to ``bytes``; a single chunk of any type is the value itself.

    Anything else has no obvious sum: two dicts could be merged or listed, two numbers added or listed. So it is a
    ``TypeError`` that names ``stage`` and the two types, and an empty stream, which has no type, is a ``ValueError``.
    """
    held = list(chunks)
    if not held:
        raise ValueError(
            f"the stream of {stage} ended without a chunk, so there is nothing to fold into one value; "
            f"stream it, or give {stage} a collect() of its own"
        )
    if len(held) == 1:
        return held[0]
    for join, kinds in ("".join, (str,)), (b"".join, (bytes, bytearray, memoryview)):
        if isinstance(held[0], kinds):
            try:
                return join(held)
            except TypeError:
                raise mixed(held, stage) from None
    if is_view(held[0]):
        return b"".join(held)
    raise mixed(held, stage)


def folded(collect: Callable[[Iterable[Any]], T], stream: Iterable[Any]) -> T:
    """``collect(stream)``; the stream is closed even where ``collect`` leaves off before its end."""
    try:
        return collect(stream)
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


def is_view(chunk: object) -> bool:
    """Whether ``chunk`` is a read-only bytes-like of the native core."""
    from .._backend import View

    return isinstance(chunk, View)


def mixed(held: list[Any], stage: str) -> TypeError:
    """The error for chunks that no rule folds: names the first two types that meet."""
    first = type(held[0])
    other = next((type(chunk) for chunk in held if type(chunk) is not first), first)
    return TypeError(
        f"no rule folds the {len(held)} chunks of {stage} ({first.__name__} and {other.__name__}) into one value; "
        f"stream them, or give {stage} a collect() of its own"
    )
