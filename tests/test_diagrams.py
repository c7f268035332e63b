"""The diagrams of the pages are what the package does, on either backend: each file is drawn again and compared."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from streamcore import Lines

DOCS = Path(__file__).resolve().parents[1] / "docs"
DIAGRAMS = DOCS / "diagrams"
FILES = sorted(DIAGRAMS.glob("*.svg"))

pytestmark = pytest.mark.skipif(not FILES, reason="the tests run without the rest of the checkout")


@pytest.fixture(scope="module")
def draw():
    sys.path.insert(0, str(DIAGRAMS))
    try:
        import draw
    finally:
        sys.path.remove(str(DIAGRAMS))
    return draw


def test_each_diagram_is_what_is_drawn_now(draw):
    drawn = {f"{name}.svg": picture().text() for name, picture in draw.DIAGRAMS.items()}
    assert sorted(drawn) == [path.name for path in FILES]
    for path in FILES:
        assert path.read_text(encoding="utf-8") == drawn[path.name], (
            "run python docs/diagrams/draw.py, and look at it"
        )


def test_each_diagram_stands_on_a_page_and_says_what_it_shows():
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    for path in FILES:
        assert re.search(rf"!\[[^]]{{20,}}\]\([./]*diagrams/{path.name}\)", pages), path.name
        text = path.read_text(encoding="utf-8")
        svg = ElementTree.fromstring(text)
        assert len(text) < 16_000
        assert "prefers-color-scheme:dark" in text
        assert not re.search(r"href|url\(|@import|<script", text)
        assert [part.tag.rpartition("}")[2] for part in svg][:2] == ["title", "desc"]


def test_time_is_counted_and_pieces_are_watched(draw):
    seen = sys.modules["seen"]

    async def main():
        await asyncio.sleep(1e6)
        await asyncio.gather(asyncio.sleep(2), asyncio.sleep(3))
        return seen.now()

    assert seen.at_moments(main()) == 1e6 + 3
    steps = seen.after_pieces(Lines(), [b"a\nb", b"", b"c\n"])
    assert [(step.piece, step.out) for step in steps] == [
        (b"a\nb", [b"a"]),
        (b"", []),
        (b"c\n", [b"bc"]),
        (b"", []),
    ]
