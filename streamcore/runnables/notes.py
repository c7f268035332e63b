"""Saying on an exception which stage of a chain raised it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from .._backend import Stream
from .._shared.notes import PREFIX, add_note, is_placed

__all__ = ["PREFIX", "stage_notes"]


def stage_notes(links: Sequence[tuple[object, object]]) -> Callable[[BaseException], None]:
    """Make the function that notes the failing stage on an exception.

    ``links`` are pairs of stage and iterator, in the order of the data's way. The stage is found from the traceback,
    which costs nothing until something fails: the frames of the stages stand in it from the last stage up to the one
    that raised.
    """

    def annotate(error: BaseException) -> None:
        if is_placed(error):
            return
        places: dict[CodeType, list[int]] = {}
        for place, (_, iterator) in enumerate(links):
            code = _code_of(iterator)
            if code is not None:
                places.setdefault(code, []).append(place)
        at = len(links)
        trace = error.__traceback__
        while trace is not None and at:
            same = places.get(trace.tb_frame.f_code, ())
            below = bisect_left(same, at)
            if below:
                at = same[below - 1]
            trace = trace.tb_next
        if at < len(links):
            place_of = f", stage {at + 1} of {len(links)}" if len(links) > 1 else ""
            add_note(error, f"{PREFIX}{links[at][0]!r}{place_of}")

    return annotate


def _code_of(iterator: Any) -> CodeType | None:
    """The code of a stage's own that runs when ``iterator`` is pulled, where it is Python's."""
    if isinstance(iterator, Stream):
        return None  # the same code in every stage; natively there is none
    for attribute in ("gi_code", "ag_code"):
        code = getattr(iterator, attribute, None)
        if code is not None:
            return code  # type: ignore[no-any-return]
    return getattr(getattr(type(iterator), "__next__", None), "__code__", None)
