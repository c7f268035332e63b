"""Our stages in chains of the real langchain-core, and its chunks in ours."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator

import pytest
from recorder import AsyncSource, Source

import streamcore
from streamcore import RunnableGenerator, RunnableLambda, RunnableSequence, Words, ops
from streamcore.integrations import langchain

try:
    from langchain_core import messages, runnables
    from langchain_core.messages.tool import tool_call_chunk
    from langchain_core.runnables.base import RunnableEach
    from langchain_core.runnables.utils import AddableDict
except ImportError:
    pytest.skip("langchain-core is not installed", allow_module_level=True)


@pytest.fixture(autouse=True, scope="module")
def registered():
    langchain.register()


def dotted(pieces):
    for piece in pieces:
        yield piece + "."


async def adotted(pieces):
    async for piece in pieces:
        yield piece + "."


def loud(pieces):
    for piece in pieces:
        yield piece.upper()


async def aloud(pieces):
    async for piece in pieces:
        yield piece.upper()


def failing(_):
    raise OSError("no")
    yield


THEIRS = runnables.RunnableGenerator(dotted, adotted)
OURS = RunnableGenerator(loud, aloud)
FAILING = runnables.RunnableLambda(failing)


async def pieces(*given):
    for piece in given:
        yield piece


def streamed(chain, *given):
    """What comes of pieces, the same sync and async."""
    chunks = list(chain.transform(iter(given)))

    async def main():
        return [chunk async for chunk in chain.atransform(pieces(*given))]

    assert asyncio.run(main()) == chunks
    return chunks


def test_a_step_of_ours_in_their_sequence_streams():
    chain = THEIRS | OURS
    assert isinstance(chain, runnables.RunnableSequence)
    assert streamed(chain, "a", "b") == ["A.", "B."]
    assert streamed(THEIRS | OURS | THEIRS, "a", "b") == ["A..", "B.."]
    assert streamed(THEIRS | RunnableGenerator(loud), "a", "b") == [
        "A.",
        "B.",
    ]  # in a thread where it is async
    assert chain.invoke("a") == asyncio.run(chain.ainvoke("a")) == "A."
    assert chain.batch(["a", "b"]) == asyncio.run(chain.abatch(["a", "b"])) == ["A.", "B."]
    assert isinstance(chain.batch([1, "b"], return_exceptions=True)[0], TypeError)


def test_a_step_of_theirs_in_ours_streams_as_before():
    chain = OURS | THEIRS
    assert isinstance(chain, RunnableSequence)
    assert streamed(chain, "a", "b") == ["A.", "B."]


def test_every_item_reaches_a_consumer_before_the_next_one_is_pulled():
    source = Source("abc")
    stream = (THEIRS | OURS).transform(source)
    assert (next(stream), source.pulled) == ("A.", 1)
    stream.close()

    async def main():
        source = AsyncSource("abc")
        stream = (THEIRS | OURS).atransform(source)
        assert (await anext(stream), source.pulled) == ("A.", 1)
        await stream.aclose()

    asyncio.run(main())


def test_branches_of_ours_in_their_parallel():
    both = runnables.RunnableParallel(loud=OURS, theirs=THEIRS)
    assert AddableDict(loud="A.B", theirs="A.B.") == (both | RunnableLambda(lambda x: x)).invoke("A.B")
    assert sorted(map(str, both.transform(iter("ab")))) == sorted(
        map(str, [{"loud": "A"}, {"loud": "B"}, {"theirs": "a."}, {"theirs": "b."}])
    )

    async def main():
        assert await both.ainvoke("a") == {"loud": "A", "theirs": "a."}
        chunks = [chunk async for chunk in both.atransform(pieces("a", "b"))]
        assert [chunk["loud"] for chunk in chunks if "loud" in chunk] == ["A", "B"]

    asyncio.run(main())
    mapped = {"words": Words()} | runnables.RunnablePick("words")  # a dict before one of theirs
    assert mapped.invoke("a b") == ["a ", "b"]


def test_fallbacks_and_the_other_methods_take_one_of_ours():
    chain = FAILING.with_fallbacks([OURS])
    assert list(chain.stream("a")) == ["A"]
    assert chain.invoke("a") == asyncio.run(chain.ainvoke("a")) == "A"
    assert chain.batch(["a"]) == asyncio.run(chain.abatch(["a"])) == ["A"]

    async def main():
        return [chunk async for chunk in chain.astream("a")]

    assert asyncio.run(main()) == ["A"]
    assert runnables.RunnablePassthrough.assign(n=RunnableLambda(len)).invoke({"a": 1}) == {"a": 1, "n": 1}
    branch = runnables.RunnableBranch((RunnableLambda(bool), OURS), THEIRS)
    assert (branch.invoke("a"), branch.invoke("")) == ("A", ".")
    assert runnables.RouterRunnable({"ours": OURS}).invoke({"key": "ours", "input": "a"}) == "A"
    assert runnables.RunnableLambda(lambda _: OURS).invoke("a") == "A"
    assert list(runnables.RunnableLambda(lambda _: OURS).stream("a")) == ["A"]
    assert RunnableEach(bound=OURS).invoke(["a", "b"]) == ["A", "B"]
    assert runnables.RunnableBinding(bound=OURS, config={"tags": ["x"]}).invoke("a") == "A"
    assert (THEIRS | OURS).with_retry().with_config(run_name="x").invoke("a") == "A."


@pytest.mark.parametrize(
    "stage",
    [
        OURS,
        OURS | OURS,
        Words(),
        OURS.bind(),
        OURS.with_retry(),
        OURS.with_fallbacks([OURS]),
        OURS.with_timeout(5),
        OURS.map(),
        streamcore.RunnableParallel(a=OURS),
        streamcore.RunnablePassthrough(),
        streamcore.RunnableBranch((bool, OURS), OURS),
        ops.map(str),
    ],
    ids=repr,
)
def test_every_class_of_ours_has_what_their_graphs_and_schemas_ask_for(stage):
    assert isinstance(stage, runnables.Runnable)
    for chain in (
        THEIRS | stage,
        stage.pipe(THEIRS),
        THEIRS.with_fallbacks([stage]),
        runnables.RunnableParallel(a=stage),
        RunnableEach(bound=stage),
        runnables.RunnableBranch((bool, stage), THEIRS),
    ):
        assert "graph TD" in chain.get_graph().draw_mermaid()
        assert chain.get_graph().to_json(with_schemas=True)["nodes"]
        assert chain.get_input_jsonschema()["title"]
        assert chain.get_output_jsonschema()["title"]
        assert chain.config_schema().model_json_schema()["title"]
        assert chain.config_specs == []
        assert chain.get_prompts() == []


def test_schemas_have_the_types_that_are_declared():
    class Counter(streamcore.Runnable[str, int]):
        def invoke(self, input, config=None):
            return len(input)

    class Odd:
        pass

    def typed(text: str) -> list[int]:
        return [len(text)]

    def untyped(text, n: int = 0) -> list[int]:
        return []

    def generated(chunks: Iterable[str]) -> Iterator[bytes]:
        yield b""

    def odd(x: Odd) -> Odd:
        return x

    def types(stage):
        return stage.get_input_jsonschema().get("type"), stage.get_output_jsonschema().get("type")

    assert types(Counter()) == ("string", "integer")
    assert types(RunnableLambda(typed)) == ("string", "array")
    assert types(RunnableLambda(untyped)) == (None, "array")
    assert types(RunnableGenerator(generated)) == ("string", "string")
    assert types(RunnableLambda(typed) | Counter()) == ("string", "integer")
    assert types(RunnableLambda(len)) == (None, None)
    assert types(RunnableLambda(odd)) == (None, None)  # no schema is made of it
    assert (THEIRS | Counter()).get_output_jsonschema()["title"] == "CounterOutput"
    assert RunnableLambda(typed, name="x").get_name("Input") == "x_input"


def test_their_config_and_callbacks_reach_stages_of_theirs_in_ours():
    seen = []

    def note(x, config):
        seen.append((config["tags"], "callbacks" in config))
        return x

    inner = OURS | runnables.RunnableLambda(note)
    assert (THEIRS | inner).invoke("a", {"tags": ["t"], "metadata": {"k": 1}}) == "A."
    assert seen == [(["t"], True)]

    async def main():
        events = (THEIRS | inner).astream_events("a", version="v2")
        return [event["name"] async for event in events if event["event"] == "on_chain_start"]

    assert asyncio.run(main()) == ["RunnableSequence", "dotted", "note"]


def chunks_of(kind, **more):
    return [kind(content=text, **more) for text in ("a", "b", "c")]


def test_message_chunks_fold():
    for kind, more in (
        (messages.AIMessageChunk, {}),
        (messages.HumanMessageChunk, {}),
        (messages.ChatMessageChunk, {"role": "x"}),
        (messages.ToolMessageChunk, {"tool_call_id": "1"}),
    ):
        whole = RunnableGenerator(lambda chunks, k=kind, m=more: iter(chunks_of(k, **m))).invoke("")
        assert (type(whole), whole.content) == (kind, "abc")
    calls = [
        messages.AIMessageChunk(
            content="", tool_call_chunks=[tool_call_chunk(name=name, args=args, id="1", index=0)]
        )
        for name, args in (("f", '{"x"'), (None, ": 1}"))
    ]
    (call,) = OURS.collect(calls).tool_calls
    assert (call["name"], call["args"]) == ("f", {"x": 1})
    with pytest.raises(TypeError, match="AIMessageChunk and str"):
        OURS.collect([messages.AIMessageChunk(content="a"), "b"])


def test_a_model_of_theirs_before_a_stage_of_ours_that_waits():
    from langchain_core.language_models import GenericFakeChatModel

    def model():
        return GenericFakeChatModel(messages=iter([messages.AIMessage("two words")]))

    length = RunnableLambda(lambda message: len(message.content))
    assert list((coerced(model()) | length).stream("x")) == [9]
    assert list((model() | length).stream("x")) == [9]

    async def main():
        return [chunk async for chunk in (coerced(model()) | length).astream("x")]

    assert asyncio.run(main()) == [9]


coerced = streamcore.coerce_to_runnable


def test_many_chunks_of_a_message_fold_in_one_go(monkeypatch):
    whole = []
    add = messages.AIMessageChunk.__add__

    def counted(self, other):
        whole.append(other)
        return add(self, other)

    monkeypatch.setattr(messages.AIMessageChunk, "__add__", counted)
    message = OURS.collect([messages.AIMessageChunk(content="ab")] * 100)
    assert (message.content, len(whole)) == ("ab" * 100, 1)


def test_their_addable_dicts_fold_key_by_key():
    chunks = [AddableDict(a="x"), AddableDict(b=[1], a=None), AddableDict(a="y", b=[2])]
    whole = OURS.collect(chunks)
    assert (type(whole), whole) == (AddableDict, {"a": "xy", "b": [1, 2]})
    with pytest.raises(TypeError, match="key 'n' \\(int and int\\)"):
        OURS.collect([AddableDict(n=1), AddableDict(n=2)])
    assert streamed(runnables.RunnableParallel(a=THEIRS) | RunnableLambda(dict), "x", "y") == [{"a": "x.y."}]


def test_registering_again_changes_nothing():
    before = dict(vars(streamcore.Runnable))
    taken = []
    streamcore.register_fold(messages.HumanMessageChunk, lambda chunks: taken.append(chunks))
    threads = [threading.Thread(target=langchain.register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(vars(streamcore.Runnable)) == before
    OURS.collect(chunks_of(messages.HumanMessageChunk))
    assert len(taken) == 1  # what the user registered later still counts
    streamcore.runnables.folding._registered.pop(messages.HumanMessageChunk)


def test_without_langchain_core_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    monkeypatch.setattr(langchain, "_registered", False)
    with pytest.raises(ImportError, match="needs langchain-core: pip install 'pystreamcore\\[langchain\\]'"):
        langchain.register()
    assert not langchain._registered


def test_the_module_loads_nothing_of_langchain_before_it_is_asked_to():
    program = "import sys, streamcore.integrations.langchain as l; print('langchain_core' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
    assert importlib.import_module("streamcore.integrations")
