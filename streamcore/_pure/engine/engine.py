"""The life cycle of an engine: fragments in, items out, one driver at a time; native: ``_native.engine.engine``.

An engine of bytes or text derives from ``span_engine.Engine``, one of ids from ``token_engine.TokenEngine``. Each
gives ``_blocks_of()``: the items that a fragment completes, in blocks, so that a consumer pays one generator step an
item and a huge fragment does not become a huge list; and ``_finish()``, the items that the end of the input
completes. An error of the input is not raised there but given to ``_fail()``: it comes after the items before it.

Python code can be broken off anywhere (Ctrl-C, no memory). An engine that such an end could leave between two states
sets ``_changing`` before it changes anything; every further call then raises RuntimeError until ``reset()``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from ..._shared.driving import check_idle
from ..._shared.notes import add_note, loud, place, shown

__all__ = ["BaseEngine"]

END: Any = object()


class BaseEngine:
    """Base of the engines: sans-IO, fragments in by ``feed()``, items out."""

    _name = "Engine"
    _unit = "byte"
    _busy = False  # a call is at work: whatever code it runs may not call the engine
    _driven = False  # an iterator has it, until that is exhausted, closed or dropped
    _changing = False  # a call is between two states: what ends it there ends the stream
    _is_done: Callable[[], bool] | None = None  # in some: no further input can give an item, none is pulled

    def _clear(self) -> None:
        """Set what a stream changes; an engine with more state extends it."""
        self.error: BaseException | None = None
        self._halted = RuntimeError(  # made while there is memory
            f"{self._name} was stopped in the middle of a call, so that what follows may be wrong: call reset() first"
        )
        self._changing = False
        self._ended = False

    # ---- the public face ----

    def feed(self, fragment: Any) -> list[Any]:
        """Take in one fragment and give the list of items that are complete now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in; or, where an
        encoder or a twin was stopped in the middle, every further call raises RuntimeError until ``reset()``.
        """
        self._check_open("feed")
        self._busy = True
        try:
            return self._raise_unless([item for block in self._blocks_of(fragment) for item in block])
        except BaseException:
            self._stop_if_changing()
            raise
        finally:
            self._changing = self._busy = False

    def finish(self) -> list[Any]:
        """End the input and give the list of items that this completes; a second call gives an empty list."""
        self._check_idle()
        if self._ended and self.error is None:
            return []
        self._check_open("finish")
        self._busy = True
        try:
            return self._raise_unless(self._finish())
        except BaseException:
            self._stop_if_changing()
            raise
        finally:
            self._changing = self._busy = False

    def reset(self) -> None:
        """Back to new: nothing taken in, no error."""
        self._check_idle()
        self._busy = True
        try:
            self._clear()
        finally:
            self._busy = False

    def iterate(self, fragments: Iterable[Any]) -> Generator[Any, None, None]:
        """Iterator of the items in ``fragments`` (an iterator, which it owns and closes exactly once, however it ends).

        Pulls a fragment only when no complete item is left. Exceptions of ``fragments`` pass through, with a note.
        Until it ends nothing else may drive the engine: ``feed``, ``finish``, ``reset`` and a second iterator are a
        ValueError. Closed or dropped midway, an engine of bytes or text forgets the fragment in work and the item that
        is unfinished; after an exception of ``fragments``, and in an engine of ids, what is unfinished is still there.
        Either way the engine then goes on from ``offset``.
        """
        return self._start_run(fragments, None)

    # ---- driving ----

    def _start_run(
        self, fragments: Iterable[Any], pack: Callable[[list[Any]], Any] | None
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
        self, fragments: Iterator[Any], pack: Callable[[list[Any]], Any] | None
    ) -> Generator[Any, None, None]:
        midway, is_done = False, self._is_done
        try:
            self._driven = True
            try:
                yield None
                self._busy = True
                while (is_done is None or not is_done()) and (fragment := next(fragments, END)) is not END:
                    midway = True
                    for block in self._blocks_of(fragment):
                        if block:
                            self._changing = True  # until all of it is out
                            items = block if pack is None else [pack([*block])]
                            self._busy = False
                            try:
                                yield from items
                            finally:  # also when closed, before the fragment is let go
                                self._busy = True
                    self._changing = False
                    if self.error is not None:
                        raise self.error.with_traceback(None)
                midway = False
                if last := self._finish():
                    rest = iter(last if pack is None else [pack(last)])
                    self._busy = False
                    self._changing = False
                    yield from rest
                    self._busy = True
                self._changing = False
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
                self._stop_if_changing()
                self._annotate(error, self.offset)
                close_after(error, fragments)
                raise
            close(fragments)
        finally:
            self._changing = self._busy = self._driven = False

    def _check_idle(self) -> None:
        check_idle(self._name, self._busy, self._driven)

    def _check_open(self, call: str) -> None:
        self._check_idle()
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self._ended:
            raise ValueError(f"{call}() after finish(): call reset() first")

    def _raise_unless(self, items: list[Any]) -> list[Any]:
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    # ---- errors ----

    def _stop_if_changing(self) -> None:
        if self._changing and self.error is None:
            self.error = self._halted

    def _fail(self, error: BaseException, offset: int) -> None:
        """Stop the engine: ``error`` is raised after the items already cut, and ever after."""
        error = loud(error)
        self._annotate(error, offset)
        self.error = error

    def _annotate(self, error: BaseException, offset: int) -> None:
        """Say where, unless a stage further up did."""
        place(error, f"{self._name}, at {self._unit} {offset} of its input")

    # ---- for engines to fill ----

    @property
    def offset(self) -> int:
        """How much was taken in so far, in bytes; for str input in code points, for ids in ids."""
        raise NotImplementedError

    def _blocks_of(self, fragment: Any) -> Iterable[Iterable[Any]]:
        """Take in a fragment, and give blocks of the items that it completes."""
        raise NotImplementedError

    def _finish(self) -> list[Any]:
        """Take in the end; the items that this completes."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Forget the fragment in work: the stream was closed."""


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
