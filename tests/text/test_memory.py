"""Each allocation made to fail in turn: MemoryError, the engine stays usable, and nothing is lost on a retry (T4)."""

from __future__ import annotations

import pytest

testcapi = pytest.importorskip("_testcapi")
pytestmark = pytest.mark.fails_allocations

TEXT = " one two  thrée 漢字 word😀 " + "x" * 200


def fragments_of(whole):
    return [whole[i : i + 37] for i in range(0, len(whole), 37)]


def fed(engine, fragments, fail):
    """All items, each call tried with its first, second, ... allocation failing until none of them does."""
    items = []
    for call in [*((engine.feed, (fragment,)) for fragment in fragments), (engine.finish, ())]:
        for index in range(200):
            try:
                items += with_failure(*call, index) if fail else call[0](*call[1])
                break
            except MemoryError:
                continue
        else:
            pytest.fail("it never stopped to allocate")
    return items


def with_failure(function, args, index):
    testcapi.set_nomemory(index, index + 1)
    try:
        return function(*args)
    finally:
        testcapi.remove_mem_hooks()


@pytest.mark.parametrize("keep", ["trailing", "none"])
@pytest.mark.parametrize("whole", [TEXT, TEXT.encode()], ids=["str", "bytes"])
def test_words_survive_every_failing_allocation(keep, whole):
    engine = pytest.importorskip("streamcore._native.text.words").WordsEngine(keep)
    expected = fed(engine, fragments_of(whole), fail=False)
    engine.reset()
    assert fed(engine, fragments_of(whole), fail=True) == expected


@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
def test_utf8_survives_every_failing_allocation(errors):
    engine = pytest.importorskip("streamcore._native.text.utf8").UTF8Engine(errors)
    whole = TEXT.encode() if errors == "strict" else TEXT.encode().replace(b"o", b"\xff")
    expected = fed(engine, fragments_of(whole), fail=False)
    engine.reset()
    assert fed(engine, fragments_of(whole), fail=True) == expected
