"""Keyword arguments of a call reach the first stage, whatever their names: also those that functions inside have."""

from __future__ import annotations

import asyncio

import pytest

from streamcore import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

# Names that functions between a call and a stage have for what they are given.
NAMES = [
    "ahead",
    "attempt",
    "calls",
    "chunks",
    "executor_or_config",
    "first",
    "fold",
    "func",
    "function",
    "iterator",
    "kwargs",
    "make",
    "method",
    "note",
    "owned",
    "runnable",
    "stage",
    "stages",
    "start",
    "stop",
]


def shown(given):
    return ",".join(sorted(given))


def function(input, **given):
    return input + shown(given)


async def coroutine(input, **given):
    return input + shown(given)


def letters(input, **given):
    yield input
    yield shown(given)


async def aletters(input, **given):
    yield input
    yield shown(given)


def each(input, **given):
    for chunk in input:  # noqa: UP028 - that would close the source, too
        yield chunk
    yield shown(given)


async def aeach(input, **given):
    async for chunk in input:
        yield chunk
    yield shown(given)


class Written(Runnable[str, str]):
    def invoke(self, input, config=None, **given):
        return input + shown(given)


STAGES = {
    "a function": RunnableLambda(function),
    "a coroutine function": RunnableLambda(coroutine),
    "a generator function": RunnableLambda(letters),
    "an async generator function": RunnableLambda(aletters),
    "a generator": RunnableGenerator(each),
    "an async generator": RunnableGenerator(aeach),
    "a class": Written(),
    "a binding": RunnableGenerator(each).bind(),
    "a retry": RunnableGenerator(each).with_retry(),
    "a retry of a function": RunnableLambda(function, coroutine).with_retry(),
    "a branch": RunnableBranch((bool, RunnableGenerator(each)), function),
    "branches": RunnableParallel(a=each).pick("a"),
    "async branches": RunnableParallel(a=aeach).pick("a"),
}


async def joined(stream):
    return "".join([chunk async for chunk in stream])


async def asource():
    yield "a"


FORMS = {
    "invoke": lambda stage, given: stage.invoke("a", None, **given),
    "stream": lambda stage, given: "".join(stage.stream("a", None, **given)),
    "transform": lambda stage, given: "".join(stage.transform(iter(["a"]), None, **given)),
    "batch": lambda stage, given: stage.batch(["a"], None, **given)[0],
    "batch_as_completed": lambda stage, given: next(stage.batch_as_completed(["a"], None, **given))[1],
    "ainvoke": lambda stage, given: asyncio.run(stage.ainvoke("a", None, **given)),
    "astream": lambda stage, given: asyncio.run(joined(stage.astream("a", None, **given))),
    "atransform": lambda stage, given: asyncio.run(joined(stage.atransform(asource(), None, **given))),
    "abatch": lambda stage, given: asyncio.run(stage.abatch(["a"], None, **given))[0],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_keyword_argument_of_any_name(stage, form):
    given = dict.fromkeys(NAMES, 1)
    for tried in (STAGES[stage], STAGES[stage] | RunnableGenerator(passed, apassed)):
        assert FORMS[form](tried, given) == "a" + shown(given)


def passed(chunks):
    for chunk in chunks:  # noqa: UP028 - that would close the source, too
        yield chunk


async def apassed(chunks):
    async for chunk in chunks:
        yield chunk


def test_the_tap_of_a_passthrough():
    seen = []
    stage = RunnablePassthrough(lambda input, **given: seen.append(shown(given)))
    given = dict.fromkeys(NAMES, 1)
    for form in FORMS.values():
        assert form(stage, given) == "a"
    assert seen == [shown(given)] * len(FORMS)
