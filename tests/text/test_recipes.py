"""The recipes of docs/models.md on streams in the shapes of the providers, cut anywhere."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from streamcore import Lines, Section, Sections, Stop
from streamcore._backend import json_folded

ROOT = Path(__file__).parents[2]
STREAMS = ROOT / "tests" / "data" / "streams"


@pytest.fixture(scope="module")
def recipes():
    page = ROOT / "docs" / "models.md"
    if not page.is_file():
        pytest.skip("the tests run without the rest of the checkout")
    found = {}
    for block in re.findall(
        r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        exec(compile(block, str(page), "exec"), found)
    return found


def events(name, seed):
    """The events of a recorded stream, whose bytes come in random pieces."""
    data = (STREAMS / f"{name}.txt").read_bytes()
    rnd = random.Random(seed)
    places = sorted(rnd.choices(range(len(data) + 1), k=rnd.choice((0, 3, 40, len(data)))))
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    for line in Lines(as_=str).transform(pieces):
        text = line.removeprefix("data: ")
        if text == "[DONE]":
            return
        if text.startswith("{"):
            yield json.loads(text)


@pytest.mark.parametrize("seed", range(5))
def test_openai_chat(recipes, seed):
    text = recipes["chat_text"](events("openai_chat", seed))
    assert Sections({"think": ("<think>", "</think>")}).invoke(text) == [
        Section("think", "Look it up.", 7, True),
        Section("text", "Grüße \U0001f600", 26, False),
    ]
    calls = list(recipes["chat_tool_calls"](events("openai_chat", seed)))
    folded = {index: json_folded(delta for at, delta in calls if at == index) for index in (0, 1)}
    assert folded == {0: {"city": "Paris", "days": 12}, 1: {"zone": "UTC"}}
    assert [index for index, _ in calls] != sorted(index for index, _ in calls), "they come by turns"


@pytest.mark.parametrize("seed", range(5))
def test_openai_responses(recipes, seed):
    assert list(recipes["responses_text"](events("openai_responses", seed))) == ["Yes,", " it is."]


@pytest.mark.parametrize("seed", range(5))
def test_anthropic(recipes, seed):
    parts = list(recipes["anthropic_parts"](events("anthropic", seed)))
    assert [part for part in parts if part[0] != "input"] == [
        ("thinking", "The weather"),
        ("text", "Let me see."),
    ]
    assert json_folded(part for kind, part in parts if kind == "input") == {
        "location": "San Francisco",
        "days": [1, 2],
    }


@pytest.mark.parametrize("seed", range(5))
def test_ollama(recipes, seed):
    assert "".join(recipes["ollama_text"](events("ollama", seed))) == "Good morning"


@pytest.mark.parametrize("seed", range(5))
def test_llama_cpp_up_to_a_stop_string(recipes, seed):
    assert Stop("<|end|>").invoke(recipes["llama_text"](events("llama_cpp", seed))) == "One two"
