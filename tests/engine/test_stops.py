"""StopIteration of foreign code that an engine calls is an error: it is not taken for the end of the stream."""

from __future__ import annotations

import codecs
import sys

import pytest
from recorder import Source

TEXT = ["one two three, ", "four five six ", "seven " * 100]
BYTES = [text.encode() for text in TEXT]


def stop(*_):
    raise StopIteration("of foreign code")


codecs.register_error("stops", stop)

ENGINES = {
    "digest": (lambda backend: backend.ContentDefinedEngine(256, digest=stop), BYTES),
    "loads": (lambda backend: backend.JSONLinesEngine(stop), [b"1\n", b"2\n"]),
    "length": (lambda backend: backend.TextSplitterEngine(9, length=stop), TEXT),
    "parse_float": (lambda backend: backend.JSONDeltasEngine(parse_float=stop), ["[1", ".5, 2.5]"]),
    "error handler": (lambda backend: backend.UTF8Engine("stops"), [b"a\xff", b"b"]),
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("way", ["iterate", "feed"])
def test_it_is_raised_as_a_generator_raises_it(backend, name, way):
    make, fragments = ENGINES[name]
    engine = make(backend)
    source = Source(fragments)
    with pytest.raises((RuntimeError, StopIteration)) as caught:
        if way == "iterate":
            list(engine.iterate(source))
        else:
            for fragment in fragments:
                engine.feed(fragment)
            engine.finish()
            engine.finish()
    if way == "iterate" or engine.error is not None:
        assert (caught.type, str(caught.value)) == (RuntimeError, "generator raised StopIteration")
        assert type(caught.value.__cause__) is StopIteration


@pytest.mark.parametrize("name", ["digest", "loads", "parse_float", "error handler"])
def test_the_error_names_the_stage_and_closes_the_source(backend, name):
    make, fragments = ENGINES[name]
    engine = make(backend)
    source = Source(fragments)
    with pytest.raises(RuntimeError) as caught:
        list(engine.iterate(source))
    assert source.closed == 1
    assert engine.error is caught.value
    assert len(caught.value.__notes__) == 1
    assert caught.value.__notes__[0].startswith("in ")


def test_that_of_a_source_that_closes(backend):
    class Closing(Source):
        def close(self):
            raise StopIteration

    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        list(backend.LinesEngine().iterate(Closing([b"a\n"])))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a class in Python cannot give a buffer before")
def test_that_of_a_buffer(backend):
    class Buffer:
        def __buffer__(self, flags):
            raise StopIteration

    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        list(backend.LinesEngine().iterate(iter([Buffer()])))
