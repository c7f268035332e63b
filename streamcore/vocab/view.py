"""``bpe.vocabulary``: what a tokenizer's tokens are, as a read-only mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from .._shared.merging import Merges

__all__ = ["TokenVocabulary"]


class TokenVocabulary(Mapping[int, bytes]):
    """The bytes of each token by its id, in the order of ids; special tokens are among them.

    ``size`` is one more than the highest id, ``ids`` maps the bytes of ordinary tokens to ids, ``special_tokens`` the
    names of special ones.
    """

    def __init__(self, core: Any) -> None:
        self._core = core
        self._bytes_of: dict[int, bytes] = dict(sorted(core._bytes_of.items()))
        self.size: int = core.n_vocab
        self.ids: Mapping[bytes, int] = MappingProxyType(core.ranks)
        self.special_tokens: Mapping[str, int] = MappingProxyType(dict(core.special_tokens))

    def __getitem__(self, number: int) -> bytes:
        return self._bytes_of[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._bytes_of)

    def __len__(self) -> int:
        return len(self._bytes_of)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} tokens, {len(self.special_tokens)} of them special)"

    def to_tiktoken(self) -> dict[str, Any]:
        """The arguments of a ``tiktoken.Encoding`` but its name; ValueError where it would give other ids."""
        core = self._core
        ranks = dict(self.ids)
        if not isinstance(core.pattern, str):
            raise ValueError("tiktoken has one pattern alone, which is a regular expression")
        if core.normalization is not None or core.symbols is not None:
            raise ValueError("tiktoken has no normalization, and no vocabularies of characters")
        if core.merges is not None:
            _check_order(ranks, core.merges)
        special = dict(self.special_tokens)
        return {"pat_str": core.pattern, "mergeable_ranks": ranks, "special_tokens": special}


def _check_order(ranks: dict[bytes, int], merges: list[tuple[bytes, bytes]]) -> None:
    """Merges must be those that the ids of their tokens say."""
    by_rank, listed = Merges(ranks, None), dict.fromkeys(merges)
    made = [ranks[left + right] for left, right in listed]
    if made != sorted(made):
        raise ValueError("tiktoken merges in the order of ids, this tokenizer does not")
    for token, number in ranks.items():
        if len(token) > 1:
            below = Merges({key: value for key, value in _parts(token, ranks) if value < number}, None)
            parts = below.merge(token)
            if len(parts) != 2 or tuple(parts) not in listed:
                raise ValueError(f"tiktoken makes the token {token!r} of other parts, or at all")
    if len(listed) != sum(len(token) > 1 for token in by_rank.ranks):
        raise ValueError("tiktoken makes each token in one way")


def _parts(token: bytes, ranks: dict[bytes, int]) -> Iterator[tuple[bytes, int]]:
    for start in range(len(token)):
        for end in range(start + 1, len(token) + 1):
            part = token[start:end]
            if part in ranks:
                yield part, ranks[part]
