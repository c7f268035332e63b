"""What the tests of ``streamcore.scale`` share: a tokenizer, and a small file of JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from short_texts import TEXTS

from streamcore import BPE


@pytest.fixture(scope="session")
def gpt2() -> BPE:
    return BPE.gpt2()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """``TEXTS`` as JSON Lines."""
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    return path
