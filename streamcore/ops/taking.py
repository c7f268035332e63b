"""Operators that give a part of the items: by their number, or up to or from one that shows itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .._backend import SkipStep, SkipWhileStep, Step, TakeStep, TakeWhileStep
from .operator import Item, Passing, checked_count, public
from .per_item import PerItem

__all__ = ["skip", "skip_while", "take", "take_while"]


class Counted(Passing[Any]):
    """An operator that counts."""

    def __init__(self, count: int) -> None:
        self.count = checked_count(count, least=0)

    def __repr__(self) -> str:
        return f"ops.{type(self).__name__}({self.count})"


@public
class take(Counted):  # noqa: N801 - the field's word, used as ops.take
    """The first ``count`` items; then the source is closed, without being pulled for one more."""

    def _new_step(self) -> Step:
        return TakeStep(self.count)


@public
class skip(Counted):  # noqa: N801
    """The items after the first ``count``."""

    def _new_step(self) -> Step:
        return SkipStep(self.count)


@public
class take_while(Passing[Item], PerItem[Item, Any]):  # noqa: N801
    """The items before the first one for which ``fn`` is false; with that one the source is closed.

    ``fn`` may be a coroutine function.
    """

    _step_of = TakeWhileStep

    if TYPE_CHECKING:

        def __init__(self, fn: Callable[[Item], object]) -> None: ...


@public
class skip_while(Passing[Item], PerItem[Item, Any]):  # noqa: N801
    """The items from the first one on for which ``fn`` is false, in order; after that ``fn`` is not called.

    ``fn`` may be a coroutine function.
    """

    _step_of = SkipWhileStep

    if TYPE_CHECKING:

        def __init__(self, fn: Callable[[Item], object]) -> None: ...

    def _asking(self) -> Callable[[Any], Awaitable[Any]]:
        skipping = True

        async def ask(item: Any) -> bool:
            nonlocal skipping
            if skipping:
                skipping = bool(await self.fn(item))
            return skipping

        return ask
