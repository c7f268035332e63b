"""Operators that hold items between the stages before them and those after them."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator
from .._shared.notes import place, raise_noted
from ..runnables.bridge.inbox import Kept
from ..runnables.function import is_async, name_of
from ..runnables.notes import note_source
from .operator import Item, Passing, checked_count, public

if TYPE_CHECKING:
    from ..runnables.bridge.ahead import Ahead
    from ..runnables.config import RunnableConfig

__all__ = ["Reading", "buffer", "conflate"]

OVERFLOWS = ("wait", "drop_oldest", "drop_newest", "error")


class Reading(Passing[Item]):
    """An operator behind which the source is read as it comes, by a thread or a task; ``_kept`` says what is held."""

    _hops = True  # in async streams by a task
    _notes_source = True
    _reads_ahead = True

    def _kept(self) -> Kept:
        raise NotImplementedError

    def _remarks(self) -> list[str]:
        return [f"runs those before it in a thread or task; reads ahead by {getattr(self, 'count', 1)}"]

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        from ..runnables.bridge.read_ahead import read_into

        return read_into(source, self._kept(), partial(note_source, self))

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        from ..runnables.bridge.read_ahead import aread_into

        output = aread_into(source, self._kept(), partial(note_source, self), self)
        below = owned[:-1]
        return async_closing_iterator(output, (*below, output)) if below else output


@public
class buffer(Reading[Any]):  # noqa: N801
    """Read ahead: the stages before it work while those after it do, up to ``count`` items ahead.

    These hold at most ``config["buffer_bytes"]`` bytes, 8 MiB if not given; an item larger than that goes alone.
    What comes before runs in a worker thread of its own; in an async stream, in a task of the (asyncio) loop. Items
    before an error come first. Closing the stream stops the reading and closes the source before it returns; in a
    thread, a pull that is under way is waited for.

    ``overflow``, for a source that cannot wait: what comes while ``count`` items are held, whatever their bytes, takes
    the place of the oldest (``"drop_oldest"``), is dropped (``"drop_newest"``), or is a ``BufferError`` after those
    items (``"error"``). Then the source is read without a pause from the first item asked for on.
    """

    def __init__(self, count: int, *, overflow: str = "wait") -> None:
        self.count = checked_count(count, least=1)
        if overflow not in OVERFLOWS:
            raise ValueError(f"overflow must be one of {', '.join(OVERFLOWS)}, got {overflow!r}")
        self.overflow = overflow
        self._waits = overflow == "wait"
        self._hops = self._notes_source = not self._waits  # type: ignore[misc] # a fact of the object here

    def __repr__(self) -> str:
        return f"ops.buffer({self.count}{'' if self._waits else f', overflow={self.overflow!r}'})"

    def _ahead(self, config: RunnableConfig | None) -> Ahead:
        from ..runnables.bridge.ahead import Ahead, buffer_bytes

        return Ahead(self.count, buffer_bytes(config))

    def _kept(self) -> Kept:
        return Queued(self)

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        if not self._waits:
            return super()._behind(source, config)
        from ..runnables.bridge.read_ahead import read_ahead

        return read_ahead(source, self._ahead(config))

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        if not self._waits:
            return super()._over(source, owned, config)
        from ..runnables.bridge.read_ahead import aread_ahead

        output = aread_ahead(source, self._ahead(config), self)
        below = owned[:-1]
        return async_closing_iterator(output, (*below, output)) if below else output


class Queued(Kept):
    """The items of a buffer for which nothing waits."""

    def __init__(self, of: buffer) -> None:
        self._of = of
        self._items: deque[Any] = deque()

    def add(self, item: Any) -> bool:
        items, of = self._items, self._of
        if len(items) >= of.count:
            if of.overflow == "drop_newest":
                return False
            if of.overflow == "error":
                error = BufferError(f"the source gave more than {of.count} items that nobody took")
                place(error, repr(of))
                raise error
            items.popleft()
        items.append(item)
        return True

    def due(self) -> float | None:
        return 0.0 if self._items else None

    def take(self) -> Any:
        return self._items.popleft()


@public
class conflate(Reading[Any]):  # noqa: N801
    """Each item to a consumer that is quick; while it is slow, one that is made of those that came meanwhile.

    ``merge(held, item)`` makes one item of the one that is held and the next; a function, which runs where the source
    is read. The source never waits: the stages before it run in a thread, or a task, as those before ``buffer`` do,
    from the first item asked for on. What there is before an error comes before it.
    """

    def __init__(self, merge: Callable[[Any, Any], Any]) -> None:
        if not callable(merge) or is_async(merge):
            what = "a coroutine function" if callable(merge) else type(merge).__name__
            raise TypeError(f"ops.conflate: merge must be a function, got {what}")
        self.merge = merge

    def __repr__(self) -> str:
        return f"ops.conflate({name_of(self.merge)})"

    def _kept(self) -> Kept:
        return Merged(self)


NOTHING = object()


class Merged(Kept):
    """The one item of those that nobody has taken."""

    def __init__(self, of: conflate) -> None:
        self._of = of
        self._held: Any = NOTHING
        self._at = 0

    def add(self, item: Any) -> bool:
        held = self._held
        if held is not NOTHING:
            try:
                item = self._of.merge(held, item)
            except BaseException as error:  # noqa: BLE001 - raised, noted
                raise_noted(error, repr(self._of), self._at, in_async=True)
        self._at += 1
        self._held = item
        return held is NOTHING

    def due(self) -> float | None:
        return None if self._held is NOTHING else 0.0

    def take(self) -> Any:
        held, self._held = self._held, NOTHING
        return held
