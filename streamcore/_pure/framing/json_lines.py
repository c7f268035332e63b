"""JSON Lines, and JSON text sequences (native: ``_native.framing.json_lines``)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..._shared import options
from ..._shared.events import BOM
from ..._shared.records import (
    BEFORE_THE_FIRST,
    LEAD,
    SHOWN,
    UNTERMINATED,
    checked_record,
    loads_option,
    noted,
    oversize_option,
    place_of,
)
from ...batch import Batch
from ...errors import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge
from ..engine.span_engine import AS_BYTES, AS_STR, BLOCK, DROP, RAISE_INCOMPLETE, Engine, splittable
from ..engine.span_engine import SKIP as SKIP_OVERSIZE

__all__ = ["InvalidRecord", "JSONLinesEngine"]

FAIL, SKIP, YIELD = range(3)


class InvalidRecord:
    """InvalidRecord(line, offset, raw, error)
    --

    A record that ``loads`` refused: the number of its line, from 1, the byte offset of that, its bytes, and the
    exception.
    """

    __slots__ = ("error", "line", "offset", "raw")
    __match_args__ = ("line", "offset", "raw", "error")

    line: int
    offset: int
    raw: bytes
    error: Exception

    def __new__(cls, line: int, offset: int, raw: bytes, error: Exception) -> InvalidRecord:
        made = object.__new__(cls)
        for name, value in zip(cls.__match_args__, checked_record(line, offset, raw, error), strict=True):
            object.__setattr__(made, name, value)
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute {name!r} of 'InvalidRecord' objects is not writable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"attribute {name!r} of 'InvalidRecord' objects is not writable")

    def __repr__(self) -> str:
        return (
            f"InvalidRecord(line={self.line}, offset={self.offset}, raw={self.raw!r}, error={self.error!r})"
        )

    def __hash__(self) -> int:
        return hash((self.line, self.offset, self.raw, type(self.error)))

    def __eq__(self, other: object) -> bool:
        """Whether it is the same record, refused by an exception of the same type and arguments."""
        if type(other) is not InvalidRecord:
            return NotImplemented
        mine, others = (self.line, self.offset, self.raw), (other.line, other.offset, other.raw)
        return bool(
            mine == others and type(self.error) is type(other.error) and self.error.args == other.error.args
        )

    def __reduce__(self) -> tuple[type[InvalidRecord], tuple[int, int, bytes, Exception]]:
        return InvalidRecord, (self.line, self.offset, self.raw, self.error)


class JSONLinesEngine(Engine):
    """JSONLinesEngine(loads=json.loads, *, on_error='raise', sequence=False, max_size=67108864, ...)
    --

    Cuts lines and gives what ``loads`` makes of each; with ``sequence`` the texts of RFC 7464. Batches have the lines.
    """

    def __init__(
        self,
        loads: Callable[[Any], Any] = json.loads,
        *,
        on_error: str = "raise",
        sequence: bool = False,
        max_size: int | None = options.DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "emit",
        as_: Any = bytes,
    ) -> None:
        self._loads = loads_option(loads)
        self._on_error = options.choice_option("on_error", on_error, ("raise", "skip", "yield"))
        self._sequence = options.flag_option("sequence", sequence)
        self._white = b" \t\r\n" if self._sequence else b" \t\r"
        self._end_byte = b"\x1e" if self._sequence else b"\n"
        self._find_other = re.compile(b"[^" + self._white + b"]").search
        self._bare = False  # batches are made, of the lines
        super().__init__("JSONLines", as_, False, max_size, oversize_option(on_oversize), on_incomplete)

    def _clear(self) -> None:
        super()._clear()
        self._lines = 0  # that have ended
        self._marked = False  # what may be a byte-order mark was passed
        self._begun = False  # something other than white space has come of the line
        self._let_go: int | None = None  # where the line began, if white space of its beginning was let go of

    def _run(
        self, fragments: Iterator[Any], pack: Callable[[list[Any]], Batch] | None
    ) -> Generator[Any, None, None]:
        self._bare = pack is not None
        try:
            yield from super()._run(fragments, pack)
        finally:
            self._bare = False

    # ---- lines ----

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
        """One item each, so that ``loads`` is not called before its item is wanted."""
        if not self._marked and not self._pass_mark(data):
            return
        block: list[Any] = []
        most = BLOCK if self._bare else 1
        limit = self._max_size or sys.maxsize
        begins = 0
        for piece in splittable(data):
            at = begins
            begins += len(piece)
            lines = piece.split(self._end_byte)
            lines.pop()
            whole: list[Any] = []  # behind the first line, if none begins with white space
            plain = self._bare and self._kind == AS_BYTES and len(piece) <= limit
            if plain and min(lines[1:], default=b"") >= b"!":
                whole, lines = lines[1:], lines[:1]
            for line in lines:
                stop = at + len(line)
                if 0 < at == self._start and line[:1] > b" " and len(line) <= limit:
                    block += self._record(at, stop, line)
                elif self._discarded is None and self._begins(data, stop):
                    if self._exceeds(self._base + stop - self._line_at()):
                        self._leave_out(self._line_at(), stop)
                    else:
                        block += self._record(self._start, stop)
                if self.error is not None:
                    yield block
                    return
                self._begun = False
                self._let_go = self._discarded = None
                self._lines += 1
                self._start = at = stop + 1
                if len(block) >= most:
                    yield block
                    block = []
            if whole:
                block += whole
                self._lines += len(whole)
                self._start = begins - len(piece) + piece.rfind(self._end_byte) + 1
        yield block
        self._hold(data)

    def _end(self) -> list[Any]:
        start = -len(self._carry)
        at = self._line_at() if self._discarded is None else self._discarded
        if self._discarded is None and not (self._begun or (start and not self._marked)):
            return []
        if self._discarded is None and self._exceeds(self._base - at):  # what only began like a mark
            self._leave_out(at, 0)
        ended = self._has_line_end()
        if self.error is None and self._on_incomplete == RAISE_INCOMPLETE and not ended:
            self._fail(IncompleteItem(self._base - at, at), self._base)
        if (
            self.error is not None
            or self._discarded is not None
            or (self._on_incomplete == DROP and not ended)
        ):
            return []
        return self._record(start, 0)

    def _line_at(self) -> int:
        """The stream offset of the line."""
        return self._base + self._start if self._let_go is None else self._let_go

    def _pass_mark(self, data: memoryview) -> bool:
        """False if all that is there may be the beginning of a byte-order mark."""
        start = self._start
        if self._base + start == 0:
            head = self._join(start, min(start + 3, len(data)))
            if head == BOM:
                self._start = start + 3
            elif BOM.startswith(head):
                return False
            else:
                self._begun = start < 0
        self._marked = True
        return True

    def _begins(self, data: memoryview, stop: int) -> bool:
        """Whether the line up to ``stop`` has anything but white space."""
        start = self._start
        if not self._begun and (start < 0 or data[start] <= 32):
            other = self._find_other(data, max(start, 0), stop)
            if other is None:
                return False
            if self._base + other.start() - self._line_at() > LEAD:
                self._drop(other.start())
        self._begun = True
        return True

    def _drop(self, stop: int) -> None:
        """Let go of the white space that opens the line."""
        self._let_go = self._line_at()
        self._start = stop

    def _hold(self, data: memoryview) -> None:
        """The fragment ends within a line."""
        at, size = self._line_at(), len(data)
        if self._discarded is not None:
            self._start = size
        elif self._start == size or not self._begins(data, size):
            if self._base + size - at > LEAD:
                self._drop(size)
        elif self._exceeds(self._base + size - at):
            self._leave_out(at, size)

    def _leave_out(self, at: int, stop: int) -> None:
        """The line is too large: it vanishes up to its end, or fails."""
        if self._on_oversize == SKIP_OVERSIZE:
            self.skipped += 1
            self._discarded = at
            self._start = stop
        else:
            assert self._max_size is not None
            self._fail(ItemTooLarge(self._max_size + 1, self._max_size, at), at)

    # ---- records ----

    def _record(self, start: int, stop: int, line: bytes | None = None) -> list[Any]:
        """What becomes of the record [start, stop), ``line`` if known: nothing if it is bad, and skipped or failed."""
        self._changing = True  # what ends loads may be meant for all
        try:
            if self._sequence and not self._bare:
                self._check_text(start, stop)
            text = self._text(start, stop) if line is None or self._kind != AS_BYTES else line
            return [text if self._bare else self._loads(text)]
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - any of them, as the caller wished
            return self._refused(error, start, stop)

    def _text(self, start: int, stop: int) -> Any:
        """What ``loads`` gets, and batches."""
        if self._kind != AS_STR:
            return self._item(start, stop)
        try:
            return str(self._join(start, stop), "utf-8")
        except UnicodeDecodeError as error:
            bad = error.object[error.start : error.end]
            at = self._base + start + error.start
            raise InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, at) from None

    def _check_text(self, start: int, stop: int) -> None:
        """InvalidFrame for a text of a sequence that breaks the format, whatever JSON it is."""
        if self._lines == 0:
            raise InvalidFrame(BEFORE_THE_FIRST, self._line_at())
        if self._at(stop - 1) not in self._white:
            first = self._join(start, stop).lstrip(self._white)[:1]
            if first not in (b"{", b"[", b'"'):
                raise InvalidFrame(UNTERMINATED, self._line_at())

    def _has_line_end(self) -> bool:
        """Whether the text of a sequence that the end of input ends has its line end."""
        if not self._sequence or self._discarded is not None:
            return False
        return b"\n" in self._carry[len(self._carry.rstrip(self._white)) :]

    def _refused(self, error: Exception, start: int, stop: int) -> list[Any]:
        """What becomes of a record that is bad because of ``error``."""
        line, at = self._number(), self._line_at()
        if self._on_error == SKIP:
            self.skipped += 1
            return []
        if self._on_error == YIELD and not self._bare:
            raw = self._join(start, stop)
            return [InvalidRecord(line, at, raw, BaseException.with_traceback(error, None))]
        raw = self._join(start, min(stop, start + SHOWN))
        self.error = noted(error, f"{place_of(line, at, self._sequence)}: {raw!r}")
        return []

    def _number(self) -> int:
        """The number of the line, from 1; of a text of a sequence, of the separator before it."""
        return self._lines + (not self._sequence)

    def _fail(self, error: BaseException, offset: int) -> None:
        self.error = noted(error, place_of(self._number(), offset, self._sequence))
