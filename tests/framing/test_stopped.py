"""What ends a call in the middle, and is no error of the input: nothing is lost in silence afterwards."""

import json
from functools import partial

import pytest

FOREIGN = {
    "ContentDefinedEngine": ("digest", len, {"avg_size": 256}, bytes(range(256)) * 20),
    "JSONLinesEngine": ("loads", json.loads, {}, b"1\n2\n3\n4\n"),
    "JSONDeltasEngine": ("parse_float", float, {}, '[1.5,2.5,3.5,[4.5],{"a":5.5}]'),
    "TextSplitterEngine": ("length", len, {"size": 3}, "aa bb cc dd ee "),
}


def _engine(backend, name, at, error):
    """The engine, whose function raises ``error`` at the call of this number."""
    option, function, options, data = FOREIGN[name]
    calls = []

    def stopping(value):
        calls.append(value)
        if len(calls) == at:
            raise error
        return function(value)

    return getattr(backend, name)(**options, **{option: stopping}), data, calls


@pytest.mark.parametrize("name", FOREIGN)
def test_a_stopped_call_took_nothing_in_or_stops_the_engine(backend, name):
    for error in (KeyboardInterrupt, MemoryError):
        engine, data, calls = _engine(backend, name, 0, error)
        whole = list(map(repr, engine.feed(data) + engine.finish()))
        for at in range(1, len(calls) + 1):
            engine, data, _ = _engine(backend, name, at, error)
            items, stopped = [], False
            for call in (partial(engine.feed, data), engine.finish):
                try:
                    items += call()
                except error:
                    try:
                        items += call()
                    except RuntimeError as told:
                        stopped = "stopped in the middle of a call" in str(told)
                        break
            assert stopped or list(map(repr, items)) == whole
            if stopped:
                engine.reset()
                assert list(map(repr, engine.feed(data) + engine.finish())) == whole
