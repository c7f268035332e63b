"""S15: words as items beside ``split``, and as offsets beside stringzilla::

    pytest benchmarks/bench_words.py

Items come from fragments of 64 Ki characters or bytes, and each is dropped before the next; the whole text is there for
``split``. "source" is the text of the corpus, "words" random ASCII words.
"""

from __future__ import annotations

import re

import pytest

pytest.importorskip("pytest_benchmark")

FRAGMENT = 65536
SIZE = 4_000_000
ASCII_SPACES = " \t\n\r\v\f"


@pytest.fixture(params=["source", "words"])
def data(request, corpus) -> tuple[str, bytes]:
    whole = corpus.text(SIZE) if request.param == "source" else corpus.words(SIZE)
    return request.param, whole.decode("utf-8", "ignore").encode()


def drain(items):
    for _ in items:
        pass


@pytest.mark.parametrize("keep", ["trailing", "none"])
def test_str_items(measure, backend, corpus, data, keep):
    name, whole = data
    text = whole.decode()
    fragments = corpus.fragments(text, FRAGMENT)
    expected = text.split() if keep == "none" else re.findall(r"^\s+|\S+\s*", text)
    assert list(backend.WordsEngine(keep).iterate(iter(fragments))) == expected
    measure(
        f"words of {name}, str items",
        lambda: drain(backend.WordsEngine(keep).iterate(iter(fragments))),
        len(whole),
    )


def test_str_split(measure, data):
    name, whole = data
    text = whole.decode()
    measure(f"words of {name}, str items", lambda: drain(text.split()), len(whole))


def test_str_findall(measure, data):
    name, whole = data
    text = whole.decode()
    find = re.compile(r"\S+\s*").findall
    measure(f"words of {name}, str items", lambda: drain(find(text)), len(whole))


def test_str_list(measure, backend, corpus, data):
    name, whole = data
    fragments = corpus.fragments(whole.decode(), FRAGMENT)
    measure(
        f"words of {name}, list of str",
        lambda: list(backend.WordsEngine("none").iterate(iter(fragments))),
        len(whole),
    )


def test_str_split_list(measure, data):
    name, whole = data
    measure(f"words of {name}, list of str", whole.decode().split, len(whole))


def test_bytes_items(measure, backend, corpus, data):
    name, whole = data
    fragments = corpus.fragments(whole, FRAGMENT)
    assert list(backend.WordsEngine("none").iterate(iter(fragments))) == whole.split()
    measure(
        f"words of {name}, bytes items",
        lambda: drain(backend.WordsEngine("none").iterate(iter(fragments))),
        len(whole),
    )


def test_bytes_split(measure, data):
    name, whole = data
    measure(f"words of {name}, bytes items", lambda: drain(whole.split()), len(whole))


@pytest.mark.parametrize("keep", ["trailing", "none"])
def test_offsets(measure, backend, corpus, data, keep):
    name, whole = data
    fragments = corpus.fragments(whole, FRAGMENT)

    def offsets():
        return sum(len(batch.offsets) - 1 for batch in backend.WordsEngine(keep).batches(iter(fragments)))

    count = measure(f"words of {name}, offsets", offsets, len(whole))
    assert count == len(whole.split()) + (keep == "trailing" and whole[:1].isspace())


def test_offsets_stringzilla(measure, data):
    """It splits at each blank: what stands between two of them is an empty item, and an item like others."""
    stringzilla = pytest.importorskip("stringzilla")
    name, whole = data
    text = stringzilla.Str(whole)
    count = measure(f"words of {name}, offsets", lambda: len(text.split_byteset(ASCII_SPACES)), len(whole))
    assert count == len(re.split(rb"[ \t\n\r\v\f]", whole))
