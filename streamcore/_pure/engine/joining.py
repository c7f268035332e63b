"""Items of a batch with a separator after each (native: ``_native.engine.joining``)."""

from __future__ import annotations

from itertools import pairwise

__all__ = ["joined"]


def joined(data: bytes, offsets: bytes, separator: bytes) -> bytes:
    """The items of a ``Batch``, each followed by ``separator``, in one piece of bytes.

    ``offsets`` are n + 1 int64 values in the machine's byte order, as a ``Batch`` holds them: from 0 to the size of
    ``data``, none smaller than the one before; ValueError if not.
    """
    for name, given in (("data", data), ("offsets", offsets), ("separator", separator)):
        if type(given) is not bytes:
            raise TypeError(
                f"Argument {name!r} has incorrect type (expected bytes, got {type(given).__name__})"
            )
    places = memoryview(offsets).cast("q").tolist()
    if not places or places[0] != 0 or places[-1] != len(data) or places != sorted(places):
        raise ValueError(f"offsets must rise from 0 to the size of the data, {len(data)}")
    items = [data[start:end] for start, end in pairwise(places)]
    return separator.join([*items, b""])
