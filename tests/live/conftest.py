"""The live page of docs/examples/live, served in a thread; skipped where what it needs is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

LIVE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "live"


@pytest.fixture(scope="session")
def driven():
    """The module that drives the page."""
    for name in "starlette", "uvicorn":
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[live]'")
    if not LIVE.is_dir():
        pytest.skip("the tests run without the rest of the checkout")
    sys.path.insert(0, str(LIVE))
    try:
        import driven
    finally:
        sys.path.remove(str(LIVE))
    return driven


@pytest.fixture
def live(driven):
    """A server whose answers give the tokens that a test allows, and whose sources are closed in the end."""
    with driven.Background(driven.Stepped()) as live:
        yield live
    assert live.sources.open == 0
