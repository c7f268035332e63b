"""Engine that cuts words, on top of ``re`` and ``split`` (native: ``_native.text.words``).

A fragment is divided piece by piece, all items of a piece at once. What is unfinished is held in an in-memory file, so
that it grows at a constant price whatever the fragments are. When a piece holds an item that is too large or
cannot be encoded, it is divided again by halves, until the item stands alone: then its place is known.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..._shared import options
from ...errors import InvalidEncoding, ItemTooLarge
from ..engine.span_engine import AS_BYTES, AS_STR, AS_VIEW, SKIP, TRUNCATE, Engine

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["WordsEngine"]

SPAN = 1 << 16  # units divided at once, which bounds the list of their items

# By whether the input is text: \s is str.isspace() there and bytes.isspace() else.
WORDS: dict[bool, re.Pattern[Any]] = {True: re.compile(r"\S+\s*"), False: re.compile(rb"\S+\s*")}
WORD_END: dict[bool, re.Pattern[Any]] = {True: re.compile(r"\S*\s*"), False: re.compile(rb"\S*\s*")}
GAP_END: dict[bool, re.Pattern[Any]] = {True: re.compile(r"\s*"), False: re.compile(rb"\s*")}

CONVERSIONS: dict[tuple[bool, int], Callable[[Any], Any]] = {
    (True, AS_BYTES): str.encode,
    (True, AS_VIEW): lambda word: memoryview(word.encode()),
    (False, AS_STR): bytes.decode,
    (False, AS_VIEW): memoryview,
}


class WordsEngine(Engine):
    """Cuts words: runs of what is not whitespace, by ``str.isspace`` in text and by ``bytes.isspace`` in bytes.

    ``keep="trailing"`` gives each word with the whitespace after it, and the whitespace that the stream begins with as
    an item of its own, so that the items joined are the input; a word comes when the next one begins.
    ``keep="none"`` gives the words alone, as ``split()``; a word comes with the first whitespace after it.

    Fragments are all str or all bytes-like. ``as_`` None gives items of the same kind, ``str``, ``bytes`` or ``"view"``
    decodes or encodes each as UTF-8. ``max_size`` counts what is held of an item, trailing whitespace included, in
    bytes, or in code points of text.
    """

    def __init__(
        self,
        keep: str = "trailing",
        *,
        max_size: int | None = options.DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        as_: Any = None,
        borrow: bool = False,
    ) -> None:
        self._bare = bool(options.choice_option("keep", keep, ("trailing", "none")))
        self._follow = as_ is None
        super().__init__("Words", bytes if as_ is None else as_, borrow, max_size, on_oversize)

    def _clear(self) -> None:
        super()._clear()
        self._input: type | None = None  # what fragments were until now
        self._text = False
        self._unit = "byte"
        self._open = False  # inside an item: a word (or, if whitespace is kept, what follows it)
        self._gap = False  # in the whitespace of that item
        self._hold(b"", 0)

    def _accept(self, fragment: str | ReadableBuffer) -> Any:
        text = isinstance(fragment, str)
        kind = str if text else bytes
        if self._input is not None and self._input is not kind:
            got = type(fragment).__name__
            raise TypeError(f"Words takes fragments of one type, got {got} after {self._input.__name__}")
        data: Any = fragment
        if not text:
            try:
                data = super()._accept(fragment)  # type: ignore[arg-type]
            except TypeError:
                got = type(fragment).__name__
                raise TypeError(f"Words takes str or bytes-like data, got {got}") from None
        self._text = text
        self._unit = "character" if text else "byte"
        if self._follow:
            self._kind = AS_STR if text else AS_BYTES
        self._convert = CONVERSIONS.get((text, self._kind))
        return data

    def _blocks(self, data: Any) -> Iterator[list[Any]]:
        if not self._held_size:
            self._hold("" if self._text else b"", self._base)
        for at in range(0, len(data), SPAN):
            piece = data[at : at + SPAN]
            yield self._divide(piece if self._text else bytes(piece), self._base + at)
            if self.error is not None:
                return

    def _settle(self, data: Any) -> None:
        self._input = str if self._text else bytes

    def _end(self) -> list[Any]:
        if not self._held_size:
            return []
        items = self._converted([self._held.getvalue()])
        self._hold("" if self._text else b"", self._base)
        return items or []

    # ---- dividing ----

    def _divide(self, piece: Any, at: int) -> list[Any]:
        """The items that ``piece``, which lies at ``at`` of the stream, completes; holds what it leaves unfinished."""
        parts = self._bare_words(piece) if self._bare else self._words_with_gaps(piece)
        if parts is None:
            return self._extend(piece, at)
        first, items, tail = parts
        if first is not None and self._discarded is None:
            items.insert(0, self._held.getvalue() + first)
        limit = self._max_size
        fits = limit is None or (len(piece) <= limit and self._held_size + len(first or "") <= limit)
        if fits or max(map(len, items), default=0) <= limit:  # type: ignore[operator]
            converted = items if self._convert is None else self._converted(items, last=len(piece) == 1)
            if converted is not None:
                if self.error is None:
                    self._discarded = None
                    self._open = bool(tail) or not self._bare
                    self._gap = not self._bare and tail[-1:].isspace()
                    converted += self._hold(tail, at + len(piece) - len(tail))
                return converted
        half = len(piece) // 2
        items = self._divide(piece[:half], at)
        return items if self.error is not None else items + self._divide(piece[half:], at + half)

    def _words_with_gaps(self, piece: Any) -> tuple[Any, list[Any], Any] | None:
        """How much of ``piece`` ends the item in work, the items after it and the unfinished last; None: all is one."""
        end = (GAP_END if self._gap else WORD_END)[self._text].match(piece).end()  # type: ignore[union-attr]
        if end == len(piece):
            return None
        items = WORDS[self._text].findall(piece, end)
        return piece[:end], items, items.pop()

    def _bare_words(self, piece: Any) -> tuple[Any, list[Any], Any] | None:
        """The same without whitespace; the end of the item in work is None if there is no such item."""
        words = piece.split()
        unfinished = not piece[-1:].isspace()
        first = None
        if self._open:
            first = piece[:0]
            if not piece[:1].isspace():
                if len(words) == 1 and unfinished:
                    return None
                first = words.pop(0)
        return first, words, words.pop() if unfinished and words else piece[:0]

    def _extend(self, piece: Any, at: int) -> list[Any]:
        """``piece`` is all of the item in work."""
        self._open = True
        self._gap = not self._bare and piece[-1:].isspace()
        if self._discarded is not None:
            return []
        if not self._held_size:
            return self._hold(piece, at)
        self._held.write(piece)
        self._held_size += len(piece)
        return self._check_held()

    # ---- what is unfinished ----

    def _hold(self, piece: Any, at: int) -> list[Any]:
        """Hold ``piece``, the start of an item at ``at`` of the stream; as ``_check_held()``."""
        self._held: Any = io.StringIO(newline="") if isinstance(piece, str) else io.BytesIO()
        self._held.write(piece)
        self._held_size = len(piece)
        self._held_at = at
        return self._check_held()

    def _check_held(self) -> list[Any]:
        """What max_size makes of an item that is held: its start when truncating, else nothing."""
        limit = self._max_size
        if limit is None or self._held_size <= limit:
            return []
        items: list[Any] = []
        at = self._held_at
        if self._on_oversize == TRUNCATE:
            items = self._converted([self._truncated(limit)]) or []
        elif self._on_oversize == SKIP:
            self.skipped += 1
        else:
            self._fail(ItemTooLarge(limit + 1, limit, at), at)
        self._discarded = at
        self._hold("" if self._text else b"", at)
        return items

    def _truncated(self, limit: int) -> Any:
        """The first ``limit`` units; a str made of bytes ends before the character that does not fit."""
        held = self._held.getvalue()
        stop = limit
        if not self._text and self._kind == AS_STR:
            least = max(0, limit - 3)
            while stop > least and held[stop] & 0xC0 == 0x80:
                stop -= 1
        return held[:stop]

    def _converted(self, items: list[Any], last: bool = True) -> list[Any] | None:
        """The items in their type. Where one has none: a failure if ``last`` (it is the held one), else None."""
        if self._convert is None:
            return items
        try:
            return list(map(self._convert, items))
        except UnicodeDecodeError as error:
            if last:
                bad = error.object[error.start : error.end]
                offset = self._held_at + error.start
                self._fail(InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, offset), offset)
        except UnicodeEncodeError as error:
            if last:
                self._fail(error, self._held_at + error.start)
        return [] if last else None
