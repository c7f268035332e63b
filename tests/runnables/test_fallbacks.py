"""Fallbacks: calls, batches, streams before and after the first chunk, inputs with the error, every way to end."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import weakref

import pytest
from flaky import Flaky, taken
from recorder import AsyncSource, Source, listed

from streamcore import (
    Lines,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableWithFallbacks,
    ops,
)
from streamcore.testing import check_laws


@pytest.fixture(autouse=True)
def nothing_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


both = pytest.mark.parametrize("mode", ["sync", "async"])


def failing(error, name="failing"):
    """A function of both kinds that raises ``error``, or a new one of that type, and the list of its inputs."""
    calls = []

    def call(x):
        calls.append(x)
        raise error if isinstance(error, BaseException) else error(name)

    async def acall(x):
        return call(x)

    return RunnableLambda(call, acall), calls


def giving(value=None):
    calls = []

    def call(x):
        calls.append(x)
        return x if value is None else value

    async def acall(x):
        return call(x)

    return RunnableLambda(call, acall), calls


def called(stage, x, mode, **kwargs):
    if mode == "sync":
        return stage.invoke(x, **kwargs)
    return asyncio.run(stage.ainvoke(x, **kwargs))


# ---- calls


@both
def test_fallbacks_are_tried_in_order(mode):
    first, one = failing(ValueError)
    second, two = failing(KeyError)
    third, three = giving("third")
    last, four = giving("last")
    stage = first.with_fallbacks([second, third, last])
    assert called(stage, 1, mode) == "third"
    assert (one, two, three, four) == ([1], [1], [1], [])
    assert called(giving()[0].with_fallbacks([last]), 2, mode) == 2
    assert four == []


@both
def test_if_all_fail_the_first_error_is_raised_and_the_others_noted(mode):
    errors = ValueError("a"), KeyError("b"), OSError("c")
    first, second, third = (failing(error)[0] for error in errors)
    with pytest.raises(ValueError, match="a") as caught:
        called(first.with_fallbacks([second, third]), 1, mode)
    assert caught.value is errors[0]
    assert caught.value.__notes__ == [
        "and fallback 1 of 2 failed: KeyError('b')",
        "and fallback 2 of 2 failed: OSError('c')",
    ]
    assert caught.value.__context__ is None
    with pytest.raises(OSError, match="c") as caught:
        called(third.with_fallbacks([]), 1, mode)
    assert not hasattr(caught.value, "__notes__")


@both
def test_one_and_the_same_error_of_all_gets_no_note_of_itself(mode):
    error = ValueError("same")
    first, second = failing(error)[0], failing(error)[0]
    with pytest.raises(ValueError, match="same") as caught:
        called(first.with_fallbacks([second]), 1, mode)
    assert not hasattr(caught.value, "__notes__")


@both
@pytest.mark.parametrize("chosen", [KeyError, (KeyError,), lambda error: isinstance(error, KeyError)])
def test_another_error_is_raised_at_once(mode, chosen):
    last, calls = giving()
    with pytest.raises(ValueError, match="failing"):
        called(failing(ValueError)[0].with_fallbacks([last], exceptions_to_handle=chosen), 1, mode)
    assert calls == []
    wrong = failing(OSError("wrong"))[0]
    stage = failing(KeyError("first"))[0].with_fallbacks([wrong, last], exceptions_to_handle=chosen)
    with pytest.raises(OSError, match="wrong") as caught:
        called(stage, 1, mode)
    assert caught.value.__notes__ == ["after the first one failed: KeyError('first')"]
    assert calls == []


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, SystemExit])
def test_what_is_no_exception_never_falls_back(mode, error):
    last, calls = giving()
    stage = failing(error)[0].with_fallbacks([last], exceptions_to_handle=(BaseException,))

    async def main():
        with pytest.raises(error):
            await stage.ainvoke(1)

    if mode == "async":
        with pytest.raises(StopIteration):
            main().send(None)
    else:
        with pytest.raises(error):
            stage.invoke(1)
    assert calls == []


@both
def test_keyword_arguments_and_config_reach_each(mode):
    seen = []

    def call(x, config, *, mark):
        seen.append((config["tags"], mark))
        raise ValueError(x)

    stage = RunnableLambda(call).with_fallbacks([call, call])
    with pytest.raises(ValueError, match="x"):
        called(stage, "x", mode, config={"tags": ["t"]}, mark=1)
    assert seen == [(["t"], 1)] * 3


# ---- the input with the error


@both
def test_a_fallback_gets_a_copy_with_the_last_error(mode):
    seen = []

    def look(x):
        seen.append(x)
        if len(seen) == 1:
            raise KeyError("second")
        return "ok"

    error = ValueError("first")
    given = {"a": 1}
    stage = failing(error)[0].with_fallbacks([look, look], exception_key="error")
    assert called(stage, given, mode) == "ok"
    assert given == {"a": 1}
    assert seen[0] == {"a": 1, "error": error}
    assert isinstance(seen[1]["error"], KeyError)
    assert stage._written.waits


@both
def test_an_input_that_is_no_mapping_is_refused_before_anything_runs(mode):
    first, calls = giving()
    stage = first.with_fallbacks([len], exception_key="error")
    message = "exception_key='error' the input must be a mapping, got int"
    with pytest.raises(ValueError, match=message):
        called(stage, 1, mode)
    with pytest.raises(ValueError, match=message):
        list(stage.stream(1)) if mode == "sync" else asyncio.run(listed(stage.astream(1)))
    for keep in (False, True):
        with pytest.raises(ValueError, match=message):
            if mode == "sync":
                stage.batch([{}, 1], return_exceptions=keep)
            else:
                asyncio.run(stage.abatch(iter([{}, 1]), return_exceptions=keep))
    chunks, error, source = taken(stage, [1], mode)
    assert (chunks, type(error), source.closed) == ([], ValueError, 1)
    assert calls == []


@both
def test_in_a_chain_the_whole_mapping_is_waited_for(mode):
    stage = Flaky(0).stage.with_fallbacks([lambda x: sorted(x)], exception_key="error")
    chain = RunnableLambda(lambda x: {"x": x}) | stage
    assert called(chain, 1, mode) == ["error", "x"]


# ---- batches


@both
@pytest.mark.parametrize("own", [False, True])
def test_a_fallback_gets_only_the_inputs_that_failed(mode, own):
    calls = []

    class Upto(Runnable[int, int]):
        def __init__(self, most):
            self.most = most

        def invoke(self, input, config=None):
            calls.append((self.most, input))
            if input > self.most:
                raise ValueError(f"{input} > {self.most}")
            return 10 * self.most + input

        async def ainvoke(self, input, config=None):
            return self.invoke(input, config)

    batches = []

    class Whole(Upto):
        def batch(self, inputs, config=None, *, return_exceptions=False):
            batches.append((self.most, inputs, config))
            return super().batch(inputs, config, return_exceptions=return_exceptions)

        async def abatch(self, inputs, config=None, *, return_exceptions=False):
            batches.append((self.most, inputs, config))
            return await super().abatch(inputs, config, return_exceptions=return_exceptions)

    kind = Whole if own else Upto
    stage = kind(1).with_fallbacks([kind(2), kind(3)])

    def batch(inputs, config=None, **options):
        calls.clear()
        batches.clear()
        if mode == "sync":
            return stage.batch(inputs, config, **options)
        return asyncio.run(stage.abatch(inputs, config, **options))

    assert batch([3, 1, 2, 0]) == [33, 11, 22, 10]
    assert sorted(calls) == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]
    if own:
        assert [entry[:2] for entry in batches] == [(1, [3, 1, 2, 0]), (2, [3, 2]), (3, [3])]
    configs = [{"tags": [str(at)]} for at in range(3)]
    assert batch([0, 3, 1], configs) == [10, 33, 11]
    if own:
        assert batches[0][2] == configs
        assert [entry[2] for entry in batches[1:]] == [configs[1]] * 2
    given = batch([0, 4, 2], return_exceptions=True)
    assert (given[0], given[2], str(given[1])) == (10, 22, "4 > 1")
    assert len(given[1].__notes__) == 2
    with pytest.raises(ValueError, match="4 > 1"):
        batch([0, 4, 5])
    assert batch([]) == []
    with pytest.raises(TypeError):
        batch("abc")


def test_a_batch_of_its_own_that_fails_as_a_whole():
    class Broken(Runnable[int, int]):
        def invoke(self, input, config=None):
            return input

        def batch(self, inputs, config=None, *, return_exceptions=False):
            raise OSError("whole")

    assert Broken().with_fallbacks([str]).batch([1, 2]) == ["1", "2"]
    with pytest.raises(OSError, match="whole"):
        Broken().with_fallbacks([str], exceptions_to_handle=KeyError).batch([1, 2])


def test_what_a_failed_batch_held_is_let_go_of():
    class Input:
        pass

    class Broken(Runnable[Input, int]):
        def invoke(self, input, config=None):
            raise OSError

        def batch(self, inputs, config=None, *, return_exceptions=False):
            return super().batch(inputs, config, return_exceptions=return_exceptions)

    def held():
        given = Input()
        try:
            assert len(Broken().batch([given, 1], return_exceptions=True)) == 2
            Broken().with_fallbacks([Broken()]).batch([given, 1])
        except OSError:
            return weakref.ref(given)

    gc.disable()
    try:
        assert held()() is None
    finally:
        gc.enable()


# ---- streams


@both
@pytest.mark.parametrize("pulls", [0, 1, 3])
def test_an_error_before_the_first_chunk_is_not_seen(mode, pulls):
    first, second, third = Flaky(0, pulls=pulls), Flaky(0, pulls=pulls), Flaky()
    chunks, error, source = taken(first.stage.with_fallbacks([second.stage, third.stage]), "abcd", mode)
    assert (chunks, error) == (list("abcd"), None)
    assert (first.open, second.open, third.open, third.attempts) == (0, 0, 0, 1)
    assert (source.closed, source.closes, source.pulled) == (1, 1, 4)


@both
def test_if_all_streams_fail(mode):
    first, second = Flaky(0), Flaky(0, error=KeyError)
    chunks, error, source = taken(first.stage.with_fallbacks([second.stage]), "ab", mode)
    assert (chunks, error) == ([], first.raised[0])
    assert "and fallback 1 of 1 failed: KeyError('attempt 1')" in error.__notes__
    assert sum(note.startswith("in ") for note in error.__notes__) == 1
    assert source.closed == 1


@both
def test_only_so_much_of_the_input_is_kept(mode):
    for size, whole in ((1, False), (2, True)):
        first, second = Flaky(0, pulls=2), Flaky()
        chunks, error, source = taken(
            first.stage.with_fallbacks([second.stage]), "abcd", mode, {"buffer_size": size}
        )
        assert chunks == (list("abcd") if whole else [])
        assert error is (None if whole else first.raised[0])
        assert source.closed == 1
    # the last one needs none of it
    first, second = Flaky(0), Flaky()
    stage = first.stage.with_fallbacks([second.stage])
    assert taken(stage, range(2000), mode, {"buffer_size": 1})[:2] == (list(range(2000)), None)


@both
@pytest.mark.parametrize("on_midstream", ["raise", "restart", "resume"])
def test_after_the_first_chunk(mode, on_midstream):
    told = []
    first, second, third = Flaky(0), Flaky(2), Flaky()
    stage = first.stage.with_fallbacks(
        [second.stage, third.stage],
        on_midstream=on_midstream,
        on_restart=lambda *what: told.append((*what, second.open)),
    )
    chunks, error, source = taken(stage, "abc", mode)
    if on_midstream == "raise":
        assert (chunks, error) == (["a", "b"], second.raised[0])
        assert f"after the first one failed: {first.raised[0]!r}" in error.__notes__
    else:
        assert error is None
        assert chunks == list("ababc" if on_midstream == "restart" else "abc")
    assert told == ([(2, second.raised[0], 0)] if on_midstream == "restart" else [])
    assert (source.closed, first.open, second.open, third.open) == (1, 0, 0, 0)


@both
def test_a_fallback_that_says_something_else_is_not_resumed(mode):
    first, second = Flaky(2), Flaky(change=lambda attempt, chunk: chunk.upper())
    stage = first.stage.with_fallbacks([second.stage], on_midstream="resume")
    chunks, error, source = taken(stage, "abc", mode)
    assert (chunks, error, source.closed) == (["a", "b"], first.raised[0], 1)
    assert "not resumed: the new stream differs from what was given out" in error.__notes__


@both
def test_an_error_of_the_source_is_final(mode):
    failure, second = OSError("source"), Flaky()
    for on_midstream in ("raise", "restart", "resume"):
        stage = Flaky(0).stage.with_fallbacks([second.stage], on_midstream=on_midstream)
        for items in ("", "ab"):
            chunks, error, source = taken(stage, items, mode, error=failure)
            assert error is failure
            assert chunks == list(items)
            assert source.closed == 1


@both
def test_an_empty_stream_is_a_success(mode):
    second = Flaky()
    assert taken(Flaky().stage.with_fallbacks([second.stage]), "", mode)[:2] == ([], None)
    assert second.attempts == 0


@both
def test_a_fallback_that_waits(mode):
    stage = Flaky(0, pulls=1).stage.with_fallbacks([RunnableLambda(str.upper)])
    assert not stage._written.waits
    chunks, error, source = taken(stage, ["a", "b"], mode)
    assert (chunks, error, source.closed, source.pulled) == (["AB"], None, 1, 2)


def test_kinds_of_parts():
    """Sync and async ones together, called from either side."""
    sync, loop = Flaky(0), Flaky()
    for first, second in ((sync.sync, loop.asynchronous), (loop.asynchronous, sync.sync)):
        stage = RunnableGenerator(first).with_fallbacks([RunnableGenerator(second)])
        assert list(stage.transform(Source("abc"))) == list("abc")
        source = AsyncSource("abc")
        assert asyncio.run(listed(stage.atransform(source))) == list("abc")
        assert (source.closed, sync.open, loop.open) == (1, 0, 0)
        assert stage.invoke("ab") == asyncio.run(stage.ainvoke("ab")) == "ab"


def test_a_stream_of_a_stage_that_waits():
    class Waits(Runnable[str, str]):
        def stream(self, input, config=None):
            yield input[:1]
            raise ValueError(input)

    stage = Waits().with_fallbacks([RunnableLambda(str.upper)])
    assert stage._written.waits
    with pytest.raises(ValueError, match="ab"):
        list(stage.stream("ab"))
    restarts = Waits().with_fallbacks([RunnableLambda(str.upper)], on_midstream="restart")
    assert list(restarts.stream("ab")) == ["a", "AB"]
    assert asyncio.run(listed(restarts.astream("ab"))) == ["a", "AB"]
    assert stage.invoke("ab") == "AB"


# ---- ends


@pytest.mark.parametrize("way", ["at once", "half-way", "dropped"])
def test_closed_early(way):
    for on_midstream in ("raise", "restart", "resume"):
        first, second = Flaky(0), Flaky()
        source = Source(iter(int, 1))
        options = {"on_midstream": on_midstream}
        stream = first.stage.with_fallbacks([second.stage], **options).transform(source)
        if way != "at once":
            assert next(stream) == 0
        if way == "dropped":
            del stream
        else:
            stream.close()
        assert (source.closed, source.closes, first.open, second.open) == (1, 1, 0, 0)

        async def main(options=options):
            source = AsyncSource(iter(int, 1))
            first, second = Flaky(0), Flaky()
            stream = first.stage.with_fallbacks([second.stage], **options).atransform(source)
            if way != "at once":
                assert await anext(stream) == 0
            if way == "dropped":
                del stream
                for _ in range(10):
                    await asyncio.sleep(0)
            else:
                await stream.aclose()
            assert (source.closed, source.closes, first.open, second.open) == (1, 1, 0, 0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(main())


def test_cancelled_at_each_await():
    async def once(count):
        first, second, third = Flaky(0, pulls=2), Flaky(2), Flaky()
        source = AsyncSource("abcdef", waits=1)
        stage = first.stage.with_fallbacks([second.stage, third.stage], on_midstream="resume")
        task = asyncio.create_task(listed(stage.atransform(source)))
        for _ in range(count):
            await asyncio.sleep(0)
        done = task.done()
        task.cancel()
        if done:
            assert await task == list("abcdef")
        else:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (first.open, second.open, third.open) == (0, 0, 0)
        assert source.closes <= 1
        assert source.closes or not count
        return done

    async def main():
        return [await once(count) for count in range(61)]

    ended = asyncio.run(main())
    assert ended[-1]
    assert not ended[5]


@both
def test_a_source_that_fails_in_its_close(mode):
    source = (Source if mode == "sync" else AsyncSource)("ab", close_error=OSError("close"))
    stage = Flaky(0).stage.with_fallbacks([Flaky().stage])
    with pytest.raises(OSError, match="close"):
        if mode == "sync":
            list(stage.transform(source))
        else:
            asyncio.run(listed(stage.atransform(source)))
    assert source.closed == 1


# ---- in chains, laws, form


def test_notes_in_a_chain():
    def boom(chunks):
        raise ValueError("boom")
        yield from chunks

    stage = RunnableGenerator(boom).with_fallbacks([RunnableGenerator(boom)])
    with pytest.raises(ValueError, match="boom") as caught:
        list((Lines() | stage).stream(b"a"))
    assert caught.value.__notes__ == [
        "and fallback 1 of 1 failed: ValueError('boom')",
        f"in {stage!r}, stage 2 of 2",
    ]


@pytest.mark.parametrize("on_midstream", ["raise", "restart", "resume"])
def test_laws(on_midstream):
    def broken(chunks):
        raise ValueError("broken")
        yield from chunks

    for stage, samples in (
        (Lines(), [b"", b"a\nb", b"a\r\n\nbc"]),
        (RunnableLambda(str.upper), ["", "abc"]),
        (ops.map(len) | ops.take(2), [["a", "bc", "d"]]),
    ):
        check_laws(stage.with_fallbacks([stage], on_midstream=on_midstream), samples)
    check_laws(RunnableGenerator(broken).with_fallbacks([Lines(), Lines()]).with_fold("list"), [b"a\nb\n"])


def test_folds():
    lines = Lines().with_fallbacks([Lines(keepends=True)])
    assert lines.invoke(b"a\nb") == [b"a", b"b"]
    assert lines.collect([]) == []
    mixed = RunnableGenerator(lambda chunks: (c for c in chunks)).with_fallbacks([Lines()])
    assert mixed.collect(["a", "b"]) == "ab"


def test_form():
    stage = RunnableLambda(len)
    plain = stage.with_fallbacks([str, "".join])
    assert repr(plain) == (
        "RunnableWithFallbacks(RunnableLambda(len), [RunnableLambda(str), RunnableLambda(join)])"
    )
    many = stage.with_fallbacks(
        (str,),
        exceptions_to_handle=KeyError,
        exception_key="error",
        on_midstream="restart",
        on_restart=print,
    )
    assert repr(many) == (
        "RunnableWithFallbacks(RunnableLambda(len), [RunnableLambda(str)], exceptions_to_handle=(KeyError,), "
        "exception_key='error', on_midstream='restart', on_restart=print)"
    )
    again = pickle.loads(pickle.dumps(RunnableWithFallbacks(runnable=len, fallbacks=[str])))
    assert again.invoke("abc") == 3
    assert again.invoke(3) == "3"
    assert again.runnable.name == "len"
    assert [each.name for each in again.fallbacks] == ["str"]
    assert list(again.runnables) == [again.runnable, *again.fallbacks]
    assert (again.exceptions_to_handle, again.exception_key) == ((Exception,), None)
    assert again.get_name() == "RunnableWithFallbacks"
    assert RunnableWithFallbacks(len, [], name="n").get_name() == "n"


@pytest.mark.parametrize(
    ("fallbacks", "options", "error"),
    [
        (1, {}, TypeError),
        ("abc", {}, TypeError),
        ({"a": len}, {}, TypeError),
        (RunnableLambda(len), {}, TypeError),
        ([1], {}, TypeError),
        ([], {"exception_key": 1}, TypeError),
        ([], {"exceptions_to_handle": 1}, TypeError),
        ([], {"exceptions_to_handle": (int,)}, TypeError),
        ([], {"on_midstream": "again"}, ValueError),
        ([], {"on_restart": 1}, TypeError),
    ],
)
def test_bad_arguments(fallbacks, options, error):
    with pytest.raises(error):
        RunnableLambda(len).with_fallbacks(fallbacks, **options)
