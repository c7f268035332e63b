"""Code of others that a stream calls, and that calls the stream, or another one of its chain, in turn."""

from __future__ import annotations

import pytest
from steps import stepped


class Hooked:
    """An iterator that calls ``hook`` where it is asked to."""

    def __init__(self, where, hook=None):
        self.where = where
        self.hook = hook
        self.closed = 0
        self.seen = []

    def call(self, where):
        if where == self.where and self.hook is not None:
            try:
                self.seen.append(self.hook())
            except Exception as error:  # noqa: BLE001 - what is looked at
                self.seen.append(f"{type(error).__name__}: {error}")

    def __iter__(self):
        return self

    def __next__(self):
        self.call("next")
        return 1

    def close(self):
        self.closed += 1
        self.call("close")

    def fn(self, item):
        self.call("fn")
        return item

    def annotate(self, error):
        self.call("annotate")


class Truth:
    def __init__(self, source):
        self.source = source

    def __bool__(self):
        self.source.call("bool")
        return True


def chain_of(backend, source):
    inner = stepped(backend, "MapStep", source, source.fn, "inner")
    middle = stepped(backend, "FilterStep", inner, lambda item: Truth(source), "middle")
    taken = stepped(backend, "TakeStep", middle, 5)
    outer = backend.closing_iterator(taken, (inner, middle, taken), source.annotate)
    return {"inner": inner, "middle": middle, "taken": taken, "outer": outer}


CALLS = {"next": next, "close": lambda stream: stream.close(), "iter": iter}
BUSY = "ValueError: generator already executing"


@pytest.mark.parametrize("name", ["inner", "middle", "taken", "outer"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", ["next", "fn", "bool"])
def test_a_stream_under_way_is_refused_to_the_code_it_calls(backend, where, call, name):
    source = Hooked(where)
    streams = chain_of(backend, source)
    source.hook = lambda: CALLS[call](streams[name])
    free = call == "iter" or (where == "bool" and name == "inner")
    got = next(streams["outer"])
    if not free:
        assert source.seen == [BUSY]
    elif call == "iter":
        assert source.seen == [streams[name]]
    else:
        assert source.seen == [1 if call == "next" else None]
    assert got == 1
    source.hook = None
    streams["outer"].close()
    assert source.closed == 1


@pytest.mark.parametrize("name", ["inner", "middle", "taken", "outer"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("end", ["close", "exhaust"])
def test_a_stream_that_ends_is_refused_to_the_code_that_closes(backend, end, call, name):
    source = Hooked("close")
    streams = chain_of(backend, source)
    source.hook = lambda: CALLS[call](streams[name])
    if end == "close":
        streams["outer"].close()
    else:
        assert list(streams["outer"]) == [1] * 5
    # when the last one of the chain ends by itself, it has ended before the others begin to
    assert source.seen == [streams[name] if call == "iter" else BUSY] or (
        (end, name) == ("exhaust", "outer") and source.seen == [BUSY]
    )
    assert source.closed == 1


@pytest.mark.parametrize("call", CALLS)
def test_an_annotation_that_calls_its_stream(backend, call):
    def fails(item):
        raise LookupError(item)

    source = Hooked("annotate")
    inner = stepped(backend, "MapStep", source, fails, "inner")
    outer = backend.closing_iterator(inner, (inner,), source.annotate)
    source.hook = lambda: CALLS[call](outer)
    with pytest.raises(LookupError):
        next(outer)
    assert source.seen == [outer if call == "iter" else BUSY]
    assert source.closed == 1


def test_an_annotation_that_fails_leaves_nothing_open(backend):
    def annotate(error):
        raise OSError("no repr")

    source = Hooked("")
    broken = stepped(backend, "MapStep", source, lambda item: item // 0, "share")
    outer = backend.closing_iterator(broken, (broken,), annotate)
    with pytest.raises(ZeroDivisionError) as caught:
        next(outer)
    assert caught.value.__notes__ == [
        "in share, at item 0",
        "and naming the stage failed: OSError('no repr')",
    ]
    assert source.closed == 1


class Mute(Exception):
    def __repr__(self):
        raise OSError("no repr")


@pytest.mark.parametrize("notes", ["text", ["in text", 3], 7])
def test_exceptions_with_odd_notes_and_reprs_leave_nothing_open(backend, notes):
    failure = Mute()
    failure.__notes__ = notes

    def fails(item):
        raise failure

    class Failing(Hooked):
        def close(self):
            super().close()
            raise Mute

    source = Failing("")
    stream = stepped(backend, "MapStep", source, fails, "inner")
    with pytest.raises(Mute) as caught:
        next(backend.closing_iterator(stream, (Hooked(""), stream)))
    assert caught.value is failure
    assert source.closed == 1


@pytest.mark.parametrize("kind", ["MapStep", "FilterStep"])
@pytest.mark.parametrize("stop", [StopIteration("x"), StopIteration()])
def test_stop_iteration_from_a_function_carries_the_note(backend, kind, stop):
    def fn(item):
        raise stop

    source = Hooked("")
    with pytest.raises(RuntimeError, match=r"^generator raised StopIteration") as caught:
        next(stepped(backend, kind, source, fn, "ops.x(f)"))
    assert caught.value.__notes__ == ["in ops.x(f), at item 0"]
    assert caught.value.__cause__ is stop
    assert source.closed == 1


def test_stop_iteration_from_a_truth_value_does_not_end_the_stream_in_silence(backend):
    class Never:
        def __bool__(self):
            raise StopIteration

    source = Hooked("")
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        next(stepped(backend, "FilterStep", source, lambda item: Never(), "f"))
    assert source.closed == 1


def test_a_failing_close_is_raised_where_a_source_in_python_ends(backend):
    class Ends(Hooked):
        def __next__(self):
            raise StopIteration

        def close(self):
            raise OSError("disk")

    source = Ends("")
    with pytest.raises(OSError, match="disk"):
        next(backend.closing_iterator(source, (source,)))


def test_a_dropped_stream_whose_source_calls_it_closes_once(backend):
    import weakref

    source = Hooked("close")
    stream = stepped(backend, "MapStep", source, abs, "m")
    ref = weakref.ref(stream)
    source.hook = lambda: ref() and next(ref())
    del stream
    assert source.closed == 1
    assert source.seen in ([None], [BUSY])
