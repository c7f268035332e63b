"""Columnar results: many items as one buffer and their offsets."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Protocol, overload

from ._shared.text_input import invalid_utf8

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
    when their items and the type of these are. A slice of step 1 shares the buffers of the batch and keeps it alive.

    Arrow libraries take a batch through ``__arrow_c_array__``, as a large_binary, or a large_string where the items are
    ``str``; nothing is copied (native core only: NotImplementedError without it).

    ``Batch(data, offsets)`` checks that the offsets are int64, start at 0, never fall and end at ``len(data)``.
    """

    # Defaults of the class, so that a batch is made by setting one or two of them. A slice has _count items of _whole,
    # from _first on. _utf8: what is str is known to be UTF-8.
    _data: bytes | None = None
    _items: Sequence[Item] | None = None
    _offsets: bytes | None = None
    _spans: Spans | None = None
    _whole: Batch | None = None
    _first = 0
    _count = 0
    _utf8 = True
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
        self._utf8 = False
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
            if self._whole is not None:
                bounds = self._whole._bounds()
                self._data = self._whole.data[bounds[self._first] : bounds[self._first + self._count]]
            elif self._spans is not None:
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
            if self._whole is not None:
                bounds = self._whole._bounds()[self._first : self._first + self._count + 1]
                start = bounds[0]
                self._offsets = array("q", (bound - start for bound in bounds)).tobytes()
            elif self._spans is not None:
                self._offsets = self._spans.offsets()
            else:
                items = self._items or ()
                sizes = map(len, items) if self.as_ is not str else (len(item.encode()) for item in items)
                self._offsets = array("q", accumulate(sizes, initial=0)).tobytes()
        return self._offsets

    def _bounds(self) -> memoryview[int]:
        return memoryview(self._raw_offsets()).cast("q")

    @property
    def nbytes(self) -> int:
        """Size of ``data``."""
        if self._whole is not None:
            bounds = self._whole._bounds()
            return bounds[self._first + self._count] - bounds[self._first]
        return self._bounds()[-1]

    def __len__(self) -> int:
        if self._whole is not None:
            return self._count
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
            return self._slice(index)
        at = operator.index(index)
        if at < 0:
            at += len(self)
        if not 0 <= at < len(self):
            raise IndexError(f"item {index} of a batch of {len(self)}")
        return self._item(at)

    def _slice(self, index: slice) -> Batch:
        first, stop, step = index.indices(len(self))
        if step != 1:
            return self._of_items([self[i] for i in range(first, stop, step)], self.as_)
        part = self.__class__.__new__(self.__class__)
        part._whole = self if self._whole is None else self._whole
        part._first = self._first + first
        part._count = max(stop - first, 0)
        part.as_ = self.as_
        return part

    def _item(self, at: int) -> Item:
        """Item ``at``, which is in range."""
        if self._whole is not None:
            return self._whole._item(self._first + at)
        if self._items is not None:
            return self._items[at]
        if self._spans is not None:
            return self._spans.item(at)
        bounds = self._bounds()
        return self._typed(memoryview(self.data)[bounds[at] : bounds[at + 1]])

    def _typed(self, piece: memoryview) -> Item:
        if self.as_ == "view":
            return piece
        return str(piece, "utf-8") if self.as_ is str else bytes(piece)

    def __iter__(self) -> Iterator[Item]:
        if self._items is not None:
            return iter(self._items)
        if self._spans is not None:
            return iter(self._spans.items())
        return (self._item(i) for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Batch):
            return NotImplemented
        return (
            self.as_ == other.as_ and self._raw_offsets() == other._raw_offsets() and self.data == other.data
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.data, self._raw_offsets(), self.as_)

    # ---- Arrow ----

    @classmethod
    def _kinds(cls, as_: ItemType) -> tuple[tuple[str, str], ...]:
        """Name and Arrow format of each column."""
        return (("item", "U" if as_ is str else "Z"),)

    def _columns(self) -> tuple[tuple[str, str, bytes | None, tuple[bytes, ...]], ...]:
        """Name, format, validity and buffers of each column, of a batch that is no slice."""
        ((name, kind),) = self._kinds(self.as_)
        if kind == "U" and not self._utf8:
            check_utf8(self.data, self._bounds())
            self._utf8 = True
        return ((name, kind, None, (self._raw_offsets(), self.data)),)

    def _exported(self, requested_schema: Any, record: bool) -> tuple[Any, Any]:
        from . import _backend  # which imports this module

        whole = self if self._whole is None else self._whole
        return _backend.export_columns(whole._columns(), len(self), self._first, requested_schema, record)

    def _arrow_record(self, requested_schema: Any) -> tuple[Any, Any]:
        """As ``__arrow_c_array__``, always a struct: what streams are made of."""
        return self._exported(requested_schema, True)

    def __arrow_c_schema__(self) -> Any:
        """The type in Arrow, as a PyCapsule: large_binary, or large_string for ``str``."""
        from . import _backend

        return _backend.column_type(self._kinds(self.as_), False)

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        """Type and data for Arrow, as PyCapsules; the data keeps the buffers alive.

        ``requested_schema`` may ask for large_binary, or for large_string if all items are UTF-8. Data of a batch of
        ``str`` made by hand is checked first (``InvalidEncoding``).
        """
        return self._exported(requested_schema, False)

    def __repr__(self) -> str:
        return f"Batch({len(self)} items, {self.nbytes} bytes)"


def _restore(data: bytes, offsets: bytes, as_: ItemType) -> Batch:
    """Unpickle: the offsets were checked, or computed, before they were pickled."""
    batch = Batch.__new__(Batch)
    batch._data, batch._offsets, batch.as_ = data, offsets, as_
    batch._utf8 = False
    return batch


def check_utf8(data: bytes, bounds: memoryview[int]) -> None:
    """InvalidEncoding unless each item is UTF-8: libraries rely on it, and read beyond the end where it is not."""
    for start, end in pairwise(bounds):
        try:
            str(memoryview(data)[start:end], "utf-8")
        except UnicodeDecodeError as error:
            raise invalid_utf8(error, start) from None
