"""The package as installed: its names, what an import costs, what lies in it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module, metadata
from importlib.resources import files
from pathlib import Path

import pytest

import streamcore

SOURCE = Path(streamcore.__file__).read_text(encoding="utf-8")

# What a bare ``import streamcore`` must not load: slow, or not part of the standard library.
HEAVY = {
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "inspect",
    "json",
    "logging",
    "numpy",
    "threading",
    "click",
}

# What a first ``Lines()`` may load, of either backend, and what it must not: those were half of its 80 ms.
FIRST_STAGE = {
    "": "_backend _shared batch errors sources stages runnables CORE",
    "_shared.": "async_ends driving limits notes options steps surroundings text_input",
    "stages.": "lines stage",
    "runnables.": "base config folding notes watching written",
    "CORE.": "arrow buffers engine framing kernels streams _streamcore_utility",
    "CORE.arrow.": "columns stream",
    "CORE.buffers.": "view",
    "CORE.engine.": "engine span_engine spans",
    "CORE.framing.": "lines",
    "CORE.kernels.": "scan utf8_text",
    "CORE.streams.": "async_closing closing inner metering row sharing steps surroundings throwing",
}
SLOW = (HEAVY - {"threading"}) | {
    "ast",
    "dis",
    "importlib.resources",
    "importlib.util",
    "tempfile",
    "traceback",
}


def loaded_by(code: str) -> set[str]:
    """Modules that ``code`` loads into a fresh interpreter, as installed."""
    program = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


CALLS = """
import asyncio
upper = RunnableLambda(str.upper)
both = RunnableParallel(a=upper, b=RunnableGenerator(iter)) | RunnablePick("a") | ops.buffer(2)
stage = both.with_retry().with_fallbacks([upper]).with_timeout(60).with_listeners(on_end=id)
assert [*stage.stream("a")] == ["A"]
assert asyncio.run(stage.ainvoke("a")) == "A"
assert upper.map().batch([["a"]]) == [["A"]]
assert [*ops.merge(["a"])] == [*ops.tee(["a"])[0]] == ["a"]
"""


def names_for_the_type_checker() -> dict[str, str]:
    """Name and module of every import under ``if TYPE_CHECKING``."""
    found: dict[str, str] = {}
    for block in ast.parse(SOURCE).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                assert isinstance(line, ast.ImportFrom)
                found |= {alias.asname or alias.name: line.module or "" for alias in line.names}
    return found


@pytest.mark.parametrize("name", streamcore.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(streamcore, name) is not None
    assert name in dir(streamcore)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'streamcore' has no attribute 'Nothing'"):
        _ = streamcore.Nothing


def test_the_type_checker_sees_the_same_names_in_the_same_places() -> None:
    lazy = {**streamcore._HOME, **dict.fromkeys(streamcore._MODULES, "")}
    assert names_for_the_type_checker() == lazy


def test_names_are_what_their_module_defines() -> None:
    for name, home in streamcore._HOME.items():
        assert getattr(streamcore, name) is getattr(import_module(f"streamcore.{home}"), name)


def test_import_loads_nothing_of_third_parties_and_nothing_heavy() -> None:
    loaded = loaded_by("import streamcore")
    assert {name for name in loaded if name.startswith("streamcore")} == {"streamcore"}
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"streamcore"}
    assert not foreign
    assert not loaded & HEAVY


@pytest.mark.parametrize("core", ["_native", "_pure"])
def test_a_first_stage_loads_what_it_needs(core: str) -> None:
    if core == "_native":
        pytest.importorskip("streamcore._native.framing.lines", reason="no native core")
    name = core.removeprefix("_")
    loaded = loaded_by(
        f"import os; os.environ['STREAMCORE_BACKEND'] = {name!r}; import streamcore; streamcore.Lines()"
    )
    own = {name for name in loaded if name.startswith("streamcore.")}
    known = {
        f"streamcore.{place}{name}".replace("CORE", core)
        for place, names in FIRST_STAGE.items()
        for name in names.split()
    }
    assert own - known == set()
    assert f"streamcore.{core}.framing.lines" in own
    assert loaded & SLOW == set()


def test_the_embedded_vocabulary_loads_nothing_slow() -> None:
    loaded = loaded_by("import streamcore; streamcore.BPE.gpt2()")
    assert loaded & (SLOW | {"gzip", "pathlib", "zipfile"}) == set()


def test_using_a_stage_does_not_load_third_parties() -> None:
    loaded = loaded_by("from streamcore import Lines; assert list(Lines().stream(b'a')) == [b'a']")
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"streamcore"}
    # Hooks of an editable installation start with an underscore; Cython keeps its books in cython_runtime.
    assert not {name for name in foreign - {"cython_runtime"} if not name.startswith("_")}


def test_runnables_and_operators_load_no_third_party() -> None:
    """Their modules, and all that a call of each loads later."""
    names = [name for name, home in streamcore._HOME.items() if home.startswith("runnables.")]
    assert len(names) > 20
    loaded = loaded_by(f"from streamcore import config, ops, {', '.join(names)}; exec({CALLS!r})")
    assert {"streamcore.ops.sharing", "streamcore.runnables.bridge.in_time", "asyncio"} <= loaded
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"streamcore"}
    assert not {name for name in foreign - {"cython_runtime"} if not name.startswith("_")}


def test_the_version_is_the_installed_one() -> None:
    try:
        installed = metadata.version("pystreamcore")
    except metadata.PackageNotFoundError:
        pytest.skip("runs from a checkout without an installation")
    assert installed == streamcore.__version__


@pytest.mark.parametrize("name", ["py.typed", "cli/sample.txt"])
def test_data_files_are_installed(name: str) -> None:
    assert files("streamcore").joinpath(name).is_file()


def test_the_sample_is_text_with_more_than_ascii() -> None:
    text = files("streamcore").joinpath("cli/sample.txt").read_text(encoding="utf-8")
    assert len(text) > 1000
    assert not text.isascii()


def test_doctor_tells_what_runs() -> None:
    program = "import json; from streamcore.doctor import facts; print(json.dumps(facts()))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["streamcore"].startswith(streamcore.__version__)
    assert found["backend"].partition(" ")[0] == streamcore.BACKEND
    assert found["python"].startswith("CPython 3.")
    assert all(found.values())


def test_doctor_does_not_import_what_it_reports() -> None:
    assert not loaded_by("from streamcore.doctor import facts; facts()") & {"numpy", "rich", "zstandard"}
