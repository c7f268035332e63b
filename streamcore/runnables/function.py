"""Runnables made of functions, and the coercion that lets a function stand in a chain."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .._backend import surrounding
from .._shared.notes import STOPPED
from .base import Chunk, Input, Output, Runnable
from .blocking import closed_after
from .bridge.home import needed_loop
from .config import DEFAULT_RECURSION_LIMIT, LISTENED, checked, handed, inside, run_in_executor
from .declared import empty_of_function
from .folding import checked_fold, fold_as
from .surrounding import asurrounded, surrounded
from .watching import looked_through

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Generator
    from typing import Unpack, overload

    from .composing import Decorator, Fold, Folded, FoldFunction, Foreign, FunctionOptions, Given, Made, Part
    from .config import RunnableConfig
    from .parallel import RunnableParallel


__all__ = ["RunnableGenerator", "RunnableLambda", "chain", "coerce_to_runnable", "runnable"]

Collect = Callable[[Iterable[Any]], Any]


class OfFunction(Runnable[Input, Output, Chunk]):
    """A Runnable made of a function, whose chunks fold as was asked for."""

    def _set_fold(self, fold: Fold | None, collect: Collect | None) -> None:
        self._collect = collect
        self._fold = checked_fold(fold)

    def collect(self, chunks: Iterable[Any]) -> Output:
        if self._collect is not None:
            return self._collect(chunks)  # type: ignore[no-any-return]
        if self._fold is not None:
            return fold_as(self._fold, chunks, self.__repr__, self._empty)  # type: ignore[no-any-return]
        return super().collect(chunks)


class RunnableLambda(OfFunction[Input, Output, Chunk]):
    """A function of one input: plain, coroutine, or a generator that yields the output in chunks.

    A second parameter named ``config`` receives the config. A Runnable as the result is run on the same input, up to
    ``recursion_limit`` deep. ``afunc`` serves the async calls; without it they run ``func`` in a thread. A stage made
    of a function waits for its whole input; to work chunk by chunk use ``RunnableGenerator`` or ``ops.map``.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: RunnableLambda[Given, Folded, Made],
            func: Callable[[Given], Generator[Made, Any, Any]] | Callable[[Given], AsyncGenerator[Made, Any]],
            afunc: Callable[..., Any] | None = None,
            *,
            name: str | None = None,
            fold: Fold | None = None,
            collect: Callable[[Iterable[Any]], Folded],
        ) -> None: ...
        @overload
        def __init__(
            self: RunnableLambda[Given, Made, Made],
            func: Callable[[Given], Generator[Made, Any, Any]] | Callable[[Given], AsyncGenerator[Made, Any]],
            afunc: Callable[..., Any] | None = None,
            *,
            name: str | None = None,
            collect: None = None,
        ) -> None: ...
        @overload  # a generator function, or a function that returns an iterator: its type does not tell
        def __init__(
            self: RunnableLambda[Given, Any, Any],
            func: Callable[[Given], Iterator[Any]] | Callable[[Given], AsyncIterator[Any]],
            afunc: Callable[..., Any] | None = None,
            **options: Unpack[FunctionOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: RunnableLambda[Given, Made, Part],
            func: Callable[[Given], Runnable[Given, Made, Part]],
            afunc: Callable[..., Any] | None = None,
            **options: Unpack[FunctionOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: RunnableLambda[Given, Made, Made],
            func: Callable[[Given], Coroutine[Any, Any, Made]],
            afunc: Callable[..., Any] | None = None,
            **options: Unpack[FunctionOptions],
        ) -> None: ...
        @overload
        def __init__(
            self,
            func: Callable[[Input], Output] | Callable[[Input, RunnableConfig], Output],
            afunc: Callable[..., Any] | None = None,
            **options: Unpack[FunctionOptions],
        ) -> None: ...

    def __init__(
        self,
        func: Callable[..., Any],
        afunc: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        fold: Fold | None = None,
        collect: Collect | None = None,
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
        self._set_fold(fold, collect)
        self._takes_config = {f: _takes_config(f) for f in (func, afunc) if f is not None}
        # the plain function of one argument, called without any detour
        self._generates = self.func is not None and _is_generator(self.func)
        plain = self.func is not None and not self._generates and not self._takes_config[self.func]
        self._plain = self.func if plain else None
        written = ["stream" if self._generates else "invoke"] if self.func is not None else []
        if afunc is not None:
            written.append("astream" if _is_agenerator(afunc) else "ainvoke")
        self._written = self._overrides(RunnableLambda, *written)
        self._hops = afunc is None and not self._generates  # type: ignore[misc] # a fact of the object here

    def __repr__(self) -> str:
        return f"RunnableLambda({self.name})"

    def _empty(self) -> Any:
        return empty_of_function(self.func or self.afunc)

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if config is not None or self._plain is None or (LISTENED and surrounding() is not None):
            config = checked(config)
            if (watched := self._watched(config)) is not None:
                return watched.invoke(input, config, **kwargs)
            with inside(config):
                return self._invoked(input, config, kwargs)  # type: ignore[no-any-return]
        try:
            output = self._plain(input, **kwargs) if kwargs else self._plain(input)
        except StopIteration as stop:
            raise RuntimeError(STOPPED) from stop
        return output if not isinstance(output, Runnable) else run_result(self, output, input, config)  # type: ignore[no-any-return]

    def _invoked(self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Any:
        if self.func is None or self._generates:
            return super().invoke(input, config, **kwargs)
        try:
            output = self._call(self.func, input, config, kwargs)
        except StopIteration as stop:
            raise RuntimeError(STOPPED) from stop
        return output if not isinstance(output, Runnable) else run_result(self, output, input, config)

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        if self.func is None:
            return super().stream(input, config, **kwargs)
        return surrounded(config, self._streamed, input, config, kwargs)

    def _streamed(self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Iterator[Any]:
        assert self.func is not None
        if self._generates:
            return iter(self._call(self.func, input, config, kwargs))
        return self._stream_function(input, config, kwargs)

    def _stream_function(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Iterator[Any]:
        assert self.func is not None
        output = self._call(self.func, input, config, kwargs)
        if isinstance(output, Runnable):
            config = _one_deeper(self, config)
            yield from output._called_with(config).stream(input, config)
        else:
            yield output

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        with inside(config):
            return await self._ainvoked(input, config, kwargs)  # type: ignore[no-any-return]

    async def _ainvoked(self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Any:
        if self._hops:
            output = await self._called_in_thread(input, config, kwargs)
        elif self.afunc is None or _is_agenerator(self.afunc):
            return await super().ainvoke(input, config, **kwargs)
        else:
            output = await self._call(self.afunc, input, config, kwargs)
        if isinstance(output, Runnable):
            config = _one_deeper(self, config)
            return await output._called_with(config).ainvoke(input, config)
        return output

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        if self.afunc is None and not self._hops:
            return super().astream(input, config, **kwargs)
        return asurrounded(config, self._astreamed, input, config, kwargs)

    def _astreamed(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        if self.afunc is not None and _is_agenerator(self.afunc):
            return aiter(self._call(self.afunc, input, config, kwargs))
        return self._astream_coroutine(input, config, kwargs)

    async def _astream_coroutine(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        if self.afunc is None:
            output = await self._called_in_thread(input, config, kwargs)
        else:
            output = await self._call(self.afunc, input, config, kwargs)
        if not isinstance(output, Runnable):
            yield output
            return
        config = _one_deeper(self, config)
        stream = output._called_with(config).astream(input, config)
        async with closed_after(stream) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _called_in_thread(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Any:
        """What the function gives, without running it where that is a Runnable."""
        assert self.func is not None
        needed_loop(self)
        return await run_in_executor(None, self._call, self.func, input, config, kwargs)

    def _call(
        self, func: Callable[..., Any], input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Any:
        if self._takes_config[func]:
            return func(input, config=handed(config), **kwargs)
        return func(input, **kwargs)


class RunnableGenerator(OfFunction[Input, Output, Chunk]):
    """A generator function from an iterator of chunks to chunks: the streaming stage to write in one function.

    ``def shout(chunks): yield from (chunk.upper() for chunk in chunks)``. Async generator functions take an async
    iterator; with both, ``RunnableGenerator(sync, async_)``. ``collect`` folds the chunks for ``invoke``; without it
    text and bytes are joined.

    >>> from streamcore import RunnableGenerator
    >>> loud = RunnableGenerator(lambda pieces: (piece.upper() for piece in pieces))
    >>> list((loud | loud).transform(["a", "b"]))
    ['A', 'B']
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: RunnableGenerator[Given, Folded, Made],
            transform: Callable[[Iterator[Given]], Iterator[Made]],
            atransform: Callable[[AsyncIterator[Given]], AsyncIterator[Made]] | None = None,
            *,
            name: str | None = None,
            fold: Fold | None = None,
            collect: Callable[[Iterable[Any]], Folded],
        ) -> None: ...
        @overload
        def __init__(
            self: RunnableGenerator[Given, Made, Made],
            transform: Callable[[Iterator[Given]], Iterator[Made]],
            atransform: Callable[[AsyncIterator[Given]], AsyncIterator[Made]] | None = None,
            *,
            name: str | None = None,
            collect: None = None,
        ) -> None: ...
        @overload
        def __init__(
            self: RunnableGenerator[Given, Folded, Made],
            transform: Callable[[AsyncIterator[Given]], AsyncIterator[Made]],
            *,
            name: str | None = None,
            fold: Fold | None = None,
            collect: Callable[[Iterable[Any]], Folded],
        ) -> None: ...
        @overload
        def __init__(
            self: RunnableGenerator[Given, Made, Made],
            transform: Callable[[AsyncIterator[Given]], AsyncIterator[Made]],
            *,
            name: str | None = None,
            collect: None = None,
        ) -> None: ...
        @overload  # with a parameter ``config``
        def __init__(
            self: RunnableGenerator[Any, Any, Any],
            transform: Callable[..., Any],
            atransform: Callable[..., Any] | None = None,
            **options: Unpack[FunctionOptions],
        ) -> None: ...

    def __init__(
        self,
        transform: Callable[..., Any],
        atransform: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        fold: Fold | None = None,
        collect: Collect | None = None,
    ) -> None:
        if not callable(transform):
            raise TypeError(f"RunnableGenerator needs a generator function, got {type(transform).__name__}")
        if atransform is None and _is_agenerator(transform):
            atransform = transform
        self._sync = None if transform is atransform else transform
        self._async = atransform
        self.name = name or name_of(transform)
        self._set_fold(fold, collect)
        self._takes_config = {f: _takes_config(f) for f in (transform, atransform) if f is not None}
        served = {"transform": self._sync, "atransform": self._async}
        self._written = self._overrides(
            RunnableGenerator, *(name for name, f in served.items() if f is not None)
        )

    def __repr__(self) -> str:
        return f"RunnableGenerator({self.name})"

    def _empty(self) -> Any:
        return empty_of_function(self._sync or self._async)

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        if self._sync is None:
            return super()._link(input, owned, config, fold, **kwargs)
        output: Iterator[Any] = iter(self._call(self._sync, input, config, kwargs))
        if output is not input:  # else it would be closed twice
            owned.append(output)
        return output

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        if self._sync is None:
            return super().transform(input, config, **kwargs)
        return self._transformed(input, config, **kwargs)

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        if self._async is None:
            return super()._alink(input, owned, config, fold, **kwargs)
        output: AsyncIterator[Any] = aiter(self._call(self._async, input, config, kwargs))
        if output is not input:
            owned.append(output)
        return output

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        if self._async is None:
            return super().atransform(input, config, **kwargs)
        return self._atransformed(input, config, **kwargs)

    def _call(
        self, function: Callable[..., Any], input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Any:
        if self._takes_config[function]:
            kwargs["config"] = handed(config)
        return function(input, **kwargs)


if TYPE_CHECKING:

    @overload
    def coerce_to_runnable(thing: Runnable[Given, Made, Part]) -> Runnable[Given, Made, Part]: ...
    @overload
    def coerce_to_runnable(
        thing: Callable[[Iterator[Given]], Iterator[Made]],
    ) -> Runnable[Given, Made, Made]: ...
    @overload
    def coerce_to_runnable(
        thing: Callable[[AsyncIterator[Given]], AsyncIterator[Made]],
    ) -> Runnable[Given, Made, Made]: ...
    @overload
    def coerce_to_runnable(
        thing: Callable[[Given], Coroutine[Any, Any, Made]],
    ) -> Runnable[Given, Made, Made]: ...
    @overload
    def coerce_to_runnable(thing: Callable[[Given], Made]) -> Runnable[Given, Made, Made]: ...
    @overload
    def coerce_to_runnable(thing: Callable[[Given, RunnableConfig], Made]) -> Runnable[Given, Made, Made]: ...
    @overload
    def coerce_to_runnable(thing: Mapping[str, Any]) -> RunnableParallel: ...
    @overload
    def coerce_to_runnable(thing: Foreign) -> Runnable[Any, Any, Any]: ...


def coerce_to_runnable(thing: Any) -> Runnable[Any, Any]:
    """Make a Runnable of ``thing``.

    A Runnable is returned as it is; a generator function becomes a ``RunnableGenerator`` (it takes an iterator of
    chunks), any other callable a ``RunnableLambda``; a mapping a ``RunnableParallel``; an object with ``invoke``,
    ``stream`` and ``transform`` is wrapped. Anything else is a ``TypeError``.
    """
    if isinstance(thing, Runnable):
        return thing
    if not isinstance(thing, type) and all(
        callable(getattr(thing, m, None)) for m in ("invoke", "stream", "transform")
    ):
        from .foreign import ForeignRunnable

        return ForeignRunnable(thing)
    if callable(thing) and _is_generator(thing):
        return RunnableGenerator(thing)
    if callable(thing):
        return RunnableLambda(thing)
    if isinstance(thing, Mapping):
        from .parallel import RunnableParallel

        return RunnableParallel(thing)
    raise TypeError(
        "expected a Runnable, a callable, a mapping or an object with invoke, stream and transform, "
        f"got {type(thing).__name__}"
    )


if TYPE_CHECKING:

    @overload
    def runnable(
        func: Callable[[Given], Generator[Made, Any, Any]] | Callable[[Given], AsyncGenerator[Made, Any]], /
    ) -> RunnableLambda[Given, Made, Made]: ...
    @overload
    def runnable(
        func: Callable[[Given], Iterator[Any]] | Callable[[Given], AsyncIterator[Any]], /
    ) -> RunnableLambda[Given, Any, Any]: ...
    @overload
    def runnable(
        func: Callable[[Given], Runnable[Given, Made, Part]], /
    ) -> RunnableLambda[Given, Made, Part]: ...
    @overload
    def runnable(
        func: Callable[[Given], Coroutine[Any, Any, Made]], /
    ) -> RunnableLambda[Given, Made, Made]: ...
    @overload
    def runnable(
        func: Callable[[Given], Made] | Callable[[Given, RunnableConfig], Made], /
    ) -> RunnableLambda[Given, Made, Made]: ...
    @overload
    def runnable(*, name: str | None = None, fold: Fold | None = None) -> Decorator: ...


def runnable(func: Any = None, /, *, name: str | None = None, fold: Fold | None = None) -> Any:
    """Make a ``RunnableLambda`` of a function of any kind: ``@runnable`` or ``@runnable(name=, fold=)``."""
    if func is None:
        return lambda func: RunnableLambda(func, name=name, fold=fold)
    return RunnableLambda(func, name=name, fold=fold)


chain = runnable
"""LangChain's name for it."""


def is_async(func: Callable[..., Any]) -> bool:
    return _is_agenerator(func) or any(map(inspect.iscoroutinefunction, _called(func)))


def _is_generator(func: Callable[..., Any]) -> bool:
    return _is_agenerator(func) or any(map(inspect.isgeneratorfunction, _called(func)))


def _is_agenerator(func: Callable[..., Any]) -> bool:
    return any(map(inspect.isasyncgenfunction, _called(func)))


def _called(func: Callable[..., Any]) -> tuple[Any, ...]:
    """The functions that run when ``func`` is called: also an object's ``__call__``, but not that of a class."""
    func = looked_through(func)
    if inspect.isroutine(func) or isinstance(func, type):
        return (func,)
    return func, getattr(func, "__call__", func)  # noqa: B004


def _takes_config(func: Callable[..., Any]) -> bool:
    try:
        # the first one is the input, whatever its name
        return "config" in [*inspect.signature(func).parameters][1:]
    except (TypeError, ValueError):  # builtins without a signature
        return False


def name_of(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", None) or type(func).__name__


def _one_deeper(runnable: Runnable[Any, Any], config: RunnableConfig | None) -> RunnableConfig:
    left = (config or {}).get("recursion_limit")
    if left is None:
        left = DEFAULT_RECURSION_LIMIT
    if left <= 0:
        raise RecursionError(f"recursion_limit reached: {runnable!r} keeps returning Runnables")
    return {**(config or {}), "recursion_limit": left - 1}


def run_result(
    runnable: Runnable[Any, Any], result: Runnable[Any, Any], input: Any, config: RunnableConfig | None
) -> Any:
    """A function gave a Runnable: run it on the same input in its place."""
    config = _one_deeper(runnable, checked(config))
    return result._called_with(config).invoke(input, config)
