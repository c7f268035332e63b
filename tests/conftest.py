"""The ``backend`` fixture: every behaviour test runs on the native core and on its pure twin."""

from __future__ import annotations

import os
import pkgutil
from importlib import import_module

import pytest

# What CI sets: a missing extension is then a failure, not a skipped half of the suite.
NATIVE_REQUIRED = (
    os.environ.get("STREAMCORE_BACKEND") == "native" or "STREAMCORE_TEST_REQUIRE_NATIVE" in os.environ
)


class Backend:
    """One backend by name: ``backend.RingBuffer`` is what bears this name in the module that has it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        package = import_module(f"streamcore._{self.name}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            value = vars(import_module(module.name)).get(name)
            if value is not None:
                setattr(self, name, value)
                return value
        if self.name == "native" and not NATIVE_REQUIRED:
            pytest.skip(f"no native {name}: extensions are not built")
        raise AttributeError(f"no module of {package.__name__} has a {name}")


@pytest.fixture(scope="session", params=["native", "pure"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Session scope, because Hypothesis refuses function-scoped fixtures in its tests."""
    return Backend(request.param)
