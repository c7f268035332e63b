"""T1 for formats: frames, events, records, JSON, sections, chunks and splits, against the oracles of their tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import frames_oracle
import framing_oracle
import json_oracle
import sections_oracle
import splitter_oracle
from backends import Backend
from framing import test_content_defined as chunk_tests
from framing import test_json_lines_properties as record_tests
from framing import test_sse_properties as event_tests
from text import test_json_deltas_properties as json_tests
from text import test_sections_properties as section_tests
from text import test_splitter_properties as splitter_tests

__all__ = ["STAGES"]

BACKENDS = (Backend("native"), Backend("pure"))


def length_prefixed(rng: random.Random) -> int:
    options, done = frames_oracle.random_frame_options(rng), 0
    data = frames_oracle.random_frames(rng, options)
    for backend in BACKENDS:
        engine = backend.LengthPrefixedEngine(**options)
        oracle = frames_oracle.FramesOracle(**options)
        done += framing_oracle.check(engine, "LengthPrefixed", data, oracle, framing_oracle.Ends(), rng)
    return done


def sse(rng: random.Random) -> int:
    policies = {
        "stop": rng.choice((None, None, b"[DONE]", b"a")),
        "max_size": rng.choice((None, None, 1, 2, 3, 5, 8, 20)),
        "on_oversize": rng.choice(("raise", "skip", "truncate")),
        "on_incomplete": rng.choice(("emit", "drop", "raise")),
    }
    as_ = rng.choice(("event", "event", str, bytes, "view"))
    data = b"".join(rng.choices(event_tests.PIECES, k=rng.choice((1, 2, 5, 20, 60))))
    for backend in BACKENDS:
        event_tests.check(backend, data, rng, policies, as_)
    return len(BACKENDS) * len(event_tests.WAYS)


def json_lines(rng: random.Random) -> int:
    options = record_tests.random_options(rng)
    data = b"".join(rng.choices(record_tests.PIECES, k=rng.choice((1, 2, 5, 20, 60))))
    data = rng.choice((b"", b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\x1e")) + data
    for backend in BACKENDS:
        record_tests.check(backend, data, rng, options)
    return len(BACKENDS) * len(record_tests.WAYS)


def content_defined(rng: random.Random) -> int:
    sizes, options = chunk_tests.random_options(rng)
    data = chunk_tests.random_data(rng, rng.choice((0, 1, 63, 64, 65, 66, 256, 1023, 1024, 1025, 5000)))
    wanted, done = chunk_tests.expected(data, sizes, options), 0
    for backend in BACKENDS:
        engine = backend.ContentDefinedEngine(*sizes, **options)
        for drive in (framing_oracle.by_feed, framing_oracle.by_iterate):
            for _ in range(3):
                items, error = drive(engine, chunk_tests.random_cuts(rng, data))
                assert error is None
                assert [len(item) for item in items] == wanted, (backend.name, sizes, options)
                assert b"".join(items) == data
                engine.reset()
                done += 1
    return done


def splitter(rng: random.Random) -> int:
    text, options = splitter_oracle.random_text(rng), splitter_oracle.random_options(rng)
    expected, done = splitter_oracle.split(text, options), 0
    for way in ("feed", "iterate", "batches"):
        for cuts in ([text], splitter_oracle.random_cuts(rng, text)):
            for backend in BACKENDS:
                chunks = splitter_tests.run(splitter_tests.engine(backend, options), cuts, way)
                assert splitter_tests.plain(chunks) == expected, (backend.name, options, cuts, way)
                done += 1
    return done


def json_deltas(rng: random.Random) -> int:
    text, kind = json_oracle.random_document(rng), rng.choice(json_tests.KINDS)
    broken, done = rng.random() < 0.5, 0
    if broken:
        text = json_oracle.broken(rng, text)
    try:
        wanted = json_oracle.joined(json_oracle.deltas_of(text))
        broken = text.startswith("\ufeff")
    except ValueError:
        broken = True
    told: set[str] = set()
    for number in range(4):
        cuts = json_oracle.random_cuts(rng, kind(text)) if number else [kind(text)]
        for backend in BACKENDS:
            items, error = json_tests.run(backend.JSONDeltasEngine(), cuts, rng.random() < 0.5)
            found = json_oracle.joined(list(map(json_oracle.plain, items)))
            if not broken:
                assert error is None
                assert found == wanted, (backend.name, cuts)
            told.add(repr((found, error, str(error))))
            done += 1
    assert len(told) == 1, (text, told)
    return done


def sections(rng: random.Random) -> int:
    (markers, options, text), kind = sections_oracle.random_case(rng), rng.choice(section_tests.KINDS)
    wanted = sections_oracle.sections(kind(text), section_tests.encoded(markers, kind), **options)
    done = 0
    for number in range(4):
        cuts = sections_oracle.random_cuts(rng, kind(text)) if number else [kind(text)]
        for backend in BACKENDS:
            items = section_tests.run(backend.SectionsEngine(markers, **options), cuts, rng.random() < 0.5)
            assert sections_oracle.joined(items) == wanted, (backend.name, markers, options, cuts)
            done += 1
    return done


def stop(rng: random.Random) -> int:
    alphabet, kind = rng.choice(sections_oracle.ALPHABETS), rng.choice(section_tests.KINDS)
    strings = [sections_oracle.random_marker(rng, alphabet) for _ in range(rng.choice((1, 2, 3, 6)))]
    whole, include, done = kind(sections_oracle.random_text(rng, alphabet)), rng.random() < 0.5, 0
    wanted = sections_oracle.stopped(whole, list(map(kind, strings)), include=include)
    for number in range(4):
        cuts: list[Any] = sections_oracle.random_cuts(rng, whole) if number else [whole]
        for backend in BACKENDS:
            engine = backend.StopEngine(*strings, include=include)
            given = whole[:0].join(engine.iterate(iter(cuts)))
            assert (given, engine.matched and kind(engine.matched)) == wanted, (backend.name, strings, cuts)
            done += 1
    return done


STAGES: dict[str, Callable[[random.Random], int]] = {
    "length_prefixed": length_prefixed,
    "sse": sse,
    "json_lines": json_lines,
    "content_defined": content_defined,
    "splitter": splitter,
    "json_deltas": json_deltas,
    "sections": sections,
    "stop": stop,
}
