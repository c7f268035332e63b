"""Saying on an exception which stage of a chain raised it, or that its source did.

It is found from the traceback, which costs nothing until something fails: the frames of the stages stand in it from the
last stage up to the one that raised. Iterators of C leave no frame: one whose own errors bear no note yet is watched,
for 4 ns a chunk natively, so that none passes it unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import CodeType, FrameType, TracebackType
from typing import Any

from .._backend import SharedStream, Stream, async_closing_iterator, closing_iterator, metered_iterator
from .._shared.limits import is_limit
from .._shared.notes import PREFIX, is_placed, place

__all__ = [
    "CALLS",
    "PREFIX",
    "Links",
    "made_notes",
    "note_source",
    "note_stage",
    "noted_by_frames",
    "watched_source",
]

SOURCE = -1
# Iterators of C that do not fail, so that there is nothing to watch.
NOTHING: tuple[Iterable[Any], ...] = ((), [], "", "\u0100", b"", bytearray(), range(0))
SAFE = frozenset(type(iter(nothing)) for nothing in NOTHING)


def _speaks(iterator: object) -> bool:
    """Whether what it raises has been noted in there."""
    return isinstance(iterator, (Stream, async_closing_iterator)) and not isinstance(iterator, SharedStream)


class Link:
    """What a stage gave, by which its frames are told from those of the others.

    The frame of a generator is kept, since a number of it may be another one's later; the iterator is not.
    """

    __slots__ = ("at", "code", "frame", "opaque", "speaks", "whose")

    def __init__(self, at: int, iterator: Any, speaks: bool) -> None:
        self.at = at
        if isinstance(iterator, metered_iterator):  # what it raises is raised further in
            iterator = iterator.of
        self.whose = id(iterator)
        self.frame: FrameType | None = None
        self.code: CodeType | None = None
        self.speaks = speaks or (at != SOURCE and _speaks(iterator))
        """Whether the stage's own errors bear notes of it when they come out. A source, though it is a stream of ours,
        may let through what one of C raised: what bears a note already gets no other."""
        for kind in ("gi", "ag"):
            code = getattr(iterator, f"{kind}_code", None)
            if isinstance(code, CodeType):
                self.code = code
                self.frame = getattr(iterator, f"{kind}_frame")
                break
        else:
            method = getattr(type(iterator), "__next__", None) or getattr(type(iterator), "__anext__", None)
            code = getattr(method, "__code__", None)
            if isinstance(code, CodeType) and code.co_argcount:
                self.code = code
        self.opaque = self.code is None and not self.speaks and type(iterator) not in SAFE

    def made(self, frame: FrameType) -> bool:
        """Whether ``frame`` is that of a pull of the iterator."""
        if frame.f_code is not self.code:
            return False
        if self.frame is not None:
            return frame is self.frame
        return id(frame.f_locals.get(self.code.co_varnames[0])) == self.whose


class Links:
    """The iterators of a stream in the order of the data's way, each with the place of its stage among ``stages``."""

    __slots__ = ("_links", "_stages")

    def __init__(self, stages: tuple[Any, ...]) -> None:
        self._stages = stages
        self._links: list[Link] = []

    def add(self, at: int, iterator: Any, *, speaks: bool = False) -> None:
        """``iterator`` is what the stage at ``at`` gave, or the source's where that is ``SOURCE``."""
        self._links.append(Link(at, iterator, speaks))

    @property
    def unwatched(self) -> bool:
        """Whether the last iterator could fail without a trace."""
        return self._links[-1].opaque

    def note(self) -> Callable[[BaseException], None]:
        """A function that notes on an exception which of the iterators so far raised it."""
        noted = partial(_note, self._stages, tuple(self._links))
        if (made := _made.get()) is not None:
            made.append(noted)
        return noted


_made: ContextVar[list[Callable[[BaseException], None]] | None] = ContextVar("streamcore_notes", default=None)


@contextmanager
def made_notes(notes: list[Callable[[BaseException], None]]) -> Generator[None]:
    """Gather in ``notes`` what ``Links.note`` gives in here: the last one knows the whole chain that is made."""
    token = _made.set(notes)
    try:
        yield
    finally:
        _made.reset(token)


CALLS: dict[CodeType, Callable[[dict[str, Any]], int | None]] = {}
"""Methods of chains that call one stage after the other: which one it is, from their local variables."""


def noted_by_frames(error: BaseException) -> None:
    """Say on ``error`` which stage of a chain was being called, by its traceback, unless it is known better."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        if (read := CALLS.get(trace.tb_frame.f_code)) is not None:
            local = trace.tb_frame.f_locals
            if (at := read(local)) is not None:
                found = local["self"].stages, at
        trace = trace.tb_next
    if found is not None:
        place(error, place_of(*found))


def _notable(error: BaseException) -> bool:
    return isinstance(error, Exception) or is_limit(error)


def _note(stages: tuple[Any, ...], links: tuple[Link, ...], error: BaseException) -> None:
    if not _notable(error) or is_placed(error):
        return
    at = _found(links, error.__traceback__)
    if at is not None:
        place(error, place_of(stages, links[at].at))


def _found(links: tuple[Link, ...], trace: TracebackType | None) -> int | None:
    at = len(links)
    while trace is not None and at:
        frame = trace.tb_frame
        for lower in range(at - 1, -1, -1):
            if links[lower].made(frame):
                at = lower
                break
        trace = trace.tb_next
    passed = at < len(links)
    if passed and not links[at].speaks:
        return at
    # no frame of the one that raised it: of what is watched, or what an iterator that speaks for itself let through
    at -= 1
    while at >= 0 and links[at].speaks:
        at -= 1
    return at if at >= 0 and (passed or links[at].opaque) else None


def place_of(stages: tuple[Any, ...], at: int) -> str:
    if at == SOURCE:
        return f"the source of {stages[0]!r}"
    return f"{stages[at]!r}, stage {at + 1} of {len(stages)}" if len(stages) > 1 else repr(stages[at])


def note_stage(error: BaseException, stages: tuple[Any, ...], at: int) -> None:
    """Say on ``error`` that the stage at ``at`` raised it, unless it is known better."""
    if _notable(error):
        place(error, place_of(stages, at))


def note_source(stage: object, error: BaseException) -> None:
    """Say on ``error`` that the source of ``stage`` raised it, unless it is known better."""
    if _notable(error):
        place(error, f"the source of {stage!r}")


def watched_source(stage: object, source: Iterator[Any]) -> Iterator[Any]:
    """``source``, whose errors are noted as such."""
    if type(source) in SAFE or _speaks(source):
        return source
    return closing_iterator(source, (source,), partial(note_source, stage))
