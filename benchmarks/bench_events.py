"""Events and records: F1 and F2 (events of 200 B), F4 (JSON Lines of 300 B).

Peers: httpx-sse, openai's decoder, ``bytes.split`` of the whole, a loop over a file with the same loader.

CPython 3.11, a shared machine, minimum of 3. Events as ``Event``: 301 ns from fragments of 50 B, 44 of 4 KiB, 41 of
64 KiB (with ``.data``: 336, 70, 68); as ``bytes``: 295, 38, 34; the twin: 9.6, 1.4, 1.2 us. Records: framing by batches
46 ns against 213 of ``bytes.split``; by ``orjson.loads`` 392 against 416 of the loop, by ``json.loads`` 2088 against
2142. httpx-sse and openai's decoder were not there to be measured.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

EVENT = b'data: {"choices":[{"delta":{"content":"' + b"x" * 152 + b'"}}]}\n\n'
RECORD = json.dumps({"id": 1, "text": "y" * 200, "n": [1, 2, 3], "k": {"a": "b" * 40}}).encode() + b"\n"
COUNT = 20_000
SIZES = [50, 4096, 65536]


def fragments(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def consume(items: Any) -> int:
    count = 0
    for _ in items:
        count += 1
    return count


@pytest.mark.parametrize("as_", ["event", bytes], ids=["F1 events", "F2 bytes"])
@pytest.mark.parametrize("size", SIZES)
def test_events(backend, size, as_, measure):
    parts = fragments(EVENT * COUNT, size)

    def run() -> int:
        return consume(backend.ServerSentEventsEngine(as_=as_).iterate(iter(parts)))

    assert run() == COUNT
    measure(f"F1, F2 events of 200 B, fragments of {size} B", run, len(EVENT) * COUNT)


@pytest.mark.parametrize("size", SIZES)
def test_httpx_sse(size, measure):
    httpx_sse = pytest.importorskip("httpx_sse")
    httpx = pytest.importorskip("httpx")
    parts = fragments(EVENT * COUNT, size)

    def run() -> int:
        headers = {"content-type": "text/event-stream"}
        response = httpx.Response(200, headers=headers, content=iter(parts))
        return consume(httpx_sse.EventSource(response).iter_sse())

    assert run() == COUNT
    measure(f"F1, F2 events of 200 B, fragments of {size} B", run, len(EVENT) * COUNT, rounds=3)


@pytest.mark.parametrize("size", SIZES)
def test_openai(size, measure):
    streaming = pytest.importorskip("openai._streaming")
    parts = fragments(EVENT * COUNT, size)

    def run() -> int:
        return consume(streaming.SSEDecoder().iter_bytes(iter(parts)))

    assert run() == COUNT
    measure(f"F1, F2 events of 200 B, fragments of {size} B", run, len(EVENT) * COUNT, rounds=3)


def loader(name: str) -> Any:
    return pytest.importorskip(name).loads


@pytest.mark.parametrize("name", ["json", "orjson"])
def test_records(backend, name, measure):
    loads, parts = loader(name), fragments(RECORD * COUNT, 65536)

    def run() -> int:
        return consume(backend.JSONLinesEngine(loads).iterate(iter(parts)))

    assert run() == COUNT
    measure(f"F4 records of 300 B by {name}.loads", run, len(RECORD) * COUNT)


@pytest.mark.parametrize("name", ["json", "orjson"])
def test_loop_over_a_file(name, measure):
    loads, data = loader(name), RECORD * COUNT

    def run() -> int:
        return consume(map(loads, io.BufferedReader(io.BytesIO(data))))

    assert run() == COUNT
    measure(f"F4 records of 300 B by {name}.loads", run, len(data))


def test_framing(backend, measure):
    parts = fragments(RECORD * COUNT, 65536)

    def run() -> int:
        return sum(consume(batch) for batch in backend.JSONLinesEngine().batches(iter(parts)))

    assert run() == COUNT
    measure("F4 records of 300 B, framing", run, len(RECORD) * COUNT)


def test_split(measure):
    data = RECORD * COUNT
    measure("F4 records of 300 B, framing", lambda: data.split(b"\n"), len(data))
