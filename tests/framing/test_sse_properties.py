"""Event streams equal a slow oracle of the standard, and a browser, however they are cut, on both backends.

``STREAMCORE_TEST_SCALE`` multiplies the random fragmentations: 1 takes some seconds, 10 makes over 100,000.
"""

from __future__ import annotations

import base64
import json
import os
import random
from pathlib import Path

import pytest
from framing_oracle import described, random_cuts
from sse_oracle import SSEOracle, plain, shown

from streamcore.errors import IncompleteItem, ItemTooLarge

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "sse" / "chromium_vectors.json").read_text())
PIECES = [
    b"data: a", b"data:b", b"data", b"data:", b"data:  c", b"event: e", b"event", b"event:", b"id: 7", b"id",
    b"id: a\0b", b"id:\xff", b"retry: 10", b"retry: 5x", b"retry:", b"retry: 9223372036854775808", b": comment",
    b"dat: x", b"datax: y", b"other: z", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"x", b" ", b":",
    b"\xef\xbb\xbf", b"\xef\xbb", b"\xc3\xa9", b"\xc3", b"\xe2\x82\xac", b"\xf0\x9f\x99\x82", b"\0", b"\x0b",
    b"\xe2\x80\xa8", b"retry: 0007\n", b"data: [DONE]\n\n", b"data: long line of data\n", b"d", b"i", b"e",
]  # fmt: skip


def by_feed(engine, cuts):
    items = []
    try:
        for fragment in cuts:
            items += engine.feed(fragment)
        items += engine.finish()
        assert engine.finish() == []
    except (ItemTooLarge, IncompleteItem) as error:
        return plain(items), described(error)
    return plain(items), described(engine.error)


def by_iterator(way):
    def drive(engine, cuts):
        items = []
        try:
            for item in getattr(engine, way)(iter(cuts)):
                items += item if way == "batches" else [item]
        except (ItemTooLarge, IncompleteItem) as error:
            return plain(items), described(error)
        return plain(items), None

    return drive


WAYS = (by_feed, by_feed, by_feed, by_iterator("iterate"), by_iterator("batches"))


def check(backend, data, rng, policies, as_):
    oracle = SSEOracle(**policies)
    error, where = oracle.run(data)
    wanted = (
        shown(oracle.items, as_),
        described(error, [f"in ServerSentEvents, at byte {where} of its input"]),
    )
    engine = backend.ServerSentEventsEngine(as_=as_, **policies)
    for number, drive in enumerate(WAYS):
        cuts = [data] if number == 0 else random_cuts(rng, data)
        assert drive(engine, cuts) == wanted, (data, cuts, policies)
        assert engine.skipped == oracle.skipped
        assert engine.done is oracle.done
        if error is None:
            state = (oracle.last_event_id.decode("utf-8", "replace"), oracle.retry)
            assert (engine.last_event_id, engine.retry) == state, (data, cuts, policies)
        engine.reset()


def test_random_streams_equal_the_oracle_however_they_are_cut(backend):
    rng = random.Random(SEED)
    for _ in range(int(2000 * SCALE)):
        policies = {
            "stop": rng.choice((None, None, b"[DONE]", b"a")),
            "max_size": rng.choice((None, None, 1, 2, 3, 5, 8, 20)),
            "on_oversize": rng.choice(("raise", "skip", "truncate")),
            "on_incomplete": rng.choice(("emit", "drop", "raise")),
        }
        data = b"".join(rng.choice(PIECES) for _ in range(rng.choice((1, 2, 5, 20, 60))))
        check(backend, data, rng, policies, rng.choice(("event", "event", str, bytes, "view")))


def test_events_of_usual_shape_equal_the_oracle_however_they_are_cut(backend):
    rng = random.Random(SEED)
    for _ in range(int(200 * SCALE)):
        end = rng.choice((b"\n", b"\r", b"\r\n"))
        data = b"".join(
            b"".join(
                [
                    rng.choice((b"", b"event: delta" + end)),
                    rng.choice((b"", b"id: %d" % number + end)),
                    (b"data: " + b"x" * rng.randrange(300) + end) * rng.choice((1, 1, 1, 2, 5)),
                    end,
                ]
            )
            for number in range(rng.choice((1, 5, 40)))
        )
        policies = {
            "max_size": rng.choice((None, 200, 500)),
            "on_oversize": rng.choice(("skip", "truncate", "raise")),
        }
        check(backend, data, rng, policies, rng.choice(("event", str, bytes, "view")))


@pytest.mark.parametrize("number", range(len(VECTORS["vectors"])))
def test_what_a_browser_makes_of_it(backend, number):
    vector = VECTORS["vectors"][number]
    data = base64.b64decode(vector["input"])
    wanted = [(event["event"], event["data"], event["id"]) for event in vector["events"]]
    ways = [[data], [data[i : i + 1] for i in range(len(data))]]
    ways += [[data[:cut], data[cut:]] for cut in range(len(data))]
    engine = backend.ServerSentEventsEngine()
    for cuts in ways:
        items, error = by_feed(engine, cuts)
        assert error is None
        assert [item[:3] for item in items] == wanted, cuts
        engine.reset()
