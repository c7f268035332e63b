"""Branches of an async stream that take turns, by the rules of ``turns``.

Each pull of a branch is a task, so that a branch that asks for input can stand still; one of them goes on at a time,
but for what it awaits besides. The source is pulled by whoever pulls the stream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

from .addable import AddableDict
from .bridge.home import CANCELLED, Home, ended

__all__ = ["AsyncBranch", "AsyncSide", "AsyncTurns"]

END = object()


class AsyncBranch:
    """A branch in an async stream; see ``turns.Branch``."""

    __slots__ = ("key", "over", "pull", "side", "stream", "waits")

    def __init__(self, key: str | None, side: AsyncSide | None, waits: bool) -> None:
        self.key = key
        self.side = side
        self.waits = waits
        self.stream: Any = None
        self.over = False
        self.pull: asyncio.Task[Any] | None = None  # under way, or its chunk not given out yet

    @property
    def stands(self) -> bool:
        """Whether it asks for input that has not come."""
        return self.side is not None and self.side.asking is not None


class AsyncSide:
    """The input of one branch."""

    __slots__ = ("asking", "held", "open", "turns")

    def __init__(self, turns: AsyncTurns) -> None:
        self.turns = turns
        self.held: deque[Any] = deque()
        self.open = True
        self.asking: asyncio.Future[None] | None = None

    def __aiter__(self) -> AsyncSide:
        return self

    async def __anext__(self) -> Any:
        while not self.held:
            if not self.open:
                raise StopAsyncIteration
            if self.turns.ended:
                if self.turns.error is not None:
                    raise self.turns.error
                raise StopAsyncIteration
            if self.asking is not None:
                raise RuntimeError("the input of a branch is already being pulled")
            asking = self.asking = asyncio.get_running_loop().create_future()
            self.turns.turn()
            try:
                await asking
            finally:
                if self.asking is asking:
                    self.asking = None
        return self.held.popleft()

    def give(self, *chunks: Any) -> None:
        """Hold a chunk, or none where the end has come, and let the branch go on."""
        self.held.extend(chunks)
        asking, self.asking = self.asking, None
        if asking is not None and not asking.done():
            asking.set_result(None)

    async def aclose(self) -> None:
        """It counts no more."""
        self.open = False
        self.held.clear()
        self.give()


class AsyncTurns:
    """The branches of one async stream over ``source``; ``None`` where each has an input of its own."""

    def __init__(
        self,
        source: AsyncIterator[Any] | None,
        capacity: int,
        of: object,
        note: Callable[[BaseException], None] | None = None,
        *,
        first_goes_on: bool = False,
    ) -> None:
        self.branches: list[AsyncBranch] = []
        self.ended = source is None
        self.error: Exception | None = None  # of the source
        self._home = Home(of)
        self._source = source
        self._note = note  # says of an error that it is the source's
        self._capacity = capacity
        self._first_goes_on = first_goes_on
        self._turned: asyncio.Future[None] | None = None

    def add(self, key: str | None, *, waits: bool) -> AsyncBranch:
        """A further branch, whose stream is still to be set."""
        side = None if self._source is None else AsyncSide(self)
        self.branches.append(AsyncBranch(key, side, waits and side is not None))
        return self.branches[-1]

    def turn(self, *_: Any) -> None:
        """A branch asks for input, or has come to the end of a pull."""
        if self._turned is not None and not self._turned.done():
            self._turned.set_result(None)

    async def chunks(self) -> AsyncIterator[AddableDict[str, Any]]:
        """What the branches give, in turn."""
        self._home.found()
        try:
            while any(not branch.over for branch in self.branches):
                for branch in self.branches:
                    while not branch.over:
                        gone = await self._go(branch)
                        if gone is None:
                            continue
                        chunk = self._given(gone)
                        if chunk is END:
                            pass
                        elif gone.key is not None:
                            yield AddableDict({gone.key: chunk})
                        elif chunk:
                            yield chunk
                        if gone is branch and not (self._first_goes_on and branch is self.branches[0]):
                            break
                    if self._first_goes_on and self.error is not None:
                        raise self.error
            if self.error is not None:
                raise self.error
        finally:
            self.error = None  # no cycle through its traceback
            self.ended = True
            try:
                await self._stop()
            finally:
                self.branches = []  # they know this, by their sides

    async def _go(self, branch: AsyncBranch) -> AsyncBranch | None:
        """One step on the turn of ``branch``; gives the branch whose pull came to its end, if one did."""
        self._home.check()
        side = branch.side
        if side is not None and branch.waits and not self.ended and side.open:
            stands = True
        else:
            if await self._run(branch):
                return branch
            stands = branch.stands
        if stands:
            full = self._first_full(branch)
            if full is None:
                await self._fetch()
            elif await self._run(full):
                return full
        return None

    async def _run(self, branch: AsyncBranch) -> bool:
        """Let ``branch`` go on until its pull ends, or it asks for input; whether it ended."""
        loop = self._home.loop
        assert loop is not None
        if branch.pull is None:
            branch.pull = loop.create_task(_pulled(branch.stream), context=copy_context())
            branch.pull.add_done_callback(self.turn)
        while not branch.pull.done() and not branch.stands:
            self._turned = loop.create_future()
            try:
                await self._turned
            finally:
                self._turned = None
        return branch.pull.done()

    def _given(self, branch: AsyncBranch) -> Any:
        """The chunk of a pull that came to its end."""
        assert branch.pull is not None
        pull, branch.pull = branch.pull, None
        try:
            if pull.cancelled() and pull.cancelling():
                raise RuntimeError(CANCELLED)
            chunk = pull.result()
        except BaseException as error:
            self._over(branch)
            if error is not self.error:
                raise
            return END
        if chunk is END:
            self._over(branch)
        return chunk

    def _over(self, branch: AsyncBranch) -> None:
        branch.over = True
        if branch.side is not None:
            branch.side.open = False
            branch.side.held.clear()

    def _first_full(self, asking: AsyncBranch) -> AsyncBranch | None:
        for branch in self.branches:
            if branch is asking or branch.over or branch.waits or branch.side is None:
                continue
            if branch.side.open and len(branch.side.held) >= self._capacity:
                return branch
        return None

    async def _fetch(self) -> None:
        """Pull the source once, for all."""
        assert self._source is not None
        given: tuple[Any, ...] = ()
        try:
            given = (await self._source.__anext__(),)
        except StopAsyncIteration:
            self.ended = True
        except Exception as error:  # noqa: BLE001 - reaches each branch at its place
            if self._note is not None:
                self._note(error)
            self.ended, self.error = True, error
        for branch in self.branches:
            if branch.side is not None and (branch.side.open or not given):
                branch.side.give(*given)

    async def _stop(self) -> None:
        """Cancel the pulls under way, and wait until they have ended."""
        pulls = [branch.pull for branch in self.branches if branch.pull is not None]
        if self._home.is_abroad():
            loop = self._home.loop
            if loop is not None and not loop.is_closed():
                for pull in pulls:
                    loop.call_soon_threadsafe(pull.cancel)
            return
        for pull in pulls:
            pull.cancel()
        cancelled = await ended(pulls)
        for pull in pulls:
            if not pull.cancelled():
                pull.exception()  # seen
        if cancelled is not None:
            raise cancelled


async def _pulled(stream: AsyncIterator[Any]) -> Any:
    try:
        return await stream.__anext__()
    except StopAsyncIteration:
        return END
