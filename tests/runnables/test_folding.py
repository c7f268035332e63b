"""Folding: what the chunks of a stream are together, and what none of them is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest

from streamcore import (
    AddableDict,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    View,
    aadd,
    add,
    ops,
    register_fold,
    runnable,
)
from streamcore.runnables import folding


class Gives(Runnable[Any, Any]):
    """Its input, item by item."""

    def stream(self, input, config=None):
        yield from input


class Text(Runnable[list, str]):
    def stream(self, input, config=None):
        yield from input


class Deep(Text):
    """Two classes from where the type stands."""


class Bytes(Runnable[list, bytes, bytes]):
    def stream(self, input, config=None):
        yield from input


class Lists(Runnable[list, list[int]]):
    def stream(self, input, config=None):
        yield from input


async def alisted(stream):
    return [chunk async for chunk in stream]


def both(stage, input):
    """``invoke`` and ``ainvoke``, which must agree."""
    value = stage.invoke(input)
    assert asyncio.run(stage.ainvoke(input)) == value
    assert type(asyncio.run(stage.ainvoke(input))) is type(value)
    assert stage.collect(stage.stream(input)) == value
    return value


@pytest.mark.parametrize(
    ("chunks", "value"),
    [
        ([{"a": 1}], {"a": 1}),
        (["a", "b"], "ab"),
        ([b"a", bytearray(b"b"), memoryview(b"c")], b"abc"),
        ([memoryview(b"a"), b"b"], b"ab"),
        ([[1], [], [2, 3]], [1, 2, 3]),
        (
            [AddableDict(a="x"), AddableDict(a="y", b=[1]), AddableDict(b=[2], c=None)],
            {"a": "xy", "b": [1, 2], "c": None},
        ),
        ([AddableDict(a=None), AddableDict(a=1), AddableDict(a=None)], {"a": 1}),
    ],
)
def test_chunks_that_fold(chunks, value):
    assert both(Gives(), chunks) == value


@pytest.mark.parametrize(
    ("chunks", "types"),
    [
        ([1, 2], "int and int"),
        ([{"a": 1}, {"a": 2}], "dict and dict"),
        ([{1}, {2}], "set and set"),
        (["a", b"b"], "str and bytes"),
        ([[1], "a"], "list and str"),
        (["a", None], "str and NoneType"),
        ([AddableDict(a=1), {"a": 2}], "AddableDict and dict"),
    ],
)
def test_chunks_that_do_not(chunks, types):
    with pytest.raises(TypeError, match=rf"no rule folds the 2 chunks of Gives\(\) \({types}\).*fold="):
        Gives().invoke(chunks)


def test_the_key_of_values_that_do_not_fold_is_named():
    with pytest.raises(TypeError, match=r"of Gives\(\), key 'n' \(int and int\)"):
        Gives().invoke([AddableDict(n=1), AddableDict(n=2)])


def strings(chunks: Iterable[str]) -> Iterator[str]:
    yield from chunks


async def astrings(chunks: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if chunk:
            yield b""


def lists(text: str) -> Iterator[list[int]]:
    yield from ()


def dicts(text) -> Iterator[dict[str, int]]:
    yield from ()


def numbers(text) -> Iterator[int]:
    yield from ()


def unknown(text) -> Iterator[Missing]:  # noqa: F821 - what is not there
    yield from ()


def bare(text):
    yield from ()


@pytest.mark.parametrize(
    ("stage", "value"),
    [
        (Gives(), None),
        (Text(), ""),
        (Deep(), ""),
        (Bytes(), b""),
        (Lists(), []),
        (RunnableGenerator(astrings) | RunnableGenerator(strings), ""),
        (RunnableLambda(lists), []),
        (RunnableLambda(dicts), {}),
        (RunnableLambda(numbers), None),
        (RunnableLambda(unknown), None),
        (RunnableLambda(bare), None),
        (RunnableLambda(bare, fold="list"), []),
        (RunnableLambda(bare, fold="last"), None),
        (RunnableLambda(lists, fold="last"), []),
        (RunnableLambda(bare, fold=tuple), ()),
        (Text().bind(), ""),
        (ops.take(3), []),
    ],
    ids=repr,
)
def test_a_stream_without_a_chunk(stage, value):
    result = both(stage, [])
    assert result == value
    assert type(result) is type(value)


def test_a_stage_that_waits_runs_once_on_the_empty_value():
    calls = []
    chain = Text() | RunnableLambda(lambda text: calls.append(text) or "done")
    assert chain.invoke([]) == "done"
    assert list(chain.stream([])) == ["done"]
    assert asyncio.run(alisted(chain.astream([]))) == ["done"]
    assert calls == ["", "", ""]


@pytest.mark.parametrize(("fold", "value"), [("list", [1, 2, 3]), ("last", 3), (sum, 6), (tuple, (1, 2, 3))])
def test_a_fold_that_was_asked_for(fold, value):
    def each(items):
        yield from items

    def chunked(chunks):
        for chunk in chunks:
            yield from chunk

    for stage in (
        Gives().with_fold(fold),
        RunnableLambda(each, fold=fold),
        RunnableGenerator(chunked, fold=fold),
        runnable(fold=fold)(each),
        Gives().with_fold("list").with_fold(fold),
    ):
        assert both(stage, [1, 2, 3]) == value
        assert both(stage | RunnableLambda(lambda x: [x]), [1, 2, 3]) == [value]


def test_fold_error_is_the_rules():
    assert Gives().with_fold("error").invoke(["a", "b"]) == "ab"
    with pytest.raises(TypeError, match="no rule folds"):
        RunnableLambda(Gives().stream, fold="error").pipe(Gives().with_fold("error")).invoke([[1, 2]])


@pytest.mark.parametrize(("fold", "error"), [("first", ValueError), (3, TypeError), (b"list", TypeError)])
def test_what_is_no_fold(fold, error):
    for make in (
        Gives().with_fold,
        lambda fold: RunnableLambda(len, fold=fold),
        lambda fold: RunnableGenerator(bare, fold=fold),
    ):
        with pytest.raises(error, match="fold must be 'error', 'last', 'list' or a callable, got"):
            make(fold)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(folding, "_registered", {})


def test_a_registered_type(registry):
    class Money:
        def __init__(self, cents):
            self.cents = cents

    class Coin(Money):
        pass

    register_fold(Money, lambda held: sum(each.cents for each in held))
    assert both(Gives(), [Money(1), Coin(2), Money(3)]) == 6
    register_fold(Coin, len)
    assert both(Gives(), [Coin(1), Coin(2)]) == 2
    register_fold(str, "-".join)
    assert both(Gives(), ["a", "b"]) == "a-b"
    with pytest.raises(TypeError, match="no rule"):
        Gives().invoke([Money(1), 2])
    with pytest.raises(TypeError, match="kind must be a type, got str"):
        register_fold("int", sum)
    with pytest.raises(TypeError, match="function must be callable, got int"):
        register_fold(int, 3)


def test_views_are_joined():
    stage = Gives()
    from streamcore import FixedSize

    chunks = list(FixedSize(2).stream(b"abcd"))
    assert all(isinstance(chunk, View) for chunk in chunks)
    assert both(stage, chunks) == b"abcd"


# ---- dicts that can be added


def test_dicts_add_by_key():
    total = AddableDict(a="x", b=1) + {"a": "y", "c": None} + AddableDict(c=[1])
    assert total == {"a": "xy", "b": 1, "c": [1]}
    assert type(total) is AddableDict
    assert type({"a": 1} + AddableDict(a=2)) is AddableDict
    assert {"a": 1} + AddableDict(a=2, b=3) == {"a": 3, "b": 3}
    first = AddableDict(a=[1])
    assert first + AddableDict(a=[2]) == {"a": [1, 2]}
    assert first == {"a": [1]}
    with pytest.raises(TypeError, match="the values of key 'a' cannot be added: int and str"):
        AddableDict(a=1) + {"a": "x"}
    with pytest.raises(TypeError, match="unsupported operand"):
        AddableDict(a=1) + 1


def test_add():
    assert add([]) is None
    assert add(["a", "b", "c"]) == "abc"
    assert add([b"a", b"b"]) == b"ab"
    assert add([1, 2, 3]) == 6
    assert add(AddableDict({key: [1]}) for key in "aba") == {"a": [1, 1], "b": [1]}

    async def chunks():
        yield "a"
        yield "b"

    assert asyncio.run(aadd(chunks())) == "ab"
