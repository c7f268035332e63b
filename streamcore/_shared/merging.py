"""Byte-pair merging of a whole piece.

Merging takes the adjacent pair with the lowest priority, the leftmost of equals, until no pair is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise

# Above this many bytes, a heap beats searching the list of priorities for its minimum (measured: 150 to 300).
HEAP_FROM = 200
NO_PAIR = 1 << 62


class Merges:
    """The merge rules of a vocabulary.

    ``ranks`` gives each token's id. Without ``pairs``, two tokens merge if their concatenation is a token, and its
    id is the priority (tiktoken). With ``pairs`` only these merge, each at its own priority (tokenizer.json).
    """

    def __init__(self, ranks: Mapping[bytes, int], pairs: Mapping[tuple[bytes, bytes], int] | None) -> None:
        self.ranks = ranks
        self.pairs = pairs

    def priority(self, left: bytes, right: bytes) -> int:
        """The priority at which two neighbours merge, ``NO_PAIR`` if they do not."""
        if self.pairs is None:
            return self.ranks.get(left + right, NO_PAIR)
        return self.pairs.get((left, right), NO_PAIR)

    def merge(self, piece: bytes, fewest: int = 1) -> list[bytes]:
        """The tokens of ``piece``; with ``fewest``, as they are when no more than that are left."""
        if len(piece) > HEAP_FROM and fewest == 1:
            return self._merge_long(piece)
        priority = self.priority
        tokens = [piece[i : i + 1] for i in range(len(piece))]
        waiting = [priority(left, right) for left, right in pairwise(tokens)]
        while len(tokens) > fewest:
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
