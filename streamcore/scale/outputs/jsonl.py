"""``jsonl``: one document a line, an object with ``uri``, ``offset``, and ``ids`` or ``items``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...token_batch import TokenBatch
from ..documents import Documents, LongIds
from ..errors import BadRecord
from .files import PartFiles
from .joining import Parts, copy

if TYPE_CHECKING:
    from ..places import Place


def make(_pipeline: Any, eod: int | None) -> JSONLFormat:
    if eod is not None:
        raise ValueError("format='jsonl' has a line for each document: eod is for 'bin'")
    return JSONLFormat()


@dataclass(frozen=True)
class JSONLFormat:
    eod: ClassVar[None] = None
    dtype: ClassVar[None] = None
    name: ClassVar[str] = "jsonl"

    def writer(self, files: PartFiles) -> JSONLWriter:
        return JSONLWriter(files)

    def join(self, files: PartFiles, place: Place, parts: Parts) -> None:
        lines = files.create(".jsonl", sum(file.size for (file,) in parts()))
        for (file,) in parts():
            copy(place, file, lines)


class JSONLWriter:
    def __init__(self, files: PartFiles) -> None:
        self.file = files.create(".jsonl")
        self.items = 0

    def write(self, documents: Documents) -> None:
        if isinstance(documents.contents, LongIds):
            self.write_long(documents.name, documents.offsets[0], documents.contents)
            return
        name = "ids" if isinstance(documents.contents, TokenBatch) else "items"
        lines = []
        for offset, content in zip(documents.offsets, documents.contents, strict=True):
            values = content if isinstance(content, list) else content.tolist()
            self.items += len(values)
            try:
                text = json.dumps(
                    {"uri": documents.name, "offset": offset, name: values},
                    ensure_ascii=False,
                    allow_nan=False,
                    default=plain,
                )
                lines.append(text.encode() + b"\n")
            except (TypeError, ValueError) as error:
                raise BadRecord(documents.uri, offset, f"an item is no JSON: {error}") from error
        self.file.write(b"".join(lines))

    def write_long(self, uri: str, offset: int, arrays: LongIds) -> None:
        """The same line, in pieces."""
        head = json.dumps({"uri": uri, "offset": offset, "ids": []}, ensure_ascii=False)
        self.file.write(head[:-2].encode())
        between = ""
        for ids in arrays:
            if len(ids):
                self.file.write(f"{between}{json.dumps(ids.tolist())[1:-1]}".encode())
                self.items, between = self.items + len(ids), ", "
        self.file.write(b"]}\n")

    def finish(self) -> None:
        """All is written."""


def plain(value: Any) -> Any:
    """Bytes and views as the text they are, arrays as lists."""
    if hasattr(value, "tolist") and not isinstance(value, memoryview):
        return value.tolist()
    try:
        return bytes(memoryview(value)).decode()
    except TypeError:
        raise TypeError(f"{type(value).__name__} has no form in JSON") from None
