"""What engines of byte spans are made of: fragments in, items out, what is unfinished carried over.

The life cycle is that of ``engine``; native: ``_native.engine.span_engine``.

A fragment is ``_data``; ``_base`` is the stream offset of its first byte. What earlier fragments left unfinished is
``_carry`` and lies, in the same coordinates, at ``[-len(_carry), 0)``: an item may thus span ``[start, stop)`` with a
negative ``start``. An engine cuts in ``_blocks()``: lists of items, so that a consumer pays one generator step an item,
and a huge fragment does not become a huge list.

Where an engine has ``_room``, ``_items_of()`` makes all items of some bytes at once, and a fragment of ``bytes`` costs
no generator; ``_one_by_one()`` is for the rest: what may be too large or is not valid, and where it lies.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..._shared import options
from ...batch import Batch
from ...errors import IncompleteItem, InvalidEncoding, ItemTooLarge
from ..buffers.view import freeze
from .engine import BaseEngine

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Engine"]

RAISE, SKIP, TRUNCATE = range(3)
EMIT, DROP, RAISE_INCOMPLETE = range(3)
AS_BYTES, AS_STR, AS_VIEW = range(3)
TYPES: tuple[Any, ...] = (bytes, str, "view")

BLOCK = 1024  # items of a block at most, where they are made one by one
SPAN = 1 << 18  # bytes split at once
SHORT = 1 << 10  # bytes; what is unfinished grows in place from there on


def splittable(data: memoryview) -> Iterator[bytes]:
    """The bytes of ``data`` in pieces that may be split into lists without using much memory; not copied if small."""
    if isinstance(data.obj, bytes) and len(data) == len(data.obj) <= SPAN:
        yield data.obj
    else:
        for at in range(0, len(data), SPAN):
            yield data[at : at + SPAN].tobytes()


class Engine(BaseEngine):
    """Base of the engines of byte spans: sans-IO, fragments in by ``feed()``, items out."""

    def __init__(
        self,
        name: str,
        as_: Any = bytes,
        borrow: bool = False,
        max_size: int | None = None,
        on_oversize: str = "raise",
        on_incomplete: str = "emit",
    ) -> None:
        self._name = name
        self._max_size = options.limit_option("max_size", max_size)
        self._on_oversize = options.on_oversize_option(on_oversize)
        self._on_incomplete = options.on_incomplete_option(on_incomplete)
        self._kind = options.as_option(as_)
        self._borrow = options.flag_option("borrow", borrow)
        self._span = SPAN  # bytes given to _items_of() at once
        self._room = -1  # bytes, with those carried, that it may be given as they come: none is too large
        self._clear()

    def _clear(self) -> None:
        """Set what a stream changes; an engine with more state extends it."""
        super()._clear()
        self.skipped = 0
        """How many items on_oversize="skip" dropped."""
        self._data: memoryview | None = None
        self._base = 0
        self._carry: bytes | bytearray = b""
        self._start = 0  # where the unfinished item starts, relative to the fragment
        self._discarded: int | None = None  # stream offset of the oversized item whose end is awaited

    # ---- the public face ----

    @property
    def offset(self) -> int:
        """How much was taken in so far, in bytes; for str input in code points, for ids in ids."""
        return self._base + (0 if self._data is None else len(self._data))

    @property
    def done(self) -> bool:
        """Whether no further input can give an item: ``iterate()`` then pulls no more."""
        return False

    def batches(self, fragments: Iterable[ReadableBuffer]) -> Generator[Batch, None, None]:
        """Iterator of ``Batch`` objects, otherwise as ``iterate()``; a batch ends at the latest with its fragment."""
        return self._start_run(fragments, lambda items: Batch._of_items(items, TYPES[self._kind]))

    # ---- fragments ----

    def _blocks_of(self, fragment: ReadableBuffer) -> Iterable[Iterable[Any]]:
        if type(fragment) is bytes and self._discarded is None:
            size = len(fragment)
            if size + len(self._carry) <= self._room:
                self._changing = True
                items = self._items_of(fragment)
                if items is not None:
                    self._base += size
                    return (items,)
        return self._cut(self._accept(fragment))

    def _accept(self, fragment: ReadableBuffer) -> memoryview:
        """The fragment as memory that nobody changes."""
        return freeze(fragment, self._name, self._borrow)

    def _cut(self, data: memoryview) -> Iterator[Iterable[Any]]:
        """Blocks of the items that ``data`` completes; keeps what is unfinished."""
        self._changing = True
        self._data = data
        try:
            yield from self._blocks(data)
            data = self._data
            if self.error is None:
                self._settle(data)
            self._base += len(data)
        except GeneratorExit:
            self._abandon()
            raise
        finally:
            self._data = None

    def _finish(self) -> list[Any]:
        self._ended = self._changing = True
        return self._end()

    def _abandon(self) -> None:
        """Forget the fragment in work and what is unfinished: the stream was closed."""
        base, skipped, error = self.offset, self.skipped, self.error
        self._clear()
        self._base, self.skipped, self.error = base, skipped, error

    # ---- for engines to fill ----

    def _blocks(self, data: memoryview) -> Iterator[Iterable[Any]]:
        while (
            data
            and self._room >= 0
            and self._discarded is None
            and not self._exceeds(len(data) + len(self._carry))
        ):
            piece = data[: self._span - len(self._carry) % self._span]
            items = self._items_of(piece if self._kind == AS_VIEW else piece.tobytes())
            if items is None:
                break
            self._data = data = data[len(piece) :]
            self._base += len(piece)
            yield items
        self._start = -len(self._carry)
        yield from self._one_by_one(data)

    def _items_of(self, piece: Any) -> Iterable[Any] | None:
        """All items that ``piece`` completes; keeps what is unfinished. None where that has to be done one by one."""
        raise NotImplementedError

    def _decode_all(self, items: Iterable[bytes], rest: bytes) -> list[Any] | None:
        """For ``_items_of()``: the items as str; None when one is not valid UTF-8."""
        try:
            strings = [*map(bytes.decode, items)]
        except UnicodeDecodeError:
            return None
        self._carry = rest
        return strings

    def _one_by_one(self, data: memoryview) -> Iterator[list[Any]]:
        """The same, each item looked at by itself."""
        raise NotImplementedError

    def _settle(self, data: memoryview) -> None:
        """Carry what is unfinished."""
        self._keep(data, self._start)

    def _end(self) -> list[Any]:
        """What the end of input completes."""
        return self._incomplete()

    # ---- items ----

    def _at(self, index: int) -> int:
        """The byte at ``index``, which lies in the carry when negative."""
        if index < 0:
            return self._carry[index]
        assert self._data is not None
        return self._data[index]

    def _join(self, start: int, stop: int) -> bytes:
        if stop <= 0 and start < 0:
            return bytes(self._carry[start : len(self._carry) + stop])
        data = self._data if self._data is not None else memoryview(b"")
        if start >= 0:
            return data[start:stop].tobytes()
        return b"".join((self._carry[start:], data[:stop]))

    def _item(self, start: int, stop: int) -> Any:
        """The item [start, stop) in its type; None after ``_fail()``."""
        if self._kind == AS_BYTES:
            return self._join(start, stop)
        if self._kind == AS_VIEW:
            if start >= 0 and self._data is not None:
                return self._data[start:stop]
            return memoryview(self._join(start, stop))
        try:
            return str(self._join(start, stop), "utf-8")
        except UnicodeDecodeError as error:
            bad = error.object[error.start : error.end]
            offset = self._base + start + error.start
            self._fail(InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, offset), offset)
            return None

    def _take_whole(self) -> None:
        """Let ``_items_of()`` do what it can."""
        self._room = self._span if self._max_size is None else min(self._span, self._max_size)

    def _exceeds(self, size: int) -> bool:
        return self._max_size is not None and size > self._max_size

    def _oversized(self, start: int) -> Any:
        """What max_size makes of the item at ``start``: its beginning when truncating, else None (counted, or failed).

        A truncated str ends before the character that does not fit.
        """
        assert self._max_size is not None
        if self._on_oversize == TRUNCATE:
            stop = start + self._max_size
            if self._kind == AS_STR:
                least = max(start, stop - 3)
                while stop > least and self._at(stop) & 0xC0 == 0x80:
                    stop -= 1
            return self._item(start, stop)
        if self._on_oversize == SKIP:
            self.skipped += 1
            return None
        offset = self._base + start
        self._fail(ItemTooLarge(self._max_size + 1, self._max_size, offset), offset)
        return None

    def _overrun(self, start: int, decided: int) -> list[Any]:
        """As ``_oversized()`` for an item whose end has not come: its bytes up to ``decided`` vanish too."""
        item = self._oversized(start)
        if self.error is None:
            self._discarded = self._base + start
            self._start = decided
        return [] if item is None else [item]

    def _incomplete(self) -> list[Any]:
        """At the end of input, what on_incomplete makes of the carry."""
        start, discarded = -len(self._carry), self._discarded
        if discarded is None and start == 0:
            return []
        if self._on_incomplete == RAISE_INCOMPLETE:
            offset = self._base + start if discarded is None else discarded
            self._fail(IncompleteItem(self._base - offset, offset), self._base)
            return []
        item = None
        if self._on_incomplete == EMIT and discarded is None:
            item = self._oversized(start) if self._exceeds(-start) else self._item(start, 0)
        self._discarded = None
        self._carry = b""
        return [] if item is None else [item]

    def _keep(self, data: memoryview, start: int) -> None:
        """Carry [start, len(data))."""
        if start >= 0:
            self._carry = data[start:].tobytes()
        else:
            if start + len(self._carry):
                self._carry = self._carry[start:]
            self._carry_on(data)
        self._start = -len(self._carry)

    def _carry_on(self, piece: bytes | memoryview) -> None:
        """Carry ``piece`` too."""
        if len(self._carry) > SHORT and type(self._carry) is bytes:
            self._carry = bytearray(self._carry)
        self._carry += piece
