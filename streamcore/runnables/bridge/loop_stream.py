"""An async iterable, for a caller without an event loop: each call or stream has one of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..._backend import closing_iterator
from ..._shared.notes import note_failure

if TYPE_CHECKING:
    from ..base import Runnable
    from ..config import RunnableConfig

__all__ = ["LoopStream", "invoke", "iterate_async_from_sync", "stream", "transform"]

T = TypeVar("T")

END = object()


def invoke(stage: Runnable[Any, Any], input: Any, config: RunnableConfig | None, /, **kwargs: Any) -> Any:
    """``ainvoke`` to its end; a RuntimeError inside a running event loop."""
    _refuse_loop_under(stage, "ainvoke")
    return asyncio.run(_as_coroutine(stage.ainvoke(input, config, **kwargs)))


def stream(
    stage: Runnable[Any, Any], input: Any, config: RunnableConfig | None, /, **kwargs: Any
) -> Iterator[Any]:
    """Pull ``astream`` on a loop that runs only while a chunk is asked for."""
    _refuse_loop_under(stage, "astream")
    return iterate_async_from_sync(lambda: stage.astream(input, config, **kwargs))


def transform(
    stage: Runnable[Any, Any], input: Iterable[Any], config: RunnableConfig | None, /, **kwargs: Any
) -> Iterator[Any]:
    """Pull ``atransform`` as ``stream`` does; ``input`` is pulled on the loop and closed with the stream."""
    _refuse_loop_under(stage, "atransform")
    iterator = iter(input)
    output = iterate_async_from_sync(lambda: stage.atransform(_as_async(iterator), config, **kwargs))
    return closing_iterator(output, (iterator, output))


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable


async def _as_async(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


def _refuse_loop_under(stage: Runnable[Any, Any], twin: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(f"{stage!r} has async methods only and an event loop is running here: use {twin}")


def iterate_async_from_sync(make_iterator: Callable[[], AsyncIterable[T]]) -> LoopStream[T]:
    """Iterate over what ``make_iterator()`` gives on a private event loop, which runs only while an item is
    asked for.

    A RuntimeError where an event loop is running, here or at ``next()``. ``close()`` closes the iterator,
    cancels what it left behind and closes the loop, before it returns; dropping the stream does the same.
    """
    _refuse_running_loop()
    return LoopStream(make_iterator)


class LoopStream(Generic[T]):
    """The sync end of an async iterator on a loop of its own; see ``iterate_async_from_sync``.

    About 9 us an item, of which the loop's start and stop are nearly all. Reading ahead while the loop runs
    would hide that, and would hold back an item that is ready whenever the source works without awaiting.
    """

    def __init__(self, make_iterator: Callable[[], AsyncIterable[T]]) -> None:
        self._make_iterator = make_iterator
        self._iterator: AsyncIterator[T] | None = None
        self._runner: asyncio.Runner | None = None
        self._task: asyncio.Task[Any] | None = None
        self._context = copy_context()
        self._ended = False

    def __iter__(self) -> LoopStream[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        _refuse_running_loop()
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        try:
            loop = (
                self._runner.get_loop()
            )  # Runner.run() would set a SIGINT handler for each item: 30 us, not 9
            self._task = loop.create_task(self._pull(), context=self._context)
            item: Any = loop.run_until_complete(self._task)
        except BaseException as error:
            self._close_after(error)
            raise
        if item is END:
            self.close()
            raise StopIteration
        return item  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the iterator and the loop; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        if self._runner is None:
            return
        if asyncio._get_running_loop() is None:
            self._shut(self._runner)
            return
        # The last reference went inside another loop: that one cannot wait for ours, a thread can.
        failures: list[BaseException] = []
        thread = threading.Thread(target=self._shut_in_thread, args=(self._runner, failures))
        thread.start()
        thread.join()
        for failure in failures:
            raise failure

    def __del__(self) -> None:
        if not self.__dict__.get("_ended", True):
            self.close()

    def _close_after(self, error: BaseException) -> None:
        try:
            self.close()
        except BaseException as failure:  # noqa: BLE001 - told in the note
            note_failure(error, "closing the stream", failure)

    def _shut(self, runner: asyncio.Runner) -> None:
        with runner:
            loop = runner.get_loop()
            if self._task is not None and not self._task.done():  # interrupted: it has the iterator still
                self._task.cancel()
                loop.run_until_complete(asyncio.wait([self._task]))
            loop.run_until_complete(loop.create_task(self._aclose(), context=self._context))

    def _shut_in_thread(self, runner: asyncio.Runner, failures: list[BaseException]) -> None:
        try:
            self._shut(runner)
        except BaseException as failure:  # noqa: BLE001 - raised by close()
            failures.append(failure)

    async def _pull(self) -> Any:
        if self._iterator is None:
            self._iterator = aiter(self._make_iterator())
        return await anext(self._iterator, END)

    async def _aclose(self) -> None:
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


def _refuse_running_loop() -> None:
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("an event loop is running in this thread: use the async method")
