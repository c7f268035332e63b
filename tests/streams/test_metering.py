"""``metered_iterator`` and its ``Meter``, on both backends: what is counted, and how each stream ends."""

from __future__ import annotations

import gc
import itertools
import time

import pytest
from recorder import Source


class Metered:
    """A metered stream, and what was called, with the counts as they were."""

    def __init__(self, backend, make, *, failing=()):
        self.log = []
        self.time = 0.0
        self.meter = backend.Meter(lambda: self.time)
        self.make, self.failing = make, dict(failing)
        self.stream = backend.metered_iterator(
            self.meter, self.begin, lambda: self.call("first"), lambda error: self.call("end", error)
        )

    def call(self, name, *args):
        self.log.append((name, *args, self.meter.items))
        if name in self.failing:
            raise self.failing[name]

    def begin(self):
        self.call("begin")
        return self.make()


def test_it_begins_with_the_first_pull_and_ends_once(backend):
    metered = Metered(backend, lambda: "ab")
    assert metered.log == []
    assert list(metered.stream) == ["a", "b"]
    assert list(metered.stream) == []
    metered.stream.close()
    assert metered.log == [("begin", 0), ("first", 1), ("end", None, 2)]
    empty = Metered(backend, lambda: "")
    assert list(empty.stream) == []
    assert empty.log == [("begin", 0), ("end", None, 0)]


def test_one_that_never_began_never_ends(backend):
    for way in "closed", "dropped":
        metered = Metered(backend, lambda: "ab")
        if way == "closed":
            metered.stream.close()
            assert list(metered.stream) == []
        metered.stream = None
        gc.collect()
        assert metered.log == []


def test_one_that_is_closed_or_dropped_ends_by_a_generator_exit(backend):
    for way in "closed", "dropped":
        source = Source("abc")
        metered = Metered(backend, lambda source=source: source)
        next(metered.stream)
        if way == "closed":
            metered.stream.close()
            metered.stream.close()
            assert list(metered.stream) == []
        metered.stream = None
        gc.collect()
        assert [(entry[0], type(entry[1])) for entry in metered.log[2:]] == [("end", GeneratorExit)]
        assert source.closes == 0  # it is ``end`` that closes


def test_an_error_from_anywhere_ends_it_and_is_raised_as_it_is(backend):
    for where in "begin", "first", "source", "iter":
        error = ValueError(where)
        make = {"source": lambda error=error: Source("", error), "iter": lambda: 3}.get(where, lambda: "ab")
        metered = Metered(backend, make, failing={where: error})
        with pytest.raises((ValueError, TypeError)) as caught:
            next(metered.stream)
        if where != "iter":
            assert caught.value is error
        assert metered.log[-1] == ("end", caught.value, int(where == "first"))
        assert next(metered.stream, "over") == "over"
        assert len([entry for entry in metered.log if entry[0] == "end"]) == 1


def test_what_end_raises_is_raised(backend):
    metered = Metered(backend, lambda: "a", failing={"end": KeyboardInterrupt()})
    assert next(metered.stream) == "a"
    with pytest.raises(KeyboardInterrupt):
        next(metered.stream)
    assert next(metered.stream, "over") == "over"
    metered = Metered(backend, lambda: "a", failing={"end": OSError("shut")})
    next(metered.stream)
    with pytest.raises(OSError, match="shut"):
        metered.stream.close()
    metered.stream.close()


def test_a_stop_of_what_is_called_is_no_end(backend):
    for where in "begin", "first":
        metered = Metered(backend, lambda: "a", failing={where: StopIteration()})
        with pytest.raises(RuntimeError, match="generator raised StopIteration"):
            next(metered.stream)


def test_a_generator_exit_of_the_source_is_raised(backend):
    def source():
        raise GeneratorExit
        yield

    with pytest.raises(GeneratorExit):
        next(Metered(backend, source).stream)


@pytest.mark.parametrize("where", ["begin", "first", "end", "source"])
def test_pulled_and_closed_from_within(backend, where):
    def inside():
        for call in (lambda: next(metered.stream), metered.stream.close):
            with pytest.raises(ValueError, match="already executing"):
                call()
        tried.append(where)

    class Calling(Metered):
        def call(self, name, *args):
            super().call(name, *args)
            if name == where:
                inside()

    def source():
        if where == "source":
            inside()
        yield 1

    tried = []
    metered = Calling(backend, source)
    assert list(metered.stream) == [1]
    assert tried == [where]


def test_sizes_of_chunks_of_any_type(backend):
    class Text(str):
        def encode(self, *args):
            raise ValueError

        def __len__(self):
            return 1000

    class Bytes(bytearray):
        def __len__(self):
            return 1000

    released = memoryview(b"abc")
    released.release()
    words = memoryview(bytes(8)).cast("I")
    for chunk, size in [
        ("abc", 3),
        ("é\ud800", 5),
        ("", 0),
        (Text("abc"), 3),
        (Text("é"), 2),
        (b"ab", 2),
        (bytearray(3), 3),
        (Bytes(4), 4),
        (words, 8),
        (released, 0),
        (backend.View(b"abc"), 3),
        (7, 0),
        (None, 0),
        (["abc"], 0),
    ]:
        meter = backend.Meter(time.monotonic)
        meter.count(chunk)
        assert (meter.items, meter.bytes, meter.waited) == (1, size, 0.0)


def test_the_time_that_is_waited(backend):
    def source():
        for _ in range(3):
            metered.time += 2
            yield "a"
        metered.time += 1

    metered = Metered(backend, source)
    for number, _ in enumerate(metered.stream, 1):
        assert metered.meter.waited == 2 * number
        metered.time += 10  # the consumer's
        assert metered.meter.waited == 2 * number
    assert metered.meter.waited == 7

    meter = backend.Meter(time.monotonic)
    meter.wait()
    before = meter.waited
    assert meter.waited >= before >= 0


def test_the_clock_is_asked_twice_a_chunk(backend):
    ticks = itertools.count()
    meter = backend.Meter(lambda: float(next(ticks)))
    assert (
        len(list(backend.metered_iterator(meter, lambda: range(10), lambda: None, lambda error: None))) == 10
    )
    assert next(ticks) == 21  # and once for the end


def test_it_holds_nothing_once_it_is_over(backend):
    class Kept:
        alive = 0

        def __init__(self):
            Kept.alive += 1

        def __call__(self, *args):
            return iter("a")

        def __iter__(self):
            return self

        def __del__(self):
            Kept.alive -= 1

    stream = backend.metered_iterator(backend.Meter(time.monotonic), Kept(), Kept(), Kept(), Kept())
    assert isinstance(stream.of, Kept)
    assert list(stream) == ["a"]
    gc.collect()
    assert Kept.alive == 0
    assert stream.of is None
