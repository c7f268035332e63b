"""Batches in tasks of the running event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..._backend import async_closing_iterator
from ..._shared.notes import note_failure
from ..._shared.surroundings import SURROUNDING
from ..bridge.home import Home
from ..config import child_config
from .job import Call, Done, Inputs, Job, Supply, is_inside, watched

if TYPE_CHECKING:
    from ..base import Runnable

__all__ = ["abatch", "abatch_as_completed"]

UNSIZED_LIMIT = 128
"""Tasks at a time where nobody knows how many inputs there are."""


class Tasks:
    """The calls in flight, a task each."""

    def __init__(self, job: Job, of: object) -> None:
        self._home = Home(of)
        self._job = job
        self._call = job.ainvoke
        self._flying: dict[asyncio.Task[Any], int] = {}
        self._ended: deque[Done] = deque()
        self._failures = 0
        self._failed = False  # one of them is final
        self._waiter: asyncio.Future[None] | None = None
        self._context = job.context()  # of the callbacks

    def begin(self, call: Call, then: Callable[[asyncio.Task[Any]], None]) -> asyncio.Task[Any]:
        """Begin a call of which the job says that it may run."""
        loop = self._home.loop or self._home.found()
        at, input, config = call
        context = self._job.context()
        if config is not None:
            context.run(SURROUNDING.set, child_config(config))
        try:
            coroutine = context.run(self._call, input, config)
        except Exception as error:  # noqa: BLE001 - an ainvoke that is no coroutine function: fails as if it were
            coroutine = _failing(error)
        if type(coroutine) is not CoroutineType:
            coroutine = _as_coroutine(coroutine)
        task = loop.create_task(coroutine, context=context)
        self._flying[task] = at
        task.add_done_callback(then, context=self._context)
        return task

    async def together(self, calls: list[Call]) -> list[Any]:
        """The outputs of all calls, begun at once; raises a failure that is final.

        What is done here for each call is as little as can be: such a batch costs not much more than a
        ``asyncio.gather``.
        """
        then = self._is_over
        tasks = [self.begin(call, then) for call in calls]
        while self._flying and not self._failed:
            await self._change()
        if not self._failures:
            return [task.result() for task in tasks]
        done = [_done(at, task) for at, task in enumerate(tasks) if task not in self._flying]
        tasks.clear()  # they hold the error, and its traceback this frame: a cycle otherwise
        return self._job.outputs(done)

    def _is_over(self, task: asyncio.Task[Any]) -> None:
        del self._flying[task]
        if task.cancelled() or task.exception() is not None:
            self._failures += 1
            self._failed = self._failed or task.cancelled() or self._job.is_final(task.exception())
        if self._failed or not self._flying:
            self._wake()

    async def in_turn(self, supply: Supply) -> list[Any]:
        """``together`` where not all calls may run at once."""
        done: list[Done] = []
        while not supply.failed:
            await self.go_on(supply)
            if not supply.held:
                break
            while self._ended:
                done.append(self.next(supply))
        return self._job.outputs(done)

    async def go_on(self, supply: Supply) -> None:
        """Begin what may begin, and wait until something has ended that is not given out, if there will be any."""
        self._home.check()
        while (call := supply.take()) is not None:
            try:
                self.begin(call, self._has_ended)
            except BaseException:
                self._job.has_ended()
                raise
        while supply.held and not self._ended:
            await self._change()

    def next(self, supply: Supply) -> Done:
        return supply.given(self._ended.popleft())

    def _has_ended(self, task: asyncio.Task[Any]) -> None:
        self._ended.append(_done(self._flying.pop(task), task))
        self._job.has_ended()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _change(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def cancel(self) -> list[tuple[int, asyncio.Task[Any]]]:
        """Cancel the calls in flight, and give them."""
        abroad = self._home.is_abroad()
        flying = [(at, task) for task, at in self._flying.items()]
        for _, task in flying:
            if not abroad:
                task.cancel()
            elif not self._home.is_gone():
                task.get_loop().call_soon_threadsafe(task.cancel)
        return flying

    async def aclose(self) -> None:
        """Cancel the calls in flight, and return when they have ended; raises the first thing that one fails with now.

        A cancellation meanwhile is put off until then.
        """
        cancelled = self.cancel()
        if is_inside(self._job) or self._home.is_abroad():
            return  # a call closes its own batch; tasks of another loop end there
        raised: BaseException | None = None
        while self._flying:
            try:
                await self._change()
            except asyncio.CancelledError as error:
                raised = error
        self._ended.clear()
        for at, task in cancelled:
            failure = None if task.cancelled() else task.exception()
            if failure is not None and raised is not None:
                note_failure(raised, f"the cancelled call of input {at}", failure)
            raised = raised or failure
        failure = None
        cancelled.clear()
        if raised is not None:
            try:
                raise raised
            finally:
                del raised

    async def end(self, error: BaseException) -> None:
        """``aclose`` when ``error`` is about to be raised: what fails now becomes a note of it."""
        if isinstance(error, GeneratorExit):  # the coroutine is dropped: it can wait for nothing
            self.cancel()
            return
        try:
            await self.aclose()
        except asyncio.CancelledError:
            if not isinstance(error, asyncio.CancelledError):
                raise
        except BaseException as failure:  # noqa: BLE001 - told in the note
            note_failure(error, "a cancelled call", failure)


def _done(at: int, task: asyncio.Task[Any]) -> Done:
    """What became of a task, whose error gets no traceback with this frame and so with the task in it: a cycle."""
    if task.cancelled():
        return at, None, asyncio.CancelledError()
    error = task.exception()
    return (at, task.result(), None) if error is None else (at, None, error)


async def _as_coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _failing(error: Exception) -> Any:
    try:
        raise error
    finally:
        del error


async def abatch(
    runnable: Runnable[Any, Any],
    inputs: Iterable[Any],
    config: Any = None,
    /,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> list[Any]:
    """See ``Runnable.abatch``."""
    source = Inputs(inputs, config)
    job = _job(runnable, source, return_exceptions, kwargs)
    calls = source.all()
    tasks = Tasks(job, runnable)
    try:
        return await (tasks.together(calls) if job.is_free else tasks.in_turn(Supply(job, calls)))
    except BaseException as error:
        await tasks.end(error)
        raise


def abatch_as_completed(
    runnable: Runnable[Any, Any],
    inputs: Iterable[Any],
    config: Any = None,
    /,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> AsyncIterator[tuple[int, Any]]:
    """See ``Runnable.abatch_as_completed``."""
    source = Inputs(inputs, config)
    job = _job(runnable, source, return_exceptions, kwargs)
    tasks = Tasks(job, runnable)
    pairs = _as_completed(job, Supply(job, source), tasks)
    return async_closing_iterator(pairs, (source, tasks, pairs))


async def _as_completed(job: Job, supply: Supply, tasks: Tasks) -> AsyncIterator[tuple[int, Any]]:
    while True:
        await tasks.go_on(supply)
        if not supply.held:
            break
        yield job.entry(tasks.next(supply))
    supply.finish()


def _job(runnable: Runnable[Any, Any], source: Inputs, keep_going: bool, kwargs: dict[str, Any]) -> Job:
    asked = source.max_concurrency
    limit = asked if asked is not None or source.is_sized else UNSIZED_LIMIT
    return Job(
        watched(runnable, source.configs),
        limit,
        asked=asked is not None,
        keep_going=keep_going,
        kwargs=kwargs,
        tasks=True,
    )
