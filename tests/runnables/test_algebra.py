"""Binding, each, passthrough, pick, branch and router: their methods, their streams, their ends."""

from __future__ import annotations

import asyncio
import pickle
from itertools import count

import pytest
from recorder import AsyncSource, Source

from streamcore import (
    AddableDict,
    Lines,
    RouterRunnable,
    Runnable,
    RunnableBinding,
    RunnableBranch,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    chain,
    ops,
    runnable,
)
from streamcore.testing import check_laws


class Characters(Runnable[str, str]):
    def stream(self, input, config=None):
        yield from input


class Repeats(Runnable[str, str]):
    """Takes keyword arguments and shows its config."""

    extra = "own"

    def stream(self, input, config=None, *, times=1, mark=""):
        for character in input:
            yield character * times + mark

    def invoke(self, input, config=None, *, times=1, mark=""):
        return "".join(self.stream(input, config, times=times, mark=mark))


def shout(text):
    return text.upper()


async def ashout(text):
    return text.upper()


def letters(text):
    yield from text


async def aletters(text):
    for letter in text:
        yield letter


def loud(chunks):
    for chunk in chunks:
        yield chunk.upper()


def shows(text, config):
    return config


async def alisted(stream):
    return [chunk async for chunk in stream]


def forms(stage, input):
    """The value, by every form of a call that must agree on it."""
    value = stage.invoke(input)
    assert stage.collect(stage.stream(input)) == value
    assert asyncio.run(stage.ainvoke(input)) == value
    assert asyncio.run(stage.acollect(stage.astream(input))) == value
    assert stage.batch([input, input]) == [value, value]
    return value


# ---- binding


def test_keyword_arguments_are_bound_and_those_of_a_call_win():
    bound = Repeats().bind(times=2)
    assert forms(bound, "ab") == "aabb"
    assert bound.invoke("ab", times=3) == "aaabbb"
    assert bound.bind(mark="!").invoke("a") == "aa!"
    assert bound.bind(times=1, mark="-").kwargs == {"times": 1, "mark": "-"}
    assert list(bound.stream("ab")) == ["aa", "bb"]
    assert forms(RunnableLambda(shout) | bound | loud, "ab") == "AABB"


def test_a_binding_of_a_binding_is_one():
    twice = (
        Repeats()
        .bind(times=2)
        .bind(mark="!")
        .with_config(tags=["a"])
        .with_config({"tags": ["b"]}, run_name="r")
    )
    assert type(twice) is RunnableBinding
    assert type(twice.bound) is Repeats
    assert twice.kwargs == {"times": 2, "mark": "!"}
    assert twice.config == {"tags": ["a", "b"], "run_name": "r"}
    assert repr(Repeats().bind(times=2)) == "RunnableBinding(Repeats(), kwargs={'times': 2})"
    assert repr(Repeats().with_config(tags=["a"])) == "RunnableBinding(Repeats(), config={'tags': ['a']})"
    assert repr(Repeats().with_fold("list")) == "RunnableBinding(Repeats(), fold='list')"


def test_a_config_is_merged_under_that_of_the_call():
    stage = RunnableLambda(shows).with_config({"tags": ["own"], "metadata": {"a": 1, "b": 1}})
    config = {"tags": ["call"], "metadata": {"b": 2}}
    merged = {"tags": ["own", "call"], "metadata": {"a": 1, "b": 2}}
    assert stage.invoke("x") == {"tags": ["own"], "metadata": {"a": 1, "b": 1}}
    assert stage.invoke("x", config) == merged
    assert next(stage.stream("x", config)) == merged
    assert asyncio.run(stage.ainvoke("x", config)) == merged
    assert (RunnableLambda(shout) | stage).invoke("x", config) == merged
    assert config == {"tags": ["call"], "metadata": {"b": 2}}


def test_unknown_attributes_are_those_of_the_bound_one():
    bound = Repeats().bind(times=2)
    assert bound.extra == "own"
    with pytest.raises(AttributeError, match="nothing"):
        _ = bound.nothing
    again = pickle.loads(pickle.dumps(RunnableLambda(shout).bind().with_config(tags=["a"])))
    assert again.invoke("a") == "A"
    assert again.config == {"tags": ["a"]}


@pytest.mark.parametrize(
    "stage", [Lines(), ops.map(len), RunnableGenerator(loud), RunnableLambda(shout)], ids=repr
)
def test_a_bound_stage_is_in_a_chain_what_it_is_without(stage):
    inputs = [b"a\nb\n", b"c"] if isinstance(stage, Lines) else ["ab", "c"]
    for wrapped in (stage.bind(), stage.with_config(tags=["a"])):
        assert wrapped._written == stage._written
        for whole, bare in (
            (wrapped, stage),
            (RunnableGenerator(same) | wrapped, RunnableGenerator(same) | stage),
        ):
            source, other = Source(inputs), Source(inputs)
            assert list(whole.transform(source)) == list(bare.transform(other))
            assert source.closed == 1
            assert asyncio.run(alisted(whole.atransform(AsyncSource(inputs)))) == list(bare.transform(inputs))


def same(chunks):
    for chunk in chunks:  # noqa: UP028 - that would close the source, too
        yield chunk


def test_names():
    assert RunnableLambda(shout).get_name() == "shout"
    assert RunnableLambda(shout, name="s").get_name() == "s"
    assert Characters().get_name() == "Characters"
    assert Characters().name is None
    assert RunnableLambda(shout).bind().get_name() == "shout"
    assert (Characters() | shout).get_name() == "RunnableSequence"
    assert Characters().pipe(shout, loud, name="p").get_name() == "p"
    assert RunnableSequence(shout, loud, name="q").name == "q"


def test_the_parts_of_a_sequence():
    a, b, c, d = (RunnableLambda(shout, name=name) for name in "abcd")
    whole = a | b | c | d
    assert (whole.first, whole.middle, whole.last, whole.steps) == (a, [b, c], d, [a, b, c, d])


def test_types_change_nothing():
    stage = Characters()
    assert stage.with_types(input_type=str, output_type=str) is stage


# ---- each


def test_each_input_of_a_list():
    assert forms(RunnableLambda(shout).map(), ["a", "b"]) == ["A", "B"]
    assert forms(RunnableLambda(shout).map().map(), [["a"], [], ["b", "c"]]) == [["A"], [], ["B", "C"]]
    assert RunnableLambda(ashout).map().invoke(["a", "b"]) == ["A", "B"]
    assert forms(Characters().with_fold("list") | RunnableLambda(shout).map(), "ab") == ["A", "B"]
    assert RunnableLambda(shout).map().invoke([]) == []
    assert repr(RunnableLambda(shout).map()) == "RunnableEach(RunnableLambda(shout))"
    with pytest.raises(TypeError, match=r"RunnableEach\(.*\) takes a list of inputs, got str"):
        RunnableEach(shout).invoke("ab")


# ---- passthrough


def test_passthrough_gives_chunks_at_once():
    source = Source("abc")
    stream = (RunnableGenerator(same) | RunnablePassthrough() | loud).transform(source)
    assert next(stream) == "A"
    assert source.pulled == 1
    assert list(stream) == ["B", "C"]
    assert forms(RunnablePassthrough(), {"any": 1}) == {"any": 1}
    assert (RunnablePassthrough() | RunnablePassthrough()).invoke(3) == 3
    assert (Characters() | RunnablePassthrough() | RunnablePassthrough()).invoke("ab") == "ab"
    check_laws(RunnablePassthrough(), ["ab", "c"], laws=["completeness", "cleanup", "errors"])


@pytest.mark.parametrize("kind", ["func", "afunc", "both"])
def test_a_tap_gets_the_whole_input_once_after_the_last_chunk(kind):
    seen = []

    def tap(value, config):
        seen.append((value, config.get("tags")))

    async def atap(value):
        seen.append((value, "async"))

    stage = RunnablePassthrough(*{"func": (tap,), "afunc": (None, atap), "both": (tap, atap)}[kind])
    sync = ("ab", "async") if kind == "afunc" else ("ab", ["t"])
    asynchronous = ("ab", ["t"]) if kind == "func" else ("ab", "async")
    whole = RunnableLambda(letters, aletters) | stage
    config = {"tags": ["t"]}
    stream = whole.stream("ab", config)
    assert [next(stream), next(stream)] == ["a", "b"]
    assert seen == []
    assert list(stream) == []
    assert whole.invoke("ab", config) == stage.invoke("ab", config) == "ab"
    assert seen == [sync] * 3
    seen.clear()
    assert asyncio.run(alisted(whole.astream("ab", config))) == ["a", "b"]
    assert asyncio.run(whole.ainvoke("ab", config)) == asyncio.run(stage.ainvoke("ab", config)) == "ab"
    assert seen == [asynchronous] * 3
    seen.clear()
    stream = whole.stream("ab")
    next(stream)
    stream.close()
    assert seen == []


def test_a_tap_after_items_gets_their_list():
    seen = []
    assert (Lines() | RunnablePassthrough(seen.append)).invoke(b"a\nb\n") == [b"a", b"b"]
    assert seen == [[b"a", b"b"]]


# ---- pick


def test_pick():
    chunks = [AddableDict(a="x"), {"b": 1}, AddableDict(a="y", c=2)]
    assert list(RunnablePick("a").transform(chunks)) == ["x", "y"]
    assert list(RunnablePick(["a", "c"]).transform(chunks)) == [{"a": "x"}, {"a": "y", "c": 2}]
    assert asyncio.run(alisted(RunnablePick("a").atransform(AsyncSource(chunks)))) == ["x", "y"]
    assert forms(RunnablePick("a"), {"a": 1, "b": 2}) == 1
    assert forms(RunnablePick(["a", "z"]), {"a": 1, "b": 2}) == {"a": 1}
    assert forms(RunnablePick("z"), {"a": 1}) is None
    assert forms(RunnableLambda(lambda text: {"text": text}).pick("text"), "ab") == "ab"
    with pytest.raises(TypeError, match=r"RunnablePick\('a'\) takes mappings, got str"):
        RunnablePick("a").invoke("a")
    with pytest.raises(TypeError, match="needs a key or a list of keys, got 3"):
        RunnablePick(3)


# ---- branch and router


def test_a_branch_streams_what_it_chose():
    called = []

    def long(text):
        called.append("long")
        return len(text) > 2

    def empty(text):
        called.append("empty")
        return not text

    branch = RunnableBranch((long, Characters()), (empty, lambda text: "nothing"), shout)
    assert forms(branch, "abc") == "abc"
    assert forms(branch, "ab") == "AB"
    assert forms(branch, "") == "nothing"
    called.clear()
    stream = branch.stream("abc")
    assert called == []
    assert list(stream) == ["a", "b", "c"]
    assert called == ["long"]
    assert list((Characters() | branch).stream("abc")) == ["a", "b", "c"]
    assert repr(RunnableBranch((long, shout), loud)) == (
        "RunnableBranch((RunnableLambda(long), RunnableLambda(shout)), RunnableGenerator(loud))"
    )


def test_async_parts_of_a_branch():
    async def always(text):
        return True

    branch = RunnableBranch((always, ashout), shout)
    assert branch.invoke("a") == "A"
    assert list(branch.stream("a")) == ["A"]
    assert asyncio.run(alisted(branch.astream("a"))) == ["A"]


def test_what_is_no_branch():
    with pytest.raises(ValueError, match="at least one branch and a default, got 1 arguments"):
        RunnableBranch(shout)
    with pytest.raises(TypeError, match="must be a pair of condition and Runnable"):
        RunnableBranch(shout, shout)


def test_a_router():
    router = RouterRunnable({"up": shout, "letters": Characters()})
    assert forms(router, {"key": "up", "input": "a"}) == "A"
    assert list(router.stream({"key": "letters", "input": "ab"})) == ["a", "b"]
    ran = []
    router = RouterRunnable({"a": ran.append})
    for call in (
        lambda: router.invoke({"key": "b", "input": 1}),
        lambda: list(router.stream({"key": "b", "input": 1})),
        lambda: router.batch([{"key": "a", "input": 1}, {"key": "b", "input": 1}]),
        lambda: asyncio.run(router.abatch([{"key": "a", "input": 1}, {"key": "b", "input": 1}])),
    ):
        with pytest.raises(ValueError, match="no Runnable for the key 'b': there are 'a'"):
            call()
    assert ran == []
    with pytest.raises(TypeError, match="takes a mapping with the keys 'key' and 'input', got 3"):
        router.invoke(3)
    with pytest.raises(ValueError, match="at least one"):
        RouterRunnable({})


class Recorded(Runnable):
    """Streams without end; counts how often its streams were closed."""

    def __init__(self):
        self.closed = 0

    def stream(self, input, config=None):
        try:
            yield from count()
        finally:
            self.closed += 1

    async def astream(self, input, config=None):
        try:
            for number in count():
                yield number
        finally:
            self.closed += 1


@pytest.mark.parametrize("pulls", [0, 1, 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda part: RunnableBranch((bool, part), part),
        lambda part: RouterRunnable({1: part}),
        lambda part: part.bind(),
        lambda part: part.with_config(tags=["a"]) | RunnablePassthrough(print) | RunnablePassthrough(),
    ],
    ids=["branch", "router", "binding", "passthrough"],
)
def test_what_was_chosen_is_closed(make, pulls):
    part = Recorded()
    stream = make(part).stream({"key": 1, "input": 1})
    assert [next(stream) for _ in range(pulls)] == list(range(pulls))
    stream.close()
    assert part.closed == (1 if pulls else 0)

    async def main():
        part = Recorded()
        stream = make(part).astream({"key": 1, "input": 1})
        assert [await anext(stream) for _ in range(pulls)] == list(range(pulls))
        await stream.aclose()
        assert part.closed == (1 if pulls else 0)

    asyncio.run(main())


# ---- the decorator


def test_the_decorator():
    @runnable
    def one(text):
        return text + "1"

    @chain(name="second")
    async def two(text):
        return text + "2"

    @runnable(fold="list")
    def letters(text):
        yield from text

    assert type(one) is RunnableLambda
    assert one.get_name() == "one"
    assert two.get_name() == "second"
    assert (one | two | letters).invoke("a") == ["a", "1", "2"]
    assert list(letters.stream("ab")) == ["a", "b"]


@pytest.mark.parametrize(
    "stage",
    [
        Repeats().bind(times=2),
        RunnableLambda(shout).with_config(tags=["a"]),
        RunnableBranch((str.isalpha, Characters()), shout),
        Characters() | RunnablePassthrough(len) | loud,
        Characters().with_fold("list"),
        RunnableLambda(shout) | RunnablePassthrough(),
    ],
    ids=repr,
)
def test_the_laws(stage):
    check_laws(stage, ["abc", "x", "a b"])
