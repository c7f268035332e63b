"""S7, R17: imports beside what any program with threads and coroutines imports anyway."""

from __future__ import annotations

import subprocess
import sys

import pytest

RUNNABLES = (
    "AddableDict RouterRunnable Runnable RunnableAssign RunnableBinding RunnableBranch RunnableEach RunnableGenerator"
    " RunnableLambda RunnableListening RunnableMap RunnableParallel RunnablePassthrough RunnablePick RunnableRetry"
    " RunnableSequence RunnableTimeout RunnableWithFallbacks aadd add chain coerce_to_runnable config ops register_fold"
    " runnable"
)
IMPORTS = {
    "nothing": "pass",
    "standard library": "import asyncio, typing, dataclasses, contextvars, concurrent.futures",
    "streamcore": "import streamcore",
    "streamcore, Runnables": f"from streamcore import {RUNNABLES.replace(' ', ', ')}",
    "streamcore, Runnables and operators": (
        f"from streamcore import {RUNNABLES.replace(' ', ', ')}; [getattr(ops, name) for name in ops.__all__]"
    ),
    "streamcore, a stage used": "from streamcore import Lines; Lines()",
    "langchain-core": "import langchain_core.runnables",
}


@pytest.mark.parametrize("what", IMPORTS)
def test_import(measure, what: str) -> None:
    if what == "langchain-core":
        pytest.importorskip("langchain_core")
    command = [sys.executable, "-c", IMPORTS[what]]
    measure("a fresh interpreter and one import", lambda: subprocess.run(command, check=True), 0, rounds=10)
