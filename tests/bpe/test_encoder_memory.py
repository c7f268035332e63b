"""Every allocation of the native streaming encoder made to fail in turn: the call raises, its retry loses nothing."""

from __future__ import annotations

import pytest
from interpreter_faults import skip_where_python_crashes

from streamcore.vocab.encodings import CL100K, GPT2, O200K

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi.set_nomemory")
pytestmark = pytest.mark.fails_allocations  # among other things: no collection meanwhile

PLENTY = 200  # more allocations than any call makes
RANKS = {bytes((value,)): value for value in range(256)}
RANKS |= {b"aa": 256, b"aaaa": 257, b" a": 258, b"\n ": 259, b"\n  ": 260, b"  ": 261, b"AB": 262}
WHOLE = {b"ab": 256, b"cde": 257, b"abcdef": 258}  # the last of which merging cannot make
END = "<|end|>"
# options, what was fed before, what is fed while memory fails
CASES = {
    "a word": (CL100K, {}, ["hello wor"], "ld and more"),
    "the first fragment": (CL100K, {}, [], "hello"),
    "bytes inside a character": (CL100K, {}, [b"gr\xc3"], b"\xb6\xc3"),
    "invalid bytes": (CL100K, {}, [b"gr\xc3"], b"a\xffb \xe4"),
    "half a pair": (CL100K, {}, ["a\ud83d"], "\ude00\ud83d"),
    "a long piece": (CL100K, {}, ["ab" * 150, "a" * 50], "a" * 100),
    "a long piece at once": (CL100K, {}, ["ab" * 150], "ba" * 3000),
    "a long piece's end": (CL100K, {}, ["ab" * 150], "ba " + "b" * 300),
    "a large fragment": (O200K, {}, ["wo"], "rds and 123 more\n\n  " * 400),
    "a large fragment of names": (
        O200K,
        {"allowed_special": "all"},
        ["wo<|e"],
        f"nd|> {END} a{END}" * 100 + "<",
    ),
    "two futures": (CL100K, {}, ["a\n" + " " * 40], " " * 30),
    "two futures become one": (CL100K, {}, ["a\n" + " " * 40], " " * 900 + "x" * 400),
    "another two futures": (O200K, {}, ["\u4e2dAB" + "AB" * 40], "AB\u4e2dABAB"),
    "a disallowed name": (GPT2, {}, ["aaa"], f"aa {END}"),
    "too much": (CL100K, {"max_size": 50}, ["ab\n" + " " * 40], " " * 30),
    "invalid bytes under strict": (GPT2, {"errors": "strict"}, [b"abc\xc3"], b"ab\xff"),
    "a token that merging cannot make": (GPT2, {}, ["abcd"], "eg"),
    "the end": (CL100K, {}, ["hello \n  "], None),
    "the end of a long piece": (CL100K, {}, ["a" * 301], None),
    "the end in two futures": (CL100K, {}, ["\n" + " " * 300], None),
}
# An error is made by Python code, which runs while allocations fail.
ERRORS = ("a disallowed name", "invalid bytes under strict", "too much")


def step(engine, fragment):
    try:
        items = engine.finish() if fragment is None else engine.feed(fragment)
    except ValueError as error:
        return str(error)
    return [number for ids in items for number in ids.tolist()], str(engine.error)


def rest(engine, fragment):
    if fragment is None or engine.error is not None:
        return None
    more = " more\n\n of it" if isinstance(fragment, str) else b"\x9f more"
    return step(engine, more), step(engine, None), engine.offset


@pytest.fixture(params=CASES)
def case(request, backend):
    if backend.name == "pure":
        pytest.skip("the allocations of the interpreter itself are not ours to survive")
    if request.param in ERRORS:
        skip_where_python_crashes("fails_allocations_in_python")
    pattern, options, before, fragment = CASES[request.param]
    ranks = {bytes((value,)): value for value in range(256)} | WHOLE if "merging" in request.param else RANKS
    core = backend.BPECore(ranks, pattern, {END: 300})

    def make():
        engine = backend.BPEEncoder(core, **options)
        return engine, [step(engine, part) for part in before]

    return make, fragment


@pytest.mark.parametrize("lasting", [False, True])
def test_each_allocation_failing_loses_nothing(case, lasting):
    make, fragment = case
    engine, _ = make()
    wanted = step(engine, fragment), engine.offset, rest(engine, fragment)
    failures = successes = 0
    for index in range(PLENTY):
        engine, _ = make()
        offset = engine.offset
        action = engine.finish if fragment is None else engine.feed
        arguments = () if fragment is None else (fragment,)
        got = error = None
        _testcapi.set_nomemory(index, 0 if lasting else index + 1)
        try:
            got = action(*arguments)
        except MemoryError:
            failures += 1
        except ValueError as caught:
            error = caught
        finally:
            _testcapi.remove_mem_hooks()
        if got is None and error is None:
            successes = 0
            if engine.error is None:  # else its ids were out already, and every further call raises it
                assert engine.offset == offset
            first = step(engine, fragment)
        elif error is not None:
            successes += 1
            first = str(error)
        else:
            successes += 1
            first = [number for ids in got for number in ids.tolist()], str(engine.error)
        assert (first, engine.offset, rest(engine, fragment)) == wanted
        if successes == 12:
            break
    else:
        pytest.fail(f"still failing after {PLENTY} allocations")
    assert failures > 0
