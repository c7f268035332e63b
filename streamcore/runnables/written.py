"""Which of its six methods an object serves itself: all else about a stage that a chain asks for follows from that."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

__all__ = ["ASYNC", "METHODS", "SYNC", "Written", "chained"]

SYNC = ("invoke", "stream", "transform")
ASYNC = ("ainvoke", "astream", "atransform")
METHODS = (*SYNC, *ASYNC)


class Written(frozenset[str]):
    """The names of the methods that are written; the other methods are made from these, as ``Runnable`` tells."""

    __slots__ = ("gives_chunks", "is_async", "is_sync", "waits")

    is_sync: bool
    """Whether it works without an event loop."""
    is_async: bool
    """Whether it works on an event loop, without a thread."""
    waits: bool
    """Whether it needs its whole input before it gives its first chunk."""
    gives_chunks: bool
    """Whether the output may come in more than one chunk."""

    def __new__(cls, names: Iterable[str] = ()) -> Written:
        self = super().__new__(cls, names)
        self.is_sync = not self.isdisjoint(SYNC)
        self.is_async = not self.isdisjoint(ASYNC)
        self.waits = self.isdisjoint(("transform", "atransform"))
        self.gives_chunks = not self.waits or not self.isdisjoint(("stream", "astream"))
        return self

    @classmethod
    def below(cls, base: type, kind: type) -> Written:
        """What ``kind`` wrote and ``base`` did not."""
        return cls(name for name in METHODS if getattr(kind, name) is not getattr(base, name))


@cache  # a chain that is made by ``|`` asks at each step
def chained(first: Written, second: Written) -> Written:
    """What two stages in a row serve: all async methods, sync ones if both do, input in chunks if neither waits."""
    names: Iterable[str] = METHODS if first.is_sync and second.is_sync else ASYNC
    if first.waits or second.waits:
        names = [name for name in names if not name.endswith("transform")]
    return Written(names)
