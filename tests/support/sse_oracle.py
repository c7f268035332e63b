"""A slow oracle of event streams, written from the WHATWG HTML standard (9.2.6, "Interpreting an event stream")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamcore.errors import IncompleteItem, ItemTooLarge

BOM = b"\xef\xbb\xbf"


def lines_of(data: bytes) -> list[tuple[int, bytes, bool]]:
    """Each line: where it starts, its bytes, and whether an end followed."""
    lines = []
    start = at = len(BOM) if data.startswith(BOM) else 0
    while at < len(data):
        if data[at] in b"\r\n":
            lines.append((start, data[start:at], True))
            at += 2 if data[at : at + 2] == b"\r\n" else 1
            start = at
        else:
            at += 1
    if start < len(data):
        lines.append((start, data[start:], False))
    return lines


@dataclass
class Block:
    """What lines since the last blank one said."""

    data: bytes | None = None
    event: bytes = b""
    id_size: int = 0
    retry: int | None = None
    first: int | None = None
    skipped: bool = False
    cut: bool = False


@dataclass
class SSEOracle:
    stop: bytes | None = None
    max_size: int | None = None
    on_oversize: str = "raise"
    on_incomplete: str = "drop"
    items: list[tuple[str, bytes, str, int | None, bool]] = field(default_factory=list)
    skipped: int = 0
    id: bytes = b""
    last_event_id: bytes = b""
    retry: int | None = None
    done: bool = False
    block: Block = field(default_factory=Block)

    def run(self, data: bytes) -> tuple[Exception | None, int]:
        """Fills ``items``: (event, data, id, retry, whether data was cut). The error, and where its note puts it."""
        emit = self.on_incomplete == "emit"
        tail = False
        try:
            for at, line, ended in lines_of(data):
                if line:
                    self.line(at, line, ended or emit)
                else:
                    self.dispatch()
                    if self.done:
                        return None, 0
                tail = not ended and line == b"data"
                if tail and self.block.first is None:
                    self.block.first = at
            block = self.block
            if emit:
                self.dispatch()
            elif self.on_incomplete == "raise" and not block.skipped and (block.data is not None or tail):
                assert block.first is not None
                raise IncompleteItem(len(data) - block.first, block.first)
        except ItemTooLarge as error:
            return error, error.offset
        except IncompleteItem as error:
            return error, len(data)
        return None, 0

    def line(self, at: int, line: bytes, ended: bool) -> None:
        name, colon, value = line.partition(b":")
        if name not in (b"data", b"event", b"id", b"retry") or not (colon or ended):
            return
        value = value.removeprefix(b" ") if value[:1] == b" " else value
        block = self.block
        if name != b"retry" and block.first is None:
            block.first = at
        if name == b"retry":
            if ended and value and all(byte in b"0123456789" for byte in value) and int(value) < 1 << 63:
                self.retry = block.retry = int(value)
        elif name == b"data" and not block.skipped and not block.cut:
            joined = value if block.data is None else block.data + b"\n" + value
            room = self.room(len(block.event) + block.id_size)
            if room is None or len(joined) <= room:
                block.data = joined
            elif self.too_large():
                block.cut = True
                block.data = joined[:room] if block.data is None else joined[: max(room, len(block.data))]
        elif name == b"event" and not block.skipped:
            room = self.room(len(block.data or b"") + block.id_size)
            if room is not None and len(value) > room:
                self.too_large()
            elif ended:
                block.event = value
        elif name == b"id":
            room = self.room(len(block.data or b"") + len(block.event))
            nul = value.find(b"\0")
            if nul >= 0 and (room is None or nul <= room):
                return
            if room is not None and len(value) > room:
                self.too_large()
            elif ended:
                self.id, block.id_size = value, len(value)

    def room(self, others: int) -> int | None:
        return None if self.max_size is None else self.max_size - others

    def too_large(self) -> bool:
        """Whether data is to be cut."""
        assert self.max_size is not None
        assert self.block.first is not None
        if self.block.skipped:
            return False
        if self.on_oversize == "raise":
            raise ItemTooLarge(self.max_size + 1, self.max_size, self.block.first)
        if self.on_oversize == "skip":
            self.skipped += 1
            self.block = Block(retry=self.block.retry, first=self.block.first, skipped=True)
            return False
        return True

    def dispatch(self) -> None:
        block, self.block = self.block, Block()
        self.last_event_id = self.id
        if block.data is None:
            return
        if block.data == self.stop and not block.cut:
            self.done = True
            return
        text = self.id.decode("utf-8", "replace")
        event = block.event.decode("utf-8", "replace") or "message"
        self.items.append((event, block.data, text, block.retry, block.cut))


def shown(items: list[tuple[str, bytes, str, int | None, bool]], as_: Any) -> list[Any]:
    """The items of the oracle as ``plain()`` shows those of an engine."""
    found: list[Any] = []
    for event, data, id, retry, cut in items:
        if as_ in (bytes, "view"):
            found.append(data)
            continue
        text = data.decode("utf-8", "replace")
        if cut:  # a character that was cut is left out
            tails = [n for n in (1, 2, 3) if n <= len(data) and is_begun(data[len(data) - n :])]
            text = data[: len(data) - max(tails, default=0)].decode("utf-8", "replace")
        found.append(text if as_ is str else (event, text, id, retry))
    return found


def is_begun(tail: bytes) -> bool:
    """Whether ``tail`` is the beginning of a character that more bytes could complete."""
    for more in (b"\x80", b"\x80\x80", b"\x80\x80\x80", b"\x9f\x80", b"\xa0\x80", b"\x90\x80\x80"):
        try:
            if len((tail + more).decode()) == 1:
                return True
        except UnicodeDecodeError:
            continue
    return False


def plain(items: list[Any]) -> list[Any]:
    """Items of an engine in a form that can be compared."""
    return [
        (item.event, item.data, item.id, item.retry)
        if hasattr(item, "retry")
        else item
        if isinstance(item, (str, bytes))
        else bytes(item)
        for item in items
    ]
