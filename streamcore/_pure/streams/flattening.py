"""A stream of the items of iterables, one after the other (twin: ``_native.streams.flattening``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ..._shared.notes import STOPPED, note
from ..._shared.steps import DROPPED
from .closing import RUNNING, Stream, close_all

__all__ = ["flat_iterator"]

T_co = TypeVar("T_co", covariant=True)


class flat_iterator(Stream[T_co]):  # noqa: N801 - the twin of a function-like class
    """Iterate over the items of the iterables that ``iterator`` gives; each is closed before the next one is pulled.

    However it ends, what is open of these is closed, then the entries of the list ``owned``, as ``closing_iterator``
    does; the list is not copied, so that what leaves it meanwhile is left alone. With ``name`` an error of an iterable
    gets a note with it and the iterable's number, counted from 0. With ``caught`` the first ``Exception`` of an
    iterable, or of its close at its end, goes there once that is closed; what it gives comes instead of the rest.
    """

    def __init__(
        self,
        iterator: Iterator[Iterable[T_co]],
        owned: list[Any],
        name: str | None = None,
        caught: Callable[[Exception], Iterable[T_co]] | None = None,
    ) -> None:
        if type(owned) is not list:
            raise TypeError(f"owned must be a list, got {type(owned).__name__}")
        self._caught = caught
        self._owned = owned
        self._name = name
        self._inner: Iterator[T_co] | None = None
        self._at = -1  # the number of the inner one
        self._inside = False  # what is raised now comes from it
        super().__init__(iterator)

    def __next__(self) -> T_co:
        if self._running:
            raise ValueError(RUNNING)
        if self._source is None:
            raise StopIteration
        self._running = True
        try:
            while True:
                if self._inner is not None:
                    try:
                        item: Any = next(self._inner, DROPPED)
                        if item is not DROPPED:
                            self._running = False
                            return item  # type: ignore[no-any-return]
                        self._leave()
                    except Exception as error:
                        if self._caught is None:
                            raise
                        self._go_on(error)
                        continue
                self._enter(next(self._source))
        except StopIteration:
            pass
        except BaseException as error:
            self._running = False
            self._end(error)
            raise
        self._running = False
        self._end(None)
        raise StopIteration

    def _enter(self, part: Iterable[T_co]) -> None:
        self._at += 1
        self._inside = True
        try:
            self._inner = iter(part)
        except StopIteration as stop:
            raise RuntimeError(STOPPED) from stop

    def _leave(self) -> None:
        inner, self._inner = self._inner, None
        self._inside = False
        close = getattr(inner, "close", None)
        if close is not None:
            try:
                close()
            except StopIteration as stop:
                raise RuntimeError(STOPPED) from stop

    def _go_on(self, error: Exception) -> None:
        caught, self._caught = self._caught, None
        assert caught is not None
        inner, self._inner = self._inner, None
        try:
            close_all((inner,), error)
            self._enter(caught(error))
        finally:
            del error  # the traceback holds this frame: a cycle otherwise

    def _detach(self, error: BaseException | None) -> list[Any]:
        owned = [*self._owned]
        if self._inner is not None:
            owned.append(self._inner)
        self._source = self._inner = self._caught = None
        self._owned = []
        if error is not None and self._inside and self._name is not None:
            note(error, self._name, self._at)
        return owned
