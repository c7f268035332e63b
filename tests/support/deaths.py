"""Processes that are killed in the middle, as a test in one process can have it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def killed_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> Iterator[None]:
    """After so many renames and fsyncs the next one is a KeyboardInterrupt, and nothing is removed any more."""
    left = steps

    def dies(step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return step(*args)

        return stepped

    with monkeypatch.context() as patched:
        for name in ("replace", "fsync"):
            patched.setattr(os, name, dies(getattr(os, name)))
        patched.setattr(os, "unlink", lambda path: None)
        yield
