"""Byte-pair merging: of a whole piece, and of every prefix of a piece that is still growing.

Merging takes the adjacent pair with the lowest priority, the leftmost of equals, until no pair is left. Three facts
carry the rest of this module (each follows from the pairs of two neighbours never meeting across a border that no merge
crosses):

1. The tokens of a text, cut at a border between two of them, are the tokens of the two parts.
2. A sequence of tokens is the encoding of its text if and only if each is the encoding of its own bytes and each
   neighbouring two are the encoding of theirs. So a last token and the one before it decide alone whether they fit.
3. The encodings of all prefixes of a text form a tree: each is an earlier prefix's with one more token, which is at
   most as long as the longest token. What all the ends that are still alive have in common is final.

See also "Incremental BPE Tokenization" (arXiv 2605.30813).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

# Above this many bytes, a heap beats searching the list of priorities for its minimum (measured: 150 to 300).
HEAP_FROM = 200
NO_PAIR = 1 << 62
# How many answers about pairs are kept; then the memory begins anew.
REMEMBERED = 1 << 16


class Merges:
    """The merge rules of a vocabulary.

    ``ranks`` gives each token's id. Without ``pairs``, two tokens merge if their concatenation is a token, and its
    id is the priority (tiktoken). With ``pairs`` only these merge, each at its own priority (tokenizer.json).
    """

    def __init__(self, ranks: Mapping[bytes, int], pairs: Mapping[tuple[bytes, bytes], int] | None) -> None:
        self.ranks = ranks
        self.pairs = pairs
        self._sorted: list[bytes] | None = None
        self._joins: dict[tuple[bytes | None, bytes], bool] = {}
        self._extends: dict[tuple[bytes | None, bytes], bool] = {}

    def priority(self, left: bytes, right: bytes) -> int:
        """The priority at which two neighbours merge, ``NO_PAIR`` if they do not."""
        if self.pairs is None:
            return self.ranks.get(left + right, NO_PAIR)
        return self.pairs.get((left, right), NO_PAIR)

    def merge(self, piece: bytes) -> list[bytes]:
        """The tokens of ``piece``."""
        if len(piece) > HEAP_FROM:
            return self._merge_long(piece)
        priority = self.priority
        tokens = [piece[i : i + 1] for i in range(len(piece))]
        waiting = [priority(left, right) for left, right in pairwise(tokens)]
        while waiting:
            lowest = min(waiting)
            if lowest == NO_PAIR:
                break
            i = waiting.index(lowest)
            tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
            del waiting[i]
            if i < len(waiting):
                waiting[i] = priority(tokens[i], tokens[i + 1])
            if i:
                waiting[i - 1] = priority(tokens[i - 1], tokens[i])
        return tokens

    def _merge_long(self, piece: bytes) -> list[bytes]:
        """As ``merge``, in O(n log n): a heap of (priority, position), whose outdated entries are left in it."""
        size = len(piece)
        priority = self.priority
        tokens = [piece[i : i + 1] for i in range(size)]
        after, before = list(range(1, size + 1)), list(range(-1, size - 1))
        waiting = [priority(left, right) for left, right in pairwise(tokens)]
        waiting.append(NO_PAIR)
        shift = size.bit_length()
        mask = (1 << shift) - 1
        heap = [rank << shift | i for i, rank in enumerate(waiting) if rank != NO_PAIR]
        heapify(heap)
        while heap:
            entry = heappop(heap)
            i = entry & mask
            if waiting[i] != entry >> shift:
                continue
            right = after[i]
            tokens[i] += tokens[right]
            tokens[right] = b""
            waiting[right] = NO_PAIR
            following = after[i] = after[right]
            waiting[i] = NO_PAIR
            if following < size:
                before[following] = i
                rank = waiting[i] = priority(tokens[i], tokens[following])
                if rank != NO_PAIR:
                    heappush(heap, rank << shift | i)
            previous = before[i]
            if previous >= 0:
                rank = waiting[previous] = priority(tokens[previous], tokens[i])
                if rank != NO_PAIR:
                    heappush(heap, rank << shift | previous)
        return [token for token in tokens if token]

    def joins(self, token: bytes | None, following: bytes) -> bool:
        """Whether ``following`` can stand after ``token`` (None: at the start) in an encoding."""
        key = token, following
        known = self._joins.get(key)
        if known is None:
            expected = [following] if token is None else [token, following]
            known = self.merge(b"".join(expected)) == expected
            if len(self._joins) >= REMEMBERED:
                self._joins.clear()
            self._joins[key] = known
        return known

    def longer(self, prefix: bytes) -> Iterable[bytes]:
        """The tokens that begin with ``prefix`` and are longer."""
        if self._sorted is None:
            self._sorted = sorted(self.ranks)
        tokens = self._sorted
        for i in range(bisect_right(tokens, prefix), len(tokens)):
            if not tokens[i].startswith(prefix):
                return
            yield tokens[i]

    def extends(self, token: bytes | None, prefix: bytes) -> bool:
        """Whether a token that begins with ``prefix`` and is longer can stand after ``token``."""
        key = token, prefix
        known = self._extends.get(key)
        if known is None:
            known = any(self.joins(token, longer) for longer in self.longer(prefix))
            if len(self._extends) >= REMEMBERED:
                self._extends.clear()
            self._extends[key] = known
        return known

    def is_regular(self, piece: bytes) -> bool:
        """Whether no token that merging cannot make is equal to ``piece`` or begins with it.

        A vocabulary that looks a whole piece up before it merges gives such a token for the piece that equals it.
        """
        if piece in self.ranks and not self.joins(None, piece):
            return False
        return all(self.joins(None, token) for token in self.longer(piece))


class PrefixEncodings:
    """The encodings of all prefixes of a piece that grows, as far as they differ.

    ``base`` bytes are behind the tokens already taken; the state holds a token for each byte since. ``stable`` takes
    the tokens that the encodings of all possible continuations share.
    """

    __slots__ = ("_before", "_last", "_merges", "_starts", "base", "text")

    def __init__(self, merges: Merges) -> None:
        self._merges = merges
        self.base = 0
        self.text = bytearray()  # the bytes after base
        self._last: list[bytes] = []  # _last[i]: last token of the encoding of the first base + i + 1 bytes
        self._before: bytes | None = None  # last token of the encoding of the first base bytes
        self._starts: list[int] = []  # where a token may start that ends beyond the text

    @property
    def size(self) -> int:
        """Length of the piece so far, in bytes."""
        return self.base + len(self.text)

    def _token_before(self, position: int) -> bytes | None:
        return self._last[position - self.base - 1] if position > self.base else self._before

    def push(self, data: bytes) -> None:
        """Append bytes to the piece."""
        merges, text, base = self._merges, self.text, self.base
        ranks = merges.ranks
        for value in data:
            text.append(value)
            found, starts = b"", []
            self._starts.append(base + len(text) - 1)
            for start in self._starts:
                candidate = bytes(text[start - base :])
                if not found and candidate in ranks and merges.joins(self._token_before(start), candidate):
                    found = candidate
                if next(iter(merges.longer(candidate)), None) is not None:
                    starts.append(start)
            self._starts = starts
            self._last.append(found)

    def path(self, end: int) -> list[bytes]:
        """The tokens from ``base`` to ``end``, which must be a possible end."""
        tokens = []
        while end > self.base:
            token = self._last[end - self.base - 1]
            tokens.append(token)
            end -= len(token)
        tokens.reverse()
        return tokens

    def stable(self, ends: Sequence[int] = ()) -> list[bytes]:
        """Take the tokens that no continuation of the piece can change; ``ends`` are earlier ends that it may have."""
        merges, base, text = self._merges, self.base, self.text
        self._starts = [
            start
            for start in self._starts
            if merges.extends(self._token_before(start), bytes(text[start - base :]))
        ]
        alive = sorted({self.size, *ends, *self._starts})
        while len(alive) > 1:
            last = alive.pop()
            parent = last - len(self._last[last - base - 1])
            if parent not in alive:
                alive.append(parent)
                alive.sort()
        tokens = self.path(alive[0])
        if tokens:
            self._before = tokens[-1]
            self.base = alive[0]
            del text[: self.base - base], self._last[: self.base - base]
        return tokens
