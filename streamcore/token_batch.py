"""``TokenBatch``: the ids of many texts in one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

from . import _backend

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.uint32]

__all__ = ["TokenBatch"]


class TokenBatch(Sequence[Any]):
    """A sequence of uint32 arrays that lie in one: text ``i`` has ``ids[offsets[i]:offsets[i + 1]]``.

    ``ids`` is uint32, ``offsets`` int64 with n + 1 values. The items are views of ``ids``. Arrow libraries take a batch
    as a large_list of uint32, or as a list if they ask for one, through ``__arrow_c_array__``; the ids are not copied
    (with the native core; without it, NotImplementedError).
    """

    __slots__ = ("ids", "offsets")

    def __init__(self, ids: Ids, offsets: npt.NDArray[np.int64]) -> None:
        self.ids = ids
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Ids: ...
    @overload
    def __getitem__(self, index: slice) -> list[Ids]: ...
    def __getitem__(self, index: int | slice) -> Ids | list[Ids]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
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
        """Type and data for Arrow, as PyCapsules; the data keeps the arrays alive. They must not change after this."""
        return _backend.export_lists(self.ids, self.offsets, requested_schema)

    def __repr__(self) -> str:
        return f"TokenBatch({len(self)} texts, {len(self.ids)} ids)"
