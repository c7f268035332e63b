"""Runnables that choose another one by their input."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .base import Chunk, Input, Output, Runnable
from .blocking import closed_after
from .config import checked
from .function import coerce_to_runnable
from .written import METHODS, Written

if TYPE_CHECKING:
    from .config import RunnableConfig
    from .describing import Part

__all__ = ["RouterRunnable", "RunnableBranch"]


class Choosing(Runnable[Input, Output, Chunk]):
    """Waits for its whole input, chooses by it, and is then what it chose."""

    _choices: tuple[Runnable[Any, Any], ...]

    def _set_choices(
        self, choices: Iterable[Runnable[Any, Any]], deciding: Iterable[Runnable[Any, Any]] = ()
    ) -> None:
        self._choices = tuple(choices)
        parts = (*self._choices, *deciding)
        sync = all(part._written.is_sync for part in parts)
        self._written = Written(
            name for name in METHODS if not name.endswith("transform") and (sync or name.startswith("a"))
        )

    def _choose(self, input: Any, config: RunnableConfig | None) -> tuple[Runnable[Any, Any], Any]:
        """What runs, and on which input."""
        raise NotImplementedError

    async def _achoose(self, input: Any, config: RunnableConfig | None) -> tuple[Runnable[Any, Any], Any]:
        return self._choose(input, config)

    def collect(self, chunks: Iterable[Any]) -> Any:
        """As all choices fold, if they agree; else by the rules for any chunks."""
        first = self._choices[0]
        if all(type(choice).collect is type(first).collect for choice in self._choices[1:]):
            return first.collect(chunks)
        return super().collect(chunks)

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        chosen, input = self._choose(input, config)
        return chosen._called_with(config).invoke(input, config, **kwargs)  # type: ignore[no-any-return]

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        if not self._written.is_sync:
            return super().stream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        return self._streamed(input, checked(config), **kwargs)

    def _streamed(self, input: Any, config: RunnableConfig | None, **kwargs: Any) -> Iterator[Any]:
        chosen, input = self._choose(input, config)
        yield from chosen._called_with(config).stream(input, config, **kwargs)

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        chosen, input = await self._achoose(input, config)
        return await chosen._called_with(config).ainvoke(input, config, **kwargs)  # type: ignore[no-any-return]

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        return self._astreamed(input, config, **kwargs)

    async def _astreamed(
        self, input: Any, config: RunnableConfig | None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        chosen, input = await self._achoose(input, config)
        stream = chosen._called_with(config).astream(input, config, **kwargs)
        async with closed_after(stream) as chunks:
            async for chunk in chunks:
                yield chunk


class RunnableBranch(Choosing[Input, Output, Chunk]):
    """``RunnableBranch((condition, a), ..., default)``: the first one whose condition is true, else ``default``.

    Conditions are called in order, each at most once, with the whole input; what is chosen streams.
    """

    def __init__(self, *branches: Any) -> None:
        if len(branches) < 2:
            raise ValueError(
                f"RunnableBranch needs at least one branch and a default, got {len(branches)} arguments"
            )
        *pairs, default = branches
        for pair in pairs:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"a branch must be a pair of condition and Runnable, got {pair!r}")
        self.branches = [
            (coerce_to_runnable(condition), coerce_to_runnable(chosen)) for condition, chosen in pairs
        ]
        self.default = coerce_to_runnable(default)
        self._set_choices(
            (*(chosen for _, chosen in self.branches), self.default),
            (condition for condition, _ in self.branches),
        )

    def __repr__(self) -> str:
        pairs = "".join(f"({condition!r}, {chosen!r}), " for condition, chosen in self.branches)
        return f"RunnableBranch({pairs}{self.default!r})"

    def _parts(self, head: bool) -> list[Part]:
        chosen: list[Part] = [(f"if {condition!r}", each, True) for condition, each in self.branches]
        return [*chosen, ("else", self.default, True)]

    def _choose(self, input: Any, config: RunnableConfig | None) -> tuple[Runnable[Any, Any], Any]:
        for condition, chosen in self.branches:
            if condition._called_with(config).invoke(input, config):
                return chosen, input
        return self.default, input

    async def _achoose(self, input: Any, config: RunnableConfig | None) -> tuple[Runnable[Any, Any], Any]:
        for condition, chosen in self.branches:
            if await condition._called_with(config).ainvoke(input, config):
                return chosen, input
        return self.default, input


class RouterRunnable(Choosing[Any, Output, Chunk]):
    """The Runnable of a key: takes ``{"key": ..., "input": ...}``. An unknown key is a ValueError, before any runs."""

    def __init__(self, runnables: Mapping[str, Any]) -> None:
        if not isinstance(runnables, Mapping):
            raise TypeError(f"RouterRunnable needs a mapping of Runnables, got {type(runnables).__name__}")
        if not runnables:
            raise ValueError("RouterRunnable needs at least one Runnable, got none")
        self.runnables = {key: coerce_to_runnable(each) for key, each in runnables.items()}
        self._set_choices(self.runnables.values())

    def __repr__(self) -> str:
        return f"RouterRunnable({self.runnables!r})"

    def _parts(self, head: bool) -> list[Part]:
        return [(repr(key), each, True) for key, each in self.runnables.items()]

    def _choose(self, input: Any, config: RunnableConfig | None) -> tuple[Runnable[Any, Any], Any]:
        if not isinstance(input, Mapping) or "key" not in input or "input" not in input:
            raise TypeError(
                f"RouterRunnable takes a mapping with the keys 'key' and 'input', got {input!r:.100}"
            )
        try:
            return self.runnables[input["key"]], input["input"]
        except KeyError:
            known = ", ".join(map(repr, self.runnables))
            raise ValueError(f"no Runnable for the key {input['key']!r}: there are {known}") from None

    def batch(
        self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        inputs = self._checked(inputs)
        return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        inputs = self._checked(inputs)
        return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    def _checked(self, inputs: Any) -> Any:
        """All keys are known before anything runs."""
        if isinstance(inputs, (str, bytes, Mapping)) or not hasattr(inputs, "__iter__"):
            return inputs  # batch says so
        inputs = list(inputs)
        for each in inputs:
            self._choose(each, None)
        return inputs
