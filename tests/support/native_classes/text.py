"""Engines of text, and the items that they make."""

from __future__ import annotations

from typing import Any

from streamcore import BPE
from streamcore.vocab.encodings import GPT2

from .engine import drive, engine, finished, started_over
from .table import VALUE, Box, Native, attributes, method, value

SECTION = (*VALUE, *attributes("name", "text", "start", "done"))


JSON_DELTA = (*VALUE, *attributes("path", "value", "done"))
JSON = (b"[[1,", b'"t\\u00e9", 2.5, {"x": null, "y": "\xc3\xa9 \\n"}, "a\\ud83d')


def json_delta(backend: Any, box: Box) -> Any:
    return backend.JSONDelta(("a", 1), "text", True)


def section(backend: Any, box: Box) -> Any:
    return backend.Section("name", "text", 3, True)


TEXT_CHUNK = (*VALUE, *attributes("text", "start", "stop"))


def text_splitter(**options: Any) -> Native:
    """It takes text alone."""
    first, second = "one two\n\nthree fo", "ur five six\xe9 " * 5

    def make(backend: Any, box: Box) -> Any:
        made = backend.TextSplitterEngine(9, **options)
        made.feed(first)
        return made

    return Native(
        "TextSplitterEngine",
        f"TextSplitterEngine({options})",
        make,
        (
            method("feed", value("text", second)),
            method("feed: a wrong type", value("buffer", b"bytes")),
            method("finish"),
            method("reset"),
            *drive("iterate", "sources of text", [first, second]),
            *drive("batches", "sources of text", [first, second]),
            *attributes("offset", "skipped", "error", "done"),
        ),
        look=lambda engine: [engine.offset, engine.skipped, repr(engine.error)],
        rest=finished,
        again=started_over(second),
    )


# So few that tests which try each allocation stay short.
TOKENS = BPE.from_ranks({bytes((byte,)): byte for byte in range(256)} | {b" f": 256, b"ou": 257}, GPT2)


def stop_finder(backend: Any, box: Box) -> Any:
    finder = backend.StopFinder(["stop", "top", "é!"])
    finder.feed("a st", False)
    return finder


CLASSES: list[Native] = [
    engine("UTF8Engine"),
    engine("UTF8Engine", errors="replace"),
    engine("WordsEngine"),
    engine("WordsEngine", as_=bytes, keep="none", max_size=4, on_oversize="truncate"),
    engine("SectionsEngine", {"one": ("t", "fo"), "six": (" th", "six")}),
    engine("SectionsEngine", {"one": ("o", "e")}, begin="one", nested=True, keep_markers=True),
    engine("SectionsEngine", {"one": ("f", "é")}, on_incomplete="raise"),
    engine("StopEngine", "four", "r f"),
    engine("StopEngine", "six", include=True),
    engine("JSONDeltasEngine", fragments=JSON, strict=False),
    engine("JSONDeltasEngine", fragments=JSON, strict=False, whole_strings=True, max_size=7),
    engine("JSONDeltasEngine", fragments=JSON, as_="snapshot"),
    Native("JSONDelta", "JSONDelta", json_delta, JSON_DELTA, repr, repr),
    Native("Section", "Section", section, SECTION, repr, repr),
    text_splitter(),
    text_splitter(overlap=3, separators=(" ", "")),
    text_splitter(length="bytes", keep="none", as_=str),
    text_splitter(length=TOKENS),
    Native(
        "TextChunk", "TextChunk", lambda backend, box: backend.TextChunk("text", 3, 7), TEXT_CHUNK, repr, repr
    ),
    Native(
        "StopFinder",
        "StopFinder",
        stop_finder,
        (
            method("feed", value("str", "op it"), value("flag", False)),
            method("reset"),
            *attributes("holds", "found", "first_characters"),
        ),
        look=lambda finder: finder.holds,
        rest=lambda finder: finder.feed("", True),
    ),
]

PARTS = {
    "ChunkSpans": "TextSplitterEngine",
    "MarkedEngine": "SectionsEngine",
    "Markers": "SectionsEngine",
    "UnitEngine": "SectionsEngine",
    "WordSpans": "WordsEngine",
}
