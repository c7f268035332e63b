"""Saying on an exception which stage of a chain raised it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

__all__ = ["PREFIX", "stage_notes"]

PREFIX = "in "
"""How the note of a stage begins; a stage adds none where one stands already, since upstream knows better."""


def stage_notes(links: Sequence[tuple[object, object]]) -> Callable[[BaseException], None]:
    """Make the function that notes the failing stage on an exception.

    ``links`` are pairs of stage and iterator, in the order of the data's way. The stage is found from the traceback,
    which costs nothing until something fails: the frames of the stages stand in it from the last stage up to the one
    that raised.
    """

    def annotate(error: BaseException) -> None:
        if any(note.startswith(PREFIX) for note in getattr(error, "__notes__", ())):
            return
        at = len(links)
        trace = error.__traceback__
        while trace is not None and at:
            code = trace.tb_frame.f_code
            at = next((i for i in reversed(range(at)) if _code_of(links[i][1]) is code), at)
            trace = trace.tb_next
        if at < len(links):
            place = f", stage {at + 1} of {len(links)}" if len(links) > 1 else ""
            error.add_note(f"{PREFIX}{links[at][0]!r}{place}")

    return annotate


def _code_of(iterator: Any) -> CodeType | None:
    """The code that runs when ``iterator`` is pulled, where it is Python's."""
    for attribute in ("gi_code", "ag_code"):
        code = getattr(iterator, attribute, None)
        if code is not None:
            return code  # type: ignore[no-any-return]
    return getattr(getattr(type(iterator), "__next__", None), "__code__", None)
