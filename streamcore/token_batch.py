"""``TokenBatch``: the ids of many texts in one array."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

from . import _backend
from ._shared.options import check_offsets

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.uint32]

__all__ = ["TokenBatch"]


class TokenBatch(Sequence[Any]):
    """A sequence of uint32 arrays that lie in one: text ``i`` has ``ids[offsets[i]:offsets[i + 1]]``.

    ``ids`` is uint32, ``offsets`` int64 with n + 1 values that begin with 0, never fall and end with the number of ids
    (ValueError otherwise). Both are read-only, as Arrow libraries are told that they never change; offsets that a
    caller passes are copied, ids are not, and must not be written to any more. The items are views of ``ids``. Arrow
    libraries take a batch as a large_list of uint32, or as a list if they ask for one, through ``__arrow_c_array__``;
    the ids are not copied (with the native core; without it, NotImplementedError).
    """

    __slots__ = ("_ids", "_offsets")

    def __init__(self, ids: npt.ArrayLike, offsets: npt.ArrayLike) -> None:
        import numpy as np

        self._ids: Ids = read_only(integers("ids", ids, np.uint32).view())
        self._offsets: npt.NDArray[np.int64] = read_only(integers("offsets", offsets, np.int64).copy())
        check_offsets(self._ids, self._offsets)  # the copy: nobody can change what was checked

    @classmethod
    def _of(cls, ids: Ids, offsets: npt.NDArray[np.int64]) -> TokenBatch:
        """A batch of arrays that nobody else has."""
        batch = cls.__new__(cls)
        batch._ids, batch._offsets = read_only(ids), read_only(offsets)
        return batch

    @property
    def ids(self) -> Ids:
        """The ids of all texts."""
        return self._ids

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each text begins in ``ids``, and where the last one ends."""
        return self._offsets

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._ids, self._offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Ids: ...
    @overload
    def __getitem__(self, index: slice) -> list[Ids]: ...
    def __getitem__(self, index: int | slice) -> Ids | list[Ids]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = operator.index(index)
        if index < -len(self) or index >= len(self):
            raise IndexError(f"index {index} of a batch of {len(self)} texts")
        index %= len(self)
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[Ids]:
        bounds = self.offsets.tolist()
        ids = self.ids
        for start, end in pairwise(bounds):
            yield ids[start:end]

    def __arrow_c_schema__(self) -> Any:
        """The type in Arrow, as a PyCapsule: large_list of uint32."""
        return _backend.list_type()

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        """Type and data for Arrow, as PyCapsules; the data keeps the arrays alive."""
        return _backend.export_lists(self.ids, self.offsets, requested_schema)

    def __repr__(self) -> str:
        return f"TokenBatch({len(self)} texts, {len(self.ids)} ids)"


def integers(name: str, values: Any, kind: Any) -> Any:
    """``values`` as a contiguous array of this kind, itself if it is one; TypeError or ValueError if it cannot be."""
    import numpy as np

    array = np.asarray(values)
    if array.dtype != kind and array.size:
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name} must be integers, not {array.dtype}")
        bounds = np.iinfo(kind)
        if int(array.min()) < bounds.min or int(array.max()) > bounds.max:
            raise ValueError(f"{name} must be from {bounds.min} to {bounds.max}")
    return np.asarray(array, kind, order="C")


def read_only(array: Any) -> Any:
    """The array itself, which cannot be written to any more."""
    array.flags.writeable = False
    return array
