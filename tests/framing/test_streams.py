"""How a stream of items pulls, ends and cleans up: the source is closed exactly once, whatever happens."""

from __future__ import annotations

import gc
import itertools
import threading

import pytest
from recorder import Source

from streamcore.errors import ItemTooLarge

WAYS = ["iterate", "batches"]


def stream(backend, source, way="iterate", **options):
    return getattr(backend.LinesEngine(**options), way)(source)


@pytest.mark.parametrize("way", WAYS)
def test_an_exhausted_source_is_closed_once(backend, way):
    source = Source([b"a\nb"])
    items = stream(backend, source, way)
    assert len(list(items)) == 2
    assert source.closed == 1
    items.close()
    assert list(items) == []
    assert source.closed == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_closed_stream_has_closed_its_source_and_gives_nothing_more(backend, way):
    source = Source(itertools.repeat(b"a\nb\nc\n"))
    items = stream(backend, source, way)
    next(items)
    items.close()
    assert (source.closed, source.pulled) == (1, 1)
    items.close()
    assert list(items) == []
    assert source.closed == 1


@pytest.mark.parametrize("way", WAYS)
def test_closing_before_the_first_pull_closes_the_source(backend, way):
    source = Source([b"a"])
    stream(backend, source, way).close()
    assert (source.closed, source.pulled) == (1, 0)


@pytest.mark.parametrize("way", WAYS)
def test_breaking_off_an_infinite_source_closes_it_at_once(backend, way):
    source = Source(itertools.repeat(b"a\nb\n"))
    for _, _item in zip(range(3), stream(backend, source, way), strict=False):
        pass
    assert source.closed == 1
    assert source.pulled <= 4


@pytest.mark.parametrize("started", [False, True])
def test_a_stream_that_is_dropped_closes_its_source(backend, started):
    source = Source([b"a\nb"])
    items = stream(backend, source)
    if started:
        next(items)
    del items
    assert source.closed == 1


def test_a_stream_in_a_reference_cycle_closes_its_source_when_collected(backend):
    source = Source([b"a\nb"])
    items = stream(backend, source)
    cycle = [items]
    source.cycle = cycle
    cycle.append(source)
    fragments = source
    closed = []
    source.close = lambda: closed.append(1)
    del items, cycle, source, fragments
    gc.collect()
    assert closed == [1]


def test_a_generator_as_source_runs_its_finally(backend):
    ends = []

    def fragments():
        try:
            yield b"a\n"
            yield b"b\n"
        finally:
            ends.append("closed")

    items = stream(backend, fragments())
    assert next(items) == b"a"
    items.close()
    assert ends == ["closed"]


def test_the_next_fragment_is_pulled_only_when_no_item_is_left(backend):
    source = Source([b"a\nb\nc", b"\n", b"d"])
    items = stream(backend, source)
    assert (next(items), next(items), source.pulled) == (b"a", b"b", 1)
    assert (next(items), source.pulled) == (b"c", 2)
    assert (next(items), source.pulled) == (b"d", 3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [OSError("gone"), KeyboardInterrupt()])
def test_an_error_of_the_source_passes_through_after_the_items_before_it(backend, way, error):
    source = Source([b"a\nb\n", b"unfinished"], error)
    items = stream(backend, source, way)
    found = []
    with pytest.raises(type(error)) as caught:
        for item in items:
            found += [item] if way == "iterate" else list(item)
    assert found == [b"a", b"b"]
    assert caught.value is error
    assert error.__notes__ == ["in Lines, at byte 14 of its input"]
    assert source.closed == 1
    assert list(items) == []


def test_a_note_of_a_stage_further_up_stands_alone(backend):
    error = OSError("gone")
    error.add_note("in Download, at byte 5 of its input")
    with pytest.raises(OSError, match="gone"):
        list(stream(backend, Source([], error)))
    assert error.__notes__ == ["in Download, at byte 5 of its input"]


@pytest.mark.parametrize("way", WAYS)
def test_an_error_in_the_input_closes_the_source(backend, way):
    source = Source(itertools.repeat(b"abcd\n"))
    with pytest.raises(ItemTooLarge):
        next(stream(backend, source, way, max_size=3))
    assert source.closed == 1


@pytest.mark.parametrize("fragment", ["text", 5, memoryview(b"abcdef")[::2]])
def test_a_fragment_of_the_wrong_kind_closes_the_source(backend, fragment):
    source = Source([b"a\nb", fragment])
    items = stream(backend, source)
    assert next(items) == b"a"
    with pytest.raises((TypeError, BufferError), match="Lines takes") as caught:
        next(items)
    assert caught.value.__notes__ == ["in Lines, at byte 3 of its input"]
    assert source.closed == 1


def test_an_error_of_close_reaches_the_caller(backend):
    class Stuck(Source):
        def close(self):
            super().close()
            raise OSError("cannot close")

    source = Stuck([b"a\n"])
    items = stream(backend, source)
    assert next(items) == b"a"
    with pytest.raises(OSError, match="cannot close"):
        items.close()
    items.close()
    with pytest.raises(OSError, match="cannot close"):
        list(stream(backend, Stuck([b"a\n"])))
    with pytest.raises(ZeroDivisionError) as caught:
        list(stream(backend, Stuck([b"a\n"], ZeroDivisionError())))
    assert "closing its source failed too: OSError('cannot close')" in caught.value.__notes__
    assert source.closed == 1


def test_a_source_without_close_is_fine(backend):
    assert list(stream(backend, iter([b"a"]))) == [b"a"]
    items = stream(backend, [b"a\nb"])
    assert next(items) == b"a"
    items.close()


def test_pulling_a_stream_from_its_own_source_is_refused(backend):
    seen = []

    def fragments():
        yield b"a\n"
        for call in (lambda: next(items), items.close):
            with pytest.raises(ValueError, match="generator already executing"):
                call()
            seen.append(1)
        yield b"b\n"

    items = stream(backend, fragments())
    assert list(items) == [b"a", b"b"]
    assert seen == [1, 1]


@pytest.mark.shares_a_generator(backend="pure")
def test_two_threads_on_one_stream_lose_nothing_in_memory(backend):
    lines = [b"line %d" % n for n in range(20000)]
    data = b"\n".join(lines)
    items = stream(backend, iter([data[i : i + 1000] for i in range(0, len(data), 1000)]))
    found: list[bytes] = []

    def take():
        while True:
            try:
                found.append(next(items))
            except ValueError as error:
                assert "already executing" in str(error)  # noqa: PT017 - the other thread is pulling
            except StopIteration:
                return

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(lines)
