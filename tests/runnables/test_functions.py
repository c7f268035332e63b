"""``RunnableLambda``, ``RunnableGenerator`` and ``coerce_to_runnable``."""

from __future__ import annotations

import asyncio
import functools
import pickle

import pytest

from streamcore import Runnable, RunnableGenerator, RunnableLambda, coerce_to_runnable
from streamcore.testing import RecordingSource, check_laws


def shout(text):
    return text.upper()


def letters(text):
    yield from text


async def ashout(text):
    await asyncio.sleep(0)
    return text.upper()


async def aletters(text):
    for letter in text:
        await asyncio.sleep(0)
        yield letter


def per_chunk(chunks):
    for chunk in chunks:
        yield chunk * 2


async def listed(chunks):
    return [chunk async for chunk in chunks]


@pytest.mark.parametrize(
    ("func", "chunks"),
    [(shout, ["ABC"]), (letters, ["a", "b", "c"]), (ashout, ["ABC"]), (aletters, ["a", "b", "c"])],
)
def test_a_function_of_any_kind_is_a_runnable(func, chunks):
    runnable = RunnableLambda(func)
    assert list(runnable.stream("abc")) == chunks
    assert runnable.invoke("abc") == "".join(chunks)
    assert asyncio.run(listed(runnable.astream("abc"))) == chunks
    assert asyncio.run(runnable.ainvoke("abc")) == "".join(chunks)
    check_laws(runnable, ["abc", "x"])


def test_a_function_may_have_an_async_twin():
    runnable = RunnableLambda(shout, ashout)
    assert runnable.invoke("a") == asyncio.run(runnable.ainvoke("a")) == "A"
    with pytest.raises(TypeError, match="afunc must be a coroutine function"):
        RunnableLambda(shout, shout)


def test_a_function_that_names_config_gets_it():
    runnable = RunnableLambda(lambda text, config: (text, config))
    assert runnable.invoke("a", {"tags": ["t"]}) == ("a", {"tags": ["t"]})
    assert runnable.invoke("a") == ("a", {})
    assert RunnableLambda(lambda config: config).invoke("a") == "a"
    assert RunnableLambda(lambda text, *, config: config).invoke("a") == {}


def test_a_function_may_return_a_runnable_to_run_in_its_place():
    runnable = RunnableLambda(lambda text: RunnableLambda(letters) if text else RunnableLambda(shout))
    assert runnable.invoke("abc") == "abc"
    assert list(runnable.stream("abc")) == ["a", "b", "c"]
    assert asyncio.run(runnable.ainvoke("abc")) == "abc"


def test_functions_that_keep_returning_runnables_stop_at_the_limit():
    endless = RunnableLambda(lambda text: endless)
    with pytest.raises(RecursionError, match=r"recursion_limit reached: RunnableLambda\(<lambda>\)"):
        endless.invoke("a")
    with pytest.raises(RecursionError):
        list(endless.stream("a", {"recursion_limit": 3}))


@pytest.mark.parametrize("thing", [None, 3, "text"])
def test_what_cannot_be_called_is_refused(thing):
    with pytest.raises(TypeError, match=f"RunnableLambda needs a callable, got {type(thing).__name__}"):
        RunnableLambda(thing)
    with pytest.raises(TypeError, match="RunnableGenerator needs a generator function"):
        RunnableGenerator(thing)
    with pytest.raises(TypeError, match="expected a Runnable, a callable, a mapping or"):
        coerce_to_runnable(thing)


def test_a_generator_works_chunk_by_chunk():
    runnable = RunnableGenerator(per_chunk)
    assert list(runnable.transform(["a", "b"])) == ["aa", "bb"]
    assert list(runnable.stream("ab")) == ["abab"]
    assert runnable.invoke("ab") == "abab"
    check_laws(runnable, ["abc", "x"], laws=("completeness", "order", "cleanup", "errors"))


def test_a_generator_that_names_config_gets_it():
    def tagged(chunks, config):
        for chunk in chunks:
            yield chunk + config["tags"][0]

    assert list(RunnableGenerator(tagged).transform(["a"], {"tags": ["!"]})) == ["a!"]


def test_a_generator_closes_its_source_however_it_ends():
    source = RecordingSource("ab")
    stream = RunnableGenerator(per_chunk).transform(source)
    stream.close()
    assert source.closed == 1


def test_a_generator_may_have_an_async_twin():
    async def aper_chunk(chunks):
        async for chunk in chunks:
            yield chunk * 3

    runnable = RunnableGenerator(per_chunk, aper_chunk)
    assert runnable.invoke("a") == "aa"
    assert asyncio.run(runnable.ainvoke("a")) == "aaa"
    assert RunnableGenerator(aper_chunk).invoke("a") == "aaa"


def test_coercion_follows_what_the_thing_is():
    runnable = RunnableLambda(shout)
    assert coerce_to_runnable(runnable) is runnable
    assert isinstance(coerce_to_runnable(shout), RunnableLambda)
    assert isinstance(coerce_to_runnable(per_chunk), RunnableGenerator)
    assert isinstance(coerce_to_runnable(aletters), RunnableGenerator)
    assert isinstance(coerce_to_runnable(functools.partial(shout)), RunnableLambda)
    assert coerce_to_runnable(str.upper).invoke("a") == "A"
    assert coerce_to_runnable(len).invoke("abc") == 3


def test_an_object_with_the_method_names_is_a_stage():
    class Foreign:
        def invoke(self, input, config=None):
            return input + "!"

        def stream(self, input, config=None):
            yield from input + "!"

        def transform(self, input, config=None):
            for chunk in input:
                yield chunk + "?"

    chain = RunnableLambda(shout) | Foreign()
    assert list(chain.stream("ab")) == ["AB?"]
    assert coerce_to_runnable(Foreign()).invoke("ab") == "ab!"
    assert asyncio.run(coerce_to_runnable(Foreign()).ainvoke("ab")) == "ab!"
    assert asyncio.run(listed(coerce_to_runnable(Foreign()).astream("ab"))) == ["a", "b", "!"]


def test_runnables_of_module_functions_can_be_pickled():
    chain = RunnableLambda(shout) | per_chunk
    assert pickle.loads(pickle.dumps(chain)).invoke("a") == "AA"


def test_names_show_in_the_repr():
    assert repr(RunnableLambda(shout) | per_chunk) == "RunnableLambda(shout) | RunnableGenerator(per_chunk)"
    assert repr(RunnableLambda(lambda x: x, name="same")) == "RunnableLambda(same)"


def test_a_class_is_a_callable_too():
    assert coerce_to_runnable(int).invoke("3") == 3
    assert not isinstance(coerce_to_runnable(int), type)
    assert isinstance(coerce_to_runnable(int), Runnable)


class Twice:
    def __call__(self, input):
        yield from (input, input)


class ATwice:
    async def __call__(self, input):
        yield input
        yield input


def test_an_object_whose_call_generates_is_as_the_function():
    assert list(RunnableLambda(Twice()).stream("a")) == ["a", "a"]
    assert RunnableLambda(Twice()).invoke("a") == "aa"
    assert list(RunnableLambda(ATwice()).stream("a")) == ["a", "a"]
    assert RunnableLambda(ATwice()).invoke("a") == "aa"
    assert isinstance(coerce_to_runnable(Twice()), RunnableGenerator)
    made = RunnableLambda(type("Made", (), {"__init__": lambda self, _: None, "__call__": Twice.__call__}))
    assert callable(made.invoke(1))  # calling the class makes an object


class OnTheLoop(Runnable):
    """Says on which side it ran; its async stream is told of its end."""

    closed = 0

    def stream(self, input, config=None):
        yield "sync"

    async def astream(self, input, config=None):
        try:
            assert asyncio.get_running_loop() is not None
            yield "async"
            yield "more"
        finally:
            self.closed += 1


@pytest.mark.parametrize("before", [(), (per_chunk,), (shout, shout)], ids=len)
@pytest.mark.parametrize("after", [(), (per_chunk,)], ids=len)
def test_a_runnable_that_a_sync_function_gives_runs_on_the_loop_in_async_calls(before, after):
    made = OnTheLoop()
    stages = (*before, lambda text: made, *after)
    chain = RunnableLambda(stages[0]) if len(stages) == 1 else coerce_to_runnable(stages[0]).pipe(*stages[1:])
    wanted = ["asyncasync", "moremore"] if after else ["async", "more"]

    async def main():
        assert await listed(chain.astream("a")) == wanted
        assert await chain.ainvoke("a") == "".join(wanted)
        assert await chain.abatch(["a", "b"]) == ["".join(wanted)] * 2
        stream = chain.astream("a")
        assert await anext(stream) == wanted[0]
        await stream.aclose()

    asyncio.run(main())
    assert made.closed == 5
    assert chain.invoke("a") == ("syncsync" if after else "sync")
