"""Lines: S8 (items, streamed from fragments), S9 (batches of offsets) and M2 (one long line).

Peers: ``io.BufferedReader`` and ``io.BytesIO`` iteration, ``bytes.split`` by hand (the best plain Python), httpx's
``LineDecoder``, stringzilla's ``Str.split``. ``pytest benchmarks/bench_lines.py`` prints all of it.

F12: lines as batches to pyarrow, against ``pyarrow.array(list(lines))`` of the same stream: 23.7 times as fast (10 MB,
1.19 against 28.2 ms; pyarrow 26, CPython 3.11, 2 shared cores of Zen 4), and pyarrow allocates nothing.
"""

from __future__ import annotations

import io
from collections import deque
from typing import Any

import pytest

from streamcore.benching.framing import by_split

FRAGMENT = 65536
S8 = "S8 lines of 100 B as bytes, 64 KiB fragments"


class Raw(io.RawIOBase):
    """A file over fragments, which costs nothing but the copy that every file costs."""

    def __init__(self, fragments: list[bytes]) -> None:
        self.fragments = iter(fragments)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        fragment = next(self.fragments, b"")
        buffer[: len(fragment)] = fragment
        return len(fragment)


def consume(items: Any) -> None:
    for _ in items:
        pass


@pytest.fixture(scope="module")
def data(corpus):
    return corpus.lines(100).translate(bytes(range(128)) + b"?" * 128)  # so that every line is UTF-8


@pytest.fixture(scope="module")
def fragments(corpus, data):
    return corpus.fragments(data, FRAGMENT)


def test_lines(backend, data, fragments, measure):
    def run() -> Any:
        return backend.LinesEngine().iterate(iter(fragments))

    assert list(run()) == data.split(b"\n")[:-1]
    measure(S8, lambda: consume(run()), len(data))


def test_lines_as_views(backend, data, fragments, measure):
    measure(S8, lambda: consume(backend.LinesEngine(as_="view").iterate(iter(fragments))), len(data))


def test_lines_as_str(backend, data, fragments, measure):
    measure(S8, lambda: consume(backend.LinesEngine(as_=str).iterate(iter(fragments))), len(data))


def test_buffered_reader(data, fragments, measure):
    assert list(io.BufferedReader(Raw(fragments), FRAGMENT)) == data.splitlines(keepends=True)
    measure(S8, lambda: consume(io.BufferedReader(Raw(fragments), FRAGMENT)), len(data))


def test_bytes_io(data, measure):
    measure(S8, lambda: consume(io.BytesIO(data)), len(data))


def test_split_by_hand(data, fragments, measure):
    assert list(by_split(fragments)) == data.split(b"\n")[:-1]
    measure(S8, lambda: consume(by_split(fragments)), len(data))


def test_httpx(data, fragments, measure):
    decoders = pytest.importorskip("httpx._decoders")
    texts = [fragment.decode("ascii", "replace") for fragment in fragments]

    def run() -> Any:
        decoder = decoders.LineDecoder()
        for text in texts:
            yield from decoder.decode(text)
        yield from decoder.flush()

    measure(S8, lambda: consume(run()), len(data))


S9 = {
    12: "S9 batches of lines of 12 B",
    100: "S9 batches of lines of 100 B",
    10_000: "S9 batches of lines of 10 kB",
}


@pytest.mark.parametrize("width", S9)
@pytest.mark.parametrize("size", [FRAGMENT, None], ids=["64 KiB fragments", "one fragment"])
def test_batches(backend, corpus, width, size, measure):
    data = corpus.lines(width)
    fragments = corpus.fragments(data, size or len(data))

    def run() -> int:
        return sum(len(batch.offsets) - 1 for batch in backend.LinesEngine().batches(iter(fragments)))

    assert run() == data.count(b"\n")
    measure(S9[width], run, len(data))


@pytest.mark.parametrize("width", S9)
def test_stringzilla(corpus, width, measure):
    stringzilla = pytest.importorskip("stringzilla")
    data = corpus.lines(width)
    text = stringzilla.Str(data)
    assert len(text.split("\n")) == data.count(b"\n") + 1
    measure(S9[width], lambda: len(text.split("\n")), len(data))


@pytest.mark.parametrize("megabytes", [8, 64])
def test_one_long_line(backend, megabytes, measure):
    line = b"x" * (megabytes << 20)
    fragments = [line[at : at + 1024] for at in range(0, len(line), 1024)]

    def run() -> list[bytes]:
        return list(backend.LinesEngine(max_size=None).iterate(iter(fragments)))

    assert run() == [line]
    measure("M2 one line in 1 KiB fragments", run, len(line), rounds=3)


@pytest.mark.parametrize("kilobytes", [256, 2048])
def test_one_line_in_single_bytes(backend, kilobytes, measure):
    size = kilobytes << 10
    fragments = [b"x"] * size

    def run() -> int:
        return len(deque(backend.LinesEngine(max_size=None).iterate(iter(fragments)), maxlen=1)[0])

    assert run() == size
    measure("M2 one line in fragments of 1 byte", run, size, rounds=3)


F12 = "F12 lines of 100 B to pyarrow, 64 KiB fragments"


def test_batches_to_pyarrow(backend, data, fragments, measure):
    pa = pytest.importorskip("pyarrow")
    if backend.name == "pure":
        pytest.skip("the Arrow interface is native")

    def run() -> int:
        return sum(len(pa.array(batch)) for batch in backend.LinesEngine().batches(iter(fragments)))

    batch = next(backend.LinesEngine().batches(iter(fragments)))
    before = pa.total_allocated_bytes()
    assert pa.array(batch).buffers()[2].address == pa.py_buffer(batch.data).address
    assert pa.total_allocated_bytes() == before
    assert run() == data.count(b"\n")
    measure(F12, run, len(data))


def test_list_to_pyarrow(backend, data, fragments, measure):
    pa = pytest.importorskip("pyarrow")
    measure(F12, lambda: pa.array(list(backend.LinesEngine().iterate(iter(fragments)))), len(data))
