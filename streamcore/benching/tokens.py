"""Text to ids of GPT-2's vocabulary and back, in three states that differ in what a tokenizer remembers.

Cold: the first text of a new object. Steady: a text that it has not met, after others. Warm: the same text again, which
only a benchmark does. Making an object is not timed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from . import inputs
from .case import Case, Side, Work, drained, ours, remade

if TYPE_CHECKING:
    from ..vocab.vocabulary import Vocabulary

__all__ = ["CASES"]

Encode = Callable[[str], Any]


@cache
def vocabulary() -> Vocabulary:
    from ..vocab.gpt2 import load_gpt2

    return load_gpt2()


def new_core(core: str) -> Any:
    known = vocabulary()
    return ours(core, "bpe.core", "BPECore")(known.ranks, known.pattern)


def of_core(core: str) -> Encode:
    return new_core(core).encode_ordinary  # type: ignore[no-any-return]


def of_tiktoken() -> Encode:
    import tiktoken

    known = vocabulary()
    encoding = tiktoken.Encoding(
        "gpt2", pat_str=known.pattern, mergeable_ranks=dict(known.ranks), special_tokens={}
    )
    encode: Encode = encoding.encode_ordinary
    return encode


def of_tokenizers() -> Encode:
    encode = new_tokenizer().encode
    return lambda text: encode(text).ids


def new_tokenizer() -> Any:
    import tokenizers

    return tokenizers.Tokenizer.from_str(tokenizer_json())


@cache
def tokenizer_json() -> str:
    """The vocabulary as the file that tokenizers reads."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    shown = [chr(byte if byte in plain else next(others)) for byte in range(256)]
    ranks = vocabulary().ranks

    def show(token: bytes) -> str:
        return "".join(shown[byte] for byte in token)

    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    merges = [[show(part) for part in last_merge(token, ranks)] for token in ranks if len(token) > 1]
    model = {"type": "BPE", "vocab": {show(token): rank for token, rank in ranks.items()}, "merges": merges}
    return json.dumps({"version": "1.0", "pre_tokenizer": byte_level, "decoder": byte_level, "model": model})


def last_merge(token: bytes, ranks: dict[bytes, int] | Any) -> list[bytes]:
    """The two tokens that ``token`` is made of: its bytes merged as long as a lower rank can be had."""
    parts = [token[at : at + 1] for at in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(parts[at] + parts[at + 1], len(ranks)) for at in range(len(parts) - 1)]
        at = pairs.index(min(pairs))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


TOKENIZERS: dict[str, Callable[[], Encode]] = {
    "native": partial(of_core, "native"),
    "pure": partial(of_core, "pure"),
    "tiktoken": of_tiktoken,
    "tokenizers": of_tokenizers,
}


def encoding(state: str, scale: float) -> Work:
    size = int(400e3 * scale)
    text_of = cache(partial(inputs.prose, size))
    work = Work(size)
    for name, make in TOKENIZERS.items():
        work.add(name, partial(encoding_side, state, make, text_of))
    work.floor = Side(lambda: text_of(0).encode(), lambda: None)
    return work


def encoding_side(state: str, make: Callable[[], Encode], text_of: Callable[[int], str]) -> Side:
    encode = make()
    text = text_of(0)

    def prepare(number: int) -> None:
        nonlocal encode, text
        if state == "cold":
            encode = make()
        else:
            text = text_of(number)

    def result() -> list[int]:
        return [int(each) for each in encode(text)]

    if state == "steady":
        for seed in (-1, -2):
            encode(text_of(seed))
    return Side(lambda: encode(text), result, None if state == "warm" else prepare)


def decoding(scale: float) -> Work:
    text = inputs.prose(int(80e3 * scale))
    ids = new_core("pure").encode_ordinary_to_list(text)
    tokens = {rank: token.decode("ascii", "replace") for token, rank in vocabulary().ranks.items()}
    work = Work(len(ids), floor=remade([tokens[each] for each in ids]))

    def by_core(core: str) -> Side:
        engine = ours(core, "bpe.decoder", "BPEDecoder")
        bpe = new_core(core)
        return drained(lambda: map("".join, map(engine(bpe).feed, ids)), "".join)

    for core in ("native", "pure"):
        work.add(core, partial(by_core, core))

    def by_tokenizers() -> Side:
        from tokenizers.decoders import DecodeStream

        tokenizer = new_tokenizer()

        def source() -> Any:
            step = DecodeStream(skip_special_tokens=False).step
            return (step(tokenizer, each) or "" for each in ids)

        return drained(source, "".join)

    work.add("tokenizers", by_tokenizers)
    return work


SIDES = tuple(TOKENIZERS)
ENCODED = "the text as UTF-8"
CASES = (
    Case(
        "bpe-cold",
        "text to GPT-2 ids, the first text of a new tokenizer",
        "MB/s",
        SIDES,
        ENCODED,
        partial(encoding, "cold"),
    ),
    Case(
        "bpe-steady",
        "text to GPT-2 ids, new text after other text",
        "MB/s",
        SIDES,
        ENCODED,
        partial(encoding, "steady"),
    ),
    Case(
        "bpe-warm",
        "text to GPT-2 ids, the same text again and again",
        "MB/s",
        SIDES,
        ENCODED,
        partial(encoding, "warm"),
    ),
    Case(
        "bpe-decode",
        "GPT-2 ids to text, one id at a time",
        "ns an item",
        ("native", "pure", "tokenizers"),
        "objects of the same sizes made",
        decoding,
    ),
)
