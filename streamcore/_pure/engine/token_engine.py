"""What the streaming token engines share: the protocol of ``span_engine`` for items that are no byte spans."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

from ..._shared.driving import check_idle
from ..._shared.notes import add_note, place, shown

__all__ = ["TokenEngine"]


class TokenEngine:
    """Base of the encoder and the decoder: sans-IO, fragments in by ``feed()``, items out."""

    _name = "TokenEngine"
    _unit = "byte"
    _busy = False  # a call is at work: whatever code it runs may not call the engine
    _driven = False  # an iterator has it, until that is exhausted, closed or dropped
    _changing = False  # a call is between two states: what ends it there ends the stream

    def _clear(self) -> None:
        """Set what a stream changes; an engine with more state extends it."""
        self.error: BaseException | None = None
        self._halted = RuntimeError(  # made while there is memory
            f"{self._name} was stopped in the middle of a call, so that what follows may be wrong: call reset() first"
        )
        self._changing = False
        self.offset = 0
        self._ended = False

    def feed(self, fragment: Any) -> list[Any]:
        """Take in one fragment and give the list of items that are final now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in; or, where an
        encoder or a twin was stopped in the middle, every further call raises RuntimeError until ``reset()``.
        """
        self._check_open("feed")
        self._busy = True
        try:
            return self._raise_unless(self._take(fragment))
        except BaseException:
            if self._changing and self.error is None:  # no call of a method, which may need memory
                self.error = self._halted
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
            if self._changing and self.error is None:
                self.error = self._halted
            raise
        finally:
            self._changing = self._busy = False

    def reset(self) -> None:
        """Back to new: nothing taken in, no error."""
        self._check_idle()
        self._clear()

    def iterate(self, fragments: Iterable[Any]) -> Generator[Any, None, None]:
        """Iterator of the items in ``fragments``, which it owns and closes exactly once, however it ends.

        Until it ends nothing else may drive the engine: ``feed``, ``finish``, ``reset`` and a second iterator are a
        ValueError. Closed or dropped midway, or after an exception of ``fragments``, it goes on from ``offset``.
        """
        self._check_open("iterate")
        self._busy = True
        try:
            run = self._run(iter(fragments))
            next(run)  # a generator that never ran would not close its source
        finally:
            self._busy = False
        return run

    def _run(self, fragments: Iterator[Any]) -> Generator[Any, None, None]:
        self._driven = True
        try:
            try:
                yield None
                self._busy = True
                for fragment in fragments:
                    items = self._take(fragment)
                    self._busy = False
                    for item in items:  # at most one, and not lost before it is given
                        self._changing = False
                        yield item
                    self._changing = False
                    self._busy = True
                    if self.error is not None:
                        raise self.error.with_traceback(None)
                    if self._is_done():
                        break
                items = self._finish()
                self._busy = False
                for item in items:
                    self._changing = False
                    yield item
                self._changing = False
                self._busy = True
                if self.error is not None:
                    raise self.error.with_traceback(None)
            except GeneratorExit:
                self._busy = True
                close(fragments)
                raise
            except BaseException as error:
                self._busy = True
                if self._changing and self.error is None:
                    self.error = self._halted
                self._annotate(error)
                try:
                    close(fragments)
                except Exception as second:  # noqa: BLE001 - told in a note; the first error is the one that counts
                    add_note(error, f"closing its source failed too: {shown(second)}")
                raise
            close(fragments)
        finally:
            self._changing = self._busy = self._driven = False

    def _finish(self) -> list[Any]:
        self._ended = self._changing = True
        return self._end()

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

    def _fail(self, error: BaseException) -> None:
        """Stop the engine: ``error`` is raised after the items already cut, and ever after."""
        self._annotate(error)
        self.error = error

    def _annotate(self, error: BaseException) -> None:
        """Say where, unless a stage further up did."""
        place(error, f"{self._name}, at {self._unit} {self.offset} of its input")

    # ---- for engines to fill ----

    def _is_done(self) -> bool:
        """Whether no further input can give an item."""
        return False

    def _take(self, fragment: Any) -> list[Any]:
        """Take in a fragment: first look at it, then set ``_changing``, then change the state."""
        raise NotImplementedError

    def _end(self) -> list[Any]:
        raise NotImplementedError


def close(source: object) -> None:
    """Call ``source.close()`` where there is one."""
    close = getattr(source, "close", None)
    if close is not None:
        close()
