"""``fn`` of several items at once, in tasks of the running loop, for one consumer: see ``map_threads``.

One task pulls the source, and closes it; others, up to ``concurrency``, make the calls, of a plain function in threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator
from .._shared.async_ends import aclose_all
from .._shared.notes import raise_noted
from ..runnables import clock
from ..runnables.bridge.home import CANCELLED, Home, ended
from ..runnables.bridge.threads import Begun
from ..runnables.bridge.worker import raise_first
from .map_threads import Slot

if TYPE_CHECKING:
    import asyncio

__all__ = ["Crew", "mapped_in_tasks"]


def mapped_in_tasks(
    source: AsyncIterator[Any],
    owned: tuple[object, ...],
    ask: Callable[[Any], Awaitable[Any]] | Crew,
    name: str,
    concurrency: int,
    ordered: bool,
    annotate: Callable[[BaseException], object],
) -> AsyncIterator[Any]:
    """The answers of ``ask`` to the items of ``source``; in their order, or else as the calls end.

    ``owned``, of which ``source`` is the last, is closed by the task that pulls it. ``aclose()`` cancels what is under
    way, and returns after it has ended.
    """
    calls = AsyncCalls(source, list(owned), ask, name, concurrency, ordered)
    return async_closing_iterator(calls, (calls,), annotate, blocks=True)


class AsyncCalls:
    """The results as lists of those that are there, and the tasks that make them."""

    def __init__(
        self,
        source: AsyncIterator[Any],
        owned: list[Any],
        ask: Callable[[Any], Awaitable[Any]] | Crew,
        name: str,
        concurrency: int,
        ordered: bool,
    ) -> None:
        self._source: AsyncIterator[Any] | None = source
        self._owned = owned
        self._ask = ask
        self._name = name
        self._most = concurrency
        self._ordered = ordered
        self._context = copy_context()
        self._given: deque[Slot] = (
            deque()
        )  # the consumer's next one first; done or not where they are ordered
        self._todo: deque[Slot] = deque()
        self._in_flight = 0
        self._workers: list[asyncio.Task[None]] = []
        self._idle: list[asyncio.Future[None]] = []  # workers that wait for work
        self._spreading = False  # whether workers will be rung for what is still to be done
        self._held = 0  # results
        self._rest = 0  # of them, what the consumer has beyond the one it asked for
        self._error: BaseException | None = None  # of the source: comes after all results
        self._failure: BaseException | None = None  # of closing it, once nobody wants more
        self._closed = False  # nobody wants more
        self._stopped = False  # no further call begins
        self._home = Home(f"{name} with concurrency")
        self._feeder: asyncio.Task[None] | None = None
        self._feeding = self._closing = self._fed = (
            False  # the task has begun, closes the source, has closed it
        )
        self._came: asyncio.Future[None] | None = None  # what the consumer waits for
        self._place: asyncio.Future[None] | None = None  # what the feeder waits for

    # -- the consumer's side

    def __aiter__(self) -> AsyncCalls:
        return self

    async def __anext__(self) -> list[Any]:
        self._home.check()
        if self._rest:
            self._held -= self._rest
            self._rest = 0
            self._ring_if_place()
        given = self._given
        while not (given and given[0].done):
            if self._home.loop is None:
                loop = self._home.found()
                self._feeder = loop.create_task(self._feed(), context=self._context.copy())
            elif self._fed and not self._in_flight:
                self._end()
            else:
                await self._wait()
        block = [given.popleft().outcome()]
        while given and given[0].done and not given[0].failed:
            block.append(given.popleft().value)
        self._held -= 1
        self._rest = len(block) - 1
        self._ring_if_place()
        return block

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._home.loop is not None
        return self._home.loop

    async def _wait(self) -> None:
        self._came = self._loop.create_future()
        try:
            await self._came
        finally:
            self._came = None

    def _end(self) -> None:
        error, self._error = self._error, None
        try:
            raise StopAsyncIteration if error is None else error
        finally:
            del error  # its traceback holds this frame

    async def aclose(self) -> None:
        """Begin no further call, cancel those in flight, close the source; raises what that raised."""
        import asyncio

        self._closed = self._stopped = True
        if isinstance(self._ask, Crew):
            self._ask.closed.set()
        self._error = None
        self._given.clear()
        tasks: set[asyncio.Task[None]] = set()
        abroad = self._home.is_abroad()
        if not abroad and self._feeder is not None:
            self._stop()
            tasks = {*self._workers, self._feeder} - {asyncio.current_task()}
        elif abroad and not self._loop.is_closed():  # its tasks close the source themselves
            self._loop.call_soon_threadsafe(self._stop)
        cancelled = await ended(tasks)
        if isinstance(self._ask, Crew):
            self._ask.close(wait=not abroad)
        failure, self._failure = self._failure, None
        if not self._feeding:  # not begun, or cancelled before its first step
            self._feeding = True
            try:
                await aclose_all(self._owned, None)
            except asyncio.CancelledError as error:
                cancelled = error
            except BaseException as raised:  # noqa: BLE001 - raised below
                failure = raised
        raise_first(cancelled, failure)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.cancel()
        self._stop_feeder()

    def _stop_feeder(self) -> None:
        self._stopped = True
        if self._feeder is not None and self._feeding and not self._closing:
            self._closing = True
            self._feeder.cancel()

    # -- the tasks' side

    async def _feed(self) -> None:
        """Pull and close in one task: what the source opened for itself may insist on that."""
        if self._stopped:
            return
        self._feeding = True
        error: BaseException | None = None
        try:
            await self._begin_calls()
        except GeneratorExit:  # the loop is gone
            raise
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer
            error = self._told(caught)
        self._closing = True
        try:
            await aclose_all(self._owned, error)
        except GeneratorExit:
            raise
        except BaseException as failure:  # noqa: BLE001 - handed to the consumer
            error = self._told(failure)
        self._fed = True
        if self._stopped:
            self._failure = error
        else:
            self._error = error
        self._ring(len(self._idle))
        self._tell_consumer()

    async def _begin_calls(self) -> None:
        source, self._source = self._source, None
        assert source is not None
        at, most, todo = 0, self._most, self._todo
        async for item in source:
            if self._stopped:
                return
            slot = Slot(at, item)
            item = None  # let go of while the next one is pulled
            at += 1
            if self._ordered:
                self._given.append(slot)
            todo.append(slot)
            slot = None  # type: ignore[assignment]
            self._in_flight += 1
            if len(todo) == 1:  # a worker goes on to the others if its call needs no wait, else more are rung
                self._ring(1)
            if not self._spreading:
                self._spreading = True
                self._loop.call_soon(self._spread)
            while self._in_flight >= most or self._held >= most:
                self._place = self._loop.create_future()
                try:
                    await self._place
                finally:
                    self._place = None

    def _spread(self) -> None:
        self._spreading = False
        if not self._stopped:
            self._ring(len(self._todo))

    def _ring(self, count: int) -> None:
        """Let that many workers look for work."""
        for _ in range(count):
            if self._idle:
                bell = self._idle.pop()
                if not bell.done():
                    bell.set_result(None)
            elif len(self._workers) < self._most:
                self._workers.append(self._loop.create_task(self._make_calls(), context=self._context.copy()))

    async def _make_calls(self) -> None:
        """What a worker does."""
        todo = self._todo
        while True:
            while not todo:
                if self._fed or self._stopped:
                    return
                bell = self._loop.create_future()
                self._idle.append(bell)
                await bell
            slot = todo.popleft()
            if self._place is not None and not todo:
                self._ring_if_place()
            try:
                item, slot.value = slot.value, None
                slot.value = await self._ask(item)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - handed to the consumer
                if self._closed:
                    return
                self._failed(slot, error)
            item = None
            self._enter(slot)

    def _failed(self, slot: Slot, error: BaseException) -> None:
        """No further call begins."""
        try:
            raise_noted(self._told(error) or error, self._name, slot.at, in_async=True)
        except BaseException as noted:  # noqa: BLE001
            slot.value, slot.failed = noted, True
        self._in_flight -= len(self._todo)
        self._todo.clear()
        self._stop_feeder()

    def _enter(self, slot: Slot) -> None:
        """A call has ended."""
        slot.done = True
        self._in_flight -= 1
        self._held += 1
        if not self._ordered:
            self._given.append(slot)
        if self._place is not None and not self._todo:
            self._ring_if_place()
        if self._came is not None:
            self._tell_consumer()

    def _told(self, error: BaseException) -> BaseException | None:
        """What the consumer is told of ``error``."""
        import asyncio

        if not isinstance(error, asyncio.CancelledError):
            return error
        if self._stopped:  # it was asked for
            return None
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return RuntimeError(CANCELLED)
        return error

    def _ring_if_place(self) -> None:
        place = self._place
        if (
            place is not None
            and not place.done()
            and self._in_flight < self._most
            and self._held < self._most
        ):
            place.set_result(None)

    def _tell_consumer(self) -> None:
        came, given = self._came, self._given
        if (
            came is not None
            and not came.done()
            and (given[0].done if given else self._fed and not self._in_flight)
        ):
            came.set_result(None)


class Crew:
    """Threads, at most ``limit``, that call ``fn`` for tasks of a loop."""

    def __init__(self, fn: Callable[[Any], Any], limit: int) -> None:
        self._fn = fn
        self._limit = limit
        self._todo: SimpleQueue[Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way = 0
        self.closed = threading.Event()  # nobody wants what is called

    async def __call__(self, item: Any) -> Any:
        """``fn`` of the item; a task that is cancelled meanwhile waits for its end."""
        import asyncio

        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        if self._under_way >= len(self._threads) < self._limit:
            self._add()
        self._under_way += 1
        self._todo.put((copy_context(), item, loop, done))
        del item
        cancelled: BaseException | None = None
        try:
            while not done.done():
                try:
                    await asyncio.wait((done,))
                except asyncio.CancelledError as error:
                    cancelled = error
        finally:
            self._under_way -= 1
        if cancelled is not None:
            raise cancelled
        failed, result = done.result()
        if failed is not None:
            raise failed
        return result

    def _add(self) -> None:
        thread = Begun(_make_calls, (self._fn, self._todo, self.closed), name="streamcore-map")
        try:
            thread.begin()
        except RuntimeError:  # the system has none left
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def close(self, *, wait: bool) -> None:
        """End the threads; all calls have ended where it waits for them."""
        threads, self._threads = self._threads, []
        self.closed.set()
        for _ in threads:
            self._todo.put(None)
        for thread in threads if wait else ():
            thread.join()

    def __del__(self) -> None:
        self.close(wait=False)


Call = tuple[Context, Any, "asyncio.AbstractEventLoop", "asyncio.Future[Any]"]


def _make_calls(fn: Callable[[Any], Any], todo: SimpleQueue[Call | None], closed: threading.Event) -> None:
    """What a thread of a crew does."""
    while (call := todo.get()) is not None:
        _make_call(fn, call, closed)
        del call


def _make_call(fn: Callable[[Any], Any], call: Call, closed: threading.Event) -> None:
    context, item, loop, done = call
    result: Any = None
    error: BaseException | None = None
    try:
        result = context.run(_called, fn, item, closed)
    except BaseException as caught:  # noqa: BLE001 - handed to the task
        error = caught
    try:
        loop.call_soon_threadsafe(_tell, done, result, error)
    except RuntimeError:  # the loop is closed: nobody waits
        if not loop.is_closed():
            raise
    finally:
        del error


def _called(fn: Callable[[Any], Any], item: Any, closed: threading.Event) -> Any:
    clock.unwanted.set(closed.is_set)
    return fn(item)


def _tell(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if not done.done():
        done.set_result((error, result))
