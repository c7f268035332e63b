"""What both backends do about exceptions: notes on them, and room to end by them."""

from __future__ import annotations

import contextlib
from typing import NoReturn

__all__ = [
    "PREFIX",
    "STOPPED",
    "STOPPED_ASYNC",
    "add_note",
    "is_placed",
    "loud",
    "make_room",
    "note",
    "note_failure",
    "place",
    "raise_noted",
    "shown",
]

PREFIX = "in "
"""How the note of a stage begins; a stage adds none where one stands already, since upstream knows better."""

STOPPED = "generator raised StopIteration"
STOPPED_ASYNC = "async generator raised StopAsyncIteration"
"""What becomes of StopIteration and StopAsyncIteration of a function: they would end a stream in silence."""


def add_note(error: BaseException, text: str) -> None:
    """``error.add_note(text)``; an exception whose ``__notes__`` is no list, or fails, goes on without."""
    with contextlib.suppress(Exception):  # code of others
        BaseException.add_note(error, text)


def note_failure(error: BaseException, what: str, failure: BaseException) -> None:
    """Say on ``error`` that ``what`` failed meanwhile."""
    add_note(error, f"and {what} failed: {shown(failure)}")


def shown(error: BaseException) -> str:
    """``repr(error)``, or its type where that fails."""
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - code of others
        return f"<{type(error).__name__} without a repr>"


def is_placed(error: BaseException) -> bool:
    """Whether a note says already where ``error`` was raised."""
    try:
        notes = getattr(error, "__notes__", None)
    except Exception:  # noqa: BLE001 - code of others
        return False
    return isinstance(notes, list) and any(isinstance(n, str) and n.startswith(PREFIX) for n in notes)


def place(error: BaseException, where: str) -> None:
    """Say on ``error`` where it was raised, unless a stage further up did."""
    if not is_placed(error):
        add_note(error, PREFIX + where)


def note(error: BaseException, name: str, at: int) -> None:
    """Name the operator and the item on ``error``, unless a stage before it has done so."""
    if isinstance(error, Exception):
        place(error, f"{name}, at item {at}")


def loud(error: BaseException) -> BaseException:
    """The error; StopIteration, which would end a stream in silence, as what a generator turns it into."""
    if not isinstance(error, StopIteration):
        return error
    turned = RuntimeError(STOPPED)
    turned.__cause__ = error
    return turned


def raise_noted(error: BaseException, name: str, at: int, *, in_async: bool = False) -> NoReturn:
    """Raise ``error`` with its note; one that would end the stream in silence as what a generator turns it into."""
    stops = isinstance(error, StopIteration) or (in_async and isinstance(error, StopAsyncIteration))
    try:
        if not stops:
            note(error, name, at)
            raise error
        kind = STOPPED
        if not isinstance(error, StopIteration):
            kind = STOPPED_ASYNC
        turned = RuntimeError(kind)
        note(turned, name, at)
        raise turned from error
    finally:
        turned = None  # type: ignore[assignment]
        del error  # the traceback holds this frame: a cycle otherwise


def make_room(calls: int = 20) -> None:
    """RecursionError where fewer calls are left than an end makes itself: before anything is let go of.

    Through C each time: what CPython 3.12 and 3.13 count apart is what an end runs short of first.
    """
    if calls:
        next(map(make_room, (calls - 1,)))
