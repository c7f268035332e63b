"""Columnar results: many items as one buffer and their offsets."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol, overload

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Item = Any
    ItemType = type[bytes] | type[str] | str

__all__ = ["Batch"]


@cache
def _to_int64() -> tuple[Callable[[bytes, np.dtype[np.int64]], npt.NDArray[np.int64]], np.dtype[np.int64]]:
    """The function that makes bytes an array, and its dtype; to import both each time would double the time."""
    import numpy as np

    return np.frombuffer, np.dtype(np.int64)


class Spans(Protocol):
    """Items that still lie in their fragment, terminators between them: what the native core hands over."""

    def __len__(self) -> int: ...

    def item(self, index: int) -> Item:
        """Item number ``index``, which is in range."""

    def items(self) -> list[Item]:
        """All items."""

    def data(self) -> bytes:
        """The items without anything between them."""

    def offsets(self) -> bytes:
        """n + 1 int64 values in the machine's byte order: where in ``data()`` each item starts, and its size."""


class Batch(Sequence[Any]):
    """A lazy sequence of items over one contiguous buffer.

    ``data`` holds the items one after another, ``offsets`` (numpy int64, n + 1 values, read-only) says where: item
    ``i`` is ``data[offsets[i]:offsets[i + 1]]``. ``as_`` is the type of the items: ``bytes``, ``str`` (``data`` is
    UTF-8) or ``"view"``. ``data`` and ``offsets`` are made on first access, and the items on each. Batches are equal
    when their items and the type of these are.

    ``Batch(data, offsets)`` checks that the offsets are int64, start at 0, never fall and end at ``len(data)``.
    """

    # Defaults of the class, so that a batch is made by setting one or two of them.
    _data: bytes | None = None
    _items: Sequence[Item] | None = None
    _offsets: bytes | None = None
    _spans: Spans | None = None
    as_: ItemType = bytes

    def __init__(self, data: bytes, offsets: npt.ArrayLike, *, as_: ItemType = bytes) -> None:
        import numpy as np

        from ._shared import options

        options.as_option(as_)
        data = (
            data if type(data) is bytes else memoryview(data).tobytes()
        )  # copied first: what is checked is what is kept
        array_ = np.array(offsets)
        if array_.dtype != np.int64 or array_.ndim != 1 or array_.size == 0:
            raise ValueError("offsets must be a one-dimensional int64 array of n + 1 values")
        if array_[0] != 0 or array_[-1] != len(data) or bool((array_[1:] < array_[:-1]).any()):
            raise ValueError(f"offsets must rise from 0 to the size of the data, {len(data)}")
        self._data = data
        self._offsets = array_.tobytes()
        self.as_ = as_

    @classmethod
    def _of_items(cls, items: list[Item], as_: ItemType = bytes) -> Batch:
        """A batch of items that exist already."""
        batch = cls.__new__(cls)
        batch._items = items
        batch.as_ = as_
        return batch

    @classmethod
    def _of_spans(cls, spans: Spans, as_: ItemType) -> Batch:
        """A batch of items in their fragment."""
        batch = cls.__new__(cls)
        batch._spans = spans
        batch.as_ = as_
        return batch

    @property
    def data(self) -> bytes:
        """All items, one after another."""
        if self._data is None:
            if self._spans is not None:
                self._data = self._spans.data()
            elif self.as_ is str:
                self._data = "".join(self._items or ()).encode()
            else:
                self._data = b"".join(self._items or ())
        return self._data

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each item starts in ``data``, and as the last value the size of ``data``."""
        make, dtype = _to_int64()
        return make(self._raw_offsets(), dtype)

    def _raw_offsets(self) -> bytes:
        if self._offsets is None:
            if self._spans is not None:
                self._offsets = self._spans.offsets()
            else:
                items = self._items or ()
                sizes = map(len, items) if self.as_ is not str else (len(item.encode()) for item in items)
                self._offsets = array("q", accumulate(sizes, initial=0)).tobytes()
        return self._offsets

    @property
    def nbytes(self) -> int:
        """Size of ``data``."""
        return memoryview(self._raw_offsets()).cast("q")[-1]

    def __len__(self) -> int:
        if self._items is not None:
            return len(self._items)
        if self._spans is not None:
            return len(self._spans)
        return len(self._offsets or b"") // 8 - 1

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Batch: ...
    def __getitem__(self, index: int | slice) -> Item:
        """One item, or a ``Batch`` of the items in a slice."""
        if isinstance(index, slice):
            return self._of_items([self[i] for i in range(*index.indices(len(self)))], self.as_)
        at = operator.index(index)
        if at < 0:
            at += len(self)
        if not 0 <= at < len(self):
            raise IndexError(f"item {index} of a batch of {len(self)}")
        if self._items is not None:
            return self._items[at]
        if self._spans is not None:
            return self._spans.item(at)
        offsets = memoryview(self._raw_offsets()).cast("q")
        return self._typed(memoryview(self.data)[offsets[at] : offsets[at + 1]])

    def _typed(self, piece: memoryview) -> Item:
        if self.as_ == "view":
            return piece
        return str(piece, "utf-8") if self.as_ is str else bytes(piece)

    def __iter__(self) -> Iterator[Item]:
        if self._items is not None:
            return iter(self._items)
        if self._spans is not None:
            return iter(self._spans.items())
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Batch):
            return NotImplemented
        return (
            self.as_ == other.as_ and self._raw_offsets() == other._raw_offsets() and self.data == other.data
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.data, self._raw_offsets(), self.as_)

    def __repr__(self) -> str:
        return f"Batch({len(self)} items, {self.nbytes} bytes)"


def _restore(data: bytes, offsets: bytes, as_: ItemType) -> Batch:
    """Unpickle: the offsets were checked, or computed, before they were pickled."""
    batch = Batch.__new__(Batch)
    batch._data, batch._offsets, batch.as_ = data, offsets, as_
    return batch
