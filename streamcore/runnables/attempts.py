"""Attempts of a call or a stream, one after the other: what ``RunnableRetry`` and ``RunnableWithFallbacks`` share.

A call is tried as a whole. An attempt of a stream reads its input through a replay, which keeps what was pulled for the
next one; a failed attempt is closed, its source is not. Once the consumer has a chunk, ``on_midstream`` says what an
error means. Errors are raised outside of any ``except``, so that they come as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .._backend import async_closing_iterator, close_all, closing_iterator
from .._shared.notes import add_note, shown
from .._shared.steps import DROPPED
from . import clock
from .base import Chunk, Input, Output, Runnable
from .blocking import fold_then_astream, fold_then_stream
from .bridge.ahead import buffer_size
from .folding import fold_input
from .resuming import AsyncReplay, Differs, Given, Kept, Replay
from .written import Written

if TYPE_CHECKING:
    from .composing import FoldFunction
    from .config import RunnableConfig

__all__ = ["MIDSTREAM", "Attempting", "checked_exceptions"]

MIDSTREAM = ("raise", "restart", "resume")


class Attempting(Runnable[Input, Output, Chunk]):
    """Runs one part after the other until one succeeds."""

    _notes_source = True
    _takes_fold = True

    on_midstream: str
    on_restart: Callable[[int, BaseException], object] | None

    def _set_midstream(self, on_midstream: str, on_restart: Any) -> None:
        if on_midstream not in MIDSTREAM:
            raise ValueError(f"on_midstream must be 'raise', 'restart' or 'resume', got {on_midstream!r}")
        if on_restart is not None and not callable(on_restart):
            raise TypeError(f"on_restart must be callable, got {type(on_restart).__name__}")
        self.on_midstream, self.on_restart = on_midstream, on_restart

    def _set_parts(self, parts: Sequence[Runnable[Any, Any]], *, waits: bool = False) -> None:
        waits = waits or parts[0]._written.waits
        names = ["invoke"] if waits else ["invoke", "transform"]
        whole = [p for p in parts if not p._written.isdisjoint(("stream", "astream"))]
        if whole or (waits and any(part._written.gives_chunks for part in parts)):
            names.append("stream")
        sync = all(part._written.is_sync for part in parts)
        written = names if sync else []
        # A sync part runs with all its attempts in one thread: a replay on the loop would be read ahead of it.
        if not sync or all(map(_on_loop, parts)):
            written = [*written, *("a" + name for name in names)]
        self._written = Written(written)
        kinds = {part._chunks_are for part in parts}
        self._chunks_are = parts[0]._chunks_are if len(kinds) == 1 else "items"  # type: ignore[misc]

    def _midstream_shown(self) -> list[str]:
        """What ``repr`` says of it."""
        shown = [] if self.on_midstream == "raise" else [f"on_midstream={self.on_midstream!r}"]
        if self.on_restart is not None:
            shown.append(f"on_restart={getattr(self.on_restart, '__name__', None) or repr(self.on_restart)}")
        return shown

    def _part(self, attempt: int) -> Runnable[Any, Any]:
        """What the attempt of that number, from 0 on, runs."""
        raise NotImplementedError

    def _more(self, attempt: int) -> bool:
        """Whether there may be an attempt of that number."""
        raise NotImplementedError

    def _handles(self, error: Exception) -> bool:
        """Whether another attempt may follow ``error``."""
        raise NotImplementedError

    def _pause(self, failed: int) -> float:
        """Seconds to wait after that many failed attempts."""
        return 0.0

    async def _apause(self, errors: list[Exception]) -> None:
        """Wait as ``_pause`` says."""
        if (seconds := self._pause(len(errors))) > 0:
            try:
                await clock.asleep(seconds, self)
            except RuntimeError as error:
                raise error from errors[-1]

    def _final(self, errors: list[Exception]) -> Exception:
        """The error to raise, after the attempts that gave ``errors``, with its notes."""
        raise NotImplementedError

    def _cut_off(self, errors: list[Exception]) -> Exception:
        """``_final`` where the last error is none that another attempt could follow."""
        return self._final(errors)

    def _check(self, input: Any) -> None:
        """Refuse ``input`` before anything runs."""

    def _given_to(self, input: Any, errors: list[Exception]) -> Any:
        """The input of the attempt after ``errors``."""
        return input

    def _judge(self, errors: list[Exception]) -> Exception | None:
        """The error that ends it all; None if another attempt follows."""
        if not self._handles(errors[-1]):
            return self._cut_off(errors)
        return None if self._more(len(errors)) else self._final(errors)

    # -- sync

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if not self._written.is_sync:
            return super().invoke(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.invoke(input, config, **kwargs)
        self._check(input)
        errors: list[Exception] = []
        final = None
        try:
            while True:
                try:
                    part = self._part(len(errors))._called_with(config)
                    return cast("Output", part.invoke(self._given_to(input, errors), config, **kwargs))
                except Exception as error:  # noqa: BLE001 - raised below
                    errors.append(error)
                if (final := self._judge(errors)) is not None:
                    raise final
                clock.sleep(self._pause(len(errors)))
        finally:
            errors.clear()
            del final

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        if "stream" not in self._written:
            return super().stream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        self._check(input)

        def begin(errors: list[Exception]) -> Iterator[Any]:
            part = self._part(len(errors))._called_with(config)
            output = iter(part.stream(self._given_to(input, errors), config, **kwargs))
            return closing_iterator(output, (output,))

        stream = self._attempts(begin, None)
        return closing_iterator(stream, (stream,))

    def transform(
        self, input: Iterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        if "transform" not in self._written:
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
        if "transform" not in self._written:
            return super()._link(input, owned, config, fold, **kwargs)
        replay = Replay(input, buffer_size(config))

        def begin(errors: list[Exception]) -> Iterator[Any]:
            part = self._part(len(errors))._called_with(config)
            again = replay.attempt()
            parts: list[Any] = [again]
            before = fold or partial(fold_input, part)
            try:
                if part._written.waits:
                    output = fold_then_stream(part, again, before, config, **kwargs)
                    parts.append(output)
                else:
                    output = part._link(again, parts, config, before, **kwargs)
            except BaseException as error:
                close_all(parts, error)
                raise
            return closing_iterator(output, parts)

        stream = self._attempts(begin, replay)
        owned.append(stream)
        return stream

    def _attempts(
        self, begin: Callable[[list[Exception]], Iterator[Any]], replay: Replay | None
    ) -> Iterator[Any]:
        course = Course(self, replay)
        stream = final = None
        try:
            while True:
                course.begin()
                try:
                    stream = begin(course.errors)
                    for chunk in stream:
                        if (chunk := course.passed(chunk)) is not DROPPED:
                            yield chunk
                        if course.looks_no_more:
                            break
                    yield from stream
                    course.end()
                    return
                except Exception as error:  # noqa: BLE001 - raised below
                    course.fail(error)
                if (final := course.final()) is not None:
                    raise final
                told = course.tell()
                if inspect.isawaitable(told):
                    getattr(told, "close", lambda: None)()
                    raise TypeError("on_restart is a coroutine function: it needs an async call")
                clock.sleep(self._pause(len(course.errors)))
        finally:
            course.errors.clear()
            del final
            if stream is not None:
                stream.close()  # type: ignore[attr-defined]

    # -- async

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        if (watched := self._watched(config)) is not None:
            return await watched.ainvoke(input, config, **kwargs)
        self._check(input)
        errors: list[Exception] = []
        final = None
        try:
            while True:
                try:
                    part = self._part(len(errors))._called_with(config)
                    given = self._given_to(input, errors)
                    return cast("Output", await part.ainvoke(given, config, **kwargs))
                except Exception as error:  # noqa: BLE001 - raised below
                    errors.append(error)
                if (final := self._judge(errors)) is not None:
                    raise final
                await self._apause(errors)
        finally:
            errors.clear()
            del final

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        if "astream" not in self._written:
            return super().astream(input, config, **kwargs)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)
        self._check(input)

        def begin(errors: list[Exception]) -> async_closing_iterator[Any]:
            part = self._part(len(errors))._called_with(config)
            output = aiter(part.astream(self._given_to(input, errors), config, **kwargs))
            return async_closing_iterator(output, (output,))

        stream = self._aattempts(begin, None)
        return async_closing_iterator(stream, (stream,))

    def atransform(
        self, input: AsyncIterable[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        if "atransform" not in self._written:
            return super().atransform(input, config, **kwargs)
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
        if "atransform" not in self._written:
            return super()._alink(input, owned, config, fold, **kwargs)
        replay = AsyncReplay(input, buffer_size(config))

        def begin(errors: list[Exception]) -> async_closing_iterator[Any]:
            part = self._part(len(errors))._called_with(config)
            again = replay.attempt()
            parts: list[Any] = [again]
            before = fold or partial(fold_input, part)
            try:
                if part._written.waits:
                    output = fold_then_astream(part, again, before, config, **kwargs)
                    parts.append(output)
                else:
                    output = part._alink(again, parts, config, before, **kwargs)
            except BaseException:
                async_closing_iterator(again, parts)  # a dropped stream is closed by the loop
                raise
            return async_closing_iterator(output, parts)

        stream = self._aattempts(begin, replay)
        owned.append(stream)
        return stream

    async def _aattempts(
        self, begin: Callable[[list[Exception]], async_closing_iterator[Any]], replay: AsyncReplay | None
    ) -> AsyncIterator[Any]:
        course = Course(self, replay)
        stream = final = None
        try:
            while True:
                course.begin()
                try:
                    stream = begin(course.errors)
                    async for chunk in stream:
                        if (chunk := course.passed(chunk)) is not DROPPED:
                            yield chunk
                        if course.looks_no_more:
                            break
                    async for chunk in stream:
                        yield chunk
                    course.end()
                    return
                except Exception as error:  # noqa: BLE001 - raised below
                    course.fail(error)
                if (final := course.final()) is not None:
                    raise final
                told = course.tell()
                if inspect.isawaitable(told):
                    await told
                await self._apause(course.errors)
        finally:
            course.errors.clear()
            del final
            if stream is not None:
                await stream.aclose()


class Course:
    """How far the attempts of one stream have come: their errors, what they pulled, what the consumer has."""

    def __init__(self, attempting: Attempting[Any, Any, Any], kept: Kept | None) -> None:
        self.errors: list[Exception] = []
        self.looks_no_more = False
        """Whether chunks from now on go to the consumer as they are."""
        self._attempting = attempting
        self._kept = kept
        self._given = Given() if attempting.on_midstream == "resume" else None
        self._begun = False  # the consumer has a chunk
        self._differs = False

    def begin(self) -> None:
        """An attempt begins."""
        if self._kept is not None and not self._attempting._more(len(self.errors) + 1):
            self._kept.forget()
        if self._given is not None and self.errors:
            self._given.begin()

    def passed(self, chunk: Any) -> Any:
        """What of ``chunk`` the consumer gets, DROPPED if it has it."""
        if self._given is not None and (chunk := self._given.rest(chunk)) is DROPPED:
            return chunk
        if not self._begun and self._kept is not None and self._attempting.on_midstream == "raise":
            self._kept.forget()
        self._begun = True
        self.looks_no_more = self._given is None
        return chunk

    def end(self) -> None:
        """The stream of an attempt is at its end."""
        if self._given is not None:
            self._given.end()

    def fail(self, error: Exception) -> None:
        if isinstance(error, Differs):
            self._differs = True
        else:
            self.errors.append(error)

    def final(self) -> Exception | None:
        """The error that ends it all; None if another attempt follows."""
        attempting, errors, kept = self._attempting, self.errors, self._kept
        if self._differs:
            add_note(errors[0], "not resumed: the new stream differs from what was given out")
            return errors[0]
        if self._begun and attempting.on_midstream == "raise":
            return attempting._cut_off(errors)
        if kept is not None and kept.failed is not None:
            if kept.failed is not errors[-1]:
                add_note(errors[-1], f"not tried again: the input ended by {shown(kept.failed)}")
            return attempting._cut_off(errors)
        final = attempting._judge(errors)
        if final is None and kept is not None and kept.over:
            final = attempting._final(errors)
            add_note(final, f"not tried again: more than {kept.limit} chunks of its input had been pulled")
        return final

    def tell(self) -> object:
        """Say that the stream begins again, if the consumer has to know; gives what the listener gave."""
        on_restart = self._attempting.on_restart
        if self._begun and self._attempting.on_midstream == "restart" and on_restart is not None:
            return on_restart(len(self.errors), self.errors[-1])
        return None


def _on_loop(part: Any) -> bool:
    """Whether a part works on an event loop without a thread, all its stages included."""
    stages = getattr(part, "stages", None)
    if isinstance(stages, tuple):
        return all(map(_on_loop, stages))
    return bool(part._written.is_async)


def checked_exceptions(name: str, given: Any) -> Any:
    """A tuple of exception types, or a predicate."""
    if isinstance(given, type):
        given = (given,)
    if callable(given):
        return given
    if not isinstance(given, (tuple, list)) or not all(
        isinstance(kind, type) and issubclass(kind, BaseException) for kind in given
    ):
        raise TypeError(f"{name} must be exception types or a callable, got {given!r}")
    return tuple(given)


def handles(exceptions: Any, error: Exception) -> bool:
    """Whether ``error`` is one of ``exceptions``, or the predicate says so."""
    return isinstance(error, exceptions) if isinstance(exceptions, tuple) else bool(exceptions(error))
