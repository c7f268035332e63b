"""Of each test here: a clock that stands still, and no thread left at the end."""

from __future__ import annotations

import pytest
from fake_clock import FakeClock
from time_limits import all_ended


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    all_ended()


@pytest.fixture
def clock(monkeypatch):
    return FakeClock(monkeypatch)
