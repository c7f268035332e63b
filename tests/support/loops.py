"""Running tests on event loops and threads, so that one that hangs fails."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import subprocess
import sys
import threading

import pytest

LONG = 60  # seconds until a test that hangs fails


def run(coroutine):
    """Run ``coroutine`` on a new loop, and fail instead of hanging."""

    async def bounded():
        async with asyncio.timeout(LONG):
            return await coroutine

    return asyncio.run(bounded())


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


def in_thread(function, *args):
    """Start ``function`` in a thread; what is returned waits for its result."""
    outcome = []

    def call():
        try:
            outcome.append((function(*args), None))
        except BaseException as error:  # noqa: BLE001 - whatever it is, result() raises it
            outcome.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()

    def result():
        thread.join(LONG)
        if thread.is_alive():
            faulthandler.dump_traceback()
            pytest.fail("a thread still waits")
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return result


def run_script(script, backend, seconds=LONG):
    assert backend.View  # skips where the extensions are not built, before the script would fail
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "STREAMCORE_BACKEND": backend.name},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()
