"""JSON Lines and JSON text sequences equal a slow oracle however they are cut, on both backends.

``STREAMCORE_TEST_SCALE`` multiplies the random fragmentations: 1 takes some seconds, 10 makes over 100,000.
"""

from __future__ import annotations

import os
import random
from itertools import pairwise

import pytest
from framing_oracle import random_cuts
from records_oracle import LEAD, RecordsOracle, parsed, plain, shown

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))

PIECES = [
    b"[1]", b"{}", b"5", b"-0.5e3", b'"a"', b"null", b"true", b"[1, 2", b"]", b"{", b'{"k": [', b"\n", b"\n", b"\n\n",
    b"\r\n", b" ", b"\t", b"  \t\r", b"\x1e", b"\x1e", b"\n\x1e", b"\xff", b"\xc3\xa9", b'"\xc3\xa9"', b"\xc3", b"\0",
    b'"\xe2\x80\xa8\xc2\x85\x0b"', b"\xef\xbb\xbf", b"\xef\xbb", b"\xef", b"NaN", b"1e999",
]  # fmt: skip


def by_feed(engine, cuts):
    items = []
    try:
        for fragment in cuts:
            items += engine.feed(fragment)
        items += engine.finish()
        assert engine.finish() == []
    except Exception:
        if engine.error is None:
            raise
    return items, engine.error


def by_iterator(way):
    def drive(engine, cuts):
        items = []
        try:
            for item in getattr(engine, way)(iter(cuts)):
                items += item if way == "batches" else [item]
        except Exception as error:  # noqa: BLE001 - compared with the one that is due
            return items, error
        return items, None

    return drive


WAYS = (
    by_feed,
    by_feed,
    by_feed,
    by_iterator("iterate"),
    by_iterator("iterate"),
    by_iterator("batches"),
    by_iterator("batches"),
)


def check(backend, data, rng, policies):
    engine = backend.JSONLinesEngine(parsed, **policies)
    for number, drive in enumerate(WAYS):
        oracle = RecordsOracle(**policies)
        error, note = oracle.run(data, bare=number > 4)
        cuts = [data] if number in (0, 5) else random_cuts(rng, data)
        items, found = drive(engine, cuts)
        assert repr(plain(items)) == repr(oracle.items), (data, cuts, policies)  # NaN is not equal to itself
        assert shown(found) == shown(error), (data, cuts, policies)
        assert getattr(found, "__notes__", []) == ([note] if note else []), (data, cuts, policies)
        assert engine.skipped == oracle.skipped, (data, cuts, policies)
        assert error is not None or engine.offset == len(data)
        engine.reset()


def random_options(rng):
    return {
        "on_error": rng.choice(("raise", "skip", "yield")),
        "sequence": rng.random() < 0.4,
        "max_size": rng.choice((None, None, 1, 2, 3, 5, 8, 20)),
        "on_oversize": rng.choice(("raise", "skip")),
        "on_incomplete": rng.choice(("emit", "drop", "raise")),
        "as_": rng.choice((bytes, bytes, str, "view")),
    }


def test_random_input_equals_the_oracle_however_it_is_cut(backend):
    rng = random.Random(SEED)
    for _ in range(int(1500 * SCALE)):
        data = b"".join(rng.choice(PIECES) for _ in range(rng.choice((1, 2, 5, 20, 60))))
        data = rng.choice((b"", b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\x1e")) + data
        check(backend, data, rng, random_options(rng))


def test_records_of_usual_shape_equal_the_oracle_however_they_are_cut(backend):
    rng = random.Random(SEED)
    for _ in range(int(200 * SCALE)):
        sequence = rng.random() < 0.3
        end = rng.choice((b"\n", b"\r\n"))
        data = b"".join(
            (b"\x1e" if sequence else b"")
            + rng.choice((b'{"text": "%s"}' % (b"x" * rng.randrange(300)), b"12", b"", b"[1", b'"\xc3\xa9"'))
            + end
            for _ in range(rng.choice((1, 5, 40)))
        )
        check(backend, data, rng, random_options(rng) | {"sequence": sequence, "max_size": 250})


@pytest.mark.parametrize("sequence", [False, True])
def test_much_white_space_equals_the_oracle_however_it_is_cut(backend, sequence):
    rng = random.Random(SEED)
    before = b"\x1e" if sequence else b""
    for size in (LEAD - 1, LEAD, LEAD + 1, 3 * LEAD):
        blank = (b" \t\r" + b"\n" * sequence) * (size // 3 + 1)
        for body in (b"", b"1 ", b"{", b"\xff", b'"\xc3\xa9"'):
            data = before + b"1\n" + before + blank[:size] + body + b"\n" + before + b"[2]\n"
            for limit in (None, 5, size + 2):
                cuts = [0, *sorted(rng.randrange(len(data) + 1) for _ in range(4)), len(data)]
                parts = [data[a:b] for a, b in pairwise(cuts)]
                for policies in (
                    {"on_error": "yield", "max_size": limit, "on_oversize": "skip"},
                    {"as_": str, "max_size": limit},
                ):
                    oracle = RecordsOracle(sequence=sequence, **policies)
                    error, note = oracle.run(data)
                    engine = backend.JSONLinesEngine(parsed, sequence=sequence, **policies)
                    for way in ([data], parts):
                        items, found = by_feed(engine, way)
                        assert plain(items) == oracle.items
                        assert shown(found) == shown(error)
                        assert getattr(found, "__notes__", []) == ([note] if note else [])
                        assert engine.skipped == oracle.skipped
                        engine.reset()
