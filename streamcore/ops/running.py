"""Operators whose answer for an item depends on the item before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

from .._backend import DistinctStep, ScanStep
from .operator import Item, Passing, Result, public
from .per_item import PerItem

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import overload

    from .._backend import Step

__all__ = ["distinct", "scan"]


@public
class scan(PerItem[Item, Result]):  # noqa: N801 - the field's word, used as ops.scan
    """Running results: ``fn(before, item)`` for each item, where ``before`` is the result for the item before.

    For the first item it is ``initial``, which is not given out. ``fn`` may be a coroutine function. An ``initial``
    that ``fn`` changes in place is the same object in every stream.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, fn: Callable[[Result, Item], Coroutine[Any, Any, Result]], initial: Result
        ) -> None: ...
        @overload
        def __init__(self, fn: Callable[[Result, Item], Result], initial: Result) -> None: ...

    def __init__(self, fn: Any, initial: Any) -> None:
        super().__init__(fn)
        self.initial = initial
        self._name = f"{self._name[:-1]}, {shortened(initial)})"

    def _calling(self, fn: Callable[..., Any]) -> Step:
        return ScanStep(fn, self._name, self.initial)

    def _asking(self) -> Callable[[Any], Awaitable[Any]]:
        before = self.initial

        async def ask(item: Any) -> Any:
            nonlocal before
            before = await self.fn(before, item)
            return before

        return ask


@public
class distinct(Passing[Item], PerItem[Item, Any]):  # noqa: N801
    """The items without those that repeat the one before: equal to it, or with an equal ``key(item)``.

    ``key`` may be a coroutine function. The identical object counts as equal.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(self: distinct[object], key: None = None) -> None: ...
        @overload
        def __init__(self, key: Callable[[Item], object]) -> None: ...

    def __init__(self, key: Callable[[Any], object] | None = None) -> None:
        super().__init__(_itself if key is None else key)
        self.key = key
        if key is None:
            self._name = f"{self._kind}()"

    def _calling(self, fn: Callable[..., Any]) -> Step:
        return DistinctStep(None if self.key is None else fn, self._name)


def _itself(item: Any) -> Any:
    return item
