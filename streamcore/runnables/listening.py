"""``RunnableListening``: a Runnable whose calls are told to functions: their start, first chunk, and end or error."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

from .._backend import Meter, close_all, metered_iterator
from . import clock
from .base import Chunk, Input, Output
from .blocking import closed_after
from .config import checked, handed, inside, unheard
from .surrounding import asurrounded, surrounded
from .wrapping import Wrapping

if TYPE_CHECKING:
    from uuid import UUID

    from .composing import FoldFunction, Stage
    from .config import RunnableConfig
    from .describing import Part

__all__ = ["Listener", "Run", "RunnableListening"]

Listener = Callable[..., object]
EVENTS = ("on_start", "on_first_chunk", "on_end", "on_error")


class Run:
    """What is known of one call; listeners see it grow. Times are in seconds, from the start on."""

    id: UUID
    name: str
    """The ``run_name`` of the config, else the name of the Runnable."""
    config: RunnableConfig
    inputs: Any
    """The input; None for a stream of chunks, of which nothing is kept."""
    output: Any
    """What ``invoke`` returned; None for a stream, and before that."""
    error: BaseException | None
    seconds: float
    """How long it took, once it has ended."""
    first_chunk_seconds: float | None
    """When the first chunk came."""
    items: int
    """Chunks given out; the result of ``invoke`` is one."""
    bytes: int
    """Bytes of those that are text, in UTF-8, or bytes-like."""
    waited: float
    """How long its consumer waited for it."""
    closed: bool
    """Whether it was closed before its end."""

    def __init__(self, name: str, config: RunnableConfig | None, inputs: Any) -> None:
        from uuid import uuid4  # 5 ms, that only those who listen need

        self.id = uuid4()
        self.name = cast("str", (config or {}).get("run_name")) or name
        self.config = handed(config)
        self.inputs = inputs
        self.output = self.error = self.first_chunk_seconds = None
        self.seconds = self.waited = 0.0
        self.items = self.bytes = 0
        self.closed = False
        self._began = clock.now()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "failed" if self.error is not None else f"{self.items} chunks"
        return f"<Run {self.name}: {state}, {self.seconds:.3f} s>"

    def _counts(self, items: int, bytes: int, waited: float) -> None:
        self.items, self.bytes, self.waited = items, bytes, waited
        if items and self.first_chunk_seconds is None:
            self.first_chunk_seconds = clock.now() - self._began

    def _metered(self, meter: Meter) -> None:
        self._counts(meter.items, meter.bytes, meter.waited)

    def _ended(self, error: BaseException | None) -> str:
        """Note how it ended; which event that is."""
        self.seconds = clock.now() - self._began
        if isinstance(error, GeneratorExit):
            self.closed = True
        elif error is not None:
            self.error = error
            return "on_error"
        return "on_end"


class RunnableListening(Wrapping[Input, Output, Chunk]):
    """``bound``, whose calls are told to functions of their ``Run``; ``x.with_listeners`` makes it.

    ``on_start``, then ``on_first_chunk`` unless there is none, then either ``on_end`` or ``on_error``. A stream starts
    with its first pull; to be closed early is an end. A function may take the config as its second argument. Coroutine
    functions are awaited in async calls, and make a sync one a ``TypeError``. What a listener raises goes to
    ``sys.unraisablehook``.
    """

    def __init__(
        self,
        bound: Stage[Input, Output, Chunk],
        *,
        on_start: Listener | None = None,
        on_first_chunk: Listener | None = None,
        on_end: Listener | None = None,
        on_error: Listener | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(bound, name)
        self.on_start, self.on_first_chunk, self.on_end, self.on_error = (
            _checked(event, given)
            for event, given in zip(EVENTS, (on_start, on_first_chunk, on_end, on_error), strict=True)
        )
        self._awaits = any(map(is_coroutine, (on_start, on_first_chunk, on_end, on_error)))
        self._two = {event for event in EVENTS if _takes_config(getattr(self, event))}
        self._hops = self._awaits  # type: ignore[misc] # a worker thread cannot await

    def __repr__(self) -> str:
        listeners = ((event, getattr(self, event)) for event in EVENTS)
        shown = [
            f"{event}={getattr(each, '__name__', None) or repr(each)}"
            for event, each in listeners
            if each is not None
        ]
        return f"RunnableListening({', '.join([repr(self.bound), *shown])})"

    def _parts(self, head: bool) -> list[Part]:
        return [("bound", self.bound, head)]

    def _down(self, config: RunnableConfig | None) -> RunnableConfig | None:
        """What is handed to ``bound``."""
        return checked(config)

    # -- telling

    def _begun(self, input: Any, config: RunnableConfig | None) -> Run:
        return Run(self.get_name(), config, input)

    def _calls(self, event: str, run: Run) -> Iterable[tuple[Listener, tuple[Any, ...]]]:
        """The listeners of ``event``, each with the arguments that it gets."""
        listener = getattr(self, event)
        if listener is not None:
            yield listener, (run, handed(run.config)) if event in self._two else (run,)

    def _tell(self, event: str, run: Run) -> None:
        for listener, arguments in self._calls(event, run):
            _told(listener, arguments, run)

    async def _atell(self, event: str, run: Run) -> None:
        for listener, arguments in self._calls(event, run):
            result = _told(listener, arguments, run)
            if not inspect.isawaitable(result):
                continue
            try:
                await cast("Awaitable[object]", result)
            except Exception as error:  # noqa: BLE001 - told: the call goes on
                _unraisable(error, listener)

    def _refuse_coroutines(self) -> None:
        if self._awaits:
            raise TypeError(f"{self!r} has coroutine functions as listeners: use the async methods")

    # -- sync

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        self._refuse_coroutines()
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        config = self._down(config)
        run = self._begun(input, config)
        try:
            self._tell("on_start", run)
            output = self.bound._called_with(config).invoke(input, config, **kwargs)
        except BaseException as error:
            run._counts(0, 0, clock.now() - run._began)
            self._tell(run._ended(error), run)
            raise
        run._counts(1, _size(output), clock.now() - run._began)
        run.output = output
        self._tell("on_first_chunk", run)
        self._tell(run._ended(None), run)
        return cast("Output", output)

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        self._refuse_coroutines()
        if not self._written.is_sync:
            return super().stream(input, config, **kwargs)
        config = self._down(config)
        return surrounded(config, self._streamed, input, config, kwargs)

    def _streamed(self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Iterator[Any]:
        bound = self.bound._called_with(config)
        return self._heard(lambda: bound.stream(input, config, **kwargs), input, config, owns=True)

    def _heard(
        self, make: Callable[[], Iterator[Any]], input: Any, config: RunnableConfig | None, *, owns: bool
    ) -> Iterator[Any]:
        """The chunks of ``make()``, told; closed in the end if it ``owns`` them."""
        run, meter = self._begun(input, config), Meter(clock.now)
        owned: list[Any] = []

        def begin() -> Iterator[Any]:
            self._tell("on_start", run)
            meter.wait()
            stream = iter(make())
            if owns:
                owned.append(stream)
            return stream

        def first() -> None:
            run._metered(meter)
            self._tell("on_first_chunk", run)

        def end(error: BaseException | None) -> None:
            run._metered(meter)
            try:
                if error is not None:
                    close_all(owned, None if isinstance(error, GeneratorExit) else error)
            finally:
                self._tell(run._ended(error), run)

        return metered_iterator(meter, begin, first, end, None if owns else make())

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        self._refuse_coroutines()
        if not self._written.is_sync:
            return super().transform(input, config, **kwargs)
        return self._transformed(input, config, **kwargs)

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        self._refuse_coroutines()
        config = self._down(config)
        output = self.bound._called_with(config)._link(input, owned, config, fold, **kwargs)
        owned.append(self._heard(lambda: output, None, config, owns=False))
        return owned[-1]  # type: ignore[no-any-return]

    # -- async

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        config = self._down(config)
        run = self._begun(input, config)
        try:
            await self._atell("on_start", run)
            output = await self.bound._called_with(config).ainvoke(input, config, **kwargs)
        except BaseException as error:
            run._counts(0, 0, clock.now() - run._began)
            await self._atell(run._ended(error), run)
            raise
        run._counts(1, _size(output), clock.now() - run._began)
        run.output = output
        await self._atell("on_first_chunk", run)
        await self._atell(run._ended(None), run)
        return cast("Output", output)

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        config = self._down(config)
        return asurrounded(config, self._astreamed, input, config, kwargs)

    def _astreamed(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        bound = self.bound._called_with(config)
        return self._aheard(lambda: bound.astream(input, config, **kwargs), input, config, owns=True)

    async def _aheard(
        self, make: Callable[[], AsyncIterator[Any]], input: Any, config: RunnableConfig | None, *, owns: bool
    ) -> AsyncIterator[Any]:
        run, meter = self._begun(input, config), Meter(clock.now)
        count = meter.count
        try:
            await self._atell("on_start", run)
            meter.wait()
            stream = make()
            async with closed_after(stream) if owns else nullcontext(stream) as chunks:
                async for chunk in chunks:
                    count(chunk)
                    if run.first_chunk_seconds is None:
                        run._metered(meter)
                        await self._atell("on_first_chunk", run)
                    yield chunk
                    meter.wait()
                run._metered(meter)
        except BaseException as error:
            run._metered(meter)
            await self._atell(run._ended(error), run)
            raise
        await self._atell(run._ended(None), run)

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        return self._atransformed(input, config, **kwargs)

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        config = self._down(config)
        output = self.bound._called_with(config)._alink(input, owned, config, fold, **kwargs)
        owned.append(self._aheard(lambda: output, None, config, owns=False))
        return owned[-1]  # type: ignore[no-any-return]


def _told(listener: Listener, arguments: tuple[Any, ...], run: Run) -> Any:
    """What ``listener`` gives. The config is around it, without listeners, which would hear themselves."""
    try:
        with inside(unheard(run.config)):
            return listener(*arguments)
    except Exception as error:  # noqa: BLE001 - told: the call goes on
        _unraisable(error, listener)
        return None


def _checked(event: str, listener: Any) -> Any:
    if listener is not None and not callable(listener):
        raise TypeError(f"{event} must be callable, got {type(listener).__name__}")
    return listener


def is_coroutine(listener: Any) -> bool:
    called = listener if inspect.isroutine(listener) else getattr(type(listener), "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(listener) or inspect.iscoroutinefunction(called)


def _takes_config(listener: Any) -> bool:
    """Whether it takes a second argument."""
    if listener is None:
        return False
    try:
        inspect.signature(listener).bind(None, None)
    except (TypeError, ValueError):  # one, or a builtin without a signature
        return False
    return True


def _size(chunk: Any) -> int:
    meter = Meter(clock.now)
    meter.count(chunk)
    return meter.bytes


class _Raising:
    """Raises what ``listener`` did, as a callback of a weak reference, of which ``sys.unraisablehook`` is told."""

    def __init__(self, error: Exception, listener: object) -> None:
        self.error, self.listener = error, listener

    def __call__(self, reference: object) -> None:
        raise self.error

    def __repr__(self) -> str:
        return f"the listener {self.listener!r}"


class _Target:
    __slots__ = ("__weakref__",)


def _unraisable(error: Exception, listener: object) -> None:
    target = _Target()
    reference = weakref.ref(target, _Raising(error, listener))
    del target
    del reference
