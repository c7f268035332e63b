"""What ``LengthPrefixed`` frames are: the options, checked, and the length field written, for both backends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ItemTooLarge
from .notes import add_note
from .options import choice_option, count_option, flag_option, int_option, shown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["PREFIXES", "Prefix", "wrong_digit", "wrong_end"]

PREFIXES = (
    "u8", "u16be", "u16le", "u24be", "u24le", "u32be", "u32le", "u64be", "u64le", "varint", "ascii",
)  # fmt: skip
WIDTHS = (1, 2, 2, 3, 3, 4, 4, 8, 8)
MOST_VARINT_BYTES = 10
MOST_DIGITS = 20

VARINT_TOO_LARGE = "the length is a varint of 2**64 or more"
LEADING_ZERO = "the length has a leading zero"
TOO_MANY_DIGITS = "the length has more than 20 digits"
COMMA = 0x2C


def wrong_digit(byte: int) -> str:
    """Why a netstring is none: what stands where its length does."""
    return f"the length has {bytes((byte,))!r} where a digit or ':' belongs"


def wrong_end(byte: int) -> str:
    """Why a netstring is none: what stands behind its body."""
    return f"the body is followed by {bytes((byte,))!r} instead of ','"


class Prefix:
    """The options that say what a frame looks like.

    ``width`` is that of the field, 0 where it varies; ``adjust`` is what is added to its value to get the size of the
    body, ``includes_prefix`` taken into account; ``most`` is the greatest value that the field holds.
    """

    __slots__ = ("adjust", "ascii", "most", "name", "offset", "order", "varint", "width")

    def __init__(self, prefix: Any, offset: Any, adjust: Any, includes_prefix: Any) -> None:
        kind = choice_option("prefix", prefix, PREFIXES)
        self.name = PREFIXES[kind]
        self.varint = self.name == "varint"
        self.ascii = self.name == "ascii"
        self.width = WIDTHS[kind] if kind < len(WIDTHS) else 0
        self.order: Literal["big", "little"] = "little" if self.name.endswith("le") else "big"
        self.offset = count_option("offset", offset)
        if self.offset > sys.maxsize // 2:
            raise ValueError(f"offset must be at most {sys.maxsize // 2}, got {shown(self.offset)}")
        if self.offset and self.ascii:
            raise ValueError(f"offset must be 0 with prefix='ascii', got {self.offset}")
        self.adjust = _adjust_option(adjust)
        if flag_option("includes_prefix", includes_prefix):
            if not self.width:
                raise ValueError(
                    f"includes_prefix must be false with prefix={self.name!r}, got {includes_prefix!r}"
                )
            self.adjust -= self.width
        self.most = 10**MOST_DIGITS - 1 if self.ascii else (1 << 8 * (self.width or 8)) - 1
        if self.most + self.adjust < 0:
            raise ValueError(
                f"no frame has a size: prefix={self.name!r} holds at most {self.most},"
                f" and {self.adjust} is added to it"
            )

    def negative(self, value: int) -> str:
        """Why a frame with this in its length field is none."""
        return f"the length {value} makes a body of {value + self.adjust} bytes"

    def frame(self, body: ReadableBuffer, head: ReadableBuffer) -> bytes:
        """The frame of ``body``, with ``head`` as what stands before the length."""
        body, head = _plain("body", body), _plain("head", head)
        if len(head) != self.offset:
            raise ValueError(f"head must be the {self.offset} bytes before the length, got {len(head)}")
        value = len(body) - self.adjust
        if not 0 <= value <= self.most:
            error = ItemTooLarge(len(body), self.most + self.adjust, 0)
            add_note(error, f"its length in a frame of prefix={self.name!r} would be {value}")
            raise error
        if self.ascii:
            return b"%d:%b," % (value, body)
        return b"".join((head, self.field(value), body))

    def field(self, value: int) -> bytes:
        """The length field."""
        if self.width:
            return value.to_bytes(self.width, self.order)
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        return bytes(out)


def _adjust_option(value: Any) -> int:
    adjust = int_option("adjust", value)
    if not -(1 << 62) <= adjust <= 1 << 62:
        raise ValueError(f"adjust must be from -2**62 to 2**62, got {shown(adjust)}")
    return adjust


def _plain(name: str, data: ReadableBuffer) -> bytes:
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise TypeError(f"{name} must be bytes-like, got {type(data).__name__}") from None
