"""``RunnableEach``: one Runnable for each input of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Runnable

if TYPE_CHECKING:
    from .composing import Given, Made, Stage
    from .config import RunnableConfig
    from .describing import Part
else:
    from typing import TypeVar

    Given = TypeVar("Given")
    Made = TypeVar("Made")

__all__ = ["RunnableEach"]


class RunnableEach(Runnable[list[Given], list[Made], list[Made]]):
    """``bound`` for each input of a list, through its ``batch``: a list in, a list out. ``x.map()`` makes it."""

    def __init__(self, bound: Stage[Given, Made, Any]) -> None:
        from .function import coerce_to_runnable

        self.bound: Runnable[Any, Any] = coerce_to_runnable(bound)
        if not self.bound._written.is_sync:
            self._written = self._overrides(RunnableEach, "ainvoke")

    def __repr__(self) -> str:
        return f"RunnableEach({self.bound!r})"

    def _parts(self, head: bool) -> list[Part]:
        return [("each", self.bound, True)]

    def invoke(self, input: list[Given], config: RunnableConfig | None = None, **kwargs: Any) -> list[Made]:
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        return self.bound.batch(_listed(self, input), config, **kwargs)

    async def ainvoke(
        self, input: list[Given], config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Made]:
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        return await self.bound.abatch(_listed(self, input), config, **kwargs)


def _listed(stage: RunnableEach[Any, Any], input: Any) -> list[Any]:
    if isinstance(input, (str, bytes, bytearray, memoryview, dict)) or not hasattr(input, "__iter__"):
        raise TypeError(f"{stage!r} takes a list of inputs, got {type(input).__name__}")
    return list(input)
