"""What the streaming token engines share: the protocol of ``_pure.engine`` for items that are no byte spans."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

__all__ = ["TokenEngine"]


class TokenEngine:
    """Base of the encoder and the decoder: sans-IO, fragments in by ``feed()``, items out."""

    _name = "TokenEngine"
    _unit = "byte"

    def _clear(self) -> None:
        """Set what a stream changes; an engine with more state extends it."""
        self.error: BaseException | None = None
        self.offset = 0
        self._ended = False

    def feed(self, fragment: Any) -> list[Any]:
        """Take in one fragment and give the list of items that are final now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in.
        """
        self._check_open("feed")
        return self._raise_unless(self._take(fragment))

    def finish(self) -> list[Any]:
        """End the input and give the list of items that this completes; a second call gives an empty list."""
        if self._ended and self.error is None:
            return []
        self._check_open("finish")
        self._ended = True
        return self._raise_unless(self._end())

    def reset(self) -> None:
        """Back to new: nothing taken in, no error."""
        self._clear()

    def iterate(self, fragments: Iterable[Any]) -> Generator[Any, None, None]:
        """Iterator of the items in ``fragments``, which it owns and closes exactly once, however it ends."""
        self._check_open("iterate")
        run = self._run(iter(fragments))
        next(run)  # a generator that never ran would not close its source
        return run

    def _run(self, fragments: Iterator[Any]) -> Generator[Any, None, None]:
        try:
            yield None
            for fragment in fragments:
                self._check_open("feed")
                yield from self._take(fragment)
                if self.error is not None:
                    raise self.error.with_traceback(None)
                if self._is_done():
                    break
            self._check_open("finish")
            self._ended = True
            yield from self._end()
            if self.error is not None:
                raise self.error.with_traceback(None)
        except GeneratorExit:
            close(fragments)
            raise
        except BaseException as error:
            self._annotate(error)
            try:
                close(fragments)
            except Exception as second:  # noqa: BLE001 - told in a note; the first error is the one that counts
                error.add_note(f"closing its source failed too: {second!r}")
            raise
        close(fragments)

    def _check_open(self, call: str) -> None:
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
        if not any(
            isinstance(note, str) and note.startswith("in ") for note in getattr(error, "__notes__", ())
        ):
            error.add_note(f"in {self._name}, at {self._unit} {self.offset} of its input")

    # ---- for engines to fill ----

    def _is_done(self) -> bool:
        """Whether no further input can give an item."""
        return False

    def _take(self, fragment: Any) -> list[Any]:
        raise NotImplementedError

    def _end(self) -> list[Any]:
        raise NotImplementedError


def close(source: object) -> None:
    """Call ``source.close()`` where there is one."""
    close = getattr(source, "close", None)
    if close is not None:
        close()
