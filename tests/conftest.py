"""The ``backend`` fixture: every behaviour test runs on the native core and on its pure twin.

What the environment may ask of the tests:

- ``STREAMCORE_TEST_SCALE`` (default 1) multiplies the number of random examples in the property tests; 1 takes a minute
  or two in all, 10 makes over 100,000 random cuts, 0.25 is for slow builds such as those under sanitizers.
- ``STREAMCORE_TEST_SHARE`` (default 1) is the share of the cases of a parametrized test that are run, always the same
  ones, and at least 16 times the share of them, 4 at most: no test is left out. For the repetitions of a suite that has
  been run in full.
- ``STREAMCORE_TEST_SEED`` is where the random numbers of those tests start; a failure shows the input itself.
- ``STREAMCORE_TEST_REQUIRE_NATIVE`` (any value; CI sets it) makes a missing extension a failure, not a skip.
- ``STREAMCORE_TEST_BACKENDS`` (default ``native pure``): the backends that tests with the fixture run on.
- ``STREAMCORE_STRESS_SECONDS`` and ``STREAMCORE_STRESS_SEED``: how long the stress of channels runs on each backend,
  and at which round it starts.
- ``STREAMCORE_NATIVE_FULL`` (any value) runs the tests of the C headers in full, as ``tests/native/*.sh`` do.
- ``STREAMCORE_BACKEND`` and ``STREAMCORE_KERNEL`` choose, as for any program, what the stages are made of; tests that
  take the fixture run on both backends anyway.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from backends import Backend, on_channels_of
from command_line import CommandLine
from hypothesis import settings
from interpreter_faults import FAULTS, skip_where_python_crashes


def pytest_configure(config: pytest.Config) -> None:
    """Let processes that tests start import the package under test, not the one in their working directory.

    And let them be interrupted: a shell starts what runs in its background with SIGINT ignored, which is inherited.
    """
    import streamcore

    settings.register_profile("no deadline", deadline=None)  # a machine under load is no failure
    settings.load_profile("no deadline")
    for name, (what, _) in FAULTS.items():
        config.addinivalue_line("markers", f"{name}: skipped where CPython crashes on it: {what}")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["PYTHONPATH"] = str(Path(streamcore.__file__).parents[1])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what holds the tests themselves, 400,000 objects, out of every later collection: many tests make one."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    share = float(os.environ.get("STREAMCORE_TEST_SHARE", "1"))
    if share >= 1:
        return
    least = min(4, math.ceil(16 * share))
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    left_out = set()
    for case in cases.values():
        case.sort(key=lambda item: zlib.crc32(item.nodeid.encode()))
        left_out.update(case[max(least, math.ceil(len(case) * share)) :])
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in FAULTS:
        marker = item.get_closest_marker(name)
        if marker is not None:
            backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")
            if marker.kwargs.get("backend", backend) == backend:
                skip_where_python_crashes(name)


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


@pytest.fixture(scope="session", params=os.environ.get("STREAMCORE_TEST_BACKENDS", "native pure").split())
def backend(request: pytest.FixtureRequest) -> Backend:
    """Session scope, because Hypothesis refuses function-scoped fixtures in its tests."""
    return Backend(request.param)


@pytest.fixture(scope="session")
def command_line(backend: Backend) -> Iterator[CommandLine]:
    """Runs of ``streamcore`` on ``backend``, each in a process of its own."""
    if backend.name == "native":
        assert backend.View  # skips, or fails, where the extensions are missing
    commands = CommandLine(backend.name)
    yield commands
    commands.close()


@pytest.fixture
def bridge(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> object:
    """The bridge between sync and async over the channel of ``backend``."""
    from streamcore.runnables.bridge import async_feed, loop_stream, thread_stream

    on_channels_of(backend, monkeypatch)
    return SimpleNamespace(
        iterate_in_thread=thread_stream.iterate_in_thread,
        feed_from_async=async_feed.feed_from_async,
        iterate_async_from_sync=loop_stream.iterate_async_from_sync,
    )


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Every worker thread of a stream has ended after the test."""
    yield
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "streamcore-stream":
            thread.join(60)
            assert not thread.is_alive()
