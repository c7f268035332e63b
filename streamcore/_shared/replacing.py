"""``Replace`` of a ``tokenizer.json``: each match of a string or of a regular expression becomes another text.

Streams: of strings, what may be the beginning of one waits; of a pattern that is one character or class, repeated or
not, a run that may go on. Nothing is known of where any other pattern ends, so there all text waits until it ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from .regex_pieces import RegexPieces, compiled
from .safe_cuts import ATOM

__all__ = ["REPLACED", "replacing"]

REPLACED = ("String", "Regex")
_RUN = re.compile(r"\+\+?|\{\d+(?:,\d*)?\}")
_PLAIN = re.compile(r"(?:[^\\\[\](){}|*+?^$.]|\\[!-/:-@\[-`{-~ rnt])+", re.DOTALL)
_ESCAPES = {"\\r": "\r", "\\n": "\n", "\\t": "\t"}


@lru_cache(maxsize=64)
def replacing(kind: str, pattern: str, content: str) -> Callable[[], Any]:
    """What makes the step of a Replace; ValueError for a pattern that is none."""
    if not pattern:
        raise ValueError("an empty pattern is not supported")
    if kind == "String":
        return partial(LiteralStep, pattern, content)
    literals = _literals(pattern)
    if len(literals) == 1:
        return partial(LiteralStep, literals[0], content)
    if literals:
        return partial(AnyLiteralStep, tuple(literals), content)
    matching = compiled(pattern)
    atom = ATOM.match(pattern)
    if atom is not None:
        rest = pattern[atom.end() :]
        if not rest:
            return partial(PatternStep, matching, content, None)
        if _RUN.fullmatch(rest):
            return partial(PatternStep, matching, content, compiled(f"(?:{atom[0]})+"))
    return partial(WholeStep, RegexPieces(pattern), content)


def _literals(pattern: str) -> list[str]:
    """The strings that a pattern lists, or none if there is more to it."""
    parts = re.split(r"(?<!\\)\|", pattern)
    if not all(_PLAIN.fullmatch(part) for part in parts):
        return []
    return [
        re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[0], match[1]), part, flags=re.DOTALL)
        for part in parts
    ]


class LiteralStep:
    """One string replaced."""

    def __init__(self, pattern: str, content: str) -> None:
        self._pattern = pattern
        self._content = content
        self._held = ""

    @property
    def held_size(self) -> int:
        """Characters that may be the beginning of the string."""
        return len(self._held)

    def feed(self, text: str, final: bool) -> str:
        """The text, but for an end that may be the beginning of the string."""
        pattern = self._pattern
        if len(pattern) == 1:
            return text.replace(pattern, self._content)
        *parts, rest = (self._held + text).split(pattern)
        self._held = ""
        if not final:
            for i in range(max(0, len(rest) - len(pattern) + 1), len(rest)):
                if pattern.startswith(rest[i:]):
                    rest, self._held = rest[:i], rest[i:]
                    break
        return self._content.join((*parts, rest))


class AnyLiteralStep:
    """The first of several strings that stands at a place replaced."""

    def __init__(self, patterns: tuple[str, ...], content: str) -> None:
        self._finder = re.compile("|".join(map(re.escape, patterns)))
        self._beginnings = {pattern[:i] for pattern in patterns for i in range(1, len(pattern))}
        self._longest = max(map(len, patterns))
        self._content = content
        self._held = ""

    @property
    def held_size(self) -> int:
        """Characters that may be the beginning of a string."""
        return len(self._held)

    def feed(self, text: str, final: bool) -> str:
        """The text, but for an end that may be the beginning of a string."""
        text, self._held = self._held + text, ""
        parts: list[str] = []
        start, sure = 0, len(text) if final else self._beginning(text, 0)
        while (match := self._finder.search(text, start)) and match.start() < sure:
            parts += (text[start : match.start()], self._content)
            start = match.end()
            if start > sure:
                sure = self._beginning(text, start)
        self._held = text[sure:]
        return "".join((*parts, text[start:sure]))

    def _beginning(self, text: str, start: int) -> int:
        for i in range(max(start, len(text) - self._longest + 1), len(text)):
            if text[i:] in self._beginnings:
                return i
        return len(text)


class PatternStep:
    """A pattern replaced whose matches lie in runs of one class, or are one character (``run`` is None)."""

    def __init__(self, pattern: Any, content: str, run: Any) -> None:
        self._pattern = pattern
        self._replacement = content.replace("\\", "\\\\")
        self._run = run
        self._held: list[str] = []
        self.held_size = 0

    def feed(self, text: str, final: bool) -> str:
        """The text, but for a run at its end."""
        cut = len(text) if final else self._cut(text)
        if cut == 0 and not final:
            self._held.append(text)
            self.held_size += len(text)
            return ""
        ready = "".join((*self._held, text[:cut]))
        self._held = [text[cut:]] if cut < len(text) else []
        self.held_size = len(text) - cut
        return str(self._pattern.sub(self._replacement, ready))

    def _cut(self, text: str) -> int:
        """Where the run at the end of ``text`` begins."""
        if self._run is None:
            return len(text)
        start = end = 0
        for match in self._run.finditer(text):
            start, end = match.span()
        return start if end == len(text) else len(text)


class WholeStep:
    """A pattern replaced of which nothing is known: all text waits until it ends."""

    def __init__(self, pattern: RegexPieces, content: str) -> None:
        self._pattern = pattern
        self._content = content
        self._held: list[str] = []
        self.held_size = 0

    def feed(self, text: str, final: bool) -> str:
        """Nothing before the end, then all."""
        self._held.append(text)
        self.held_size += len(text)
        if not final:
            return ""
        whole = "".join(self._held)
        self._held, self.held_size = [], 0
        parts: list[str] = []
        start = 0
        for first, end in self._pattern.spans(whole):
            parts += (whole[start:first], self._content)
            start = end
        return "".join((*parts, whole[start:]))
