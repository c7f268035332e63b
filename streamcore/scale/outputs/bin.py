"""``bin``: the ids of all documents one after another, and beside them where each document starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ...token_batch import TokenBatch
from ..documents import Documents, encoder_of
from .files import PartFiles

if TYPE_CHECKING:
    import numpy as np


def make(pipeline: Any, eod: int | None) -> Callable[[PartFiles], BinWriter]:
    encoder = encoder_of(pipeline)
    if encoder is None:
        raise TypeError("format='bin' holds ids, so the pipeline must end in BPE(...).encoder()")
    dtype = id_dtype(encoder._args[0].n_vocab, eod)
    return partial(BinWriter, dtype=dtype, eod=eod)


def id_dtype(n_vocab: int, eod: int | None) -> str:
    """``"<u2"`` if every id below ``n_vocab``, and ``eod``, is below 65,536, else ``"<u4"``."""
    if eod is not None and not 0 <= eod < 1 << 32:
        raise ValueError(f"eod must be an id from 0 to {(1 << 32) - 1}, got {eod}")
    return "<u2" if max(n_vocab, 0 if eod is None else eod + 1) <= 1 << 16 else "<u4"


class BinWriter:
    """``eod`` is written after each document, and belongs to it."""

    def __init__(self, files: PartFiles, *, dtype: str, eod: int | None) -> None:
        self.ids, self.offsets = files.create(".bin"), files.create(".offsets")
        self.dtype, self.eod, self.items = dtype, eod, 0
        self.offsets.write(bytes(8))

    def write(self, documents: Documents) -> None:
        import numpy as np

        assert isinstance(documents.contents, TokenBatch)
        ids: np.ndarray[Any, Any] = documents.contents.ids
        ends = documents.contents.offsets[1:]
        if self.eod is not None:
            ids = np.insert(ids, ends, self.eod)
            ends = ends + np.arange(1, len(ends) + 1)
        self.ids.write(np.ascontiguousarray(ids, self.dtype))
        self.offsets.write(np.ascontiguousarray(ends + self.items, "<i8"))
        self.items += len(ids)

    def finish(self) -> None:
        """All is written."""
