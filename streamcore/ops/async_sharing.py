"""``tee`` and ``replay`` of an async source: see ``sharing``. A task pulls it, and closes it, when a consumer asks."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._backend import async_closing_iterator
from .._shared.async_ends import aclose_all
from ..runnables.bridge.home import CANCELLED, Home, ended
from ..runnables.bridge.worker import raise_first
from .operator import as_async

if TYPE_CHECKING:
    import asyncio

__all__ = ["AsyncHub", "AsyncShared"]

T = TypeVar("T")


class AsyncShared:
    """A source, its task, and what its consumers have not taken yet."""

    def __init__(self, source: AsyncIterator[Any], buffer: int, recent: int, of: object) -> None:
        self.home = Home(of)
        self.over = False  # nothing more comes
        self.error: BaseException | None = None  # by which it ended
        self.kept = False  # by a hub, though there may be no consumer
        self.sides: list[AsyncSide] = []
        self.recent: deque[Any] = deque(maxlen=recent)
        self.bell: asyncio.Future[None] | None = None  # what the task waits for
        self._source: AsyncIterator[Any] | None = source
        self._owned: list[Any] = [source]
        self._capacity = buffer + recent
        self._context = copy_context()
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None  # of the closing, once nobody wants more
        self._reading = self._closing = self._ended = False

    def stream(self) -> AsyncIterator[Any]:
        side = AsyncSide(self)
        if not self._ended:
            side.held.extend(self.recent)
            self.sides.append(side)
        return async_closing_iterator(side, (side,))

    def ask(self, side: AsyncSide) -> asyncio.Future[None]:
        """What ``side`` waits for, whose queue was found empty."""
        loop = self.home.loop
        if loop is None:
            loop = self.home.found()
            self._task = loop.create_task(self._read(), context=self._context)
        side.asking = loop.create_future()
        self.ring()
        return side.asking

    def ring(self) -> None:
        """Let the task look whether to pull."""
        if self.bell is not None and not self.bell.done() and self._is_wanted():
            self.bell.set_result(None)

    def _is_wanted(self) -> bool:
        asked = False
        for side in self.sides:
            if len(side.held) >= self._capacity:
                return False
            asked = asked or (side.asking is not None and not side.held)
        return asked

    async def _read(self) -> None:
        if self._ended:
            return
        self._reading = True
        error: BaseException | None = None
        try:
            await self._give_out()
        except GeneratorExit:  # the loop is gone
            raise
        except BaseException as caught:  # noqa: BLE001 - raised by each stream at its place
            error = self._told(caught)
        self._closing = True
        try:
            await aclose_all(self._owned, error)
        except GeneratorExit:
            raise
        except BaseException as failure:  # noqa: BLE001 - as above
            error = self._told(failure)
        self.over = True
        if self._ended:
            self._failure = error
        else:
            self.error = error
        for side in self.sides:
            side.wake()

    async def _give_out(self) -> None:
        source, self._source = self._source, None
        assert source is not None
        loop = self.home.loop
        assert loop is not None
        async for item in source:
            for side in self.sides:
                side.held.append(item)
                side.wake()
            self.recent.append(item)
            item = None  # let go of while the next one is pulled
            while not self._is_wanted():
                if self._ended:
                    return
                self.bell = loop.create_future()
                try:
                    await self.bell
                finally:
                    self.bell = None

    def _told(self, error: BaseException) -> BaseException | None:
        """What the consumers are told of ``error``, which ended the pulls."""
        import asyncio

        if not isinstance(error, asyncio.CancelledError):
            return error
        if self._ended:  # it was asked for
            return None
        if self._task is not None and self._task.cancelling():
            return RuntimeError(CANCELLED)
        return error

    async def leave(self, side: AsyncSide) -> None:
        """``side`` counts no more; the last one closes the source."""
        if side in self.sides:
            self.sides.remove(side)
        if self.sides or self.kept:
            self.ring()
        else:
            await self.end()

    async def end(self) -> None:
        """End all streams, cancel a pull that is under way, close the source; raises what that raised."""
        import asyncio

        self.kept = False
        sides, self.sides = self.sides, []
        for side in sides:
            side.held.clear()
            side.wake()
        self.recent.clear()
        self.error = None
        if self._ended:
            return
        self._ended = self.over = True
        cancelled: BaseException | None = None
        failure: BaseException | None = None
        if self.home.is_abroad():
            assert self.home.loop is not None
            if not self.home.loop.is_closed():
                self.home.loop.call_soon_threadsafe(self._cancel)
        elif self._task is not None and self._task is not asyncio.current_task():
            self._cancel()
            cancelled = await ended((self._task,))
        if not self._reading:  # not begun, or cancelled before its first step
            self._reading = True
            try:
                await aclose_all(self._owned, None)
            except asyncio.CancelledError as error:
                cancelled = error
            except BaseException as raised:  # noqa: BLE001 - raised below
                failure = raised
        failure = failure or self._failure
        self._failure = None
        raise_first(cancelled, failure)

    def _cancel(self) -> None:
        if self._reading and not self._closing and self._task is not None:
            self._closing = True
            self._task.cancel()


class AsyncSide:
    """The stream of one consumer, before what closes it."""

    def __init__(self, shared: AsyncShared) -> None:
        self.held: deque[Any] = deque()
        self.asking: asyncio.Future[None] | None = None
        self._shared = shared

    def __aiter__(self) -> AsyncSide:
        return self

    async def __anext__(self) -> Any:
        shared, held = self._shared, self.held
        if not shared.over:  # else nothing of it lives on a loop
            shared.home.check()
        while not held:
            if shared.over:
                if shared.error is not None:
                    raise shared.error
                raise StopAsyncIteration
            try:
                await shared.ask(self)
            finally:
                self.asking = None
        item = held.popleft()
        if shared.bell is not None:
            shared.ring()
        return item

    def wake(self) -> None:
        if self.asking is not None and not self.asking.done():
            self.asking.set_result(None)

    async def aclose(self) -> None:
        await self._shared.leave(self)


class AsyncHub(Generic[T]):
    """A stream of the same source each time it is iterated over; see ``replay``."""

    def __init__(self, shared: AsyncShared) -> None:
        self._shared = shared
        shared.kept = True
        holder = Holder(shared)
        # which the loop closes when it is dropped
        self._holding: AsyncIterator[Any] = async_closing_iterator(as_async(iter(())), (holder,))

    def __aiter__(self) -> AsyncIterator[T]:
        return self._shared.stream()

    async def aclose(self) -> None:
        """End all streams and close the source."""
        try:
            await self._shared.end()
        finally:
            await self._holding.aclose()  # type: ignore[attr-defined]


class Holder:
    """What a hub keeps open."""

    def __init__(self, shared: AsyncShared) -> None:
        self._shared = shared

    async def aclose(self) -> None:
        self._shared.kept = False
        if not self._shared.sides:
            await self._shared.end()
