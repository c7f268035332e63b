"""``EventBatch``: a batch of ``Event`` objects in columns."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from .batch import Batch

if TYPE_CHECKING:
    from .batch import ItemType

    Column = tuple[str, str, bytes | None, tuple[bytes, ...]]

__all__ = ["EventBatch"]

TEXTS = ("event", "data", "id")


class EventBatch(Batch):
    """A lazy sequence of ``Event`` objects.

    ``data`` and ``offsets`` are those of the events' data, in UTF-8. Arrow libraries take it as a struct ``event, data,
    id, retry``; the columns are made when they are asked for.
    """

    as_: Any = "event"

    @classmethod
    def _of_items(cls, items: list[Any], as_: Any = "event") -> EventBatch:
        batch = cls.__new__(cls)
        batch._items = items
        return batch

    @property
    def data(self) -> bytes:
        """The data of all events, one after another."""
        if self._data is None and self._items is not None:
            self._fill()
        return super().data

    def _raw_offsets(self) -> bytes:
        if self._offsets is None and self._items is not None:
            self._fill()
        return super()._raw_offsets()

    def _fill(self) -> None:
        self._offsets, self._data = _text_column([item.data for item in self._items or ()])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EventBatch):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return EventBatch._of_items, (list(self),)

    def __repr__(self) -> str:
        return f"EventBatch({len(self)} events)"

    # ---- Arrow ----

    @classmethod
    def _kinds(cls, as_: ItemType) -> tuple[tuple[str, str], ...]:
        return (*((name, "U") for name in TEXTS), ("retry", "l"))

    def _columns(self) -> tuple[Column, ...]:
        items = self._items or ()
        columns: list[Column] = []
        for name in TEXTS:
            buffers = _text_column([getattr(item, name) for item in items])
            columns.append((name, "U", None, buffers))
        retries = [item.retry for item in items]
        values = array("q", (0 if retry is None else retry for retry in retries)).tobytes()
        return (*columns, ("retry", "l", _validity(retries), (values,)))

    def __arrow_c_schema__(self) -> Any:
        """The type in Arrow, as a PyCapsule: a struct of event, data, id and retry."""
        from . import _backend

        return _backend.column_type(self._kinds("event"), True)

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        """Type and data for Arrow, as PyCapsules; the data keeps the buffers alive."""
        return self._exported(requested_schema, True)


def _text_column(texts: list[str]) -> tuple[bytes, bytes]:
    """Offsets and data."""
    pieces = [text.encode() for text in texts]
    return array("q", accumulate(map(len, pieces), initial=0)).tobytes(), b"".join(pieces)


def _validity(values: list[int | None]) -> bytes:
    """A bit for each value that is there, the lowest first."""
    bits = bytearray((len(values) + 7) // 8)
    for place, value in enumerate(values):
        if value is not None:
            bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)
