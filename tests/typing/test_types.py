"""What type checkers make of the package: the files beside this one, and the examples of README.md and docs/.

In a file here a comment after ``reveal_type`` is what each checker shows (names without their modules), and a line
that ends in ``# error`` is one that each reports. No other line may be reported.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_docs import BLOCK, NAMES, OPTIONAL, PAGES

import streamcore

HERE = Path(__file__).parent
FILES = sorted(path for path in HERE.glob("*.py") if path.name != Path(__file__).name)
PACKAGE = Path(streamcore.__file__).parents[1]
# what examples use of other packages need not be there, nor have types
MYPY = "[mypy]\nstrict = true\n" + "".join(
    f"[mypy-{name}.*]\nfollow_imports = skip\nignore_missing_imports = true\n" for name in OPTIONAL
)
MYPY += "[mypy-docs_howto_fastapi_md]\ndisallow_untyped_decorators = false\n"
Report = dict[tuple[str, int], list[str]]


class Checked:
    """What a checker said, by file name and line: its errors, and the types it showed."""

    def __init__(self) -> None:
        self.errors: Report = {}
        self.shown: Report = {}

    def add(self, report: Report, file: str, line: int, text: str) -> None:
        report.setdefault((Path(file).name, line), []).append(text)


def run(command: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ.copy()
    environment.pop("MYPYPATH", None)
    if (
        "site-packages" not in PACKAGE.parts
    ):  # a checkout: checkers do not run the hooks of an editable installation
        environment["MYPYPATH"] = str(PACKAGE)
    command = [sys.executable, "-m", *command]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def by_mypy(place: Path) -> Checked:
    # by a configuration of its own, not by that of a project the tests may lie in
    (place / "mypy.ini").write_text(MYPY, encoding="utf-8")
    options = ["--config-file", "mypy.ini", "--no-error-summary", "--hide-error-context", "--output", "json"]
    done = run(["mypy", *options, "."], place)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert not done.stderr, done.stderr
    checked = Checked()
    for line in done.stdout.splitlines():
        said = json.loads(line)
        shown = re.fullmatch(r'Revealed type is "(.*)"', said["message"])
        if shown:
            checked.add(checked.shown, said["file"], said["line"], shown[1])
        elif said["severity"] == "error":
            checked.add(checked.errors, said["file"], said["line"], said["message"])
    return checked


def by_pyright(place: Path) -> Checked:
    settings = {"extraPaths": [str(PACKAGE)], "pythonVersion": "3.11", "reportMissingImports": False}
    (place / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = run(["pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(place)], place)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    checked = Checked()
    for said in json.loads(done.stdout[done.stdout.index("{") :])["generalDiagnostics"]:
        at = said["range"]["start"]["line"] + 1
        shown = re.fullmatch(r'Type of ".*" is "(.*)"', said["message"], re.DOTALL)
        if shown:
            checked.add(checked.shown, said["file"], at, shown[1])
        elif said["severity"] == "error":
            checked.add(checked.errors, said["file"], at, said["message"])
    return checked


CHECKERS = {"mypy": by_mypy, "pyright": by_pyright}


def examples(page: Path) -> str:
    """The Python of a page, each line where it stands there."""
    text = page.read_text(encoding="utf-8")
    found = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        start = text[: block.start(1)].count("\n")
        for at, line in enumerate(block[1].splitlines(), start):
            found[at] = line
    return "\n".join(found)


def bare(shown: str) -> str:
    """A shown type without modules; what pyright does not know is any type."""
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", shown).replace("Unknown", "Any")


def lines(path: Path) -> Iterator[tuple[tuple[str, int], str]]:
    for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        yield (path.name, at), line


# One test for a checker, which looks at all files at once: it takes some seconds.
@pytest.mark.parametrize("checker", CHECKERS)
def test_types(checker: str, tmp_path: Path) -> None:
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed: it comes with pystreamcore[lint]")
    for file in FILES:
        shutil.copy(file, tmp_path)
    for page, name in zip(PAGES, NAMES, strict=True):
        module = re.sub(r"\W", "_", name.lower())
        (tmp_path / f"{module}.py").write_text(examples(page), encoding="utf-8")
    checked = CHECKERS[checker](tmp_path)

    written = {at: line for file in FILES for at, line in lines(file)}
    wanted = {
        at: line.rpartition("  # ")[2]
        for at, line in written.items()
        if line.lstrip().startswith("reveal_type(")
    }
    assert {at: bare(types[0]) for at, types in checked.shown.items()} == wanted
    due = {at for at, line in written.items() if line.endswith("# error")}
    assert wanted
    assert due
    assert {at: texts for at, texts in checked.errors.items() if at not in due} == {}
    assert due - set(checked.errors) == set()
