"""The records of a part, in order, a block of them at a time: no part is held, only its longest record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..stages.lines import Delimited, Lines
from .borders import first_start
from .errors import BadRecord
from .inputs import Input, is_remote
from .long_texts import LongText, long_text
from .parts import Part, Piece
from .planning import Plan
from .reading import Ranges, fragments, open_ranges, unpacked
from .splits import separator_of

MARK = b"\xef\xbb\xbf"
BEYOND = 64 * 1024  # bytes of the first read behind the end of a piece; the next ones double
LONG = 4 << 20  # bytes from which on a line of JSON is not made a str


class Record(NamedTuple):
    """``content`` starts at byte ``offset`` of ``uri`` (of what it holds, if it is compressed).

    It is bytes, with ``jsonl`` the str under the key; then ``offset`` is that of the line.
    """

    uri: str
    offset: int
    content: bytes | str


class RecordBlock(NamedTuple):
    """Records of one file that came together: ``offsets`` and ``contents`` have the same length."""

    uri: str
    offsets: list[int]
    contents: list[Any]


def read_records(plan: Plan, part: Part) -> Iterator[Record]:
    """The records that start in the part, one by one; ``read_blocks`` costs less."""
    for uri, offsets, contents in read_blocks(plan, part):
        for offset, content in zip(offsets, contents, strict=True):
            yield Record(uri, offset, content)


def read_blocks(plan: Plan, part: Part) -> Iterator[RecordBlock]:
    """The records that start in the part, as many at once as a read completed.

    A file is open only while its records are read. ``InputChanged`` where a file is not what the plan saw,
    ``BadRecord`` where a line has no text under the key, after the records before it.
    """
    return blocks_of_part(plan, part, in_pieces=False)


def blocks_of_part(plan: Plan, part: Part, *, in_pieces: bool) -> Iterator[RecordBlock]:
    """As ``read_blocks``; long texts of JSON are each a ``LongText`` if ``in_pieces``.

    What a block holds is held nowhere else, so who takes a record out of ``contents`` can let it go.
    """
    for piece in part.pieces:
        entry = plan.input(piece.uri)
        with open_ranges(entry, plan.storage_options) as file:
            yield from blocks_of(plan, piece, entry, file, in_pieces)


def blocks_of(plan: Plan, piece: Piece, entry: Input, file: Ranges, in_pieces: bool) -> Iterator[RecordBlock]:
    separator = separator_of(plan.split)
    packed = entry.compression
    if separator is None:
        yield RecordBlock(piece.uri, [piece.start], [whole(file, piece, packed)])
        return
    if packed is not None:
        blocks = cut(unpacked(file, packed), 0, None, plan.split)
    else:
        start = first_start(file, piece.start, piece.end, separator)
        if start is None:
            return
        blocks = cut(onwards(file, start, piece.end), start, piece.end, plan.split)
    for offsets, items in blocks:
        if plan.split == "jsonl":
            yield from texts(piece.uri, offsets, items, plan.key, in_pieces)
        else:
            yield RecordBlock(piece.uri, offsets, items)


def whole(file: Ranges, piece: Piece, packed: str | None) -> bytes:
    if packed is not None:
        return b"".join(unpacked(file, packed))
    if is_remote(piece.uri):
        return b"".join(fragments(file, piece.start, piece.end))
    return file.read(piece.start, piece.end)


def onwards(file: Ranges, start: int, end: int) -> Iterator[bytes]:
    """The range, then what follows it in growing reads, for a record that goes on there."""
    yield from fragments(file, start, end)
    size = BEYOND
    while end < file.size:
        data = file.read(end, min(end + size, file.size))
        end += len(data)
        size = min(2 * size, file.block)
        yield data


def cut(
    source: Iterator[bytes], at: int, end: int | None, split: str | bytes
) -> Iterator[tuple[list[int], list[bytes]]]:
    """The records of a source that begins at ``at``, where one starts, and of them those that start before ``end``."""
    strip = stripper(split)
    for items in fed(split, source):
        offsets, at = starts(items, at, end)
        del items[len(offsets) :]
        if offsets:
            for place in range(len(items)):
                items[place] = strip(items[place])
            yield offsets, items
        if end is not None and at >= end:
            return


def starts(items: list[bytes], at: int, end: int | None) -> tuple[list[int], int]:
    """Where the items begin, of those that do before ``end``, and where the last of them ends."""
    found: list[int] = []
    for item in items:
        if end is not None and at >= end:
            break
        found.append(at)
        at += len(item)
    return found, at


def fed(split: str | bytes, source: Iterator[bytes]) -> Iterator[list[bytes]]:
    engine: Any
    if isinstance(split, bytes):
        engine = Delimited(split, keep=True, max_size=None).engine()
    else:
        engine = Lines(keepends=True, max_size=None).engine()
    for data in source:
        yield engine.feed(data)
    last = [engine.finish()]
    del engine  # and with it the start of a long record
    yield last.pop()


def stripper(split: str | bytes) -> Callable[[bytes], bytes]:
    """Takes off what ended a record."""
    if isinstance(split, bytes):
        separator = split
        return lambda item: item.removesuffix(separator)
    return without_line_end


def without_line_end(line: bytes) -> bytes:
    return line[:-2] if line.endswith(b"\r\n") else line.removesuffix(b"\n")


def texts(
    uri: str, offsets: list[int], lines: list[bytes], key: str, in_pieces: bool
) -> Iterator[RecordBlock]:
    """The texts of JSON Lines; as in ``JSONLines``, blank lines are no records, and a byte-order mark at 0 goes."""
    kept: list[int] = []
    found: list[Any] = []
    for place, offset in enumerate(offsets):
        line, lines[place] = lines[place], b""
        if not offset:
            line = line.removeprefix(MARK)
        if line[:1] != b"{" and not line.strip(b" \t\r"):
            continue
        try:
            found.append(text_of(line, key) if len(line) < LONG else long_text_of(line, key, in_pieces))
        except (ValueError, RecursionError) as error:
            if found:
                yield RecordBlock(uri, kept, found)
            raise BadRecord(uri, offset, reason_of(error)) from error
        kept.append(offset)
    line = b""
    if found:
        yield RecordBlock(uri, kept, found)


def long_text_of(line: bytes, key: str, in_pieces: bool) -> str | LongText:
    found = long_text(line, key, LONG)
    if found is None:
        return text_of(line, key)
    return found if in_pieces else str(found)


def text_of(line: bytes, key: str) -> str:
    # json.loads would guess UTF-16 and UTF-32 from bytes
    record = json.loads(line.decode())
    if not isinstance(record, dict):
        raise ValueError(f"not an object but {type(record).__name__}")
    if key not in record:
        raise ValueError(f"no key {key!r}")
    text = record[key]
    if not isinstance(text, str):
        raise ValueError(f"what is under {key!r} is no text but {type(text).__name__}")
    return text


def reason_of(error: Exception) -> str:
    line = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason} {error.start} bytes into the line"
    return f"not JSON: {line}" if isinstance(error, json.JSONDecodeError) else line
