"""How an async stream ends: what it owns is closed, one level after the other, with or without an event loop.

A dropped stream is closed by the event loop: beside each stream stands a small async generator, the guard, that holds
what there is to close, and the hooks that every loop has for dropped async generators see to it. Where no loop runs,
what needs none is closed at once.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from types import AsyncGeneratorType
from typing import Any, NoReturn

from .notes import add_note, make_room, note_failure, shown

__all__ = [
    "ABROAD",
    "CLOSED",
    "LEFT",
    "PULLED",
    "aclose_all",
    "close_without_loop",
    "dismiss",
    "end",
    "guard_of",
    "nothing",
    "running_loop",
]

Annotate = Callable[[BaseException], object]
Guard = AsyncGeneratorType[None, None]

ABROAD = "the stream belongs to another event loop, which pulled it first"
LEFT = "the stream belongs to another event loop, which closed it when it ended"
PULLED = "the stream is already being pulled"
CLOSED = "the stream is already being closed"


async def end(owned: list[Any], error: BaseException, annotate: Annotate | None, given_up: bool) -> NoReturn:
    """Close all that is left, because of ``error`` or the end of the stream; then raise that."""
    if isinstance(error, StopAsyncIteration):
        await aclose_all(owned, None, given_up)
    else:
        if annotate is not None:
            annotate(error)
        await aclose_all(owned, error, given_up)
    try:
        raise error
    finally:
        del error  # its traceback holds this frame: a cycle otherwise


async def aclose_all(owned: list[Any], error: BaseException | None, given_up: bool = False) -> None:
    """Empty ``owned`` from the last entry to the first, awaiting ``aclose()`` or else calling ``close()`` of each.

    None is left out because another one failed. Failures are noted on ``error``, the exception under way; without one
    the first is raised. A cancellation is raised in any case, after all are closed. What is not closed yet when this
    coroutine is itself closed stays in ``owned``.
    """
    make_room()
    level = AsyncLevel(None, owned, error, given_up)
    outer: list[AsyncLevel] = []
    try:
        while level.owned or outer:
            if not level.owned:
                inner, level = level, outer.pop()
                inner.over()
                if inner.raised is not None:
                    level.note(inner.stream, inner.raised)
                continue
            entry = level.owned.pop()
            try:
                if hasattr(
                    type(entry), "_begin_close"
                ):  # a stream of ours: no recursion, however many there are
                    left, abandoned = entry._begin_close()
                    inner = AsyncLevel(entry, left, None, abandoned)
                    outer.append(level)
                    level = inner
                else:
                    await _aclose(entry, level.given_up)
            except GeneratorExit:
                raise
            except BaseException as failure:  # noqa: BLE001 - kept: raised below or noted
                level.note(entry, failure)
    finally:
        for unfinished in (*outer, level):
            unfinished.over()
    raised = level.raised
    if raised is not None and raised is not error:
        try:
            raise raised
        finally:
            del raised, error, level


class AsyncLevel:
    """A stream whose end is under way; None for the stream where only its entries are at hand."""

    __slots__ = ("given_up", "owned", "raised", "stream")

    def __init__(self, stream: Any, owned: list[Any], error: BaseException | None, given_up: bool) -> None:
        self.stream = stream
        self.owned = owned
        self.raised = error
        self.given_up = given_up

    def note(self, entry: object, failure: BaseException) -> None:
        self.raised = worse(self.raised, failure, entry)

    def over(self) -> None:
        if self.stream is not None:
            self.stream._end_close()


async def _aclose(entry: Any, given_up: bool) -> None:
    if (aclose := getattr(entry, "aclose", None)) is not None:
        if given_up:
            release(entry)
        await aclose()
    elif (close := getattr(entry, "close", None)) is not None:
        close()


def worse(raised: BaseException | None, failure: BaseException, entry: object) -> BaseException:
    """Which of the two to raise, the other one noted on it: the first, but a cancellation before an error."""
    if raised is None:
        return failure
    if isinstance(raised, Exception) and not isinstance(failure, Exception):
        add_note(failure, f"while the stream ended by {shown(raised)}")
        return failure
    note_failure(raised, f"closing {type(entry).__name__}", failure)
    return raised


def release(entry: object) -> None:
    """End an async generator whose pull was given up half-way.

    Before CPython 3.13 it takes itself for running ever after, and refuses ``aclose()``; a new pull that was not begun
    still reaches it. Its ``finally`` cannot await.
    """
    while isinstance(entry, AsyncGeneratorType) and entry.ag_running:
        try:
            entry.__anext__().throw(GeneratorExit)
        except (GeneratorExit, StopAsyncIteration):
            return


def guard_of(owned: list[Any]) -> Guard | None:
    """An async generator that closes ``owned`` when it is closed; None where no loop has set hooks to do that."""
    if sys.get_asyncgen_hooks().finalizer is None:
        return None
    guard: Guard = _guard(owned)  # type: ignore[assignment]
    step(guard.__anext__())
    return guard


async def _guard(owned: list[Any]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await aclose_all(owned, None)


def running_loop() -> Any:
    """The asyncio loop that runs here; None where none does, as under trio."""
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()


def dismiss(guard: Guard) -> None:
    """Let the guard of an emptied list end, unless the loop is about to end it."""
    if not guard.ag_running:
        step(guard.aclose())


def step(awaitable: Any) -> bool:
    """Run ``awaitable`` up to where it waits, and there close it; whether it came to its end."""
    run = awaitable.__await__()
    try:
        next(run)
    except StopIteration:
        return True
    run.close()
    return False


def close_without_loop(owned: list[Any]) -> None:
    """``aclose_all`` of a stream that was dropped where no loop runs: an ``aclose()`` that waits is cut short there."""
    while owned:
        step(aclose_all(owned, None))


async def nothing() -> None:
    """A coroutine to throw into."""
