"""Frames that begin with their length (native: ``_native.framing.length_prefixed``)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from ..._shared import length_prefixes, options
from ...errors import InvalidFrame, ItemTooLarge
from ..engine.span_engine import AS_BYTES, AS_STR, BLOCK, EMIT, SKIP, TRUNCATE, Engine

__all__ = ["LengthPrefixedEngine"]

FORMATS = {
    "u8": "B",
    "u16be": ">H",
    "u16le": "<H",
    "u32be": ">I",
    "u32le": "<I",
    "u64be": ">Q",
    "u64le": "<Q",
}
BYTES = 1 << 17  # a block of items ends after so many
LONGEST = length_prefixes.MOST_DIGITS + 1  # no length field has more bytes
DIGITS = frozenset(b"0123456789")


class LengthPrefixedEngine(Engine):
    """Cuts frames: ``offset`` bytes, a length field, and as many bytes of body as that says."""

    def __init__(
        self,
        prefix: str = "u32be",
        *,
        offset: int = 0,
        adjust: int = 0,
        includes_prefix: bool = False,
        keep_head: bool = False,
        max_size: int | None = options.DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "raise",
        as_: Any = bytes,
        borrow: bool = False,
    ) -> None:
        self._prefix = length_prefixes.Prefix(prefix, offset, adjust, includes_prefix)
        self._keep_head = options.flag_option("keep_head", keep_head)
        self._tail = int(self._prefix.ascii)  # the comma of a netstring
        self._read = self._many_varint if self._prefix.varint else self._many_fixed
        self._value_of = self._value_reader()
        super().__init__("LengthPrefixed", as_, borrow, max_size, on_oversize, on_incomplete)

    def _clear(self) -> None:
        super()._clear()
        self._rest = 0  # of the body of an oversized frame: bytes to come, and whether a comma follows them
        self._comma = False

    def _value_reader(self) -> Callable[[Any, int], tuple[int]]:
        """Reads a length field of a fixed width; what a struct cannot hold, by itself."""
        if self._prefix.name in FORMATS:
            return struct.Struct(FORMATS[self._prefix.name]).unpack_from
        width, order = self._prefix.width, self._prefix.order
        return lambda source, at: (int.from_bytes(source[at : at + width], order),)

    # ---- one frame ----

    def _length(self, start: int) -> tuple[int, int] | None:
        """The length in the frame at ``start`` and where its body begins; None if it is not all there, or wrong."""
        at = start + self._prefix.offset
        size = 0 if self._data is None else len(self._data)
        width = self._prefix.width
        if width:
            if size - at < width:
                return None
            field = self._join(at, at + width)
            return int.from_bytes(field, self._prefix.order), at + width
        if at >= size:
            return None
        field = self._join(at, min(size, at + LONGEST))
        found = self._varint(field, start) if self._prefix.varint else self._digits(field, start)
        return None if found is None else (found[0], at + found[1])

    def _varint(self, field: bytes, start: int) -> tuple[int, int] | None:
        value = 0
        for i, byte in enumerate(field):
            if i == length_prefixes.MOST_VARINT_BYTES - 1 and byte > 1:
                self._refuse(length_prefixes.VARINT_TOO_LARGE, start)
                return None
            value |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                return value, i + 1
        return None

    def _digits(self, field: bytes, start: int) -> tuple[int, int] | None:
        for i, byte in enumerate(field):
            if byte not in DIGITS:
                if byte == 0x3A and i:
                    return int(field[:i]), i + 1
                self._refuse(length_prefixes.wrong_digit(byte), start)
                return None
            if i and field[0] == 0x30:
                self._refuse(length_prefixes.LEADING_ZERO, start)
                return None
            if i == length_prefixes.MOST_DIGITS:
                self._refuse(length_prefixes.TOO_MANY_DIGITS, start)
                return None
        return None

    def _take(self, data: memoryview) -> Any:
        """The next frame's item; None when there is none, or the engine has failed, or something was left out."""
        start = self._start
        found = self._length(start)
        if found is None:
            return None
        value, body = found
        size = value + self._prefix.adjust
        if size < 0:
            return self._refuse(self._prefix.negative(value), start)
        if self._exceeds(size):
            return self._take_oversized(data, body, size)
        stop = body + size
        if stop + self._tail > len(data):
            return None
        if self._tail and self._at(stop) != length_prefixes.COMMA:
            return self._refuse(length_prefixes.wrong_end(self._at(stop)), start)
        item = self._item(start, stop + self._tail) if self._keep_head else self._item(body, stop)
        if item is not None:
            self._start = stop + self._tail
        return item

    def _take_oversized(self, data: memoryview, body: int, size: int) -> Any:
        """What max_size makes of the frame whose head is read: its beginning when truncating, else None."""
        assert self._max_size is not None
        start, stop, item = self._start, body, None
        if self._on_oversize == TRUNCATE:
            if len(data) - body < self._max_size:
                return None
            stop += self._max_size
            item = self._item(start if self._keep_head else body, self._whole_characters(body, stop))
            if item is None:
                return None
        elif self._on_oversize == SKIP:
            self.skipped += 1
        else:
            offset = self._base + start
            self._fail(ItemTooLarge(size, self._max_size, offset), offset)
            return None
        self._discarded = self._base + start
        self._start = stop
        self._rest = size - (stop - body)
        self._comma = bool(self._tail)
        return item

    def _whole_characters(self, body: int, stop: int) -> int:
        """``stop``, or for str where a character begins that does not fit before it."""
        if self._kind != AS_STR:
            return stop
        for at in range(stop - 1, max(body, stop - 3) - 1, -1):
            byte = self._at(at)
            if byte < 0x80:
                return stop
            if byte >= 0xC0:
                return at if at + (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) > stop else stop
        return stop

    def _pass_over(self, data: memoryview) -> None:
        """Leave out what is there of an oversized frame."""
        size = min(self._rest, len(data) - self._start)
        self._start += size
        self._rest -= size
        if self._rest:
            return
        if self._comma:
            if self._start == len(data):
                return
            if self._at(self._start) != length_prefixes.COMMA:
                assert self._discarded is not None
                self._fail_at(length_prefixes.wrong_end(self._at(self._start)), self._discarded)
                return
            self._start += 1
        self._discarded = None

    # ---- all frames of a fragment ----

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
        plain = self._kind == AS_BYTES and not self._tail
        one_by_one = (
            plain or self._on_oversize == SKIP
        )  # what is skipped is counted after the items before it are out
        block: list[Any] = []
        while self.error is None:
            if self._discarded is not None:
                self._pass_over(data)
                if self._discarded is not None:
                    break
            if plain and self._start >= 0:
                yield self._many(data)
                if self.error is not None:
                    return
            before = self._start
            item = self._take(data)
            if item is not None:
                block.append(item)
                if one_by_one or len(block) == BLOCK:
                    yield block
                    block = []
            elif self._start == before and self._discarded is None:
                break
        yield block

    def _many(self, data: memoryview) -> list[Any]:
        """The frames that are complete and right, a block of them at most; none where some may be too large."""
        if self._exceeds(len(data)):
            return []
        if isinstance(data.obj, bytes) and len(data.obj) == len(data):
            return self._read(data.obj)  # slices of bytes take a third of the time
        return list(map(bytes, self._read(data)))

    def _many_fixed(self, source: bytes | memoryview) -> list[Any]:
        items: list[Any] = []
        offset, head = self._prefix.offset, self._prefix.offset + self._prefix.width
        whole, negative = head + self._prefix.adjust, self._prefix.adjust < 0
        begin = 0 if self._keep_head else head
        start, size, append, value_of = self._start, len(source), items.append, self._value_of
        last = min(size, start + BYTES) - head
        while start <= last:
            stop = start + whole + value_of(source, start + offset)[0]
            if stop > size or (negative and stop < start + head):
                break
            append(source[start + begin : stop])
            start = stop
        self._start = start
        return items

    def _many_varint(self, source: bytes | memoryview) -> list[Any]:
        items: list[Any] = []
        offset, adjust, keep = self._prefix.offset, self._prefix.adjust, self._keep_head
        start, size, append = self._start, len(source), items.append
        last = min(size, start + BYTES) - offset - 1
        while start <= last:
            at = start + offset
            value = source[at]
            at += 1
            if value > 0x7F:
                if at < size and source[at] < 0x80:
                    value += (source[at] - 1) << 7
                    at += 1
                else:
                    found = self._length(start)
                    if found is None:
                        break
                    value, at = found
            stop = at + value + adjust
            if not at <= stop <= size:
                break
            append(source[start if keep else at : stop])
            start = stop
        self._start = start
        return items

    def _end(self) -> list[Any]:
        start = -len(self._carry)
        if self._discarded is not None or not start or self._on_incomplete != EMIT:
            return self._incomplete()
        item, found = None, self._length(start)
        if found is not None and found[1] < 0:
            value, body = found
            stop = min(0, body + value + self._prefix.adjust)
            item = self._item(start if self._keep_head else body, stop)
        self._carry = b""
        return [] if item is None else [item]

    # ---- errors ----

    def _refuse(self, reason: str, start: int) -> None:
        self._fail_at(reason, self._base + start)

    def _fail_at(self, reason: str, offset: int) -> None:
        self._fail(InvalidFrame(reason, offset), offset)
