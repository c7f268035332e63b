"""``RunnableWithFallbacks``: another Runnable in the place of one that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from .._shared.notes import add_note, note_failure, shown
from .attempts import Attempting, checked_exceptions, handles
from .base import Chunk, Input, Output, Runnable
from .batching.job import Call, Inputs

if TYPE_CHECKING:
    from .composing import Stage
    from .describing import Part

__all__ = ["RunnableWithFallbacks"]


class RunnableWithFallbacks(Attempting[Input, Output, Chunk]):
    """``runnable``; after an error the first of ``fallbacks`` on the same input, and so on.

    If all fail, the error of ``runnable`` is raised, and notes on it have the others. ``exceptions_to_handle``:
    exception types, or a predicate of the error; another error is raised at once. With ``exception_key`` the input must
    be a mapping, and a fallback gets a copy of it that has the last error under that key; then the whole input is
    waited for. In a stream an error before the first chunk is not seen; ``on_midstream`` is what happens after it:
    ``"raise"``; ``"restart"``, the fallback's stream comes whole, after ``on_restart(number of the failed attempt,
    error)``; ``"resume"``, it goes on where the consumer is, if it begins with what that has.
    """

    def __init__(
        self,
        runnable: Stage[Input, Output, Chunk],
        fallbacks: Iterable[Any],
        *,
        exceptions_to_handle: Any = (Exception,),
        exception_key: str | None = None,
        on_midstream: str = "raise",
        on_restart: Callable[[int, BaseException], object] | None = None,
        name: str | None = None,
    ) -> None:
        from .function import coerce_to_runnable

        if isinstance(fallbacks, (str, bytes, Mapping)) or not isinstance(fallbacks, Iterable):
            raise TypeError(f"fallbacks must be a list of Runnables, got {type(fallbacks).__name__}")
        if exception_key is not None and not isinstance(exception_key, str):
            raise TypeError(f"exception_key must be a str, got {type(exception_key).__name__}")
        self.runnable: Runnable[Any, Any, Any] = coerce_to_runnable(runnable)
        self.fallbacks: list[Runnable[Any, Any, Any]] = [coerce_to_runnable(each) for each in fallbacks]
        self.exceptions_to_handle = checked_exceptions("exceptions_to_handle", exceptions_to_handle)
        self.exception_key = exception_key
        self.name = name
        self._set_midstream(on_midstream, on_restart)
        self._set_parts((self.runnable, *self.fallbacks), waits=exception_key is not None)

    @property
    def runnables(self) -> Iterator[Runnable[Any, Any, Any]]:
        """``runnable``, then the fallbacks."""
        yield self.runnable
        yield from self.fallbacks

    def __repr__(self) -> str:
        parts = [repr(self.runnable), repr(self.fallbacks)]
        if self.exceptions_to_handle != (Exception,):
            exceptions = self.exceptions_to_handle
            if isinstance(exceptions, tuple):
                named = ", ".join(kind.__name__ for kind in exceptions)
                text = f"({named},)" if len(exceptions) == 1 else f"({named})"
            else:
                text = getattr(exceptions, "__name__", None) or repr(exceptions)
            parts.append(f"exceptions_to_handle={text}")
        if self.exception_key is not None:
            parts.append(f"exception_key={self.exception_key!r}")
        return f"RunnableWithFallbacks({', '.join([*parts, *self._midstream_shown()])})"

    def _parts(self, head: bool) -> list[Part]:
        head = head or self.exception_key is not None
        names = ("first", *(f"fallback {at}" for at in range(1, len(self.fallbacks) + 1)))
        return [(name, each, head) for name, each in zip(names, self.runnables, strict=True)]

    def collect(self, chunks: Iterable[Any]) -> Output:
        """As ``runnable`` and all fallbacks fold, if they agree; else by the rules for any chunks."""
        first = self.runnable
        if all(type(each).collect is type(first).collect for each in self.fallbacks):
            return cast("Output", first.collect(chunks))
        return super().collect(chunks)

    def _empty(self) -> Any:
        return self.runnable._empty()

    def _part(self, attempt: int) -> Runnable[Any, Any]:
        return self.fallbacks[attempt - 1] if attempt else self.runnable

    def _more(self, attempt: int) -> bool:
        return attempt <= len(self.fallbacks)

    def _handles(self, error: Exception) -> bool:
        return handles(self.exceptions_to_handle, error)

    def _check(self, input: Any) -> None:
        if self.exception_key is not None and not isinstance(input, Mapping):
            raise ValueError(
                f"with exception_key={self.exception_key!r} the input must be a mapping, got {type(input).__name__}"
            )

    def _given_to(self, input: Any, errors: list[Exception]) -> Any:
        if self.exception_key is None or not errors:
            return input
        return {**input, self.exception_key: errors[-1]}

    def _final(self, errors: list[Exception]) -> Exception:
        first, *others = errors
        for at, error in enumerate(others, 1):
            if error is not first:
                note_failure(first, f"fallback {at} of {len(self.fallbacks)}", error)
        return first

    def _cut_off(self, errors: list[Exception]) -> Exception:
        last = errors[-1]
        for at, error in enumerate(errors[:-1]):
            if error is not last:
                what = f"fallback {at} of {len(self.fallbacks)}" if at else "the first one"
                add_note(last, f"after {what} failed: {shown(error)}")
        return last

    # -- many inputs

    def batch(
        self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """``Runnable.batch``, where a fallback gets the inputs that failed before it and no others.

        If ``runnable`` or a fallback has a ``batch`` of its own, each is called with all its inputs at once; otherwise
        an input goes to its fallback while others still run.
        """
        inputs = self._checked_inputs(inputs)
        if not any(type(part).batch is not Runnable.batch for part in self.runnables):
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        levels = Levels(self, Inputs(inputs, config).all(), keep_going=return_exceptions)
        while levels.todo:
            part = self._part(levels.number)
            try:
                given = part.batch(levels.inputs(), levels.configs(), return_exceptions=True, **kwargs)
            except Exception as error:  # noqa: BLE001 - that of each input
                given = [error] * len(levels.todo)
            levels.take(given)
            del given  # its errors hold this frame
        return levels.outputs()

    async def abatch(
        self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """Async ``batch``."""
        inputs = self._checked_inputs(inputs)
        if not any(type(part).abatch is not Runnable.abatch for part in self.runnables):
            return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        levels = Levels(self, Inputs(inputs, config).all(), keep_going=return_exceptions)
        while levels.todo:
            part = self._part(levels.number)
            try:
                given = await part.abatch(levels.inputs(), levels.configs(), return_exceptions=True, **kwargs)
            except Exception as error:  # noqa: BLE001 - that of each input
                given = [error] * len(levels.todo)
            levels.take(given)
            del given  # its errors hold this frame
        return levels.outputs()

    def _checked_inputs(self, inputs: Any) -> Any:
        """With ``exception_key`` all inputs are known to be mappings before anything runs."""
        if self.exception_key is None or isinstance(inputs, (str, bytes, Mapping)):
            return inputs  # batch says so
        if not isinstance(inputs, Iterable):
            return inputs
        inputs = list(inputs)
        for each in inputs:
            self._check(each)
        return inputs


class Levels:
    """A batch of which the inputs that failed go on to the next fallback, all at once."""

    def __init__(
        self, tried: RunnableWithFallbacks[Any, Any, Any], calls: list[Call], *, keep_going: bool
    ) -> None:
        self.todo = calls
        """Those without an output, nor an error that is final."""
        self.number = 0
        """How many parts have been tried."""
        self._tried = tried
        self._keep_going = keep_going
        self._errors: dict[int, list[Exception]] = {at: [] for at, _, _ in calls}
        self._done: list[Any] = [None] * len(calls)
        self._failed: set[int] = set()

    def inputs(self) -> list[Any]:
        return [self._tried._given_to(input, self._errors[at]) for at, input, _ in self.todo]

    def configs(self) -> Any:
        configs = [config for _, _, config in self.todo]
        same = all(config is configs[0] for config in configs)
        return configs[0] if same else [config or {} for config in configs]

    def take(self, given: list[Any]) -> None:
        """What the part gave for ``todo``."""
        todo, self.todo = self.todo, []
        self.number += 1
        for call, output in zip(todo, given, strict=True):
            at = call[0]
            if not isinstance(output, Exception):
                self._done[at] = output
                continue
            self._errors[at].append(output)
            final = self._tried._judge(self._errors[at])
            if final is None:
                self.todo.append(call)
            else:
                self._done[at] = final
                self._failed.add(at)
        if self._failed and not self._keep_going:
            self.todo = [call for call in self.todo if call[0] < min(self._failed)]

    def outputs(self) -> list[Any]:
        """Outputs in the order of the inputs; raises the failure of the earliest one, unless they are to be kept."""
        done, self._done = self._done, []
        self._errors.clear()
        if self._failed and not self._keep_going:
            error = done[min(self._failed)]
            done.clear()
            try:
                raise error
            finally:
                del error  # the traceback holds this frame: a cycle otherwise
        return done
