"""``ChunkBatch``: a batch of ``TextChunk`` objects in columns."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Protocol

from .batch import Batch, _to_int64

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .batch import ItemType

__all__ = ["ChunkBatch"]


class ChunkSpans(Protocol):
    """Chunks that still lie in their text: what the native core hands over, besides what ``batch.Spans`` has."""

    def starts(self) -> bytes:
        """Where each chunk begins in the source: int64."""

    def stops(self) -> bytes:
        """Where each chunk ends: int64."""


class ChunkBatch(Batch):
    """A lazy sequence of ``TextChunk`` objects: their text in UTF-8, and where each lies in the source.

    ``data`` and ``offsets`` are those of the texts; a lone surrogate is a UnicodeEncodeError there. ``starts`` and
    ``stops`` are numpy int64, in code points. Arrow libraries take it as a struct ``text, start, stop``.
    """

    as_: Any = "chunk"

    @classmethod
    def _of_items(cls, items: list[Any], as_: Any = "chunk") -> ChunkBatch:
        batch = cls.__new__(cls)
        batch._items = items
        return batch

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each chunk begins in the source."""
        make, dtype = _to_int64()
        return make(self._places("starts"), dtype)

    @property
    def stops(self) -> npt.NDArray[np.int64]:
        """Where each chunk ends in the source."""
        make, dtype = _to_int64()
        return make(self._places("stops"), dtype)

    def _places(self, which: str) -> bytes:
        if self._whole is not None:
            places: bytes = self._whole._places(which)  # type: ignore[attr-defined]
            return places[8 * self._first : 8 * (self._first + self._count)]
        if self._spans is not None:
            return getattr(self._spans, which)()  # type: ignore[no-any-return]
        name = which.removesuffix("s")
        return array("q", (getattr(item, name) for item in self._items or ())).tobytes()

    @property
    def data(self) -> bytes:
        """All texts, one after another."""
        if self._data is None and self._items is not None:
            self._data = "".join(item.text for item in self._items).encode()
        return super().data

    def _raw_offsets(self) -> bytes:
        if self._offsets is None and self._items is not None:
            sizes = [len(item.text.encode()) for item in self._items]
            total = 0
            offsets = array("q", [0])
            for size in sizes:
                total += size
                offsets.append(total)
            self._offsets = offsets.tobytes()
        return super()._raw_offsets()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChunkBatch):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ChunkBatch._of_items, (list(self),)

    def __repr__(self) -> str:
        return f"ChunkBatch({len(self)} chunks)"

    # ---- Arrow ----

    @classmethod
    def _kinds(cls, as_: ItemType) -> tuple[tuple[str, str], ...]:
        return ("text", "U"), ("start", "l"), ("stop", "l")

    def _columns(self) -> tuple[tuple[str, str, bytes | None, tuple[bytes, ...]], ...]:
        return (
            ("text", "U", None, (self._raw_offsets(), self.data)),
            ("start", "l", None, (self._places("starts"),)),
            ("stop", "l", None, (self._places("stops"),)),
        )

    def __arrow_c_schema__(self) -> Any:
        """The type in Arrow, as a PyCapsule: a struct of text, start and stop."""
        from . import _backend

        return _backend.column_type(self._kinds("chunk"), True)

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        """Type and data for Arrow, as PyCapsules; the data keeps the buffers alive."""
        return self._exported(requested_schema, True)
