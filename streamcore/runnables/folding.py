"""Folding the chunks of a stream into the one value that ``invoke`` returns.

No chunk: the empty value of the declared output type, else None. One chunk: that. Text and bytes-like are joined, lists
put in a row, each in linear time; dicts that are ``AddableDict`` are merged, each key by these rules; a registered type
as its function says. For anything else no rule is obvious, so that it is a TypeError, until ``fold=`` says how.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from itertools import chain
from typing import Any, TypeVar

__all__ = ["afolded", "checked_fold", "fold", "fold_as", "fold_input", "folded", "register_fold"]

T = TypeVar("T")

Fold = Callable[[list[Any]], Any]
_registered: dict[type, Fold] = {}


def _nothing() -> None:
    return None


def register_fold(kind: type, function: Callable[[list[Any]], Any]) -> None:
    """From now on several chunks that are all of ``kind`` fold to what ``function`` gives for the list of them.

    The latest registration that fits is asked first, before the rules for text, bytes and lists.
    """
    if not isinstance(kind, type):
        raise TypeError(f"kind must be a type, got {type(kind).__name__}")
    if not callable(function):
        raise TypeError(f"function must be callable, got {type(function).__name__}")
    _registered.pop(kind, None)
    _registered[kind] = function


def fold(chunks: Iterable[Any], named: Callable[[], str], empty: Callable[[], Any] = _nothing) -> Any:
    """The one value of ``chunks``, ``empty()`` if there are none; where no rule fits a TypeError about ``named()``."""
    held = chunks if type(chunks) is list else list(chunks)
    if not held:
        return empty()
    if len(held) == 1:
        return held[0]
    for kind in reversed(_registered):
        if all(isinstance(chunk, kind) for chunk in held):
            return _registered[kind](held)
    first = held[0]
    try:
        if isinstance(first, str):
            return "".join(held)
        if isinstance(first, (bytes, bytearray, memoryview)) or is_view(first):
            return b"".join(held)
    except TypeError:
        raise mixed(held, named()) from None
    if all(isinstance(chunk, list) for chunk in held):
        return list(chain.from_iterable(held))
    from .addable import AddableDict

    if all(isinstance(chunk, AddableDict) for chunk in held):
        return AddableDict(merged_by_key(held, named))
    raise mixed(held, named())


def merged_by_key(held: list[Any], named: Callable[[], str]) -> dict[Any, Any]:
    """The values of each key of the mappings folded; None gives way to any other value."""
    values: dict[Any, list[Any]] = {}
    for chunk in held:
        for key, value in chunk.items():
            given = values.setdefault(key, [])
            if value is not None:
                given.append(value)
    return {key: fold(given, lambda key=key: f"{named()}, key {key!r}") for key, given in values.items()}  # type: ignore[misc]


def fold_as(
    how: str | Fold, chunks: Iterable[Any], named: Callable[[], str], empty: Callable[[], Any]
) -> Any:
    """Fold as the argument ``fold=`` says; see ``checked_fold``."""
    if callable(how):
        return how(list(chunks))
    if how == "list":
        return list(chunks)
    if how == "last":
        last = deque(chunks, maxlen=1)
        return last[0] if last else empty()
    return fold(chunks, named, empty)


def checked_fold(how: Any) -> Any:
    """``how`` if it may stand as ``fold=``: None, "error", "last", "list", or a callable of the list of chunks."""
    if how is None or callable(how) or (isinstance(how, str) and how in ("error", "last", "list")):
        return how
    if isinstance(how, str):
        raise ValueError(f"fold must be 'error', 'last', 'list' or a callable, got {how!r}")
    raise TypeError(f"fold must be 'error', 'last', 'list' or a callable, got {type(how).__name__}")


def fold_input(stage: object, chunks: Iterable[Any]) -> Any:
    """Fold the input of ``stage``, of which no stage is known that made it."""
    return fold(chunks, lambda: f"the input of {stage!r}")


def folded(collect: Callable[[Iterable[Any]], T], stream: Iterable[Any]) -> T:
    """``collect(stream)``; the stream is closed even where ``collect`` leaves off before its end."""
    try:
        return collect(stream)
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


async def afolded(collect: Callable[[AsyncIterable[Any]], Awaitable[T]], stream: AsyncIterable[Any]) -> T:
    """Async ``folded``."""
    try:
        return await collect(stream)
    finally:
        aclose = getattr(stream, "aclose", None)
        if aclose is not None:
            await aclose()


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
        "stream them, or say how by fold=, with_fold() or a collect() of its own"
    )
