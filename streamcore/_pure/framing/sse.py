"""Server-sent events (native: ``_native.framing.sse``): "interpreting an event stream" of the WHATWG HTML standard.

Lines that lie in one fragment are looked at whole; ``_advance()`` takes a part of a line, ``_end_line()`` its end. Of a
line that is passed over nothing is held, of a name no more than may still be one of the four.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from ..._shared import options
from ..._shared.events import BOM, LARGEST_RETRY, event_kind, stop_option
from ...batch import Batch
from ...errors import IncompleteItem, ItemTooLarge
from ...event_batch import EventBatch
from ..engine.span_engine import (
    AS_BYTES,
    AS_VIEW,
    BLOCK,
    DROP,
    RAISE,
    RAISE_INCOMPLETE,
    SKIP,
    Engine,
    splittable,
)
from .event import Event, fill

__all__ = ["ServerSentEventsEngine"]

MARK, NAME, COLON, VALUE, PASS = range(
    5
)  # where in its line the next byte stands; MARK: in a byte-order mark
DATA, EVENT, ID, RETRY = (b"data", b"event", b"id", b"retry")
FIELDS = (DATA, EVENT, ID, RETRY)
UNTIL_COLON = tuple(field[:size] for field in FIELDS for size in range(len(field) + 1))
DIGITS = frozenset(b"0123456789")
NONE, INVALID = -1, -2  # of retry

_line_ends = re.compile(b"(\r\n?|\n)")


class ServerSentEventsEngine(Engine):
    """Cuts an event stream into events. ``last_event_id`` and ``retry`` are what a client that reconnects has to know.

    The first event whose data is ``stop`` ends the stream and is not given.
    """

    def __init__(
        self,
        *,
        stop: str | bytes | None = None,
        max_size: int | None = options.DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "drop",
        as_: Any = "event",
    ) -> None:
        self._stop = stop_option(stop)
        self._events, kind = event_kind(as_)
        super().__init__("ServerSentEvents", kind, False, max_size, on_oversize, on_incomplete)

    def _clear(self) -> None:
        super()._clear()
        self._mode = MARK
        self._known = b""  # of the line, as far as it came
        self._field = b""
        self._after_cr = False  # the last line ended with a CR: an LF that follows belongs to it
        self._line_at = 0  # stream offset of the line
        self._id = ""  # of the next event
        self._done = False
        self._last_event_id = ""
        self._retry: int | None = None
        self._start_event()

    def _start_event(self) -> None:
        self._text: bytes | bytearray | None = None  # the data, as far as it came
        self._event = ""
        self._value = bytearray()  # of an event or id line under way
        self._event_size = self._id_size = 0
        self._block_retry: int | None = None
        self._line_retry = NONE
        self._first: int | None = None  # stream offset of the first line with data, event or id
        self._dropping = self._full = False

    def _abandon(self) -> None:
        last, retry, done = self._last_event_id, self._retry, self._done
        super()._abandon()
        self._last_event_id = self._id = last
        self._retry, self._done = retry, done
        if self._base:
            self._mode = NAME

    @property
    def last_event_id(self) -> str:
        """The last event id as of the last block that ended."""
        return self._last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds that came last, else None."""
        return self._retry

    @property
    def done(self) -> bool:
        """Whether no further input can give an item: ``iterate()`` then pulls no more."""
        return self._done

    def _is_done(self) -> bool:
        return self._done

    def batches(self, fragments: Iterable[Any]) -> Generator[Batch, None, None]:
        """Iterator of ``Batch`` objects, otherwise as ``iterate()``; a batch ends at the latest with its fragment."""
        return (
            self._start_run(fragments, EventBatch._of_items) if self._events else super().batches(fragments)
        )

    # ---- lines ----

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
        """A block ends where last_event_id or retry change: they are those of the items given."""
        block: list[Any] = []
        at = 0
        if self._done:
            return
        for piece in splittable(data):
            start = int(self._after_cr and piece[:1] == b"\n")
            if piece:
                self._after_cr = piece[-1] == 0x0D
            if self._mode == MARK:
                start = self._read_mark(piece, start)
            rest = piece[start:] if start else piece
            at += start
            if b"\r" in rest:
                parts = _line_ends.split(rest)
                lines, ends = parts[::2], parts[1::2]
            else:
                lines, ends = rest.split(b"\n"), None
            tail = lines.pop()
            for number, line in enumerate(lines):
                if self._mode == NAME and not self._known and not line:
                    if self._first is None and self._block_retry is None:
                        at += 1 if ends is None else len(ends[number])
                        continue  # a blank line after another one
                    if block and (self._id != self._last_event_id or len(block) == BLOCK):
                        yield block
                        block = []
                    block += self._dispatch()
                    if self._done:
                        yield block
                        return
                elif not self._simple(line, at):
                    self._advance(line, at)
                    if block and self._field == RETRY:
                        yield block
                        block = []
                    if self.error is None:
                        self._end_line()
                    if self.error is not None:
                        yield block
                        return
                at += len(line) + (1 if ends is None else len(ends[number]))
            self._advance(tail, at)
            at += len(tail)
            if self.error is not None:
                break
        yield block

    def _simple(self, line: bytes, at: int) -> bool:
        """Whether ``line`` is the first data of its event, and nothing else is to be looked at; it is then kept."""
        if line[:5] != b"data:" or self._mode != NAME or self._known or self._text is not None:
            return False
        value = line[6:] if line[5:6] == b" " else line[5:]
        if self._dropping or self._full or self._exceeds(len(value) + self._event_size + self._id_size):
            return False
        self._text = value
        if self._first is None:
            self._first = self._base + at
        return True

    def _read_mark(self, piece: bytes, at: int) -> int:
        """Pass over a byte-order mark; what only begins like one is a name that nobody knows."""
        while at < len(piece) and self._mode == MARK:
            if piece[at] != BOM[len(self._known)]:
                self._mode = PASS if self._known else NAME
                self._known = b""
                return at
            at += 1
            self._known = BOM[: len(self._known) + 1]
            if self._known == BOM:
                self._mode, self._known = NAME, b""
        return at

    def _advance(self, part: bytes, at: int) -> None:
        """Take in a part of a line, which lies ``at`` in the fragment."""
        if not part or self._mode in (MARK, PASS):
            return
        if self._mode == NAME:
            if not self._known:
                self._line_at = self._base + at
                self._field = b""
            colon = part.find(b":")
            name = self._known + (part[:6] if colon < 0 else part[: min(colon, 6)])
            if name not in UNTIL_COLON or (colon >= 0 and name not in FIELDS):
                self._mode, self._known = PASS, b""
                return
            self._known = name
            if colon < 0:
                return
            self._mode = COLON
            self._start_field()
            part = part[colon + 1 :]
        if self._mode == COLON and part:
            if part[:1] == b" ":
                part = part[1:]
            self._mode = VALUE
        if self._mode == VALUE:
            self._add(part)

    def _end_line(self) -> None:
        if self._mode == NAME and self._known in FIELDS:
            self._mode = COLON
            self._start_field()
        if self._mode in (COLON, VALUE) and self.error is None:
            self._end_field()
        self._mode, self._known = NAME, b""

    # ---- fields ----

    def _start_field(self) -> None:
        """The name is known."""
        field = self._field = self._known
        if field == RETRY:
            self._line_retry = NONE
            return
        if self._first is None:
            self._first = self._line_at
        if (self._dropping and field != ID) or (self._full and field == DATA):
            self._mode = PASS
        elif field != DATA:
            self._value.clear()
        elif self._text is None:
            self._text = b""
        elif self._exceeds(self._size() + 1):
            self._too_large()
        else:
            self._text = bytearray(self._text) if isinstance(self._text, bytes) else self._text
            self._text += b"\n"

    def _size(self) -> int:
        """Bytes held of the event, the line under way aside."""
        return len(self._text or b"") + self._event_size + self._id_size

    def _add(self, part: bytes) -> None:
        """A part of the value of a line."""
        field = self._field
        if field == RETRY:
            self._add_digits(part)
            return
        room = len(part)
        if self._max_size is not None:
            room = self._max_size - self._size()
            if field != DATA:
                room += (self._event_size if field == EVENT else self._id_size) - len(self._value)
        if field == ID and 0 <= part.find(b"\0") <= room:
            self._mode = PASS
            self._value.clear()
        elif len(part) > room:
            if field == DATA and self._on_oversize not in (RAISE, SKIP):
                self._add_data(part[:room])
            self._too_large()
        elif field == DATA:
            self._add_data(part)
        else:
            self._value += part

    def _add_data(self, part: bytes) -> None:
        if isinstance(self._text, bytearray):
            self._text += part
        else:
            self._text = bytearray(self._text + part) if self._text else part

    def _add_digits(self, part: bytes) -> None:
        value = self._line_retry
        for byte in part:
            if value == INVALID or byte not in DIGITS:
                value = INVALID
                break
            value = max(value, 0) * 10 + byte - 48
            if value > LARGEST_RETRY:
                value = INVALID
        self._line_retry = value

    def _end_field(self) -> None:
        if self._field == EVENT:
            self._event_size = len(self._value)
            self._event = self._value.decode("utf-8", "replace")
        elif self._field == ID:
            self._id_size = len(self._value)
            self._id = self._value.decode("utf-8", "replace")
        elif self._field == RETRY and self._line_retry >= 0:
            self._block_retry = self._retry = self._line_retry
        self._value.clear()

    def _too_large(self) -> None:
        assert self._max_size is not None
        assert self._first is not None
        field = self._field
        self._mode = PASS
        self._value.clear()
        if self._dropping:
            return
        if self._on_oversize == RAISE:
            self._fail(ItemTooLarge(self._max_size + 1, self._max_size, self._first), self._first)
        elif self._on_oversize == SKIP:
            self.skipped += 1
            self._dropping = True
            self._text = None
            self._event = ""
            self._event_size = self._id_size = 0
        elif field == DATA:
            self._full = True

    # ---- events ----

    def _dispatch(self) -> list[Any]:
        """The event of the block that ended, if there is one."""
        text = self._text
        items: list[Any] = []
        if text is not None:
            raw = bytes(text)
            if raw == self._stop and not self._full:
                self._done = True
            else:
                items.append(self._made(raw))
        self._last_event_id = self._id
        self._start_event()
        return items

    def _made(self, raw: bytes) -> Any:
        if not self._events and self._kind in (AS_BYTES, AS_VIEW):
            return raw if self._kind == AS_BYTES else memoryview(raw)
        text: str | bytes = raw
        if self._full:  # a character that was cut is left out
            text = codecs.getincrementaldecoder("utf-8")("replace").decode(raw)
        if self._events:
            return fill(Event.__new__(Event), self._event or "message", text, self._id, self._block_retry)
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else text

    def _settle(self, data: memoryview) -> None:
        """All that is unfinished is held already."""

    def _end(self) -> list[Any]:
        if self._done or self._on_incomplete == DROP:
            return []
        if self._on_incomplete == RAISE_INCOMPLETE:
            named = self._mode == NAME and self._known == DATA
            if not self._dropping and (self._text is not None or named):
                first = self._line_at if self._first is None else self._first
                self._fail(IncompleteItem(self._base - first, first), self._base)
            return []
        self._end_line()
        return [] if self.error is not None else self._dispatch()
