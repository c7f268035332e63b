"""Every way to cut bytes gives the text, and the error, of a slow decoder made from the Unicode standard's table 3-7.

``STREAMCORE_TEST_SCALE`` multiplies the number of random fragmentations; 1 makes about 4,000 a backend.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from utf8_oracle import decode, random_cuts, random_data, run

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))


@pytest.mark.parametrize("errors", ["strict", "replace", "ignore", "backslashreplace"])
def test_random_cuts(backend, errors):
    rnd = random.Random(f"{SEED} {errors}")
    for _ in range(int(500 * SCALE)):
        data = random_data(rnd)
        expected = decode(data, errors)
        if expected[1] is None:
            assert expected[0] == data.decode("utf-8", errors)
        for _ in range(2):
            cuts = random_cuts(rnd, data)
            assert run(backend.UTF8Engine(errors), cuts, rnd.random() < 0.5) == expected, (data, cuts)


@settings(max_examples=int(100 * SCALE), deadline=None)
@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(0, 40), max_size=20))
def test_any_bytes(backend, data, sizes):
    cuts, at = [], 0
    for size in sizes:
        cuts.append(data[at : at + size])
        at += size
    for errors in ("strict", "replace", "ignore"):
        assert run(backend.UTF8Engine(errors), [*cuts, data[at:]], True) == decode(data, errors)


def test_the_chunks_of_the_twins_are_the_same():
    """Not only joined: a chunk per fragment in both."""
    native = pytest.importorskip("streamcore._native.text.utf8")
    from streamcore._pure.text import utf8 as pure

    rnd = random.Random(SEED)
    for _ in range(int(300 * SCALE)):
        data = random_data(rnd)
        cuts = random_cuts(rnd, data)
        errors = rnd.choice(["replace", "ignore", "surrogateescape", "backslashreplace"])
        twins = native.UTF8Engine(errors), pure.UTF8Engine(errors)
        for fragment in cuts:
            assert twins[0].feed(fragment) == twins[1].feed(fragment)
            assert twins[0].offset == twins[1].offset
        assert twins[0].finish() == twins[1].finish()
