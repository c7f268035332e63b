"""Vocabularies of characters (SentencePiece's BPE: Llama 2, Mistral, Gemma; CLIP) for a core that merges bytes.

In such a model the first symbols of a piece are its characters, and one that is no token becomes byte tokens, or the
unknown token. Plan: a vocabulary of bytes that merges the same. Before all its own merges it has some that make the
known characters of their bytes, so what is left of an unknown one are bytes and beginnings of characters. These are
stand-ins, numbered from ``base`` on, that take part in no other merge; ``expansions`` says which ids each becomes. A
suffix of the last symbol is a byte that is in no text, which merges with the character before it first of all.

That does not hold for every model: where ``exact_merges`` must run instead, text is held until its piece ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any, NamedTuple

from .patterns import Family
from .vocabulary import HIGHEST_ID

__all__ = [
    "END",
    "Expander",
    "Plan",
    "SlowSymbols",
    "Symbols",
    "check_of_bytes",
    "checked_symbols",
    "planned",
    "spaced",
]

END = b"\xff"  # in no UTF-8
MOST_STAND_INS = 1 << 22
KEPT, KEPT_CHARS = 1 << 15, 24  # pieces of the slow way that are remembered, and their size
Pair = tuple[bytes, bytes]


class Symbols(NamedTuple):
    """What the first symbols of a piece are: its characters, or with ``of_bytes`` its bytes.

    ``unknown`` is the token for a symbol that is none, ``fuse`` makes one of several in a row; with ``byte_fallback``
    it becomes byte tokens (``<0x41>``) where there are all of them. ``prefix`` stands before each symbol but the
    first, ``suffix`` after the last. ``space`` is the character for blanks and where one is put before a text:
    ``"always"``, ``"first"`` or ``"never"``; with ``splits``, a piece begins at each.
    """

    unknown: bytes | None = None
    byte_fallback: bool = False
    fuse: bool = False
    prefix: bytes = b""
    suffix: bytes = b""
    of_bytes: bool = False
    space: tuple[str, str, bool] | None = None


def checked_symbols(symbols: Any) -> Symbols | None:
    """Symbols of exact objects; TypeError or ValueError for what is none."""
    if symbols is None:
        return None
    fields = tuple(symbols) if isinstance(symbols, (tuple, list)) else ()
    kinds: tuple[Any, ...] = ((bytes, type(None)), bool, bool, bytes, bytes, bool, (tuple, list, type(None)))
    if len(fields) != len(kinds) or not all(isinstance(*pair) for pair in zip(fields, kinds, strict=True)):
        raise TypeError("symbols must be (unknown, byte_fallback, fuse, prefix, suffix, of_bytes, space)")
    made = Symbols(*fields)
    if made.space is None:
        return made
    space = tuple(made.space)
    if len(space) != 3 or not isinstance(space[0], str) or len(space[0]) != 1:
        raise ValueError("symbols: space must be (character, scheme, splits)")
    if space[1] not in ("always", "first", "never"):
        raise ValueError(f"symbols: space has an unknown scheme: {space[1]!r}")
    return made._replace(space=(space[0], space[1], bool(space[2])))


def check_of_bytes(symbols: Symbols | None) -> None:
    """ValueError for a vocabulary of characters, whose tokens do not join to the text."""
    if symbols is not None:
        raise ValueError("the tokens of a vocabulary of characters have no places in the text")


def spaced(text: str, space: tuple[str, str, bool] | None, first: bool) -> str:
    """A text as Metaspace has it; ``first`` says that nothing stands before it."""
    if space is None or not text:
        return text
    char, scheme, _ = space
    text = text.replace(" ", char)
    prepends = scheme == "always" or (scheme == "first" and first)
    return char + text if prepends and not text.startswith(char) else text


class SymbolVocabulary(NamedTuple):
    """A vocabulary of bytes that merges as one of symbols does."""

    ranks: dict[bytes, int]
    merges: list[Pair]
    base: int  # ids from here on are stand-ins
    expansions: list[tuple[int, ...]]
    fuse: bool


def byte_token(value: int) -> bytes:
    """The token of a byte in ``byte_fallback``."""
    return b"<0x%02X>" % value


def fallback_ids(ranks: Mapping[bytes, int], symbols: Symbols) -> list[int] | None:
    """The ids of the 256 byte tokens, if a symbol that is no token always becomes these."""
    if not symbols.byte_fallback:
        return None
    found = [ranks.get(byte_token(value)) for value in range(256)]
    return [number for number in found if number is not None] if None not in found else None


def is_simple(
    ranks: Mapping[bytes, int], merges: Iterable[Pair], symbols: Symbols, whole_pieces: bool
) -> bool:
    """Whether stand-ins can take the place of what is unknown."""
    fallback = fallback_ids(ranks, symbols)
    some_bytes = symbols.byte_fallback and any(byte_token(value) in ranks for value in range(256))
    if symbols.prefix or (some_bytes and fallback is None):
        return False
    if fallback is None and symbols.unknown is None and not _is_complete(ranks, symbols):
        return False
    named = {byte_token(value) for value in range(256)} if fallback else {symbols.unknown}
    if any(left in named or right in named for left, right in merges):
        return False
    return not symbols.suffix or (not whole_pieces and _ends_well(ranks, merges, symbols.suffix))


def _is_complete(ranks: Mapping[bytes, int], symbols: Symbols) -> bool:
    """Whether no symbol of any text is unknown."""
    every = [bytes((value,)) for value in range(0xF5)]
    return symbols.of_bytes and all(byte in ranks and byte + symbols.suffix in ranks for byte in every)


def _ends_well(ranks: Mapping[bytes, int], merges: Iterable[Pair], suffix: bytes) -> bool:
    """Whether the suffix stands at ends alone, and comes there by none but the last symbol."""
    return not any(suffix in token[:-1] and suffix in token[: -len(suffix)] for token in ranks) and all(
        not left.endswith(suffix)
        and right != suffix
        and right.endswith(suffix) == (left + right).endswith(suffix)
        for left, right in merges
    )


class Plan(NamedTuple):
    """How a core encodes: the vocabulary of bytes that it merges by, and what makes ids of that; or the slow way."""

    ranks: dict[bytes, int]
    merges: list[Pair]
    expander: Expander | None
    slow: SlowSymbols | None
    suffix: bool

    def scans(self, family: Family | None) -> bool:
        """Whether pieces of the family may go to the scanner: where text is one, and nothing comes at its end."""
        return family is not None and family.name == "whole" and self.slow is None and not self.suffix

    def encode(self, piece: bytes, by_bytes: Callable[[bytes], list[int]]) -> list[int]:
        """The ids of a piece; ``by_bytes`` encodes by the vocabulary of bytes."""
        if self.slow is not None:
            return self.slow.encode(piece)
        assert self.expander is not None
        return self.expander.expand(by_bytes(piece + END if self.suffix else piece))[0]


def planned(
    ranks: Mapping[bytes, int], merges: Sequence[Pair], symbols: Symbols, whole_pieces: bool, base: int
) -> Plan:
    """The plan for a model; ``base`` is more than any id. ValueError where the model lacks its unknown token."""
    unknown = symbols.unknown
    if unknown is not None and unknown not in ranks and fallback_ids(ranks, symbols) is None:
        raise ValueError(f"the unknown token {unknown!r} is not in the vocabulary")
    if base > HIGHEST_ID - MOST_STAND_INS or not is_simple(ranks, merges, symbols, whole_pieces):
        alphabet = {bytes((value,)): value for value in range(256)}
        return Plan(alphabet, [], None, SlowSymbols(ranks, merges, symbols, whole_pieces), False)
    made = _Maker(ranks, merges, symbols, base).made()
    return Plan(made.ranks, made.merges, Expander(made), None, bool(symbols.suffix))


class _Maker:
    """The work of ``symbol_vocabulary``."""

    def __init__(
        self, ranks: Mapping[bytes, int], merges: Sequence[Pair], symbols: Symbols, base: int
    ) -> None:
        self._symbols = symbols
        self._given = ranks
        self._own = merges
        self._bytes = fallback_ids(ranks, symbols)
        self._base = base
        self._expansions: list[tuple[int, ...]] = []
        self._ranks: dict[bytes, int] = {}

    def made(self) -> SymbolVocabulary:
        """All of it."""
        suffix = self._symbols.suffix
        if suffix:  # no text has a token with END in it
            shown = {token: number for token, number in self._given.items() if END not in token}
            self._ranks = {_inner(token, suffix): number for token, number in shown.items()}
            own = [(left, _inner(right, suffix)) for left, right in self._own if END not in left + right]
        else:
            self._ranks = dict(self._given)
            own = list(self._own)
        merges = self._characters()
        for value in range(256):
            self._stand_in(bytes((value,)))
        fuse = self._symbols.fuse and self._bytes is None
        return SymbolVocabulary(self._ranks, merges + own, self._base, self._expansions, fuse)

    def _characters(self) -> list[Pair]:
        """The merges that make characters of bytes, and the last of a piece with the suffix."""
        known = {token for token in self._ranks if self._is_symbol(token.removesuffix(END))}
        chars = sorted(
            {token.removesuffix(END) for token in known} - {b""}, key=lambda char: (len(char), char)
        )
        merges: dict[Pair, None] = {}
        for size in range(2, 5):
            for char in chars:
                if len(char) >= size:
                    merges[char[: size - 1], char[size - 1 : size]] = None
                    self._stand_in(char[:size])
        if self._symbols.suffix:
            if self._symbols.of_bytes:
                chars = [bytes((value,)) for value in range(255)]
            for char in chars:
                merges[char, END] = None
                self._stand_in(char + END)
        return list(merges)

    def _is_symbol(self, token: bytes) -> bool:
        if self._symbols.of_bytes or len(token) == 1:
            return len(token) == 1
        return len(token) <= 4 and sum(byte & 0xC0 != 0x80 for byte in token) == 1

    def _stand_in(self, token: bytes) -> None:
        """Number what is no token."""
        if token in self._ranks:
            return
        self._ranks[token] = self._base + len(self._expansions)
        self._expansions.append(self._ids(token))

    def _ids(self, token: bytes) -> tuple[int, ...]:
        if self._bytes is not None:
            data = token.removesuffix(END) + (self._symbols.suffix if token.endswith(END) else b"")
            return tuple(self._bytes[value] for value in data)
        unknown = self._symbols.unknown
        goes_on = token == END or (not self._symbols.of_bytes and token[0] & 0xC0 == 0x80)
        return () if goes_on or unknown is None else (self._given[unknown],)


def _inner(token: bytes, suffix: bytes) -> bytes:
    """A token with the byte that stands for the suffix."""
    return token[: -len(suffix)] + END if token.endswith(suffix) and token != suffix else token


class Expander:
    """Ids from the byte vocabulary as those of the model; ``unknown`` is the state between the parts of a piece."""

    def __init__(self, vocabulary: SymbolVocabulary) -> None:
        self.base = vocabulary.base
        self.expansions = vocabulary.expansions
        self.fuse = vocabulary.fuse

    def expand(self, ids: list[int], unknown: bool = False) -> tuple[list[int], bool]:
        """The ids of a piece or its next part, and whether it ends with what is unknown."""
        if not ids or (max(ids) < self.base):
            return ids, unknown and not ids
        made: list[int] = []
        for number in ids:
            if number < self.base:
                made.append(number)
                unknown = False
                continue
            if not (self.fuse and unknown):
                made += self.expansions[number - self.base]
            unknown = True
        return made, unknown


class SlowSymbols:
    """The model as it is written: symbols by their ids, whatever they are. ``encode(piece)`` in O(n log n)."""

    def __init__(
        self, ranks: Mapping[bytes, int], merges: Iterable[Pair], symbols: Symbols, whole_pieces: bool
    ) -> None:
        self._ranks = ranks
        self._symbols = symbols
        self._whole_pieces = whole_pieces
        skipped = len(symbols.prefix)
        self._merges = {
            (ranks[left], ranks[right]): (place, ranks[left + right[skipped:]])
            for place, (left, right) in enumerate(merges)
        }
        self._kept: dict[bytes, list[int]] = {}

    def encode(self, piece: bytes) -> list[int]:
        """The ids of a piece."""
        ids = self._kept.get(piece)
        if ids is None:
            ids = self._encode(piece)
            if len(piece) <= KEPT_CHARS:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                self._kept[piece] = ids
        return ids

    def _encode(self, piece: bytes) -> list[int]:
        if self._whole_pieces and piece in self._ranks:
            return [self._ranks[piece]]
        return merged(self._first(piece), self._merges)

    def _first(self, piece: bytes) -> list[int]:
        """The ids of the first symbols; those of unknown ones come before the next known one, as in tokenizers."""
        ranks, (unknown, fallback, fuse, prefix, suffix, of_bytes, _) = self._ranks, self._symbols
        chars = piece.decode("latin-1" if of_bytes else "utf-8")
        parts = [char.encode("latin-1" if of_bytes else "utf-8") for char in chars]
        ids: list[int] = []
        waiting = False
        for i, part in enumerate(parts):
            symbol = (prefix if i else b"") + part + (suffix if i == len(parts) - 1 else b"")
            number = ranks.get(symbol)
            if number is not None:
                if waiting and unknown is not None:
                    ids.append(ranks[unknown])
                waiting = False
                ids.append(number)
                continue
            found = [ranks.get(byte_token(value)) for value in symbol] if fallback else [None]
            if None not in found:
                ids += [byte for byte in found if byte is not None]
            elif unknown is not None:
                if waiting and not fuse:
                    ids.append(ranks[unknown])
                waiting = True
        return [*ids, ranks[unknown]] if waiting and unknown is not None else ids


def merged(ids: list[int], merges: Mapping[tuple[int, int], tuple[int, int]]) -> list[int]:
    """Ids after all merges, each given as its place and the id it makes: the first place first, then the leftmost."""
    size = len(ids)
    none = (1 << 62, 0)
    after, before = list(range(1, size + 1)), list(range(-1, size - 1))
    waiting = [merges.get(pair, none) for pair in pairwise(ids)]
    waiting.append(none)
    heap = [(place, i) for i, (place, _) in enumerate(waiting) if place != none[0]]
    heapify(heap)
    gone = bytearray(size)
    while heap:
        place, i = heappop(heap)
        if gone[i] or waiting[i][0] != place:
            continue
        right = after[i]
        ids[i] = waiting[i][1]
        gone[right] = 1
        following = after[i] = after[right]
        waiting[i] = none
        if following < size:
            before[following] = i
            waiting[i] = merges.get((ids[i], ids[following]), none)
            if waiting[i] is not none:
                heappush(heap, (waiting[i][0], i))
        previous = before[i]
        if previous >= 0:
            waiting[previous] = merges.get((ids[previous], ids[i]), none)
            if waiting[previous] is not none:
                heappush(heap, (waiting[previous][0], previous))
    return [number for i, number in enumerate(ids) if not gone[i]]
