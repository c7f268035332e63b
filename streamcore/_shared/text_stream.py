"""Text that comes in fragments, made ready for pieces: decoded, searched for special tokens.

Each part holds back only what later text can change: an unfinished character, the beginning of a special token.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from .eager_utf8 import may_be_completed
from .special_tokens import one_of
from .text_input import invalid_utf8, without_surrogates

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from ..errors import InvalidEncoding


class TextDecoder:
    """Valid ``str`` from fragments of ``str`` or of UTF-8; it can go on from what another one holds."""

    def __init__(
        self,
        errors: str,
        kind: type | None = None,
        unfinished: bytes = b"",
        surrogate: str = "",
        decoded: int = 0,
    ) -> None:
        self._errors = errors
        self.kind = kind
        """``str`` or ``bytes``, what the fragments are."""
        self.unfinished = unfinished
        """The first bytes of a character."""
        self.surrogate = surrogate
        """The first of a pair."""
        self.decoded = decoded
        """Bytes that became text."""
        self.error: InvalidEncoding | None = None

    def feed(self, fragment: str | ReadableBuffer, final: bool = False) -> str:
        """The text that is complete; on invalid UTF-8 under ``"strict"``, the text before it, and ``error`` is set."""
        kind = self.kind_of(fragment)
        text = self._join(fragment) if isinstance(fragment, str) else self._decode(fragment, final)
        if final and self.surrogate:
            text, self.surrogate = text + "\ufffd", ""
        self.kind = kind
        return text

    def kind_of(self, fragment: str | ReadableBuffer) -> type:
        """``str`` or ``bytes``; TypeError where the fragments before are of the other kind."""
        kind = str if isinstance(fragment, str) else bytes
        if kind is not (self.kind or kind):
            raise TypeError(
                f"fragments must be all str or all bytes-like, got {kind.__name__} after the other"
            )
        return kind

    def _join(self, text: str) -> str:
        if not self.surrogate and text.isascii():
            return text
        text, self.surrogate = self.surrogate + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self.surrogate = text[:-1], text[-1]
        try:
            text.encode()
        except UnicodeEncodeError:
            return without_surrogates(text)
        return text

    def _decode(self, data: ReadableBuffer, final: bool) -> str:
        held = self.unfinished + bytes(data) if self.unfinished or not isinstance(data, bytes) else data
        try:
            text, used = utf_8_decode(held, self._errors, final)
            if used < len(held) and not may_be_completed(held[used:]):
                text, used = utf_8_decode(held, self._errors, True)
        except UnicodeDecodeError as error:
            self.error = invalid_utf8(error, self.decoded)
            return held[: error.start].decode()
        self.unfinished = held[used:]
        self.decoded += used
        return text


class NameFinder:
    """Cuts text at names, the leftmost first, the longest where several begin at one place."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self._finder = one_of(names) if names else None
        self._beginnings = {name[:i] for name in names for i in range(1, len(name))}
        self._longest = max(map(len, names), default=0)
        self.reset()

    def reset(self) -> None:
        """Forget what is held."""
        self._held = ""
        self.position = 0  # where in the text the part held begins, in characters

    def feed(self, text: str, final: bool) -> Iterator[tuple[str, str | None]]:
        """Pairs of text and the name after it, the last one with None: what follows is not known yet."""
        if self._finder is None:
            yield text, None
            return
        text, self._held = self._held + text, ""
        start, sure = 0, len(text) if final else self._first_beginning(text, 0)
        while (match := self._finder.search(text, start)) and match.start() < sure:
            self.position += match.start() - start
            yield text[start : match.start()], match[0]
            self.position += len(match[0])
            start = match.end()
            sure = len(text) if final else self._first_beginning(text, start)
        self._held = text[sure:]
        self.position += sure - start
        yield text[start:sure], None

    def _first_beginning(self, text: str, start: int) -> int:
        """Where from ``start`` on the first name may begin that does not lie in ``text`` as a whole."""
        for i in range(max(start, len(text) - self._longest + 1), len(text)):
            if text[i:] in self._beginnings:
                return i
        return len(text)
