"""Runnables made of functions, and the coercion that lets a function stand in a chain."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator
from .._shared.notes import STOPPED
from .base import Runnable
from .config import DEFAULT_RECURSION_LIMIT, merge_configs
from .notes import stage_notes

if TYPE_CHECKING:
    from .config import RunnableConfig

__all__ = ["RunnableGenerator", "RunnableLambda", "coerce_to_runnable"]

Fold = Callable[[Iterable[Any]], Any]


class RunnableLambda(Runnable[Any, Any]):
    """A function of one input: plain, coroutine, or a generator that yields the output in chunks.

    A second parameter named ``config`` receives the config. A Runnable as the result is run on the same input, up to
    ``recursion_limit`` deep. ``afunc`` serves the async calls; without it they run ``func`` in a thread. A stage made
    of a function waits for its whole input; to work chunk by chunk use ``RunnableGenerator`` or ``ops.map``.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        afunc: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        collect: Fold | None = None,
    ) -> None:
        if not callable(func):
            raise TypeError(f"RunnableLambda needs a callable, got {type(func).__name__}")
        if afunc is not None and not is_async(afunc):
            raise TypeError("afunc must be a coroutine function or an async generator function")
        if afunc is None and is_async(func):
            afunc = func
        self.func = None if func is afunc else func
        self.afunc = afunc
        self.name = name or name_of(func)
        self._collect = collect
        self._takes_config = {f: _takes_config(f) for f in (func, afunc) if f is not None}
        # the plain function of one argument, called without any detour
        plain = self.func is not None and not _is_generator(self.func) and not self._takes_config[self.func]
        self._plain = self.func if plain else None

    def __repr__(self) -> str:
        return f"RunnableLambda({self.name})"

    @property
    def _gives_chunks(self) -> bool:
        return any(map(_is_generator, self._takes_config))

    @property
    def _has_sync(self) -> bool:
        return self.func is not None

    @property
    def _has_async(self) -> bool:
        return self.afunc is not None

    def collect(self, chunks: Iterable[Any]) -> Any:
        return self._collect(chunks) if self._collect is not None else super().collect(chunks)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if self._plain is not None:
            try:
                output = self._plain(input, **kwargs)
            except StopIteration as stop:
                raise RuntimeError(STOPPED) from stop
            return output if not isinstance(output, Runnable) else _run_result(self, output, input, config)
        if self.func is None:
            from . import private_loop

            return private_loop.invoke(self, input, config, **kwargs)
        try:
            output = self._call(self.func, input, config, kwargs)
        except StopIteration as stop:
            raise RuntimeError(STOPPED) from stop
        if _is_generator(self.func):
            return self.collect(output)
        return output if not isinstance(output, Runnable) else _run_result(self, output, input, config)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        if self.func is None:
            from . import private_loop

            return private_loop.stream(self, input, config, **kwargs)
        if _is_generator(self.func):
            return iter(self._call(self.func, input, config, kwargs))
        return self._stream_function(input, config, kwargs)

    def _stream_function(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Iterator[Any]:
        assert self.func is not None
        output = self._call(self.func, input, config, kwargs)
        if isinstance(output, Runnable):
            yield from output.stream(input, _one_deeper(self, config))
        else:
            yield output

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if self.afunc is None:
            from .threads import run_in_thread

            return await run_in_thread(self.invoke, input, config, **kwargs)
        if inspect.isasyncgenfunction(self.afunc):
            return await self.acollect(self._call(self.afunc, input, config, kwargs))
        output = await self._call(self.afunc, input, config, kwargs)
        if isinstance(output, Runnable):
            return await output.ainvoke(input, _one_deeper(self, config))
        return output

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        if self.afunc is None:
            from .threads import stream_in_thread

            return stream_in_thread(self, input, config, **kwargs)
        if inspect.isasyncgenfunction(self.afunc):
            return aiter(self._call(self.afunc, input, config, kwargs))
        return self._astream_coroutine(input, config, kwargs)

    async def _astream_coroutine(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        assert self.afunc is not None
        output = await self._call(self.afunc, input, config, kwargs)
        if not isinstance(output, Runnable):
            yield output
            return
        async for chunk in output.astream(input, _one_deeper(self, config)):
            yield chunk

    def _call(
        self, func: Callable[..., Any], input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Any:
        if self._takes_config[func]:
            return func(input, config=config if config is not None else {}, **kwargs)
        return func(input, **kwargs)


class RunnableGenerator(Runnable[Any, Any]):
    """A generator function from an iterator of chunks to chunks: the streaming stage to write in one function.

    ``def shout(chunks): yield from (chunk.upper() for chunk in chunks)``. Async generator functions take an async
    iterator; with both, ``RunnableGenerator(sync, async_)``. ``collect`` folds the chunks for ``invoke``; without it
    text and bytes are joined.
    """

    def __init__(
        self,
        transform: Callable[..., Any],
        atransform: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        collect: Fold | None = None,
    ) -> None:
        if not callable(transform):
            raise TypeError(f"RunnableGenerator needs a generator function, got {type(transform).__name__}")
        if atransform is None and inspect.isasyncgenfunction(transform):
            atransform = transform
        self._sync = None if transform is atransform else transform
        self._async = atransform
        self.name = name or name_of(transform)
        self._collect = collect
        self._takes_config = {f: _takes_config(f) for f in (transform, atransform) if f is not None}

    def __repr__(self) -> str:
        return f"RunnableGenerator({self.name})"

    @property
    def _has_sync(self) -> bool:
        return self._sync is not None

    @property
    def _has_async(self) -> bool:
        return self._async is not None

    def collect(self, chunks: Iterable[Any]) -> Any:
        return self._collect(chunks) if self._collect is not None else super().collect(chunks)

    def _bare_transform(
        self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        if self._sync is None:
            from . import private_loop

            return private_loop.transform(self, input, config, **kwargs)
        if self._takes_config[self._sync]:
            kwargs["config"] = config if config is not None else {}
        return iter(self._sync(input, **kwargs))

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        iterator = iter(input)
        output = self._bare_transform(iterator, config, **kwargs)
        return closing_iterator(output, (iterator, output), stage_notes(((self, output),)))

    def _bare_atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        if self._async is None:
            from .threads import transform_in_thread

            return transform_in_thread(self, input, config, **kwargs)
        if self._takes_config[self._async]:
            kwargs["config"] = config if config is not None else {}
        return aiter(self._async(input, **kwargs))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        iterator = aiter(input)
        if self._async is None:
            return self._bare_atransform(iterator, config, **kwargs)  # which closes its input
        output = self._bare_atransform(iterator, config, **kwargs)
        return async_closing_iterator(output, (iterator, output), stage_notes(((self, output),)))


def coerce_to_runnable(thing: Any) -> Runnable[Any, Any]:
    """Make a Runnable of ``thing``.

    A Runnable is returned as it is; a generator function becomes a ``RunnableGenerator`` (it takes an iterator of
    chunks), any other callable a ``RunnableLambda``; an object with ``invoke``, ``stream`` and ``transform`` is
    wrapped. Anything else is a ``TypeError``.
    """
    if isinstance(thing, Runnable):
        return thing
    if not isinstance(thing, type) and all(
        callable(getattr(thing, m, None)) for m in ("invoke", "stream", "transform")
    ):
        from .foreign import ForeignRunnable

        return ForeignRunnable(thing)
    if inspect.isgeneratorfunction(thing) or inspect.isasyncgenfunction(thing):
        return RunnableGenerator(thing)
    if callable(thing):
        return RunnableLambda(thing)
    raise TypeError(
        f"expected a Runnable, a callable or an object with invoke, stream and transform, got {type(thing).__name__}"
    )


def is_async(func: Callable[..., Any]) -> bool:
    call = func if inspect.isroutine(func) else getattr(func, "__call__", func)  # noqa: B004
    return any(
        test(function)
        for function in (func, call)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    )


def _is_generator(func: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func)


def _takes_config(func: Callable[..., Any]) -> bool:
    try:
        return "config" in inspect.signature(func).parameters
    except (TypeError, ValueError):  # builtins without a signature
        return False


def name_of(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", None) or type(func).__name__


def _one_deeper(runnable: Runnable[Any, Any], config: RunnableConfig | None) -> RunnableConfig:
    left = (config or {}).get("recursion_limit", DEFAULT_RECURSION_LIMIT)
    if left <= 0:
        raise RecursionError(f"recursion_limit reached: {runnable!r} keeps returning Runnables")
    return merge_configs(config, {"recursion_limit": left - 1})


def _run_result(
    runnable: Runnable[Any, Any], result: Runnable[Any, Any], input: Any, config: RunnableConfig | None
) -> Any:
    """A function gave a Runnable: run it on the same input in its place."""
    return result.invoke(input, _one_deeper(runnable, config))
