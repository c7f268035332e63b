"""``StopFinder``: ends a stream of text before the first of some strings (both backends)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..._shared.stop_strings import checked_stops

__all__ = ["StopFinder"]

# What is held of the text, the beginning of a stop string that it ends with, and the first stop string in it with its
# place, while one that began earlier may still come.
State = tuple[str, int, str, int]
START: State = ("", 0, "", 0)


class StopFinder:
    """Cuts text at the first of some strings; holds back only what one of them may begin with.

    The first is the one that begins first, and of several that begin at one place the shortest. This is the automaton
    of Aho and Corasick (CACM 18, 1975), entered where a first character is found: each character of the text is looked
    at a constant number of times, whatever the strings and however the text is cut.
    """

    def __init__(self, stop: str | Iterable[str]) -> None:
        texts = checked_stops(stop)
        self.first_characters = frozenset(text[0] for text in texts)
        found = "".join(map(re.escape, sorted(self.first_characters)))
        self._entrance = re.compile(f"[{found}]") if texts else None
        self._make_automaton(texts)
        self.reset()

    def _make_automaton(self, texts: list[str]) -> None:
        """Number the beginnings of all strings; 0 is the empty one."""
        self._next: list[dict[str, int]] = [{}]  # by character: the beginning that is longer by it
        self._size = [0]  # characters
        self._whole = [""]  # the longest of the strings that a beginning ends with
        self._shorter = [0]  # the longest other beginning that a beginning ends with
        for text in texts:
            at = 0
            for char in text:
                if char not in self._next[at]:
                    self._next[at][char] = len(self._next)
                    self._next.append({})
                    self._size.append(self._size[at] + 1)
                    self._whole.append("")
                    self._shorter.append(0)
                at = self._next[at][char]
            self._whole[at] = text
        row = list(self._next[0].values())
        while row:
            for at in row:
                self._whole[at] = self._whole[at] or self._whole[self._shorter[at]]
                for char, longer in self._next[at].items():
                    self._shorter[longer] = self._step(self._shorter[at], char)
            row = [longer for at in row for longer in self._next[at].values()]

    def _step(self, at: int, char: str) -> int:
        """The longest beginning that ``char`` after the beginning ``at`` ends with."""
        while at and char not in self._next[at]:
            at = self._shorter[at]
        return self._next[at].get(char, 0)

    def reset(self) -> None:
        """Forget what is held."""
        self.found: str | None = None
        self.state = START

    @property
    def holds(self) -> bool:
        """Whether text is held back."""
        return self.state[1] != 0

    def feed(self, text: str, final: bool) -> str:
        """The text that is surely before any of the strings; ``final`` ends it."""
        final = bool(final)  # before anything is looked at, because it may run other code
        text = "".join((text,))  # of a subclass, a str whose methods are its own
        if self._entrance is None:
            return text
        held, at, match, start = self.state
        text, position = held + text, len(held)
        while position < len(text):
            if not at:
                entered = self._entrance.search(text, position)
                if entered is None:
                    position = len(text)
                    break
                position = entered.start()
            at = self._step(at, text[position])
            position += 1
            whole = self._whole[at]
            if whole and (not match or position - len(whole) < start):
                match, start = whole, position - len(whole)
            if match and position - self._size[at] >= start:  # none that began earlier can come any more
                break
        sure = position - self._size[at]
        if match and (final or sure >= start):
            self.state, self.found = START, match
            return text[:start]
        if final:
            self.state = START
            return text
        self.state = (text[sure:], at, match, start - sure)
        return text[:sure]
