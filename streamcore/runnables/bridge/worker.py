"""The worker thread of a stream: it pulls an iterator into a channel, closes it, and says how that went.

Worker threads are daemons: a source that blocks for ever must not keep the interpreter alive. At exit every
stream still open is closed, and its thread gets up to a second to close its source.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ..._backend import Channel
from ..._shared.notes import note_failure
from ...errors import ChannelClosed
from .. import clock
from .ahead import Ahead
from .threads import Begun

if TYPE_CHECKING:
    from .async_feed import AsyncFeed

__all__ = ["new_channel", "raise_first", "start_worker"]

T = TypeVar("T")

EXIT_SECONDS = 1.0
_workers: dict[threading.Thread, Channel[Any]] = {}  # of the streams under way


def new_channel(buffer_size: int, buffer_bytes: int, ahead: Ahead | None, head: bool) -> Channel[Any]:
    channel: Channel[Any] = Channel(buffer_size, buffer_bytes=buffer_bytes)
    if ahead is not None:
        ahead.join(channel, head=head)
    return channel


def start_worker(
    context: Context,
    make_iterator: Callable[[], Iterable[T]],
    channel: Channel[T],
    ended: Channel[BaseException | None],
    feed: AsyncFeed[Any] | None = None,
    *,
    name: str,
) -> threading.Thread:
    """Start the thread that iterates over ``make_iterator()`` into ``channel``, in ``context``.

    It tells ``ended`` how closing the iterator went, once it is closed. Whoever starts it waits for that, and joins it.
    """
    thread = Begun(context.run, (_work, make_iterator, channel, ended, feed), name=name)
    _workers[thread] = channel
    try:
        thread.begin()
    except BaseException:
        del _workers[thread]
        raise
    return thread


def _work(
    make_iterator: Callable[[], Iterable[T]],
    channel: Channel[T],
    ended: Channel[BaseException | None],
    feed: AsyncFeed[Any] | None,
) -> None:
    """What the worker thread does: iterate, close, and say how it ended."""
    iterator: Iterator[T] | None = None
    error: BaseException | None = None
    failure: BaseException | None = None
    clock.unwanted.set(lambda: channel.closed)
    try:
        try:
            iterator = iter(make_iterator())
            channel._put_from(iterator)
        except (ChannelClosed, GeneratorExit) as caught:
            error = None if channel.closed else caught  # the stream was closed: the end that was asked for
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer
            error = caught
        failure = _close_sync(iterator)
        if failure is not None and not channel.closed:
            if error is None:
                error = failure
            else:
                note_failure(error, f"closing {type(iterator).__name__}", failure)
            failure = None
    finally:
        del iterator, make_iterator
        if feed is not None:
            feed.close()
        channel.close(error)
        ended.put(failure)
        ended.close()
        _workers.pop(threading.current_thread(), None)


def raise_first(*errors: BaseException | None) -> None:
    """Raise the first error there is; the others become notes of it."""
    there = [error for error in errors if error is not None]
    for other in there[1:]:
        note_failure(there[0], "closing the stream", other)
    try:
        if there:
            raise there[0]
    finally:
        del errors, there  # the traceback of the error holds this frame


def _close_sync(iterator: object) -> BaseException | None:
    close = getattr(iterator, "close", None)
    if close is not None:
        try:
            close()
        except BaseException as failure:  # noqa: BLE001 - handed to whoever closes the stream
            return failure
    return None


@atexit.register
def _close_at_exit() -> None:
    until = monotonic() + EXIT_SECONDS
    for channel in list(_workers.values()):
        channel.close()
    for thread in list(_workers):
        thread.join(max(0.0, until - monotonic()))
