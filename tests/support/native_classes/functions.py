"""Functions of the core, which are no methods: the subject is the backend."""

from __future__ import annotations

from array import array
from typing import Any

from .streams import Values
from .table import Box, Native, fresh, special, value


def closed_all(backend: Any, owned: Any) -> None:
    backend.close_all(owned, None)


def json_folded(backend: Any, items: list[Any]) -> Any:
    deltas = []  # by a loop: some CPython does not survive a generator made while an allocation fails
    for item in items:
        deltas.append(backend.JSONDelta(item[0], item[1], item[2]))  # noqa: PERF401
    return backend.json_folded(deltas)


OFFSETS = array("q", [0, 3, 6]).tobytes()
FUNCTIONS = (
    special(
        "joined",
        lambda backend, *args: backend.joined(*args),
        value("bytes", b"onetwo"),
        value("bytes", OFFSETS),
        value("bytes", b"\n"),
    ),
    special(
        "json_folded",
        json_folded,
        fresh("items", lambda: [((), [], False), ((0,), "x", False), ((0,), "y", True), ((), [], True)]),
    ),
    special("close_all", closed_all, fresh("items", lambda: [Values(Box(), []), Values(Box(), [])])),
)

CLASSES: list[Native] = [
    Native("functions", "functions", lambda backend, box: backend, FUNCTIONS, lambda _: None, lambda _: None),
]
