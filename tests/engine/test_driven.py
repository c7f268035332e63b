"""An engine has one driver at a time: an iterator until it ends, otherwise whoever calls it."""

from __future__ import annotations

import gc

import pytest
from engine_cases import ENGINES, make
from recorder import Source

WAYS = ("iterate", "batches")
CALLS = {
    "feed": lambda engine: engine.feed(b"x"),
    "finish": lambda engine: engine.finish(),
    "reset": lambda engine: engine.reset(),
    "iterate": lambda engine: engine.iterate(iter([b"x"])),
    "batches": lambda engine: engine.batches(iter([b"x"])),
}


def title(name):
    return name.removesuffix("Engine")


def drive(backend, name, way, source):
    engine = make(backend, name)
    return engine, getattr(engine, way)(source)


def is_free(engine):
    """Whether the engine takes input of its own again."""
    engine.reset()
    engine.feed(b"ab")
    engine.reset()
    return True


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENGINES)
def test_a_call_beside_an_iterator_is_refused_and_loses_nothing(backend, name, way, call):
    data = ENGINES[name][1]
    whole = list(make(backend, name).iterate(iter([data, b"1", data])))
    engine, items = drive(backend, name, way, Source([data, b"1", data]))
    found = []
    refused = f"^{title(name)} engine is driven by an iterator: exhaust or close it first$"
    while True:
        with pytest.raises(ValueError, match=refused):
            CALLS[call](engine)
        try:
            one = next(items)
        except StopIteration:
            break
        found += [one] if way == "iterate" else list(one)
    assert found == whole
    assert is_free(engine)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENGINES)
def test_a_second_iterator_that_is_refused_leaves_its_source_alone(backend, name, way):
    engine, items = drive(backend, name, way, iter([ENGINES[name][1]]))
    asked = []

    class Fragments:
        def __iter__(self):
            asked.append(1)
            return iter([])

    with pytest.raises(ValueError, match="is driven by an iterator"):
        getattr(engine, way)(Fragments())
    assert not asked
    items.close()


@pytest.mark.parametrize("place", ["iter", "next", "close"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENGINES)
def test_the_source_itself_cannot_call_the_engine(backend, name, way, place):
    data = ENGINES[name][1]
    refused = []

    def call_all():
        for call in CALLS.values():
            with pytest.raises(ValueError, match=f"^{title(name)} engine already executing$"):
                call(engine)
            refused.append(1)

    class Fragments(Source):
        def __iter__(self):
            if place == "iter":
                call_all()
            return self

        def __next__(self):
            if place == "next":
                call_all()
            return super().__next__()

        def close(self):
            if place == "close":
                call_all()
            super().close()

    engine = make(backend, name)
    found = list(getattr(engine, way)(Fragments([data, b"1", data])))
    whole = list(getattr(make(backend, name), way)(iter([data, b"1", data])))
    assert found == whole
    assert len(refused) == len(CALLS) * (4 if place == "next" else 1)
    assert is_free(engine)


def close(items):
    next(items)
    items.close()


def drop(items):
    next(items)
    del items
    gc.collect()


def close_at_once(items):
    items.close()


@pytest.mark.parametrize("end", [list, close, drop, close_at_once])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENGINES)
def test_the_engine_is_free_once_its_iterator_has_ended(backend, name, way, end):
    def run():
        engine, items = drive(backend, name, way, source)
        end(items)
        return engine

    source = Source([ENGINES[name][1], ENGINES[name][1]])
    engine = run()
    assert source.closed == 1
    assert is_free(engine)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENGINES)
def test_the_engine_is_free_after_an_error_of_the_source_of_iter_or_of_close(backend, name, way):
    engine, items = drive(backend, name, way, Source([ENGINES[name][1]], OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        list(items)
    assert is_free(engine)
    with pytest.raises(TypeError, match="not iterable"):
        getattr(engine, way)(5)
    assert is_free(engine)
    items = getattr(engine, way)(Source([ENGINES[name][1]], close_error=OSError("stuck")))
    next(items)
    with pytest.raises(OSError, match="stuck"):
        items.close()
    assert is_free(engine)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENGINES)
def test_an_iterator_closed_midway_forgets_what_is_unfinished_and_keeps_the_offset(backend, name, way):
    data = ENGINES[name][1]
    engine, items = drive(backend, name, way, iter([data, data]))
    next(items)
    items.close()
    assert engine.offset == len(data)
    assert engine.finish() == []


@pytest.mark.parametrize("name", ENGINES)
def test_an_iterator_closed_before_its_first_item_changes_nothing(backend, name):
    engine = make(backend, name)
    data = ENGINES[name][1]
    whole = [*engine.feed(data), *engine.feed(data), *engine.finish()]
    engine.reset()
    first = engine.feed(data)
    engine.iterate(iter([data])).close()
    assert [*first, *engine.feed(data), *engine.finish()] == whole


@pytest.mark.parametrize("name", ENGINES)
def test_after_an_error_of_the_source_another_one_can_go_on_from_the_offset(backend, name):
    data = ENGINES[name][1]
    whole = list(make(backend, name).iterate(iter([data * 2])))
    engine = make(backend, name)
    found = []
    with pytest.raises(OSError, match="gone"):
        for item in engine.iterate(Source([data], OSError("gone"))):
            found.append(item)  # noqa: PERF402 - what came before the error counts
    rest = (data * 2)[engine.offset :]
    joined = [*found, *engine.iterate(iter([rest]))]
    assert joined == whole or "".join(joined) == "".join(whole)  # UTF8 gives a flow


def test_an_iterator_needs_nothing_but_next(backend):
    class Bare:
        def __next__(self):
            raise StopIteration

    class Fragments:
        def __iter__(self):
            return Bare()

    assert list(backend.LinesEngine().iterate(Fragments())) == []


def test_words_after_an_iterator_closed_midway_may_be_of_the_other_kind(backend):
    engine = backend.WordsEngine("none")
    items = engine.iterate(iter(["a b c", "d e f"]))
    assert [next(items) for _ in range(3)] == ["a", "b", "cd"]
    items.close()
    assert engine.feed(b"x y ") == [b"x", b"y"]


def test_an_error_that_was_not_delivered_stays_when_the_iterator_is_closed(backend):
    engine = backend.UTF8Engine()
    chunks = engine.iterate(iter([b"abc\xff"]))
    assert next(chunks) == "abc"
    chunks.close()
    with pytest.raises(UnicodeError):
        engine.feed(b"x")
