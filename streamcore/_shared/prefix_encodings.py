"""Encodings of all prefixes of a piece that is still growing, and what they have in common.

Three facts carry this module. Each follows from this: while no merge crosses a border, the pairs left and right of it
merge as if the other side were not there.

1. The tokens of a text, cut at a border between two of them, are the tokens of the two parts.
2. A sequence of tokens is the encoding of its text if and only if each is the encoding of its own bytes and each
   neighbouring two are the encoding of theirs. So a last token and the one before it decide alone whether they fit.
3. The encodings of all prefixes of a text form a tree: each is an earlier prefix's with one more token, which is at
   most as long as the longest token. What all ends that a continuation can still pass have in common is final.

See also "Incremental BPE Tokenization" (arXiv 2605.30813).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from .merging import NO_PAIR, Merges

# How many answers about pairs are kept; then the memory begins anew.
REMEMBERED = 1 << 16


class Neighbours:
    """Which token can follow which in an encoding.

    Two tokens fit if no merge ever crosses the border between them. On its left stands one after the other of the
    tokens on the right edge of the left token's merges, on its right of those on the left edge of the right token's.
    Each stands there until its own merge, at a known priority: two that meet at a lower one merge with each other.
    """

    def __init__(self, merges: Merges) -> None:
        self._merges = merges
        self._sorted = sorted(merges.ranks)
        self._halves: dict[bytes, tuple[bytes, bytes]] = {}  # the last merge of each token
        self._begun: defaultdict[bytes, list[bytes]] = defaultdict(
            list
        )  # tokens by the left half of their last merge
        self._irregular: list[bytes] = []  # tokens that merging cannot make
        ascending = True
        for token in self._sorted:
            if len(token) == 1:
                continue
            halves = tuple(merges.merge(token, 2))
            if len(halves) != 2 or merges.priority(*halves) == NO_PAIR:
                self._irregular.append(token)
                continue
            self._halves[token] = halves
            self._begun[halves[0]].append(token)
        for token, halves in self._halves.items():
            ascending = ascending and all(self._made_at(half) < self._made_at(token) for half in halves)
        # priorities that fall on the way up would let a later merge come first; such a vocabulary is simply tried out
        self._ascending = ascending
        self._joins: dict[tuple[bytes, bytes], bool] = {}
        self._extends: dict[tuple[bytes, bytes], bool] = {}

    def _made_at(self, token: bytes) -> int:
        halves = self._halves.get(token)
        return -1 if halves is None else self._merges.priority(*halves)

    def _right_edge(self, token: bytes) -> list[tuple[bytes, int]]:
        """The tokens at the right edge of ``token``, from its last byte up, each with the priority at which it ends."""
        edge = []
        until = NO_PAIR
        while token:
            edge.append((token, until))
            until = self._made_at(token)
            token = self._halves.get(token, (b"", b""))[1]
        edge.reverse()
        return edge

    def joins(self, token: bytes | None, following: bytes) -> bool:
        """Whether ``following`` can stand after ``token`` (None: at the start) in an encoding."""
        if token is None:
            return len(following) == 1 or following in self._halves
        key = token, following
        known = self._joins.get(key)
        if known is None:
            if len(following) > 1 and following not in self._halves:
                known = False
            elif self._ascending:
                known = self._meets(token, following)
            else:
                known = self._merges.merge(token + following) == [token, following]
            if len(self._joins) >= REMEMBERED:
                self._joins.clear()
            self._joins[key] = known
        return known

    def _meets(self, token: bytes, following: bytes) -> bool:
        """Whether no two merge that meet at the border."""
        left_edge = [following]
        while left_edge[-1] in self._halves:
            left_edge.append(self._halves[left_edge[-1]][0])
        edge, at = self._right_edge(token), 0
        while left_edge:
            right = left_edge.pop()
            until = self._made_at(left_edge[-1]) if left_edge else NO_PAIR
            at = self._pass(edge, at, right, until)
            if at < 0:
                return False
        return True

    def _pass(self, edge: list[tuple[bytes, int]], at: int, right: bytes, until: int) -> int:
        """Let ``right`` stand at the border until it merges at ``until``: how far up ``edge`` is then, -1 on a merge.

        Of two merges with one priority the left one comes first.
        """
        while True:
            left, ends = edge[at]
            met = self._merges.priority(left, right)
            if met < ends and met <= until and met != NO_PAIR:
                return -1
            if ends > until or ends == NO_PAIR:
                return at
            at += 1

    def begins_longer(self, prefix: bytes) -> bool:
        """Whether a longer token begins with ``prefix``."""
        i = bisect_right(self._sorted, prefix)
        return i < len(self._sorted) and self._sorted[i].startswith(prefix)

    def extends(self, token: bytes | None, prefix: bytes) -> bool:
        """Whether a token that begins with ``prefix`` and is longer can stand after ``token``."""
        if token is None:
            return any(self.joins(None, longer) for longer in self._longer(prefix))
        key = token, prefix
        known = self._extends.get(key)
        if known is None:
            if self._ascending:
                known = self._grows(self._right_edge(token), 0, prefix[:1], prefix)
            else:
                known = any(self.joins(token, longer) for longer in self._longer(prefix))
            if len(self._extends) >= REMEMBERED:
                self._extends.clear()
            self._extends[key] = known
        return known

    def _longer(self, prefix: bytes) -> Iterator[bytes]:
        tokens = self._sorted
        for i in range(bisect_right(tokens, prefix), len(tokens)):
            if not tokens[i].startswith(prefix):
                return
            yield tokens[i]

    def _grows(self, edge: list[tuple[bytes, int]], at: int, right: bytes, prefix: bytes) -> bool:
        """As ``extends``, for the tokens whose left edge goes through ``right``."""
        for token in self._begun.get(right, ()):
            if not (token.startswith(prefix) or prefix.startswith(token)):
                continue
            passed = self._pass(edge, at, right, self._made_at(token))
            if passed < 0:
                continue
            if len(token) > len(prefix) and self._pass(edge, passed, token, NO_PAIR) >= 0:
                return True
            if self._grows(edge, passed, token, prefix):
                return True
        return False

    def is_regular(self, piece: bytes) -> bool:
        """Whether no token that merging cannot make is equal to ``piece`` or begins with it.

        A vocabulary that looks a whole piece up before it merges gives such a token for the piece that equals it.
        """
        return not any(token.startswith(piece) for token in self._irregular)


class PrefixEncodings:
    """The encodings of all prefixes of a piece that grows, as far as they differ.

    ``base`` bytes are behind the tokens already taken; the state holds a token for each byte since. ``take`` hands
    out the tokens up to ``stable_end``, which the encodings of all continuations share.
    """

    __slots__ = ("_before", "_last", "_neighbours", "_starts", "base", "text")

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
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
        neighbours, text, base = self._neighbours, self.text, self.base
        for value in data:
            text.append(value)
            found, starts = b"", []
            self._starts.append(base + len(text) - 1)
            for start in self._starts:
                candidate = bytes(text[start - base :])
                if not found and neighbours.joins(self._token_before(start), candidate):
                    found = candidate
                if neighbours.begins_longer(candidate):
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

    def stable_end(self, ends: Sequence[int] = ()) -> int:
        """How many bytes the tokens cover that no continuation can change; ``ends`` are earlier ends it may have."""
        neighbours, base, text = self._neighbours, self.base, self.text
        self._starts = [
            start
            for start in self._starts
            if neighbours.extends(self._token_before(start), bytes(text[start - base :]))
        ]
        alive = sorted({self.size, *ends, *self._starts})
        while len(alive) > 1:
            last = alive.pop()
            parent = last - len(self._last[last - base - 1])
            if parent not in alive:
                alive.append(parent)
                alive.sort()
        return alive[0]

    def take(self, end: int) -> list[bytes]:
        """The tokens from ``base`` to ``end``, a stable end; they are forgotten here."""
        tokens = self.path(end)
        if tokens:
            self._before = tokens[-1]
            del self.text[: end - self.base], self._last[: end - self.base]
            self.base = end
        return tokens
