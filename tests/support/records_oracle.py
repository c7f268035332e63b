"""A slow oracle of JSON Lines and of JSON text sequences (RFC 7464), over the whole input."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from streamcore.errors import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge

BOM = b"\xef\xbb\xbf"
LEAD = 65536


def parsed(line: Any) -> Any:
    """As ``json.loads``, which takes no views."""
    return json.loads(line if isinstance(line, (bytes, str)) else bytes(line))


@dataclass
class RecordsOracle:
    on_error: str = "raise"
    sequence: bool = False
    max_size: int | None = None
    on_oversize: str = "raise"
    on_incomplete: str = "emit"
    as_: Any = bytes
    items: list[Any] = field(default_factory=list)
    skipped: int = 0

    def run(self, data: bytes, bare: bool = False) -> tuple[Exception | None, str]:
        """Fills ``items``: values, and (line, offset, raw, error) for a bad record; with ``bare`` the lines, as batches
        have them. The error that ends them, and its note."""
        white = b" \t\r\n" if self.sequence else b" \t\r"
        pieces = data.split(b"\x1e" if self.sequence else b"\n")
        at = 0
        for number, piece in enumerate(pieces, 0 if self.sequence else 1):
            raw, offset = piece, at
            at += len(piece) + 1
            if offset == 0 and raw.startswith(BOM):
                raw, offset = raw[3:], 3
            body = raw.lstrip(white)
            if not body:
                continue
            where = f"in JSONLines, {'text' if self.sequence else 'line'} {number}, at byte"
            last = number - (not self.sequence) == len(pieces) - 1
            if self.sequence and last:
                last = b"\n" not in raw[len(raw.rstrip(white)) :]
            if self.max_size is not None and len(raw) > self.max_size:
                if self.on_oversize == "raise":
                    error = ItemTooLarge(self.max_size + 1, self.max_size, offset)
                    return error, f"{where} {offset} of its input"
                self.skipped += 1
                last = number - (not self.sequence) == len(pieces) - 1
                raw = b""
            if last and self.on_incomplete == "raise":
                return IncompleteItem(len(data) - offset, offset), f"{where} {len(data)} of its input"
            if not raw or (last and self.on_incomplete == "drop"):
                continue
            first = offset
            if len(raw) - len(body) > LEAD:
                first += len(raw) - len(body)
                raw = body
            try:
                self.items.append(self.made(raw, first, offset, number, bare))
            except Exception as error:  # noqa: BLE001 - any of them
                if self.on_error == "skip":
                    self.skipped += 1
                elif self.on_error == "raise" or bare:
                    return error, f"{where} {offset} of its input: {raw[:80]!r}"
                else:
                    self.items.append((number, offset, raw, *shown(error)))
        return None, ""

    def made(self, raw: bytes, first: int, offset: int, number: int, bare: bool) -> Any:
        if self.sequence and not bare:
            if number == 0:
                raise InvalidFrame("text before the first record separator", offset)
            if raw[-1] not in b" \t\r\n" and raw.lstrip(b" \t\r\n")[0] not in b'{["':
                raise InvalidFrame("a number or literal that no white space ends", offset)
        text: Any = raw
        if self.as_ is str:
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                bad = raw[error.start : error.end]
                raise InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, first + error.start) from None
        return text if bare else parsed(text)


def shown(error: BaseException | None) -> tuple[Any, ...]:
    """What can be told apart of an error, but its notes."""
    return () if error is None else (type(error), str(error), error.args)


def plain(items: list[Any]) -> list[Any]:
    """Items of an engine in a form that can be compared."""
    return [
        (item.line, item.offset, item.raw, *shown(item.error))
        if hasattr(item, "__match_args__")
        else bytes(item)
        if hasattr(item, "nbytes")
        else item
        for item in items
    ]
