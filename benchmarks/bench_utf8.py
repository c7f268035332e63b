"""S13: UTF-8 decoded by fragments, beside the incremental decoder of ``codecs``::

    pytest benchmarks/bench_utf8.py

"mixed" is made text: sentences of ten scripts by turns, of words of 1 to 9 letters with ASCII blanks between them.
"""

from __future__ import annotations

import codecs
import random

import pytest

pytest.importorskip("pytest_benchmark")

SIZE = 4_000_000
FRAGMENTS = [64, 4096, 65536]

# First and last letter of a script, or all of them.
SCRIPTS = [
    "abcdefghijklmnopqrstuvwxyz",
    "abcdefghijklmnopqrstuvwxyzàâçéèêëîïôùûü",
    "abcdefghijklmnopqrstuvwxyzäöüß",
    "".join(map(chr, range(0x3B1, 0x3CA))),  # Greek
    "".join(map(chr, range(0x430, 0x450))),  # Cyrillic
    "".join(map(chr, range(0x5D0, 0x5EB))),  # Hebrew
    "".join(map(chr, range(0x627, 0x64B))),  # Arabic
    "".join(map(chr, range(0x905, 0x93A))),  # Devanagari
    "".join(map(chr, range(0x4E00, 0x5600))),  # Chinese
    "".join(map(chr, range(0x3041, 0x3097))),  # Hiragana
]


@pytest.fixture(scope="module")
def mixed() -> bytes:
    source = random.Random(0)
    text, size = [], 0
    while size < SIZE:
        script = source.choice(SCRIPTS)
        words = (
            "".join(source.choices(script, k=source.randint(1, 9))) for _ in range(source.randint(5, 30))
        )
        text.append(" ".join(words) + ".\n")
        size += len(text[-1].encode())
    return "".join(text).encode()


@pytest.fixture(params=["ascii", "mixed"])
def data(request, corpus, mixed) -> tuple[str, bytes]:
    return request.param, corpus.words(SIZE) if request.param == "ascii" else mixed


@pytest.mark.parametrize("size", FRAGMENTS)
def test_iterate(measure, backend, corpus, data, size):
    name, whole = data
    fragments = corpus.fragments(whole, size)
    assert "".join(backend.UTF8Engine().iterate(iter(fragments))) == whole.decode()

    def decode():
        for _ in backend.UTF8Engine().iterate(iter(fragments)):
            pass

    measure(f"UTF-8, {name}, fragments of {size}", decode, len(whole))


@pytest.mark.parametrize("size", FRAGMENTS)
def test_codecs(measure, corpus, data, size):
    name, whole = data
    fragments = corpus.fragments(whole, size)

    def decode():
        decoder = codecs.getincrementaldecoder("utf-8")().decode
        for fragment in fragments:
            decoder(fragment)
        decoder(b"", True)

    measure(f"UTF-8, {name}, fragments of {size}", decode, len(whole))


def broken(whole: bytes) -> bytes:
    """A bad byte in each 200."""
    data = bytearray(whole)
    data[::200] = b"\xff" * len(data[::200])
    return bytes(data)


def test_replace(measure, backend, corpus, mixed):
    whole = broken(mixed)
    fragments = corpus.fragments(whole, 65536)
    assert "".join(backend.UTF8Engine("replace").iterate(iter(fragments))) == whole.decode("utf-8", "replace")

    def decode():
        for _ in backend.UTF8Engine("replace").iterate(iter(fragments)):
            pass

    measure("UTF-8, mixed, a bad byte in each 200, replaced", decode, len(whole))


def test_replace_codecs(measure, corpus, mixed):
    whole = broken(mixed)
    fragments = corpus.fragments(whole, 65536)

    def decode():
        decoder = codecs.getincrementaldecoder("utf-8")("replace").decode
        for fragment in fragments:
            decoder(fragment)

    measure("UTF-8, mixed, a bad byte in each 200, replaced", decode, len(whole))
