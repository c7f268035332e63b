"""Several async iterators pulled at once, each by a task of its own, for one consumer: see ``merge_threads``.

The consumer is woken when the first item comes into the empty queue, a task when there is room again: four tasks with
room for 64 items cost five turns of the loop for 256 items.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator
from .._shared.async_ends import aclose_all
from ..runnables.bridge.blocks import most_in_hand
from ..runnables.bridge.home import CANCELLED, Home, ended
from ..runnables.bridge.worker import raise_first
from .operator import as_async

if TYPE_CHECKING:
    import asyncio

__all__ = ["AsyncArrivals", "AsyncPart", "merged_in_tasks"]


def merged_in_tasks(
    parts: Iterable[Any],
    buffer: int,
    annotate: Callable[[BaseException], object] | None = None,
    of: object = "ops.merge",
) -> AsyncIterator[Any]:
    """The items of the ``parts``, async iterables or others, as they come; at most ``buffer`` of each are held.

    The tasks start with the first pull, in copies of the context of this call. The first error ends all; it is raised
    after the items that were there. ``aclose()`` cancels the pulls under way, and returns after each part has been
    closed in its task and the tasks have ended.
    """
    arrivals = AsyncArrivals(buffer, of)
    arrivals.waiting = [AsyncPart(arrivals, part) for part in parts]
    return async_closing_iterator(arrivals, (arrivals,), annotate, blocks=True)


class AsyncArrivals:
    """The queue, as an async iterator of runs, and the parts that fill it."""

    def __init__(self, buffer: int, of: object) -> None:
        self.home = Home(of)
        self.runs: deque[tuple[AsyncPart, list[Any]]] = deque()
        self.last: list[Any] | None = None  # the last of the runs, if the consumer has not taken it
        self.buffer = buffer
        self.most = 1 + most_in_hand(buffer)  # items in a run
        self.waiting: list[AsyncPart] = []  # to be started
        self.begun: list[AsyncPart] = []
        self.live = 0  # parts that may give more
        self.error: BaseException | None = None  # the first one
        self.over = False  # nothing more goes in
        self.idle: asyncio.Future[None] | None = None  # what the consumer waits for
        self.context = copy_context()
        self._taken: tuple[AsyncPart, int] | None = (
            None  # what the consumer has of a run beyond its first item
        )

    def __aiter__(self) -> AsyncArrivals:
        return self

    async def __anext__(self) -> list[Any]:
        self.home.check()
        if self._taken is not None:
            part, rest = self._taken
            self._taken = None
            part.release(rest)
        while not self.runs:
            if self.home.loop is None:
                self.home.found()
                self._start()
            elif self.over or not self.live:
                self._end()
            else:
                await self._wait()
        part, run = self.runs.popleft()
        if run is self.last:
            self.last = None
        part.release(1)  # which is no longer held but in the consumer's hands
        self._taken = part, len(run) - 1
        return run

    def _start(self) -> None:
        while self.waiting:
            part = self.waiting.pop(0)
            self.begun.append(part)
            part.start(self.context.copy())

    async def _wait(self) -> None:
        self.idle = self.loop.create_future()
        try:
            await self.idle
        finally:
            self.idle = None

    def _end(self) -> None:
        error, self.error = self.error, None
        try:
            raise StopAsyncIteration if error is None else error
        finally:
            del error  # its traceback holds this frame

    def wake(self) -> None:
        """There is something for the consumer to see."""
        if self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    def left(self, part: AsyncPart) -> None:
        """``part`` gives no more."""
        self.live -= 1
        if not self.live:
            self.wake()

    def fail(self, error: BaseException) -> None:
        """Let nothing more in: ``error`` comes after what is there."""
        if not self.over:
            self.over = True
            self.error = error
            self.stop()
            self.wake()

    def stop(self) -> None:
        """Cancel the pulls."""
        self.over = True
        stop_all(self.begun)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The one that pulls the parts."""
        assert self.home.loop is not None
        return self.home.loop

    async def aclose(self) -> None:
        """End the tasks and close the parts; raises what the closing of the first of them raised."""
        import asyncio

        self.over = True
        self.runs.clear()
        self.error = None
        raised: list[BaseException] = []
        tasks: list[asyncio.Task[None]] = []
        if self.home.is_abroad():  # the tasks of another loop close their parts themselves
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(stop_all, self.begun)
        elif self.begun:
            self.stop()
            own = asyncio.current_task()
            tasks = [part.task for part in self.begun if part.task is not None and part.task is not own]
        cancelled = await ended(tasks)
        for part in (*self.begun, *self.waiting):
            if not part.read:  # not begun, or cancelled before its first step
                try:
                    await aclose_all(part.owned, None)
                except asyncio.CancelledError as error:
                    cancelled = error
                except BaseException as failure:  # noqa: BLE001 - raised when all are closed
                    raised.append(failure)
            elif part.failure is not None:
                raised.append(part.failure)
                part.failure = None
        self.begun, self.waiting = [], []
        raise_first(cancelled, *raised)


def stop_all(parts: list[AsyncPart]) -> None:
    for part in parts:
        part.stop()


class AsyncPart:
    """One iterable and its task."""

    def __init__(self, arrivals: AsyncArrivals, source: Any) -> None:
        is_iterator = hasattr(source, "__anext__") or hasattr(source, "__next__")
        self.owned: list[Any] = [source] if is_iterator else []  # what is to be closed
        self.task: asyncio.Task[None] | None = None
        self.read = False  # whether the task has begun, and closes
        self.failure: BaseException | None = None  # of the closing, once nobody wants more
        self._source = source
        self._arrivals = arrivals
        self._room: asyncio.Future[None] | None = None
        self._closing = False
        self._held = 0

    def start(self, context: Context) -> None:
        self._arrivals.live += 1
        self.task = self._arrivals.loop.create_task(self._read(), context=context)

    def stop(self) -> None:
        if self.read and not self._closing and self.task is not None:
            self._closing = True
            self.task.cancel()

    def release(self, count: int) -> None:
        """That many of its items are no longer held."""
        self._held -= count
        if count and self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _made(self) -> Any:
        """The iterable."""
        source, self._source = self._source, None
        return source

    def _raised(self, error: BaseException) -> BaseException:
        """What is raised for an error of it."""
        return error

    def _opened(self, source: Any) -> AsyncIterator[Any]:
        if hasattr(source, "__aiter__"):
            items = aiter(source)
            self.owned = [items]
        else:
            iterator = iter(source)
            items = as_async(iterator)
            self.owned = [iterator, items]
        return items  # type: ignore[no-any-return]

    async def _read(self) -> None:
        if self._arrivals.over:
            return
        self.read = True
        error: BaseException | None = None
        try:
            await self._pass_on(self._opened(await self._made()))
        except GeneratorExit:  # the loop is gone
            raise
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer
            error = self._told(caught)
        self._closing = True
        try:
            await aclose_all(self.owned, error)
        except GeneratorExit:
            raise
        except BaseException as failure:  # noqa: BLE001 - handed to the consumer
            error = self._told(failure)
        arrivals = self._arrivals
        arrivals.left(self)
        if error is None:
            pass
        elif arrivals.over:
            self.failure = error
        else:
            arrivals.fail(self._raised(error))

    def _told(self, error: BaseException) -> BaseException | None:
        """What the consumer is told of ``error``, which ended the pulls."""
        import asyncio

        if not isinstance(error, asyncio.CancelledError):
            return error
        if self._arrivals.over:  # it was asked for
            return None
        if self.task is not None and self.task.cancelling():
            return RuntimeError(CANCELLED)
        return error

    async def _pass_on(self, items: AsyncIterator[Any]) -> None:
        arrivals = self._arrivals
        runs, most, buffer = arrivals.runs, arrivals.most, arrivals.buffer
        run: list[Any] = []
        async for item in items:
            if arrivals.over:
                return
            if run is arrivals.last and len(run) < most:
                run.append(item)
            else:
                arrivals.last = run = [item]
                runs.append((self, run))
            self._held += 1
            if arrivals.idle is not None:
                arrivals.wake()
            item = None  # let go of while the next one is pulled
            while self._held >= buffer:
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        self._room = self._arrivals.loop.create_future()
        try:
            await self._room
        finally:
            self._room = None
