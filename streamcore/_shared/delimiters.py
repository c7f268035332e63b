"""The automaton that finds delimiters across fragments; built once by both backends, run by each in its own way.

A trie of the delimiters, read from its root where no delimiter is under way. The meaning: the delimiter that starts
first wins, and of those that start there the longest. A node stands for the bytes since the first place where a
delimiter may still start, so the bytes of its path are all that has to be remembered.

Where the next byte has no child, ``failure[node]`` is the node that the path without its first byte (or without the
delimiter that it starts with) leads to, and ``found[node]`` the delimiters that this decided. As in Knuth, Morris and
Pratt (1977) and Aho and Corasick (1975), each failure shortens the path and each byte lengthens it by one, so the
cost per byte is constant however the input is cut.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ROOT", "Automaton", "delimiter_option"]

ROOT = 0


def delimiter_option(delimiters: tuple[Any, ...]) -> list[bytes]:
    """The delimiters as ``bytes``, each once, the longest first."""
    if not delimiters:
        raise TypeError("Delimited takes at least one delimiter")
    found = set()
    for delimiter in delimiters:
        if not isinstance(delimiter, (bytes, bytearray, memoryview)):
            raise TypeError(f"a delimiter must be bytes, got {type(delimiter).__name__}")
        copy = memoryview(delimiter).tobytes()  # of a subclass too: what is checked is what is kept
        if not copy:
            raise ValueError("a delimiter must not be empty")
        found.add(copy)
    return sorted(found, key=lambda delimiter: (-len(delimiter), delimiter))


class Automaton:
    """Nodes by number; node 0 is the root."""

    def __init__(self, delimiters: list[bytes]) -> None:
        self.delimiters = delimiters
        self.children: list[dict[int, int]] = [{}]
        self.depth = [0]  # bytes of the path
        self.matched = [0]  # size of the longest delimiter that the path starts with; 0: none
        self.failure = [ROOT]
        self.found: list[list[tuple[int, int]]] = [[]]  # (start, stop) relative to the path
        self.last = [0]  # last byte of the path
        order = self._grow(delimiters)
        for parent, node in order:
            self._link(parent, node)

    def is_complete(self, node: int) -> bool:
        """Whether the path is a delimiter that no longer one starts with: decided at once."""
        return not self.children[node] and node != ROOT

    def _grow(self, delimiters: list[bytes]) -> list[tuple[int, int]]:
        """Make the trie; gives (parent, node) by depth."""
        for delimiter in delimiters:
            node = ROOT
            for byte in delimiter:
                if byte not in self.children[node]:
                    self.children[node][byte] = len(self.children)
                    self.children.append({})
                    self.depth.append(self.depth[node] + 1)
                    self.last.append(byte)
                    self.matched.append(0)
                    self.failure.append(ROOT)
                    self.found.append([])
                node = self.children[node][byte]
            self.matched[node] = len(delimiter)
        order = [(ROOT, node) for node in self.children[ROOT].values()]
        for _, node in order:  # grows while it is read
            order.extend((node, child) for child in self.children[node].values())
        for parent, node in order:
            self.matched[node] = self.matched[node] or self.matched[parent]
        return order

    def _link(self, parent: int, node: int) -> None:
        """Set ``failure`` and ``found`` of a node whose shorter paths all have theirs."""
        depth = self.depth[node]
        if self.matched[node] == depth:
            self.found[node] = [(0, depth)]
        elif parent != ROOT:
            found = list(self.found[parent])
            self.failure[node] = self.step(self.failure[parent], self.last[node], self.depth[parent], found)
            self.found[node] = found

    def step(self, node: int, byte: int, at: int, found: list[tuple[int, int]]) -> int:
        """The node after ``byte``, which lies at ``at``; delimiters that this decides are added to ``found``."""
        while True:
            child = self.children[node].get(byte)
            if child is not None:
                if self.children[child]:
                    return child
                found.append((at - self.depth[node], at + 1))
                return ROOT
            if node == ROOT:
                return ROOT
            node = self.fail(node, at, found)

    def fail(self, node: int, at: int, found: list[tuple[int, int]]) -> int:
        """The node after giving up the longest candidate of ``node``, whose path ends before ``at``."""
        start = at - self.depth[node]
        found.extend((start + a, start + b) for a, b in self.found[node])
        return self.failure[node]
