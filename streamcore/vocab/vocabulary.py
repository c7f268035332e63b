"""``Vocabulary``: what a tokenizer is made of, whichever file it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .._shared.split_steps import Split

__all__ = ["Vocabulary"]


class Vocabulary(NamedTuple):
    """The arguments of a tokenizer, as ``BPE(ranks, pattern, special_tokens, ...)`` takes them."""

    ranks: Mapping[bytes, int]
    pattern: str | Sequence[Split]
    special_tokens: Mapping[str, int]
    merges: Sequence[tuple[bytes, bytes]] | None = None
    whole_pieces: bool = True
    normalization: str | None = None
    source: str | None = None  # the file, for errors that its content causes later
