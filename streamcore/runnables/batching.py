"""Many inputs at once: worker threads or tasks that take the next input when they are free.

``max_concurrency`` holds for everything below a batch as well: a batch called from a worker of another one works on
that worker's permit and takes more only while the outer batch has some to spare. So nesting neither exceeds the limit
nor waits for itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .base import Runnable

__all__ = ["abatch", "abatch_as_completed", "batch", "batch_as_completed"]

Configs = "RunnableConfig | Sequence[RunnableConfig] | None"
Done = tuple[int, Any, BaseException | None]


class Permits:
    """Workers that a batch may start beyond its first; each needs one from every batch around it, too."""

    def __init__(self, spare: int, outer: Permits | None) -> None:
        self._spare = spare
        self._outer = outer
        self._lock = threading.Lock()

    def try_acquire(self) -> bool:
        with self._lock:
            if not self._spare:
                return False
            self._spare -= 1
        if self._outer is None or self._outer.try_acquire():
            return True
        self._give_back()
        return False

    def release(self) -> None:
        self._give_back()
        if self._outer is not None:
            self._outer.release()

    def _give_back(self) -> None:
        with self._lock:
            self._spare += 1


_permits: ContextVar[Permits | None] = ContextVar("streamcore_permits", default=None)


class Job:
    """The inputs of one batch, handed out in order until they are used up or one has failed."""

    def __init__(
        self,
        runnable: Runnable[Any, Any],
        inputs: Sequence[Any],
        config: Any,
        keep_going: bool,
        kwargs: dict[str, Any],
    ) -> None:
        self.runnable = runnable
        self.inputs = list(inputs)
        self.configs = _config_per_input(config, len(self.inputs))
        self.keep_going = keep_going
        self.kwargs = kwargs
        limit = min(
            (each["max_concurrency"] for each in self.configs if each and each.get("max_concurrency")),
            default=0,
        )
        if limit < 0:
            raise ValueError(f"max_concurrency must be positive, got {limit}")
        self.permits = Permits((limit or min(32, (os.cpu_count() or 1) + 4)) - 1, _permits.get())
        self._next = 0
        self._lock = threading.Lock()

    @property
    def executor(self) -> Executor | None:
        config = self.configs[0] if self.configs else None
        return config.get("executor") if config else None

    def take(self) -> int | None:
        """The index of the next input, or None when nothing more shall begin."""
        with self._lock:
            at = self._next
            if at >= len(self.inputs):
                return None
            self._next = at + 1
            return at

    def left(self) -> bool:
        return self._next < len(self.inputs)

    def stop(self) -> None:
        with self._lock:
            self._next = len(self.inputs)

    def run(self, at: int) -> Done:
        try:
            return at, self.runnable.invoke(self.inputs[at], self.configs[at], **self.kwargs), None
        except BaseException as error:  # noqa: BLE001 - handed to the caller of the batch
            return at, None, self._failed(error)

    async def arun(self, at: int) -> Done:
        try:
            return at, await self.runnable.ainvoke(self.inputs[at], self.configs[at], **self.kwargs), None
        except Exception as error:  # noqa: BLE001 - handed to the caller of the batch
            return at, None, self._failed(error)

    def _failed(self, error: BaseException) -> BaseException:
        if not (self.keep_going and isinstance(error, Exception)):
            self.stop()
        return error


def _config_per_input(config: Any, count: int) -> list[Any]:
    if config is None or hasattr(config, "keys"):
        return [config] * count
    configs = list(config)
    if len(configs) != count:
        raise ValueError(f"got {len(configs)} configs for {count} inputs")
    return configs


class Workers:
    """The threads of one batch; each reports every call that ended to ``report``."""

    def __init__(self, job: Job, report: Callable[[Done], object]) -> None:
        self._job = job
        self._report = report
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._running = 0
        self.idle = threading.Event()

    def start(self) -> None:
        """Start the first worker, on the caller's permit, and as many more as there are permits and inputs for."""
        self._add(permit=False)
        self._add_more()

    def _add_more(self) -> None:
        while self._job.left() and self._job.permits.try_acquire():
            self._add(permit=True)

    def _add(self, *, permit: bool) -> None:
        context = copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._work, permit), name="streamcore-batch", daemon=True
        )
        with self._lock:
            self._running += 1
            self._threads.append(thread)
        thread.start()

    def _work(self, permit: bool) -> None:
        job = self._job
        _permits.set(job.permits)
        try:
            while (at := job.take()) is not None:
                self._report(job.run(at))
                if job.left():
                    self._add_more()
        finally:
            if permit:
                job.permits.release()
            with self._lock:
                self._running -= 1
                if not self._running:
                    self.idle.set()

    def finish(self) -> None:
        """Let nothing more begin, and wait for the calls in flight."""
        self._job.stop()
        self.idle.wait()
        for thread in self._threads:
            thread.join()


def batch(
    runnable: Runnable[Any, Any],
    inputs: Sequence[Any],
    config: Any = None,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> list[Any]:
    """See ``Runnable.batch``."""
    job = Job(runnable, inputs, config, return_exceptions, kwargs)
    done: list[Done] = []
    if not job.inputs:
        return []
    if job.executor is not None:
        for entry in _in_executor(job, job.executor):
            done.append(entry)  # noqa: PERF402
    elif len(job.inputs) == 1:
        done.append(job.run(0))
    else:
        workers = Workers(job, done.append)
        workers.start()
        try:
            workers.idle.wait()
        finally:
            workers.finish()
    return _outputs(job, done)


def _outputs(job: Job, done: list[Done]) -> list[Any]:
    """Outputs in the order of the inputs; the failure of the earliest input is raised, unless failures are outputs."""
    done.sort(key=lambda entry: entry[0])
    for _, _, error in done:
        if error is not None and not (job.keep_going and isinstance(error, Exception)):
            raise error
    return [output if error is None else error for _, output, error in done]


def batch_as_completed(
    runnable: Runnable[Any, Any],
    inputs: Sequence[Any],
    config: Any = None,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> Iterator[tuple[int, Any]]:
    """See ``Runnable.batch_as_completed``."""
    job = Job(runnable, inputs, config, return_exceptions, kwargs)
    if job.executor is not None:
        yield from (_entry(job, entry) for entry in _in_executor(job, job.executor))
        return
    if not job.inputs:
        return
    ended: SimpleQueue[Done] = SimpleQueue()
    workers = Workers(job, ended.put)
    workers.start()
    try:
        for _ in job.inputs:
            yield _entry(job, ended.get())
    finally:
        workers.finish()


def _entry(job: Job, done: Done) -> tuple[int, Any]:
    at, output, error = done
    if error is None:
        return at, output
    if job.keep_going and isinstance(error, Exception):
        return at, error
    raise error


def _in_executor(job: Job, executor: Executor) -> Iterator[Done]:
    """Run the job in the caller's executor, a window of calls at a time; entries come as they complete."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    flying: dict[Future[Any], tuple[int, bool]] = {}  # index, and whether the call holds a permit
    try:
        while job.left() or flying:
            while job.left():
                extra = not all(holds for _, holds in flying.values())
                if extra and not job.permits.try_acquire():
                    break
                at = job.take()
                if at is not None:
                    future = executor.submit(
                        job.runnable.invoke, job.inputs[at], job.configs[at], **job.kwargs
                    )
                    flying[future] = at, extra
            ended, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in ended:
                at, extra = flying.pop(future)
                if extra:
                    job.permits.release()
                error = future.exception()
                yield (at, future.result(), None) if error is None else (at, None, job._failed(error))
    finally:
        for future in flying:
            future.cancel()
        wait(flying)
        for _, extra in flying.values():
            if extra:
                job.permits.release()


async def abatch(
    runnable: Runnable[Any, Any],
    inputs: Sequence[Any],
    config: Any = None,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> list[Any]:
    """See ``Runnable.abatch``."""
    job = Job(runnable, inputs, config, return_exceptions, kwargs)
    done: list[Done] = []
    entries = _in_tasks(job)
    try:
        async for entry in entries:
            done.append(entry)
            if entry[2] is not None and not job.keep_going:
                break  # closing cancels the calls in flight
    finally:
        await entries.aclose()
    return _outputs(job, done)


async def abatch_as_completed(
    runnable: Runnable[Any, Any],
    inputs: Sequence[Any],
    config: Any = None,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> AsyncIterator[tuple[int, Any]]:
    """See ``Runnable.abatch_as_completed``."""
    job = Job(runnable, inputs, config, return_exceptions, kwargs)
    entries = _in_tasks(job)
    try:
        async for entry in entries:
            yield _entry(job, entry)
    finally:
        await entries.aclose()


async def _in_tasks(job: Job) -> AsyncGenerator[Done, None]:
    """Run the job in tasks of the running loop; entries come as they complete; leaving early cancels the rest."""
    import asyncio

    flying: dict[
        asyncio.Task[Done], bool
    ] = {}  # whether the call holds a permit; one works on the caller's own

    async def one(at: int) -> Done:
        _permits.set(job.permits)
        return await job.arun(at)

    try:
        while job.left() or flying:
            while job.left():
                extra = not all(flying.values())
                if extra and not job.permits.try_acquire():
                    break
                at = job.take()
                if at is not None:
                    flying[asyncio.create_task(one(at))] = extra
            ended, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                if flying.pop(task):
                    job.permits.release()
                yield task.result()
    finally:
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
        for extra in flying.values():
            if extra:
                job.permits.release()
