"""Chunks whose ends follow from their content (native: ``_native.framing.content_defined``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from ..._shared.content_chunks import (
    ALGORITHMS,
    Chunking,
    checked_chunk,
    checked_digest,
    digest_of,
    gear_table,
    plain_data,
)
from ..engine.span_engine import Engine

if TYPE_CHECKING:
    from ...batch import Batch

__all__ = ["Chunk", "ContentDefinedEngine"]

BITS = (1 << 64) - 1


class Chunk:
    """Chunk(data, offset=0, digest=None)
    --

    A chunk of a stream: ``data`` begins at byte ``offset``, ``digest`` is what the stage's ``digest`` made of it.
    """

    __slots__ = ("data", "digest", "offset")
    __match_args__ = ("data", "offset", "digest")

    data: Any
    offset: int
    digest: Any

    def __init__(self, data: Any, offset: int = 0, digest: Any = None) -> None:
        checked = checked_chunk(data, offset, digest)
        if hasattr(self, "data"):
            raise TypeError("Chunk is made already and does not change")
        _fill(self, *checked)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute {name!r} of 'Chunk' objects is not writable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"attribute {name!r} of 'Chunk' objects is not writable")

    def __repr__(self) -> str:
        return f"Chunk(data={plain_data(self.data)!r}, offset={self.offset}, digest={self.digest!r})"

    def __hash__(self) -> int:
        return hash((self.data, self.offset, self.digest))

    def __eq__(self, other: object) -> bool:
        if type(other) is not Chunk:
            return NotImplemented
        return bool(self.offset == other.offset and self.data == other.data and self.digest == other.digest)

    def __reduce__(self) -> tuple[type[Chunk], tuple[Any, int, Any]]:
        return Chunk, (plain_data(self.data), self.offset, self.digest)


_set_data = Chunk.__dict__["data"].__set__
_set_offset = Chunk.__dict__["offset"].__set__
_set_digest = Chunk.__dict__["digest"].__set__


def _fill(chunk: Chunk, data: Any, offset: int, digest: Any) -> Chunk:
    _set_data(chunk, data)
    _set_offset(chunk, offset)
    _set_digest(chunk, digest)
    return chunk


class ContentDefinedEngine(Engine):
    """Cuts chunks by their content: FastCDC as of 2020 or 2016, or the maximum of a window ("ram")."""

    def __init__(
        self,
        avg_size: int = 16384,
        min_size: int | None = None,
        max_size: int | None = None,
        *,
        normalization: int = 1,
        seed: int = 0,
        algorithm: str = "fastcdc2020",
        digest: Callable[[Any], Any] | None = None,
        as_: Any = "view",
        borrow: bool = False,
    ) -> None:
        checked = Chunking(avg_size, min_size, max_size, normalization, seed, algorithm)
        name = ALGORITHMS[checked.algorithm]
        self._pairs = name == "fastcdc2020"
        self._find = self._find_maximum if name == "ram" else self._find_gear
        self._most, self._center = checked.max_size, checked.avg_size
        self._least = checked.window if name == "ram" else checked.min_size
        if self._pairs:  # the first pair may begin one byte early
            self._least &= ~1
            self._center &= ~1
        self._masks = checked.mask_small, checked.mask_large
        self._gear = gear_table(checked.seed)
        self._digest = checked_digest(digest)
        self._bare = False  # no digests: the items of batches are the data
        super().__init__("ContentDefined", as_, borrow)

    def _clear(self) -> None:
        super()._clear()
        self._known = 0  # bytes of the unfinished chunk, and the hash of these, or the greatest of them
        self._state = 0

    def _run(
        self, fragments: Iterator[Any], pack: Callable[[list[Any]], Batch] | None
    ) -> Generator[Any, None, None]:
        self._bare = pack is not None
        try:
            yield from super()._run(fragments, pack)
        finally:
            self._bare = False

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
        while True:
            size = self._find(data)
            if not size:
                return
            start = self._start
            item = self._made(start, start + size)
            if item is None:
                return
            self._start = start + size
            self._known = self._state = 0
            yield [item]

    def _made(self, start: int, stop: int) -> Any:
        item = self._item(start, stop)
        if item is None or self._digest is None or self._bare:
            return item
        offset = self._base + start
        try:
            digest = digest_of(self._digest, item)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - code of others; raised after the chunks before
            self._fail(error, offset)
            return None
        return _fill(Chunk.__new__(Chunk), item, offset, digest)

    def _find_gear(self, data: memoryview) -> int:
        """Hash on in the unfinished chunk; its size once its end is there, else 0."""
        there = min(len(data) - self._start, self._most)
        last = there & ~1 if self._pairs else there
        if self._known < self._least:
            if there < self._least:
                return 0
            self._known = self._least
        while self._known < last:
            stop, mask = last, self._masks[self._known >= self._center]
            if self._known < self._center:
                stop = min(stop, self._center)
            at, gear, state = self._known, self._gear, self._state
            for byte in self._join(self._start + at, self._start + stop):
                state = (state << 1) + gear[byte] & BITS
                if not state & mask:
                    return at
                at += 1
            self._known, self._state = stop, state
        return self._most if there == self._most else 0

    def _find_maximum(self, data: memoryview) -> int:
        """The same for "ram": look on for the greatest of the window, then for what is not less."""
        start = self._start
        there = min(len(data) - start, self._most)
        if self._known < self._least:
            stop = min(there, self._least)
            new = self._join(start + self._known, start + stop)
            self._state = max(self._state, max(new, default=0))
            self._known = stop
        if self._known >= self._least:
            rest = self._join(start + self._known, start + there)
            found = re.search(b"[" + re.escape(bytes((self._state,))) + b"-\xff]", rest)
            if found:
                return self._known + found.end()
            self._known = there
        return self._most if there == self._most else 0

    def _end(self) -> list[Any]:
        start = -len(self._carry)
        item = self._made(start, 0) if start else None
        if item is not None:
            self._carry = b""
        return [] if item is None else [item]
