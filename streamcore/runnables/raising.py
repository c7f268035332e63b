"""A stage that fails when it is called, before one that catches errors: a stream that fails at its first pull."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Runnable

__all__ = ["araising", "caught_after", "raising"]


def caught_after(at: int, stages: tuple[Runnable[Any, Any], ...], stop: int, error: BaseException) -> bool:
    """Whether a stage after that at ``at``, up to ``stop``, may make something of its error."""
    return isinstance(error, Exception) and any(stage._catches for stage in stages[at + 1 : stop])


def raising(error: BaseException) -> Iterator[Any]:
    """A stream of nothing but ``error``."""
    try:
        raise error
    finally:
        del error  # its traceback holds this frame
    yield


async def araising(error: BaseException) -> AsyncIterator[Any]:
    """Async ``raising``."""
    try:
        raise error
    finally:
        del error
    yield
