"""Streams inside streams, deeper than any stack: pulled, closed, dropped and shown, in a process of their own."""

from __future__ import annotations

from itertools import islice

import pytest
from loops import run_script

SCRIPT = """
import asyncio, functools, sys, threading
from contextlib import suppress
from streamcore import BPE, Lines, RunnableGenerator, RunnableSequence, Words, ops

COUNT, CHOSEN, STACK = {count}, {ways!r}, {stack}

if not STACK:
    with suppress(ImportError, ValueError):  # where there are no such limits
        import resource
        # of the main thread, which takes up to 8 MB otherwise: a quarter of the levels then goes as deep
        resource.setrlimit(resource.RLIMIT_STACK, (2 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))

class Source:
    closed = 0

    def __init__(self, item=1):
        self.item = item

    def __iter__(self):
        return self

    def __next__(self):
        return self.item

    def close(self):
        Source.closed += 1

class AsyncSource(Source):
    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        return 1

    async def aclose(self):
        await asyncio.sleep(0)
        Source.closed += 1

@functools.cache  # it copies its stages each time
def one_by_one():
    chain = KINDS[0]
    for at in range(1, COUNT):
        chain = chain | KINDS[at % 3]
    return chain

def nested(kinds, transform, source):
    stream = source
    for at in range(COUNT):
        stream = getattr(kinds[at % len(kinds)], transform)(stream)
    return stream

def combined(combine, source):
    stream = source
    for at in range(COUNT):
        stream = combine(stream)
    return stream

def stages(chunks):
    for chunk in chunks:
        yield chunk

def as_ids(texts):
    for text in texts:
        yield [65]

DECODER = BPE.gpt2().decoder() if "decoders" in CHOSEN else None
KINDS = [ops.map(abs), ops.filter(bool), ops.take(9)]
WAYS = dict(
    piped=lambda: one_by_one().transform(Source()),
    sequence=lambda: RunnableSequence(*(KINDS[at % 3] for at in range(COUNT))).transform(Source()),
    nested=lambda: nested(KINDS, "transform", Source()),
    engines=lambda: nested([Lines(keepends=True), Words()], "transform", Source(b"a\\n")),
    decoders=lambda: nested([DECODER, RunnableGenerator(as_ids)], "transform", Source([65])),
    generators=lambda: nested([RunnableGenerator(stages)], "transform", Source()),
    flat_maps=lambda: nested([ops.flat_map(lambda item: (item,))], "transform", Source()),
    chained=lambda: combined(ops.chain, Source()),
    zipped=lambda: combined(ops.zip, Source()),
    teed=lambda: combined(lambda stream: ops.tee(stream, 1)[0], Source()),
    async_flat_maps=lambda: nested([ops.flat_map(lambda item: (item,))], "atransform", AsyncSource()),
    async_chained=lambda: combined(ops.chain, ops.map(abs).atransform(AsyncSource())),
    async_piped=lambda: one_by_one().atransform(AsyncSource()),
    async_nested=lambda: nested(KINDS, "atransform", AsyncSource()),
)

def work():
    import gc
    gc.disable()  # a collection is no part of this
    for way in CHOSEN:
        print(way, flush=True)  # a process that dies says where
        work_with(WAYS[way], way.startswith("async"))

def work_with(make, is_async):
    for end in "pull", "close", "drop", "pull-and-drop":
        Source.closed = 0
        if is_async:
            asyncio.run(aend(make, end))
        else:
            stream = make()
            if "pull" in end:
                print(pulled(stream))
            if end in ("pull", "close"):
                stream.close()
            del stream
        print(end, Source.closed)

def pulled(stream):
    try:
        next(stream)
        return 1
    except RecursionError:
        return "deep"

async def aend(make, end):
    stream = make()
    if "pull" in end:
        try:
            print(await anext(stream))
        except RecursionError:
            print("deep")
    if end in ("pull", "close"):
        await stream.aclose()
    del stream
    for _ in range(99):  # a dropped stream is closed by the loop
        await asyncio.sleep(0)

if STACK:
    # Python's own limit is not made for it: each call of the twin's takes as much as anyone's
    sys.setrecursionlimit(90)
    threading.stack_size(STACK)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
else:
    work()
"""

WAYS = [
    "piped",
    "sequence",
    "nested",
    "generators",
    "flat_maps",
    "chained",
    "zipped",
    "teed",
    "async_piped",
    "async_nested",
    "async_flat_maps",
    "async_chained",
]


def assert_each_closes_its_source(backend, ways, count, stack):
    """A pull gives the item or RecursionError; however it went, every source is closed once."""
    words = iter(run_script(SCRIPT.format(count=count, ways=ways, stack=stack), backend))
    for way in ways:
        name, first, *ends = islice(words, 11)
        assert name == way
        second = ends.pop(6)
        assert ends == ["pull", "1", "close", "1", "drop", "1", "pull-and-drop", "1"], way
        assert {first, second} <= ({"1"} if count == 10 else {"deep", "1"}), way
    assert not list(words)


@pytest.mark.parametrize("way", WAYS)
def test_pulling_closing_and_dropping_work_at_any_depth(backend, way):
    assert_each_closes_its_source(backend, [way], 7_500, 0)


@pytest.mark.parametrize(("count", "stack"), [(1_000, 131_072), (10, 131_072), (10, 0)])
def test_pulling_closing_and_dropping_work_on_any_stack(backend, count, stack):
    assert_each_closes_its_source(backend, WAYS, count, stack)


@pytest.mark.parametrize("backend", ["native"], indirect=True)
@pytest.mark.parametrize(("count", "stack"), [(7_500, 0), (1_000, 131_072), (10, 0)])
def test_native_engines_inside_engines(backend, count, stack):
    """The twin's are generators, of which CPython itself survives no such depth."""
    assert backend.LinesEngine  # or this is skipped
    assert_each_closes_its_source(backend, ["engines", "decoders"], count, stack)


def test_a_repr_of_many_stages():
    from streamcore import RunnableSequence, ops

    chain = RunnableSequence(*[ops.take(1)] * 30_000)
    assert repr(chain | chain) == " | ".join(["ops.take(1)"] * 60_000)
