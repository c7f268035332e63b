"""``plan``: inputs cut into parts of about a size, by arithmetic alone; no input is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from typing import Any, overload

from ..cli.failure import printable
from .inputs import Input, find_inputs
from .parts import Part, Parts
from .splits import checked_split, positive_size, separator_of

VERSION = 1
Numbers = tuple[int, int, int]
"""A piece: the place of its file among the inputs, its start, its end."""
SHOWN = 20  # parts of a table, at its start; and a few at its end


@dataclass(frozen=True)
class Plan(Sequence[Part]):
    """A sequence of parts, with what they were made of.

    ``storage_options`` may hold secrets: they are not in the JSON.
    """

    inputs: tuple[Input, ...]
    parts: Sequence[Part] = field(repr=False)
    split: str | bytes
    key: str
    target: int
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        """Bytes of all inputs."""
        return sum(each.size for each in self.inputs)

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | Sequence[Part]:
        return self.parts[index]

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def input(self, uri: str) -> Input:
        """What the plan knows of a file."""
        return self._by_uri[uri]

    @cached_property
    def _by_uri(self) -> dict[str, Input]:
        return {each.uri: each for each in self.inputs}

    def to_json(self) -> str:
        """The same plan always gives the same text."""
        places = {each.uri: place for place, each in enumerate(self.inputs)}
        split = {"separator": self.split.decode("latin-1")} if isinstance(self.split, bytes) else self.split
        head = {
            "plan": VERSION,
            "split": split,
            "key": self.key,
            "target": self.target,
            "inputs": [[each.uri, each.size, each.version] for each in self.inputs],
        }
        text = StringIO()
        text.write(dumps(head).removesuffix("}") + ',"parts":[')
        comma = ""
        for part in self.parts:
            text.write(comma + dumps([[places[uri], start, end] for uri, start, end in part.pieces]))
            comma = ","
        text.write("]}")
        return text.getvalue()

    @classmethod
    def from_json(cls, text: str | bytes, *, storage_options: Mapping[str, Any] | None = None) -> Plan:
        """The plan that ``to_json`` wrote."""
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("plan") != VERSION:
            raise ValueError(f"not a plan of version {VERSION}")
        split = document["split"]
        inputs = tuple(Input(*each) for each in document["inputs"])
        return cls(
            inputs,
            Parts(inputs, (checked_pieces(each, len(inputs)) for each in document["parts"])),
            checked_split(split["separator"].encode("latin-1") if isinstance(split, dict) else split),
            document["key"],
            document["target"],
            storage_options,
        )

    def __str__(self) -> str:
        """A table, cut in its middle where it is long."""
        rows = [("part", "bytes", "pieces", "from")]
        last = len(self.parts) - 5
        for part in self.parts:
            if SHOWN <= part.id < last:
                if part.id == SHOWN:
                    rows.append(("...", "", "", ""))
                continue
            first = part.pieces[0]
            rows.append(
                (
                    str(part.id),
                    f"{part.size:,}",
                    str(len(part.pieces)),
                    f"{first.uri} [{first.start:,}, {first.end:,})",
                )
            )
        wide = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join([*(cell.rjust(n) for cell, n in zip(row[:3], wide, strict=True)), row[3]])
            for row in rows
        ]
        split = repr(self.split) if isinstance(self.split, bytes) else self.split
        lines.append(
            f"{many(len(self.parts), 'part')}, {many(len(self.inputs), 'file')}, {self.size:,} bytes, split by {split}"
        )
        return "\n".join(printable(line.rstrip()) for line in lines)


def plan(
    uris: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    split: str | bytes = "lines",
    key: str = "text",
    target: int | str = "64MiB",
    storage_options: Mapping[str, Any] | None = None,
) -> Plan:
    """Cut files into parts of ``target`` bytes at most (more only where one compressed or undivided file has more).

    ``uris`` are paths, globs (``**`` too; their names sorted) and fsspec URLs; a file named twice is taken once.
    ``split`` says what a record is: ``"lines"``, ``"jsonl"`` (the text under ``key`` of each line), what a separator
    (bytes) ends, ``"fixed"`` (each part is one) or ``"files"``. A border may lie inside a record, which belongs to the
    part that it starts in. Small files share a part. ``.gz`` and ``.zst`` files are one piece each. Only names, sizes
    and times are read.
    """
    split, wanted = checked_split(split), positive_size("target", target)
    if not isinstance(key, str):
        raise TypeError(f"key must be str, got {type(key).__name__}")
    inputs = tuple(find_inputs(uris, storage_options))
    whole = separator_of(split) is None
    if split == "fixed":
        pieces = pieces_of(inputs, wanted, whole=False)
        groups: Iterable[Iterable[Numbers]] = ([piece] for piece in pieces if piece[2])
    else:
        groups = packed(pieces_of(inputs, wanted, whole=whole), wanted)
    return Plan(inputs, Parts(inputs, groups), split, key, wanted, storage_options)


def checked_pieces(pieces: list[Any], inputs: int) -> list[Numbers]:
    """ValueError for what is no part of a plan's JSON."""
    checked: list[Numbers] = []
    for piece in pieces:
        if not (
            isinstance(piece, list) and list(map(type, piece)) == [int, int, int] and 0 <= piece[0] < inputs
        ):
            raise ValueError(f"a piece of a plan is the number of a file, a start and an end, got {piece!r}")
        checked.append((piece[0], piece[1], piece[2]))
    return checked


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def many(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def pieces_of(inputs: Iterable[Input], target: int, *, whole: bool) -> Iterator[Numbers]:
    for place, each in enumerate(inputs):
        if whole or each.compression is not None or each.size <= target:
            yield place, 0, each.size
        else:
            for start in range(0, each.size, target):
                yield place, start, min(start + target, each.size)


def packed(pieces: Iterable[Numbers], target: int) -> Iterator[list[Numbers]]:
    """Pieces that follow each other, together up to ``target``."""
    group: list[Numbers] = []
    size = 0
    for piece in pieces:
        length = piece[2] - piece[1]
        if group and size + length > target:
            yield group
            group, size = [], 0
        group.append(piece)
        size += length
    if group:
        yield group
