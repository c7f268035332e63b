"""Engines that cut bytes into frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .engine import engine
from .table import VALUE, Box, Native, attributes, method

EVENT = (*VALUE, *attributes("event", "data", "id", "retry"), method("encode"))
EVENTS = (
    b"data: one\nid: 5\n\ndata: t",
    b"wo\n\nretry: 7\r\nevent: x\r\ndata: a\r\ndata: b\r\n\r\n: c\n" * 3,
)

# Numbers, so that int can be what parses them: of code in Python any line may fail without memory.
RECORDS = b"1\n \n2", b"3\nx\n \t\r\n" + b" 5\n12345678\n\xff\r\n" * 4 + b"6"
TEXTS = b"\x1e1\n\x1e2", b"3\n\x1e4\x1e\n\x1e5 \x1e\xff\n\x1e6\n"
RECORD = (*VALUE, *attributes("line", "offset", "raw", "error"))


def called_back() -> Native:
    """Its ``loads`` is code of others."""
    plain = engine("JSONLinesEngine", int, fragments=RECORDS, on_error="skip")

    def make(backend: Any, box: Box) -> Any:
        def loads(line: bytes) -> int:
            box.callback("loads")
            return int(line)

        made = backend.JSONLinesEngine(loads, on_error="skip")
        made.feed(RECORDS[0])
        return made

    return replace(plain, label="JSONLinesEngine that calls back", make=make, callbacks=("loads",))


def record(backend: Any, box: Box) -> Any:
    return backend.InvalidRecord(3, 17, b"{", ValueError("no"))


def event(backend: Any, box: Box) -> Any:
    (made,) = backend.ServerSentEventsEngine().feed(b"event: e\nid: 1\nretry: 5\ndata: one\xff\n\n")
    return made


# A frame of the first fragment is finished by the second, or by the first again, with its last byte.
FRAMES: tuple[tuple[str, dict[str, Any], bytes, bytes], ...] = (
    ("u8", {}, b"\3one\13two", b"\7 three \0\2ab\5f"),
    ("varint", {"as_": "view", "keep_head": True, "max_size": 4, "on_oversize": "truncate"},
     b"\3one\13two", b"\x86\0 three\x82\0ab\0\xf0"),
    ("ascii", {"as_": str, "max_size": 5, "on_oversize": "skip", "borrow": True},
     b"3:one,14:tw,", b"2:\xc3\xa9,4:abcd,1:x,7:abcdefg,2:"),
    ("u16le", {"offset": 1, "adjust": -1}, b"x\4\0oney\x0e\0tw", b"z\x09\0 threefo" + b"z\3\0ab" * 4 + b"z"),
)  # fmt: skip


def length_prefixed(prefix: str, options: dict[str, Any], *fragments: bytes) -> Native:
    return engine("LengthPrefixedEngine", prefix, fragments=fragments, on_incomplete="emit", **options)


# Sizes and options of chunks, and how much of a text that never repeats is in each fragment.
CHUNKS: tuple[tuple[tuple[Any, ...], dict[str, Any], int, int], ...] = (
    ((256, 64, 1024), {}, 700, 3000),
    ((257, 65, 1025), {"algorithm": "fastcdc2016", "as_": bytes}, 61, 2001),
    ((300,), {"algorithm": "ram", "digest": len}, 200, 1500),
)
TEXT = b"".join(b"%d," % (n * n) for n in range(700))
CHUNK = (*VALUE, *attributes("data", "offset", "digest"))


def content_defined(sizes: tuple[Any, ...], options: dict[str, Any], first: int, second: int) -> Native:
    fragments = TEXT[:first], TEXT[first : first + second]
    return engine("ContentDefinedEngine", *sizes, fragments=fragments, **options)


CLASSES: list[Native] = [
    engine("FixedSizeEngine", 7),
    engine("FixedSizeEngine", 7, as_=bytes, borrow=True),
    *[content_defined(*row) for row in CHUNKS],
    Native("Chunk", "Chunk", lambda backend, box: backend.Chunk(b"data", 3, b"d"), CHUNK, repr, repr),
    engine("LinesEngine"),
    engine("LinesEngine", as_=str, newline="universal", borrow=True),
    engine("LinesEngine", as_="view", keepends=True, max_size=4, on_oversize="truncate"),
    engine("LinesEngine", max_size=9, on_incomplete="raise"),
    engine("DelimitedEngine", b";", b"one"),
    engine("DelimitedEngine", "é".encode(), as_=str, keep=True, borrow=True),
    *[length_prefixed(*row) for row in FRAMES],
    engine("ServerSentEventsEngine", fragments=EVENTS),
    engine("ServerSentEventsEngine", fragments=EVENTS, as_=str, stop="two", on_incomplete="emit"),
    engine("ServerSentEventsEngine", fragments=EVENTS, as_="view", max_size=2, on_oversize="truncate"),
    engine("ServerSentEventsEngine", fragments=EVENTS, as_=bytes, max_size=4, on_incomplete="raise"),
    engine("JSONLinesEngine", int, on_error="yield", fragments=RECORDS),
    engine(
        "JSONLinesEngine", int, on_error="skip", as_="view", max_size=6, on_oversize="skip", fragments=RECORDS
    ),
    engine("JSONLinesEngine", int, as_=str, on_incomplete="raise", fragments=RECORDS),
    engine("JSONLinesEngine", int, sequence=True, on_error="yield", fragments=TEXTS),
    called_back(),
    Native("InvalidRecord", "InvalidRecord", record, RECORD, repr, repr),
    Native("Event", "Event", event, EVENT, repr, repr),
]
