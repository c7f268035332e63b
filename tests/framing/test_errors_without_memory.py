"""An error of what an engine calls, while one allocation fails: the traceback may be what there is no memory for."""

from __future__ import annotations

import math

import pytest

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi.set_nomemory")
pytestmark = pytest.mark.fails_allocations

CASES = {
    "digest": (lambda backend: backend.ContentDefinedEngine(256, digest=math.sqrt), bytes(5000)),
    "text": (lambda backend: backend.LinesEngine(as_=str), b"a\n\xff\n"),
    "loads": (lambda backend: backend.JSONLinesEngine(int), b"1\nx\n"),
    "loads of text": (lambda backend: backend.JSONLinesEngine(int, as_=str), b"1\n\xff\n"),
    "texts": (lambda backend: backend.JSONLinesEngine(int, sequence=True), b"1\x1e"),
    "UTF-8": (lambda backend: backend.UTF8Engine(), b"ab\xff"),
    "surrogates": (lambda backend: backend.WordsEngine(as_=bytes), "a \ud800 b "),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_without_a_traceback_is_no_crash(backend, case):
    if backend.name == "pure":
        pytest.skip("the allocations of the interpreter itself are not ours to survive")
    make, data = CASES[case]
    outcomes = set()
    for at in range(120):
        engine = make(backend)
        _testcapi.set_nomemory(at, at + 1)
        try:
            engine.feed(data)
        except Exception as error:  # noqa: BLE001 - any of them is an outcome
            outcomes.add(type(error))
        finally:
            _testcapi.remove_mem_hooks()
        if engine.error is not None:
            outcomes.add(type(engine.error))
    assert len(outcomes) >= 2  # memory was missed, and the error was made
