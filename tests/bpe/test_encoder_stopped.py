"""Encoders whose calls are broken off at every point in turn: the ids are right after a retry, or calls are refused.

Never is text lost, or given twice, in silence: not without memory, and not by Ctrl-C, on both backends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from _thread import interrupt_main
from collections.abc import Callable
from functools import cache, partial
from operator import call as called
from typing import Any

import pytest
from interpreter_faults import skip_where_python_crashes
from native_classes import SPECIAL, vocabulary

from streamcore.vocab.encodings import CL100K, R50K

# An exception in the finalizer of a generator goes nowhere: nothing is broken off.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

UNKNOWN = r"\w+|\W+"
KINDS = {
    "plain": {},
    "NFC": {"normalization": "NFC"},
    "unknown pattern": {"pattern": UNKNOWN},
    "unknown pattern with NFC": {"pattern": UNKNOWN, "normalization": "NFC"},
}
# Characters, special tokens and what NFC joins lie across the ends; 50 letters make ids before their piece ends.
PARTS = [
    "one the",
    "\u0301 other <|e",
    "nd|> e",
    "\u0301",
    "\u0301 th" + "oneer" * 10,
    "<|end|><|mid|>\n\n",
    "一e",
]
REFUSED = (
    "BPEEncoder was stopped in the middle of a call, so that what follows may be wrong: call reset() first"
)
SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
PLENTY = 3000  # more points than any call has
DENSE = 30  # every point up to this one is tried, and of those after it each seventh, or all at a scale of 10
STRIDE = 1 if SCALE >= 10 else 7
QUIET = 12  # so many successes in a row mean that the failing point comes after the call


@cache
def core(backend: Any, kind: str) -> Any:
    if "unknown" in kind:
        pytest.importorskip("regex")
    options = {"pattern": R50K, "cache_bytes": 4096, **KINDS[kind]}
    return backend.BPECore(vocabulary(), options.pop("pattern"), SPECIAL, **options)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def new(backend: Any, kind: str) -> Callable[[], Any]:
    return lambda: backend.BPEEncoder(
        core(backend, kind), allowed_special=["<|end|>"], disallowed_special=(), max_size=1000
    )


def flat(items: list[Any]) -> list[int]:
    return [number for ids in items for number in ids.tolist()]


def all_ids(engine: Any) -> list[int]:
    return flat([ids for part in PARTS for ids in engine.feed(part)] + engine.finish())


class Injected(BaseException):
    """Something that no code expects."""


def interrupted(action: Callable[[], Any], point: int, _: int) -> Any:
    """Run ``action`` with an exception at a point where Ctrl-C is looked for: a function begins, or one in C ends.

    Also where one in C begins: it may find no memory.
    """
    left = [point]
    mine = sys._getframe()

    def profile(frame: Any, event: str, _: Any) -> None:
        if frame is mine or event == "return":
            return
        left[0] -= 1
        if left[0] < 0:
            sys.setprofile(None)
            raise Injected

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        return action()
    finally:
        sys.setprofile(before)


def failing(action: Callable[[], Any], start: int, stop: int) -> Any:
    """Run ``action`` while the allocations from number ``start`` up to ``stop`` fail (0: all from there on)."""
    testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi.set_nomemory")
    testcapi.set_nomemory(start, stop)
    try:
        return action()
    finally:
        testcapi.remove_mem_hooks()


def one_allocation(action: Callable[[], Any], index: int, _: int) -> Any:
    return failing(action, index, index + 1)


def a_few_allocations(action: Callable[[], Any], index: int, _: int) -> Any:
    """So that undoing it may fail too. (Without any memory CPython aborts in its own handling of exceptions.)"""
    return failing(action, index, index + 4)


WAYS = pytest.mark.parametrize(
    "way",
    [
        pytest.param(interrupted, id="interrupted"),
        pytest.param(one_allocation, id="an allocation fails", marks=pytest.mark.fails_allocations),
        pytest.param(a_few_allocations, id="a few allocations fail", marks=pytest.mark.fails_allocations),
    ],
)


def assert_refuses(engine: Any, expected: list[int]) -> None:
    for call in (partial(engine.feed, "x"), engine.finish, partial(engine.iterate, ["x"]), engine.finish):
        with pytest.raises(RuntimeError) as caught:
            call()
        assert str(caught.value) == REFUSED
    engine.reset()
    assert all_ids(engine) == expected


def attempt(engine: Any, at: int, point: int, way: Any, expected: list[int]) -> str:
    """What becomes of a stream whose call number ``at`` is broken off at ``point`` and made again."""
    outcome = "passed"
    ids: list[int] = []
    calls = [*(partial(engine.feed, part) for part in PARTS), engine.finish]
    for number, call in enumerate(calls):
        try:
            items = way(call, point, 0) if number == at else call()
        except (MemoryError, Injected):
            outcome = "undone"
            try:
                items = call()
            except RuntimeError:
                assert_refuses(engine, expected)
                return "refused"
        ids += flat(items)
    assert ids == expected
    return outcome


def each_point(run: Callable[[int], str]) -> set[str]:
    """The outcomes of ``run`` for points further and further on, until there is no further one."""
    outcomes, quiet = set(), 0
    for point in (*range(DENSE), *range(DENSE, PLENTY, STRIDE)):
        try:
            outcome = run(point)
        except AssertionError as error:
            error.add_note(f"at point {point}")
            raise
        outcomes.add(outcome)
        quiet = quiet + 1 if outcome == "passed" else 0
        if quiet == QUIET:
            return outcomes
    pytest.fail(f"still failing after {PLENTY} points")


@WAYS
@pytest.mark.parametrize("at", range(len(PARTS) + 1))
def test_call_broken_off_anywhere(new: Any, backend: Any, kind: str, way: Any, at: int) -> None:
    if way is not interrupted:
        skip_where_python_crashes("fails_allocations_in_python")
    expected = all_ids(new())
    assert expected == core(backend, kind).encode_to_list(
        "".join(PARTS), allowed_special=["<|end|>"], disallowed_special=()
    )
    outcomes = each_point(lambda point: attempt(new(), at, point, way, expected))
    assert outcomes > {"passed"} or (kind == "plain" and backend.name == "native" and way is interrupted)


def attempt_to_iterate(engine: Any, at: int, point: int, way: Any, expected: list[int]) -> str:
    """The same of an iterator; what it did not take in is fed from ``offset`` on."""
    ids: list[int] = []
    running = engine.iterate(iter(PARTS))
    pulls = 0
    try:
        while True:
            pull = partial(next, running, None)
            item = way(pull, point, 0) if pulls == at else pull()
            pulls += 1
            if item is None:
                break
            ids += item.tolist()
    except (MemoryError, Injected):
        running.close()  # of the native core it could go on after a MemoryError
        text = "".join(PARTS)[engine.offset :]
        try:
            ids += flat((engine.feed(text) if text else []) + engine.finish())
        except RuntimeError:
            assert_refuses(engine, expected)
            return "refused"
        assert ids == expected
        return "undone"
    assert ids == expected
    return "passed"


@WAYS
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_iterator_broken_off_anywhere(new: Any, way: Any, at: int) -> None:
    if way is not interrupted:
        skip_where_python_crashes("fails_allocations_in_python")
    expected = all_ids(new())
    each_point(lambda point: attempt_to_iterate(new(), at, point, way, expected))


@WAYS
def test_reset_broken_off_anywhere(new: Any, way: Any) -> None:
    if way is not interrupted:
        skip_where_python_crashes("fails_allocations_in_python")
    expected = all_ids(new())

    def run(point: int) -> str:
        engine = new()
        engine.feed("one th")
        try:
            way(engine.reset, point, 0)
        except (MemoryError, Injected):
            try:
                engine.feed("")
            except RuntimeError as error:
                refused = str(error)
                assert refused == REFUSED
            engine.reset()
            assert all_ids(engine) == expected
            return "undone"
        assert all_ids(engine) == expected
        return "passed"

    each_point(run)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupt_ends_a_batch_of_texts(backend, threads):
    """Pending when the work begins, it is raised before all is encoded; no thread is left and the core goes on."""
    core = backend.BPECore({bytes((i,)): i for i in range(256)} | {b"aa": 256, b" a": 257}, CL100K)
    texts = ["aaaa a" * 50_000] * 20
    reached = []
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        encode = partial(core.encode_many, texts, threads)
        with pytest.raises(KeyboardInterrupt):
            # in C from one call to the next: between lines of Python it would be raised at once
            list(map(called, (interrupt_main, encode, partial(reached.append, True))))
    finally:
        signal.signal(signal.SIGINT, previous)
    assert not reached
    for thread in threading.enumerate():
        if "_work" in thread.name:
            thread.join(60)
            assert not thread.is_alive()
    ids, offsets = core.encode_many(texts[:2], threads)
    assert offsets.tolist() == [0, len(ids) // 2, len(ids)]
    assert ids.tolist() == 2 * core.encode_ordinary_to_list(texts[0])


def test_an_interrupt_while_waiting_leaves_no_thread_at_work(backend, monkeypatch):
    core = backend.BPECore({bytes((i,)): i for i in range(256)}, CL100K)
    join, interrupts = threading.Thread.join, iter([KeyboardInterrupt])

    def interrupted_join(thread, timeout=None):
        for interrupt in interrupts:
            raise interrupt
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted_join)
    before = set(threading.enumerate())
    try:
        core.encode_many(["some text"] * 5000, 3)
    except KeyboardInterrupt:
        assert set(threading.enumerate()) <= before
    else:
        assert backend.name == "pure"  # which has no thread
