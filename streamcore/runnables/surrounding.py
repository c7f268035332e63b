"""Streams whose code finds a config around it, which Runnables that are called in it inherit.

A composed stream sets it for each pull, at its outermost iterator: 10 ns a chunk for the whole pipeline, 100 in an
async one, and nothing where no config was given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator, surrounding
from .config import child_config, inside

if TYPE_CHECKING:
    from .config import RunnableConfig

__all__ = ["asurrounded", "surrounded"]


def surrounded(
    config: RunnableConfig | None, make: Callable[..., Iterator[Any]], *args: Any
) -> Iterator[Any]:
    """What ``make(*args)`` gives, a new stream; its code, and that of ``make``, has ``config`` around it."""
    config = child_config(config)
    if config is None or surrounding() is config:
        return make(*args)
    with inside(config):
        stream = make(*args)
    if type(stream) is not closing_iterator or not stream.surround(config):
        stream = closing_iterator(stream, (stream,))
        stream.surround(config)
    return stream


def asurrounded(
    config: RunnableConfig | None, make: Callable[..., AsyncIterator[Any]], *args: Any
) -> AsyncIterator[Any]:
    """``surrounded`` for an async stream."""
    config = child_config(config)
    if config is None or surrounding() is config:
        return make(*args)
    with inside(config):
        stream = make(*args)
    if type(stream) is not async_closing_iterator or not stream.surround(config):
        stream = async_closing_iterator(stream, (stream,))
        stream.surround(config)
    return stream
