"""Parts of a plan, kept as numbers: 32 bytes for a part of one piece."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from .inputs import Input


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


class Parts(Sequence[Part]):
    """Each part is made when it is asked for.

    ``groups`` are the pieces of each part: the place of its file in ``inputs``, its start and its end.
    """

    def __init__(self, inputs: Sequence[Input], groups: Iterable[Iterable[tuple[int, int, int]]]) -> None:
        self.inputs = inputs
        self.numbers = array("q")  # three for each piece
        self.ends = array("q", [0])  # in pieces
        for group in groups:
            for piece in group:
                self.numbers.extend(piece)
            self.ends.append(len(self.numbers) // 3)

    def __len__(self) -> int:
        return len(self.ends) - 1

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Part, ...]: ...
    def __getitem__(self, index: int | slice) -> Part | tuple[Part, ...]:
        if isinstance(index, slice):
            return tuple(map(self.part, range(len(self))[index]))
        return self.part(range(len(self))[index])

    def __iter__(self) -> Iterator[Part]:
        return map(self.part, range(len(self)))

    def part(self, id: int) -> Part:
        return Part(
            id, tuple(Piece(self.inputs[place].uri, start, end) for place, start, end in self.group(id))
        )

    def group(self, id: int) -> Iterator[tuple[int, int, int]]:
        """The pieces of a part as numbers."""
        for at in range(3 * self.ends[id], 3 * self.ends[id + 1], 3):
            place, start, end = self.numbers[at : at + 3]
            yield place, start, end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parts):
            return NotImplemented
        return (self.inputs, self.ends, self.numbers) == (other.inputs, other.ends, other.numbers)

    def __hash__(self) -> int:
        return hash((self.inputs, self.ends.tobytes(), self.numbers.tobytes()))
