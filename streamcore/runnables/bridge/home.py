"""The event loop that a stream belongs to: the asyncio loop that first pulled it, on which its tasks live."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ..._shared.async_ends import ABROAD

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

__all__ = ["CANCELLED", "Home", "ended", "needed_loop"]

CANCELLED = "a task of the stream was cancelled, and not by the stream"


def needed_loop(of: object) -> AbstractEventLoop:
    """The asyncio loop that runs here; where there is none, as under trio, an error that says that ``of`` needs it."""
    from asyncio import _get_running_loop

    loop = _get_running_loop()
    if loop is None:
        raise RuntimeError(f"{of if isinstance(of, str) else repr(of)} needs a running asyncio event loop")
    return loop


async def ended(tasks: Collection[Task[Any]]) -> BaseException | None:
    """Wait until all ``tasks`` have ended; gives the cancellation that came meanwhile, which is put off until then."""
    import asyncio

    cancelled: BaseException | None = None
    while any(not task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as error:
            cancelled = error
    try:
        return cancelled
    finally:
        del cancelled  # its traceback holds this frame


class Home:
    """The loop of one stream of ``of``, once it has been pulled."""

    __slots__ = ("_of", "_running", "loop")

    def __init__(self, of: object) -> None:
        self._of = of
        self.loop: AbstractEventLoop | None = None

    def found(self) -> AbstractEventLoop:
        """The running loop, which is the stream's from now on."""
        from asyncio import _get_running_loop

        self._running = _get_running_loop
        self.loop = needed_loop(self._of)
        return self.loop

    def check(self) -> None:
        """A RuntimeError in another loop, or where none runs."""
        if self.loop is not None and self._running() is not self.loop:
            raise RuntimeError(ABROAD)

    def is_abroad(self) -> bool:
        """Whether the stream has a loop, and that does not run here."""
        return self.loop is not None and self._running() is not self.loop

    def is_gone(self) -> bool:
        """Whether the stream has a loop, and that is closed."""
        return self.loop is not None and self.loop.is_closed()
