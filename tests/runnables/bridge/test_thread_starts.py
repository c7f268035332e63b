"""Ctrl-C in the midst of starting a thread: none is left, and the source is closed."""

from __future__ import annotations

import asyncio
import threading

import pytest
from recorder import AsyncSource, Source

from streamcore import RunnableGenerator, RunnableLambda, RunnableParallel, ops


def shout(chunks):
    for chunk in chunks:
        yield chunk.upper()


Shout = RunnableGenerator(shout)
STAGES = {
    "buffer": ops.buffer(2),
    "overflow": ops.buffer(2, overflow="drop_oldest"),
    "group": ops.group(2, seconds=60),
    "map": ops.map(str.upper, concurrency=3),
    "map, unordered": ops.map(str.upper, concurrency=3, ordered=False),
    "flat_map": ops.flat_map(list, concurrency=3),
    "timeout": ops.timeout(60),
    "limited": Shout.with_timeout(60),
    "at once": RunnableParallel(a=Shout, b=Shout, ordered=False),
}


@pytest.fixture
def interrupted(monkeypatch):
    """Let the start of the thread with this number raise, once that runs or before."""
    start = threading.Thread.start

    def let(number, runs):
        def starts(thread):
            nonlocal number
            if threading.current_thread() is not threading.main_thread():  # nothing interrupts that
                return start(thread)
            number -= 1
            if runs or number != -1:
                start(thread)
            if number == -1:
                raise KeyboardInterrupt
            return None

        monkeypatch.setattr(threading.Thread, "start", starts)

    yield let
    monkeypatch.undo()


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("name", STAGES)
def test_in_a_sync_stream(interrupted, name, number, runs):
    before = set(threading.enumerate())
    source = Source(map(str, range(40)))
    stream = STAGES[name].transform(source)
    interrupted(number, runs)
    try:
        for _ in stream:
            pass
    except KeyboardInterrupt:
        pass
    else:
        assert number  # fewer are started
    assert set(threading.enumerate()) == before
    assert source.closed == source.closes == 1


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("number", [0, 1])
def test_in_merge(interrupted, number, runs):
    before = set(threading.enumerate())
    sources = [Source(range(10)) for _ in range(3)]
    stream = ops.merge(*sources)
    interrupted(number, runs)
    with pytest.raises(KeyboardInterrupt):
        list(stream)
    assert set(threading.enumerate()) == before
    assert [source.closed for source in sources] == [source.closes for source in sources] == [1, 1, 1]


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("form", ["batch", "batch_as_completed"])
def test_in_a_batch(interrupted, form, runs):
    before = set(threading.enumerate())
    interrupted(0, runs)
    with pytest.raises(KeyboardInterrupt):
        list(getattr(RunnableLambda(str), form)(range(5)))
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("runs", [True, False])
def test_in_an_async_stream(interrupted, runs):
    before = set(threading.enumerate())
    source = AsyncSource(map(str, range(40)))

    async def main():
        stream = Shout.atransform(source)
        with pytest.raises(KeyboardInterrupt):
            await anext(stream)
        await stream.aclose()

    interrupted(0, runs)
    asyncio.run(main())
    assert set(threading.enumerate()) == before
    assert source.closed == source.closes == 1
