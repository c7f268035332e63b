"""What the sources of the native core must not say, because of what the compiler makes of it."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[2] / "streamcore").rglob("_native/**/*.p[yx][xd]"))


def comprehensions(lines) -> list[int]:
    """The lines with a list comprehension."""
    found, brackets = [], []
    for token in tokenize.generate_tokens(lines):
        if token.type == tokenize.OP and token.string in "([{":
            brackets.append(token.string)
        elif token.type == tokenize.OP and token.string in ")]}":
            brackets.pop()
        elif token.string == "for" and token.type == tokenize.NAME and brackets[-1:] == ["["]:
            found.append(token.start[0])
    return found


def test_a_list_comprehension_is_found():
    text = "a = [1, 2]\nb = [\n    (n for n in a),\n    n for n in a\n]\nc = {n: [n] for n in a}  # [n for n in a]\n"
    assert comprehensions(iter(text.splitlines(keepends=True)).__next__) == [4]


@pytest.mark.skipif(not SOURCES, reason="an installed package has no sources")
def test_there_is_no_list_comprehension():
    """That of Cython 3.3 lets go of its item twice where the list cannot grow: a loop with ``append`` does not."""
    bad = []
    for path in SOURCES:
        with path.open(encoding="utf-8") as lines:
            bad += [f"{path.name}:{line}" for line in comprehensions(lines.readline)]
    assert not bad


def returns_with_an_exception(text: str) -> list[int]:
    """Lines of ``return`` in an ``except`` clause that names its exception."""
    found, clauses = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        while clauses and indent <= clauses[-1]:
            clauses.pop()
        if re.match(r"\s*except\b.*\bas \w+:", line):
            clauses.append(indent)
        elif clauses and re.match(r"\s*return\b", line):
            found.append(number)
    return found


def test_a_return_with_an_exception_is_found():
    text = "try:\n    f()\nexcept A:\n    return\nexcept B as b:\n    if b:\n        return\nreturn\n"
    assert returns_with_an_exception(text) == [7]


@pytest.mark.skipif(not SOURCES, reason="an installed package has no sources")
def test_no_exception_is_at_hand_where_a_function_returns():
    """Cython 3.3 lets go of the traceback there, though there is none if memory ended while it was made: a crash."""
    bad = [
        f"{path.name}:{line}"
        for path in SOURCES
        for line in returns_with_an_exception(path.read_text(encoding="utf-8"))
    ]
    assert not bad


@pytest.mark.skipif(not SOURCES, reason="an installed package has no sources")
def test_no_native_module_imports_a_pure_one():
    """What both build on lies in ``_shared``."""
    bad = [
        path.name
        for path in SOURCES
        if re.search(r"^\s*(from|import|cimport)\s.*\b_pure\b", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert not bad


@pytest.mark.skipif(not SOURCES, reason="an installed package has no sources")
def test_one_header_decides_which_vector_instructions_there_are():
    """i386 may have SSE2 without 64-bit pext, and clang-cl is MSVC and clang: that is easily decided otherwise."""
    asks = re.compile(r"__SSE2__|__AVX2__|__ARM_NEON|_M_IX86_FP|mmintrin\.h|arm_neon\.h")
    headers = sorted((Path(__file__).parents[2] / "streamcore" / "_native").rglob("*.h"))
    assert len(headers) > 20
    asking = {path.name for path in headers if asks.search(path.read_text(encoding="utf-8"))}
    assert asking == {"cpu.h"}
