"""Merging of ``RunnableConfig``."""

from __future__ import annotations

from streamcore.runnables.config import child_config, merge_configs


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
