"""An async stream that closes everything it was made of, however it ends (twin: ``_native.streams.async_closing``).

What ``closing`` promises for iterators, for async ones: the stages before the last one and the source are closed when
the stream ends by an error or a cancellation, when a stage in the middle stopped early, and when nobody wants it any
more.

One pull, or the close, runs at a time; another one meanwhile is a RuntimeError and changes nothing. A pull that its
awaiter gave up half-way (the coroutine was closed or dropped) leaves the stream to ``aclose()``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ..._shared.async_ends import (
    ABROAD,
    CLOSED,
    LEFT,
    PULLED,
    Annotate,
    aclose_all,
    close_without_loop,
    dismiss,
    end,
    guard_of,
    running_loop,
)
from ..._shared.steps import DROPPED
from ..._shared.surroundings import SURROUNDING, leave
from .steps import Step, one_by_one, satisfied, steps_of

__all__ = ["async_closing_iterator"]

T = TypeVar("T")


class Opened(Protocol):
    entries: list[Any]

    def failed(self, error: BaseException) -> None: ...


class async_closing_iterator(Generic[T]):  # noqa: N801 - the twin of a function-like class
    """Iterate over an async ``iterator``; when it ends, by whatever way, close ``owned`` from last to first, once.

    As ``closing_iterator``: ``owned`` has the source first and ``iterator`` last. ``aclose()`` awaits each entry's
    ``aclose()``, or calls its ``close()`` where it has no other. With ``blocks`` the iterator gives lists, which the
    stream keeps and empties, and the stream gives their items. ``steps`` are done with each item, in order.

    With async iterators ``beside`` it gives tuples, of an item of each, pulled in turn, and ends with the first that
    does. With ``opened`` the iterator may give DROPPED for an iterator that it has put last into ``opened.entries``:
    its items come next, and an error of it goes to ``opened.failed``, which raises.
    ``beside`` and ``opened`` go with no other option.
    """

    _config: Any = None

    def __init__(
        self,
        iterator: AsyncIterator[Any],
        owned: Sequence[object],
        annotate: Annotate | None = None,
        *,
        blocks: bool = False,
        steps: Iterable[Step] = (),
        beside: Iterable[AsyncIterator[Any]] | None = None,
        opened: Opened | None = None,
    ) -> None:
        self._beside = None if beside is None else list(beside)
        for part in (iterator, *(self._beside or ())):
            if not hasattr(type(part), "__anext__"):
                raise TypeError(f"'{type(part).__name__}' object is not an async iterator")
        self._iterator: AsyncIterator[Any] | None = iterator
        self._owned = list(owned)
        self._owns = bool(self._owned)
        self._annotate = annotate
        self._blocks = blocks
        self._opened = opened
        self._inner: Iterator[Any] | None = None
        self._plain = not blocks and beside is None and opened is None
        self._steps = steps_of(steps, in_async=True)
        if (beside is not None or opened is not None) and (
            blocks or self._steps or (beside is not None and opened is not None)
        ):
            raise ValueError("beside and opened go with no other option")
        self._apply = one_by_one(self._steps)
        self._held: list[T] = []  # of a block, the last item first
        self._home: Any = None  # the loop that the block came on
        self._busy: str | None = None
        self._given_up = False
        self._guard = guard_of(self._owned)

    def __aiter__(self) -> async_closing_iterator[T]:
        return self

    def surround(self, config: Any) -> bool:
        """Let code that the stream runs find ``config`` around it; False if another one is set already."""
        if self._config is not None:
            return False
        self._config = config
        return True

    async def __anext__(self) -> T:
        if self._config is None:
            return await self._next()
        token = SURROUNDING.set(self._config)
        try:
            return await self._next()
        finally:
            leave(token)

    async def _next(self) -> T:
        if self._busy is not None:
            raise RuntimeError(self._busy)
        if self._iterator is None:
            raise StopAsyncIteration
        if self._owns and not self._owned:
            self._iterator = None
            raise RuntimeError(LEFT)
        self._busy = PULLED
        try:
            if self._guard is None:
                self._guard = guard_of(self._owned)
            if not self._steps:
                if self._opened is not None:  # here, for a call less
                    while (item := self._drawn()) is DROPPED:
                        if (item := await self._iterator.__anext__()) is not DROPPED:
                            break
                        self._inner = self._opened.entries[-1]
                    return item  # type: ignore[no-any-return]
                return await self._iterator.__anext__() if self._plain else await self._pull()
            return await self._step()
        except GeneratorExit:
            self._given_up = True
            raise
        except BaseException as error:  # noqa: BLE001 - raised by end()
            annotate = self._annotate
            self._iterator = self._annotate = self._inner = None  # which knows frames that know the stream
            await end(self._owned, error, annotate, self._given_up)
        finally:
            self._end_close()

    async def _pull(self) -> T:
        assert self._iterator is not None
        if self._plain:
            return await self._iterator.__anext__()  # type: ignore[no-any-return]
        if self._beside is not None:
            return await self._row(self._iterator, self._beside)  # type: ignore[return-value]
        if self._held and self._home is not running_loop():
            raise RuntimeError(ABROAD)
        while not self._held:
            self._held = list(await self._iterator.__anext__())[::-1]
            self._home = running_loop()
        return self._held.pop()

    async def _row(self, first: AsyncIterator[Any], beside: list[AsyncIterator[Any]]) -> tuple[Any, ...]:
        if self._given_up:  # half-way through a tuple: its beginning is lost
            raise StopAsyncIteration
        got = [await first.__anext__()]
        for part in beside:
            got.append(await part.__anext__())  # noqa: PERF401 - an async comprehension is a call more
        return tuple(got)

    def _drawn(self) -> Any:
        """The next item of the inner iterator; DROPPED where there is none."""
        if self._inner is None:
            return DROPPED
        try:
            item = next(self._inner, DROPPED)
        except BaseException as error:
            self._inner = None
            assert self._opened is not None
            self._opened.failed(error)
            raise
        if item is DROPPED:
            self._inner = None
        return item

    async def _step(self) -> T:
        """The next item that passes every step."""
        while not satisfied(self._steps):
            item = self._apply(await self._pull())
            if item is not DROPPED:
                return item  # type: ignore[no-any-return]
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close every stage and the source, last to first; a second call does nothing."""
        owned, given_up = self._begin_close()
        token = None if self._config is None else SURROUNDING.set(self._config)
        try:
            await aclose_all(owned, None, given_up)
        finally:
            self._end_close()
            if token is not None:
                leave(token)

    def _begin_close(self) -> tuple[list[Any], bool]:
        """Let nothing else begin; gives what to close, the stream's until it is, and whether a pull was given up."""
        if self._busy is not None:
            raise RuntimeError(self._busy)
        self._iterator = self._annotate = self._inner = None
        self._held = []
        self._busy = CLOSED
        return self._owned, self._given_up

    def _end_close(self) -> None:
        """The pull or close is over."""
        self._busy = None
        self._dismiss_guard()

    def _dismiss_guard(self) -> None:
        if self._guard is not None and not self._owned:
            dismiss(self._guard)
            self._guard = None

    def __del__(self) -> None:
        if getattr(self, "_guard", self) is None and self._owned:
            close_without_loop(self._owned)
