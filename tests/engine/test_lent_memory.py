"""Memory that changes while it is read: text is wrong then, at worst, but it is text, and nothing beyond it is read.

Another process writes one pattern over the other; the results are looked at, not the race.
"""

from __future__ import annotations

import mmap
import subprocess
import sys

import pytest

SIZE = 1 << 14
# Each pattern is as long as the other; what is measured in one and written from the other has another width or size.
PATTERNS = {
    "width": (b"a" * 11 + b"\n", "\u00e9\u4e2d\U0001f600aa\n".encode()),
    "line ends": (b"a\r\n\r\nb\r\nccc\n", b"a\n\n\n\nb\n\r\n\r\n\n"),
    "bad pieces": (
        b"\xff\xfe\xff\xf0\x9f\x98\x80\xc3\xa9\xc3\xa9\n",
        b"\xf0\x9f\x98\x80\xff\xff\xff\xff\xc3\xa9z\n",
    ),
}
ENGINES = {
    "UTF8": lambda backend: backend.UTF8Engine("replace"),
    "UTF8 surrogatepass": lambda backend: backend.UTF8Engine("surrogatepass"),
    "Lines": lambda backend: backend.LinesEngine(borrow=True),
    "Lines universal": lambda backend: backend.LinesEngine(newline="universal", keepends=True, borrow=True),
    "Lines text": lambda backend: backend.LinesEngine(as_=str, borrow=True),
    "Lines views": lambda backend: backend.LinesEngine(as_="view", borrow=True),
    "FixedSize": lambda backend: backend.FixedSizeEngine(96, as_=str, borrow=True),
    "Delimited": lambda backend: backend.DelimitedEngine(b"\n", b"\r\n", as_=str, borrow=True),
    "Chunks": lambda backend: backend.ContentDefinedEngine(256, 64, 1024, borrow=True),
    "Chunks by a maximum": lambda backend: backend.ContentDefinedEngine(300, algorithm="ram", borrow=True),
    "Frames": lambda backend: backend.LengthPrefixedEngine(
        "u8", max_size=100, on_oversize="skip", on_incomplete="emit", borrow=True
    ),
    "Frames as views": lambda backend: backend.LengthPrefixedEngine(
        "u16le",
        as_="view",
        keep_head=True,
        max_size=90,
        on_oversize="truncate",
        on_incomplete="emit",
        borrow=True,
    ),
    "Words": lambda backend: backend.WordsEngine("none", as_=str, borrow=True),
    "Words bytes": lambda backend: backend.WordsEngine(as_=bytes, borrow=True),
}


FLIP = """
import mmap, os, sys, threading
threading.Thread(target=lambda: os._exit(len(sys.stdin.read())), daemon=True).start()  # when the test is gone
with open(sys.argv[1], "r+b") as file:
    memory = mmap.mmap(file.fileno(), 0)
sources = [bytes.fromhex(pattern) for pattern in sys.argv[2:]]
sources = [(source * len(memory))[: len(memory)] for source in sources]
print("flipping", flush=True)
while True:
    for source in sources:
        memory[:] = source
"""


@pytest.fixture(scope="module", params=PATTERNS)
def memory(request, tmp_path_factory):
    """Memory that another process turns from one pattern into the other all the time."""
    path = tmp_path_factory.mktemp("lent") / "memory"
    path.write_bytes(bytes(SIZE))
    patterns = [pattern.hex() for pattern in PATTERNS[request.param]]
    command = [sys.executable, "-c", FLIP, str(path), *patterns]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        path.open("r+b") as file,
        mmap.mmap(file.fileno(), 0) as shared,
    ):
        assert process.stdout.readline() == b"flipping\n"
        yield shared
        process.kill()


def is_sound(item):
    """Whether a str is as wide as its characters need, and says so."""
    return not isinstance(item, str) or item == item.encode("utf-8", "surrogatepass").decode(
        "utf-8", "surrogatepass"
    )


def cut(engine, way, fragments):
    """The items, and how many bytes the batches say they hold."""
    if way == "feed":
        return [item for fragment in fragments for item in engine.feed(fragment)] + engine.finish()
    if way == "iterate":
        return list(engine.iterate(iter(fragments)))
    batches = list(engine.batches(iter(fragments)))
    assert [len(batch.data) for batch in batches] == [batch.nbytes for batch in batches]
    return [item for batch in batches for item in batch]


@pytest.mark.parametrize("way", ["feed", "iterate", "batches"])
@pytest.mark.parametrize("name", ENGINES)
def test_memory_that_changes_while_it_is_read_gives_sound_items(backend, memory, name, way):
    for _ in range(20 if backend.name == "native" else 1):
        try:
            items = cut(ENGINES[name](backend), way, [memory, memory])
        except UnicodeError:
            continue  # a character that was cut, or the mix of both patterns
        assert all(map(is_sound, items))
        assert sum(map(len, items)) <= 2 * SIZE
