"""A stream that closes everything it was made of, however it ends (twin: ``_native.streams.closing``).

A composed stream is the iterator of its last stage; what that iterator cannot promise is that the stages before it and
the source are closed when it ends by an error, or when a stage in the middle stopped early. This wrapper promises it.

It is an object and no generator: one that meets the recursion limit is dead before its ``finally`` could run, and a
dropped generator closes what it holds level by level, on the C stack. An end goes on one level here, over a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Self, TypeVar

from ..._shared.notes import make_room, note_failure
from ..._shared.steps import DROPPED
from ..._shared.surroundings import SURROUNDING, leave
from .steps import Step, one_by_one, satisfied, steps_of

__all__ = ["Stream", "close_all", "closing_iterator"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

RUNNING = "generator already executing"


class Stream(Generic[T_co]):
    """An iterator over a source that it owns: however it ends, what it owns is closed once."""

    def __init__(self, source: Iterator[Any]) -> None:
        if not hasattr(type(source), "__next__"):
            raise TypeError(f"'{type(source).__name__}' object is not an iterator")
        self._running = False  # a pull or the end is under way
        self._source: Iterator[Any] | None = source  # None once the end has begun

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T_co:
        raise NotImplementedError

    def close(self) -> None:
        """Close every stage and the source, last to first; a second call does nothing."""
        if self._running:
            raise ValueError(RUNNING)
        self._end(None)

    def __del__(self) -> None:
        if getattr(self, "_source", None) is not None:
            self._end(None)

    def _detach(self, error: BaseException | None) -> list[Any]:
        """Forget the source, so that nothing is closed twice; gives what is to be closed, the last one first."""
        owned = [self._source]
        self._source = None
        return owned

    def _end(self, error: BaseException | None) -> None:
        """Close all that the stream owns, because of ``error`` if it is not None, to which failures become notes."""
        if self._source is None:
            return
        make_room()
        failed = close_levels(level_of(self, error))
        if failed is not None:
            raise failed


class closing_iterator(Stream[T_co]):  # noqa: N801 - the twin of a function-like class
    """Iterate over ``iterator``; when it ends, by whatever way, close ``owned`` from last to first, each once.

    ``owned`` is in the order of the data's way, source first, and has ``iterator`` as its last entry; entries without
    a ``close`` are passed over. ``close()`` returns after all are closed. An exception is shown to ``annotate`` first
    and then raised as it is; errors of ``close`` methods become notes of it, or are raised where there is none.
    ``steps`` are done with each item, in order.
    """

    _config: Any = None

    def __init__(
        self,
        iterator: Iterator[Any],
        owned: Sequence[object],
        annotate: Callable[[BaseException], object] | None = None,
        *,
        steps: Iterable[Step] = (),
    ) -> None:
        self._owned = list(owned)
        self._annotate = annotate
        self._steps = steps_of(steps, in_async=False)
        # one step is called as it is, and only one that ends the stream is looked at before a pull
        limits = [step for step in self._steps if step._left >= 0]
        self._limit = limits[0] if limits else None
        self._several = len(limits) > 1
        super().__init__(iterator)
        self._items = map(one_by_one(self._steps), iterator) if self._steps else iterator

    def surround(self, config: Any) -> bool:
        """Let code that the stream runs find ``config`` around it; False if another one is set already."""
        if self._config is not None:
            return False
        self._config = config
        return True

    def __next__(self) -> T_co:
        if self._config is None:
            return self._next()
        token = SURROUNDING.set(self._config)
        try:
            return self._next()
        finally:
            leave(token)

    def _next(self) -> T_co:
        if self._running:
            raise ValueError(RUNNING)
        if self._source is None:
            raise StopIteration
        self._running = True
        try:
            limit = self._limit
            while limit is None or (limit._left and not (self._several and satisfied(self._steps))):
                item: Any = next(self._items)
                if item is not DROPPED:
                    self._running = False
                    return item  # type: ignore[no-any-return]
        except StopIteration:
            pass
        except BaseException as error:
            self._running = False
            self._end(error)
            raise
        self._running = False
        self._end(None)
        raise StopIteration

    def _end(self, error: BaseException | None) -> None:
        if self._config is None:
            return super()._end(error)
        token = SURROUNDING.set(self._config)
        try:
            return super()._end(error)
        finally:
            leave(token)

    def _detach(self, error: BaseException | None) -> list[Any]:
        annotate, owned = self._annotate, self._owned
        self._source = self._annotate = None
        self._items = iter(())
        self._owned = []
        if error is not None and annotate is not None and not isinstance(error, GeneratorExit):
            try:
                annotate(error)
            except BaseException as failure:  # noqa: BLE001 - noted: all must be closed
                note_failure(error, "naming the stage", failure)
        return owned


class Level:
    """A stream whose end is under way."""

    __slots__ = ("error", "failed", "left", "stream")

    def __init__(self, stream: Stream[Any] | None, left: list[Any], error: BaseException | None) -> None:
        self.stream = stream
        self.left = left  # to be closed, the next one last
        self.error = error  # why, or None
        self.failed: BaseException | None = None  # the first failure where there is no error

    def note(self, entry: object, failure: BaseException) -> None:
        error = self.error or self.failed
        if error is None:
            self.failed = failure
        else:
            note_failure(error, f"closing {type(entry).__name__}", failure)


def level_of(stream: Stream[Any], error: BaseException | None) -> Level:
    stream._running = True
    try:
        return Level(stream, stream._detach(error), error)
    except BaseException:
        stream._running = False
        raise


def close_levels(level: Level) -> BaseException | None:
    """Close what is left of ``level``, and of the streams in it in turn; gives the failure to raise, or None.

    One level stands on a list for each stream inside a stream, so that no depth of them meets the recursion limit.
    """
    outer: list[Level] = []
    while True:
        if level.left:
            entry = level.left.pop()
            try:
                inner = close_or_open(entry)
            except BaseException as failure:  # noqa: BLE001 - kept: raised by the caller or noted
                level.note(entry, failure)
            else:
                if inner is not None:
                    outer.append(level)
                    level = inner
            continue
        if level.stream is not None:
            level.stream._running = False
        if not outer:
            return level.failed
        inner, level = level, outer.pop()
        if inner.failed is not None:
            level.note(inner.stream, inner.failed)


def close_or_open(entry: Any) -> Level | None:
    """Close ``entry``; a stream is not closed but gives the level that does it."""
    if not isinstance(entry, Stream):
        close = getattr(entry, "close", None)
        if close is not None:
            close()
        return None
    if entry._running:
        raise ValueError(RUNNING)
    return None if entry._source is None else level_of(entry, None)


def close_all(owned: Sequence[object], error: BaseException | None) -> None:
    """Call ``close()`` on each entry that has it, last to first; none is left out because another one failed.

    Failures are noted on ``error``, the exception under way; without one, the first failure is raised.
    """
    failed = close_levels(Level(None, list(owned), error))
    if failed is not None:
        raise failed
