"""What every engine is made of: fragments in, items out, what is unfinished carried over.

Native: ``_native.engine.span_engine``.

A fragment is ``_data``; ``_base`` is the stream offset of its first byte. What earlier fragments left unfinished is
``_carry`` and lies, in the same coordinates, at ``[-len(_carry), 0)``: an item may thus span ``[start, stop)`` with a
negative ``start``. An engine cuts in ``_blocks()``: lists of items, so that a consumer pays one generator step an item,
and a huge fragment does not become a huge list.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..._shared import options
from ..._shared.driving import check_idle
from ..._shared.notes import add_note, place, shown
from ...batch import Batch
from ...errors import IncompleteItem, InvalidEncoding, ItemTooLarge
from ..buffers.view import freeze

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Engine"]

RAISE, SKIP, TRUNCATE = range(3)
EMIT, DROP, RAISE_INCOMPLETE = range(3)
AS_BYTES, AS_STR, AS_VIEW = range(3)
END: Any = object()
TYPES: tuple[Any, ...] = (bytes, str, "view")

BLOCK = 1024  # items of a block at most, where they are made one by one
SPAN = 1 << 18  # bytes split at once


def splittable(data: memoryview) -> Iterator[bytes]:
    """The bytes of ``data`` in pieces that may be split into lists without using much memory; not copied if small."""
    if isinstance(data.obj, bytes) and len(data) == len(data.obj) <= SPAN:
        yield data.obj
    else:
        for at in range(0, len(data), SPAN):
            yield data[at : at + SPAN].tobytes()


class Engine:
    """Base of the engines: sans-IO, fragments in by ``feed()``, items out."""

    _unit = "byte"

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
        self._borrow = bool(borrow)
        self._busy = False  # a call is at work: whatever code it runs may not call the engine
        self._driven = False  # an iterator has it, until that is exhausted, closed or dropped
        self._clear()

    def _clear(self) -> None:
        """Set what a stream changes; an engine with more state extends it."""
        self.error: BaseException | None = None
        self.skipped = 0
        """How many items on_oversize="skip" dropped."""
        self._data: memoryview | None = None
        self._base = 0
        self._carry = bytearray()
        self._start = 0  # where the unfinished item starts, relative to the fragment
        self._discarded: int | None = None  # stream offset of the oversized item whose end is awaited
        self._ended = False

    # ---- the public face ----

    @property
    def offset(self) -> int:
        """Bytes taken in so far (code points for str input)."""
        return self._base + (0 if self._data is None else len(self._data))

    def feed(self, fragment: ReadableBuffer) -> list[Any]:
        """Take in one fragment and give the list of items that are complete now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in.
        """
        self._check_open("feed")
        self._busy = True
        try:
            items = [item for block in self._cut(self._accept(fragment)) for item in block]
        finally:
            self._busy = False
        self._raise_unless(items)
        return items

    def finish(self) -> list[Any]:
        """End the input and give the list of items that this completes; a second call gives an empty list."""
        check_idle(self._name, self._busy, self._driven)
        if self._ended and self.error is None:
            return []
        self._check_open("finish")
        self._busy = True
        try:
            items = self._finish()
        finally:
            self._busy = False
        self._raise_unless(items)
        return items

    def reset(self) -> None:
        """Back to new: nothing taken in, no error."""
        check_idle(self._name, self._busy, self._driven)
        self._busy = True
        try:
            self._clear()
        finally:
            self._busy = False

    def iterate(self, fragments: Iterable[ReadableBuffer]) -> Generator[Any, None, None]:
        """Iterator of the items in ``fragments`` (an iterator, which it owns and closes exactly once, however it ends).

        Pulls a fragment only when no complete item is left. Exceptions of ``fragments`` pass through, with a note.
        Until it ends nothing else may drive the engine: ``feed``, ``finish``, ``reset`` and a second iterator are a
        ValueError. Closed or dropped midway, it forgets the fragment in work and the item that is unfinished; after
        an exception of ``fragments`` that item is still there. Either way the engine then goes on from ``offset``.
        """
        return self._start_run(fragments, None)

    def batches(self, fragments: Iterable[ReadableBuffer]) -> Generator[Batch, None, None]:
        """Iterator of ``Batch`` objects, otherwise as ``iterate()``; a batch ends at the latest with its fragment."""
        return self._start_run(fragments, lambda items: Batch._of_items(items, TYPES[self._kind]))

    # ---- driving ----

    def _start_run(
        self, fragments: Iterable[Any], pack: Callable[[list[Any]], Batch] | None
    ) -> Generator[Any, None, None]:
        self._check_open("iterate")
        self._busy = True
        try:
            run = self._run(iter(fragments), pack)
            next(run)  # a generator that never ran would not close its source
        finally:
            self._busy = False
        return run

    def _run(
        self, fragments: Iterator[Any], pack: Callable[[list[Any]], Batch] | None
    ) -> Generator[Any, None, None]:
        midway = False
        try:
            self._driven = True
            try:
                yield None
                self._busy = True
                while (fragment := next(fragments, END)) is not END:
                    midway = True
                    for block in self._cut(self._accept(fragment)):
                        items = block if pack is None or not block else [pack(block)]
                        self._busy = False
                        try:
                            yield from items
                        finally:  # also when closed, before the fragment is let go
                            self._busy = True
                    if self.error is not None:
                        raise self.error.with_traceback(None)
                midway = False
                last = self._finish()
                items = last if pack is None or not last else [pack(last)]
                self._busy = False
                yield from items
                self._busy = True
                if self.error is not None:
                    raise self.error.with_traceback(None)
            except GeneratorExit:
                self._busy = True
                if midway:
                    self._abandon()
                close(fragments)
                raise
            except BaseException as error:
                self._busy = True
                self._annotate(error, self.offset)
                close_after(error, fragments)
                raise
            close(fragments)
        finally:
            self._busy = self._driven = False

    def _check_open(self, call: str) -> None:
        check_idle(self._name, self._busy, self._driven)
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self._ended:
            raise ValueError(f"{call}() after finish(): call reset() first")

    def _raise_unless(self, items: list[Any]) -> None:
        if self.error is not None and not items:
            raise self.error.with_traceback(None)

    def _accept(self, fragment: ReadableBuffer) -> memoryview:
        """The fragment as memory that nobody changes."""
        return freeze(fragment, self._name, self._borrow)

    def _cut(self, data: memoryview) -> Iterator[list[Any]]:
        """Blocks of the items that ``data`` completes; keeps what is unfinished."""
        self._data = data
        try:
            yield from self._blocks(data)
            if self.error is None:
                self._settle(data)
            self._base += len(data)
        except GeneratorExit:
            self._abandon()
            raise
        finally:
            self._data = None

    def _finish(self) -> list[Any]:
        self._ended = True
        return self._end()

    def _abandon(self) -> None:
        """Forget the fragment in work and what is unfinished: the stream was closed."""
        base, skipped, error = self.offset, self.skipped, self.error
        self._clear()
        self._base, self.skipped, self.error = base, skipped, error

    # ---- for engines to fill ----

    def _blocks(self, data: memoryview) -> Iterator[list[Any]]:
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
        self._carry.clear()
        return [] if item is None else [item]

    def _keep(self, data: memoryview, start: int) -> None:
        """Carry [start, len(data))."""
        if start >= 0:
            self._carry = bytearray(data[start:])
        else:
            del self._carry[: len(self._carry) + start]
            self._carry += data
        self._start = -len(self._carry)

    # ---- errors ----

    def _fail(self, error: BaseException, offset: int) -> None:
        """Stop the engine: ``error`` is raised after the items already cut, and ever after."""
        self._annotate(error, offset)
        self.error = error

    def _annotate(self, error: BaseException, offset: int) -> None:
        """Say where, unless a stage further up did."""
        place(error, f"{self._name}, at {self._unit} {offset} of its input")


def close(source: Any) -> None:
    """Call ``source.close()`` where there is one."""
    close = getattr(source, "close", None)
    if close is not None:
        close()


def close_after(error: BaseException, source: Any) -> None:
    """Close ``source`` because of ``error``, which must not be lost to a second one."""
    try:
        close(source)
    except Exception as second:  # noqa: BLE001 - told in a note; the first error is the one that counts
        add_note(error, f"closing its source failed too: {shown(second)}")
