"""Batches in worker threads, or in the executor of the config.

``batch`` has all its inputs, so its threads take them as they are free. ``batch_as_completed`` pulls its inputs where
it is pulled itself, and hands them to threads that wait for more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, ContextVar
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from ..._backend import closing_iterator
from ..bridge.threads import Begun
from ..folding import folded
from .job import Call, Done, Inputs, Job, Supply, default_limit, is_inside, watched

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from ..base import Runnable

__all__ = ["batch", "batch_as_completed"]

T = TypeVar("T")

_executors: ContextVar[tuple[Executor, ...]] = ContextVar("streamcore_executors", default=())
"""Those on whose workers the calls around this one run: a batch of them in here would wait for itself."""


class Threads:
    """Threads that take calls from ``todo`` until they find None there."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.todo: SimpleQueue[Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._alive = 0
        self._lock = threading.RLock()
        self._idle = threading.Event()
        self._idle.set()

    def add(self) -> bool:
        """Start a thread; False where the system has none left, a RuntimeError if it is the first."""
        thread = Begun(self._run, name="streamcore-batch")
        with self._lock:
            first = not self._alive
            self._alive += 1
            self._idle.clear()
            self._threads.append(thread)
        started = False
        try:
            thread.begin()
            started = True
        except RuntimeError:
            if first:
                raise
        finally:
            if not started:
                self._threads.remove(thread)
                self._leave()
        return started

    def _leave(self) -> None:
        with self._lock:
            self._alive -= 1
            if not self._alive:
                self._idle.set()

    def _run(self) -> None:
        try:
            call = self.todo.get()
            self._arrived()
            while call is not None:
                done = self._job.run(call)
                del call
                self._report(done)
                del done
                call = self.todo.get()
        finally:
            self.todo.put(None)
            self._leave()

    def _arrived(self) -> None:
        """A thread has taken its first call, or has found that there is none."""

    def _report(self, done: Done) -> None:
        raise NotImplementedError

    def stop(self) -> list[Call]:
        """Let no further call begin; gives those that have not."""
        left: list[Call] = []
        try:
            while True:
                call = self.todo.get_nowait()
                if call is not None:
                    left.append(call)
        except Empty:
            self.todo.put(None)
        return left

    def wait(self) -> None:
        """Return when all threads have ended."""
        self._idle.wait()  # which an interrupt leaves as it is, other than Thread.join() before Python 3.13
        for thread in self._threads:
            thread.join()


class BatchThreads(Threads):
    """The threads of a batch that has all its inputs: the first works on the caller's permit, each other needs one."""

    def __init__(self, job: Job, calls: list[Call], done: list[Done]) -> None:
        super().__init__(job)
        self._done = done
        self._coming = 0  # threads that were started and have not taken a call yet
        for call in calls:
            self.todo.put(call)
        self.todo.put(None)

    def start(self) -> None:
        """Begin, and return when all is done."""
        self._job.may_begin()
        self._coming = 1
        self.add()
        self.grow()
        self._idle.wait()

    def close(self) -> None:
        """Begin nothing more and wait for the calls in flight."""
        self.stop()
        self.wait()

    def grow(self) -> None:
        """Start a thread for each call that may run now, and that none is on its way to."""
        started = True
        while started and self._is_due():
            started = False
            try:
                if self._job.may_begin():
                    try:
                        started = self.add()
                    finally:
                        if not started:
                            self._job.has_ended()
            finally:
                if not started:
                    self._arrived()

    def _is_due(self) -> bool:
        with self._lock:
            due = self.todo.qsize() - 1 > self._coming
            self._coming += due
            return due

    def _arrived(self) -> None:
        with self._lock:
            self._coming -= 1

    def _run(self) -> None:
        try:
            super()._run()
        finally:
            self._job.has_ended()

    def _report(self, done: Done) -> None:
        self._done.append(done)
        if self._job.is_final(done[2]):
            self.stop()
        else:
            self.grow()


class Crew(Threads):
    """Whoever runs calls that are handed over one by one: threads, or executors. Done ones come out of ``ended``."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.ended: SimpleQueue[Done] = SimpleQueue()
        self._busy = 0
        self._futures: set[Future[Done]] = set()

    def begin(self, call: Call) -> bool:
        """Begin a call of which the job says that it may run; whether it has ended already."""
        executor = call[2].get("executor") if call[2] else None
        try:
            if executor is None:
                self._give(call)
                return False
            around = _executors.get()
            nested = any(executor is each for each in around)
            context = self._job.context()
            context.run(_executors.set, around if nested else (*around, executor))
            if nested:
                self._hand_out(self._job.run(call, context))
            else:
                self._submit(executor, call, context)
            return nested
        except BaseException:
            self._job.has_ended()
            raise

    def _give(self, call: Call) -> None:
        with self._lock:
            self._busy += 1
            short = self._busy > len(self._threads)
        try:
            if short:
                self.add()
        except BaseException:
            self._busy -= 1
            raise
        self.todo.put(call)

    def _submit(self, executor: Executor, call: Call, context: Context) -> None:
        future = executor.submit(self._job.run, call, context)
        self._futures.add(future)
        future.add_done_callback(partial(self._future_ended, call[0]))

    def _future_ended(self, at: int, future: Future[Done]) -> None:
        self._futures.discard(future)
        try:
            done = future.result()
        except BaseException as error:  # noqa: BLE001 - cancelled by its executor, or that failed: handed on
            done = at, None, error
        self._hand_out(done)

    def _report(self, done: Done) -> None:
        with self._lock:
            self._busy -= 1
        self._hand_out(done)

    def _hand_out(self, done: Done) -> None:
        self._job.has_ended()  # first: who gets the output may begin another call
        self.ended.put(done)

    def close(self) -> None:
        """Begin nothing more and wait for the calls in flight."""
        for _ in self.stop():
            self._job.has_ended()
        for future in list(self._futures):
            future.cancel()
        if is_inside(self._job):
            return  # a call, or a collection during one, closes its own batch
        while self._futures:
            self.ended.get()
        self.wait()


def _entries(supply: Supply, crew: Crew, given: Callable[[Done], T]) -> Iterator[T]:
    """``given`` what becomes of the calls, as they end; calls begin while entries are asked for."""
    while True:
        while (call := supply.take()) is not None:
            if crew.begin(call):
                break
        if not supply.held:
            break
        yield given(supply.given(crew.ended.get()))
    supply.finish()


def batch(
    runnable: Runnable[Any, Any],
    inputs: Iterable[Any],
    config: Any = None,
    /,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> list[Any]:
    """See ``Runnable.batch``."""
    source = Inputs(inputs, config)
    job = _job(runnable, source, return_exceptions, kwargs)
    calls = source.all()
    done: list[Done] = []
    if source.have_executor:
        crew = Crew(job)
        entries = _entries(Supply(job, calls), crew, _as_it_is)
        done = folded(list, closing_iterator(entries, (crew, entries)))
    elif len(calls) == 1:
        done = [job.run(calls[0])]
    else:
        threads = BatchThreads(job, calls, done)
        try:
            threads.start()
        finally:
            threads.close()
    return job.outputs(done)


def batch_as_completed(
    runnable: Runnable[Any, Any],
    inputs: Iterable[Any],
    config: Any = None,
    /,
    *,
    return_exceptions: bool = False,
    **kwargs: Any,
) -> Iterator[tuple[int, Any]]:
    """See ``Runnable.batch_as_completed``."""
    source = Inputs(inputs, config)
    job = _job(runnable, source, return_exceptions, kwargs)
    crew = Crew(job)
    pairs = _entries(Supply(job, source), crew, job.entry)
    return closing_iterator(pairs, (source, crew, pairs))


def _as_it_is(done: Done) -> Done:
    return done


def _job(runnable: Runnable[Any, Any], source: Inputs, keep_going: bool, kwargs: dict[str, Any]) -> Job:
    asked = source.max_concurrency
    return Job(
        watched(runnable, source.configs),
        asked or default_limit(),
        asked=asked is not None,
        keep_going=keep_going,
        kwargs=kwargs,
    )
