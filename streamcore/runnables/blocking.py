"""What happens where a chain meets a stage that waits: the chunks are folded, then the stage runs on the whole."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator

if TYPE_CHECKING:
    from .base import Runnable
    from .composing import FoldFunction
    from .config import RunnableConfig

__all__ = [
    "astream_of_fold",
    "async_single",
    "closed_after",
    "fold_then_astream",
    "fold_then_stream",
    "stream_of_fold",
]


def fold_then_stream(
    stage: Runnable[Any, Any],
    chunks: Iterable[Any],
    fold: FoldFunction,
    config: RunnableConfig | None,
    /,
    **kwargs: Any,
) -> Iterator[Any]:
    """On the first pull take in all ``chunks``, then yield what ``stage`` streams for their fold."""
    yield from stage.stream(fold(chunks), config, **kwargs)


def stream_of_fold(
    stage: Runnable[Any, Any],
    chunks: Iterable[Any],
    fold: FoldFunction,
    config: RunnableConfig | None,
    /,
    **kwargs: Any,
) -> Iterator[Any]:
    """``fold_then_stream`` that closes ``chunks``, however it ends."""
    iterator = iter(chunks)
    stream = fold_then_stream(stage, iterator, fold, config, **kwargs)
    return closing_iterator(stream, (iterator, stream))


async def fold_then_astream(
    stage: Runnable[Any, Any],
    chunks: AsyncIterable[Any],
    fold: FoldFunction,
    config: RunnableConfig | None,
    /,
    **kwargs: Any,
) -> AsyncIterator[Any]:
    """Async ``fold_then_stream``."""
    stream = stage.astream(fold([chunk async for chunk in chunks]), config, **kwargs)
    async with closed_after(stream) as chunks:
        async for chunk in chunks:
            yield chunk


def astream_of_fold(
    stage: Runnable[Any, Any],
    chunks: AsyncIterable[Any],
    fold: FoldFunction,
    config: RunnableConfig | None,
    /,
    **kwargs: Any,
) -> AsyncIterator[Any]:
    """``fold_then_astream`` that closes ``chunks``, however it ends."""
    iterator = aiter(chunks)
    stream = fold_then_astream(stage, iterator, fold, config, **kwargs)
    return async_closing_iterator(stream, (iterator, stream))


def closed_after(stream: AsyncIterator[Any]) -> aclosing[Any]:
    """``stream`` for an ``async with``, which closes it, whatever it has for that."""
    return aclosing(async_closing_iterator(stream, (stream,)))


async def async_single(value: Any) -> AsyncIterator[Any]:
    """An async stream of one chunk."""
    yield value
