"""``RunnableConfig``: what it may be, how it merges, and the functions of ``streamcore.config``."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from decimal import Decimal
from types import MappingProxyType

import pytest
from foreign_stages import AsyncForeign, Foreign

from streamcore import (
    Lines,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    config,
    ops,
)
from streamcore.config import (
    ensure_config,
    get_config_list,
    merge_configs,
    patch_config,
    run_in_executor,
)
from streamcore.runnables.config import child_config


def test_later_values_win_and_collections_grow():
    def one():
        pass

    merged = merge_configs(
        {"run_name": "a", "tags": ["x", "y"], "metadata": {"k": 1, "m": 1}, "listeners": [one]},
        None,
        {"run_name": "b", "tags": ["y", "z"], "metadata": {"k": 2}, "listeners": [one], "timeout": 3},
    )
    assert merged == {
        "run_name": "b",
        "tags": ["x", "y", "z"],
        "metadata": {"k": 2, "m": 1},
        "listeners": [one, one],
        "timeout": 3,
    }


def test_unknown_keys_pass_through_and_none_counts_as_unset():
    thing = object()
    assert merge_configs({"mine": thing, "timeout": 5}, {"timeout": None}) == {"mine": thing, "timeout": 5}
    assert merge_configs({"mine": thing})["mine"] is thing


def test_merging_leaves_its_arguments_alone():
    first = {"tags": ["a"], "metadata": {"k": 1}}
    merged = merge_configs(first, {"tags": ["b"], "metadata": {"k": 2}})
    merged["tags"].append("c")
    assert first == {"tags": ["a"], "metadata": {"k": 1}}


def test_the_name_of_a_chain_is_not_handed_down():
    config = {"run_name": "chain", "tags": ["a"]}
    assert child_config(config) == {"tags": ["a"]}
    assert config["run_name"] == "chain"
    assert child_config(None) is None


# -- what a config may be

BAD = [
    ("tags", TypeError, "config must be a mapping, got str 'tags'"),
    (3, TypeError, "config must be a mapping, got int 3"),
    ({"tags": "label"}, TypeError, "tags must be a list of str, got str 'label'"),
    ({"tags": b"label"}, TypeError, "tags must be a list of str, got bytes b'label'"),
    ({"tags": 1}, TypeError, "tags must be a list of str, got int 1"),
    ({"metadata": [1]}, TypeError, r"metadata must be a mapping, got list \[1\]"),
    ({"max_concurrency": 0}, ValueError, "max_concurrency must be positive, got 0"),
    ({"max_concurrency": -1}, ValueError, "max_concurrency must be positive, got -1"),
    ({"max_concurrency": "2"}, TypeError, "max_concurrency must be an int, got str '2'"),
    ({"max_concurrency": True}, TypeError, "max_concurrency must be an int, got bool True"),
    ({"buffer_size": 0}, ValueError, "buffer_size must be positive, got 0"),
    ({"buffer_size": 1.5}, TypeError, "buffer_size must be an int, got float 1.5"),
    ({"buffer_bytes": 0}, ValueError, "buffer_bytes must be positive, got 0"),
    ({"recursion_limit": "25"}, TypeError, "recursion_limit must be an int, got str '25'"),
    ({"timeout": 0}, ValueError, "timeout must be positive, got 0"),
    ({"timeout": "1"}, TypeError, "timeout must be a number, got str '1'"),
    ({"timeout": True}, TypeError, "timeout must be a number, got bool True"),
    ({"first_chunk_timeout": -0.5}, ValueError, "first_chunk_timeout must be positive, got -0.5"),
    ({"first_chunk_timeout": float("nan")}, ValueError, "first_chunk_timeout must be positive, got nan"),
    ({"executor": 4}, TypeError, "executor must have a method submit, got int 4"),
]
bad = pytest.mark.parametrize(("given", "kind", "message"), BAD)


class Invokes(Runnable):
    def invoke(self, input, config=None):
        return input


class Streams(Runnable):
    def stream(self, input, config=None):
        yield input


class Transforms(Runnable):
    def transform(self, input, config=None):
        yield from input


class AsyncOnly(Runnable):
    async def astream(self, input, config=None):
        yield input


def same(chunk):
    return chunk


async def asame(chunk):
    return chunk


def each(chunks):
    yield from chunks


async def aeach(chunks):
    async for chunk in chunks:
        yield chunk


async def one(chunk):
    yield chunk


STAGES = [
    RunnableLambda(same),
    RunnableLambda(same, asame),
    RunnableLambda(asame),
    RunnableLambda(one),
    RunnableGenerator(each),
    RunnableGenerator(each, aeach),
    RunnableGenerator(aeach),
    RunnableLambda(same) | RunnableLambda(same),
    RunnableLambda(asame) | RunnableGenerator(aeach),
    RunnableGenerator(each) | ops.map(same) | ops.buffer(1),
    (RunnableLambda(same) | Foreign()).stages[1],
    (RunnableLambda(same) | AsyncForeign()).stages[1],
    ops.map(same),
    ops.map(asame),
    ops.buffer(2),
    ops.take(1),
    Lines(),
    RunnablePassthrough(),
    RunnablePassthrough(same),
    RunnablePassthrough(same, asame),
    RunnableBranch((lambda _: True, same), same),
    RunnableBranch((asame, asame), asame),
    RunnableLambda(same).bind(),
    RunnableLambda(same).with_config(tags=["b"]),
    RunnableGenerator(each).with_fold("list"),
    Invokes(),
    Streams(),
    Transforms(),
    AsyncOnly(),
]
WRITTEN = {Invokes: "invoke", Streams: "stream", Transforms: "transform", AsyncOnly: "astream"}
stages = pytest.mark.parametrize("stage", STAGES, ids=repr)


async def chunks():
    yield b"a"


async def all_of(stream):
    return [chunk async for chunk in stream]


def calls(stage, given):
    """All calls of ``stage``, but of the method that a class of a user wrote, which gets the config as it is."""
    sync = {
        "invoke": lambda: stage.invoke([b"a"], given),
        "stream": lambda: list(stage.stream([b"a"], given)),
        "transform": lambda: list(stage.transform(iter([b"a"]), given)),
        "batch": lambda: stage.batch([[b"a"], [b"b"]], given),
        "batch_as_completed": lambda: list(stage.batch_as_completed([[b"a"], [b"b"]], given)),
    }
    in_loop = {
        "ainvoke": lambda: stage.ainvoke([b"a"], given),
        "astream": lambda: all_of(stage.astream([b"a"], given)),
        "atransform": lambda: all_of(stage.atransform(chunks(), given)),
        "abatch": lambda: stage.abatch([[b"a"], [b"b"]], given),
        "abatch_as_completed": lambda: all_of(stage.abatch_as_completed([[b"a"], [b"b"]], given)),
    }
    sync.pop(WRITTEN.get(type(stage)), None)
    in_loop.pop(WRITTEN.get(type(stage)), None)
    return sync, in_loop


@bad
@stages
def test_a_bad_config_is_refused_when_a_call_begins(stage, given, kind, message):
    sync, in_loop = calls(stage, given)
    for call in sync.values():
        with pytest.raises(kind, match=f"^{message}$"):
            call()

    async def main():
        for name, call in in_loop.items():
            with pytest.raises(kind, match=f"^{message}$"):
                await call()
            assert name

    asyncio.run(main())


@pytest.mark.parametrize("name", ["stream", "transform", "batch_as_completed", "astream", "atransform"])
@pytest.mark.parametrize("stage", [*STAGES[:6], *STAGES[7:17]], ids=repr)
def test_a_stream_is_refused_by_the_call_and_not_by_the_first_pull(stage, name):
    with pytest.raises(TypeError, match="tags must be a list of str"):
        getattr(stage, name)([b"a"], {"tags": "label"})


@bad
def test_each_of_a_list_of_configs_is_checked(given, kind, message):
    for form in "batch", "batch_as_completed", "abatch_as_completed":
        with pytest.raises(kind, match=f"^{message}$"):
            getattr(Invokes(), form)([1, 2], [None, given])
    with pytest.raises(kind, match=f"^{message}$"):
        asyncio.run(Invokes().abatch([1, 2], [None, given]))


@stages
def test_a_good_config_is_none_of_that(stage):
    with ThreadPoolExecutor(1) as executor:
        for good in (
            {},
            MappingProxyType({"tags": ["a"], "mine": "anything", "max_concurrency": 2}),
            {
                "tags": ("a", "b"),
                "metadata": MappingProxyType({"k": 1}),
                "timeout": Decimal("60"),
                "buffer_size": 1,
            },
            {"recursion_limit": 3, "first_chunk_timeout": 60, "max_concurrency": 1, "buffer_bytes": 10},
            dict.fromkeys(
                [
                    "tags",
                    "metadata",
                    "max_concurrency",
                    "recursion_limit",
                    "timeout",
                    "buffer_size",
                    "executor",
                ]
            ),
            {"executor": executor},
        ):
            sync, in_loop = calls(stage, good)
            for call in sync.values():
                call()

            async def main(in_loop=in_loop):
                for call in in_loop.values():
                    await call()

            asyncio.run(main())


def test_a_config_is_checked_once_for_a_pipeline():
    looked = []

    class Watched(dict):
        def items(self):
            looked.append("items")
            return super().items()

        def __getitem__(self, key):
            looked.append(key)
            return super().__getitem__(key)

        def keys(self):
            looked.append("keys")
            return super().keys()

        def get(self, key, default=None):
            looked.append(key)
            return super().get(key, default)

    chain = RunnableLambda(same) | RunnableGenerator(each) | ops.map(same) | RunnableGenerator(each)
    given = Watched(tags=["a"])
    stream = chain.stream("a", given)
    count = len(looked)
    assert list(stream) == ["a"]
    assert len(looked) == count


def test_what_a_stage_does_to_its_config_does_not_reach_the_caller():
    class Changes(Runnable):
        def invoke(self, input, config=None):
            config["tags"].append("changed")
            config["metadata"]["changed"] = True
            config["changed"] = True
            return input

    given = {"tags": ["a"], "metadata": {}, "run_name": "mine"}
    (RunnableLambda(same) | Changes()).invoke(1, given)
    Changes().batch([1, 2], given)
    list(Changes().stream(1, given))
    assert given == {"tags": ["a"], "metadata": {}, "run_name": "mine"}


def test_what_is_handed_down_is_a_plain_mapping_to_everybody():
    seen = []

    class Looks(Runnable):
        def invoke(self, input, config=None):
            seen.append(config)
            return input

    (RunnableLambda(same) | Looks()).invoke(1, {"tags": ["a"], "run_name": "mine"})
    assert seen == [{"tags": ["a"]}]
    assert isinstance(seen[0], dict)
    assert pickle.loads(pickle.dumps(seen[0])) == {"tags": ["a"]}


@pytest.mark.parametrize("limit", [24, 25, 26, 27])
def test_the_recursion_limit_is_what_it_says(limit):
    depth = 0

    def deeper(_):
        nonlocal depth
        depth += 1
        return stage

    stage = RunnableLambda(deeper)
    with pytest.raises(RecursionError, match="recursion_limit"):
        stage.invoke(1, {"recursion_limit": limit})
    assert depth == limit + 1


# -- the functions of streamcore.config


def test_the_functions_are_public():
    assert config.ensure_config is ensure_config
    assert set(config.__all__) == {
        "RunnableConfig",
        "ensure_config",
        "get_config_list",
        "merge_configs",
        "patch_config",
        "run_in_executor",
    }


def test_a_config_is_ensured():
    assert ensure_config() == {"tags": [], "metadata": {}, "recursion_limit": 25}
    given = {"tags": ["a"], "metadata": {"k": 1}, "max_concurrency": 3, "mine": 1, "timeout": None}
    ensured = ensure_config(given)
    assert ensured == {
        "tags": ["a"],
        "metadata": {"k": 1},
        "max_concurrency": 3,
        "mine": 1,
        "recursion_limit": 25,
    }
    ensured["tags"].append("b")
    ensured["metadata"]["k"] = 2
    assert (given["tags"], given["metadata"]) == (["a"], {"k": 1})
    assert type(ensured) is dict


def test_a_default_recursion_limit_replaces_none_that_was_chosen():
    assert merge_configs({"recursion_limit": 7}, ensure_config())["recursion_limit"] == 7
    assert merge_configs(ensure_config(), {"recursion_limit": 7})["recursion_limit"] == 7
    assert merge_configs({"recursion_limit": 25})["recursion_limit"] == 25


def test_a_config_is_patched():
    given = {"tags": ["a"], "max_concurrency": 3, "run_name": "a"}
    patched = patch_config(given, recursion_limit=7, max_concurrency=5, run_name="b", timeout=3, mine=None)
    assert patched == {
        "tags": ["a"],
        "metadata": {},
        "recursion_limit": 7,
        "max_concurrency": 5,
        "run_name": "b",
        "timeout": 3,
    }
    assert given == {"tags": ["a"], "max_concurrency": 3, "run_name": "a"}
    assert patch_config(None) == ensure_config()
    with pytest.raises(ValueError, match="max_concurrency must be positive, got 0"):
        patch_config({}, max_concurrency=0)


@bad
def test_the_functions_check_their_configs(given, kind, message):
    for function in ensure_config, merge_configs, patch_config:
        with pytest.raises(kind, match=f"^{message}$"):
            function(given)
    with pytest.raises(kind, match=f"^{message}$"):
        get_config_list(given, 2)
    if not isinstance(given, Mapping):
        return
    with pytest.raises(kind, match=f"^{message}$"):
        asyncio.run(run_in_executor(given, same, 1))


def test_a_config_for_each_of_several():
    configs = get_config_list({"tags": ["a"]}, 2)
    assert configs == [ensure_config({"tags": ["a"]})] * 2
    configs[0]["tags"].append("b")
    assert configs[1]["tags"] == ["a"]
    assert get_config_list(None, 0) == []
    assert [each["tags"] for each in get_config_list([{"tags": ["a"]}, {"tags": ["b"]}], 2)] == [["a"], ["b"]]
    with pytest.raises(ValueError, match="got 1 configs for 2 inputs"):
        get_config_list([{}], 2)
    with pytest.raises(ValueError, match="length must not be negative, got -1"):
        get_config_list({}, -1)


VARIABLE = ContextVar("VARIABLE", default="none")


def look(number, *, plus=0):
    before = VARIABLE.get()
    VARIABLE.set("changed")
    return number + plus, before, threading.current_thread().name.partition("_")[0]


def test_a_function_runs_in_an_executor():
    async def main():
        VARIABLE.set("mine")
        with ThreadPoolExecutor(1, "given") as given:
            assert await run_in_executor(given, look, 1, plus=2) == (3, "mine", "given")
            assert await run_in_executor({"executor": given}, look, 1) == (1, "mine", "given")
        assert await run_in_executor(None, look, 1) == (1, "mine", "asyncio")
        assert await run_in_executor({"tags": ["a"]}, look, 1) == (1, "mine", "asyncio")
        assert VARIABLE.get() == "mine"
        with pytest.raises(RuntimeError, match="StopIteration") as raised:
            await run_in_executor(None, next, iter(()))
        assert isinstance(raised.value.__cause__, StopIteration)
        with pytest.raises(ZeroDivisionError):
            await run_in_executor(None, lambda: 1 // 0)

    asyncio.run(main())
