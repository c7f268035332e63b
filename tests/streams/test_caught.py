"""``flat_iterator`` with ``caught``: the first exception of an iterable is something to go on with."""

from __future__ import annotations

import contextlib
import gc

import pytest
from recorder import Source


def stream_of(backend, sources, caught):
    return backend.flat_iterator(iter(sources), [], None, caught)


def test_what_it_gives_comes_instead_of_the_rest(backend):
    seen = []

    def caught(error):
        assert sources[0].closes == 1
        seen.append(error)
        return ["more"]

    failure = KeyError("x")
    sources = [Source([1], failure), Source([2])]
    assert list(stream_of(backend, sources, caught)) == [1, "more", 2]
    assert seen == [failure]
    assert [source.closes for source in sources] == [1, 1]
    # an error of a close at the end, and one more, which is not caught
    closing = OSError("close")
    sources = [Source([1], close_error=closing), Source([2], failure)]
    stream = stream_of(backend, sources, caught)
    assert [next(stream), next(stream), next(stream)] == [1, "more", 2]
    with pytest.raises(KeyError):
        next(stream)
    assert seen == [failure, closing]
    assert [source.closes for source in sources] == [1, 1]


def test_what_is_no_exception_passes(backend):
    for error in KeyboardInterrupt(), SystemExit(), GeneratorExit():
        source = Source([1], error)
        with pytest.raises(type(error)):
            list(stream_of(backend, [source], lambda error: [2]))
        assert source.closes == 1


def test_it_may_raise_the_error_again_or_another_one(backend):
    def again(error):
        raise error

    def another(error):
        raise LookupError

    failure = ValueError("x")
    for caught, wanted in (again, failure), (another, None):
        source = Source([1], failure, close_error=OSError("close"))
        with pytest.raises((ValueError, LookupError)) as raised:
            list(stream_of(backend, [source], caught))
        assert wanted is None or raised.value is wanted
        assert wanted is not None or raised.value.__context__ is failure
        assert source.closes == 1
        assert "close" in failure.__notes__[-1]
    for not_iterable in 5, None:
        with pytest.raises(TypeError):
            list(stream_of(backend, [Source([1], failure)], lambda error, given=not_iterable: given))


def test_from_within_nothing_can_be_pulled_or_closed(backend):
    raised = []

    def caught(error):
        for call in stream.close, stream.__next__:
            with pytest.raises(ValueError, match="already executing"):
                call()
            raised.append(call)
        return [2]

    stream = stream_of(backend, [Source([1], KeyError())], caught)
    assert list(stream) == [1, 2]
    assert len(raised) == 2


def test_no_cycle_is_left(backend):
    class Failure(Exception):
        pass

    def failing():
        yield 1
        raise Failure

    def again(error):
        try:
            raise error
        finally:
            del error

    gc.collect()
    gc.disable()
    try:
        for caught in again, lambda error: [2]:
            with contextlib.suppress(Failure):
                list(stream_of(backend, [failing()], caught))
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Failure)]
    finally:
        gc.enable()
