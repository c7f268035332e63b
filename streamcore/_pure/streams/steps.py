"""What an async stream does with each item on its way out: the operators that need no iterator of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._shared.notes import raise_noted

__all__ = ["DROPPED", "Step", "step_of"]

DROPPED = object()


class Step:
    """Does one thing with each item; ``left`` is how many more it lets through, below 0 for no limit."""

    left = -1

    def __call__(self, item: Any) -> Any:
        """What becomes of the item: another one, or ``DROPPED``."""
        raise NotImplementedError


class Map(Step):
    def __init__(self, fn: Callable[[Any], Any], name: str) -> None:
        self._fn = fn
        self._name = name
        self._at = 0

    def __call__(self, item: Any) -> Any:
        try:
            result = self._apply(item)
        except BaseException as error:  # noqa: BLE001 - raised, noted
            raise_noted(error, self._name, self._at, in_async=True)
        self._at += 1
        return result

    def _apply(self, item: Any) -> Any:
        return self._fn(item)


class Filter(Map):
    def _apply(self, item: Any) -> Any:
        return item if self._fn(item) else DROPPED


class Take(Step):
    def __init__(self, count: int, name: str) -> None:
        self.left = count

    def __call__(self, item: Any) -> Any:
        self.left -= 1
        return item


STEPS: dict[str, Callable[[Any, str], Step]] = {"map": Map, "filter": Filter, "take": Take}


def step_of(kind: str, argument: Any, name: str) -> Step:
    """The step for ``("map", fn, name)``, ``("filter", fn, name)`` or ``("take", count, name)``."""
    return STEPS[kind](argument, name)
