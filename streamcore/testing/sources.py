"""Sources that tell what was done with them, and text that counts what is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from .report import LawViolation

__all__ = ["AsyncSource", "GatedSource", "RecordingSource", "counting"]


class RecordingSource:
    """An iterator over ``fragments`` that counts its pulls and closes, and may raise at the end."""

    def __init__(self, fragments: Iterable[Any], error: BaseException | None = None) -> None:
        self._fragments = iter(fragments)
        self._error = error
        self.pulled = 0
        self.closed = 0

    def __iter__(self) -> RecordingSource:
        return self

    def __next__(self) -> Any:
        if self.closed:
            raise LawViolation("cleanup", "the source was pulled after it had been closed")
        self.pulled += 1
        try:
            return next(self._fragments)
        except StopIteration:
            if self._error is not None:
                raise self._error from None
            raise

    def close(self) -> None:
        self.closed += 1


class AsyncSource:
    """A ``RecordingSource`` for async streams; each pull takes a turn of the loop."""

    def __init__(self, counts: Any) -> None:
        self.counts = counts

    def __aiter__(self) -> AsyncSource:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        try:
            return next(self.counts)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.counts.close()
        await asyncio.sleep(0)


class GatedSource:
    """An async source that gives as many of ``elements`` as it is told to, and waits before the next one."""

    def __init__(self, elements: Iterable[Any]) -> None:
        self._elements = iter(elements)
        self._allowed = asyncio.Semaphore(0)

    def allow_one(self) -> None:
        self._allowed.release()

    def allow_all(self) -> None:
        """It gives nothing more, but ends."""
        self._elements = iter(())
        for _ in range(1000):
            self._allowed.release()

    def __aiter__(self) -> GatedSource:
        return self

    async def __anext__(self) -> Any:
        await self._allowed.acquire()
        try:
            return next(self._elements)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.allow_all()


def counting(kind: type, seen: list[int]) -> type:
    """A subclass of ``str`` or ``bytes`` that adds to ``seen[0]`` the elements that each of its methods looks at.

    What the methods return counts on; what ``"".join()`` or a compiled function makes of it does not.
    """

    def counted(name: str) -> Callable[..., Any]:
        method = getattr(kind, name)

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            seen[0] += _looked_at(name, self, args, result)
            return wrapped(result)

        return call

    def wrapped(result: Any) -> Any:
        if type(result) is kind:
            return made(result)
        if type(result) in (list, tuple):
            return type(result)(map(wrapped, result))
        return result

    def added_to(self: Any, before: Any) -> Any:
        seen[0] += len(before) + len(self)
        return made(kind.__add__(before, self))  # type: ignore[operator]

    methods = {name: counted(name) for name in (*_METHODS, "decode" if kind is bytes else "encode")}
    made = type("counting", (kind,), {**methods, "__radd__": added_to})
    return made


_METHODS = (
    *("__add__", "__contains__", "__getitem__", "__iter__", "__eq__", "__hash__", "count", "find", "index"),
    *("rfind", "rindex", "split", "rsplit", "splitlines", "partition", "rpartition", "replace", "translate"),
    *("strip", "lstrip", "rstrip", "lower", "upper"),
)


def _looked_at(name: str, text: Any, args: tuple[Any, ...], result: Any) -> int:
    """How many elements of ``text`` a call of the method looked at, or copied."""
    if name == "__getitem__":
        return len(result) if hasattr(result, "__len__") else 1
    if name == "__add__":
        return len(result)
    if name in ("find", "index", "count", "rfind", "rindex"):
        start, stop, _ = slice(*(*args[1:3], None, None)[:2]).indices(len(text))
        if name in ("find", "index") and isinstance(result, int) and result >= 0:
            stop = result + 1
        elif name in ("rfind", "rindex") and result >= 0:
            start = result
        return max(stop - start, 0)
    return len(text)
