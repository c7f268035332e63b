"""The empty value of a declared output: what a stream without a chunk folds to."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

__all__ = ["declared_by_class", "empty_of_class", "empty_of_function", "hints_of", "of_an_item"]

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
    return _empty(declared_by_class(kind, base, 1))


def empty_of_function(function: Any) -> Any:
    """The empty value of what the function's annotation says that it streams or returns; None if unknown."""
    return _empty(of_an_item(hints_of(function).get("return")))


def declared_by_class(kind: type, base: type, at: int) -> Any:
    """A parameter of the nearest ``Runnable[Input, Output]`` among the bases of ``kind``; None if there is none."""
    for each in kind.__mro__:
        for given in each.__dict__.get("__orig_bases__", ()):
            origin, args = get_origin(given), get_args(given)
            if isinstance(origin, type) and issubclass(origin, base) and len(args) > 1:
                return args[at]
    return None


def hints_of(function: Any) -> dict[str, Any]:
    """The annotations of a function or of what calls an object; none where they cannot be read."""
    if not hasattr(function, "__annotations__"):
        function = getattr(function, "__call__", None)  # noqa: B004
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError, SyntaxError):  # names that are not there at run time
        return {}


def of_an_item(declared: Any) -> Any:
    """What a stream gives that is declared; None where it does not say. Of anything else that itself."""
    if get_origin(declared) not in STREAMS:
        return declared
    args = get_args(declared)
    return args[0] if args else None


def _empty(declared: Any) -> Any:
    make = EMPTY.get(get_origin(declared) or declared) if _hashable(declared) else None
    return make() if make is not None else None


def _hashable(thing: Any) -> bool:
    try:
        hash(thing)
    except TypeError:
        return False
    return True
