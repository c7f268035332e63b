"""The Python examples of README.md, docs/ and docstrings run as they stand, and print what stands there."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Document, Example
from sybil.document import PythonDocStringDocument
from sybil.evaluators.python import PythonEvaluator
from sybil.example import SybilFailure
from sybil.parsers.markdown import CodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

import streamcore

ROOT = Path(__file__).resolve().parent.parent
PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if path.is_file()]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
PACKAGE = Path(streamcore.__file__).parent
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8", errors="replace")
]
# What examples fit into; it comes with pystreamcore[examples,langchain].
OPTIONAL = [
    "aiostream",
    "anthropic",
    "datasets",
    "duckdb",
    "fastapi",
    "httpx",
    "httpx2",
    "langchain_core",
    "openai",
    "pandas",
]
OPTIONAL += ["polars", "pyarrow", "sse_starlette", "starlette", "vllm"]
RUN = PythonEvaluator()
UNREAD = "printed, and not compared yet"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(example: Example) -> str | None:
    """Run a block; what it prints is for the ``output`` block that has to come next."""
    document = example.document
    if UNREAD in document.namespace:
        return "the block before this one prints, and no `output` block follows it"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        RUN(example)
    if printed.getvalue():
        document.namespace[UNREAD] = printed.getvalue()
    return None


def compare(example: Example) -> str | None:
    """Compare what stands in an ``output`` block with what was printed, but for white space at the ends of lines."""
    wanted, printed = (
        "\n".join(line.rstrip() for line in text.splitlines())
        for text in (example.parsed, example.namespace.pop(UNREAD, ""))
    )
    return None if wanted == printed else f"printed was:\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page in a namespace of its own; ``<!-- skip: next "reason" -->`` stands before what cannot run."""
    monkeypatch.chdir(tmp_path)
    parsers = SkipParser(), CodeBlockParser("python", run), CodeBlockParser("output", compare)
    document = Document.parse(str(page), *parsers)
    document.namespace.update(__name__="example", BACKEND=streamcore.BACKEND)
    skipped = False
    for example in document.examples():
        if skipped and example.region.evaluator is compare:
            continue
        skipped = False
        try:
            example.evaluate()
        except SkipTest:
            skipped = True
        except ModuleNotFoundError as error:
            if error.name in OPTIONAL:
                pytest.skip(f"{error.name} is not installed, which line {example.line} imports")
            raise
    assert UNREAD not in document.namespace, "the last block prints, and no `output` block follows it"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_examples_of_docstrings_run(module: Path) -> None:
    document = PythonDocStringDocument.parse(str(module), DocTestParser())
    for example in document.examples():
        example.evaluate()


def test_an_example_that_prints_something_else_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("output\n2", "output\n1\n2", "output\n1\n", "text\n2"):
        page.write_text(f"```python\nprint(2)\n```\n\n```{text}\n```\n", encoding="utf-8")
        parsers = CodeBlockParser("python", run), CodeBlockParser("output", compare)
        document = Document.parse(str(page), *parsers)
        if text == "output\n2":
            for example in document.examples():
                example.evaluate()
        elif text.startswith("output"):
            first, second = document.examples()
            first.evaluate()
            with pytest.raises(SybilFailure, match="printed was:\n2"):
                second.evaluate()
        else:
            (first,) = document.examples()
            first.evaluate()
            assert document.namespace[UNREAD] == "2\n"


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
