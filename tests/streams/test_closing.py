"""``closing_iterator`` and ``async_closing_iterator``: everything owned is closed once, whatever happens."""

from __future__ import annotations

import asyncio
import gc

import pytest
from recorder import AsyncSource

from streamcore.testing import RecordingSource


class Closable:
    def __init__(self, log, name, error=None):
        self.log, self.name, self.error = log, name, error

    def close(self):
        self.log.append(self.name)
        if self.error is not None:
            raise self.error


def test_it_passes_the_items_on_and_closes_at_the_end(backend):
    log = []
    iterator = iter([1, 2])
    stream = backend.closing_iterator(iterator, (Closable(log, "source"), Closable(log, "stage"), iterator))
    assert iter(stream) is stream
    assert (next(stream), next(stream), log) == (1, 2, [])
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(stream)
    assert log == ["stage", "source"]


@pytest.mark.parametrize("pulls", [0, 1])
def test_close_closes_once_last_to_first(backend, pulls):
    log = []
    iterator = iter([1, 2])
    stream = backend.closing_iterator(iterator, (Closable(log, "source"), Closable(log, "stage"), iterator))
    for _ in range(pulls):
        next(stream)
    stream.close()
    stream.close()
    assert log == ["stage", "source"]
    with pytest.raises(StopIteration):
        next(stream)


@pytest.mark.parametrize("pulls", [0, 1])
def test_the_iterator_itself_is_closed_once(backend, pulls):
    source = RecordingSource([1, 2, 3])
    stream = backend.closing_iterator(source, (source,))
    for _ in range(pulls):
        next(stream)
    stream.close()
    assert source.closed == 1


@pytest.mark.parametrize("pulls", [0, 1])
def test_a_dropped_stream_closes(backend, pulls):
    source = RecordingSource([1, 2, 3])
    stream = backend.closing_iterator(source, (source,))
    for _ in range(pulls):
        next(stream)
    del stream
    gc.collect()
    assert source.closed == 1


def test_an_error_is_annotated_then_all_is_closed_then_it_arrives(backend):
    log = []
    failure = KeyError("x")
    source = RecordingSource([1], failure)
    stream = backend.closing_iterator(
        source, (Closable(log, "first"), source), lambda error: log.append(error)
    )
    assert next(stream) == 1
    with pytest.raises(KeyError) as caught:
        next(stream)
    assert caught.value is failure
    assert log == [failure, "first"]
    assert source.closed == 1


def test_failures_of_close_become_notes_of_an_error_under_way(backend):
    log = []
    source = RecordingSource([], KeyError("x"))
    owned = (Closable(log, "one", OSError("disk")), Closable(log, "two", OSError("net")), source)
    with pytest.raises(KeyError) as caught:
        next(backend.closing_iterator(source, owned))
    assert caught.value.__notes__ == [
        "and closing Closable failed: OSError('net')",
        "and closing Closable failed: OSError('disk')",
    ]
    assert log == ["two", "one"]


@pytest.mark.parametrize("end", ["close", "exhaust"])
def test_without_an_error_under_way_the_first_failure_is_raised_after_all_are_closed(backend, end):
    log = []
    iterator = iter([])
    owned = (Closable(log, "one", OSError("disk")), Closable(log, "two", OSError("net")), iterator)
    stream = backend.closing_iterator(iterator, owned)
    with pytest.raises(OSError, match="net") as caught:
        stream.close() if end == "close" else next(stream)
    assert caught.value.__notes__ == ["and closing Closable failed: OSError('disk')"]
    assert log == ["two", "one"]


def test_a_stream_that_pulls_itself_is_refused(backend):
    def reentrant():
        yield 1
        yield next(stream)

    iterator = reentrant()
    stream = backend.closing_iterator(iterator, (iterator,))
    assert next(stream) == 1
    with pytest.raises(ValueError, match="already executing"):
        next(stream)


def test_what_is_not_an_iterator_is_refused(backend):
    with pytest.raises(TypeError, match="not an iterator|not iterable"):
        list(backend.closing_iterator(3, ()))


def test_async_passes_the_items_on_and_closes_at_the_end(backend):
    async def main():
        log = []
        source = AsyncSource(range(3), waits=1)
        stream = backend.async_closing_iterator(source, (Closable(log, "sync"), source))
        assert [item async for item in stream] == [0, 1, 2]
        assert (source.closed, log) == (1, ["sync"])
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await stream.aclose()
        assert (source.closed, log) == (1, ["sync"])

    asyncio.run(main())


def test_async_errors_are_annotated_and_arrive_after_closing(backend):
    async def main():
        failure = KeyError("x")
        notes = []
        source = AsyncSource(range(3), failure, waits=1)
        stream = backend.async_closing_iterator(source, (source,), notes.append)
        got = []
        with pytest.raises(KeyError) as caught:
            async for item in stream:
                got.append(item)  # noqa: PERF401
        assert caught.value is failure
        assert (got, notes, source.closed) == ([0, 1, 2], [failure], 1)

    asyncio.run(main())


@pytest.mark.parametrize("pulls", [0, 2])
def test_aclose_closes_once(backend, pulls):
    async def main():
        source = AsyncSource(range(3), waits=1)
        stream = backend.async_closing_iterator(source, (source,))
        for _ in range(pulls):
            await anext(stream)
        await stream.aclose()
        await stream.aclose()
        assert source.closed == 1
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(main())


def test_a_cancelled_pull_closes_the_source(backend):
    async def main():
        started = asyncio.Event()
        source = AsyncSource(range(3), waits=1)

        async def never():
            started.set()
            await asyncio.Event().wait()
            yield

        waiting = never()
        stream = backend.async_closing_iterator(waiting, (source, waiting))
        task = asyncio.ensure_future(anext(stream))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.closed == 1

    asyncio.run(main())
