"""Operators that read in a thread or a task: however a stream ends, the source is closed and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading

import pytest
from fake_clock import FakeClock
from loops import run, turns
from recorder import AsyncSource, Source, listed

from streamcore import RunnableGenerator, ops

OPERATORS = [
    ops.group(2, seconds=1),
    ops.group(2, 1, weigh=lambda item: 1),
    ops.buffer(2, overflow="drop_oldest"),
    ops.buffer(2, overflow="drop_newest"),
    ops.conflate(max),
]
SILENT = [ops.debounce(1)]
"""What gives nothing while an endless source goes on: the clock stands still."""


def pulled(count):
    """Each operator, to be pulled so often."""
    return OPERATORS if count else [*OPERATORS, *SILENT]


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch):
    fake = FakeClock(monkeypatch)
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert set(threading.enumerate()) <= before
    assert fake.timers == []


def test_closed_or_dropped_after_any_number_of_pulls():
    cases = [(operator, count) for count in (0, 1, 3) for operator in pulled(count)]
    for (operator, count), dropped in itertools.product(cases, [False, True]):
        source = Source(itertools.count())
        stream = operator.transform(source)
        for _ in range(count):
            next(stream)
        if dropped:
            del stream
            gc.collect()
        else:
            stream.close()
            stream.close()
            assert list(stream) == []
        assert source.closes == 1, operator
        assert count or not source.pulled


def test_an_async_stream_closed_or_dropped_after_any_number_of_pulls():
    async def main(operator, count, dropped, waits):
        source = AsyncSource(itertools.count(), waits=waits)
        stream = operator.atransform(source)
        for _ in range(count):
            await anext(stream)
        if dropped:
            del stream
            gc.collect()
            await turns(9)
        else:
            await stream.aclose()
            await stream.aclose()
            assert await listed(stream) == []
        assert source.closes == 1, operator
        assert count or not source.pulled
        assert asyncio.all_tasks() == {asyncio.current_task()}

    cases = [(operator, count) for count in (0, 1, 3) for operator in pulled(count)]
    for case, dropped, waits in itertools.product(cases, [False, True], [0, 2]):
        run(main(*case, dropped, waits))


def test_cancelled_at_each_await():
    async def main(operator, turn, waits):
        source = AsyncSource(itertools.count(), waits=waits)
        stream = operator.atransform(source)
        task = asyncio.ensure_future(listed(stream))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert source.closes == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for operator, (waits, most) in itertools.product([*OPERATORS, *SILENT], [(0, 12), (1, 60)]):
        for turn in range(1, most + 1):
            run(main(operator, turn, waits))


def test_a_source_that_fails_in_its_close():
    async def main(operator):
        source = AsyncSource(itertools.count(), close_error=OSError("net"))
        stream = operator.atransform(source)
        await anext(stream)
        with pytest.raises(OSError, match="net"):
            await stream.aclose()
        source = AsyncSource([1, 2, 3], close_error=OSError("net"))
        with pytest.raises(OSError, match="net"):
            await listed(operator.atransform(source))
        source = AsyncSource([1, 2, 3], KeyError("x"), close_error=OSError("net"))
        with pytest.raises(KeyError) as caught:
            await listed(operator.atransform(source))
        assert any("net" in note for note in caught.value.__notes__)
        assert source.closes == 1

    for operator in OPERATORS:
        source = Source(itertools.count(), close_error=OSError("disk"))
        stream = operator.transform(source)
        next(stream)
        with pytest.raises(OSError, match="disk"):
            stream.close()
        assert source.closes == 1
        with pytest.raises(OSError, match="disk"):
            list(operator.transform(Source([1, 2, 3], close_error=OSError("disk"))))
        source = Source([1, 2, 3], KeyError("x"), close_error=OSError("disk"))
        with pytest.raises(KeyError) as caught:
            list(operator.transform(source))
        assert any("disk" in note for note in caught.value.__notes__)
        assert source.closes == 1
        run(main(operator))


def test_in_a_chain_all_is_closed_last_to_first():
    ends = []

    def stage(name):
        def pass_on(chunks):
            try:
                for chunk in chunks:  # noqa: UP028 - delegation closes ``chunks`` before the finally runs
                    yield chunk
            finally:
                ends.append(name)

        return RunnableGenerator(pass_on)

    for operator in OPERATORS:
        source = Source(itertools.count())
        chain = stage("first") | operator | stage("second") | ops.take(2)
        assert len(list(chain.transform(source))) == 2
        assert (ends, source.closes) == (["second", "first"], 1)
        ends.clear()

        async def main(chain):
            source = AsyncSource(itertools.count())
            assert len(await listed(chain.atransform(source))) == 2
            assert source.closes == 1
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(main(chain))
        assert ends == ["second", "first"]
        ends.clear()
