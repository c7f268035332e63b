"""Vocabularies and texts of the BPE benchmarks.

Vocabularies: cl100k and o200k out of the ``quicktok-v1`` distribution (which is a peer as well). Texts: the files
``english.txt.xz``, ``code.txt.xz`` and ``multi.txt.xz`` (or ``.txt``) of the directory that ``STREAMCORE_BPE_CORPUS``
names. Without it, code is the standard library's source, English its docstrings and comments, and the mixed languages
are made of words of seeded random letters in nine scripts: fine for comparing, but real text is the better judge.
"""

from __future__ import annotations

import ast
import lzma
import os
import random
import struct
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|"""
    r"""\s*[\r\n]|\s+(?!\S)|\s"""
)
O200K = "|".join(
    (
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""",
        r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
        r"""\s*[\r\n]+""",
        r"""\s+(?!\S)""",
        r"""\s+""",
    )
)
PATTERNS = {"cl100k": CL100K, "o200k": O200K}
KINDS = ("english", "code", "multi")
SIZE = 2_000_000  # characters of made text
# first letter and number of letters: Latin, Cyrillic, Greek, Arabic, Hebrew, Devanagari, Hiragana, Han, Hangul
SCRIPTS = (
    (97, 26),
    (0x430, 32),
    (0x3B1, 25),
    (0x627, 36),
    (0x5D0, 27),
    (0x915, 37),
    (0x3042, 80),
    (0x4E00, 3000),
    (0xAC00, 2000),
)


@cache
def ranks(name: str) -> dict[bytes, int]:
    """The ranks of ``"cl100k"`` or ``"o200k"``; skips where quicktok-v1 is not installed."""
    data = (
        Path(pytest.importorskip("quicktok").__file__)
        .with_name("data")
        .joinpath(f"{name}.vocab")
        .read_bytes()
    )
    found, at = {}, 4
    for _ in range(int.from_bytes(data[:4], "little")):
        (size,) = struct.unpack_from("<H", data, at)
        (found[data[at + 2 : at + 2 + size]],) = struct.unpack_from("<I", data, at + 2 + size)
        at += 6 + size
    return found


def sources() -> Iterator[str]:
    """The standard library's source files, without tests and installed packages."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(folder.rglob("*.py")):
        if "test" not in path.parts and "site-packages" not in path.parts:
            yield path.read_text(encoding="utf-8-sig", errors="replace")


def docstrings() -> Iterator[str]:
    for source in sources():
        try:
            tree = ast.parse(source)
        except SyntaxError:  # lib2to3 keeps files of Python 2
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (
                text := ast.get_docstring(node)
            ):
                yield text + "\n\n"


def words(seed: int = 0) -> Iterator[str]:
    source = random.Random(seed)
    vocabularies = [
        [
            "".join(chr(first + int(count * source.random() ** 2)) for _ in range(source.randint(1, 9)))
            for _ in range(9000)
        ]
        for first, count in SCRIPTS
    ]
    while True:
        for vocabulary in vocabularies:
            text = " ".join(
                vocabulary[int(9000 * source.random() ** 3)] for _ in range(source.randint(5, 40))
            )
            yield text + source.choice(("\n", ". ", "\uff0c", "! ", ": ", "\n\n"))


@cache
def text(kind: str) -> str:
    """The text of one of ``KINDS``."""
    folder = os.environ.get("STREAMCORE_BPE_CORPUS")
    if folder is not None:
        packed, plain = (Path(folder, kind + suffix) for suffix in (".txt.xz", ".txt"))
        data = lzma.decompress(packed.read_bytes()) if packed.exists() else plain.read_bytes()
        return data.decode()
    made: list[str] = []
    size = 0
    for part in {"english": docstrings, "code": sources, "multi": words}[kind]():
        made.append(part)
        size += len(part)
        if size >= SIZE:
            break
    return "".join(made)
