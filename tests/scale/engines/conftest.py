from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scale_runs import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    try:
        yield made
    finally:
        made.close()
