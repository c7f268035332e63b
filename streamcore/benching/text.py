"""Text decoded, cut into words, and read as JSON while it grows."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from functools import partial
from re import finditer
from typing import Any

from . import inputs
from .case import Case, Side, Work, copied, drained, remade

__all__ = ["CASES"]


def utf8(make: Callable[[int], bytes], scale: float) -> Work:
    data = make(int(4e6 * scale))
    fragments = inputs.cut(data, 4096)
    work = Work(len(data), floor=copied(fragments))
    work.add_ours(
        "text.utf8", "UTF8Engine", lambda engine: drained(lambda: engine().iterate(iter(fragments)), "".join)
    )

    def by_codecs() -> Iterator[str]:
        decode = codecs.getincrementaldecoder("utf-8")().decode
        yield from map(decode, fragments)
        yield decode(b"", True)

    work.add("codecs", lambda: drained(by_codecs, "".join))
    return work


def words(scale: float) -> Work:
    text = inputs.prose(int(3e6 * scale))
    fragments = inputs.cut(text, 65536)
    work = Work(len(text), floor=remade(text.split()))
    work.add_ours(
        "text.words", "WordsEngine", lambda engine: drained(lambda: engine("none").iterate(iter(fragments)))
    )
    work.add("str.split of the whole", lambda: drained(text.split))
    work.add(
        "re.finditer of the whole", lambda: drained(lambda: (found[0] for found in finditer(r"\S+", text)))
    )
    return work


def json_deltas(scale: float) -> Work:
    text = inputs.rows(int(16e3 * scale))
    deltas = [text[at : at + 4] for at in range(0, len(text), 4)]
    work = Work(len(deltas), floor=remade(deltas))

    def of_core(core: str) -> Side:
        from .case import ours

        engine = ours(core, "text.json_deltas", "JSONDeltasEngine")
        fold = ours(core, "text.json_delta", "json_folded")
        return drained(lambda: engine().iterate(iter(deltas)), fold)

    for core in ("native", "pure"):
        work.add(core, partial(of_core, core))

    def by_jiter() -> Side:
        import jiter

        def values() -> Iterator[Any]:
            held = b""
            for delta in deltas:
                held += delta.encode()
                yield jiter.from_json(held, partial_mode="trailing-strings")

        return drained(values, lambda found: [*found][-1])

    work.add("jiter", by_jiter)
    assert json.loads(text)
    return work


COPIED = "each fragment copied"
CASES = (
    Case(
        "utf8-ascii",
        "UTF-8 that is ASCII decoded, fragments of about 4 KiB",
        "MB/s",
        ("native", "pure", "codecs"),
        COPIED,
        partial(utf8, lambda size: inputs.prose(size).encode()),
    ),
    Case(
        "utf8-mixed",
        "UTF-8 of eight scripts decoded, fragments of about 4 KiB",
        "MB/s",
        ("native", "pure", "codecs"),
        COPIED,
        partial(utf8, inputs.many_scripts),
    ),
    Case(
        "words",
        "words of text as str, fragments of about 64 KiB",
        "MB/s",
        ("native", "pure", "str.split of the whole", "re.finditer of the whole"),
        "objects of the same sizes made",
        words,
    ),
    Case(
        "json-deltas",
        "an array of objects that grows by 4 characters; jiter parses its beginning again at each",
        "ns an item",
        ("native", "pure", "jiter"),
        "the deltas made",
        json_deltas,
    ),
)
