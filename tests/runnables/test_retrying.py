"""Retry: calls, streams before and after the first chunk, waits by a fake clock, every way to end."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading

import pytest
from flaky import Flaky, taken
from recorder import AsyncSource, Source, listed

from streamcore import Lines, Runnable, RunnableGenerator, RunnableLambda, RunnableRetry, ops
from streamcore.runnables import clock
from streamcore.testing import check_laws


@pytest.fixture
def slept(monkeypatch):
    waits = []

    async def asleep(seconds, of=None):
        waits.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(clock, "sleep", waits.append)
    monkeypatch.setattr(clock, "asleep", asleep)
    return waits


@pytest.fixture(autouse=True)
def nothing_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


both = pytest.mark.parametrize("mode", ["sync", "async"])


# ---- calls


def failing(times, error=ValueError):
    calls = []

    def call(x):
        calls.append(x)
        if len(calls) <= times:
            raise error(f"call {len(calls)}")
        return x

    async def acall(x):
        return call(x)

    return RunnableLambda(call, acall), calls


def called(stage, x, mode):
    return stage.invoke(x) if mode == "sync" else asyncio.run(stage.ainvoke(x))


@both
@pytest.mark.parametrize("times", range(4))
def test_a_call_is_repeated(slept, mode, times):
    stage, calls = failing(times)
    retry = stage.with_retry()
    if times < 3:
        assert called(retry, 7, mode) == 7
        assert calls == [7] * (times + 1)
    else:
        with pytest.raises(ValueError, match="call 3") as caught:
            called(retry, 7, mode)
        assert "after 3 attempts" in caught.value.__notes__
        assert caught.value.__context__ is None
        assert calls == [7] * 3
    assert len(slept) == min(times, 2)


@both
@pytest.mark.parametrize("chosen", [KeyError, (KeyError,), lambda error: isinstance(error, KeyError)])
def test_only_the_chosen_errors(mode, chosen):
    for error, count in ((KeyError, 2), (ValueError, 1)):
        stage, calls = failing(5, error)
        with pytest.raises(error):
            called(
                stage.with_retry(
                    retry_if_exception_type=chosen, stop_after_attempt=2, wait_exponential_jitter=False
                ),
                1,
                mode,
            )
        assert len(calls) == count


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, SystemExit])
def test_what_is_no_exception_is_never_repeated(mode, error):
    retry_all = {"retry_if_exception_type": (BaseException,), "wait_exponential_jitter": False}
    stage, calls = failing(5, error)

    async def main():
        with pytest.raises(error):
            await stage.with_retry(**retry_all).ainvoke(1)

    if mode == "async":
        main_task = main()
        with pytest.raises(StopIteration):
            main_task.send(None)
    else:
        with pytest.raises(error):
            stage.with_retry(**retry_all).invoke(1)
    assert len(calls) == 1


@both
def test_a_batch_repeats_only_what_failed(mode):
    calls = []

    def call(x):
        calls.append(x)
        if calls.count(x) <= x:
            raise ValueError(x)
        return x

    async def acall(x):
        return call(x)

    retry = RunnableLambda(call, acall).with_retry(wait_exponential_jitter=False)
    inputs = [0, 1, 2, 3]
    if mode == "sync":
        results = retry.batch(inputs, return_exceptions=True)
    else:
        results = asyncio.run(retry.abatch(inputs, return_exceptions=True))
    assert results[:3] == [0, 1, 2]
    assert isinstance(results[3], ValueError)
    assert sorted(calls) == [0, 1, 1, 2, 2, 2, 3, 3, 3]


# ---- waits


@both
def test_waits_grow_up_to_the_longest(slept, mode):
    stage, _ = failing(9)
    params = {"initial": 0.5, "max": 3, "exp_base": 2, "jitter": 0}
    with pytest.raises(ValueError, match="call 6"):
        called(stage.with_retry(exponential_jitter_params=params, stop_after_attempt=6), 1, mode)
    assert slept == [0.5, 1, 2, 3, 3]


def test_jitter_is_added_and_bounded():
    retry = RunnableLambda(len).with_retry()
    for failed, least in ((1, 1), (2, 2), (6, 32), (7, 60), (5000, 60)):
        for _ in range(20):
            assert least <= retry._pause(failed) <= min(60, least + 1)
    assert RunnableLambda(len).with_retry(wait_exponential_jitter=False)._pause(3) == 0


@pytest.mark.parametrize("form", ["ainvoke", "astream"])
def test_waiting_ends_at_once_when_cancelled(form):
    stage = Flaky(0, 0, 0)
    retry = stage.retry(wait_exponential_jitter=True, exponential_jitter_params={"initial": 60})

    async def main():
        call = retry.ainvoke("a") if form == "ainvoke" else listed(retry.astream("a"))
        task = asyncio.create_task(call)
        while not stage.raised or stage.open:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert (stage.attempts, stage.open) == (1, 0)


def test_a_worker_thread_whose_stream_is_closed_waits_no_longer():
    began = threading.Event()

    def call(x):
        began.set()
        raise ValueError(x)

    retry = RunnableLambda(call).with_retry(exponential_jitter_params={"initial": 60})

    async def main():
        task = asyncio.create_task(listed(retry.astream(1)))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


# ---- streams


@both
@pytest.mark.parametrize("pulls", [0, 1, 3])
def test_an_error_before_the_first_chunk_is_retried_unseen(slept, mode, pulls):
    stage = Flaky(0, 0, pulls=pulls)
    chunks, error, source = taken(stage.retry(wait_exponential_jitter=True), "abcd", mode)
    assert (chunks, error) == (list("abcd"), None)
    assert (stage.attempts, source.closed, source.pulled) == (3, 1, 4)
    assert len(slept) == 2


@both
def test_the_last_error_is_raised(mode):
    stage = Flaky(0, 0, 0)
    chunks, error, source = taken(stage.retry(), "ab", mode)
    assert chunks == []
    assert error is stage.raised[2]
    assert "after 3 attempts" in error.__notes__
    assert sum(note.startswith("in ") for note in error.__notes__) == 1
    assert error.__context__ is None
    assert (stage.attempts, stage.open, source.closed) == (3, 0, 1)


@both
@pytest.mark.parametrize("size", [1, 2, 3])
def test_only_so_much_of_the_input_is_kept(mode, size):
    stage = Flaky(0, pulls=2)
    chunks, error, source = taken(stage.retry(), "abcd", mode, {"buffer_size": size})
    if size >= 2:
        assert (chunks, error) == (list("abcd"), None)
    else:
        assert (chunks, error) == ([], stage.raised[0])
        note = "not tried again: more than 1 chunks of its input had been pulled"
        assert note in error.__notes__
        assert stage.attempts == 1
    assert source.closed == 1


@both
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("at", range(4))
def test_after_the_first_chunk_an_error_is_raised(mode, at, size):
    stage = Flaky(0, at)
    chunks, error, source = taken(stage.retry(), "abc", mode, {"buffer_size": size})
    assert source.closed == 1
    assert stage.open == 0
    if not at:
        assert (chunks, error, stage.attempts) == (list("abc"), None, 3)
    else:
        assert (chunks, error, stage.attempts) == (list("abc")[:at], stage.raised[1], 2)
        assert "after 2 attempts" in error.__notes__


@both
@pytest.mark.parametrize("at", range(1, 4))
def test_restart(mode, at):
    told = []
    stage = Flaky(at)
    retry = stage.retry(on_midstream="restart", on_restart=lambda *what: told.append((*what, stage.open)))
    chunks, error, source = taken(retry, "abc", mode)
    assert (chunks, error) == (list("abc")[:at] + list("abc"), None)
    assert told == [(1, stage.raised[0], 0)]
    assert (source.closed, source.pulled) == (1, 3)


def test_a_coroutine_function_is_told_of_a_restart_in_async_streams_only():
    told = []

    async def tell(attempt, error):
        await asyncio.sleep(0)
        told.append((attempt, str(error)))

    for mode in ("sync", "async"):
        retry = Flaky(1).retry(on_midstream="restart", on_restart=tell)
        chunks, error, source = taken(retry, "ab", mode)
        assert source.closed == 1
        if mode == "sync":
            assert isinstance(error, TypeError)
        else:
            assert (chunks, error, told) == (["a", "a", "b"], None, [(1, "attempt 1")])


VALUES = {
    "text": ["ab", "", "c", "\u00e9\ud800", "d"],
    "bytes": [b"ab", b"", b"c", bytearray(b"de"), memoryview(b"f")],
    "items": [1, {"a": [1, 2]}, (3,), None, 2.5],
}


@both
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("first", range(1, 6))
@pytest.mark.parametrize("second", [0, 2, 5])
def test_resume(mode, kind, first, second):
    items = VALUES[kind]
    stage = Flaky(first, second)
    chunks, error, source = taken(stage.retry(on_midstream="resume"), items, mode)
    assert error is None
    if kind == "items":
        assert chunks == items
    else:
        assert items[0][:0].join(chunks) == items[0][:0].join(items)
    assert (stage.attempts, source.closed, source.pulled) == (3, 1, 5)


@both
def test_resume_where_the_new_stream_is_cut_otherwise(mode):
    stage = Flaky(2, change=lambda attempt, chunk: chunk if attempt == 1 else chunk[0])
    cut = RunnableGenerator(stage.sync, stage.asynchronous)
    chunks, error, _ = taken(
        cut.with_retry(on_midstream="resume", wait_exponential_jitter=False), ["aa", "aa"], mode
    )
    assert chunks == ["aa", "aa"]  # the new stream has "a", "a" only: it ends before what was given
    assert error is stage.raised[0]

    def recut(attempt, chunk):
        return chunk if attempt == 1 else {"ab": "a", "cd": "bcd!", "ef": "ef"}[chunk]

    stage = Flaky(1, change=recut)
    chunks, error, _ = taken(stage.retry(on_midstream="resume"), ["ab", "cd", "ef"], mode)
    assert (chunks, error) == (["ab", "cd!", "ef"], None)


@both
@pytest.mark.parametrize("other", ["x", b"a", 1, None, object()])
def test_a_difference_raises_the_first_error(mode, other):
    stage = Flaky(2, change=lambda attempt, chunk: chunk if attempt == 1 else other)
    chunks, error, source = taken(stage.retry(on_midstream="resume"), "abc", mode)
    assert chunks == ["a", "b"]
    assert error is stage.raised[0]
    assert "not resumed: the new stream differs from what was given out" in error.__notes__
    assert (stage.attempts, stage.open, source.closed) == (2, 0, 1)


@both
def test_what_cannot_be_compared_is_not_resumed(mode):
    for items in ([lambda: None, 1], ["a", 1]):
        stage = Flaky(2)
        chunks, error, source = taken(stage.retry(on_midstream="resume"), [*items, 2], mode)
        assert (chunks, error) == (items, stage.raised[0])
        assert source.closed == 1


@both
@pytest.mark.parametrize("at", range(3))
def test_an_error_of_the_source_is_final(mode, at):
    stage, failure = Flaky(), OSError("source")
    for on_midstream in ("raise", "restart", "resume"):
        chunks, error, source = taken(stage.retry(on_midstream=on_midstream), "ab"[:at], mode, error=failure)
        assert (chunks, error) == (list("ab"[:at]), failure)
        assert source.closed == 1
    assert stage.attempts == 3


@both
def test_an_empty_stream_is_a_success(mode):
    stage = Flaky()
    assert taken(stage.retry(), "", mode)[:2] == ([], None)
    assert stage.attempts == 1


@both
def test_memory_of_the_input_ends_with_the_first_chunk(mode):
    stage = Flaky(0)
    chunks, error, _ = taken(stage.retry(), range(2000), mode, {"buffer_size": 2})
    assert (chunks, error) == (list(range(2000)), None)


def test_a_stage_that_waits():
    calls = []

    class Waits(Runnable[str, str]):
        def stream(self, input, config=None):
            calls.append(input)
            if len(calls) < 3:
                raise ValueError(input)
            yield from input

    retry = Waits().with_retry(wait_exponential_jitter=False)
    assert retry._written.waits
    source = Source(["a", "b"])
    assert list((ops.map(str.upper).with_fold("".join) | retry).transform(source)) == ["A", "B"]
    assert calls == ["AB"] * 3
    assert source.closed == 1
    calls.clear()
    assert asyncio.run(listed(retry.astream("xy"))) == ["x", "y"]
    assert calls == ["xy"] * 3


def test_in_an_async_stream_a_sync_stage_keeps_what_it_pulled():
    stage = Flaky(0, 0, pulls=1)
    retry = RunnableGenerator(stage.sync).with_retry(wait_exponential_jitter=False)
    source = AsyncSource(range(1000), waits=1)
    assert asyncio.run(listed(retry.atransform(source, {"buffer_size": 2}))) == list(range(1000))
    assert (stage.attempts, source.closed) == (3, 1)


def test_an_async_stage_for_a_sync_caller():
    stage = Flaky(0)
    retry = RunnableGenerator(stage.asynchronous).with_retry(wait_exponential_jitter=False)
    source = Source("abc")
    assert list(retry.transform(source)) == list("abc")
    assert (stage.attempts, source.closed) == (2, 1)
    assert retry.invoke("ab") == "ab"


# ---- ends


@pytest.mark.parametrize("way", ["at once", "half-way", "dropped"])
@pytest.mark.parametrize("on_midstream", ["raise", "restart", "resume"])
def test_closed_early(way, on_midstream):
    stage = Flaky(0)
    source = Source(iter(int, 1))
    stream = stage.retry(on_midstream=on_midstream).transform(source)
    if way != "at once":
        assert next(stream) == 0
    if way == "dropped":
        del stream
        gc.collect()
    else:
        stream.close()
    assert (source.closed, source.closes, stage.open) == (1, 1, 0)

    async def main():
        source = AsyncSource(iter(int, 1))
        stage = Flaky(0)
        stream = stage.retry(on_midstream=on_midstream).atransform(source)
        if way != "at once":
            assert await anext(stream) == 0
        if way == "dropped":
            del stream
            gc.collect()
            for _ in range(10):
                await asyncio.sleep(0)
        else:
            await stream.aclose()
        assert (source.closed, source.closes, stage.open) == (1, 1, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(1, 31))
def test_cancelled_at_each_await(slept, turns):
    stage = Flaky(0, 2, 1)
    source = AsyncSource("abcdef", waits=1)
    retry = stage.retry(on_midstream="resume", stop_after_attempt=4, wait_exponential_jitter=True)

    async def main():
        task = asyncio.create_task(listed(retry.atransform(source)))
        for _ in range(turns):
            await asyncio.sleep(0)
        done = task.done()
        task.cancel()
        if done:
            assert await task == list("abcdef")
        else:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert stage.open == 0
    assert source.closes == 1


@both
def test_a_source_that_fails_in_its_close(mode):
    source = (Source if mode == "sync" else AsyncSource)("ab", close_error=OSError("close"))
    retry = Flaky(0).retry()
    with pytest.raises(OSError, match="close"):
        if mode == "sync":
            list(retry.transform(source))
        else:
            asyncio.run(listed(retry.atransform(source)))
    assert source.closed == 1


# ---- in chains, laws, form


def test_notes_in_a_chain():
    def boom(chunks):
        raise ValueError("boom")
        yield from chunks

    def bad(chunks):
        yield next(chunks)
        raise OSError("bad")

    retry = RunnableGenerator(boom).with_retry(wait_exponential_jitter=False)
    with pytest.raises(ValueError, match="boom") as caught:
        list((Lines() | retry).stream(b"a"))
    assert caught.value.__notes__ == ["after 3 attempts", f"in {retry!r}, stage 2 of 2"]
    chain = RunnableGenerator(bad) | ops.map(len).with_retry()
    with pytest.raises(OSError, match="bad") as caught:
        list(chain.transform(["a"]))
    assert caught.value.__notes__ == ["in RunnableGenerator(bad), stage 1 of 2"]


@pytest.mark.parametrize(
    ("stage", "samples"),
    [
        (Lines(), [b"", b"a\nb", b"a\r\n\nbc"]),
        (RunnableLambda(str.upper), ["", "abc"]),
        (ops.map(len) | ops.take(2), [["a", "bc", "d"]]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("on_midstream", ["raise", "restart", "resume"])
def test_laws(stage, samples, on_midstream):
    check_laws(stage.with_retry(on_midstream=on_midstream), samples)


def test_form():
    stage = RunnableLambda(len)
    assert repr(stage.with_retry()) == "RunnableRetry(RunnableLambda(len), stop_after_attempt=3)"
    many = stage.with_retry(
        retry_if_exception_type=(KeyError, OSError),
        wait_exponential_jitter=False,
        exponential_jitter_params={"max": 5},
        on_midstream="restart",
        on_restart=print,
    )
    assert repr(many) == (
        "RunnableRetry(RunnableLambda(len), stop_after_attempt=3, retry_if_exception_type=(KeyError, OSError), "
        "wait_exponential_jitter=False, exponential_jitter_params={'max': 5}, on_midstream='restart', on_restart=print)"
    )
    again = pickle.loads(pickle.dumps(RunnableRetry(len, kwargs={}, config={"tags": ["a"]})))
    assert again.invoke("abc") == 3
    assert (again.bound.name, again.kwargs, again.config) == ("len", {}, {"tags": ["a"]})
    assert again.get_name() == "len"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"stop_after_attempt": 0}, ValueError),
        ({"stop_after_attempt": 1.5}, TypeError),
        ({"stop_after_attempt": True}, TypeError),
        ({"on_midstream": "again"}, ValueError),
        ({"on_restart": 1}, TypeError),
        ({"retry_if_exception_type": 1}, TypeError),
        ({"retry_if_exception_type": (int,)}, TypeError),
        ({"exponential_jitter_params": {"least": 1}}, TypeError),
        ({"exponential_jitter_params": {"max": -1}}, ValueError),
        ({"exponential_jitter_params": {"max": "1"}}, TypeError),
    ],
)
def test_bad_arguments(options, error):
    with pytest.raises(error):
        RunnableLambda(len).with_retry(**options)


def test_keyword_arguments_reach_each_attempt():
    seen = []

    def call(x, *, mark):
        seen.append(mark)
        raise ValueError(x)

    retry = RunnableRetry(call, kwargs={"mark": 1}, wait_exponential_jitter=False)
    with pytest.raises(ValueError, match="x"):
        retry.invoke("x")
    with pytest.raises(ValueError, match="x"):
        retry.invoke("x", mark=2)
    assert seen == [1, 1, 1, 2, 2, 2]
