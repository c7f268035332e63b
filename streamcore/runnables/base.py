"""``Runnable``: a user writes one of ``invoke``, ``stream`` and ``transform``, or an async twin; the rest follows.

How the defaults derive from each other (``A <- B``: A is made from B when the class wrote B but not A)::

    invoke    <- collect(stream)            ainvoke    <- acollect(astream), or invoke in a thread
    stream    <- transform of one chunk     astream    <- atransform of one chunk, or one ainvoke,
              <- one yield of invoke                      or stream in a thread
    transform <- stream(fold of the input)  atransform <- astream(fold of the input), or transform in a thread

and, for a class that wrote async methods only, each sync method from its async twin on a private event loop.

The contract with a chain (``sequence.py``), or with whatever else composes stages. A chain asks an object for

``_written``       which methods it serves itself: a fact of the object, set once when it is made. The class sets it
                   from what a subclass overrides; an object that wraps something (a function, an object of another
                   library, other stages) sets its own, and hands a method that it cannot serve to ``super()``.
``_link _alink``   to put itself behind an iterator. ``owned`` is what the chain closes, last to first; its last entry
                   is that iterator. The stage appends its own output, or puts it in the place of the last entry if it
                   closes that itself. The chain calls them once a stream; they pull nothing.
``_closes_input``  whether what ``transform`` and ``atransform`` give closes its input, however it ends: for the
                   defaults of ``_link`` and ``_alink``, and where it is the last stage.
``_notes_source``  whether it says of errors of its input that they are its source's, so that a chain must be quicker.
``_catches``       whether it makes something of an error of its input: then the stages before it are one stream.
``_step``          what it does with each item, if that is all it does: then it needs no iterator of its own.
``_hops``          whether its async methods go to a thread by themselves, for one call, since what that gives may
                   have to run on the loop.
``_is_heard``      whether the listeners of a config are told of its calls: not where they are told of those in it.
``_takes_fold``    whether ``_link`` and ``_alink`` are given the fold of what comes in, as ``fold``.
``_chunks_are``    what its chunks are to each other, so that the chain knows whose ``collect`` folds them.

and promises: a stage that ``waits`` is never linked, but gets the fold of all chunks, made by the stage before it, as
the one input of ``stream`` or ``astream``; ``_link`` gets an iterator that is used nowhere else, ``_alink`` an async
one, of the running loop; keyword arguments of a call reach the first stage only; each entry of ``owned`` is closed
once, what comes after a stage before the stage, whether or not that ended by itself. A stream of a stage's public
methods closes what it took in itself: nobody else does.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from .config import LISTENED, checked, inside, is_limited, merge_configs, run_in_executor
from .folding import afolded, fold, fold_input, folded
from .watching import beneath_of, watch_methods
from .written import METHODS, Written

if TYPE_CHECKING:
    from typing import Literal, Unpack, overload

    from .._backend import Step
    from .addable import AddableDict
    from .binding import RunnableBinding
    from .composing import Chunk, Composing, Fold, FoldFunction, Given, Input, Made, NoMore, Output
    from .config import RunnableConfig
    from .describing import Part
    from .each import RunnableEach
    from .fallbacks import RunnableWithFallbacks
    from .listening import Listener, RunnableListening
    from .retrying import RunnableRetry
    from .sequence import RunnableSequence
    from .timeouts import RunnableTimeout
else:
    from typing import Generic as Composing
    from typing import TypeVar  # whose defaults need Python 3.13

    Input = TypeVar("Input", contravariant=True)
    Output = TypeVar("Output", covariant=True)
    Chunk = TypeVar("Chunk", covariant=True)

__all__ = ["Chunk", "Input", "Output", "Runnable"]

# The derived calls under way, innermost last: finds a method that calls the very method that is derived from it.
_deriving: ContextVar[tuple[tuple[int, str, object], ...]] = ContextVar("streamcore_deriving", default=())


class Runnable(Composing[Input, Output, Chunk]):
    """A stage that turns an ``Input`` into an ``Output``, at once or as a stream of chunks.

    ``Runnable[Input, Output]`` or ``Runnable[Input, Output, Chunk]`` when a chunk has another type than the whole.
    A subclass overrides at least one of ``invoke``, ``stream`` and ``transform`` (or an async twin).
    """

    _written: Written = Written()
    _closes_input: ClassVar[bool] = False
    _notes_source: ClassVar[bool] = False
    _catches: ClassVar[bool] = False
    _takes_fold: ClassVar[bool] = False
    _hops: ClassVar[bool] = False
    _is_heard: ClassVar[bool] = True
    _chunks_are: ClassVar[str] = "items"
    """``"items"``; ``"pieces"`` of one text, run of bytes or of ids, so that only their fold is the same for every cut
    of the input; ``"passed"`` on from the input, so that the fold of the stage before is the fold here too, or a list
    where there is none; the ``"same"`` as the input in every way."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._written = Written.below(Runnable, cls)
        if "transform" in cls.__dict__ or "atransform" in cls.__dict__:
            cls._forget_links()
        watch_methods(cls)

    @classmethod
    def _forget_links(cls) -> None:
        """Drop what the class below says to a chain of the method that this one replaces."""
        own = cls.__dict__
        if "_closes_input" not in own:
            closed, cls._closes_input = cls._closes_input, False
            for method, link in (("transform", "_link"), ("atransform", "_alink")):
                inherited = getattr(cls, link) is getattr(Runnable, link)
                if method not in own and closed and inherited:
                    setattr(cls, link, getattr(Runnable, f"{link}_closing"))
        for name, method in (("_link", "transform"), ("_alink", "atransform")):
            if method in own and name not in own:
                setattr(cls, name, getattr(Runnable, name))
        for name in ("_step", "_notes_source"):
            if name not in own:
                setattr(cls, name, getattr(Runnable, name))

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameters):
            # a chunk is the whole where its type is left out; TypeVar defaults need Python 3.13
            given = parameters if isinstance(parameters, tuple) else (parameters,)
            if cls.__parameters__[-1:] == (Chunk,) and len(given) == len(cls.__parameters__) - 1:
                parameters = (*given, given[-1])
            return super().__class_getitem__(parameters)

    # -- the name in errors, notes and describe()

    name: str | None = None
    """The name that was given; ``get_name()`` has one in any case."""

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """``name``, or that of the class; with a ``suffix`` that of its ``"Input"``, say, as LangChain writes it."""
        own = name or self.name or type(self).__name__
        if suffix is None:
            return own
        return own + suffix.title() if own[0].isupper() else f"{own}_{suffix.lower()}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    # -- for a chain

    def _link(
        self,
        input: Iterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """``transform`` behind ``input``, the last entry of ``owned``."""
        output = iter(self.transform(input, config, **kwargs))
        if output is input:  # which stands there already
            return output
        if self._closes_input:
            owned.pop()
        owned.append(output)
        return output

    def _link_closing(
        self, input: Iterator[Any], owned: list[Any], *rest: Any, **kwargs: Any
    ) -> Iterator[Any]:
        """``_link`` of a class whose ``transform`` closes its input, though its ``atransform`` does not."""
        output = Runnable._link(self, input, owned, *rest, **kwargs)
        if output is not input:
            del owned[-2]
        return output

    def _alink_closing(
        self, input: AsyncIterator[Any], owned: list[Any], *rest: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        output = Runnable._alink(self, input, owned, *rest, **kwargs)
        if output is not input:
            del owned[-2]
        return output

    def _alink(
        self,
        input: AsyncIterator[Any],
        owned: list[Any],
        config: RunnableConfig | None = None,
        fold: FoldFunction | None = None,
        /,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """``atransform`` behind ``input``, the last entry of ``owned``."""
        output = aiter(self.atransform(input, config, **kwargs))
        if output is input:  # which stands there already
            return output
        if self._closes_input:
            owned.pop()
        owned.append(output)
        return output

    def _transformed(
        self, input: Iterable[Any], config: RunnableConfig | None, **kwargs: Any
    ) -> Iterator[Any]:
        """``transform`` by ``_link``: closes its input, and notes whose an error is."""
        if (watched := self._watched(config)) is not None:
            return watched.transform(input, config, **kwargs)
        from .sequence import _chained
        from .surrounding import surrounded

        config = checked(config)
        return surrounded(config, _chained, input, (self,), 0, 1, config, kwargs)

    def _atransformed(
        self, input: AsyncIterable[Any], config: RunnableConfig | None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Async ``_transformed``."""
        if (watched := self._watched(config)) is not None:
            return watched.atransform(input, config, **kwargs)
        from .sequence import _achained
        from .surrounding import asurrounded

        config = checked(config)
        return asurrounded(config, _achained, input, (self,), 0, 1, config, kwargs)

    def _step(self, **kwargs: Any) -> Step | None:
        """A new step that does all the stage does, item by item; None if its work is none of that kind.

        ``kwargs`` are those of a call, for the stage to refuse, as its methods would.
        """
        return None

    def _overrides(self, base: type[Runnable[Any, Any]], *names: str) -> Written:
        """What an object of ``base`` has written: ``names``, and what a subclass of ``base`` overrides."""
        kind = type(self)
        return Written(names) if kind is base else Written(Written.below(base, kind).union(names))

    # -- sync

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Unpack[NoMore]) -> Output:
        """Return the whole output for one input."""
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        with inside(config):
            if self._written.isdisjoint(("stream", "transform")):
                return cast("Output", _private_loop(self).invoke(self, input, config, **kwargs))
            with _Deriving(self, "invoke", input):
                return folded(self.collect, self.stream(input, config, **kwargs))

    def stream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Unpack[NoMore]
    ) -> Iterator[Chunk]:
        """Yield the output for one input as it comes about; closing the iterator stops the work."""
        from .surrounding import surrounded

        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        return surrounded(config, self._derived_stream, input, config, kwargs)

    def _derived_stream(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Iterator[Chunk]:
        if "transform" in self._written:
            return self.transform(iter((input,)), config, **kwargs)
        if "invoke" in self._written:
            return self._stream_of_one(input, config, **kwargs)
        return cast("Iterator[Chunk]", _private_loop(self).stream(self, input, config, **kwargs))

    def _stream_of_one(
        self, input: Input, config: RunnableConfig | None, **kwargs: Unpack[NoMore]
    ) -> Iterator[Any]:
        with _Deriving(self, "stream", input):
            output = self.invoke(input, config, **kwargs)
        yield output

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Unpack[NoMore]
    ) -> Iterator[Chunk]:
        """Yield the output for an input that comes in chunks; a stage that did not write it waits for the end."""
        from .surrounding import surrounded

        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.transform(input, config, **kwargs)
        return surrounded(config, self._derived_transform, input, config, kwargs)

    def _derived_transform(
        self, input: Iterable[Any], config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Iterator[Chunk]:
        if not self._written.is_sync:
            return cast("Iterator[Chunk]", _private_loop(self).transform(self, input, config, **kwargs))
        from .blocking import stream_of_fold

        return stream_of_fold(self, input, partial(fold_input, self), config, **kwargs)

    def collect(self, chunks: Iterable[Any]) -> Output:
        """Fold the chunks of a stream into the value that ``invoke`` returns.

        Text and bytes are joined, lists put in a row, ``AddableDict`` merged; a single chunk is the value. No chunk
        gives the empty value of the declared output type, else None. Where no rule fits it is a ``TypeError``:
        override this, or use ``with_fold``.
        """
        return cast("Output", fold(chunks, self.__repr__, self._empty))

    def _collector(self, before: Callable[[Iterable[Any]], Any] | None) -> Callable[[Iterable[Any]], Any]:
        """``collect`` where the fold of what comes in is ``before``, None if that is unknown."""
        return self.collect

    def _empty(self) -> Any:
        """What a stream without a chunk folds to."""
        from .declared import empty_of_class

        return empty_of_class(type(self), Runnable)

    def batch(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """``invoke`` each input, several at once in threads; outputs come in the order of the inputs.

        ``inputs`` is any iterable but text, bytes or a mapping. One ``config`` serves all, or each input has its own.
        After a failure nothing more begins; that of the earliest input is raised when the calls in flight have ended.
        With ``return_exceptions`` an ``Exception`` takes its output's place. ``max_concurrency`` bounds the calls in
        flight, those of nested batches included.
        """
        from .batching.in_threads import batch

        return batch(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    if TYPE_CHECKING:

        @overload
        def batch_as_completed(
            self,
            inputs: Iterable[Input],
            config: RunnableConfig | Sequence[RunnableConfig] | None = None,
            *,
            return_exceptions: Literal[False] = False,
            **kwargs: Any,
        ) -> Iterator[tuple[int, Output]]: ...
        @overload
        def batch_as_completed(
            self,
            inputs: Iterable[Input],
            config: RunnableConfig | Sequence[RunnableConfig] | None = None,
            *,
            return_exceptions: bool,
            **kwargs: Any,
        ) -> Iterator[tuple[int, Output | Exception]]: ...

    def batch_as_completed(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Output]]:
        """As ``batch``, but yield ``(index, output)`` as each call ends.

        Inputs are taken as outputs are asked for, at most ``max_concurrency`` more than these, so they need no end.
        Closing the iterator begins no further call, waits for those in flight and closes the inputs.
        """
        from .batching.in_threads import batch_as_completed

        return batch_as_completed(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    # -- async

    async def ainvoke(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Unpack[NoMore]
    ) -> Output:
        """Async ``invoke``; a sync one runs in a thread."""
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        with inside(config):
            if not self._written.isdisjoint(("astream", "atransform")):
                with _Deriving(self, "ainvoke", input):
                    return await afolded(self.acollect, self.astream(input, config, **kwargs))
            if not self._written.is_sync:
                raise _nothing_written(self)
            from .bridge.home import needed_loop

            needed_loop(self)
            return await run_in_executor(None, self.invoke, input, config, **kwargs)

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Unpack[NoMore]
    ) -> AsyncIterator[Chunk]:
        """Async ``stream``; a sync one runs in one worker thread, ``buffer_size`` chunks ahead at most."""
        from .surrounding import asurrounded

        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        return asurrounded(config, self._derived_astream, input, config, kwargs)

    def _derived_astream(
        self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncIterator[Chunk]:
        if "atransform" in self._written:
            from .blocking import async_single

            return self.atransform(async_single(input), config, **kwargs)
        if "ainvoke" in self._written and self._written.isdisjoint(("stream", "transform")):
            return self._astream_of_one(input, config, **kwargs)
        from .bridge.in_thread import stream_in_thread

        if not self._written.is_sync:
            raise _nothing_written(self)
        return stream_in_thread(self, input, config, **kwargs)

    async def _astream_of_one(
        self, input: Input, config: RunnableConfig | None, **kwargs: Unpack[NoMore]
    ) -> AsyncIterator[Any]:
        with _Deriving(self, "astream", input):
            output = await self.ainvoke(input, config, **kwargs)
        yield output

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Unpack[NoMore]
    ) -> AsyncIterator[Chunk]:
        """Async ``transform``; a sync one runs in one worker thread, fed and drained through bounded channels."""
        from .surrounding import asurrounded

        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.atransform(input, config, **kwargs)
        return asurrounded(config, self._derived_atransform, input, config, kwargs)

    def _derived_atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncIterator[Chunk]:
        if "transform" in self._written:
            from .bridge.in_thread import transform_in_thread

            return transform_in_thread(self, input, config, **kwargs)
        from .blocking import astream_of_fold

        return astream_of_fold(self, input, partial(fold_input, self), config, **kwargs)

    async def acollect(self, chunks: AsyncIterable[Any]) -> Output:
        """``collect`` for an async stream."""
        return self.collect([chunk async for chunk in chunks])

    async def abatch(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Async ``batch``: ``ainvoke`` each input in a task, ``max_concurrency`` at a time.

        Without that all at once, or 128 where the inputs have no length. The first failure cancels the calls in flight
        and is raised when these have ended.
        """
        from .batching.in_tasks import abatch

        return await abatch(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    if TYPE_CHECKING:

        @overload
        def abatch_as_completed(
            self,
            inputs: Iterable[Input],
            config: RunnableConfig | Sequence[RunnableConfig] | None = None,
            *,
            return_exceptions: Literal[False] = False,
            **kwargs: Any,
        ) -> AsyncIterator[tuple[int, Output]]: ...
        @overload
        def abatch_as_completed(
            self,
            inputs: Iterable[Input],
            config: RunnableConfig | Sequence[RunnableConfig] | None = None,
            *,
            return_exceptions: bool,
            **kwargs: Any,
        ) -> AsyncIterator[tuple[int, Output | Exception]]: ...

    def abatch_as_completed(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Output]]:
        """As ``abatch``, but yield ``(index, output)`` as each call ends; inputs are taken as outputs are asked for."""
        from .batching.in_tasks import abatch_as_completed

        return abatch_as_completed(self, inputs, config, return_exceptions=return_exceptions, **kwargs)

    # -- composition

    if not TYPE_CHECKING:  # composing.pyi has the types

        def __or__(self, other):
            from .sequence import RunnableSequence

            return RunnableSequence(self, other)

        def __ror__(self, other):
            from .sequence import RunnableSequence

            return RunnableSequence(other, self)

    def pipe(self, *others: Any, name: str | None = None) -> RunnableSequence[Input, Any, Any]:
        """Compose with ``others``, left to right: ``a.pipe(b, c)`` is ``a | b | c``, of which types are known."""
        from .sequence import RunnableSequence

        return RunnableSequence(self, *others, name=name)

    # -- the same with something settled

    def bind(self, **kwargs: Any) -> RunnableBinding[Input, Output, Chunk]:
        """This one, called with ``kwargs``; those of a call win."""
        from .binding import RunnableBinding

        return RunnableBinding(self, kwargs)

    def with_config(
        self, config: RunnableConfig | None = None, **keys: Any
    ) -> RunnableBinding[Input, Output, Chunk]:
        """This one, called with ``config`` and ``keys`` of it; that of a call is merged over them."""
        from .binding import RunnableBinding

        return RunnableBinding(self, config=merge_configs(config, keys))

    def with_fold(self, fold: Fold) -> RunnableBinding[Input, Any, Chunk]:
        """This one, whose chunks fold by ``fold``: ``"error"``, ``"last"``, ``"list"`` or a callable of their list."""
        from .binding import RunnableBinding

        return RunnableBinding(self, fold=fold)

    def with_retry(
        self,
        *,
        retry_if_exception_type: Any = (Exception,),
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: Mapping[str, float] | None = None,
        stop_after_attempt: int = 3,
        on_midstream: str = "raise",
        on_restart: Callable[[int, BaseException], object] | None = None,
    ) -> RunnableRetry[Input, Output, Chunk]:
        """This one, called again after an error, ``stop_after_attempt`` times at most; see ``RunnableRetry``."""
        from .retrying import RunnableRetry

        return RunnableRetry(
            self,
            retry_if_exception_type=retry_if_exception_type,
            wait_exponential_jitter=wait_exponential_jitter,
            exponential_jitter_params=exponential_jitter_params,
            stop_after_attempt=stop_after_attempt,
            on_midstream=on_midstream,
            on_restart=on_restart,
        )

    def with_fallbacks(
        self,
        fallbacks: Iterable[Any],
        *,
        exceptions_to_handle: Any = (Exception,),
        exception_key: str | None = None,
        on_midstream: str = "raise",
        on_restart: Callable[[int, BaseException], object] | None = None,
    ) -> RunnableWithFallbacks[Input, Output, Chunk]:
        """This one; after an error each of ``fallbacks`` in turn on the same input; see ``RunnableWithFallbacks``."""
        from .fallbacks import RunnableWithFallbacks

        return RunnableWithFallbacks(
            self,
            fallbacks,
            exceptions_to_handle=exceptions_to_handle,
            exception_key=exception_key,
            on_midstream=on_midstream,
            on_restart=on_restart,
        )

    def with_timeout(
        self,
        timeout: float | None = None,
        *,
        first_chunk_timeout: float | None = None,
        chunk_timeout: float | None = None,
    ) -> RunnableTimeout[Input, Output, Chunk]:
        """This one, within these limits in seconds, else a ``StreamTimeout``; see ``RunnableTimeout``."""
        from .timeouts import RunnableTimeout

        return RunnableTimeout(
            self, timeout, first_chunk_timeout=first_chunk_timeout, chunk_timeout=chunk_timeout
        )

    def with_listeners(
        self,
        *,
        on_start: Listener | None = None,
        on_first_chunk: Listener | None = None,
        on_end: Listener | None = None,
        on_error: Listener | None = None,
    ) -> RunnableListening[Input, Output, Chunk]:
        """This one, whose calls are told to these functions of a ``Run``; see ``RunnableListening``."""
        from .listening import RunnableListening

        return RunnableListening(
            self, on_start=on_start, on_first_chunk=on_first_chunk, on_end=on_end, on_error=on_error
        )

    with_alisteners = with_listeners
    """LangChain's name for those that are coroutine functions, which the former takes as well."""

    def _watched(self, config: RunnableConfig | None) -> Runnable[Input, Output, Chunk] | None:
        """This one with what ``config`` puts around a call of it, listeners or limits in time; None for nothing.

        Listeners come first: they are told of a limit that is over, too, and ``config`` then says that they are.
        """
        if config is None and not LISTENED:
            return None
        config = checked(config)
        if config is None:
            return None
        hears = self._is_heard and config.get("listeners") and getattr(config, "of", None) is not self
        limited = is_limited(config)
        if not hears and not limited:
            return None
        if (beneath := beneath_of(self, sys._getframe(1))) is not None:
            hears = False  # that is part of a call
        if hears:
            from .hearing import RunnableHeard

            return RunnableHeard(self, config["listeners"])
        if limited:
            from .timeouts import RunnableTimeout

            return RunnableTimeout(self if beneath is None else beneath)
        return None

    def _called_with(self, config: RunnableConfig | None) -> Runnable[Input, Output, Chunk]:
        """What a call with ``config`` goes to: where a class of a user wrote the method, nothing in it would ask."""
        watched = self._watched(config)
        return self if watched is None else watched

    if TYPE_CHECKING:

        @overload
        def with_types(
            self, *, input_type: type[Given], output_type: type[Made]
        ) -> Runnable[Given, Made, Chunk]: ...
        @overload
        def with_types(self, *, input_type: type[Given]) -> Runnable[Given, Output, Chunk]: ...
        @overload
        def with_types(self, *, output_type: type[Made]) -> Runnable[Input, Made, Chunk]: ...
        @overload
        def with_types(
            self, *, input_type: Any = None, output_type: Any = None
        ) -> Runnable[Any, Any, Any]: ...

    def with_types(self, *, input_type: Any = None, output_type: Any = None) -> Runnable[Any, Any, Any]:
        """This very one; for type checkers another."""
        return self

    def map(self) -> RunnableEach[Input, Output]:
        """Lists of inputs to lists of outputs, through ``batch``."""
        from .each import RunnableEach

        return RunnableEach(self)

    def assign(self, **runnables: Any) -> RunnableSequence[Input, dict[str, Any], AddableDict[str, Any]]:
        """The output, mappings, with keys that ``runnables`` make of it; see ``RunnableAssign``."""
        from .assigning import RunnableAssign
        from .parallel import RunnableParallel

        return self.pipe(RunnableAssign(RunnableParallel(**runnables)))

    if TYPE_CHECKING:

        @overload
        def pick(self, keys: str) -> RunnableSequence[Input, Any, Any]: ...
        @overload
        def pick(
            self, keys: list[str] | tuple[str, ...]
        ) -> RunnableSequence[Input, AddableDict[str, Any], AddableDict[str, Any]]: ...

    def pick(self, keys: Any) -> RunnableSequence[Input, Any, Any]:
        """The value of one key of the output, or a dict of those of a list of keys, as they stream."""
        from .passthrough import RunnablePick

        return self.pipe(RunnablePick(keys))

    def describe(self) -> str:
        """Say, a line for each stage, whether it streams, where it runs, how far it reads ahead, and what holds back.

        The stages that another one is made of are indented below it. One in a chain holds back the first chunk: the
        last that waits for all that comes before it, or a first one that gives all at once.
        """
        from .describing import described

        return "\n".join(described(self, True))

    def _row(self) -> tuple[Runnable[Any, Any, Any], ...]:
        """The stages in a row that this is, for ``describe()``."""
        return (self,)

    def _parts(self, head: bool) -> list[Part]:
        """What it is made of; ``head``: whether it has its whole input at once."""
        return []

    def _remarks(self) -> list[str]:
        """What ``describe()`` says of it besides."""
        return []


class _Deriving:
    """Guards a derived call: a method that calls the one derived from it, on the same input, would never end."""

    __slots__ = ("_token",)

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
    if not runnable._written.is_async:
        raise _nothing_written(runnable)
    from .bridge import loop_stream

    return loop_stream
