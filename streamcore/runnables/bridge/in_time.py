"""A stream whose consumer waits no longer than a limit, whatever the stages are doing.

Sync: a worker thread makes each pull when it is asked for, and nothing ahead. A pull that is given up goes on there;
when it returns the thread closes the stream and ends. Async: a timer cancels the pull.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, NoReturn

from ..._backend import Channel
from ..._shared.limits import LIMIT
from ..._shared.notes import add_note, note_failure, place
from ...errors import StreamTimeout
from .. import clock
from ..notes import made_notes, noted_by_frames
from .worker import start_worker

__all__ = ["AsyncInTime", "InTime", "Watch", "within"]


class Watch:
    """The time of one call: ``total`` seconds from ``since``; of a wait for the ``first`` chunk, for another one."""

    def __init__(self, since: float, total: float | None, first: float | None, chunk: float | None) -> None:
        self._total = total
        self._until = None if total is None else since + total
        self._chunk = chunk
        self._wait, self._kind = (chunk, "chunk") if first is None else (first, "first chunk")
        self.looks_at_chunks = first is not None or chunk is not None
        """Whether there is more than the limit for all."""

    @staticmethod
    def now() -> float:
        return clock.now()

    def chunk_given(self) -> None:
        self._wait, self._kind = self._chunk, "chunk"

    def left(self) -> tuple[float | None, float, str]:
        """In how many seconds a wait that begins now is over, None for never; by which limit, of which kind."""
        if self._until is None:
            return self._wait, self._wait or 0.0, self._kind
        assert self._total is not None
        left = self._until - clock.now()
        if self._wait is not None and self._wait <= left:
            return self._wait, self._wait, self._kind
        return left, self._total, "total"


def _timed_out(seconds: float, kind: str) -> StreamTimeout:
    what = {"total": "the call took more than", "chunk": "no chunk within"}.get(kind, f"no {kind} within")
    return StreamTimeout(f"{what} {seconds} s", seconds, kind)


# -- sync


class Hand:
    """Where one chunk at a time is handed over, when it is asked for; it has what of a Channel the worker needs."""

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self.closed = False
        self.pulling = False
        """Whether a chunk was asked for and has not come."""
        self._given: list[Any] = []
        self._error: BaseException | None = None

    # for the worker

    def _put_from(self, items: Iterator[Any]) -> None:
        while self._is_asked():
            for item in items:
                self._give(item)
                del item
                break
            else:
                return

    def _is_asked(self) -> bool:
        with self._bell:
            while not self.pulling and not self.closed:
                self._bell.wait()
            return not self.closed

    def _give(self, item: Any) -> None:
        with self._bell:
            if not self.closed:
                self._given.append(item)
                self.pulling = False
                self._bell.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        with self._bell:
            self.pulling = False
            if not self.closed:
                self.closed = True
                self._error = error
            self._bell.notify_all()

    # for the consumer

    def leave(self) -> bool:
        """Ask for nothing more; gives whether a pull is under way, which goes on."""
        with self._bell:
            self.closed = True
            self._bell.notify_all()
            return self.pulling

    def take(self, seconds: float | None) -> list[Any] | None:
        """The next chunk, in a list, which is empty at the end; None if the time is over before it comes."""
        until = None if seconds is None else clock.now() + seconds
        with self._bell:
            if not self.closed:
                self.pulling = True
                self._bell.notify_all()
            while not self._given and not self.closed:
                left = None if until is None else until - clock.now()
                if left is not None and left <= 0:
                    return None
                clock.wait(self._bell, left)
            given, self._given = self._given, []
            return given

    def error(self) -> BaseException | None:
        """What the stream ended by; once."""
        error, self._error = self._error, None
        return error


class InTime:
    """The chunks of ``make()``, which is called with the first pull, in the thread."""

    def __init__(self, make: Callable[[], Iterable[Any]], watch: Watch, stage: object | None = None) -> None:
        self._make: Callable[[], Iterable[Any]] | None = make
        self._watch = watch
        self._stage = stage  # to be named where nothing better is known; None in a chain, which knows
        self._notes: list[Callable[[BaseException], None]] = []
        self._hand = Hand()
        self._ended: Channel[BaseException | None] = Channel(1)  # how closing the stream went
        self._context: Context = copy_context()
        self._thread: threading.Thread | None = None

    def __iter__(self) -> InTime:
        return self

    def __next__(self) -> Any:
        left, seconds, kind = self._watch.left()
        if left is not None and left <= 0:
            self._raise_late(seconds, kind)
        if self._make is not None:
            self._start(self._make)
        try:
            given = self._hand.take(left)
        except BaseException:  # Ctrl-C
            self._hand.leave()
            raise
        if given is None:
            self._hand.leave()
            self._raise_late(seconds, kind)
        if given:
            self._watch.chunk_given()
            return given.pop()
        error = self._hand.error()
        try:
            raise StopIteration if error is None else error
        finally:
            error = None  # its traceback holds this frame

    def close(self) -> None:
        """Close the stream in its thread, and return when that is done; not if a pull was given up: then it follows."""
        given_up = self._hand.leave()
        make, self._make = self._make, None
        if make is not None:  # never pulled: what it was made of is closed all the same
            close = getattr(made := make(), "close", None)
            del made
            if close is not None:
                close()
        thread, self._thread = self._thread, None
        if thread is None or given_up or thread is threading.current_thread():
            return
        for failure in self._ended:
            if failure is not None:
                raise failure
        thread.join()

    def _start(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = None
        notes = self._notes

        def made() -> Iterable[Any]:
            with made_notes(notes):
                return make()

        hand: Any = self._hand  # it has what of a Channel the worker needs
        try:
            self._thread = start_worker(self._context, made, hand, self._ended, name="streamcore-timeout")
        except BaseException:
            self._make = make  # to be closed
            raise

    def _raise_late(self, seconds: float, kind: str) -> NoReturn:
        error = _timed_out(seconds, kind)
        trace = _stack_of(self._thread) if self._hand.pulling else None
        error.__traceback__ = trace  # a chain finds in there who was slow
        if trace is not None:
            for note in self._notes[-1:]:
                note(error)
            noted_by_frames(error)
        if self._stage is not None:
            place(error, repr(self._stage))
        try:
            raise error
        finally:
            del error, trace


def _stack_of(thread: threading.Thread | None) -> TracebackType | None:
    """What the thread is doing, as if it had raised an error there."""
    if thread is None or not getattr(sys, "_is_gil_enabled", lambda: True)():  # its frames change meanwhile
        return None
    frame = sys._current_frames().get(thread.ident or 0)
    trace = None
    while frame is not None:
        trace = TracebackType(trace, frame, max(frame.f_lasti, 0), frame.f_lineno or 1)
        frame = frame.f_back
    return trace


# -- async


class AsyncInTime:
    """The chunks of ``stream``; whoever has it closes that. ``of`` is what the limit is part of."""

    def __init__(
        self, stream: AsyncIterator[Any], watch: Watch, stage: object | None, of: object | None = None
    ) -> None:
        self._of = stage if of is None else of
        self._stream = stream
        self._watch = watch
        self._stage = stage
        self._alarm = Alarm(self._of)

    def __aiter__(self) -> AsyncInTime:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await within(self._watch, self._stage, self._stream.__anext__, self._alarm)
        except BaseException:
            self._alarm.close()
            raise
        self._watch.chunk_given()
        return chunk

    def close(self) -> None:
        self._alarm.close()


async def within(
    watch: Watch, stage: object | None, call: Callable[[], Awaitable[Any]], alarm: Alarm | None = None
) -> Any:
    """What ``call()`` gives, cancelled when the time is over: then a ``StreamTimeout``."""
    if alarm is None:
        alarm = Alarm(stage)
        try:
            return await within(watch, stage, call, alarm)
        finally:
            alarm.close()
    left, seconds, kind = watch.left()
    if left is None:
        return await call()
    slow: BaseException | None = None
    if left > 0:
        alarm.start(left)
        try:
            result = await call()
        except GeneratorExit:
            alarm.stop()
            raise
        except BaseException as error:
            if not alarm.has_ended_it(error):
                raise
            slow = error
        else:
            if not alarm.has_ended_it(None):
                return result
    late = _timed_out(seconds, kind)
    if slow is not None:
        late.__traceback__ = slow.__traceback__  # a chain finds in there who was slow
    _note_slow(late, slow, stage)
    try:
        raise late
    finally:
        del late, slow


class Alarm:
    """Cancels the task that starts it after so many seconds, until it is stopped; whoever has it closes it.

    One timer serves all starts: it stays where it is when the alarm is stopped, and looks when it comes whether it is
    time. A loop keeps a cancelled timer until it turns, which it may not do between a thousand pulls.
    """

    def __init__(self, stage: object | None) -> None:
        self._stage = stage
        self._task: Any = None
        self._timer: Any = None
        self._comes = self._ends = 0.0  # when the timer comes, and when the time is over
        self._waits = self._rang = False

    def start(self, seconds: float) -> None:
        import asyncio

        stage = self._stage
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        if task is None:
            what = "a time limit" if stage is None else f"the time limit of {stage!r}"
            raise RuntimeError(f"{what} needs a task of an asyncio event loop")
        self._task = task
        self._cancelled = asyncio.CancelledError
        self._before = task.cancelling()
        self._waits, self._rang = True, False
        self._ends = clock.now() + seconds
        if self._timer is None or self._comes > self._ends:
            self._arm(seconds)

    def _arm(self, seconds: float) -> None:
        self.close()
        self._comes = self._ends
        self._timer = clock.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._waits:
            return
        left = self._ends - clock.now()
        if self._comes < self._ends and left > 0:
            self._arm(left)
            return
        self._rang = True
        self._task.cancel(LIMIT)

    def stop(self) -> None:
        self._waits = False
        self._task = None

    def close(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def has_ended_it(self, error: BaseException | None) -> bool:
        """Whether what ended, by ``error`` if it was one, ended because of this alarm and of no other cancellation."""
        task = self._task
        self.stop()
        if not self._rang:
            return False
        cancelled_elsewhere = task.uncancel() > self._before
        if error is None or isinstance(error, Exception):
            return not cancelled_elsewhere
        return isinstance(error, self._cancelled) and not cancelled_elsewhere


def _note_slow(late: StreamTimeout, slow: BaseException | None, stage: object | None) -> None:
    """Say on ``late`` whose pull was cancelled, from the notes that ``slow`` has got on its way here."""
    if isinstance(slow, Exception) and not isinstance(slow, StopAsyncIteration):
        note_failure(late, "the cancelled pull", slow)
    elif slow is not None:
        for text in getattr(slow, "__notes__", ()):
            add_note(late, text)
    if stage is not None:
        place(late, repr(stage))
