"""Engines that derive from the base of engines, and how each of them is driven."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import isgenerator
from typing import Any

from streamcore.batch import Batch

from .table import Box, Call, Native, attributes, method, plain, tried, value


def drive(name: str, kind: str, fragments: list[Any]) -> tuple[Call, ...]:
    """``iterate`` or ``batches``: driven to its end, and only begun."""

    def to_the_end(box: Box, source: Any) -> Any:
        mine = getattr(box.subject, name)(source)
        box.running = mine
        taken: list[Any] = []

        def drive_on() -> None:
            for item in mine:
                taken.extend(
                    item if isinstance(item, Batch) else [item]
                )  # backends may end batches elsewhere

        return [tried(drive_on), plain(taken)]

    def begin(box: Box, source: Any) -> Any:
        mine = getattr(box.subject, name)(source)
        box.running = mine
        first = next(mine, None)
        second = next(mine, None)
        mine.close()
        return [plain(first), plain(second)]

    calls = (Call(name, to_the_end, (value(kind, fragments),), alone=False),)
    if name == "iterate":
        calls += (Call("iterate: closed after two", begin, (value(kind, fragments),), alone=False),)
    return calls


def close_running(box: Box) -> None:
    """Before 3.13, to close a generator that runs, CPython may take its inline caches for instructions and crash."""
    if sys.version_info < (3, 13) and isgenerator(box.running) and box.running.gi_running:
        raise ValueError("generator already executing")  # as from 3.13 on
    box.running.close()


# What a hook can do to the iterator in the middle of whose call it runs.
RUNNING = (
    Call("next of the running iterator", lambda box: next(box.running)),
    Call("close of the running iterator", close_running),
)


def finished(engine: Any) -> Any:
    return engine.finish()


def started_over(first: Any) -> Callable[[Any], Any]:
    def run(engine: Any) -> Any:
        engine.reset()
        return [engine.feed(first), engine.finish()]

    return run


NO_BATCHES = {"JSONDeltasEngine", "SectionsEngine"}


def engine(
    name: str,
    *arguments: Any,
    fragments: tuple[bytes, ...] = (b"one two\nthree\r\nfo", b"ur five;six\xc3\xa9\n" * 5),
    **options: Any,
) -> Native:
    """A class derived from the base of engines."""
    shown = ", ".join([*map(repr, arguments), *(f"{key}={made!r}" for key, made in options.items())])

    def make(backend: Any, box: Box) -> Any:
        made = getattr(backend, name)(*arguments, **options)
        made.feed(fragments[0])
        return made

    calls = (
        method("feed", value("buffer", fragments[1])),
        method("finish"),
        method("reset"),
        *drive("iterate", "source", list(fragments)),
        *(() if name in NO_BATCHES else drive("batches", "source", list(fragments))),
        *attributes("offset", "skipped", "error", "done"),
    )
    if name == "UTF8Engine":
        calls += attributes("errors")
    if name in NO_BATCHES:
        calls += (method("batches: refused", value("source", list(fragments))),)
    if name == "JSONDeltasEngine":
        calls += attributes("rest")
    if name == "ServerSentEventsEngine":
        calls += attributes("last_event_id", "retry")
    if name == "StopEngine":
        calls += attributes("matched", "rest")
    # Lent memory is given back after it was taken in, and what the twin of UTF8 copied, before.
    unlike = ("offset",) if name == "UTF8Engine" else ()
    return Native(
        name,
        f"{name}({shown})",
        make,
        calls,
        look=lambda engine: [engine.offset, engine.skipped, repr(engine.error)],
        rest=finished,
        again=started_over(fragments[1]),
        unlike=unlike,
    )


PARTS = {
    "BaseEngine": "LinesEngine",
    "Batches": "LinesEngine",
    "Engine": "LinesEngine",
    "Items": "LinesEngine",
    "Spans": "LinesEngine",
}
