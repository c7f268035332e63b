"""S7: ``import streamcore`` beside what any program with threads and coroutines imports anyway."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORTS = {
    "nothing": "pass",
    "standard library": "import asyncio, typing, dataclasses, contextvars, concurrent.futures",
    "streamcore": "import streamcore",
    "streamcore, a stage used": "from streamcore import Lines; Lines()",
    "langchain-core": "import langchain_core.runnables",
}


@pytest.mark.parametrize("what", IMPORTS)
def test_import(measure, what: str) -> None:
    if what == "langchain-core":
        pytest.importorskip("langchain_core")
    command = [sys.executable, "-c", IMPORTS[what]]
    measure("a fresh interpreter and one import", lambda: subprocess.run(command, check=True), 0, rounds=10)
