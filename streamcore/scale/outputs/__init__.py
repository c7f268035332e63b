"""Formats of output, a file each. A writer is made for a part; what it writes has its final name when it is whole."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Protocol

from ..documents import Documents
from .files import PartFiles

FORMATS: Final = (
    "bin",
    "jsonl",
)  # each a module here, with a ``make(pipeline, eod) -> Callable[[PartFiles], Writer]``


class Writer(Protocol):
    """Writes the documents of a part to its files, and counts their items."""

    items: int

    def write(self, documents: Documents) -> None: ...

    def finish(self) -> None:
        """Called once, after the last documents."""


def output(name: str, pipeline: Any, eod: int | None) -> Callable[[PartFiles], Writer]:
    """What makes the writers of a job; ValueError, TypeError where the pipeline does not fit the format."""
    if name not in FORMATS:
        raise ValueError(f"format must be {' or '.join(map(repr, FORMATS))}, got {name!r}")
    made: Callable[[PartFiles], Writer] = import_module(f".{name}", __name__).make(pipeline, eod)
    return made
