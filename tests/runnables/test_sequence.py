"""``RunnableSequence``: what composition gives, and that everything is closed however a stream ends."""

from __future__ import annotations

import asyncio
import gc
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import AsyncSource, Source

from streamcore import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnableSequence, ops
from streamcore.testing import RecordingSource, check_laws


def upper(chunks):
    for chunk in chunks:
        yield chunk.upper()


def doubled(chunks):
    for chunk in chunks:
        yield chunk + chunk


async def aupper(chunks):
    async for chunk in chunks:
        yield chunk.upper()


class Characters(Runnable[str, str]):
    def stream(self, input, config=None):
        yield from input


class Recorder:
    """Generator stages that write down when their ``finally`` ran."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def stage(self, name: str, fail_at: int | None = None) -> RunnableGenerator:
        def work(chunks):
            try:
                for at, chunk in enumerate(chunks):
                    if at == fail_at:
                        raise KeyError(name)
                    yield chunk
            finally:
                self.closed.append(name)

        return RunnableGenerator(work, name=name)

    def source(self, items: Any = None):
        try:
            yield from (count() if items is None else items)
        finally:
            self.closed.append("source")


def test_stages_compose_left_to_right_and_flatten():
    chain = Characters() | upper | (RunnableGenerator(doubled) | upper)
    assert list(chain.stream("ab")) == ["AA", "BB"]
    assert len(chain.stages) == 4
    assert chain.invoke("ab") == "AABB"
    assert RunnableSequence(Characters(), upper).invoke("ab") == "AB"
    assert Characters().pipe(upper, doubled).invoke("ab") == "AABB"
    assert (str.strip | Characters() | upper).invoke(" ab ") == "AB"


def test_a_sequence_needs_a_stage_and_things_that_can_be_one():
    with pytest.raises(ValueError, match="at least one stage"):
        RunnableSequence()
    with pytest.raises(TypeError, match="expected a Runnable, a callable, a mapping or .* got int"):
        Characters() | 3  # type: ignore[operator]


def test_a_composed_stream_is_lazy():
    recorder = Recorder()
    source = RecordingSource("abc")
    stream = (recorder.stage("one") | recorder.stage("two")).transform(source)
    assert source.pulled == 0
    assert next(stream) == "a"
    assert source.pulled == 1
    stream.close()


def test_invoke_calls_invoke_where_nothing_streams_in_between():
    class Whole(Runnable[str, str]):
        def stream(self, input, config=None):
            yield "streamed"

        def invoke(self, input, config=None):
            return "invoked"

    assert (Whole() | RunnableLambda(str.title)).invoke("") == "Invoked"
    assert list((Whole() | RunnableLambda(str.title)).stream("")) == ["Streamed"]
    # a stage that streams needs the chunks
    assert (Whole() | RunnableGenerator(upper)).invoke("") == "STREAMED"


def test_a_stage_that_waits_gets_what_the_stage_before_it_folds():
    numbers = RunnableGenerator(lambda chunks: (len(chunk) for chunk in chunks), collect=sum)
    chain = Characters() | numbers | RunnableLambda(lambda total: total * 10)
    assert chain.invoke("abc") == 30
    assert list(chain.stream("abc")) == [30]
    assert asyncio.run(chain.ainvoke("abc")) == 30


def test_items_that_pass_through_fold_as_before():
    assert (Characters() | ops.take(2)).invoke("abc") == "ab"
    assert (Characters() | ops.filter(str.isalpha) | RunnableLambda(str.upper)).invoke("a1b") == "AB"
    assert (ops.take(2) | ops.filter(bool)).invoke([0, 1, 2]) == [1]


def test_a_function_after_an_empty_stream_runs_on_the_empty_value():
    chain = Characters() | upper | RunnableLambda(repr)
    assert chain.invoke("") == "None"
    assert list(chain.stream("")) == ["None"]
    assert asyncio.run(chain.ainvoke("")) == "None"


@settings(deadline=None, max_examples=12)
@given(st.text(max_size=12))
def test_sequences_keep_the_laws(text):
    chain = RunnableGenerator(upper) | doubled_characters | ops.filter(str.isalnum)
    check_laws(chain, [text], flow=True, cuts=5, laws=("fragmentation", "cleanup", "errors"))


def doubled_characters(chunks):
    for chunk in chunks:
        for character in chunk:
            yield character + character


def test_closing_closes_every_stage_last_to_first_then_the_source():
    recorder = Recorder()
    stream = (recorder.stage("one") | recorder.stage("two") | recorder.stage("three")).transform(
        recorder.source()
    )
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()
    # a stage's own frame lets go of what it pulls from, so all are closed, the source for certain
    assert sorted(recorder.closed) == ["one", "source", "three", "two"]
    stream.close()
    assert len(recorder.closed) == 4


def test_breaking_off_an_infinite_source_returns_at_once():
    recorder = Recorder()
    for item in (recorder.stage("one") | recorder.stage("two")).transform(recorder.source()):
        if item == 3:
            break
    assert sorted(recorder.closed) == ["one", "source", "two"]


def test_a_stream_closed_before_its_first_chunk_closes_its_source():
    source = RecordingSource(count())
    stream = (RunnableGenerator(upper) | doubled).transform(source)
    stream.close()
    assert (source.pulled, source.closed) == (0, 1)


def test_a_dropped_stream_closes_its_source():
    source = RecordingSource("abc")
    stream = (RunnableGenerator(upper) | doubled).transform(source)
    next(stream)
    del stream
    gc.collect()
    assert source.closed == 1


def test_an_exception_in_the_middle_closes_all_before_it_reaches_the_caller():
    recorder = Recorder()
    chain = recorder.stage("one") | recorder.stage("two", fail_at=2) | recorder.stage("three")
    got = []
    with pytest.raises(KeyError) as caught:
        for item in chain.transform(recorder.source()):
            got.append(item)  # noqa: PERF402
    assert got == [0, 1]
    assert sorted(recorder.closed) == ["one", "source", "three", "two"]
    assert caught.value.__notes__ == ["in RunnableGenerator(two), stage 2 of 3"]


def test_an_exception_of_the_source_is_not_blamed_on_a_stage():
    failure = OSError("gone")
    source = RecordingSource("ab", failure)
    with pytest.raises(OSError, match="gone") as caught:
        list((RunnableGenerator(upper) | doubled).transform(source))
    assert caught.value is failure
    assert source.closed == 1


def test_a_stage_that_stops_early_closes_what_is_before_it():
    recorder = Recorder()

    def first_only(chunks):
        yield next(chunks)

    assert list((recorder.stage("one") | first_only).transform(recorder.source())) == [0]
    assert sorted(recorder.closed) == ["one", "source"]


def test_a_failing_close_hides_neither_the_error_nor_the_other_stages():
    class BadClose(RecordingSource):
        def close(self) -> None:
            super().close()
            raise RuntimeError("close failed")

    recorder = Recorder()
    source = BadClose([1, 2, 3])
    chain = recorder.stage("one") | recorder.stage("two", fail_at=1)
    with pytest.raises(KeyError) as caught:
        list(chain.transform(source))
    assert any("close failed" in note for note in caught.value.__notes__)
    assert sorted(recorder.closed) == ["one", "two"]
    assert source.closed == 1

    source = BadClose([1, 2, 3])
    stream = (recorder.stage("three") | recorder.stage("four")).transform(source)
    next(stream)
    with pytest.raises(RuntimeError, match="close failed"):
        stream.close()
    assert recorder.closed[2:] == ["four", "three"]


def test_a_source_without_close_is_fine():
    assert list((RunnableGenerator(upper) | doubled).transform(["a"])) == ["AA"]


def test_a_stage_that_cannot_be_built_closes_what_was_built():
    class Refuses(Runnable[Any, Any]):
        def transform(self, input, config=None):
            raise LookupError("no")

    source = RecordingSource("ab")
    with pytest.raises(LookupError):
        (RunnableGenerator(upper) | Refuses()).transform(source)
    assert source.closed == 1


def test_a_stage_may_return_any_iterable():
    class Listed(Runnable[Any, Any]):
        def transform(self, input, config=None):
            return [chunk + "!" for chunk in input]

    assert list((RunnableGenerator(upper) | Listed()).transform(["a", "b"])) == ["A!", "B!"]


def test_config_reaches_every_stage_without_the_name_of_the_chain():
    seen = []

    def look(text, config):
        seen.append(dict(config))
        return text

    config = {"run_name": "chain", "tags": ["a"], "my_key": object()}
    (RunnableLambda(look) | RunnableLambda(look)).invoke("x", config)
    assert seen == [{"tags": ["a"], "my_key": config["my_key"]}] * 2


def test_keyword_arguments_go_to_the_first_stage():
    def scaled(number, factor=1):
        return number * factor

    assert (RunnableLambda(scaled) | RunnableLambda(lambda x: x + 1)).invoke(2, factor=10) == 21


def test_async_composition_gives_the_same():
    async def main() -> None:
        for chain in (
            Characters() | upper | doubled,
            Characters() | aupper | doubled,
            Characters() | upper | aupper | RunnableLambda(str.lower) | upper,
            Characters() | ops.map(str.upper) | aupper | ops.take(2),
        ):
            wanted = "AABB" if len(chain.stages) == 3 else "AB"
            assert "".join([chunk async for chunk in chain.astream("ab")]) == wanted
            assert await chain.ainvoke("ab") == wanted

    asyncio.run(main())
    assert (Characters() | aupper | doubled).invoke("ab") == "AABB"


@pytest.mark.parametrize(
    "stages", [(aupper, aupper), (upper, aupper), (aupper, doubled), (upper, doubled), (ops.take(99), aupper)]
)
@pytest.mark.parametrize("pulls", [0, 1, 3])
def test_aclose_closes_the_source_once_before_it_returns(stages, pulls):
    async def main() -> AsyncSource:
        source = AsyncSource((str(number) for number in count()), waits=1)
        stream = RunnableSequence(*stages).atransform(source)
        for _ in range(pulls):
            await anext(stream)
        await stream.aclose()
        assert source.closed == 1
        await stream.aclose()
        return source

    assert asyncio.run(main()).closed == 1


def test_an_exception_in_an_async_stage_closes_the_source_first():
    async def fails(chunks):
        async for chunk in chunks:
            raise KeyError(chunk)
            yield

    async def main() -> None:
        source = AsyncSource("abc", waits=1)
        with pytest.raises(KeyError) as caught:
            async for _ in (RunnableGenerator(aupper) | fails).atransform(source):
                pass
        assert source.closed == 1
        assert caught.value.__notes__ == ["in RunnableGenerator(fails), stage 2 of 2"]

    asyncio.run(main())


def test_a_source_that_a_stage_leads_on_by_yield_from_is_closed_once():
    def on(chunks):
        yield from chunks

    stage = RunnableGenerator(on)
    for made in (
        stage,
        stage | stage,
        stage | RunnableParallel(a=stage, b=stage),
        stage.with_listeners(on_start=lambda run: None),
        stage.with_timeout(60),
        stage.with_retry(),
    ):
        for pulls in range(3):
            source = Source(["a", "b", "c"])
            with closing(made.transform(source)) as stream:
                for _ in range(pulls):
                    next(stream)
            assert source.closes == 1, (made, pulls)
        source = Source(["a"])
        list(made.transform(source))
        assert source.closes == 1, made
