"""What all parts with kernels make of much text, as digests: run in processes that run different kernels, or none.

Lengths go around the blocks that kernels read, 16 to 512 bytes, and texts from no hit at all to nothing but hits.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

from streamcore import _backend as core
from streamcore.vocab.encodings import ENCODINGS
from streamcore.vocab.gpt2 import load_gpt2

SIZES = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 2000]
BYTES = [b"a", b"\n", b"\r", b"\r\n", b"a\n", b"aaaaaaaaaaaa\n", b"a\x00\xff\x80\n\r;|,", bytes(range(256))]
SPACES = "".join(chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace())
TEXTS = [
    "ab  \n",
    "é\x85\xa0\x1c\x1b \xff",
    "漢\u2019\u3000\u1680\u2003\u8020\u2020 a",
    "😀\U00013000\U00010020 \u2028a",
    f"{SPACES}abcé漢",
    "aA1'.!/\r\n \tsße漢😀",
]
PIECES = [
    b"a",
    b"a" * 16,
    "é".encode(),
    "ж".encode(),
    "漢".encode(),
    "€".encode(),
    "😀".encode(),
    b"\xef\xbf\xbf",
]
BAD = [b"\xff", b"\x80", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f", b"\xc0", b"\xf5"]


def data() -> Iterator[bytes]:
    rng = random.Random(5)
    for size in SIZES:
        for alphabet in BYTES:
            yield bytes(rng.choices(alphabet, k=size))
    for size in (64, 300):
        for at in range(size):
            yield b"a" * at + b"\n" + b"a" * (size - at - 1)


def texts() -> Iterator[str]:
    rng = random.Random(6)
    for alphabet in TEXTS:
        for size in [*range(70), 127, 128, 129, 500]:
            yield "".join(rng.choices(alphabet, k=size))


def utf8() -> Iterator[bytes]:
    rng = random.Random(7)
    for size in range(300):
        yield b"".join(rng.choices(PIECES + BAD * (size % 3 == 0), k=size // 3))


def made_by(engine: Any, sources: Callable[[], Iterator[Any]]) -> Iterator[object]:
    for fragment in sources():
        engine.reset()
        try:
            yield [*engine.feed(fragment), *engine.finish()]
            engine.finish()
        except ValueError as error:
            yield str(error)


def both_kinds() -> Iterator[str | bytes]:
    for text in texts():
        yield text
        yield text.encode()


def cases() -> dict[str, Iterator[object]]:
    gpt2 = load_gpt2().ranks
    cores = {name: core.BPECore(gpt2, encoding.pattern, {}) for name, encoding in ENCODINGS.items()}
    return {
        "lines": made_by(core.LinesEngine(), data),
        "lines with ends": made_by(core.LinesEngine(keepends=True), data),
        "universal lines": made_by(core.LinesEngine(newline="universal"), data),
        "universal lines with ends": made_by(core.LinesEngine(newline="universal", keepends=True), data),
        "one byte": made_by(core.DelimitedEngine(b"\xff"), data),
        "few bytes": made_by(core.DelimitedEngine(b"\n", b";", b"|"), data),
        "many bytes": made_by(core.DelimitedEngine(*[bytes((byte,)) for byte in range(100, 256)]), data),
        "a string": made_by(core.DelimitedEngine(b"a\n"), data),
        "strings": made_by(core.DelimitedEngine(b"a\n", b"\r\n", b"aaa\x00"), data),
        "words": made_by(core.WordsEngine(), both_kinds),
        "words alone": made_by(core.WordsEngine("none"), both_kinds),
        "words of bytes as text": made_by(core.WordsEngine(as_=str), lambda: map(str.encode, texts())),
        "strict UTF-8": made_by(core.UTF8Engine(), utf8),
        "UTF-8 with replacements": made_by(core.UTF8Engine("replace"), utf8),
        "UTF-8 without bad pieces": made_by(core.UTF8Engine("ignore"), utf8),
        **{f"tokens of {name}": map(each.encode_to_list, texts()) for name, each in cores.items()},
    }


def main() -> None:
    found = {}
    for name, outputs in cases().items():
        digest = hashlib.sha256()
        for output in outputs:
            digest.update(repr(output).encode())
        found[name] = digest.hexdigest()
    print(json.dumps({"kernel": core.KERNEL, "digests": found}))


if __name__ == "__main__":
    main()
