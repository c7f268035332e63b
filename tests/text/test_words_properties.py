"""Every way to cut text or bytes gives the items, errors and batches of a slow oracle, on both backends.

``STREAMCORE_TEST_SCALE`` multiplies the number of random fragmentations; 1 makes about 3,000 a backend.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from words_oracle import cut_words, expect, random_cuts, random_options, random_whole, run

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))


@pytest.mark.parametrize("way", ["feed", "iterate", "batches"])
def test_random_cuts(backend, way):
    rnd = random.Random(f"{SEED} {way}")
    for _ in range(int(500 * SCALE)):
        whole, options = random_whole(rnd), random_options(rnd)
        expected = expect(whole, options)
        for _ in range(2):
            cuts = random_cuts(rnd, whole)
            got = run(backend.WordsEngine(options.keep, **options.arguments()), cuts, way)
            assert got == expected, (options, cuts)


@settings(max_examples=int(100 * SCALE), deadline=None)
@given(text=st.text(max_size=200), sizes=st.lists(st.integers(0, 30), max_size=20))
def test_any_text(backend, text, sizes):
    cuts, at = [], 0
    for size in sizes:
        cuts.append(text[at : at + size])
        at += size
    cuts.append(text[at:])
    items, _, failure = run(backend.WordsEngine(), cuts, "feed")
    assert (items, failure) == ([item for _, item in cut_words(text, "trailing")], None)
    assert "".join(items) == text
    assert run(backend.WordsEngine("none"), cuts, "iterate")[0] == text.split()


def test_batches_of_the_twins_are_equal():
    native = pytest.importorskip("streamcore._native.text.words")
    pytest.importorskip("numpy")
    from streamcore._pure.text import words as pure

    rnd = random.Random(SEED)
    for _ in range(int(300 * SCALE)):
        whole, keep = random_whole(rnd), rnd.choice(["trailing", "none"])
        if isinstance(whole, str):
            whole = whole.replace("\udc80", "")
        cuts = random_cuts(rnd, whole)
        twins = [list(module.WordsEngine(keep).batches(iter(cuts))) for module in (native, pure)]
        assert twins[0] == twins[1]
        for one, other in zip(*twins, strict=True):
            assert one.data == other.data
            assert one.offsets.tolist() == other.offsets.tolist()
