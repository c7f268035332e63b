"""Every measured figure in README.md and docs/ has the command that makes it in its section.

What counts as measured is told by how it is written: a short unit of time (``ns``, ``us``, ``ms``, ``s``), a rate
(``MB/s``), a decimal size (``MB``), a ratio (``3.1x``, ``3 times as fast``). Limits, settings and what arithmetic gives
are written out or in powers of two: ``10 seconds``, ``64 MiB``. A section is what stands between two headings, whatever
their level; code blocks hold no figures. A command is inline code, or a line of an ``sh`` block, that runs a file of
the checkout or ``streamcore bench``; the file must be there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_docs import NAMES, PAGES, ROOT

MEASURED = re.compile(
    r"(?<![\w.`=-])[\d.,]*\d ?"
    r"(?:(?:ns|us|µs|ms|s|[kMGT]B/s|[kMG]B)(?![\w`/])|x(?!\w)|times as (?:fast|long|much|many)\b)"
)
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(
    r"(?:^|[\s/])(?:(?:python3?|pytest)(?: -\S+)* ((?:benchmarks|tests)\S*)|(streamcore bench)|(tests/\S+))"
)


def sections(text: str) -> list[tuple[str, str]]:
    """Heading and text of each section."""
    found = re.split(
        r"^#+ (.*)$", re.sub(r"^```.*?^```$", hidden, text, flags=re.M | re.S), flags=re.MULTILINE
    )
    return [("", found[0]), *zip(found[1::2], found[2::2], strict=True)]


def hidden(block: re.Match[str]) -> str:
    """Of a code block the commands, as inline code: a comment in it is no heading."""
    lines = block[0].splitlines()
    return "".join(f"`{line}`\n" for line in lines[1:-1]) if lines[0] == "```sh" else ""


def commands(section: str) -> list[str]:
    """What commands of a section run: a path, or ``streamcore bench``."""
    codes = INLINE.findall(section)
    found = [COMMAND.search(code) for code in codes]
    return [next(filter(None, each.groups())).partition("::")[0] for each in found if each is not None]


def without_command(text: str) -> list[str]:
    """Heading and figure of each section with a figure and no command."""
    told = []
    for heading, section in sections(text):
        figures = MEASURED.findall(INLINE.sub("", section))
        if figures and not commands(section):
            told.append(f"{heading}: {', '.join(figures)}")
    return told


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_each_figure_has_its_command(page: Path) -> None:
    assert without_command(page.read_text(encoding="utf-8")) == []


@pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the tests run without the rest of the checkout"
)
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_a_command_runs_is_there(page: Path) -> None:
    for _, section in sections(page.read_text(encoding="utf-8")):
        for path in commands(section):
            assert path == "streamcore bench" or any(ROOT.glob(path)), path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a line costs 10 ns", ["# 10 ns"]),
        ("3.1x, 1,500 MB/s or 2.9 s", ["# 3.1x, 1,500 MB/s, 2.9 s"]),
        ("4 times as fast, in 80 kB", ["# 4 times as fast, 80 kB"]),
        ("at most 64 MiB, 10 seconds, 4 times, `10 ns`, x86, 3.14t, 2 cores", []),
        ("a line costs 10 ns by `python benchmarks/formats.py`", []),
        ("10 ns\n```sh\nstreamcore bench lines\n```\n", []),
        ("10 ns\n```python\n# 5 ms, streamcore bench\n```\n", ["# 10 ns"]),
        ("`pytest benchmarks`\n## two\n10 ns", ["two: 10 ns"]),
    ],
)
def test_the_rule(text: str, told: list[str]) -> None:
    assert without_command(text) == [each.replace("# ", ": ") for each in told]
