"""Encoders and decoders that are stopped in the middle of a call, where any line of Python may fail (T4, T7).

What is not rolled back must not go on: after it, the ids are those of the whole text, or every call says RuntimeError.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
from _thread import interrupt_main
from functools import partial
from operator import call

import pytest
from interpreter_faults import skip_where_python_crashes

from streamcore.vocab.encodings import CL100K

RANKS = {bytes((value,)): value for value in range(256)}
RANKS |= {b"aa": 256, b"aaaa": 257, b" a": 258, b"\n ": 259, "é".encode(): 260}
END = "<|end|>"
MOST = 3000  # more allocations than any call makes
QUIET = 12
REENTERED = inspect.CO_GENERATOR  # once more when it is closed, where nothing can be raised

MAKERS = {
    "another pattern": (r"\w+|\s+|.", {}),
    "NFC": (CL100K, {"normalization": "NFC"}),
    "another pattern and NFC": (r"\w+|\s+|.", {"normalization": "NFC"}),
    "a known pattern": (CL100K, {}),
}
CASES = {
    "text": (["aae\u0301 a"], f"a {END} e\u0301\u0301 aaaa\n e", ["\u0301<|en", "d|> aa"]),
    "bytes": (["aaé".encode()[:-1]], b"\xa9 <|end|>e\xcc\x81 aaaa e", [b"\xcc\x81 a"]),
    "the end": (["aae\u0301 a<|e"], None, []),
    "the end of bytes": ([b"aae\xcc"], None, []),
}


def ids(items) -> list[int]:
    return [number for array in items for number in array.tolist()]


def made(backend, name):
    pattern, options = MAKERS[name]
    pytest.importorskip("regex")
    core = backend.BPECore(RANKS, pattern, {END: 300}, **options)
    return lambda: backend.BPEEncoder(core, allowed_special="all")


def acted(engine, fragment):
    return engine.finish() if fragment is None else engine.feed(fragment)


def gone_on(engine, given, fragment, rest, wanted):
    """Try again and go on: all the ids, or the engine says each time that it was stopped, and can be reset."""
    try:
        given = given + ids(acted(engine, fragment))
    except RuntimeError:
        for again in (partial(engine.feed, "a"), engine.finish, partial(engine.iterate, [])):
            with pytest.raises(RuntimeError, match="was stopped in the middle of a call"):
                again()
        engine.reset()
        assert engine.error is None
        return False
    for part in rest:
        given += ids(engine.feed(part))
    assert given + ids(engine.finish()) == wanted
    return True


def whole(make, before, fragment, rest):
    engine = make()
    given = [number for part in before for number in ids(engine.feed(part))]
    for part in [*([] if fragment is None else [fragment]), *rest]:
        given += ids(engine.feed(part))
    return given + ids(engine.finish())


@pytest.mark.fails_allocations
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # generators that CPython cannot close
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", MAKERS)
def test_no_failing_allocation_loses_or_doubles(backend, name, case):
    """One at a time: while all fail, CPython 3.11 does not get out of a ``for`` over a range."""
    testcapi = pytest.importorskip("_testcapi")
    skip_where_python_crashes("fails_allocations_in_python")
    make = made(backend, name)
    before, fragment, rest = CASES[case]
    wanted = whole(make, before, fragment, rest)
    failures = successes = 0
    for index in range(MOST):
        engine = make()
        given = [number for part in before for number in ids(engine.feed(part))]
        result = None
        testcapi.set_nomemory(index, index + 1)
        try:
            result = acted(engine, fragment)
        except (MemoryError, ValueError):  # the pattern's, which has no memory
            failures += 1
        finally:
            testcapi.remove_mem_hooks()
        if result is not None:
            successes += 1
            if engine.error is not None:
                continue  # what the pattern could not match is said by the next call
            given += ids(result)
            for part in rest:
                given += ids(engine.feed(part))
            assert given + ids(engine.finish()) == wanted, index
            if successes == QUIET:
                break
        else:
            successes = 0
            if engine.error is None or isinstance(engine.error, RuntimeError):
                gone_on(engine, given, fragment, rest, wanted)
    else:
        pytest.fail(f"still failing after {MOST} allocations")
    assert failures


class Interrupt(Exception):
    """Raised where a function begins, as one of the places where Ctrl-C is."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", MAKERS)
def test_no_interrupt_loses_or_doubles(backend, name, case):
    make = made(backend, name)
    before, fragment, rest = CASES[case]
    wanted = whole(make, before, fragment, rest)
    stopped = 0
    for number in range(10_000):
        engine = make()
        given = [number for part in before for number in ids(engine.feed(part))]
        calls = 0

        def trace(frame, event, argument, number=number):
            nonlocal calls
            code = frame.f_code
            if event == "call" and "streamcore" in code.co_filename and not code.co_flags & REENTERED:
                calls += 1
                if calls == number + 1:
                    raise Interrupt

        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            acted(engine, fragment)
        except Interrupt:
            pass
        else:
            break
        finally:
            sys.settrace(previous)
        stopped += not gone_on(engine, given, fragment, rest, wanted)
    else:
        pytest.fail("still interrupted")
    assert stopped or backend.name == "native"


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupt_ends_a_batch_of_texts(backend, threads):
    """Pending when the work begins, it is raised before all is encoded; no thread is left and the core goes on."""
    core = backend.BPECore(RANKS, CL100K, {END: 300})
    texts = ["aaaa a" * 50_000] * 20
    reached = []
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        encode = partial(core.encode_batch, texts, threads)
        with pytest.raises(KeyboardInterrupt):
            # in C from one call to the next: between lines of Python it would be raised at once
            list(map(call, (interrupt_main, encode, partial(reached.append, True))))
    finally:
        signal.signal(signal.SIGINT, previous)
    assert not reached
    for thread in threading.enumerate():
        if "_work" in thread.name:
            thread.join(60)
            assert not thread.is_alive()
    ids, offsets = core.encode_batch(texts[:2], threads)
    assert offsets.tolist() == [0, len(ids) // 2, len(ids)]
    assert ids.tolist() == 2 * core.encode_ordinary_to_list(texts[0])
