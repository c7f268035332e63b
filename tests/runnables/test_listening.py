"""Listeners: what a call is told to, in every form, and that it goes on whatever they do."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sys

import pytest
from fake_clock import FakeClock
from loops import run, turns
from passing import apassed, passed
from recorder import AsyncSource, Source

from streamcore import (
    Lines,
    RunnableGenerator,
    RunnableLambda,
    RunnableListening,
    RunnableRetry,
    Words,
)
from streamcore.config import ensure_config
from streamcore.testing import check_laws

EVENTS = ("start", "first_chunk", "end", "error")


class Log:
    """What listeners heard: the event, and the run as it was then."""

    def __init__(self):
        self.heard = []
        self.runs = []

    def on(self, stage, **more):
        return stage.with_listeners(**{f"on_{event}": self._listener(event) for event in EVENTS} | more)

    def aon(self, stage):
        return stage.with_alisteners(**{f"on_{event}": self._alistener(event) for event in EVENTS})

    def _listener(self, event):
        def listener(run):
            self._hear(event, run)

        return listener

    def _alistener(self, event):
        async def listener(run):
            self._hear(event, run)
            await asyncio.sleep(0)

        return listener

    def _hear(self, event, run):
        self.heard.append((event, run.items))
        if event == "start":
            self.runs.append(run)

    def taken(self):
        taken, self.heard[:] = self.heard[:], []
        return taken


@pytest.fixture
def log():
    return Log()


def passing():
    return RunnableGenerator(passed, apassed)


def failing(at):
    def sync(chunks):
        for number, chunk in enumerate(chunks):
            if number == at:
                raise KeyError(at)
            yield chunk

    async def async_(chunks):
        number = 0
        async for chunk in chunks:
            if number == at:
                raise KeyError(at)
            number += 1
            yield chunk

    return RunnableGenerator(sync, async_)


def placed(stage):
    """Alone, first, last and in the middle of a chain."""
    return (stage, stage | passing(), passing() | stage, passing() | stage | passing())


THREE = [("start", 0), ("first_chunk", 1), ("end", 3)]


def test_a_stream_is_told(log):
    for stage in placed(log.on(passing())):
        source = Source("abc")
        assert list(stage.transform(source)) == ["a", "b", "c"]
        assert log.taken() == THREE
        assert source.closes == 1

        async def main(stage=stage):
            source = AsyncSource("abc", waits=1)
            assert [chunk async for chunk in stage.atransform(source)] == ["a", "b", "c"]
            assert source.closes == 1

        run(main())
        assert log.taken() == THREE


def test_coroutine_functions_are_awaited(log):
    async def main():
        for stage in placed(log.aon(passing())):
            assert [chunk async for chunk in stage.atransform(AsyncSource("abc"))] == ["a", "b", "c"]
            assert log.taken() == THREE
            assert await stage.ainvoke("a") == "a"
            assert log.taken() in ([("start", 0), ("first_chunk", 1), ("end", 1)],)
        stage = RunnableLambda(str) | log.aon(RunnableLambda(str.upper)) | RunnableLambda(str)
        assert await stage.ainvoke("a") == "A"
        assert [chunk async for chunk in stage.astream("a")] == ["A"]
        assert log.taken() == [("start", 0), ("first_chunk", 1), ("end", 1)] * 2

    run(main())


def test_coroutine_functions_are_refused_in_sync_calls(log):
    async def acall(x):
        return x

    for stage in (log.aon(passing()), log.aon(RunnableLambda(str)), log.aon(RunnableLambda(acall))):
        for call in (
            lambda stage: stage.invoke("a"),
            lambda stage: list(stage.stream("a")),
            lambda stage: list(stage.transform(iter("a"))),
            lambda stage: list((passing() | stage).transform(iter("a"))),
        )[: 4 if stage._written.is_sync else 3]:  # a chain that is async alone has a loop in sync calls
            with pytest.raises(TypeError, match="coroutine functions as listeners: use the async"):
                call(stage)
    assert log.taken() == []


def test_calls_are_told_with_their_input_and_output(log):
    stage = log.on(RunnableLambda(str.upper, name="upper"))
    assert stage.invoke("a", {"tags": ["t"]}) == "A"
    assert run(stage.ainvoke("b", {"run_name": "mine"})) == "B"
    assert stage.batch(["c"]) == ["C"]
    assert (RunnableLambda(str) | stage).invoke("d") == "D"
    assert [(each.name, each.inputs, each.output) for each in log.runs] == [
        ("upper", "a", "A"),
        ("mine", "b", "B"),
        ("upper", "c", "C"),
        ("upper", "d", "D"),
    ]
    assert log.runs[0].config["tags"] == ["t"]
    assert log.taken() == [("start", 0), ("first_chunk", 1), ("end", 1)] * 4
    assert len({each.id for each in log.runs}) == 4
    assert list(stage.stream("e")) == ["E"]
    assert (log.runs[-1].inputs, log.runs[-1].output) == ("e", None)


def test_a_stream_without_a_chunk_has_no_first_one(log):
    assert list(log.on(passing()).transform(iter(()))) == []
    assert log.taken() == [("start", 0), ("end", 0)]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_error_is_told_and_raised_as_it_is(log, at):
    for stage in placed(log.on(failing(at))):
        source = Source("abc")
        got = []
        with pytest.raises(KeyError) as caught:
            got.extend(stage.transform(source))
        expected = [("start", 0), ("first_chunk", 1), ("error", at)][: None if at else 1]
        expected = expected if at else [("start", 0), ("error", 0)]
        assert log.taken() == expected
        assert log.runs[-1].error is caught.value
        assert source.closes == 1

        async def main(stage=stage):
            source = AsyncSource("abc")
            with pytest.raises(KeyError) as caught:
                async for _ in stage.atransform(source):
                    pass
            assert log.runs[-1].error is caught.value
            assert source.closes == 1

        run(main())
        assert log.taken() == expected


def test_errors_of_the_source_and_of_calls_are_told(log):
    with pytest.raises(OSError, match="gone"):
        list((passing() | log.on(passing())).transform(Source("ab", OSError("gone"))))
    assert log.taken() == [("start", 0), ("first_chunk", 1), ("error", 2)]
    for call in (log.on(RunnableLambda(int)).invoke, lambda x: run(log.on(RunnableLambda(int)).ainvoke(x))):
        with pytest.raises(ValueError, match="invalid literal"):
            call("x")
        assert log.taken() == [("start", 0), ("error", 0)]


def test_to_be_closed_early_is_an_end(log):
    for stage in placed(log.on(passing())):
        for count in range(1, 3):
            source = Source("abc")
            stream = stage.transform(source)
            for _ in range(count):
                next(stream)
            stream.close()
            assert log.taken() == [("start", 0), ("first_chunk", 1), ("end", count)]
            assert log.runs[-1].closed
            assert log.runs[-1].error is None
            assert source.closes == 1

        async def main(stage=stage):
            source = AsyncSource("abc")
            stream = stage.atransform(source)
            await anext(stream)
            await stream.aclose()
            assert source.closes == 1

        run(main())
        assert log.taken() == [("start", 0), ("first_chunk", 1), ("end", 1)]
        assert log.runs[-1].closed
    stream = log.on(RunnableLambda(str)).stream("a")
    next(stream)
    stream.close()
    assert log.taken()[-1] == ("end", 1)


def test_a_stream_that_was_never_pulled_never_started(log):
    stage = log.on(passing())
    for make in (lambda source: stage.transform(source), lambda source: (stage | stage).transform(source)):
        source = Source("abc")
        make(source).close()
        assert source.closes == 1
    stage.stream("a").close()

    async def main():
        source = AsyncSource("abc")
        await stage.atransform(source).aclose()
        assert source.closes == 1

    run(main())
    assert log.taken() == []


def test_cancelled_at_each_turn(log):
    """Exactly one end or error, and the source closed."""

    async def main():
        for count in range(40):
            source = AsyncSource("abc", waits=2)
            stage = passing() | log.aon(passing()) | log.on(passing())

            async def pull(stage=stage, source=source):
                async for _ in stage.atransform(source):
                    pass

            task = asyncio.create_task(pull())
            await turns(count)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            heard = [event for event, _ in log.taken()]
            for _ in range(20):
                await asyncio.sleep(0)
            assert heard.count("start") == heard.count("end") + heard.count("error")
            assert source.closes <= 1
            assert source.closes or not count
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


class Hook:
    def __init__(self, monkeypatch):
        self.seen = []
        monkeypatch.setattr(
            sys, "unraisablehook", lambda args: self.seen.append((args.exc_value, args.object.listener))
        )


def test_what_a_listener_raises_goes_to_the_hook(monkeypatch):
    hook = Hook(monkeypatch)

    def bad(run):
        raise ValueError(run.items)

    async def abad(run):
        raise ValueError(run.items)

    stage = passing().with_listeners(on_start=bad, on_first_chunk=bad, on_end=bad, on_error=bad)
    assert list(stage.transform(iter("abc"))) == ["a", "b", "c"]
    assert stage.invoke("abc") == "abc"
    assert [(error.args, where) for error, where in hook.seen] == [
        ((0,), bad),
        ((1,), bad),
        ((3,), bad),
        ((0,), bad),
        ((1,), bad),
        ((1,), bad),
    ]
    hook.seen.clear()
    assert run(passing().with_alisteners(on_end=abad).ainvoke("a")) == "a"
    assert [where for _, where in hook.seen] == [abad]


def test_an_interrupt_in_a_listener_is_one():
    def interrupted(run):
        raise KeyboardInterrupt

    source = Source("ab")
    with pytest.raises(KeyboardInterrupt):
        list(passing().with_listeners(on_first_chunk=interrupted).transform(source))
    assert source.closes == 1


def test_a_listener_may_take_the_config():
    seen = []
    stage = RunnableLambda(str).with_listeners(
        on_start=lambda run, config: seen.append(config), on_end=lambda run, config=None: seen.append(config)
    )
    stage.invoke("a", {"tags": ["t"]})
    assert [config["tags"] for config in seen] == [["t"], ["t"]]
    seen[0]["tags"].append("mine")
    assert seen[1]["tags"] == ["t"]


def test_what_a_listener_calls_inherits_the_config():
    seen = []
    stage = RunnableLambda(str).with_listeners(on_start=lambda run: seen.append(ensure_config()["tags"]))
    stage.invoke("a", {"tags": ["t"]})
    list(stage.stream("a", {"tags": ["s"]}))
    assert seen == [["t"], ["s"]]


def test_times_and_sizes(monkeypatch):
    clock = FakeClock(monkeypatch)

    def slow(chunks):
        for chunk in chunks:
            clock.time += 2
            yield chunk
        clock.time += 1

    runs = []
    stage = RunnableGenerator(slow).with_listeners(on_end=runs.append)
    for _ in stage.transform(iter(["ab", "é", b"cde", memoryview(b"fg"), 7])):
        clock.time += 5  # the consumer's
    [told] = runs
    assert (told.items, told.bytes) == (5, 2 + 2 + 3 + 2)
    assert told.first_chunk_seconds == 2
    assert told.waited == 11
    assert told.seconds == 36


def test_what_it_is():
    def heard(run):
        pass

    stage = Lines().with_listeners(on_end=heard)
    assert repr(stage) == "RunnableListening(Lines(), on_end=heard)"
    assert stage.get_name() == "Lines"
    assert stage.describe().splitlines()[0].startswith("RunnableListening")
    assert isinstance(stage, RunnableListening)
    assert stage.bound.invoke(b"a\nb") == stage.invoke(b"a\nb")
    copied = pickle.loads(pickle.dumps(Lines().with_listeners(on_end=print)))
    assert copied.on_end is print
    with pytest.raises(TypeError, match="on_end must be callable, got int"):
        Lines().with_listeners(on_end=1)


def test_a_retried_call_is_one_or_each_attempt_is():
    outer, inner = Log(), Log()
    calls = []

    def flaky(x):
        calls.append(x)
        if len(calls) < 3:
            raise OSError
        return x

    stage = outer.on(RunnableRetry(inner.on(RunnableLambda(flaky)), wait_exponential_jitter=False))
    assert stage.invoke("a") == "a"
    assert [event for event, _ in outer.taken()] == ["start", "first_chunk", "end"]
    assert [event for event, _ in inner.taken()].count("error") == 2


def test_laws(log):
    check_laws(log.on(Lines()), [b"a\nbc\n\nd"])
    check_laws(log.on(Words()), ["some text"])
    check_laws(RunnableLambda(str) | log.on(RunnableLambda(str.upper)), ["abc"])
