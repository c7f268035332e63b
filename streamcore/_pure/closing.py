"""A stream that closes everything it was made of, however it ends (twin: ``_native.closing``).

A composed stream is the iterator of its last stage; what that iterator cannot promise is that the stages before it and
the source are closed when it ends by an error, or when a stage in the middle stopped early. This wrapper promises it,
and costs a delegation per chunk and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

__all__ = ["close_all", "closing_iterator"]

T = TypeVar("T")


def closing_iterator(
    iterator: Iterator[T],
    owned: Sequence[object],
    annotate: Callable[[BaseException], object] | None = None,
) -> Iterator[T]:
    """Iterate over ``iterator``; when it ends, by whatever way, close ``owned`` from last to first, each once.

    ``owned`` is in the order of the data's way, source first, and has ``iterator`` as its last entry; entries without
    a ``close`` are passed over. ``close()`` returns after all are closed. An exception is shown to ``annotate`` first
    and then raised as it is; errors of ``close`` methods become notes of it, or are raised where there is none.
    """
    stream = _closing(iterator, owned, annotate)
    next(
        stream
    )  # into the try block: a stream that is closed before its first chunk must close its source too
    return stream


def _closing(
    iterator: Iterator[Any], owned: Sequence[object], annotate: Callable[[BaseException], object] | None
) -> Iterator[Any]:
    delegated = False
    try:
        yield None
        delegated = True
        yield from iterator
    except GeneratorExit:
        # ``yield from`` has closed what it delegates to
        close_all(owned[:-1] if delegated else owned, None)
        raise
    except BaseException as error:
        if annotate is not None:
            annotate(error)
        close_all(owned, error)
        raise
    close_all(owned, None)


def close_all(owned: Sequence[object], error: BaseException | None) -> None:
    """Call ``close()`` on each entry that has it, last to first; none is left out because another one failed.

    Failures are noted on ``error``, the exception under way; without one, the first failure is raised.
    """
    failed: BaseException | None = None
    for entry in reversed(owned):
        close = getattr(entry, "close", None)
        if close is None:
            continue
        try:
            close()
        except BaseException as failure:  # noqa: BLE001 - kept: raised below or noted
            if error is not None:
                error.add_note(f"and closing {type(entry).__name__} failed: {failure!r}")
            elif failed is None:
                failed = failure
            else:
                failed.add_note(f"and closing {type(entry).__name__} failed: {failure!r}")
    if failed is not None:
        raise failed
