"""The table of native classes is whole: a class or method that is not in it is not tested as the others are."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import pytest
from backends import Backend, find
from native_classes import CLASSES, PARTS, Call, Native

# A chain of Arrow capsules, which the twin has not: bpe/test_arrow_list.py, arrow/.
NATIVE_ONLY = {"column_type", "export_columns", "export_lists", "list_type"}
TABLED = {native.name for native in CLASSES}


def native_classes() -> dict[str, type]:
    """Every class that a native module defines."""
    pytest.importorskip("streamcore._native.engine.span_engine")
    path = import_module("streamcore._native").__path__
    modules = [import_module(module.name) for module in pkgutil.walk_packages(path, "streamcore._native.")]
    return {
        name: made
        for module in modules
        for name, made in vars(module).items()
        if isinstance(made, type) and made.__module__ == module.__name__ and not name.startswith("_")
    }


@pytest.fixture(scope="module")
def classes() -> dict[str, type]:
    if find("native", "View") is None:
        pytest.skip("extensions are not built")
    return native_classes()


def public(kind: type) -> set[str]:
    return {
        name
        for name in dir(kind)
        if not name.startswith("_") and not inspect.isbuiltin(getattr(kind, name, None))
    }


def test_every_class_is_in_the_table(classes: dict[str, type]) -> None:
    with_twins = {name for name in classes if find("pure", name) is not None} - PARTS.keys()
    assert with_twins == TABLED - {"functions"}, "a native class with a twin is a line of CLASSES"
    assert classes.keys() - with_twins == PARTS.keys(), "a part of others is a line of PARTS"
    assert set(PARTS.values()) <= TABLED


@pytest.mark.parametrize("name", sorted(TABLED - {"functions"}))
def test_every_public_method_is_in_the_table(classes: dict[str, type], name: str) -> None:
    tabled = {method for native in CLASSES if native.name == name for method in native.methods}
    assert public(classes[name]) - tabled == set()


def test_every_function_with_a_twin_is_in_the_table(classes: dict[str, type]) -> None:
    tabled = next(native.methods for native in CLASSES if native.name == "functions")
    modules = {import_module(kind.__module__) for kind in classes.values()} | {
        import_module(f"streamcore._native.{name}")
        for name in ("engine.joining", "bpe.arrow_list", "arrow.columns")
    }
    functions = {
        name
        for module in modules
        for name, made in vars(module).items()
        if callable(made)
        and not isinstance(made, type)
        and getattr(made, "__module__", None) == module.__name__
        and not name.startswith("_")
        and find("pure", name) is not None
    }
    assert functions - NATIVE_ONLY == tabled


# What is there to be refused.
REFUSED = {"feed: a wrong type", "__setitem__", "put_many: too many", "batches: refused"}


@pytest.mark.parametrize("name", sorted(TABLED))
def test_each_call_gives_something(backend: Backend, name: str) -> None:
    """A line whose arguments are wrong would test nothing but their refusal."""
    outcomes: dict[str, list[str]] = {}

    def attempt(native: Native, call: Call) -> str:
        try:
            call.plainly(native.boxed(backend))
        except Exception as error:  # noqa: BLE001 - told below
            return repr(error)
        return ""

    for native in CLASSES:
        if native.name == name:
            for call in native.calls:
                outcomes.setdefault(call.name, []).append(attempt(native, call))
    assert {call: errors for call, errors in outcomes.items() if all(errors)}.keys() <= REFUSED


NO_CALLS = {"__class__", "__init_subclass__", "__subclasshook__", "__new__", "__del__"}
REFUSALS = (TypeError, ValueError, AttributeError, RuntimeError, StopIteration, IndexError, EOFError)


def test_parts_made_by_hand_break_nothing(classes: dict[str, type]) -> None:
    """An object of a part that nobody made as it should be is refused, or does nothing."""
    for kind in classes.values():
        try:
            bare = kind.__new__(kind)
        except (TypeError, ValueError):
            continue
        for method in dir(kind):
            if method in NO_CALLS:
                continue
            try:
                found = getattr(bare, method)
                if callable(found):
                    found()
            except REFUSALS:
                pass
