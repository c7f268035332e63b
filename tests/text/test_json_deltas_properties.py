"""Every way to cut a document gives the deltas of ``json.loads`` of the whole, and the error at the first wrong byte.

``STREAMCORE_TEST_SCALE`` multiplies the number of random fragmentations; 1 makes about 8,000 a backend.
"""

from __future__ import annotations

import json
import os
import random

import pytest
from json_oracle import (
    broken,
    deltas_of,
    first_wrong,
    joined,
    plain,
    random_cuts,
    random_document,
    without_number,
)

from streamcore.errors import IncompleteItem, InvalidFrame

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20261126"))
KINDS = (lambda text: text, lambda text: text.encode("utf-8", "surrogatepass"))


def run(engine, cuts, by_feed):
    """The items and the error."""
    items = []
    try:
        if by_feed:
            for fragment in cuts:
                items += engine.feed(fragment)
                if engine.error is not None:
                    engine.feed("")
            items += engine.finish()
            engine.finish()
        else:
            items.extend(engine.iterate(iter(cuts)))
    except (ValueError, EOFError) as error:
        return items, error
    return items, None


@pytest.mark.parametrize("kind", KINDS, ids=["str", "bytes"])
def test_random_documents(backend, kind):
    rnd = random.Random(f"{SEED} documents")
    for _ in range(int(600 * SCALE)):
        text = random_document(rnd)
        wanted = joined(deltas_of(text))
        engine = backend.JSONDeltasEngine()
        for _ in range(3):
            engine.reset()
            cuts = random_cuts(rnd, kind(text))
            items, error = run(engine, cuts, rnd.random() < 0.5)
            assert error is None
            assert joined(list(map(plain, items))) == wanted, cuts
            assert repr(backend.json_folded(items)) == repr(json.loads(text))


@pytest.mark.parametrize("kind", KINDS, ids=["str", "bytes"])
def test_whole_strings_and_snapshots(backend, kind):
    rnd = random.Random(f"{SEED} whole")
    for _ in range(int(300 * SCALE)):
        text = random_document(rnd)
        wanted = json.loads(text)
        cuts = random_cuts(rnd, kind(text))
        items, _ = run(backend.JSONDeltasEngine(whole_strings=True), cuts, rnd.random() < 0.5)
        assert [repr(plain(item)) for item in items] == [repr(item) for item in deltas_of(text)]
        for options in ({}, {"whole_strings": True}, {"strict": False}):
            engine = backend.JSONDeltasEngine(as_="snapshot", **options)
            items, error = run(engine, cuts, rnd.random() < 0.5)
            assert error is None
            assert repr(items[-1]) == repr(wanted), cuts


@pytest.mark.parametrize("kind", KINDS, ids=["str", "bytes"])
def test_the_error_stands_at_the_first_character_that_nothing_can_follow(backend, kind):
    rnd = random.Random(f"{SEED} broken")
    for _ in range(int(150 * SCALE)):
        text = broken(rnd, random_document(rnd))
        if text.startswith("\ufeff"):
            continue  # a mark in bytes
        place = first_wrong(text)
        try:
            wanted = joined(deltas_of(text))
            assert place is None
        except ValueError:
            wanted = None
        kinds = set()
        for _ in range(3):
            cuts = random_cuts(rnd, kind(text))
            items, error = run(backend.JSONDeltasEngine(), cuts, rnd.random() < 0.5)
            kinds.add((joined(list(map(plain, items))).__repr__(), repr(error), str(error)))
            if wanted is not None:
                assert error is None
                assert joined(list(map(plain, items))) == wanted, cuts
            elif place is None:
                assert isinstance(error, IncompleteItem), (text, error)
                assert (error.size, error.offset) == (len(kind(text)), 0)
            else:
                assert isinstance(error, InvalidFrame), (text, error)
                assert error.offset == len(kind(text[:place])), (text, error)
        assert len(kinds) == 1, (text, kinds)


@pytest.mark.parametrize("strict", [True, False])
def test_twins_of_broken_documents(strict):
    """Items, errors, notes and the rest are the same, and do not depend on the cut."""
    native = pytest.importorskip("streamcore._native.text.json_deltas").JSONDeltasEngine
    from streamcore._pure.text.json_deltas import JSONDeltasEngine

    rnd = random.Random(f"{SEED} twins {strict}")
    for _ in range(int(700 * SCALE)):
        text = rnd.choice(("", "", "", " ", "```json\n", "``", "\ufeff")) + broken(rnd, random_document(rnd))
        text += rnd.choice(("", "", "\n```\nso", "x", " "))
        whole = rnd.choice(KINDS)(text)
        if type(whole) is bytes and rnd.random() < 0.3:
            at = rnd.randrange(len(whole) + 1)
            whole = (
                whole[:at]
                + rnd.choice((b"\xff", b"\xc3", b"\xed\xa0", b"\xf0\x9f\x98", b"\xf0\x80"))
                + whole[at:]
            )
        options = {
            "strict": strict,
            "as_": rnd.choice(("delta", "delta", "snapshot")),
            "whole_strings": rnd.random() < 0.3,
            "max_size": rnd.choice((None, None, 1, 3, 8)),
            "max_depth": rnd.choice((512, 512, 1, 2)),
        }
        cuts = random_cuts(rnd, whole)
        outcomes = []
        for engine in (native(**options), JSONDeltasEngine(**options)):
            items, error = run(engine, cuts, True)
            shown = [item if options["as_"] == "snapshot" else plain(item) for item in items]
            notes = getattr(error, "__notes__", None)
            outcomes.append((repr(shown), repr(error), str(error), notes, engine.rest, engine.offset))
        assert outcomes[0] == outcomes[1], (options, cuts)
        items, error = run(native(**options), [whole], True)
        if options["as_"] == "delta":
            shown, told = joined(list(map(plain, items))), (repr(error), str(error))
            items, error = run(native(**options), cuts, False)
            assert (joined(list(map(plain, items))), (repr(error), str(error))) == (shown, told), (
                options,
                cuts,
            )


@pytest.mark.parametrize("kind", KINDS, ids=["str", "bytes"])
def test_snapshots_are_those_of_jiter(backend, kind):
    """But that it shows the ``12`` of a coming ``1234``."""
    jiter = pytest.importorskip("jiter")
    rnd = random.Random(f"{SEED} jiter")
    for _ in range(int(150 * SCALE)):
        text = random_document(rnd)
        if any("\ud800" <= char <= "\udfff" for char in text + str(json.loads(text))):
            continue  # which jiter refuses
        engine = backend.JSONDeltasEngine(as_="snapshot")
        latest = []
        for at in range(len(text)):
            latest = engine.feed(kind(text[at])) or latest
            part = without_number(text[: at + 1]).encode()
            try:
                wanted = jiter.from_json(part, partial_mode="trailing-strings")
            except ValueError:
                continue  # nothing there yet
            if latest or part.strip():
                assert repr(latest[-1]) == repr(wanted), part
