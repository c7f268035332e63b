"""``Wrapping``: a Runnable that calls another one, and is to a chain what that is."""

from __future__ import annotations

from collections.abc import Iterable
from types import MethodType
from typing import TYPE_CHECKING, Any, cast

from .base import Chunk, Input, Output, Runnable
from .written import METHODS

if TYPE_CHECKING:
    from .composing import FoldFunction

__all__ = ["Beneath", "Wrapping"]


class Wrapping(Runnable[Input, Output, Chunk]):
    """``bound`` with something around its calls: the chunks are its own, so they fold as it folds them.

    The listeners of a config are told of the calls of ``bound``.
    """

    _is_heard = False

    def __init__(self, bound: Any, name: str | None) -> None:
        from .function import coerce_to_runnable

        self.bound: Runnable[Any, Any, Any] = coerce_to_runnable(bound)
        self.name = name
        self._written = self.bound._written
        self._catches = self.bound._catches  # type: ignore[misc]
        self._takes_fold = self.bound._takes_fold  # type: ignore[misc]
        self._chunks_are = self.bound._chunks_are  # type: ignore[misc]

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        return super().get_name(suffix, name=name or self.name or self.bound.get_name())

    def collect(self, chunks: Iterable[Any]) -> Output:
        return cast("Output", self.bound.collect(chunks))

    def _collector(self, before: FoldFunction | None) -> FoldFunction:
        return self.bound._collector(before)

    def _empty(self) -> Any:
        return self.bound._empty()


class Beneath(Wrapping[Input, Output, Chunk]):
    """``bound``, one method of which is that of a class above its own, as it is for ``super()``."""

    def __init__(self, bound: Runnable[Any, Any, Any], name: str, function: Any) -> None:
        super().__init__(bound, None)
        for each in METHODS:
            setattr(self, each, getattr(bound, each))
        setattr(self, name, MethodType(function, bound))

    def __repr__(self) -> str:
        return repr(self.bound)
