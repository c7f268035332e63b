"""Added tokens with flags, found in text as ``tokenizers`` finds them, whole or as the text comes.

Tokens that are not ``normalized`` are found in the text as it is. What lies between them is normalized, and there the
others are found, by their own normalized text. At a place the longest counts, and the search goes on behind it, also
where ``single_word`` drops it because a word character (``\\w`` of Unicode) stands beside it. ``lstrip`` takes the
whitespace before a token, ``rstrip`` that behind it, in which other tokens are still found.

A stream holds the beginning of a token, with ``single_word`` a token until the next character, and whitespace before a
token with ``lstrip``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from .normalizers import WHITESPACE, Normalizer
from .special_tokens import one_of, raise_disallowed
from .split_classes import in_regex
from .text_input import exact_str

__all__ = ["ALWAYS", "FLAGS", "AddedTokens", "Matcher", "MatcherStream", "TokenFlags", "checked_flags"]

FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
ALWAYS = "always"
"""The flag of a token that is looked for whatever ``allowed_special`` says: in a file one that is not special."""
TokenFlags = dict[str, tuple[str, ...]]


def checked_flags(flags: Mapping[str, Collection[str]] | None, names: Collection[str]) -> TokenFlags:
    """The flags of each token that has some, as exact objects."""
    made: TokenFlags = {}
    for name, given in dict(flags or {}).items():
        if not isinstance(name, str) or name not in names:
            raise ValueError(f"token_flags has {name!r}, which is not among the special tokens")
        if isinstance(given, str) or not isinstance(given, Collection):
            raise TypeError(
                f"token_flags of {name!r} must be a collection of flags, not {type(given).__name__}"
            )
        known = (*FLAGS, ALWAYS)
        found = tuple(flag for flag in known if flag in given)
        if len(found) != len(set(given)):
            odd = next(flag for flag in given if flag not in known)
            raise ValueError(f"token_flags of {name!r} must be of {', '.join(known)}, got {odd!r}")
        if found:
            made[exact_str(name)] = found
    return made


class AddedTokens:
    """The added tokens of a vocabulary: how they are found, and which bytes they are in decoded text."""

    def __init__(self, names: Collection[str], flags: TokenFlags, normalizer: Normalizer | None) -> None:
        self._flags = {name: frozenset(flags.get(name, ())) for name in names}
        self._normalizer = normalizer
        self._normal: dict[str, str] = {}
        self.always = frozenset(name for name in names if ALWAYS in self._flags[name])
        normalized = [name for name in names if "normalized" in self._flags[name]]
        for name in normalized:
            text = name if normalizer is None else normalizer(name)
            if not text:
                raise ValueError(f"special token {name!r} is normalized to nothing")
            if text in self._normal:
                raise ValueError(
                    f"special tokens {self._normal[text]!r} and {name!r} are normalized to the same text"
                )
            self._normal[text] = name
        self._matchers: dict[frozenset[str], Matcher] = {}
        strips = any(not {"lstrip", "rstrip"}.isdisjoint(each) for each in self._flags.values())
        self.keeps_text = not strips
        self.plain = not strips and not any("single_word" in each for each in self._flags.values())
        """Whether it is enough to look for all of them at once in the text as it is."""
        if self.plain and normalized:
            raw = [name for name in names if name not in normalized]
            self.plain = normalizer is None and not overlap(raw, normalized)

    def bytes_of(self) -> dict[str, bytes]:
        """The bytes of those that normalization changes."""
        return {name: text.encode() for text, name in self._normal.items() if text != name}

    def watched(self, disallowed: frozenset[str]) -> frozenset[str]:
        """Those of ``disallowed`` that may be in text by normalization only."""
        if self._normalizer is None:
            return frozenset()
        return frozenset(self._normal.values()) & disallowed

    def matcher(self, names: frozenset[str]) -> Matcher:
        """What finds some of the tokens; the last few are kept."""
        found = self._matchers.get(names)
        if found is None:
            if len(self._matchers) >= 64:
                self._matchers.clear()
            flags = self._flags
            raw = {name: (name, flags[name]) for name in names if "normalized" not in flags[name]}
            normal = {text: (name, flags[name]) for text, name in self._normal.items() if name in names}
            found = self._matchers[names] = Matcher(Finder(raw), self._normalizer, Finder(normal))
        return found

    def check(self, text: str, allowed: frozenset[str], disallowed: frozenset[str]) -> None:
        """ValueError where normalization makes a token of ``text`` that is disallowed."""
        watched = self.watched(disallowed)
        if watched:
            stream = self.matcher(allowed | watched).begin()
            for _, name in stream.feed(text, True):
                if name in watched:
                    raise_disallowed(str(name), stream.position)


def overlap(left: Collection[str], right: Collection[str]) -> bool:
    """Whether a text of the one may share a place with a text of the other."""
    if not left or not right:
        return False
    if any(map(one_of(left).search, right)) or any(map(one_of(right).search, left)):
        return True
    return any(
        not {text[:i] for text in one for i in range(1, len(text))}.isdisjoint(
            text[i:] for text in other for i in range(1, len(text))
        )
        for one, other in ((left, right), (right, left))
    )


@cache
def _word() -> re.Pattern[str]:
    return re.compile("[" + in_regex("word") + "]")


def in_word(char: str) -> bool:
    """Whether a character is ``\\w``."""
    if char.isascii():
        return char == "_" or char.isalnum()
    return _word().match(char) is not None


class Finder:
    """Texts to look for: the token of each, and its flags."""

    def __init__(self, tokens: Mapping[str, tuple[str, frozenset[str]]]) -> None:
        self.tokens = tokens
        self.pattern = one_of(tokens) if tokens else None
        self.beginnings = {text[:i] for text in tokens for i in range(1, len(text))}
        self.longest = max(map(len, tokens), default=0)
        self.strips_left = any("lstrip" in flags for _, flags in tokens.values())

    def first_beginning(self, text: str, start: int) -> int:
        """Where from ``start`` on the first of them may begin that does not lie in ``text`` as a whole."""
        for i in range(max(start, len(text) - self.longest + 1), len(text)):
            if text[i:] in self.beginnings:
                return i
        return len(text)


class FinderStream:
    """One text that comes in fragments, cut at the tokens of a finder."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._tail = ""  # what may be the beginning of a token, or one that the next character decides about
        self._before = ""  # the character before it
        self._blanks: list[str] = []  # whitespace before it that a token may take
        self._taking = False  # whether the last token takes the whitespace behind it
        self._base = 0
        self.ended = 0
        """Where in the text the last token ended."""
        self.held_size = 0

    def feed(self, text: str, final: bool) -> Iterator[tuple[str, str | None]]:
        """Pairs of text and the token behind it, the last one with None: what follows is not known yet."""
        finder = self._finder
        if finder.pattern is None:
            yield text, None
            return
        text, self._tail = self._tail + text, ""
        start = at = 0
        sure = len(text) if final else finder.first_beginning(text, 0)
        while (match := finder.pattern.search(text, at)) and match.start() < sure:
            first, at = match.span()
            name, flags = finder.tokens[match[0]]
            if "single_word" in flags and at == len(text) and not final:
                sure = first
                break
            if self._taking and "lstrip" in flags and not text[start:at].strip(WHITESPACE):
                start = at  # nothing is left of it: the last token took it
            elif "single_word" not in flags or self._alone(text, first, at):
                yield self._between(text[start:first], flags, final), name
                self._taking = "rstrip" in flags
                self.ended = self._base + at
                start = at
            if at > sure:
                sure = finder.first_beginning(text, at)
        self._tail = text[sure:]
        self._before = text[sure - 1 : sure] or self._before
        self._base += sure
        yield self._between(text[start:sure], None, final), None

    def _alone(self, text: str, first: int, end: int) -> bool:
        before = text[first - 1] if first else self._before
        return not (before and in_word(before)) and not (end < len(text) and in_word(text[end]))

    def _between(self, text: str, flags: frozenset[str] | None, final: bool) -> str:
        """The text before a token, or what may be that of the next; None for ``flags`` where it is not known."""
        if self._taking:
            text = text.lstrip(WHITESPACE)
            self._taking = not text
        if not self._finder.strips_left:
            return text
        kept = text.rstrip(WHITESPACE)
        if flags is None and not final:
            blanks = text[len(kept) :]
            if kept:
                kept = "".join((*self._blanks, kept))
                self._blanks, self.held_size = [], 0
            if blanks:
                self._blanks.append(blanks)
                self.held_size += len(blanks)
            return kept
        if flags is None or "lstrip" not in flags:
            kept = text
        text = "".join((*self._blanks, kept)) if kept or flags is None or "lstrip" not in flags else ""
        self._blanks, self.held_size = [], 0
        return text


class Matcher:
    """What finds tokens in text and normalizes what lies between them."""

    def __init__(self, raw: Finder, normalizer: Normalizer | None, normal: Finder) -> None:
        self.raw = raw
        self.normalizer = normalizer
        self.normal = normal

    def begin(self) -> MatcherStream:
        """A stream for one text."""
        return MatcherStream(self)

    def spans(self, text: str) -> Iterator[tuple[str, str | None]]:
        """Pairs of normalized text and the token behind it, the last one with None."""
        return self.begin().feed(text, True)


class MatcherStream:
    """A text that comes in fragments, cut at all tokens."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._raw = FinderStream(matcher.raw)
        self._begin()

    def _begin(self) -> None:
        """Another text between two tokens begins."""
        normalizer = self._matcher.normalizer
        self._normalizer: Any = None if normalizer is None else normalizer.begin()
        self._normal = FinderStream(self._matcher.normal)

    @property
    def position(self) -> int:
        """Where the text between two tokens began, in characters."""
        return self._raw.ended

    @property
    def held_size(self) -> int:
        """Characters that wait for what comes."""
        size = self._raw.held_size + self._normal.held_size
        return size if self._normalizer is None else size + int(self._normalizer.held_size)

    def feed(self, text: str, final: bool) -> Iterator[tuple[str, str | None]]:
        """Pairs of normalized text and the token behind it, the last one with None: it goes on, unless ``final``."""
        for part, name in self._raw.feed(text, final):
            ends = final or name is not None
            if self._normalizer is not None:
                part = self._normalizer.feed(part, ends)
            for piece, inner in self._normal.feed(part, ends):
                yield piece, name if inner is None else inner
            if name is not None:
                self._begin()
