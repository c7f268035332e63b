"""A slow, obvious oracle of ``LengthPrefixed``, written from the formats: byte by byte, over the whole input."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from streamcore.errors import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge

FIXED = ("u8", "u16be", "u16le", "u24be", "u24le", "u32be", "u32le", "u64be", "u64le")


class More(Exception):
    """The input ends before this is decided."""


@dataclass
class FramesOracle:
    prefix: str = "u32be"
    offset: int = 0
    adjust: int = 0
    includes_prefix: bool = False
    keep_head: bool = False
    max_size: int | None = None
    on_oversize: str = "raise"
    on_incomplete: str = "raise"
    as_: Any = bytes
    items: list[Any] = field(default_factory=list)
    skipped: int = 0

    def run(self, data: bytes, _: Any = None) -> tuple[list[Any], Exception | None, int, int]:
        """Items, error, where its note puts it, how many were skipped."""
        start = 0
        try:
            while start < len(data):
                start = self.frame(data, start)
        except More:
            pass
        except (InvalidFrame, InvalidEncoding, ItemTooLarge) as error:
            return self.items, error, error.offset, self.skipped
        except IncompleteItem as error:
            return self.items, error, len(data), self.skipped
        return self.items, None, 0, self.skipped

    def frame(self, data: bytes, start: int) -> int:
        """Give the frame at ``start``; where the next one begins."""
        body = stop = len(data)
        try:
            value, body = self.length(data, start)
            size = value + self.adjust - (body - start - self.offset if self.includes_prefix else 0)
            if size < 0:
                raise InvalidFrame(f"the length {value} makes a body of {size} bytes", start)
            stop = body + size
            if self.max_size is not None and size > self.max_size:
                self.oversized(data, start, body, size)
            elif stop + (self.prefix == "ascii") > len(data):
                raise More
            if self.prefix == "ascii":
                if stop >= len(data):
                    raise More
                if data[stop : stop + 1] != b",":
                    raise InvalidFrame(
                        f"the body is followed by {data[stop : stop + 1]!r} instead of ','", start
                    )
            after = stop + (self.prefix == "ascii")
            if after > len(data):
                raise More
            if self.max_size is None or size <= self.max_size:
                self.emit(
                    data[start:after] if self.keep_head else data[body:stop],
                    start if self.keep_head else body,
                )
            return after
        except More:
            if self.on_incomplete == "raise":
                raise IncompleteItem(len(data) - start, start) from None
            gone = (
                self.max_size is not None
                and stop - body > self.max_size
                and (self.on_oversize == "skip" or len(data) - body >= self.max_size)
            )
            if self.on_incomplete == "emit" and body < len(data) and not gone:
                first = start if self.keep_head else body
                self.emit(data[first : stop if stop < len(data) else len(data)], first)
            raise

    def length(self, data: bytes, start: int) -> tuple[int, int]:
        """The value of the length field, and where the body begins."""
        at = start + self.offset
        if self.prefix in FIXED:
            width = int(self.prefix[1:].rstrip("ble")) // 8
            if at + width > len(data):
                raise More
            return int.from_bytes(
                data[at : at + width], "little" if self.prefix.endswith("le") else "big"
            ), at + width
        read = self.varint if self.prefix == "varint" else self.digits
        return read(data, at, start)

    def varint(self, data: bytes, at: int, start: int) -> tuple[int, int]:
        value = 0
        for number in range(10):
            if at + number >= len(data):
                raise More
            byte = data[at + number]
            value += (byte % 128) * 128**number
            if value >= 2**64 or (number == 9 and byte >= 128):
                break
            if byte < 128:
                return value, at + number + 1
        raise InvalidFrame("the length is a varint of 2**64 or more", start)

    def digits(self, data: bytes, at: int, start: int) -> tuple[int, int]:
        digits = b""
        while True:
            if at == len(data):
                raise More
            byte = data[at : at + 1]
            at += 1
            if byte == b":" and digits:
                return int(digits), at
            if byte not in [b"%d" % digit for digit in range(10)]:
                raise InvalidFrame(f"the length has {byte!r} where a digit or ':' belongs", start)
            digits += byte
            if len(digits) > 1 and digits[:1] == b"0":
                raise InvalidFrame("the length has a leading zero", start)
            if len(digits) > 20:
                raise InvalidFrame("the length has more than 20 digits", start)

    def oversized(self, data: bytes, start: int, body: int, size: int) -> None:
        assert self.max_size is not None
        if self.on_oversize == "raise":
            raise ItemTooLarge(size, self.max_size, start)
        if self.on_oversize == "skip":
            self.skipped += 1
        elif len(data) - body < self.max_size:
            raise More
        else:
            piece = data[body : body + self.max_size]
            if self.as_ is str:
                piece = whole_characters(piece)
            first = start if self.keep_head else body
            self.emit(data[first:body] + piece, first)

    def emit(self, piece: bytes, start: int) -> None:
        if self.as_ is not str:
            self.items.append(piece)
            return
        try:
            self.items.append(piece.decode())
        except UnicodeDecodeError as error:
            bad = piece[error.start : error.end]
            raise InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, start + error.start) from None


def whole_characters(piece: bytes) -> bytes:
    """Without a character at its end that lacks bytes."""
    for back in (1, 2, 3):
        lead = piece[-back] if back <= len(piece) else 0
        if lead < 0x80:
            break
        if lead >= 0xC0:
            return piece[:-back] if back < (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4) else piece
    return piece


def field_of(options: dict[str, Any], value: int, rng: random.Random) -> bytes:
    """A length field, as well as it can hold ``value``."""
    prefix = options["prefix"]
    if prefix == "ascii":
        return b"%d:" % max(value, 0)
    if prefix == "varint":
        value, out = max(value, 0), bytearray()
        while value > 127:
            out.append(value % 128 + 128)
            value //= 128
        out.append(value)
        if rng.random() < 0.2:
            out[-1] += 128
            out += bytes(rng.randrange(2)).replace(b"\0", b"\x80") + b"\0"
        return bytes(out)
    width = int(prefix[1:].rstrip("ble")) // 8
    return min(max(value, 0), 256**width - 1).to_bytes(width, "little" if prefix.endswith("le") else "big")


def random_frame_options(rng: random.Random) -> dict[str, Any]:
    prefix = rng.choice((*FIXED, "varint", "varint", "ascii", "ascii"))
    return {
        "prefix": prefix,
        "offset": 0 if prefix == "ascii" else rng.choice((0, 0, 1, 3)),
        "adjust": rng.choice((0, 0, 0, 1, -1, 4, -3)),
        "includes_prefix": prefix in FIXED and rng.random() < 0.3,
        "keep_head": rng.random() < 0.4,
        "max_size": rng.choice((None, None, 1, 3, 8, 30)),
        "on_oversize": rng.choice(("raise", "skip", "truncate")),
        "on_incomplete": rng.choice(("emit", "drop", "raise")),
        "as_": rng.choice((bytes, bytes, "view", str)),
    }


def random_frames(rng: random.Random, options: dict[str, Any]) -> bytes:
    """Frames, most of them right, the last one often cut off."""
    parts = []
    for _ in range(rng.choice((0, 1, 2, 5, 40))):
        body = "aé€🙂,:0"[: rng.randrange(8)].encode() * rng.choice((1, 1, 1, 20))
        value = len(body) - options["adjust"] + (rng.random() < 0.02)
        if options["includes_prefix"]:
            value += int(options["prefix"][1:].rstrip("ble")) // 8
        parts += [bytes(rng.choices(b"ab", k=options["offset"])), field_of(options, value, rng), body]
        if options["prefix"] == "ascii":
            parts.append(b"," if rng.random() < 0.98 else b";")
    data = b"".join(parts)
    if rng.random() < 0.1:
        data += rng.choice(
            (b"\xff" * 12, b"0" * 3, b"9" * 22, b"18446744073709551616:a", b"\x80" * 9 + b"\x02", b":")
        )
    return data[: len(data) - rng.choice((0, 0, 1, 2, 5))]
