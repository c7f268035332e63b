"""Formats of output, a module each. What a writer writes has its final name when it is whole."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from .files import PartFiles

if TYPE_CHECKING:
    from ..documents import Documents
    from ..places import Place
    from .joining import Parts

DEFAULT: Final = "parquet"
FORMATS: Final = ("parquet", "arrow", "jsonl", "bin", "megatron")
"""Each a module here, with ``make(pipeline, eod) -> Format``."""


class Writer(Protocol):
    """Writes the documents of a part to its files, and counts their items."""

    items: int

    def write(self, documents: Documents) -> None: ...

    def finish(self) -> None:
        """Called once, after the last documents."""


class Format(Protocol):
    """What a job writes. It can be pickled."""

    name: str
    eod: int | None
    dtype: str | None
    """Of the ids in the files, as numpy names it; None where numbers have no width, or items are no ids."""

    def writer(self, files: PartFiles) -> Writer:
        """For the files of one part, of which the first holds its documents."""

    def join(self, files: PartFiles, place: Place, parts: Parts) -> None:
        """Write the documents of parts, one after another, to the same files; ValueError where one has changed."""


@runtime_checkable
class MergedFormat(Format, Protocol):
    """A format whose parts become one at the end."""

    stem: str
    """What the names of the merged files begin with."""


def output(name: str, pipeline: Any, eod: int | None) -> Format:
    """The format of a job; ValueError or TypeError where the pipeline does not fit it."""
    if name not in FORMATS:
        *most, last = map(repr, FORMATS)
        raise ValueError(f"format must be {', '.join(most)} or {last}, got {name!r}")
    made: Format = import_module(f".{name}", __name__).make(pipeline, eod)
    return made
