"""``Runnable``: a user writes one of ``invoke``, ``stream`` and ``transform``, or an async twin; the rest follows.

How the defaults derive from each other (``A <- B``: A is made from B when the class wrote B but not A)::

    invoke    <- collect(stream)            ainvoke    <- acollect(astream), or invoke in a thread
    stream    <- transform of one chunk     astream    <- atransform of one chunk, or one ainvoke,
              <- one yield of invoke                      or stream in a thread
    transform <- stream(fold of the input)  atransform <- astream(fold of the input), or transform in a thread

and, for a class that wrote async methods only, each sync method from its async twin on a private event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast

from .folding import fold, folded

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from .config import RunnableConfig
    from .sequence import RunnableSequence

    Input = TypeVar("Input", contravariant=True, default=Any)
    Output = TypeVar("Output", covariant=True, default=Any)
    Chunk = TypeVar("Chunk", covariant=True, default=Output)
else:
    from typing import TypeVar

    Input = TypeVar("Input", contravariant=True)
    Output = TypeVar("Output", covariant=True)
    Chunk = TypeVar("Chunk", covariant=True)

__all__ = ["Runnable"]

METHODS = ("invoke", "stream", "transform", "ainvoke", "astream", "atransform")

# The derived calls under way, innermost last: finds a method that calls the very method that is derived from it.
_deriving: ContextVar[tuple[tuple[int, str, object], ...]] = ContextVar("streamcore_deriving", default=())


class Runnable(Generic[Input, Output, Chunk]):
    """A stage that turns an ``Input`` into an ``Output``, at once or as a stream of chunks.

    ``Runnable[Input, Output]`` or ``Runnable[Input, Output, Chunk]`` when a chunk has another type than the whole.
    A subclass overrides at least one of ``invoke``, ``stream`` and ``transform`` (or an async twin).
    """

    _written: ClassVar[frozenset[str]] = frozenset()
    """Which of the six methods the class or a base below ``Runnable`` wrote."""
    _closes_input: bool = False
    """Whether what ``_bare_transform`` returns closes its input itself, however it ends."""
    _acloses_input: bool = False
    """The same of ``_bare_atransform``."""
    _passes_items: ClassVar[bool] = False
    """Whether chunks pass through unchanged, so that the fold of the stage before is the fold here too."""

    _flow: bool = False
    """Whether the chunks are pieces of one text, run of bytes or of ids, so that only their fold is the same for every
    cut of the input."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._written = frozenset(
            name for name in METHODS if getattr(cls, name) is not getattr(Runnable, name)
        )

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameters):
            # the third parameter is the second where it is left out; TypeVar defaults need Python 3.13
            if isinstance(parameters, tuple) and len(parameters) == 2:
                parameters = (*parameters, parameters[1])
            return super().__class_getitem__(parameters)

    # -- the name in errors, notes and describe()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _wrote(self, *names: str) -> bool:
        return not self._written.isdisjoint(names)

    @property
    def _blocks(self) -> bool:
        """Whether the stage needs its whole input before it gives its first chunk."""
        return not self._wrote("transform", "atransform")

    @property
    def _has_sync(self) -> bool:
        return self._wrote("invoke", "stream", "transform")

    @property
    def _has_async(self) -> bool:
        return self._wrote("ainvoke", "astream", "atransform")

    def _bare_transform(
        self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        """``transform`` for a chain, which closes ``input`` itself unless ``_closes_input``."""
        return self.transform(input, config, **kwargs)

    def _bare_atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """``atransform`` for a chain, which closes ``input`` itself unless ``_acloses_input``."""
        return self.atransform(input, config, **kwargs)

    def _item_step(self) -> tuple[str, Any, str] | None:
        """What an operator does with each item, in the words of ``async_closing_iterator``; None if it is not that."""
        return None

    # -- sync

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Return the whole output for one input."""
        if not self._wrote("stream", "transform"):
            return cast("Output", _private_loop(self).invoke(self, input, config, **kwargs))
        with _Deriving(self, "invoke", input):
            return folded(self.collect, self.stream(input, config, **kwargs))

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        """Yield the output for one input as it comes about; closing the iterator stops the work."""
        if self._wrote("transform"):
            return self.transform(iter((input,)), config, **kwargs)
        if self._wrote("invoke"):
            return self._stream_of_one(input, config, **kwargs)
        return cast("Iterator[Chunk]", _private_loop(self).stream(self, input, config, **kwargs))

    def _stream_of_one(self, input: Input, config: RunnableConfig | None, **kwargs: Any) -> Iterator[Any]:
        with _Deriving(self, "stream", input):
            output = self.invoke(input, config, **kwargs)
        yield output

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        """Yield the output for an input that comes in chunks; a stage that did not write it waits for the end."""
        if not self._has_sync:
            return cast("Iterator[Chunk]", _private_loop(self).transform(self, input, config, **kwargs))
        from .blocking import stream_of_fold

        return stream_of_fold(self, input, self._fold_input, config, **kwargs)

    def collect(self, chunks: Iterable[Any]) -> Output:
        """Fold the chunks of a stream into the value that ``invoke`` returns.

        Text and bytes are joined, a single chunk is the value; for anything else override this (``TypeError``).
        An empty stream is a ``ValueError``.
        """
        return cast("Output", fold(chunks, repr(self)))

    def _fold_input(self, chunks: Iterable[Any]) -> Any:
        """Fold an input of which no stage is known that made it."""
        return fold(chunks, f"the input of {self!r}")

    def batch(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """``invoke`` each input, several at once in threads; outputs come in the order of the inputs.

        One ``config`` serves all, or each input has its own. The first exception stops what has not begun and is
        raised; with ``return_exceptions`` it takes its output's place. ``max_concurrency`` bounds the calls in flight,
        those of nested batches included.
        """
        from .batching import batch

        return batch(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    def batch_as_completed(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Output]]:
        """As ``batch``, but yield ``(index, output)`` as each call ends."""
        from .batching import batch_as_completed

        return batch_as_completed(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    # -- async

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Async ``invoke``; a sync one runs in a thread."""
        if self._wrote("astream", "atransform"):
            with _Deriving(self, "ainvoke", input):
                return await self.acollect(self.astream(input, config, **kwargs))
        if not self._has_sync:
            raise _nothing_written(self)
        from .threads import run_in_thread

        return await run_in_thread(self.invoke, input, config, **kwargs)

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        """Async ``stream``; a sync one runs in one worker thread, ``buffer_size`` chunks ahead at most."""
        if self._wrote("atransform"):
            from .blocking import async_single

            return self.atransform(async_single(input), config, **kwargs)
        if self._wrote("ainvoke") and not self._wrote("stream", "transform"):
            return self._astream_of_one(input, config, **kwargs)
        from .threads import stream_in_thread

        if not self._has_sync:
            raise _nothing_written(self)
        return stream_in_thread(self, input, config, **kwargs)

    async def _astream_of_one(
        self, input: Input, config: RunnableConfig | None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        with _Deriving(self, "astream", input):
            output = await self.ainvoke(input, config, **kwargs)
        yield output

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        """Async ``transform``; a sync one runs in one worker thread, fed and drained through bounded channels."""
        if self._wrote("transform"):
            from .threads import transform_in_thread

            return transform_in_thread(self, input, config, **kwargs)
        from .blocking import astream_of_fold

        return astream_of_fold(self, input, self._fold_input, config, **kwargs)

    async def acollect(self, chunks: AsyncIterable[Any]) -> Output:
        """``collect`` for an async stream."""
        return self.collect([chunk async for chunk in chunks])

    async def abatch(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Async ``batch``: ``ainvoke`` each input in a task, ``max_concurrency`` at a time.

        The first exception cancels the calls in flight and is raised.
        """
        from .batching import abatch

        return await abatch(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    def abatch_as_completed(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Output]]:
        """As ``abatch``, but yield ``(index, output)`` as each call ends."""
        from .batching import abatch_as_completed

        return abatch_as_completed(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    # -- composition

    def __or__(self, other: Any) -> RunnableSequence:
        from .sequence import RunnableSequence

        return RunnableSequence(self, other)

    def __ror__(self, other: Any) -> RunnableSequence:
        from .sequence import RunnableSequence

        return RunnableSequence(other, self)

    def pipe(self, *others: Any) -> RunnableSequence:
        """Compose with ``others``, left to right: ``a.pipe(b, c)`` is ``a | b | c``."""
        from .sequence import RunnableSequence

        return RunnableSequence(self, *others)

    def describe(self) -> str:
        """Say, a line for each stage, whether it streams, and where a chain waits for its whole input."""
        return self._describe(head=True)

    def _describe(self, *, head: bool) -> str:
        """The line of ``describe``; the ``head`` of a chain has its whole input at once and need not wait for it."""
        waits = self._blocks and not head
        if self._gives_chunks:
            return f"{self!r}: {'waits for its whole input, then streams' if waits else 'streams'}"
        return f"{self!r}: {'blocks: waits for its whole input, gives one chunk' if waits else 'gives one chunk'}"

    @property
    def _gives_chunks(self) -> bool:
        """Whether the output comes in more than one chunk."""
        return self._wrote("stream", "transform", "astream", "atransform")


class _Deriving:
    """Guards a derived call: a method that calls the one derived from it, on the same input, would never end."""

    __slots__ = ("_key", "_token")

    def __init__(self, runnable: Runnable[Any, Any], method: str, input: object) -> None:
        under_way = _deriving.get()
        for owner, name, same in under_way:
            if owner == id(runnable) and name == method and same is input:
                raise TypeError(
                    f"{type(runnable).__name__} has no {method} of its own, so it is derived from "
                    f"{_sources(runnable)}, which calls {method} again: override {method}"
                )
        self._token = _deriving.set((*under_way, (id(runnable), method, input)))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        _deriving.reset(self._token)


def _sources(runnable: Runnable[Any, Any]) -> str:
    return " and ".join(name for name in METHODS if name in runnable._written)


def _nothing_written(runnable: Runnable[Any, Any]) -> TypeError:
    return TypeError(
        f"{type(runnable).__name__} must override one of invoke, stream and transform, or an async twin of them"
    )


def _private_loop(runnable: Runnable[Any, Any]) -> Any:
    """The module that runs async-only Runnables for sync callers; a TypeError if there is nothing to run."""
    if not runnable._has_async:
        raise _nothing_written(runnable)
    from . import private_loop

    return private_loop
