"""F9, F10: ``JSONDeltas`` beside parsing the beginning of the document again at each delta, and beside ``json.loads``::

    pytest benchmarks/bench_json_deltas.py

F9, 86 KB of objects in deltas of 4 characters: 113 ns a delta; jiter takes 220 us, partial-json-parser 5.4 ms (1,900,
47,000 times as much, a mean over 200 and 20 prefixes). 4 KB of one string, a snapshot each: 119 ns, jiter 277 ns in the
same loop (2.3 times), partial-json-parser 92 us (770 times). F10, 1 MB at once, folded: 3.1 times the time of
``json.loads`` (20.7 against 6.6 ms). (jiter 0.19, CPython 3.11, 2 shared cores of Zen 4.)
"""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pytest_benchmark")

ROW = {
    "id": 12345,
    "name": "Alice Example",
    "tags": ["one", "two"],
    "score": 3.25,
    "active": True,
    "note": "some words of text",
}
PREFIXES = 50


def rows(size: int) -> str:
    return json.dumps([{**ROW, "id": number} for number in range(size // 124)])


def cut(text: str) -> list[str]:
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def drain(items):
    for _ in items:
        pass


OBJECTS = rows(86_000)
STRING = json.dumps({"text": "x" * 4000})


def prefixes(text: str) -> list[str]:
    """Some of those that a consumer has after each delta: parsing all of them again would take minutes."""
    return [text[:size] for size in range(40, len(text), len(text) // PREFIXES)]


def test_deltas(measure, backend):
    parts = cut(OBJECTS)
    assert backend.json_folded(list(backend.JSONDeltasEngine().iterate(iter(parts)))) == json.loads(OBJECTS)
    measure(
        "objects, all deltas of 4 characters",
        lambda: drain(backend.JSONDeltasEngine().iterate(iter(parts))),
        len(OBJECTS),
    )


@pytest.mark.parametrize(("name", "text"), [("objects", OBJECTS), ("one string", STRING)])
def test_jiter(measure, name, text):
    jiter = pytest.importorskip("jiter")
    parts = [part.encode() for part in prefixes(text)]
    measure(
        f"{name}, {len(parts)} prefixes parsed again",
        lambda: [jiter.from_json(part, partial_mode="trailing-strings") for part in parts],
        sum(map(len, parts)),
    )


@pytest.mark.parametrize(("name", "text"), [("objects", OBJECTS), ("one string", STRING)])
def test_partial_json_parser(measure, name, text):
    loads = pytest.importorskip("partial_json_parser").loads
    parts = prefixes(text)
    measure(
        f"{name}, {len(parts)} prefixes parsed again",
        lambda: [loads(part) for part in parts],
        sum(map(len, parts)),
        rounds=2,
    )


def test_snapshots(measure, backend):
    parts = cut(STRING)
    make = backend.JSONDeltasEngine
    assert list(make(as_="snapshot").iterate(iter(parts)))[-1] == json.loads(STRING)
    measure(
        "one string, a snapshot for each 4 characters",
        lambda: drain(make(as_="snapshot").iterate(iter(parts))),
        len(STRING),
    )


def test_snapshots_of_jiter(measure):
    jiter = pytest.importorskip("jiter")
    parts = cut(STRING)

    def run():
        held = b""
        for part in parts:
            held += part.encode()
            jiter.from_json(held, partial_mode="trailing-strings")

    measure("one string, a snapshot for each 4 characters", run, len(STRING))


def test_folded(measure, backend):
    text = rows(1_000_000)
    fold = backend.json_folded
    make = backend.JSONDeltasEngine
    assert fold(make().iterate(iter((text,)))) == json.loads(text)
    measure("1 MB at once, folded", lambda: fold(make().iterate(iter((text,)))), len(text))


def test_json_loads(measure):
    text = rows(1_000_000)
    measure("1 MB at once, folded", lambda: json.loads(text), len(text))
