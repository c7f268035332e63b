"""How ``_backend`` chooses, tried in fresh interpreters, because the choice is made once, at import."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

REPORT = "import streamcore._backend as b; print(b.BACKEND, b.REASON, sep='|')"
# Makes every extension unimportable, as in a pure install.
WITHOUT_EXTENSIONS = """
import sys, importlib.abc
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith("streamcore._native."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


# An extension that is there, and cannot be loaded.
BROKEN = """
import sys, importlib.abc, importlib.machinery
class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name == "streamcore._native.text.words":
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        raise ImportError("no such symbol")
    def exec_module(self, module):
        raise AssertionError
sys.meta_path.insert(0, Broken())
"""


def run(wanted: str | None, code: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "STREAMCORE_BACKEND"}
    if wanted is not None:
        environment["STREAMCORE_BACKEND"] = wanted
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_pure_is_a_demand() -> None:
    assert run("pure", REPORT).stdout == "pure|STREAMCORE_BACKEND=pure\n"


@pytest.mark.parametrize("wanted", [None, "auto"])
def test_auto_falls_back_and_says_why(wanted: str | None) -> None:
    result = run(wanted, WITHOUT_EXTENSIONS + REPORT)
    assert result.stdout.startswith("pure|no native core: No module named 'streamcore._native.")


@pytest.mark.parametrize("absent", ["kernels.scan", "text.words"])
def test_one_absent_module_makes_all_pure(backend, absent) -> None:
    if backend.name == "pure":
        pytest.skip("tried on the native parameter")
    assert backend.View
    code = WITHOUT_EXTENSIONS.replace('name.startswith("streamcore._native.")', f'name.endswith("{absent}")')
    result = run("auto", f"{code}{REPORT}\nprint(b.View.__module__)")
    lines = result.stdout.splitlines()
    assert lines == [
        f"pure|no native core: No module named 'streamcore._native.{absent}'",
        "streamcore._pure.buffers.view",
    ]


def test_a_module_that_is_there_and_does_not_load_gives_no_twin(backend) -> None:
    if backend.name == "pure":
        pytest.skip("tried on the native parameter")
    assert backend.View
    result = run("auto", f"{BROKEN}{REPORT}\nb.View\nb.WordsEngine")
    assert result.stdout.startswith("native|")
    assert "ImportError: no such symbol" in result.stderr


def test_a_name_that_neither_core_has() -> None:
    result = run(None, "from streamcore._backend import Nothing")
    assert "ImportError: cannot import name 'Nothing' from 'streamcore._backend'" in result.stderr


def test_operators_load_no_engine() -> None:
    # a module is imported when one of its names is first asked for
    engines = tuple(
        f"streamcore._{core}.{part}." for core in ("native", "pure") for part in ("bpe", "framing", "text")
    )
    code = (
        f"import sys; from streamcore import ops; print([m for m in sys.modules if m.startswith({engines})])"
    )
    assert run(None, code).stdout == "[]\n"


def test_native_without_extensions_is_an_import_error() -> None:
    result = run("native", WITHOUT_EXTENSIONS + REPORT)
    assert result.returncode != 0
    assert "ImportError: STREAMCORE_BACKEND=native, but no native core: No module named" in result.stderr


def test_native_where_the_extensions_are_built(backend) -> None:
    if backend.name == "pure":
        pytest.skip("the demand for the native core is tried on the native parameter")
    assert backend.View
    assert run("native", REPORT).stdout.startswith("native|")
    assert run("auto", REPORT).stdout.startswith("native|")


@pytest.mark.parametrize("backend_name", ["native", "pure", "shared"])
def test_any_module_may_be_the_first_one_to_be_imported(backend, backend_name) -> None:
    # one that led back to the choice found the native core half imported, and the twin was taken in silence
    if backend.name == "pure":
        pytest.skip("tried on the native parameter")
    assert backend.View
    package = importlib.import_module(f"streamcore._{backend_name}")
    modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    names = [module.name for module in modules if not module.ispkg]
    assert names
    for name in names:
        result = run(None, f"import {name}\n{REPORT}")
        assert result.stdout.startswith("native|"), (name, result.stdout, result.stderr)


def test_a_kernel_that_does_not_exist_is_no_reason_to_fall_back(backend, monkeypatch) -> None:
    if backend.name == "pure":
        pytest.skip("kernels are native")
    assert backend.View
    monkeypatch.setenv("STREAMCORE_KERNEL", "none such")
    result = run("auto", REPORT)
    assert "ImportError: STREAMCORE_KERNEL must be auto or one of" in result.stderr


@pytest.mark.parametrize("wanted", ["", "Native", "c"])
def test_an_unknown_value_is_an_import_error(wanted: str) -> None:
    result = run(wanted, REPORT)
    assert f"ImportError: STREAMCORE_BACKEND must be auto, native or pure, got {wanted!r}" in result.stderr
