"""Memory that changes while it is read: every entry point that takes a buffer gets one that another thread flips.

What comes out may be of either content or of a mixture, but it is well formed: a str is a str, no id is unknown, no
byte comes from elsewhere. Nothing here depends on when the thread writes; that only decides how much can be found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from backends import Backend
from flipping import FORMS, IDS, flipping, write_over_and_over
from native_classes import CLASSES, Box, Call, Native

SIZE = 1 << 12
ROUNDS = 3  # of each call with each memory and contents: 45 for most
TEXTS = {"buffer", "text", "source", "sources of text", "texts"}
NUMBERS = {"ids", "sources of ids"}


def filled(pattern: str) -> bytes:
    data = pattern.encode()
    return (data * (SIZE // len(data) + 1))[:SIZE]


# Contents that need different room for the same size: in characters, items and words, as text of 1, 2 and 4 bytes.
CONTENTS = [
    (filled("one two;three\n"), filled("ééé")),
    (filled("\n"), filled("a")),
    (filled("a"), filled("\U0001f600一é ")),
]
SHORT, LONG = 97, 262  # ids of a token of one byte, and of one of forty


def targets() -> Iterator[tuple[Native, Call, int]]:
    for native in CLASSES:
        for call in native.calls:
            for place, argument in enumerate(call.arguments):
                if argument.kind in TEXTS | NUMBERS:
                    yield native, call, place


def check(result: Any, size: int) -> None:
    """Whatever was given is what it claims to be."""
    if isinstance(result, str):
        assert result == "".join(map(chr, map(ord, result)))  # nor does it lie about its widest character
        assert len(result.encode("utf-8", "surrogatepass")) <= 3 * size + 100
    elif isinstance(result, (list, tuple)):
        for item in result:
            check(item, size)
    elif hasattr(result, "dtype"):
        assert result.dtype != "uint32" or (result < 400 * 10_000).all()


def drive(native: Native, backend: Backend, call: Call, place: int, memory: Any) -> None:
    box: Box = native.boxed(backend)
    arguments = [argument.make() for argument in call.arguments]
    kind = call.arguments[place].kind
    several = "source" in kind or kind == "texts"
    arguments[place] = iter([memory, memory]) if several else memory
    # a mixture may be refused, or end inside an item, and bytes may be refused as ids
    with suppress(ValueError, TypeError, BufferError, EOFError):
        check(call.run(box, *arguments), 40 * SIZE)
    check(native.look(box.subject), 40 * SIZE)


def drive_all(backend: Backend, kinds: set[str], memory: Any) -> None:
    for native, call, place in targets():
        if call.arguments[place].kind in kinds:
            for _ in range(ROUNDS):
                drive(native, backend, call, place, memory)


@pytest.fixture
def _often() -> Iterator[None]:
    """Threads take turns often, so that the writer gets to write."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_often")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("contents", CONTENTS, ids=["items", "ends", "widths"])
def test_bytes_flip(form: str, contents: tuple[bytes, bytes]) -> None:
    with flipping(FORMS[form], *contents) as memory:
        drive_all(Backend("native"), TEXTS, memory)


@pytest.mark.usefixtures("_often")
@pytest.mark.parametrize("scale", [1, 10_000])
def test_ids_flip(scale: int) -> None:
    contents = [(number * scale).to_bytes(4, sys.byteorder) * (SIZE // 4) for number in (SHORT, LONG)]
    with flipping(IDS, *contents) as memory:
        drive_all(Backend("native"), NUMBERS, memory)


@pytest.mark.usefixtures("_often")
def test_the_twin_under_memory_that_flips() -> None:
    with flipping(FORMS["bytearray"], *CONTENTS[0]) as memory:
        for native, call, place in targets():
            if call.arguments[place].kind in TEXTS:
                drive(native, Backend("pure"), call, place, memory)


def test_the_writer_writes_both_contents() -> None:
    first, second = b"a" * SIZE, b"b" * SIZE
    memory = bytearray(SIZE)
    write_over_and_over(memory, first, second, lambda: True)
    assert memory == second
