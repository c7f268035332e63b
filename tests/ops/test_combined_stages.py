"""``ops.chain`` and ``ops.zip`` of Runnables: a stage that gives each the same input."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import run, turns
from recorder import AsyncSource, Source, listed

from streamcore import Lines, Runnable, RunnableGenerator, RunnableLambda, ops
from streamcore.testing import check_laws

NUMBERS = [3, 1, 2]


class Given(Runnable):
    """Streams what a source gives, whatever its input, which it keeps."""

    def __init__(self, items, *, asynchronous=False, **options):
        self.items, self.options, self.inputs, self.sources = items, options, [], []
        if asynchronous:
            self.astream = self.anew
            self._written = type(self._written)(("astream",))

    def stream(self, input, config=None):
        self.inputs.append(input)
        self.sources.append(Source(self.items, **self.options))
        return self.sources[-1]

    def anew(self, input, config=None):
        self.inputs.append(input)
        self.sources.append(AsyncSource(self.items, **self.options))
        return self.sources[-1]

    @property
    def closes(self):
        return [source.closes for source in self.sources]


def stages(combine, *, asynchronous=False, **options):
    parts = [
        Given([1, 2], asynchronous=asynchronous, **options),
        Given([3, 4], asynchronous=asynchronous, **options),
    ]
    return combine(*parts), parts


@given(st.lists(st.integers(), max_size=5))
def test_each_stage_gets_the_same_input(numbers):
    chained, zipped = ops.chain(ops.map(str), ops.skip(1)), ops.zip(ops.map(str), ops.skip(1))
    for input in numbers, iter(numbers), Source(numbers):
        assert chained.invoke(input) == [*map(str, numbers), *numbers[1:]]
        assert getattr(input, "closed", 1) == 1
    assert zipped.invoke(iter(numbers)) == list(zip(map(str, numbers), numbers[1:], strict=False))

    async def main():
        for input in numbers, iter(numbers), Source(numbers), AsyncSource(numbers):
            assert await chained.ainvoke(input) == [*map(str, numbers), *numbers[1:]]
            assert getattr(input, "closed", 1) == 1
        assert await zipped.ainvoke(numbers) == list(zip(map(str, numbers), numbers[1:], strict=False))

    run(main())


def test_they_keep_the_laws():
    for combine in ops.chain, ops.zip:
        check_laws(combine(ops.map(str), ops.filter(bool)), [[], [1], NUMBERS])
        check_laws(Lines() | combine(ops.map(len), Given("ab")), [b"", b"a\nbc\n"])


def test_they_stand_in_a_chain_where_they_wait():
    both = ops.zip(ops.map(len), ops.enumerate(1), strict=True)
    assert (Lines() | both | ops.take(1)).invoke(b"a\nbc") == [(1, (1, b"a"))]
    lines = (Lines() | both).describe().splitlines()
    assert lines[1].endswith(": waits for its whole input, then streams; holds back the first chunk")
    assert [line[:5] for line in lines[2:]] == ["  1: ", "  2: "]

    def doubled(pieces):
        for piece in pieces:
            yield piece * 2

    text = ops.chain(RunnableLambda(str.upper), str.lower, RunnableGenerator(doubled))
    assert list(text.transform(["a", "B"])) == ["AB", "ab", "aBaB"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stage_of_a_chain_begins_when_its_turn_comes(asynchronous):
    chained, (first, second) = stages(ops.chain, asynchronous=asynchronous)
    stream = chained.stream("x")
    assert [next(stream), next(stream)] == [1, 2]
    assert (first.inputs, second.inputs) == (["x"], [])
    assert [next(stream), *stream] == [3, 4]
    assert (first.closes, second.closes) == ([1], [1])


@pytest.mark.parametrize("combine", [ops.chain, ops.zip])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("count", range(3))
def test_every_stream_is_closed_wherever_it_ends(combine, asynchronous, dropped, count):
    async def main():
        stage, parts = stages(combine, asynchronous=asynchronous)
        stream = stage.astream("x") if asynchronous else stage.stream("x")
        for _ in range(count):
            if asynchronous:
                await anext(stream)
            else:
                next(stream)
        if dropped:
            del stream
            gc.collect()
            await turns(20)
        elif asynchronous:
            await stream.aclose()
        else:
            stream.close()
        assert set(itertools.chain(*[part.closes for part in parts])) <= {1}
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("combine", [ops.chain, ops.zip])
def test_cancelled_at_each_await(combine):
    async def main(turn):
        stage, parts = stages(combine, asynchronous=True, waits=1)
        task = asyncio.ensure_future(listed(stage.astream(AsyncSource(NUMBERS, waits=1))))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert set(itertools.chain(*[part.closes for part in parts])) <= {1}
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn in range(1, 61):
        run(main(turn))


@pytest.mark.parametrize("combine", [ops.chain, ops.zip])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_error_names_the_stage_that_raised_it(combine, asynchronous):
    stage, (first, second) = stages(combine, asynchronous=asynchronous)
    second.options["error"] = error = LookupError("no")
    second.items = [3]
    with pytest.raises(LookupError):
        run(listed(stage.astream("x")))
    assert error.__notes__ == ["in Given()"]
    assert (first.closes, second.closes) == ([1], [1])

    def boom(text):
        raise LookupError("no")

    for run_it in (
        lambda chain: chain.invoke("x"),
        lambda chain: run(chain.ainvoke("x")),
        lambda chain: list(chain.stream("x")),
    ):
        with pytest.raises(LookupError) as caught:
            run_it(RunnableLambda(str.upper) | combine(first, RunnableLambda(boom)) | list)
        assert caught.value.__notes__ == ["in RunnableLambda(boom)"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stage_that_cannot_begin_closes_those_before_it(asynchronous):
    class Broken(Given):
        def stream(self, input, config=None):
            raise LookupError("no")

        anew = stream

    first, second = Given([1], asynchronous=asynchronous), Broken([1], asynchronous=asynchronous)

    async def main():
        with pytest.raises(LookupError, match="no") as caught:
            await listed(ops.zip(first, second).astream("x"))
        assert caught.value.__notes__ == ["in Broken()"]
        await turns(9)
        assert first.closes == [1]

    run(main())


def test_functions_and_async_stages_among_them():
    async def later(text):
        await asyncio.sleep(0)
        return text + "!"

    assert ops.zip(RunnableLambda(later), str.upper).invoke("a") == [("a!", "A")]
    assert ops.chain(RunnableLambda(later), str.upper).invoke("a") == ["a!", "A"]


@pytest.mark.parametrize("combine", [ops.chain, ops.zip])
def test_iterables_and_stages_do_not_mix(combine):
    with pytest.raises(TypeError, match="expected a Runnable, a callable, a mapping or .*, got list"):
        combine(ops.take(1), [1])


@pytest.mark.parametrize("combine", [ops.chain, ops.zip])
def test_a_keyword_argument_of_a_call_is_refused(combine):
    stage = combine(ops.take(1), ops.take(2))
    for call in (
        lambda: stage.stream([1], foo=1),
        lambda: stage.invoke([1], foo=1),
        lambda: list(stage.transform(["a"], foo=1)),
        lambda: run(stage.ainvoke([1], foo=1)),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert str(caught.value) == f"{stage!r} takes no keyword arguments when it is called, got foo="


def test_they_show_what_builds_them_and_are_pickled():
    for stage, text in (
        (ops.chain(ops.take(1), ops.map(len)), "ops.chain(ops.take(1), ops.map(len))"),
        (ops.zip(ops.take(1), ops.map(len)), "ops.zip(ops.take(1), ops.map(len))"),
        (ops.zip(ops.take(1), ops.take(2), strict=True), "ops.zip(ops.take(1), ops.take(2), strict=True)"),
    ):
        assert repr(stage) == text
        assert repr(pickle.loads(pickle.dumps(stage))) == text
    with pytest.raises(ValueError, match="part 2 of 2 goes on after 1 items"):
        ops.zip(ops.take(1), ops.take(2), strict=True).invoke([1, 2])
