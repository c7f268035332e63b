"""What some CPython builds do not survive themselves, found out by trying it in a child, without any module of ours.

A test that would meet such a fault is skipped with the reason, by the marker of this name (see ``conftest.py``): it
runs wherever the fault is mended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

__all__ = ["FAULTS", "crashes", "skip_where_python_crashes"]

FAILING = """
import sys, warnings
try:
    import _testcapi
except ImportError:
    sys.exit()
warnings.simplefilter("ignore")
def tried(action, number):
    _testcapi.set_nomemory(number, number + 1)
    try:
        return action()
    except MemoryError:
        return None
    finally:
        _testcapi.remove_mem_hooks()
"""

FAULTS: dict[str, tuple[str, str]] = {
    "fails_allocations": (
        "any list, dict or call under _testcapi.set_nomemory corrupts its heap",
        FAILING
        + """
def everyday():
    items = [[n] for n in range(50)]
    names = {str(n): (n, items) for n in range(50)}
    return sorted(names), dict(names), "".join(names), b"".join([b"x" * 600] * 3)
for _ in range(20):
    for number in range(150):
        tried(everyday, number)
""",
    ),
    "fails_allocations_in_python": (
        "a function, generator or coroutine made while an allocation fails",
        FAILING
        + """
def function():
    def made(a, *, b=2):
        return a
    return made(1, b=3)
def generator():
    return any(name == "x" for name in ("a", "b"))
async def inner():
    return 1
async def middle():
    return await inner()
def step(coroutine):
    outcome = [None]
    async def outer():
        outcome[0] = await coroutine
    running = None
    try:
        running = outer()
        running.send(None)
    except StopIteration:
        return outcome[0]
    finally:
        coroutine.close()
        if running is not None:
            running.close()
for _ in range(5):
    for number in range(60):
        for action in (function, generator, lambda: step(middle())):
            tried(action, number)
            any(item for item in [0, 0])
""",
    ),
    "shares_a_generator": (
        "two threads that pull one generator",
        """
import sys, threading
if getattr(sys, "_is_gil_enabled", lambda: True)():
    sys.exit()
def numbers():
    for _ in range(200_000):
        yield object()
for _ in range(5):
    shared = numbers()
    def pull():
        while True:
            try:
                next(shared)
            except StopIteration:
                return
            except ValueError:
                pass
    threads = [threading.Thread(target=pull) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
""",
    ),
}


@cache
def crashes(name: str) -> bool:
    """Whether this interpreter dies of this fault, or ends with an error that it made itself."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    child = subprocess.run(
        [sys.executable, "-I", "-c", FAULTS[name][1]],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    return child.returncode != 0


def skip_where_python_crashes(name: str) -> None:
    """Skip the running test where this interpreter does not survive what it does."""
    if crashes(name):
        version = sys.version.split()[0]
        pytest.skip(f"CPython {version} itself crashes here, as a child has shown: {FAULTS[name][0]}")
