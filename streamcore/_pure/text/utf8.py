"""Incremental UTF-8 decoding on top of ``codecs`` (native: ``_native.text.utf8``).

``codecs`` itself waits with two bytes that are already certainly wrong (ED A0: a surrogate), shows an error handler
whatever the fragment holds, and counts an error from the start of the fragment; here none of these depends on the cut.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..._shared.eager_utf8 import may_be_completed
from ..._shared.error_handlers import ask_handler, errors_option
from ...errors import InvalidEncoding
from ..engine.span_engine import Engine

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["UTF8Engine"]

WINDOW = 1 << 20
"""A fragment gives a str for each so many bytes: what is held stays bounded however large a fragment is."""

SLICE = 256
"""Bytes decoded at a time where a handler is asked: an exception holds a copy of all that was to be decoded."""

SURROGATE = 0xED  # what one would begin with

# Their answer depends on the bad piece alone; the bytes that "surrogatepass" takes, `codecs` waits for.
DIRECT = frozenset({"strict", "replace", "ignore", "backslashreplace", "surrogateescape", "surrogatepass"})


class UTF8Engine(Engine):
    """Decodes bytes fragments to str chunks whose concatenation does not depend on how the input was cut.

    ``errors`` is the name of an error handler of ``codecs``. A bad piece is what Unicode calls a maximal subpart, as
    for ``bytes.decode``. A handler that is not one of Python's own sees only the bad piece, at position 0, and may not
    go on beyond it: what it could see of the rest depends on the cut. A fragment gives at most one chunk for each MiB.
    """

    def __init__(self, errors: str = "strict") -> None:
        self.errors = errors_option(errors)
        self._direct = errors in DIRECT
        super().__init__("UTF8", str)

    def _clear(self) -> None:
        super()._clear()
        self._held = b""  # the start of a character that may still be completed

    def _blocks_of(self, fragment: ReadableBuffer) -> Iterable[Any]:
        """Decode bytes as they are; where an error has to be told, or a handler asked, the long way."""
        if type(fragment) is bytes and len(fragment) <= WINDOW and self._direct:
            data = self._held + fragment if self._held else fragment
            try:
                text, used = utf_8_decode(data, self.errors)
            except UnicodeDecodeError:
                return self._cut(self._accept(fragment))
            rest = data[used:]  # at most 3 bytes
            if not rest or rest[0] != SURROGATE or may_be_completed(rest) or self.errors == "surrogatepass":
                self._changing = True
                self._held = rest
                self._base += len(fragment)
                return ((text,),) if text else ()
        return self._cut(self._accept(fragment))

    def _blocks(self, data: memoryview) -> Iterator[list[str]]:
        for at in range(0, len(data), WINDOW):
            text = self._decode(data[at : at + WINDOW], at)
            if text:
                yield [text]
            if self.error is not None:
                break

    def _settle(self, data: memoryview) -> None:
        pass  # _decode() has done it

    def _end(self) -> list[str]:
        text = self._decode(b"", 0, final=True)
        return [text] if text else []

    def _decode(self, data: bytes | memoryview, at: int, final: bool = False) -> str:
        """The text of what is held and of ``data``, which lies at ``at`` of the fragment; holds its unfinished end."""
        offset = self._base + at
        if self._held:
            data = self._held + data
            offset -= len(self._held)
        try:
            if self._direct:
                text, used = utf_8_decode(data, self.errors, final)
            else:
                text, used = self._ask(memoryview(data), offset, final)
                if self.error is not None:
                    return text
        except UnicodeDecodeError as error:
            text, _ = utf_8_decode(error.object[: error.start], self.errors)
            self._invalid(error.object[error.start : error.end], error.reason, offset + error.start)
            return text
        if used == len(data):
            self._held = b""
            return text
        rest = data[used:]  # at most 3 bytes
        if not final and self.errors != "surrogatepass" and not may_be_completed(bytes(rest)):
            self._held = bytes(rest)
            return text + self._decode(b"", offset + len(data) - self._base, final=True)
        self._held = bytes(rest)
        return text

    def _ask(self, data: memoryview, offset: int, final: bool) -> tuple[str, int]:
        """As ``codecs.utf_8_decode``, asking the handler about each bad piece; stops at one where it fails."""
        pieces: list[str] = []
        at = 0
        while True:
            part = data[at : at + SLICE]
            last = at + len(part) == len(data)
            try:
                text, used = utf_8_decode(part, "strict", final and last)
            except UnicodeDecodeError as error:
                pieces.append(utf_8_decode(part[: error.start])[0])
                at += error.start
                bad = error.object[error.start : error.end]
                try:
                    pieces.append(ask_handler(self.errors, bad, error.reason))
                except UnicodeDecodeError:
                    self._invalid(bad, error.reason, offset + at)
                    break
                except Exception as failure:  # noqa: BLE001 - kept, and raised after the text before it
                    self._fail(failure, offset + at)
                    break
                at += len(bad)
                continue
            pieces.append(text)
            at += used
            if last:
                break
        return "".join(pieces), at

    def _invalid(self, bad: bytes, reason: str, offset: int) -> None:
        self._fail(InvalidEncoding("utf-8", bad, 0, len(bad), reason, offset), offset)
