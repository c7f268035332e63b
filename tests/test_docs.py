"""The Python examples of README.md and docs/ run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if path.is_file()]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if "langchain_core import" in text:
        pytest.importorskip("langchain_core", reason="langchain-core is not installed")
    namespace: dict[str, object] = {"__name__": "example"}
    for found in BLOCK.finditer(text):
        line = text[: found.start(1)].count("\n")
        # Line numbers of a failure are those of the page.
        exec(compile("\n" * line + found[1], str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    for name in re.findall(r"(?<![\w/])(?:tests|\.ci)/[\w./]*+(?!\*)", page.read_text(encoding="utf-8")):
        name = name.rstrip(".")
        if name.startswith("tests/") or (ROOT / ".ci").is_dir():
            assert (ROOT / name).exists(), name


@pytest.mark.skipif(
    not (ROOT / "README.md").is_file(), reason="the tests run without the rest of the checkout"
)
def test_readme_has_examples_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert BLOCK.search(text)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target


def test_each_operator_has_a_picture() -> None:
    page = ROOT / "docs" / "operators.md"
    if not page.is_file():
        pytest.skip("the tests run without the rest of the checkout")
    pictures = "".join(re.findall(r"^```text\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S))
    from streamcore import ops

    assert [name for name in ops.__all__ if f"ops.{name}(" not in pictures] == []
