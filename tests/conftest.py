"""The ``backend`` fixture: every behaviour test runs on the native core and on its pure twin."""

from __future__ import annotations

import gc
import os
import signal
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from backends import find
from hypothesis import settings

# What CI sets: a missing extension is then a failure, not a skipped half of the suite.
NATIVE_REQUIRED = (
    os.environ.get("STREAMCORE_BACKEND") == "native" or "STREAMCORE_TEST_REQUIRE_NATIVE" in os.environ
)


FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
# What CPython 3.13's free-threaded build does not survive itself, in a program that has no extension of ours.
CRASHES = {
    "fails_allocations": "any list, dict or call under _testcapi.set_nomemory corrupts its heap",
    "shares_a_generator": "two threads that pull one generator",
}


def pytest_configure(config: pytest.Config) -> None:
    """Let processes that tests start import the package under test, not the one in their working directory.

    And let them be interrupted: a shell starts what runs in its background with SIGINT ignored, which is inherited.
    """
    import streamcore

    settings.register_profile("no deadline", deadline=None)  # a machine under load is no failure
    settings.load_profile("no deadline")
    for name, what in CRASHES.items():
        config.addinivalue_line("markers", f"{name}: skipped where CPython crashes on it: {what}")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["PYTHONPATH"] = str(Path(streamcore.__file__).parents[1])


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, what in CRASHES.items():
        marker = item.get_closest_marker(name)
        if FREE_THREADED and marker is not None:
            backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")
            if marker.kwargs.get("backend", backend) == backend:
                pytest.skip(f"free-threaded CPython itself crashes: {what}")


@pytest.fixture(autouse=True)
def _no_collection_while_allocations_fail(request: pytest.FixtureRequest) -> Iterator[None]:
    """A collection would run the finalizers of other tests' garbage, without memory."""
    if request.node.get_closest_marker("fails_allocations") is None:
        yield
        return
    gc.collect()
    gc.disable()
    yield
    gc.enable()


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


@pytest.fixture(scope="session", params=["native", "pure"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Session scope, because Hypothesis refuses function-scoped fixtures in its tests."""
    return Backend(request.param)


@pytest.fixture
def bridge(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> object:
    """The bridge between sync and async over the channel of ``backend``."""
    from streamcore.runnables import bridge

    monkeypatch.setattr(bridge, "Channel", backend.Channel)
    return bridge


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Every worker thread of a stream has ended after the test."""
    yield
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "streamcore-stream":
            thread.join(60)
            assert not thread.is_alive()
