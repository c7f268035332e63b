"""The empty value of a declared output: what a stream without a chunk folds to."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

__all__ = ["empty_of_class", "empty_of_function"]

EMPTY: dict[Any, Callable[[], Any]] = {str: str, bytes: bytes, list: list, dict: dict}
STREAMS = (
    abc.Iterator,
    abc.Iterable,
    abc.Generator,
    abc.AsyncIterator,
    abc.AsyncIterable,
    abc.AsyncGenerator,
)


def empty_of_class(kind: type, base: type) -> Any:
    """The empty ``Output`` of the nearest ``Runnable[Input, Output]`` among the bases of ``kind``; None if unknown."""
    for each in kind.__mro__:
        for given in each.__dict__.get("__orig_bases__", ()):
            origin, args = get_origin(given), get_args(given)
            if isinstance(origin, type) and issubclass(origin, base) and len(args) > 1:
                return _empty(args[1])
    return None


def empty_of_function(function: Any) -> Any:
    """The empty value of what the function's annotation says that it streams or returns; None if unknown."""
    if not hasattr(function, "__annotations__"):
        function = getattr(function, "__call__", None)  # noqa: B004
    try:
        declared = get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError, SyntaxError):  # names that are not there at run time
        return None
    if get_origin(declared) in STREAMS:
        args = get_args(declared)
        declared = args[0] if args else None
    return _empty(declared)


def _empty(declared: Any) -> Any:
    make = EMPTY.get(get_origin(declared) or declared) if _hashable(declared) else None
    return make() if make is not None else None


def _hashable(thing: Any) -> bool:
    try:
        hash(thing)
    except TypeError:
        return False
    return True
