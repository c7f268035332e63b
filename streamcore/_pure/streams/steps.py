"""What a stream does with each item on its way out: the per-item operators (twin: ``_native.streams.steps``).

One step serves ``closing_iterator`` and ``async_closing_iterator``, which take any number of them in a row: a stream
with steps costs no iterator more than one without. A step counts, so that each stream needs its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import index
from typing import Any, NoReturn

from ..._shared.notes import raise_noted
from ..._shared.steps import DROPPED

__all__ = [
    "DistinctStep",
    "EnumerateStep",
    "FilterStep",
    "MapStep",
    "ScanStep",
    "SkipStep",
    "SkipWhileStep",
    "Step",
    "TakeStep",
    "TakeWhileStep",
    "TapStep",
    "one_by_one",
    "satisfied",
    "steps_of",
]


class Step:
    """Does one thing with each item."""

    _left = -1
    """How many more items it lets through, below 0 for no limit."""
    _in_async = False
    """Whose function must not end the stream by StopAsyncIteration either."""

    def __call__(self, item: Any) -> Any:
        """What becomes of the item: another one, or ``DROPPED``."""
        raise NotImplementedError


class CallingStep(Step):
    """Calls ``fn(item)``; an error gets a note with ``name`` and the item's number, counted from 0."""

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        self._fn = fn
        self._name = name
        self._at = 0

    def _answer(self, item: Any) -> Any:
        """``fn`` of the item."""
        try:
            result = self._fn(item)
        except BaseException as error:  # noqa: BLE001 - raised, noted
            self._failed(error)
        self._at += 1
        return result

    def _is_true(self, item: Any) -> bool:
        """Whether ``fn`` of the item is true."""
        try:
            is_so = bool(self._fn(item))
        except BaseException as error:  # noqa: BLE001 - raised, noted
            self._failed(error)
        self._at += 1
        return is_so

    def _failed(self, error: BaseException) -> NoReturn:
        raise_noted(error, self._name, self._at, in_async=self._in_async)


class MapStep(CallingStep):
    """``fn`` of each item."""

    __call__ = CallingStep._answer


class TapStep(CallingStep):
    """Each item as it is, once ``fn`` has seen it."""

    def __call__(self, item: Any) -> Any:
        self._answer(item)
        return item


class FilterStep(CallingStep):
    """Drops the items for which ``fn`` is false."""

    def __call__(self, item: Any) -> Any:
        return item if self._is_true(item) else DROPPED


class TakeWhileStep(CallingStep):
    """The items before the first one for which ``fn`` is false; the source is not pulled for one more."""

    _left = 1  # at least, as far as it knows

    def __call__(self, item: Any) -> Any:
        if self._is_true(item):
            return item
        self._left = 0
        return DROPPED


class SkipWhileStep(CallingStep):
    """The items from the first one on for which ``fn`` is false; for later ones it is not called."""

    _over = False

    def __call__(self, item: Any) -> Any:
        if not self._over:
            if self._is_true(item):
                return DROPPED
            self._over = True
        return item


class ScanStep(CallingStep):
    """``fn(before, item)`` of each item, where ``before`` is its answer for the item before, at first ``initial``."""

    def __init__(self, fn: Callable[[Any, Any], Any], name: str, initial: Any) -> None:
        super().__init__(fn, name)
        self._value = initial

    def __call__(self, item: Any) -> Any:
        try:
            value = self._fn(self._value, item)
        except BaseException as error:  # noqa: BLE001 - raised, noted
            self._failed(error)
        self._at += 1
        self._value = value
        return value


class DistinctStep(CallingStep):
    """Drops an item whose ``fn(item)``, without a function the item itself, equals that of the item before."""

    def __init__(self, fn: Callable[[Any], Any] | None, name: str) -> None:
        super().__init__(_itself if fn is None else fn, name)
        self._key: Any = DROPPED  # of the last item given out

    def __call__(self, item: Any) -> Any:
        before = self._key
        try:
            key = self._fn(item)
            same = before is key or (before is not DROPPED and bool(before == key))
        except BaseException as error:  # noqa: BLE001 - raised, noted
            self._failed(error)
        self._at += 1
        if same:
            return DROPPED
        self._key = key
        return item


def _itself(item: Any) -> Any:
    return item


class TakeStep(Step):
    """The first ``count`` items; the source is not pulled for one more."""

    def __init__(self, count: int) -> None:
        self._left = max(index(count), 0)

    def __call__(self, item: Any) -> Any:
        self._left -= 1
        return item


class SkipStep(Step):
    """The items after the first ``count``."""

    def __init__(self, count: int) -> None:
        self._ahead = max(index(count), 0)

    def __call__(self, item: Any) -> Any:
        if self._ahead:
            self._ahead -= 1
            return DROPPED
        return item


class EnumerateStep(Step):
    """Pairs of a number, counted from ``start``, and the item."""

    def __init__(self, start: int) -> None:
        self._number = index(start)

    def __call__(self, item: Any) -> Any:
        number = self._number
        self._number = number + 1
        return number, item


def steps_of(steps: Iterable[Any], in_async: bool) -> list[Step]:
    """The ``steps`` of a stream, each its own."""
    made = list(steps)
    for step in made:
        if not isinstance(step, Step):
            raise TypeError(f"expected a step, got {type(step).__name__}")
        step._in_async = in_async
    return made


def satisfied(steps: list[Step]) -> bool:
    """Whether a step has let through all that it was asked for: then the source is not pulled."""
    for step in steps:  # noqa: SIM110 - any() costs five times as much
        if step._left == 0:
            return True
    return False


def one_by_one(steps: list[Step]) -> Callable[[Any], Any]:
    """What the steps (none: the item), in order, make of an item; ``DROPPED`` as soon as one drops it."""
    calls = [step.__call__ for step in steps]  # bound: half the time of a call of the step
    if len(calls) == 1:
        return calls[0]

    def apply(item: Any) -> Any:
        for call in calls:
            item = call(item)
            if item is DROPPED:
                break
        return item

    return apply
