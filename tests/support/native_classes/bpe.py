"""The core of a vocabulary, and the streams over it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from streamcore.vocab.encodings import R50K

from .engine import drive, finished, started_over
from .table import Argument, Box, Call, Native, attribute, attributes, fresh, method, value


def vocabulary(*, sparse: bool = False) -> dict[bytes, int]:
    tokens = [bytes((byte,)) for byte in range(256)]
    tokens += [b"\xe4\xb8", b"th", b"er", b" th", b" ther", b"one", "é".encode() * 20]
    return {token: number * (10_000 if sparse else 1) for number, token in enumerate(tokens)}


OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "another pattern": {"pattern": r"\w+|\W+"},
    "merges": {"merges": [(b"t", b"h"), (b"e", b"r"), (b" ", b"th")]},
    "NFC": {"normalization": "NFC"},
    "ids far apart": {"ranks": vocabulary(sparse=True)},
}
SPECIAL = {"<|end|>": 300, "<|mid|>": 301}


@cache
def core(backend: Any, which: str = "") -> Any:
    """One core for all streams over it; calls that change it make their own."""
    return new_core(backend, which)


def new_core(backend: Any, which: str = "") -> Any:
    options = {
        "ranks": vocabulary(),
        "pattern": R50K,
        "cache_bytes": 4096,
        **OPTIONS[which],
    }
    special = {name: number * 100_000 for name, number in SPECIAL.items()} if "far" in which else SPECIAL
    return backend.BPECore(options.pop("ranks"), options.pop("pattern"), special, **options)


TEXT = "one thé other <|end|> there 一"
ALLOWED = value("names", frozenset(["<|end|>"]))
NONE_DISALLOWED = value("names", frozenset(["<|mid|>"]))


def encoding(name: str, *arguments: Argument, **fixed: Any) -> tuple[Call, ...]:
    """A method that encodes, and has the options of encoding."""

    def run(box: Box, allowed: Any, disallowed: Any, *args: Any) -> Any:
        return getattr(box.subject, name)(
            *args, allowed_special=allowed, disallowed_special=disallowed, **fixed
        )

    return (Call(name, run, (ALLOWED, NONE_DISALLOWED, *arguments)),)


def bpe_core(which: str = "") -> Native:
    texts = value("texts", ["one other", "there"])
    scale = 10_000 if "far" in which else 1
    ids = value("ids", [scale * number for number in (257, 32, 0xE4, 0xB8, 0xAD, 259)])
    text = value("text", TEXT)
    return Native(
        "BPECore",
        f"BPECore {which}",
        lambda backend, box: core(backend, which),
        (
            method("encode_ordinary", text),
            method("encode_ordinary_to_list", text),
            *encoding("encode", text),
            *encoding("encode_to_list", text),
            *encoding("count", text),
            *encoding("count_until", text, value("int", 5)),
            *encoding("truncate", text, value("int", 6)),
            *encoding("offsets", text),
            *encoding("encode_many", texts, value("int", 1)),
            *encoding("encode_many", texts, value("int", 2)),
            method("encode_piece", value("buffer", b" there")),
            method("decode", ids),
            method("decode:errors", ids, value("str", "ignore")),
            method("decode_bytes", ids),
            method("decode_bytes:array", fresh("ids", lambda: id_array(ids.make()))),
            *attributes("n_vocab", "max_token_length", "ranks", "pattern", "special_tokens", "merges"),
            *attributes(
                "whole_pieces",
                "normalization",
                "cache_bytes",
                "template",
                "decoding",
                "token_flags",
                "tokens",
                "symbols",
            ),
        ),
        look=lambda core: [core.n_vocab, core.max_token_length, len(core.ranks), core.special_tokens],
        rest=lambda core: core.encode_to_list(TEXT, disallowed_special=()),
        inside=("encode", "truncate", "decode_bytes"),
    )


def id_array(ids: list[int]) -> Any:
    import numpy as np

    return np.array(ids, np.uint32)


def token_engine(name: str, label: str, make: Callable[[Any, Box], Any], *calls: Call, first: Any) -> Native:
    return Native(
        name,
        f"{name} {label}",
        make,
        (method("finish"), method("reset"), *attributes("offset", "error"), *calls),
        look=lambda engine: [engine.offset, repr(engine.error)],
        rest=finished,
        again=started_over(first),
    )


def bpe_encoder(which: str = "", **options: Any) -> Native:
    def make(backend: Any, box: Box) -> Any:
        made = backend.BPEEncoder(core(backend, which), disallowed_special=(), **options)
        made.feed("one th")
        return made

    return token_engine(
        "BPEEncoder",
        ", ".join([which, *map(str, options.items())]),
        make,
        method("feed", value("text", "er there <|end|> 一")),
        method("feed: a wrong type", value("buffer", b"er there")),
        *drive("iterate", "sources of text", ["one other", "s there"]),
        first="one",
    )


def bpe_decoder(which: str = "", **options: Any) -> Native:
    scale = 10_000 if "far" in which else 1
    ids = [scale * number for number in (0xB8, 0xAD, 257, 259, 97)]

    def make(backend: Any, box: Box) -> Any:
        made = backend.BPEDecoder(core(backend, which), **options)
        made.feed([scale * 97, scale * 0xE4])
        return made

    return token_engine(
        "BPEDecoder",
        ", ".join([which, *map(str, options.items())]),
        make,
        method("feed", value("ids", ids)),
        method("feed: one", value("one id", scale * 98)),
        method("feed: an array", fresh("ids", lambda: id_array(ids))),
        *drive("iterate", "sources of ids", [ids[:2], ids[2:]]),
        attribute("stopped"),
        first=scale * 97,
    )


CLASSES: list[Native] = [
    *[bpe_core(which) for which in OPTIONS],
    *[bpe_encoder(which) for which in OPTIONS],
    bpe_encoder(allowed_special="all"),
    bpe_encoder(max_size=3),
    bpe_decoder(),
    bpe_decoder(errors="strict"),
    bpe_decoder("ids far apart"),
    bpe_decoder(stop=["b", "tha"], prompt=[0xE4, 0xB8]),
]

PARTS = {
    "BatchEncoder": "BPECore",
    "Export": "LinesEngine",
    "IdBlock": "BPECore",
    "SpecialTokens": "BPECore",
    "PieceLookup": "BPECore",
    "EncoderState": "BPEEncoder",
    "TokenTexts": "BPEDecoder",
}
