"""Where a part of a backend is found by its name, whichever module has it."""

from __future__ import annotations

import os
import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType

import pytest

from streamcore.testing.twins import on_backend

__all__ = ["Backend", "find", "on_channels_of", "stage_on"]

# What CI sets: a missing extension is then a failure, not a skipped half of the suite.
NATIVE_REQUIRED = (
    os.environ.get("STREAMCORE_BACKEND") == "native" or "STREAMCORE_TEST_REQUIRE_NATIVE" in os.environ
)


def find(backend: str, name: str) -> object:
    """What bears this name in a module of the backend, None if nothing does."""
    for module in modules(backend):
        found = vars(module).get(name)
        if found is not None and not name.startswith("__"):
            return found
    return None


@cache
def modules(backend: str) -> list[ModuleType]:
    package = import_module(f"streamcore._{backend}")
    walked = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [import_module(module.name) for module in walked if not module.ispkg]


class Backend:
    """One backend by name: ``backend.RingBuffer`` is what bears this name in the module that has it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    def __getattr__(self, name: str) -> object:
        found = find(self.name, name)
        if found is None and self.name == "native" and not NATIVE_REQUIRED and find("pure", name) is not None:
            pytest.skip(f"no native {name}: extensions are not built")
        if found is None:  # also what libraries probe any argument for, such as Hypothesis
            raise AttributeError(f"no module of streamcore._{self.name} has a {name}")
        setattr(self, name, found)
        return found


def stage_on(stage, backend: Backend):
    """The stage, with its engines from this backend."""
    getattr(backend, stage._engine)  # skips where it is not built
    return on_backend(stage, backend.name)


def on_channels_of(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let streams that change between threads and a loop use the channels of ``backend``."""
    for module in "worker", "thread_stream", "read_ahead":
        monkeypatch.setattr(f"streamcore.runnables.bridge.{module}.Channel", backend.Channel)
