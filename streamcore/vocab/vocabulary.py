"""``Vocabulary``: what a tokenizer is made of, whichever file it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .._shared.symbols import Symbols
from .._shared.text_decoders import Decoding

__all__ = ["Vocabulary"]


class Vocabulary(NamedTuple):
    """The arguments of a tokenizer, as ``BPE(ranks, pattern, special_tokens, ...)`` takes them."""

    ranks: Mapping[bytes, int]
    pattern: Any  # str, or a sequence of Split
    special_tokens: Mapping[str, int]
    merges: Sequence[tuple[bytes, bytes]] | None = None
    whole_pieces: bool = True
    normalization: Any = None  # a name, or a sequence of steps
    template: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    decoding: Decoding | None = None
    symbols: Symbols | None = None
    token_flags: Mapping[str, Sequence[str]] | None = None
    source: str | None = None  # the file, for errors that its content causes later
