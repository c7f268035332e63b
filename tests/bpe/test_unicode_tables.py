"""The generated Unicode tables are in step with their data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streamcore._shared import unicode_classes

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / ".ci/make_unicode_tables.py"
CLASSES = json.loads((ROOT / "tests/data/unicode_classes.json").read_text())["classes"]
NAMES = {"L": "LETTER", "N": "NUMBER", "S": "SPACE", "U": "UPPER_LIKE", "W": "LOWER_LIKE"}


@pytest.mark.skipif(not GENERATOR.exists(), reason="the generator is only in the repository")
def test_generated_files_are_in_sync():
    done = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("key", list(NAMES))
def test_ranges_hold_exactly_the_data(key):
    ranges = getattr(unicode_classes, NAMES[key])
    assert [list(pair) for pair in ranges] == CLASSES[key]["ranges"]
    assert sum(last - first + 1 for first, last in ranges) == CLASSES[key]["count"]


def test_whitespace_is_the_25_code_points_and_not_isspace():
    spaces = {c for first, last in unicode_classes.SPACE for c in range(first, last + 1)}
    assert len(spaces) == 25
    assert 0x1C not in spaces
    assert chr(0x1C).isspace()
