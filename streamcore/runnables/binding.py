"""``RunnableBinding``: a Runnable with keyword arguments, a config or a fold of its own."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from .._backend import async_closing_iterator, closing_iterator, surrounding
from .base import Chunk, Input, Output
from .config import NOTHING, Checked, checked, child_config, is_limited, merge_configs
from .folding import afolded, checked_fold, fold_as, folded
from .wrapping import Wrapping

if TYPE_CHECKING:
    from .._backend import Step
    from .composing import Fold, FoldFunction, Stage
    from .config import RunnableConfig
    from .describing import Part

__all__ = ["RunnableBinding"]


class RunnableBinding(Wrapping[Input, Output, Chunk]):
    """``bound``, called with ``kwargs`` and ``config``, its chunks folded by ``fold``.

    Keyword arguments of a call win over ``kwargs``, its config is merged over ``config``. A binding of a binding is one
    binding. Attributes that it has not are those of ``bound``.
    """

    def __init__(
        self,
        bound: Stage[Input, Output, Chunk],
        kwargs: Mapping[str, Any] | None = None,
        config: RunnableConfig | None = None,
        *,
        fold: Fold | None = None,
        name: str | None = None,
    ) -> None:
        from .function import coerce_to_runnable

        bound = coerce_to_runnable(bound)
        kwargs, config, fold = dict(kwargs or {}), merge_configs(config), checked_fold(fold)
        if type(bound) is RunnableBinding:
            kwargs = {**bound.kwargs, **kwargs}
            config = merge_configs(bound.config, config)
            fold = bound.fold if fold is None else fold
            name = bound.name if name is None else name
            bound = bound.bound
        super().__init__(bound, name)
        self.kwargs: dict[str, Any] = kwargs
        self.config: RunnableConfig = config
        self.fold: Fold | None = fold
        self._closes_input = bound._closes_input  # type: ignore[misc]
        self._notes_source = bound._notes_source  # type: ignore[misc]
        if fold is not None:
            self._chunks_are = "items"  # type: ignore[misc]
        if is_limited(config):  # then it is a RunnableTimeout
            self._hops = self._notes_source = True  # type: ignore[misc]
            self._closes_input = False  # type: ignore[misc]

    def __repr__(self) -> str:
        shown = [repr(self.bound)]
        for key, value in (("kwargs", self.kwargs), ("config", self.config), ("fold", self.fold)):
            if value:
                shown.append(f"{key}={getattr(value, '__name__', None) or repr(value)}")
        return f"RunnableBinding({', '.join(shown)})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "bound" not in self.__dict__:  # asked for by copy and pickle
            raise AttributeError(name)
        return getattr(self.bound, name)

    def _parts(self, head: bool) -> list[Part]:
        return [("bound", self.bound, head)]

    def _remarks(self) -> list[str]:
        limited = is_limited(self.config)
        shown = [f"{key}={getattr(self, key)!r}" for key in ("kwargs", "config") if getattr(self, key)]
        return [*shown, "in sync calls in a thread"] if limited else shown

    def _config(self, config: RunnableConfig | None) -> RunnableConfig | None:
        if not self.config:
            return config
        merged = merge_configs(self.config, config)
        # one that a chain hands down has been merged over what is around already
        return cast("RunnableConfig", Checked(merged)) if isinstance(config, Checked) else merged

    def _kwargs(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {**self.kwargs, **kwargs} if self.kwargs else kwargs

    def _step(self, **kwargs: Any) -> Step | None:
        step = None if self._hops else self.bound._step(**self._kwargs(kwargs))
        return None if self.config else step  # its code has a config of its own around it

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        if not self.config:
            return self.bound._called_with(config)._link(input, owned, config, fold, **self._kwargs(kwargs))
        own = self._config(checked(config))
        input = owned[-1] = _around(closing_iterator(input, (input,)), surrounding() or NOTHING)
        output = self.bound._called_with(own)._link(input, owned, own, fold, **self._kwargs(kwargs))
        owned[-1] = _around(closing_iterator(output, (output,)), child_config(own))
        return owned[-1]  # type: ignore[no-any-return]

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        if not self.config:
            return self.bound._called_with(config)._alink(input, owned, config, fold, **self._kwargs(kwargs))
        own = self._config(checked(config))
        input = owned[-1] = _around(async_closing_iterator(input, (input,)), surrounding() or NOTHING)
        output = self.bound._called_with(own)._alink(input, owned, own, fold, **self._kwargs(kwargs))
        owned[-1] = _around(async_closing_iterator(output, (output,)), child_config(own))
        return owned[-1]  # type: ignore[no-any-return]

    def _collector(self, before: Callable[[Iterable[Any]], Any] | None) -> Callable[[Iterable[Any]], Any]:
        return super()._collector(before) if self.fold is None else self.collect

    def collect(self, chunks: Iterable[Any]) -> Output:
        if self.fold is None:
            return super().collect(chunks)
        return cast("Output", fold_as(self.fold, chunks, self.__repr__, self._empty))

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if self.fold is not None:
            return folded(self.collect, self.stream(input, config, **kwargs))
        config = self._config(config)
        return cast("Output", self.bound._called_with(config).invoke(input, config, **self._kwargs(kwargs)))

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        config = self._config(config)
        return self.bound._called_with(config).stream(input, config, **self._kwargs(kwargs))

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        if not self._written.is_sync:
            return super().transform(input, config, **kwargs)
        return self._transformed(input, config, **kwargs)

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if self.fold is not None:
            return await afolded(self.acollect, self.astream(input, config, **kwargs))
        config = self._config(config)
        return cast(
            "Output", await self.bound._called_with(config).ainvoke(input, config, **self._kwargs(kwargs))
        )

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        config = self._config(config)
        return self.bound._called_with(config).astream(input, config, **self._kwargs(kwargs))

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        return self._atransformed(input, config, **kwargs)


def _around(stream: Any, config: Any) -> Any:
    stream.surround(config)
    return stream
