"""``timeout``: no longer waits for an item than a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator
from ..runnables.bridge.in_time import AsyncInTime, InTime, Watch
from ..runnables.config import seconds_or_none
from ..runnables.notes import note_source
from .operator import Item, Passing, public, take_no_more

if TYPE_CHECKING:
    from ..runnables.composing import FoldFunction
    from ..runnables.config import RunnableConfig

__all__ = ["timeout"]


@public
class timeout(Passing[Item]):  # noqa: N801 - the field's word, used as ops.timeout
    """Every item as it is; a ``StreamTimeout`` where the next one, or the end, is waited for longer than ``seconds``.

    ``first`` is the limit for the first item, where it is another one. Time runs only while somebody waits. In an async
    stream a timer cancels the pull, and all before it is closed first; in a sync one a thread makes the pulls, one at a
    time, and closes what a pull was in that was given up.
    """

    _closes_input = False
    _notes_source = True
    _hops = True

    def __init__(self, seconds: float, *, first: float | None = None) -> None:
        if seconds is None:
            raise TypeError("seconds must be a number, got None")
        seconds_or_none("seconds", seconds)
        seconds_or_none("first", first)
        self.seconds = seconds
        self.first = first

    def __repr__(self) -> str:
        return f"ops.timeout({self.seconds!r}{'' if self.first is None else f', first={self.first!r}'})"

    def _remarks(self) -> list[str]:
        return ["in sync calls runs those before it in a thread"]

    def _watch(self) -> Watch:
        seconds, first = seconds_or_none("seconds", self.seconds), seconds_or_none("first", self.first)
        return Watch(0.0, None, first, seconds)

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        limited = InTime(lambda: closing_iterator(source, (source,)), self._watch())
        return closing_iterator(limited, (limited,), partial(note_source, self))

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        limited = AsyncInTime(source, self._watch(), None, self)
        return async_closing_iterator(limited, (*owned, limited), partial(note_source, self))

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        take_no_more(self, kwargs)
        # all that comes before: a pull that is given up is in there, and its thread closes it
        source: Iterator[Any] = closing_iterator(input, owned)
        limited = InTime(lambda: source, self._watch())
        owned[:] = [limited]
        return limited

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        take_no_more(self, kwargs)
        limited = AsyncInTime(input, self._watch(), None, self)
        owned.append(limited)
        return limited
