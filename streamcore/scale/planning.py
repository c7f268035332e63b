"""``plan``: inputs cut into parts of about a size, by arithmetic alone; no input is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, overload

from ..cli.failure import printable
from .inputs import Input, find_inputs
from .splits import checked_split, separator_of, target_size

VERSION = 1
SHOWN = 20  # parts of a table, at its start; and a few at its end


class Piece(NamedTuple):
    """Bytes ``start`` to ``end`` of a file; of a compressed file always all, as it lies there."""

    uri: str
    start: int
    end: int


class Part(NamedTuple):
    """What one task reads: ``pieces`` in order; ``id`` is the place in the plan."""

    id: int
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Bytes to read, compressed where the files are."""
        return sum(piece.end - piece.start for piece in self.pieces)


@dataclass(frozen=True)
class Plan(Sequence[Part]):
    """A sequence of parts, with what they were made of.

    ``storage_options`` may hold secrets: they are not in the JSON.
    """

    inputs: tuple[Input, ...]
    parts: tuple[Part, ...] = field(repr=False)
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
    def __getitem__(self, index: slice) -> tuple[Part, ...]: ...
    def __getitem__(self, index: int | slice) -> Part | tuple[Part, ...]:
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
        document = {
            "plan": VERSION,
            "split": split,
            "key": self.key,
            "target": self.target,
            "inputs": [[each.uri, each.size, each.version] for each in self.inputs],
            "parts": [[[places[uri], start, end] for uri, start, end in part.pieces] for part in self.parts],
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes, *, storage_options: Mapping[str, Any] | None = None) -> Plan:
        """The plan that ``to_json`` wrote."""
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("plan") != VERSION:
            raise ValueError(f"not a plan of version {VERSION}")
        split = document["split"]
        inputs = tuple(Input(*each) for each in document["inputs"])
        parts = (
            tuple(Piece(inputs[place].uri, start, end) for place, start, end in pieces)
            for pieces in document["parts"]
        )
        return cls(
            inputs,
            tuple(Part(number, pieces) for number, pieces in enumerate(parts)),
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
    split, wanted = checked_split(split), target_size(target)
    if not isinstance(key, str):
        raise TypeError(f"key must be str, got {type(key).__name__}")
    inputs = find_inputs(uris, storage_options)
    whole = separator_of(split) is None
    groups: list[tuple[Piece, ...]] = []
    if split == "fixed":
        groups = [(piece,) for each in inputs for piece in pieces_of(each, wanted, False) if piece.end]
    else:
        groups = packed([piece for each in inputs for piece in pieces_of(each, wanted, whole)], wanted)
    parts = tuple(Part(number, group) for number, group in enumerate(groups))
    return Plan(tuple(inputs), parts, split, key, wanted, storage_options)


def many(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def pieces_of(each: Input, target: int, whole: bool) -> list[Piece]:
    if whole or each.compression is not None or each.size <= target:
        return [Piece(each.uri, 0, each.size)]
    borders = range(0, each.size, target)
    return [Piece(each.uri, start, min(start + target, each.size)) for start in borders]


def packed(pieces: list[Piece], target: int) -> list[tuple[Piece, ...]]:
    """Pieces that follow each other, together up to ``target``."""
    groups: list[tuple[Piece, ...]] = []
    group: list[Piece] = []
    size = 0
    for piece in pieces:
        length = piece.end - piece.start
        if group and size + length > target:
            groups.append(tuple(group))
            group, size = [], 0
        group.append(piece)
        size += length
    return [*groups, tuple(group)] if group else groups
