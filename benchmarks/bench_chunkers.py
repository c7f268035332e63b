"""Fixed sizes and delimiters, against the plain Python that does the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

FRAGMENT = 65536


def consume(items: Any) -> None:
    for _ in items:
        pass


@pytest.fixture(scope="module")
def data(corpus):
    return corpus.lines(100)


@pytest.fixture(scope="module")
def fragments(corpus, data):
    return corpus.fragments(data, FRAGMENT)


@pytest.mark.parametrize("size", [100, 4096])
@pytest.mark.parametrize("as_", ["view", bytes], ids=["view", "bytes"])
def test_fixed_size(backend, data, fragments, size, as_, measure):
    def run() -> Any:
        return backend.FixedSizeEngine(size, as_=as_).iterate(iter(fragments))

    assert [bytes(item) for item in run()] == [data[at : at + size] for at in range(0, len(data), size)]
    measure(f"FixedSize({size})", lambda: consume(run()), len(data))


@pytest.mark.parametrize("size", [100, 4096])
def test_slices_by_hand(fragments, data, size, measure):
    def run() -> Any:
        carry = b""
        for fragment in fragments:
            whole = carry + fragment if carry else fragment
            end = len(whole) - len(whole) % size
            for at in range(0, end, size):
                yield whole[at : at + size]
            carry = whole[end:]
        if carry:
            yield carry

    measure(f"FixedSize({size})", lambda: consume(run()), len(data))


DELIMITERS = {
    "one byte": [b"\n"],
    "two bytes": [b"\r\n"],
    "three of one byte": [b";", b",", b"\n"],
    "long": [b"\n----\n"],
}


def delimited(data: bytes, kind: str) -> bytes:
    return data.replace(b"\n", DELIMITERS[kind][0]) if kind != "three of one byte" else data


@pytest.mark.parametrize("kind", DELIMITERS)
def test_delimited(backend, corpus, data, kind, measure):
    delimiters, text = DELIMITERS[kind], delimited(data, kind)
    fragments = corpus.fragments(text, FRAGMENT)

    def run() -> Any:
        return backend.DelimitedEngine(*delimiters).iterate(iter(fragments))

    expected = re.split(b"|".join(map(re.escape, delimiters)), text)
    assert list(run()) == (expected if expected[-1] else expected[:-1])
    measure(f"Delimited, {kind}", lambda: consume(run()), len(text))


@pytest.mark.parametrize("kind", DELIMITERS)
def test_split_by_hand(corpus, data, kind, measure):
    delimiters, text = DELIMITERS[kind], delimited(data, kind)
    fragments = corpus.fragments(text, FRAGMENT)
    split = re.compile(b"|".join(map(re.escape, delimiters))).split

    def run() -> Any:
        carry = b""
        for fragment in fragments:
            whole = carry + fragment
            items = whole.split(delimiters[0]) if len(delimiters) == 1 else split(whole)
            carry = items.pop()
            yield from items
        if carry:
            yield carry

    measure(f"Delimited, {kind}", lambda: consume(run()), len(text))
