"""What stages take and give, for type checkers alone: there is no module of this name at run time."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from os import PathLike
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias

from _typeshed import SupportsRead
from typing_extensions import Buffer, TypedDict, TypeVar

from ..batch import Batch
from ..bpe import BPE

ByteSource: TypeAlias = Buffer | PathLike[Any] | SupportsRead[bytes] | Iterable[Buffer]
"""Bytes-like, a path, a binary file, or fragments; a ``str`` is none."""
TextSource: TypeAlias = (
    str | Buffer | PathLike[Any] | SupportsRead[str] | SupportsRead[bytes] | Iterable[str] | Iterable[Buffer]
)
"""Text or UTF-8."""
StrSource: TypeAlias = str | SupportsRead[str] | Iterable[str]
"""Text alone."""
IdSource: TypeAlias = SupportsIndex | Iterable[SupportsIndex] | Iterable[Iterable[SupportsIndex]]
"""Token ids: an array, a list, or fragments of them."""

Item = TypeVar("Item", default=Any)
"""What a stage cuts: ``bytes``, ``str`` or ``View``."""

Record = TypeVar("Record")
"""What a parser makes of a line."""

class AsyncReader(Protocol):
    """Such as ``asyncio.StreamReader``."""

    def read(self, n: int, /) -> Awaitable[Any]: ...

class Batches(Iterator[Batch], Protocol):
    """What ``batches()`` gives: an iterator, and for Arrow libraries a stream of the same (the native core has it)."""

    def close(self) -> None: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

class SizeOptions(TypedDict, total=False):
    max_size: int | None
    on_oversize: Literal["raise", "skip", "truncate"]
    borrow: bool

class FrameOptions(SizeOptions, total=False):
    on_incomplete: Literal["emit", "drop", "raise"]

class FixedSizeOptions(TypedDict, total=False):
    on_incomplete: Literal["emit", "drop", "raise"]
    borrow: bool

class ContentDefinedOptions(TypedDict, total=False):
    normalization: int
    seed: int
    algorithm: Literal["fastcdc2020", "fastcdc2016", "ram"]
    borrow: bool

class LengthPrefixedOptions(FrameOptions, total=False):
    offset: int
    adjust: int
    includes_prefix: bool
    keep_head: bool

class LinesOptions(FrameOptions, total=False):
    keepends: bool
    newline: Literal["lf", "universal"]

class DelimitedOptions(FrameOptions, total=False):
    keep: bool

class EventOptions(TypedDict, total=False):
    stop: str | bytes | None
    max_size: int | None
    on_oversize: Literal["raise", "skip", "truncate"]
    on_incomplete: Literal["emit", "drop", "raise"]

class RecordOptions(TypedDict, total=False):
    sequence: bool
    max_size: int | None
    on_oversize: Literal["raise", "skip"]
    on_incomplete: Literal["emit", "drop", "raise"]

class PresetOptions(TypedDict, total=False):
    overlap: int
    length: Literal["chars", "bytes"] | BPE | Callable[[str], int]
    keep: Literal["end", "start", "none"]
    strip: bool

class SplitterOptions(PresetOptions, total=False):
    separators: Iterable[str]
