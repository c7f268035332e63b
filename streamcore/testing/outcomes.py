"""What a stream gave, as a value to compare: the chunks, and the error that ended it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .report import LawViolation

__all__ = [
    "END",
    "Failure",
    "as_plain",
    "awith_error",
    "common_prefix",
    "equal",
    "next_or_failure",
    "short",
    "value_or_error",
    "with_error",
]

END = object()
"""What comes after the last chunk."""


@dataclass(frozen=True)
class Failure:
    """An error as the last item of an output."""

    kind: type[Exception]
    text: str


def with_error(chunks: Iterable[Any]) -> Iterator[Any]:
    """``chunks``, and the error that ends them as a last one."""
    try:
        yield from chunks
    except LawViolation:
        raise
    except Exception as error:  # noqa: BLE001 - an outcome like any other
        yield Failure(type(error), str(error))


async def awith_error(chunks: AsyncIterable[Any]) -> list[Any]:
    """Async ``with_error``, as a list."""
    held: list[Any] = []
    try:
        async for chunk in chunks:
            held.append(chunk)  # noqa: PERF401 - what came before an error counts
    except LawViolation:
        raise
    except Exception as error:  # noqa: BLE001 - an outcome like any other
        held.append(Failure(type(error), str(error)))
    return held


async def next_or_failure(stream: Any) -> Any:
    """The next chunk, the error that ends the stream as a last one, or ``END``."""
    try:
        return await anext(stream, END)
    except LawViolation:
        raise
    except Exception as error:  # noqa: BLE001 - an outcome like any other
        return Failure(type(error), str(error))


def value_or_error(call: Callable[[], Any]) -> Any:
    """What ``call`` returns, or its error as (type, text)."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - compared with the error of another way
        return type(error), str(error)


def common_prefix(sequences: list[Any]) -> Any:
    """The longest beginning that all ``sequences`` share."""
    first = sequences[0]
    size = min(map(len, sequences))
    for at in range(size):
        if any(not equal(other[at], first[at]) for other in sequences[1:]):
            return first[:at]
    return first[:size]


def equal(one: Any, other: Any) -> bool:
    """``==``, also for lists of arrays, whose ``==`` is an array."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    same = one == other
    return (
        bool(same.all())
        if hasattr(same, "all") and hasattr(one, "shape") and one.shape == other.shape
        else bool(same)
    )


def as_plain(output: Any) -> Any:
    """Views as bytes: their type is the backend's own."""
    if isinstance(output, (list, tuple)):
        return [as_plain(each) for each in output]
    if hasattr(output, "__match_args__") and not isinstance(output, type):
        # an item of ours: its type is the backend's own, too
        return [as_plain(getattr(output, name)) for name in output.__match_args__]
    return (
        output.tobytes()
        if hasattr(output, "tobytes") and hasattr(output, "nbytes") and not hasattr(output, "dtype")
        else output
    )


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-80:]}"
