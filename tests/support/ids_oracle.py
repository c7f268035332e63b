"""A vocabulary whose tokens are hard to decode."""

from __future__ import annotations

from bpe_oracle import END

SMILE = "\U0001f600"

# Tokens that end inside characters, begin there, are no UTF-8, are long, or are many characters.
CUTS = [
    *(bytes((value,)) for value in range(256)),
    "é".encode()[1:] + b"a",
    "中".encode()[:2],
    "中".encode()[1:],
    "中".encode(),
    SMILE.encode()[:3],
    SMILE.encode()[2:] + SMILE.encode()[:2],
    SMILE.encode(),
    "é中".encode() * 30,
    b"\xe0\xa0",
    b"\xed\xa0",
    b"\xf4\x90",
    b"ab" + "中".encode()[:1],
    b"x" * 15,
    b"x" * 16,
    b"x" * 17,
    b"y" * 300 + SMILE.encode()[:1],
    b"<|",
    b"|>",
    b"STOP",
]
FEW = [*range(256, 256 + len(CUTS) - 256), *b"a<|>\x80\xa0\xe4\xf0\xff", 999]


def token(number):
    """The bytes of an id of ``FEW``."""
    return END.encode() if number == 999 else CUTS[number]


def slow_stop(text, stop):
    """``text`` up to the stop string that begins first, and the shortest that begins there."""
    found = sorted((text.find(each), len(each), each) for each in stop if each in text)
    return (text[: found[0][0]], found[0][2]) if found else (text, None)


def grouped(ids, sizes):
    """The ids in fragments of these sizes over and over; a size of 0 is an int by itself."""
    fragments, at = [], 0
    for i in range(len(ids)):
        size = sizes[i % len(sizes)]
        fragments.append(ids[at] if size == 0 else ids[at : at + size])
        at += size or 1
        if at >= len(ids):
            break
    return fragments
