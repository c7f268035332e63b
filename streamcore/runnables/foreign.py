"""Objects of other libraries that have the same method names, as stages of a chain."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .base import Runnable

if TYPE_CHECKING:
    from .config import RunnableConfig

__all__ = ["ForeignRunnable"]


class ForeignRunnable(Runnable[Any, Any]):
    """Anything with ``invoke``, ``stream`` and ``transform``, called by these names; async twins where it has them."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __repr__(self) -> str:
        return f"{type(self.thing).__name__}"

    @property
    def _has_async(self) -> bool:
        return all(hasattr(self.thing, name) for name in ("ainvoke", "astream", "atransform"))

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self.thing.invoke(input, config, **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        return iter(self.thing.stream(input, config, **kwargs))

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        return iter(self.thing.transform(iter(input), config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if self._has_async:
            return await self.thing.ainvoke(input, config, **kwargs)
        from .threads import run_in_thread

        return await run_in_thread(self.invoke, input, config, **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        if self._has_async:
            return aiter(self.thing.astream(input, config, **kwargs))
        from .threads import stream_in_thread

        return stream_in_thread(self, input, config, **kwargs)

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        if self._has_async:
            return aiter(self.thing.atransform(aiter(input), config, **kwargs))
        from .threads import transform_in_thread

        return transform_in_thread(self, input, config, **kwargs)
