"""Every way to cut text or bytes gives the sections of a slow oracle, as soon as they are certain.

``STREAMCORE_TEST_SCALE`` multiplies the number of random fragmentations; 1 makes about 6,000 a backend.
"""

from __future__ import annotations

import os
import random
from itertools import accumulate

import pytest
from sections_oracle import (
    joined,
    plain,
    random_case,
    random_cuts,
    random_marker,
    random_text,
    sections,
    stopped,
)

from streamcore.errors import IncompleteItem

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20261126"))
KINDS = (lambda text: text, lambda text: text.encode("utf-8", "surrogatepass"))


def encoded(markers, kind):
    return {name: (kind(first), kind(last)) for name, (first, last) in markers.items()}


def run(engine, cuts, by_feed):
    items = []
    try:
        if by_feed:
            for fragment in cuts:
                items += map(plain, engine.feed(fragment))
            items += map(plain, engine.finish())
            engine.finish()
        else:
            items.extend(map(plain, engine.iterate(iter(cuts))))
    except IncompleteItem as error:
        empty = cuts[0][:0]
        items += [("raise", empty, error.size, False), ("at", empty, error.offset, False)]
    return items


@pytest.mark.parametrize("kind", KINDS, ids=["str", "bytes"])
def test_sections_of_random_cuts(backend, kind):
    rnd = random.Random(f"{SEED} sections")
    for _ in range(int(700 * SCALE)):
        markers, options, text = random_case(rnd)
        whole = kind(text)
        wanted = sections(whole, encoded(markers, kind), **options)
        engine = backend.SectionsEngine(markers, **options)
        for _ in range(2):
            cuts = random_cuts(rnd, whole)
            engine.reset()
            assert joined(run(engine, cuts, rnd.random() < 0.5)) == wanted, (markers, options, cuts)


@pytest.mark.parametrize("kind", KINDS, ids=["str", "bytes"])
def test_sections_hold_back_what_may_begin_a_marker_and_nothing_else(backend, kind):
    rnd = random.Random(f"{SEED} eager")
    for _ in range(int(200 * SCALE)):
        markers, options, text = random_case(rnd)
        cuts = random_cuts(rnd, kind(text))
        engine = backend.SectionsEngine(markers, **options)
        items = []
        for fragment, so_far in zip(cuts, accumulate(cuts), strict=True):
            items += map(plain, engine.feed(fragment))
            wanted = sections(so_far, encoded(markers, kind), **options, final=False)
            assert joined(items) == wanted, (markers, options, so_far)


@pytest.mark.parametrize("kind", KINDS, ids=["str", "bytes"])
def test_stop_of_random_cuts(backend, kind):
    rnd = random.Random(f"{SEED} stop")
    for _ in range(int(500 * SCALE)):
        alphabet = rnd.choice(("ab", "aab<", "é中a", "a\U0001f600", "x\ud800"))
        strings = [random_marker(rnd, alphabet) for _ in range(rnd.choice((1, 2, 3, 6)))]
        whole = kind(random_text(rnd, alphabet))
        include = rnd.random() < 0.5
        targets = [kind(string) for string in strings]
        text, found = stopped(whole, targets, include=include)
        for _ in range(2):
            cuts = random_cuts(rnd, whole)
            engine = backend.StopEngine(*strings, include=include)
            pulled, given, so_far = [], whole[:0], whole[:0]
            if rnd.random() < 0.5:
                for fragment in cuts:
                    given += whole[:0].join(engine.feed(fragment))
                    so_far += fragment
                    certain, early = stopped(so_far, targets, include=include, final=False)
                    assert given == certain, (strings, cuts)
                    assert engine.done is (early is not None)
                given += whole[:0].join(engine.finish())
            else:
                source = (pulled.append(fragment) or fragment for fragment in cuts)
                given = whole[:0].join(engine.iterate(source))
                end = len(whole[:0].join(pulled)) - len(engine.rest)
                if found is not None:
                    assert whole[:0].join(pulled)[:end].endswith(found)
            assert (given, engine.matched and kind(engine.matched)) == (text, found), (strings, cuts)


def test_the_pieces_of_the_twins_are_the_same():
    """Not only joined: the same pieces of the same fragments."""
    native = pytest.importorskip("streamcore._native.text.sections").SectionsEngine
    from streamcore._pure.text.sections import SectionsEngine

    rnd = random.Random(SEED)
    for _ in range(int(500 * SCALE)):
        markers, options, text = random_case(rnd)
        twins = native(markers, **options), SectionsEngine(markers, **options)
        for fragment in random_cuts(rnd, rnd.choice(KINDS)(text)):
            one, other = (list(map(plain, twin.feed(fragment))) for twin in twins)
            assert one == other, (markers, options, text)
            assert twins[0].offset == twins[1].offset
