"""What the fuzzers drive: a row for each native engine. A new engine is one more row.

Each target takes the fuzzer's bytes and fails (with any exception) where the twins differ, where the cut shows, or
where something that was handed out changed; the sanitizers add what the native core does to memory. ``./run``
fuzzes them, ``test_fuzz_corpus.py`` replays the committed corpora.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from bpe_oracle import SPECIAL, random_core
from fuzz.draw import Draw
from fuzz.files import tiktoken_file, tokenizer_file
from fuzz.sequences import play_channel, play_ring_buffer, play_view
from fuzz.tokens import play_arrays, play_core
from fuzz.twins import both, play_engine
from ids_oracle import CUTS, FEW

from streamcore.vocab.encodings import GPT2

__all__ = ["TARGETS", "target"]

AS = (bytes, str, "view")
DELIMITERS = (
    (b"|",), (b"\n", b"\r\n"), (b"ab", b"abcd"), (b"aabaaab",), (b"a", b"aaab"), (b"b", b"abbbc"),
    (b"abc", b"bc", b"c"), (b"\r\n\r\n", b"\n\n", b"\r\r"), ("é".encode(), "€".encode()), (b"aa",),
)  # fmt: skip
STOPS = ("a", "<|", "|>", "STOP", "xx", "é", "中", "aé", "\ufffd")
HANDLERS = ("strict", "replace", "ignore", "backslashreplace", "surrogateescape", "surrogatepass")

Options = Callable[[Draw], tuple[tuple[Any, ...], dict[str, Any]]]


def limits(draw: Draw) -> dict[str, Any]:
    return {
        "max_size": draw.choice((None, None, 1, 2, 3, 5, 8, 64, 300)),
        "on_oversize": draw.choice(("raise", "skip", "truncate")),
    }


def policies(draw: Draw) -> dict[str, Any]:
    return {
        "as_": draw.choice(AS),
        "borrow": draw.flag(),
        "on_incomplete": draw.choice(("emit", "drop", "raise")),
    } | limits(draw)


def fixed_size(draw: Draw) -> Any:
    options = policies(draw)
    return (1 + draw.byte(),), {key: options[key] for key in ("as_", "borrow", "on_incomplete")}


def lines(draw: Draw, newline: str) -> Any:
    return (), {"newline": newline, "keepends": draw.flag()} | policies(draw)


def delimited(draw: Draw) -> Any:
    return draw.choice(DELIMITERS), {"keep": draw.flag()} | policies(draw)


def words(draw: Draw) -> Any:
    options = limits(draw) | {"as_": draw.choice((None, *AS)), "borrow": draw.flag()}
    return (draw.choice(("trailing", "none")),), options


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def as_pairs(data: bytes) -> str:
    return data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")


def engine(
    name: str, options: Options, whole: tuple[Any, ...] = (bytes,), flow: Any = None
) -> Callable[[Draw], None]:
    """A target that drives an engine: ``options`` draws its arguments, ``whole`` makes input of bytes."""
    classes: list[Any] = []

    def run(draw: Draw) -> None:
        if not classes:
            classes.extend(both(name))
        arguments, keywords = options(draw)
        make = [partial(one, *arguments, **keywords) for one in classes]
        play_engine(draw, make, draw.choice(whole), flow, keywords.get("borrow", False))

    return run


# ---- tokens


class Backend:
    """As the fixture of this name."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __getattr__(self, name: str) -> Any:
        return both(name)[self.at]


@cache
def cores(seed: int) -> list[Any]:
    """A random vocabulary of a random pattern, in both backends; its cache is soon full."""
    size = (0, 1 << 13, 1 << 16)[seed % 3]
    return [random_core(Backend(at), random.Random(seed), cache_bytes=size) for at in range(2)]


@cache
def hard_cores(special: int) -> list[Any]:
    """The vocabulary that is hard to decode."""
    ranks = {token: i for i, token in enumerate(CUTS)}
    return [core(ranks, GPT2, {"<|endoftext|>": special}, cache_bytes=1 << 13) for core in both("BPECore")]


def special_options(draw: Draw) -> dict[str, Any]:
    names = ("all", (), ("<<",), tuple(SPECIAL))
    return {
        "allowed_special": draw.choice(names),
        "disallowed_special": draw.choice(names),
        "errors": draw.choice(("strict", "replace", "ignore")),
    }


def encoder(draw: Draw) -> None:
    pair = cores(draw.byte() % 48)
    options = special_options(draw) | {"max_size": draw.choice((None, None, 1, 8, 64))}
    make = [partial(one, core, **options) for one, core in zip(both("BPEEncoder"), pair, strict=True)]
    play_engine(draw, make, draw.choice((bytes, as_text, as_pairs)), ids_joined, False)


def decoder(draw: Draw) -> None:
    pair = hard_cores(draw.choice((999, 4_000_000_000)))
    options = {
        "errors": draw.choice(("strict", "replace", "ignore")),
        "prompt": [FEW[draw.byte() % len(FEW)] for _ in range(draw.byte() % 4)],
        "stop": [
            draw.choice(("a", "<|", "|>", "STOP", "xx", "é", "中", "aé", "\ufffd"))
            for _ in range(draw.byte() % 4)
        ],
    }
    make = [partial(one, core, **options) for one, core in zip(both("BPEDecoder"), pair, strict=True)]
    form = draw.choice((list, array))
    play_engine(draw, make, lambda data: form([FEW[byte % len(FEW)] for byte in data]), "".join, False)


def array(ids: list[int]) -> Any:
    return np.array(ids, np.uint32)


def ids_joined(items: list[Any]) -> list[int]:
    return [number for _, ids in items for number in ids]


TARGETS: dict[str, Callable[[Draw], None]] = {
    "fixed_size": engine("FixedSizeEngine", fixed_size),
    "lines_lf": engine("LinesEngine", partial(lines, newline="lf")),
    "lines_universal": engine("LinesEngine", partial(lines, newline="universal")),
    "delimited": engine("DelimitedEngine", delimited),
    "utf8": engine("UTF8Engine", lambda draw: ((draw.choice(HANDLERS),), {}), flow="".join),
    "words": engine("WordsEngine", words, (bytes, as_text, as_pairs)),
    "bpe_encoder": encoder,
    "bpe_decoder": decoder,
    "bpe_core": lambda draw: play_core(draw, cores(draw.byte() % 48), special_options(draw)),
    "bpe_arrays": lambda draw: play_arrays(draw, hard_cores(draw.choice((999, 4_000_000_000)))),
    "tokenizer_json": tokenizer_file,
    "tiktoken": tiktoken_file,
    "ring_buffer": play_ring_buffer,
    "channel": play_channel,
    "view": play_view,
}


def target(name: str) -> Callable[[bytes], None]:
    """The target of this name, as a function of bytes."""
    play = TARGETS[name]
    return lambda data: play(Draw(data))
