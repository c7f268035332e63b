"""For ``ops.switch_map``: the stream that an item made is left, in the middle of a pull, when a newer item comes.

The pull runs in the consumer's own task, as code that holds a cancel scope or a timeout over its yields needs it; what
interrupts it is a cancellation that is taken back, as ``asyncio.timeout`` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import isawaitable
from typing import Any

from ..._shared.notes import raise_noted
from .inbox import Kept, LoopInbox
from .read_ahead import reader_into

__all__ = ["Switching"]

NOTHING = object()
INTERRUPTED = object()


class Newest(Kept):
    """The newest item, until it is taken."""

    def __init__(self) -> None:
        self.at = -1  # its number
        self._item: Any = NOTHING
        self._puller: asyncio.Task[Any] | None = None  # waits in what an older one made
        self._interrupted = False

    def add(self, item: Any) -> bool:
        self.at += 1
        self._item = item
        self.interrupt()
        return True

    def due(self) -> float | None:
        return None if self._item is NOTHING else 0.0

    def take(self) -> Any:
        item, self._item = self._item, NOTHING
        return item

    def interrupt(self) -> None:
        if self._puller is not None and not self._interrupted:
            self._interrupted = True
            self._puller.cancel()

    async def unless_newer(self, awaited: Awaitable[Any]) -> Any:
        """What it gives, or ``INTERRUPTED``."""
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        self._puller = task
        try:
            return await awaited
        except asyncio.CancelledError:
            if not self._interrupted or task.cancelling() > before + 1:  # somebody else's
                raise
            return INTERRUPTED
        finally:
            self._puller = None
            if self._interrupted:
                self._interrupted = False
                task.uncancel()


class Inbox(LoopInbox):
    """Interrupts for an error too."""

    failed = False

    def close(self, error: BaseException | None = None) -> None:
        if error is not None and not self.closed:
            self.failed = True
            assert isinstance(self._kept, Newest)
            self._kept.interrupt()
        super().close(error)


class Switching:
    """One stream of ``switch_map``."""

    def __init__(self, source: AsyncIterator[Any], fn: Callable[[Any], Any], name: str) -> None:
        self._fn = fn
        self._name = name
        self._newest = Newest()
        self._inbox = Inbox(self._newest)
        self.reader = reader_into(source, self._inbox, name)
        """To be closed after the items: closes the source."""

    async def items(self, inner: Any) -> AsyncIterator[Any]:
        """The items; what is open of the streams made of items lies in ``inner.entries``."""
        newest = self._newest
        async for (item,) in self.reader:
            at = newest.at
            try:
                made = self._fn(item)
                item = None
                if isawaitable(made):
                    made = await newest.unless_newer(made)
                    if made is INTERRUPTED:
                        continue
                is_async = hasattr(made, "__aiter__")
                made = aiter(made) if is_async else iter(made)
            except BaseException as error:  # noqa: BLE001 - raised, noted
                raise_noted(error, self._name, at, in_async=True)
            inner.entries.append(made)
            while newest.due() is None and not self._inbox.failed:
                try:
                    self.reader.home.check()
                    if is_async:
                        got = await newest.unless_newer(anext(made, NOTHING))
                    else:
                        got = next(made, NOTHING)
                except BaseException as error:  # noqa: BLE001 - raised, noted
                    inner.given_up = isinstance(error, GeneratorExit)
                    raise_noted(error, self._name, at, in_async=True)
                if got is NOTHING or got is INTERRUPTED:
                    break
                yield got
                got = None  # let go of
            made = None
            await close(inner.entries.pop())


async def close(ended: Any) -> None:
    if (aclose := getattr(ended, "aclose", None)) is not None:
        await aclose()
    elif (close := getattr(ended, "close", None)) is not None:
        close()
