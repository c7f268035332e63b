"""What a batch in threads and one in tasks have in common: its inputs, its limits, and what becomes of a failure.

``max_concurrency`` holds for everything below a batch as well: a batch called from a call of another one works on
that call's permit and takes more only while the outer batch has some to spare. So nesting neither exceeds the limit
nor waits for itself.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..._backend import View
from ..._shared.notes import loud
from ..._shared.surroundings import SURROUNDING
from ..config import checked, child_config

if TYPE_CHECKING:
    from ..base import Runnable
    from ..config import RunnableConfig

__all__ = ["Call", "Done", "Inputs", "Job", "Supply", "default_limit", "is_inside", "watched"]

Call = tuple[int, Any, Any]
"""The number of an input, the input, its config."""
Done = tuple[int, Any, BaseException | None]
"""The number of an input, its output, or why there is none."""

NO_INPUTS = (str, bytes, bytearray, memoryview, View, Mapping)


class Permits:
    """Calls that a batch may have in flight beyond its first; each needs one from every batch around it, too.

    ``spare`` of None is no limit; ``asked`` is whether a caller set one, here or further out: tasks heed no other.
    """

    def __init__(self, spare: int | None, asked: bool, outer: Permits | None, *, tasks: bool) -> None:
        self._spare = spare
        self.asked: bool = asked or (outer is not None and outer.asked)
        self.outer = outer
        self._bound_by = outer if outer is not None and (outer.asked or not tasks) else None
        self.are_free = spare is None and self._bound_by is None
        self._lock = threading.RLock()  # a collection in the middle may close a stream of this very batch

    def try_acquire(self) -> bool:
        if self._spare is not None:
            with self._lock:
                if not self._spare:
                    return False
                self._spare -= 1
        if self._bound_by is None or self._bound_by.try_acquire():
            return True
        self._give_back()
        return False

    def release(self) -> None:
        self._give_back()
        if self._bound_by is not None:
            self._bound_by.release()

    def _give_back(self) -> None:
        if self._spare is not None:
            with self._lock:
                self._spare += 1


_permits: ContextVar[Permits | None] = ContextVar("streamcore_permits", default=None)
"""Those of the innermost batch around a call."""


def is_inside(job: Job) -> bool:
    """Whether a call of ``job`` runs here, so that waiting for all of them would never end."""
    permits = _permits.get()
    while permits is not None and permits is not job.permits:
        permits = permits.outer
    return permits is not None


class Inputs:
    """The inputs of a batch and the config of each; iterating gives the calls. Whoever has it closes it."""

    def __init__(self, inputs: Iterable[Any], config: Any) -> None:
        if isinstance(inputs, NO_INPUTS):
            raise TypeError(f"a batch takes an iterable of inputs, got {type(inputs).__name__}")
        self._config: Any = None
        self._configs: list[Any] | None = None
        if config is None or isinstance(config, (str, bytes, Mapping)) or not isinstance(config, Iterable):
            self._config = checked(cast(Any, config))
        else:
            self._configs = [checked(each) for each in config]
        self.configs: list[Any] = [self._config] if self._configs is None else self._configs
        """Those that are different ones."""
        limits = [each["max_concurrency"] for each in self.configs if each and each.get("max_concurrency")]
        self.max_concurrency: int | None = min(limits, default=None)
        self.have_executor = any(each and each.get("executor") is not None for each in self.configs)
        self.is_sized = hasattr(inputs, "__len__")
        if self.is_sized and self._configs is not None:
            self._match(len(inputs))  # type: ignore[arg-type]
        self._iterator = iter(inputs)  # the last thing that can fail: nothing else would close it

    def __iter__(self) -> Iterator[Call]:
        configs = self._configs
        count = 0
        for input in self._iterator:
            if configs is not None and count >= len(configs):
                raise ValueError(f"got {len(configs)} configs for more inputs")
            yield count, input, self._config if configs is None else configs[count]
            count += 1
        self._match(count)

    def _match(self, count: int) -> None:
        if self._configs is not None and len(self._configs) != count:
            raise ValueError(f"got {len(self._configs)} configs for {count} inputs")

    def all(self) -> list[Call]:
        """All calls; the inputs are closed."""
        try:
            return list(self)
        finally:
            self.close()

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


class Watched:
    """The calls of ``runnable``, each with the listeners and the limits of its config."""

    def __init__(self, runnable: Runnable[Any, Any]) -> None:
        self._runnable = runnable

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._runnable._called_with(config).invoke(input, config, **kwargs)

    def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._runnable._called_with(config).ainvoke(input, config, **kwargs)


def watched(runnable: Runnable[Any, Any], configs: list[Any]) -> Runnable[Any, Any] | Watched:
    """What to call in the place of ``runnable``; itself where no config asks for anything around its calls."""
    asked = any(runnable._watched(config) is not None for config in configs)
    return Watched(runnable) if asked else runnable


class Job:
    """How the calls of one batch are made; ``limit`` of them at a time, or any number for ``None``."""

    def __init__(
        self,
        runnable: Runnable[Any, Any] | Watched,
        limit: int | None,
        *,
        asked: bool,
        keep_going: bool,
        kwargs: dict[str, Any],
        tasks: bool = False,
    ) -> None:
        self.limit = limit
        self.permits = Permits(None if limit is None else limit - 1, asked, _permits.get(), tasks=tasks)
        self.is_free = self.permits.are_free
        """Whether nothing limits the calls in flight."""
        self._invoke: Callable[..., Any] = partial(runnable.invoke, **kwargs) if kwargs else runnable.invoke
        self.ainvoke: Callable[..., Any] = partial(runnable.ainvoke, **kwargs) if kwargs else runnable.ainvoke
        self._keep_going = keep_going
        context = copy_context()
        context.run(_permits.set, self.permits)
        self.context: Callable[[], Context] = context.copy
        """Makes the context of one call, a copy of its own."""
        self._running = 0
        self._lock = threading.RLock()

    def may_begin(self) -> bool:
        """Whether one call more may run now; then ``has_ended`` must follow."""
        if self.is_free:
            return True
        with self._lock:
            if self._running and not self.permits.try_acquire():
                return False
            self._running += 1
            return True

    def has_ended(self) -> None:
        if self.is_free:
            return
        with self._lock:
            self._running -= 1
            if self._running:
                self.permits.release()

    def run(self, call: Call, context: Context | None = None) -> Done:
        """Make a call here."""
        at, input, config = call
        try:
            own = self.context() if context is None else context
            if config is not None:
                own.run(SURROUNDING.set, child_config(config))
            return at, own.run(self._invoke, input, config), None
        except BaseException as error:  # noqa: BLE001 - handed to the caller of the batch
            return at, None, loud(error)

    def is_final(self, error: BaseException | None) -> bool:
        """Whether ``error`` ends the batch and is no output."""
        return error is not None and not (self._keep_going and isinstance(error, Exception))

    def outputs(self, done: list[Done]) -> list[Any]:
        """Outputs in the order of the inputs; raises the failure of the earliest input where it is final."""
        done.sort(key=_number)
        for _, _, error in done:
            if error is not None and self.is_final(error):
                done.clear()
                try:
                    raise error
                finally:
                    del error  # the traceback holds the frames that see it: a cycle otherwise
        outputs = [output if error is None else error for _, output, error in done]
        done.clear()  # the frames of whoever ran the calls see it, and are held by the errors: a cycle otherwise
        return outputs

    def entry(self, done: Done) -> tuple[int, Any]:
        """The number of the input with its output; raises a failure that is final."""
        at, output, error = done
        if error is not None and self.is_final(error):
            try:
                raise error
            finally:
                del error, done
        return at, output if error is None else error


def _number(done: Done) -> int:
    return done[0]


def default_limit() -> int:
    """How many threads a batch has where nobody says it: as ``ThreadPoolExecutor``."""
    return min(32, (os.cpu_count() or 1) + 4)


class Supply:
    """Calls whose inputs are taken as outputs are given out: at most the limit of ``job`` more than these."""

    def __init__(self, job: Job, inputs: Iterable[Call]) -> None:
        self._job = job
        self._limit = job.limit or sys.maxsize
        self._calls = iter(inputs)
        self.held = 0
        """Calls whose output has not been given out."""
        self.failed = False
        self._over = False
        self._failure: Exception | None = None

    def take(self) -> Call | None:
        """The next call, if there is one that may begin now."""
        job = self._job
        if self._over or self.held >= self._limit or not job.may_begin():
            return None
        call: Call | None = None
        try:
            call = next(self._calls, None)
        except Exception as failure:  # noqa: BLE001 - raised by finish(), after the outputs that are due
            self._failure = failure
        finally:
            if call is None:
                self._over = True
                job.has_ended()
        if call is not None:
            self.held += 1
        return call

    def given(self, done: Done) -> Done:
        """``done``, which is given out now; after a failure that is final nothing more begins."""
        self.held -= 1
        if self._job.is_final(done[2]):
            self._over = self.failed = True
        return done

    def finish(self) -> None:
        """Raise what the inputs ended with, if that was a failure."""
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure
