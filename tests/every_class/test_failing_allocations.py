"""Every allocation of the native classes made to fail in turn (T4): survived, and nothing lost on retry.

Every call of ``native_classes`` is tried; ``SCENARIOS`` are moments that need more than one call to get to. The twins
are not tried: there any line may fail.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pytest
from backends import Backend
from interpreter_faults import skip_where_python_crashes
from native_classes import CLASSES, Box, Call, Native, plain, tried

from streamcore.batch import Batch
from streamcore.vocab.encodings import R50K

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi.set_nomemory")
pytestmark = pytest.mark.fails_allocations

LONG = bytes(range(250)) * 4  # 1000 bytes, kept by reference
TEXT = b"some line of text\r\n" * 30 + b"tail"
FRAMES = b"\x02ab\x00\x81\x00x" * 60
PLENTY = 400  # more allocations than any scenario makes
QUIET = 12  # so many successes in a row mean that the failing allocation comes after the action


@dataclass
class Scenario:
    """``act`` is tried on what ``make`` makes until it works; ``look`` shows all of the state that matters.

    A failed ``act`` must leave what ``look`` shows as it was, and the one that works must give the same result and
    state as if nothing had failed. (An ``act`` of several calls may have done the first of them: let it be one call.)
    """

    make: Callable[[Any], Any]
    act: Callable[[Any], Any]
    look: Callable[[Any], Any] = lambda subject: None
    shown: Callable[[Any], Any] = lambda result: result  # what can be compared
    rest: Callable[[Any], Any] = lambda subject: None  # what is taken out in the end


def failing(action: Callable[[], Any], start: int, stop: int) -> Any:
    """Run ``action`` while the allocations from number ``start`` up to ``stop`` fail (0: all from there on)."""
    _testcapi.set_nomemory(start, stop)
    try:
        return action()
    finally:
        _testcapi.remove_mem_hooks()


def filled_ring(backend, *pieces: object, capacity: int = 100_000):
    ring = backend.RingBuffer(capacity)
    for piece in pieces:
        assert ring.write(piece) == len(piece)
    return ring


def turned_ring(backend):
    """Its array of segments is full and starts in the middle."""
    ring = filled_ring(backend, *[LONG] * 10)
    ring.consume(9500)
    for _ in range(15):
        ring.write(LONG)
    return ring


def granted_ring(backend, size: int, *, keep: bool = False):
    ring = filled_ring(backend, b"small", LONG)
    grant = ring.grant(size)
    grant[:] = LONG[:size]
    return (ring, grant[:]) if keep else (ring,)


def ring_state(ring) -> tuple[bytes, int, list[bytes]]:
    return ring.peek(), ring.free, [bytes(view) for view in ring.views()]


def committed(count: int) -> Callable[[tuple[Any, ...]], None]:
    return lambda subject: subject[0].commit(count)


def granted_state(subject: tuple[Any, ...]) -> object:
    return ring_state(subject[0])


def fed(name: str, *fragments: bytes, **options: Any) -> Callable[[Any], Any]:
    """Makes an engine that took these fragments already."""

    def make(backend):
        positional = options.get("delimiters", ())
        engine = getattr(backend, name)(
            *positional, **{k: v for k, v in options.items() if k != "delimiters"}
        )
        for fragment in fragments:
            engine.feed(fragment)
        return engine

    return make


def records(backend, fragment: bytes, **options: Any):
    engine = backend.JSONLinesEngine(int, **options)
    engine.feed(fragment)
    return engine


def offset(engine) -> int:
    return engine.offset


def filled_channel(backend):
    channel = backend.Channel(100)
    channel.put_many([b"a", b"b", b"c"])
    return channel


@cache
def byte_core(backend):
    """Ids are bytes, and a few that begin and end inside characters."""
    tokens = [
        *(bytes((value,)) for value in range(256)),
        b"\xe4\xb8",
        b"\xad" + b"x" * 20,
        "é".encode() * 300,
    ]
    ranks = {token: number for number, token in enumerate(tokens)}
    return backend.BPECore(ranks, R50K, {}, cache_bytes=0)


def decoder(*ids: int, **options: Any) -> Callable[[Any], Any]:
    """Makes a decoder that took these ids already."""

    def make(backend):
        engine = backend.BPEDecoder(byte_core(backend), **options)
        engine.feed(list(ids))
        return engine

    return make


def decoder_state(engine) -> tuple[Any, ...]:
    return engine.offset, engine.stopped, repr(engine.error)


SCENARIOS = {
    # View
    "view of bytes": Scenario(lambda b: b.View, lambda kind: bytes(kind(LONG))),
    "view of a bytearray": Scenario(lambda b: b.View, lambda kind: bytes(kind(bytearray(LONG)))),
    "view of a memoryview": Scenario(lambda b: (b.View, memoryview(LONG)), lambda s: bytes(s[0](s[1]))),
    # RingBuffer
    "ring": Scenario(lambda b: b.RingBuffer, lambda kind: kind(100).capacity),
    "ring: write": Scenario(lambda b: filled_ring(b, b"x"), lambda ring: ring.write(LONG), ring_state),
    "ring: write the 17th segment": Scenario(
        lambda b: filled_ring(b, *[LONG] * 16), lambda ring: ring.write(LONG), ring_state
    ),
    "ring: write around the end of the array": Scenario(
        lambda b: turned_ring(b),
        lambda ring: ring.write(LONG),
        ring_state,
    ),
    "ring: write a first small piece": Scenario(filled_ring, lambda ring: ring.write(b"abc"), ring_state),
    "ring: write a further small piece": Scenario(
        lambda b: filled_ring(b, b"abc"), lambda ring: ring.write(bytearray(b"def")), ring_state
    ),
    "ring: write into a new slab": Scenario(
        lambda b: filled_ring(b, *[b"x" * 63] * 260), lambda ring: ring.write(b"y" * 60), ring_state
    ),
    "ring: write a bytearray": Scenario(filled_ring, lambda ring: ring.write(bytearray(LONG)), ring_state),
    "ring: write a part": Scenario(
        lambda b: filled_ring(b, b"x", capacity=400), lambda ring: ring.write(memoryview(LONG)), ring_state
    ),
    "ring: read across": Scenario(
        lambda b: filled_ring(b, LONG, b"abc", LONG), lambda ring: ring.read(1010), ring_state
    ),
    "ring: read one": Scenario(lambda b: filled_ring(b, LONG), lambda ring: ring.read(1000), ring_state),
    "ring: peek": Scenario(lambda b: filled_ring(b, LONG, b"abc"), lambda ring: ring.peek(), ring_state),
    "ring: readinto": Scenario(
        lambda b: (filled_ring(b, LONG, b"abc"), bytearray(1001)),
        lambda subject: subject[0].readinto(subject[1]),
        lambda subject: (ring_state(subject[0]), bytes(subject[1])),
    ),
    "ring: consume": Scenario(
        lambda b: filled_ring(b, LONG, b"abc"), lambda ring: ring.consume(1001), ring_state
    ),
    "ring: views": Scenario(
        lambda b: filled_ring(b, *[b"abc", LONG] * 30),
        lambda ring: [bytes(v) for v in ring.views()],
        ring_state,
    ),
    "ring: find": Scenario(
        lambda b: filled_ring(b, LONG, b"abc"), lambda ring: ring.find(LONG[1:] + b"a"), ring_state
    ),
    "ring: grant": Scenario(
        lambda b: filled_ring(b, LONG),
        lambda ring: bool(ring.grant(300)),
        lambda ring: (len(ring), ring.free),
    ),
    "ring: commit all": Scenario(lambda b: granted_ring(b, 1000), committed(1000), granted_state),
    "ring: commit most": Scenario(lambda b: granted_ring(b, 1000), committed(800), granted_state),
    "ring: commit little": Scenario(lambda b: granted_ring(b, 1000), committed(100), granted_state),
    "ring: commit a small piece": Scenario(lambda b: granted_ring(b, 1000), committed(9), granted_state),
    "ring: commit under a slice": Scenario(
        lambda b: granted_ring(b, 1000, keep=True), committed(1000), granted_state
    ),
    "ring: clear": Scenario(lambda b: filled_ring(b, *[LONG] * 40), lambda ring: ring.clear(), ring_state),
    # engines
    "lines": Scenario(fed("LinesEngine", LONG), lambda engine: engine.feed(TEXT), offset),
    "lines as str": Scenario(fed("LinesEngine", b"abc", as_=str), lambda engine: engine.feed(TEXT), offset),
    "lines from a bytearray": Scenario(
        fed("LinesEngine"), lambda engine: engine.feed(bytearray(TEXT)), offset
    ),
    "lines: a part": Scenario(fed("LinesEngine", LONG), lambda engine: engine.feed(LONG), offset),
    "lines: the end": Scenario(fed("LinesEngine", TEXT), lambda engine: engine.finish(), offset),
    "blocks": Scenario(fed("FixedSizeEngine", b"abc", size=7), lambda engine: engine.feed(LONG), offset),
    "delimited": Scenario(
        fed("DelimitedEngine", b"abc", delimiters=(b"of", b"text")), lambda engine: engine.feed(TEXT), offset
    ),
    "chunks": Scenario(
        fed("ContentDefinedEngine", TEXT, avg_size=256, min_size=64, max_size=1024, as_=bytes),
        lambda engine: engine.feed(TEXT * 5),
        offset,
    ),
    "frames": Scenario(
        fed("LengthPrefixedEngine", b"\x02a", prefix="u8"), lambda engine: engine.feed(b"b" + FRAMES), offset
    ),
    "frames with varints": Scenario(
        fed("LengthPrefixedEngine", b"\x02a", prefix="varint"),
        lambda engine: engine.feed(b"b" + FRAMES),
        offset,
    ),
    "records": Scenario(
        lambda b: records(b, b"1", on_error="yield"),
        lambda engine: engine.feed(b"2\n \nx\n" + b"345\n" * 40 + b"\xff"),
        lambda engine: (engine.offset, engine.skipped),
    ),
    "records: the end": Scenario(
        lambda b: records(b, b"1\n2x", on_error="skip"), lambda engine: engine.finish(), lambda e: e.skipped
    ),
    "words": Scenario(fed("WordsEngine", b"abc"), lambda engine: engine.feed(TEXT), offset),
    "text": Scenario(fed("UTF8Engine", b"abc\xc3"), lambda engine: engine.feed(b"\xa9" + TEXT), offset),
    # tokens
    "decoder": Scenario(
        lambda b: (b.BPEDecoder, byte_core(b)), lambda s: s[0](s[1], prompt=[0xE4], stop=["ab", "é"]).stopped
    ),
    "decoder: an id": Scenario(decoder(), lambda engine: engine.feed(97), decoder_state),
    "decoder: an id inside a character": Scenario(
        decoder(256), lambda engine: engine.feed(257), decoder_state
    ),
    "decoder: an id of many characters": Scenario(decoder(), lambda engine: engine.feed(258), decoder_state),
    "decoder: a list": Scenario(
        decoder(0xE4), lambda engine: engine.feed([0xB8, 0xAD] + [258, 97] * 900), decoder_state
    ),
    "decoder: an array": Scenario(
        decoder(0xE4), lambda engine: engine.feed(array("H", [0xB8, 0xAD] + [258, 97] * 900)), decoder_state
    ),
    "decoder: the end": Scenario(decoder(97, 0xE4), lambda engine: engine.finish(), decoder_state),
    "decoder: a beginning of a stop string": Scenario(
        decoder(97, stop="abc"), lambda engine: engine.feed([120, 97, 98]), decoder_state
    ),
    "decoder: a stop string": Scenario(
        decoder(97, stop=["abc", "bx"]), lambda engine: engine.feed([98, 120, 97]), decoder_state
    ),
    "decoder: the end in a stop string": Scenario(
        decoder(97, 98, stop=["abc", "b"]), lambda engine: engine.finish(), decoder_state
    ),
    # Channel
    "channel": Scenario(lambda b: b.Channel, lambda kind: kind(3).capacity),
    "channel: put": Scenario(filled_channel, lambda channel: channel.put(b"y"), len),
    "channel: put many": Scenario(filled_channel, lambda channel: channel.put_many((b"y", b"z")), len),
    "channel: get": Scenario(filled_channel, lambda channel: channel.get(), len),
    "channel: get many": Scenario(filled_channel, lambda channel: channel.get_many(2), len),
}


def is_tried(call: Call) -> bool:
    """Whether the call is one, and gives something: what CPython makes of an exception without memory is its own.

    Nor is what the module ``threading`` makes of it: a thread that cannot begin is waited for.
    """
    return (
        call.alone and "wrong" not in call.name and call.method not in ("__setitem__", "encode_many", "reset")
    )


# Those that a coroutine in Python awaits, which CPython may not survive.
AWAITED = {"aput", "aget", "aput_many", "aget_many"}


def scenarios_of(native: Native, *, awaited: bool) -> dict[str, Scenario]:
    """One for each of its calls, of those that are awaited or of the others."""

    def made(backend: Any, call: Call) -> tuple[Box, list[Any]]:
        return native.boxed(backend), [argument.make() for argument in call.arguments]

    return {
        call.name: Scenario(
            partial(made, call=call),
            lambda subject, call=call: call.run(subject[0], *subject[1]),
            lambda subject: plain(native.look(subject[0].subject)),
            plain,
            lambda subject: tried(lambda: native.rest(subject[0].subject)),
        )
        for call in native.calls
        if is_tried(call) and (call.method in AWAITED) is awaited
    }


# An error in a callback or source ends a stream, and here most allocations are theirs. A pattern of no known family is
# matched by modules of others and in Python, and so does NFC go in a stream: there any line may fail, as in the twins.
IN_PYTHON = {"BPECore another pattern", "BPEEncoder another pattern", "BPEEncoder NFC"}
# What is changed in place cannot be undone: the engine then refuses until it is reset.
IN_PLACE = {"JSONDeltasEngine(as_='snapshot')"}
LINES = [
    line
    for line in CLASSES
    if line.label not in IN_PYTHON | IN_PLACE and (not line.callbacks or line.name == "Channel")
]
DRIVEN = [line for line in LINES if "iterate" in line.methods and "raise" not in line.label]


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return SCENARIOS[request.param]


@pytest.fixture
def native(backend):
    if backend.name == "pure":
        pytest.skip("the allocations of the interpreter itself are not ours to survive")
    return backend


def each_failing_once(backend: Any, scenario: Scenario) -> None:
    """Each object meets one failure."""
    untouched = scenario.make(backend)
    before = scenario.look(untouched)
    expected = scenario.shown(scenario.act(untouched))
    after, rest = scenario.look(untouched), scenario.rest(untouched)
    failures = successes = 0
    for index in range(PLENTY):
        subject = scenario.make(backend)
        try:
            result = failing(partial(scenario.act, subject), index, index + 1)
        except MemoryError:
            failures, successes = failures + 1, 0
            assert scenario.look(subject) == before, index
            result = scenario.act(subject)
        else:
            successes += 1
        assert scenario.shown(result) == expected, index
        result = None  # which may hold something of the subject's
        assert scenario.look(subject) == after, index
        assert scenario.rest(subject) == rest, index
        if successes == QUIET:
            return
    pytest.fail(f"still failing after {PLENTY} allocations ({failures} failures)")


def all_failing_until_it_works(backend: Any, scenario: Scenario) -> None:
    """One object goes through every failure there is, one after the other."""
    untouched = scenario.make(backend)
    before = scenario.look(untouched)
    expected = scenario.shown(scenario.act(untouched))
    after, rest = scenario.look(untouched), scenario.rest(untouched)
    subject = scenario.make(backend)
    for index in range(PLENTY):
        try:
            result = failing(partial(scenario.act, subject), index, 0)
        except MemoryError:
            assert scenario.look(subject) == before, index
            continue
        assert scenario.shown(result) == expected, index
        result = None  # which may hold something of the subject's
        assert scenario.look(subject) == after, index
        assert scenario.rest(subject) == rest, index
        return
    pytest.fail(f"still failing after {PLENTY} allocations")


def test_each_allocation_failing_once(native, scenario: Scenario) -> None:
    each_failing_once(native, scenario)


def test_all_allocations_failing_until_it_works(native, scenario: Scenario) -> None:
    all_failing_until_it_works(native, scenario)


def try_each(line: Native, way: Callable[[Any, Scenario], None], *, awaited: bool) -> None:
    native = Backend("native")
    for name, scenario in scenarios_of(line, awaited=awaited).items():
        try:
            scenario.act(scenario.make(native))
        except Exception:  # noqa: BLE001 - the call is there to be refused
            continue
        try:
            way(native, scenario)
        except AssertionError as error:
            error.add_note(f"in {name}")
            raise


WAYS = pytest.mark.parametrize("way", [each_failing_once, all_failing_until_it_works])


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.label)
def test_every_call_of_every_class(line: Native) -> None:
    try_each(line, each_failing_once, awaited=False)


# The rule of TextSplitter is Python. With no memory left, CPython (3.11 to 3.13 did) may go round for ever when an
# exception comes by a handler far into a function, past instruction 256: making an int of that place fails, which is
# one more exception to unwind. Single failures are survived.
@pytest.mark.parametrize(
    "line", [line for line in LINES if line.name != "TextSplitterEngine"], ids=lambda line: line.label
)
def test_every_call_of_every_class_until_it_works(line: Native) -> None:
    try_each(line, all_failing_until_it_works, awaited=False)


@WAYS
@pytest.mark.parametrize(
    "line", [line for line in LINES if line.methods & AWAITED], ids=lambda line: line.label
)
def test_every_call_that_is_awaited(line: Native, way: Callable[[Any, Scenario], None]) -> None:
    skip_where_python_crashes("fails_allocations_in_python")
    try_each(line, way, awaited=True)


def driven(line: Native, name: str, fragments: list[Any], armed: int, index: int) -> tuple[list[Any], bool]:
    """All items of an iterator whose pull number ``armed`` meets a failure, and is tried again; and whether it did."""
    iterator = getattr(line.boxed(Backend("native")).subject, name)(iter(fragments))
    items: list[Any] = []
    failed = False
    while True:
        try:
            if len(items) >= armed and not failed:
                item = failing(lambda: next(iterator, None), index, index + 1)
            else:
                item = next(iterator, None)
        except MemoryError:
            failed = True
            continue
        if item is None:
            return plain(items), failed
        items += item if isinstance(item, Batch) else [item]


@pytest.mark.parametrize("name", ["iterate", "batches"])
@pytest.mark.parametrize("line", DRIVEN, ids=lambda line: line.label)
def test_every_iterator_goes_on(line: Native, name: str) -> None:
    fragments = next((call.arguments[0].make() for call in line.calls if call.name == name), None)
    if fragments is None:
        return  # a decoder has no batches
    expected, _ = driven(line, name, fragments, PLENTY, 0)
    for armed in {0, 1, len(expected) - 1, len(expected)}:
        index = successes = 0
        while successes < QUIET:
            assert index < PLENTY
            items, failed = driven(line, name, fragments, armed, index)
            assert items == expected, (armed, index)
            index, successes = index + 1, 0 if failed else successes + 1


ARGUMENTS: dict[str, tuple[Callable[[Any, list[Any]], Any], list[Any]]] = {
    "ranks": (
        lambda b, tokens: b.BPECore({token: i for i, token in enumerate(tokens)}, R50K, cache_bytes=0),
        [*(bytes((value,)) for value in range(256)), *(b"token%d" % i for i in range(200))],
    ),
    "special tokens": (
        lambda b, names: b.BPECore(
            {bytes((i,)): i for i in range(256)},
            R50K,
            {name: 256 + i for i, name in enumerate(names)},
            cache_bytes=0,
        ),
        [f"<name {i}>" for i in range(60)],
    ),
    "stop strings": (
        lambda b, stops: b.BPEDecoder(byte_core(b), stop=stops),
        [f"{chr(65 + i)} stop" for i in range(60)],
    ),
    "delimiters": (lambda b, parts: b.DelimitedEngine(*parts), [b"end %d" % i for i in range(60)]),
    "records": (
        lambda b, items: b.JSONLinesEngine(
            {b"%d" % number: item for number, item in enumerate(items)}.__getitem__
        ).feed(b"\n".join(b"%d" % number for number in range(len(items))) + b"\n"),
        [f"record {i}" for i in range(60)],
    ),
    "bad records": (
        lambda b, parts: list(b.JSONLinesEngine(int, as_="view", on_error="yield").iterate(iter(parts))),
        [b"1\n%dx\n2" % i for i in range(20)],
    ),
    "put many": (lambda b, items: b.Channel(100).put_many(items), [f"item {i}" for i in range(60)]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_reference_is_let_go_of_twice(native, name: str) -> None:
    """What was passed in is freed while it is in use, and the fault shows much later or never.

    More references than before are a leak of CPython's: its ``dict.items`` lose a key for which there is no tuple.
    """
    skip_where_python_crashes("fails_allocations_in_python")
    act, objects = ARGUMENTS[name]
    act(native, objects)
    successes = 0
    for index in range(5000):
        before = [sys.getrefcount(each) for each in objects]
        try:
            failing(lambda: act(native, objects) and None, index, index + 1)
        except MemoryError:
            successes = 0
        else:
            successes += 1
        assert all(sys.getrefcount(each) >= count for each, count in zip(objects, before, strict=True)), index
        if successes == QUIET:
            return
    pytest.fail("still failing")


def test_failures_do_happen(native) -> None:
    with pytest.raises(MemoryError):
        failing(lambda: native.RingBuffer(100), 0, 0)


@pytest.mark.parametrize("grant", [0, 300])
@pytest.mark.parametrize("keep", [False, True])
def test_cleanup_needs_no_memory(native, grant: int, keep: bool) -> None:
    ring = filled_ring(native, *[LONG, b"abc"] * 40)
    kept = [ring.views(), ring.grant(grant)[3:] if grant else None] if keep else []
    if grant and not keep:
        ring.grant(grant)
    failing(ring.close, 0, 0)
    assert ring.closed
    view = native.View(LONG)
    failing(view.release, 0, 0)
    if keep:
        assert b"".join(kept[0]) == (LONG + b"abc") * 40
