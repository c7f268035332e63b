"""What formats of ids have in common: the smallest type that holds them, and where documents end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...token_batch import TokenBatch
from ..documents import Documents, LongIds, encoder_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...bpe import BPE


def tokenizer_of(pipeline: Any, name: str) -> BPE:
    """The tokenizer that the pipeline ends in; TypeError if a format of ids gets none."""
    encoder = encoder_of(pipeline)
    if encoder is None:
        raise TypeError(f"format={name!r} holds ids, so the pipeline must end in BPE(...).encoder()")
    return encoder.bpe


def id_dtype(n_vocab: int, eod: int | None) -> str:
    """``"<u2"`` if every id below ``n_vocab``, and ``eod``, is below 65,536, else ``"<u4"``."""
    return "<u2" if ids_needed(n_vocab, eod) <= 1 << 16 else "<u4"


def ids_needed(n_vocab: int, eod: int | None) -> int:
    """One more than the highest id."""
    if eod is None:
        return n_vocab
    if isinstance(eod, bool) or not isinstance(eod, int):
        raise TypeError(f"eod must be an id, got {type(eod).__name__}")
    if not 0 <= eod < 1 << 32:
        raise ValueError(f"eod must be an id from 0 to {(1 << 32) - 1}, got {eod}")
    return max(n_vocab, eod + 1)


def ids_and_ends(
    documents: Documents, eod: int | None
) -> Iterator[tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]]:
    """The ids of all documents, ``eod`` behind each and part of it, and where each document ends in them.

    Of a long document it is an array at a time, without an end, then its end with ``eod`` or nothing before it.
    """
    import numpy as np

    contents = documents.contents
    if isinstance(contents, LongIds):
        none: npt.NDArray[np.int64] = np.empty(0, np.int64)
        for each in contents:
            yield each, none
        last = np.array([] if eod is None else [eod], np.uint32)
        yield last, np.array([len(last)])
        return
    assert isinstance(contents, TokenBatch)
    ids, ends = contents.ids, contents.offsets[1:]
    if eod is None:
        yield ids, ends
    else:
        yield np.insert(ids, ends, eod), ends + np.arange(1, len(ends) + 1)
