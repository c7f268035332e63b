"""``switch_map``: the items of one stream at a time, of that which the newest item made."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator
from ..runnables.function import name_of
from ..runnables.notes import note_source
from .flattening import Held
from .operator import Item, Operator, Result, public

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import overload

    from ..runnables.config import RunnableConfig

__all__ = ["switch_map"]


@public
class switch_map(Operator[Item, Result]):  # noqa: N801 - the field's word, used as ops.switch_map
    """The items of the (async) iterable ``fn(item)``, until the next item comes: that closes it and makes the next one.

    In async streams only; ``fn`` may be a coroutine function. The source is read by a task, from the first item asked
    for on, and never waits: of items that come at once the last one counts. A pull that waits is cancelled when a newer
    item comes; what nobody asked for meanwhile is closed at the next pull. An error of ``fn``, or of what it gave,
    gets a note with the number of the item.
    """

    _hops = True
    _notes_source = True

    if TYPE_CHECKING:

        @overload
        def __init__(
            self,
            fn: Callable[[Item], Coroutine[Any, Any, Iterable[Result]]]
            | Callable[[Item], Coroutine[Any, Any, AsyncIterable[Result]]],
        ) -> None: ...
        @overload
        def __init__(self, fn: Callable[[Item], AsyncIterable[Result]]) -> None: ...
        @overload
        def __init__(self, fn: Callable[[Item], Iterable[Result]]) -> None: ...

    def __init__(self, fn: Any) -> None:
        if not callable(fn):
            raise TypeError(f"ops.switch_map needs a callable, got {type(fn).__name__}")
        self.fn = fn

    def __repr__(self) -> str:
        return f"ops.switch_map({name_of(self.fn)})"

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        raise TypeError(f"{self!r} works in async streams only: use astream, atransform or ainvoke")

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        from ..runnables.bridge.switching import Switching

        switching, inner = Switching(source, self.fn, repr(self)), Held()
        items = switching.items(inner)
        entries = (*owned[:-1], switching.reader, inner, items)
        return async_closing_iterator(items, entries, partial(note_source, self))
