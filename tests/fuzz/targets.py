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

from streamcore._shared.content_chunks import ALGORITHMS
from streamcore._shared.length_prefixes import PREFIXES
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


def length_prefixed(draw: Draw) -> Any:
    prefix = draw.choice(PREFIXES)
    varies = prefix in ("varint", "ascii")
    options = {
        "offset": 0 if prefix == "ascii" else draw.choice((0, 0, 1, 3)),
        "adjust": draw.choice((0, 0, 1, -1, 4, -3, 1 << 62)),
        "includes_prefix": not varies and draw.flag(),
        "keep_head": draw.flag(),
    }
    return (prefix,), options | policies(draw)


def content_defined(draw: Draw) -> Any:
    algorithm = draw.choice(ALGORITHMS)
    options = {"algorithm": algorithm, "as_": draw.choice(("view", bytes)), "borrow": draw.flag()}
    if algorithm == "ram":
        return (draw.choice((257, 258, 270)), None, 1024), options
    options["normalization"] = draw.byte() % 4
    if algorithm == "fastcdc2020":
        options["seed"] = draw.byte()
    return (draw.choice((256, 257, 300)), draw.choice((64, 65, 100)), draw.choice((1024, 1025))), options


def words(draw: Draw) -> Any:
    options = limits(draw) | {"as_": draw.choice((None, *AS)), "borrow": draw.flag()}
    return (draw.choice(("trailing", "none")),), options


def events(draw: Draw) -> Any:
    stop = draw.choice((None, None, "a", "[DONE]"))
    options = {"stop": stop, "on_incomplete": draw.choice(("emit", "drop", "raise"))} | limits(draw)
    return (), options | {"as_": draw.choice(("event", *AS))}


EVENT_LINES = (
    b"data: ", b"data", b"data:", b"\n", b"\r", b"\r\n", b"\n\n", b"event: ", b"event", b"id: ", b"id", b"retry: ",
    b"retry: 12", b"retry: 9223372036854775807", b": c", b"a", b"[DONE]", b"\0", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf",
    b"\xef", b"other: ", b"dat", b" ", b":", b"data: a\n\n", b"data: [DONE]\n\n", b"0", b"\xe2\x80\xa8", b"\xf0\x9f",
)  # fmt: skip


def as_events(data: bytes) -> bytes:
    """Each byte a piece of an event stream."""
    return b"".join(EVENT_LINES[byte % len(EVENT_LINES)] for byte in data)


def loaded(line: Any) -> Any:
    """Gives the record, or refuses it by its contents."""
    text = line if isinstance(line, str) else bytes(line)
    return text + (text[:0] if text[-1:] not in (b"x", "x") else int("x"))


def records(draw: Draw) -> Any:
    options = limits(draw)
    return (loaded,), {
        "on_error": draw.choice(("raise", "skip", "yield")),
        "sequence": draw.flag(),
        "max_size": options["max_size"],
        "on_oversize": draw.choice(("raise", "skip")),
        "on_incomplete": draw.choice(("emit", "drop", "raise")),
        "as_": draw.choice(AS),
    }


RECORDS = (
    b"a",
    b"x",
    b"\n",
    b"\n\n",
    b"\r\n",
    b" ",
    b"\x1e",
    b"\xef\xbb\xbf",
    b"\xef",
    b"\xff",
    b"[1]",
    b"\xc3\xa9",
)


def as_records(data: bytes) -> bytes:
    return b"".join(RECORDS[byte % len(RECORDS)] for byte in data)


MARKERS = ("<", "<a", "a", "ab", "abc", "aba", ">", "é", "中a", "aab", "aaab", "bb", "\udc80")


JSON_PARTS = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b'"a"', b'"a":', b"1", b"-", b"0", b".5", b"e", b"E+9", b"true", b"nul",
    b"null", b"NaN", b"-Infinity", b" ", b"\n", b"\\", b"\\n", b"\\u", b"d83d", b"\\ud83d", b"\\ude00", b"\xc3\xa9",
    b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xff", b"\xc3", b"```", b"```json\n", b"\xef\xbb\xbf", b"x",
)  # fmt: skip


def json_deltas(draw: Draw) -> Any:
    return (), {
        "strict": draw.flag(),
        "max_depth": draw.choice((512, 1, 3)),
        "max_size": draw.choice((None, None, 1, 3, 8)),
        "as_": draw.choice(("delta", "delta", "snapshot")),
        "whole_strings": draw.flag(),
        "parse_float": draw.choice((float, float, str)),
    }


def json_bytes(data: bytes) -> bytes:
    return b"".join(JSON_PARTS[byte % len(JSON_PARTS)] for byte in data)


def json_str(data: bytes) -> str:
    return json_bytes(data).decode("utf-8", "surrogateescape")


def deltas_joined(items: list[Any]) -> list[Any]:
    """The pieces of each string as one; the last of several snapshots."""
    whole: list[Any] = []
    for item in items:
        if not (isinstance(item, list) and item and item[0] == "JSONDelta"):
            return [repr(each) for each in items[-1:]]
        _, path, value, done = item
        if whole and isinstance(value, str) and whole[-1][0] == path and not whole[-1][2]:
            whole[-1] = [path, whole[-1][1] + value, done]
        else:
            whole.append([path, value, done])
    return [repr(item) for item in whole]


def sections(draw: Draw) -> Any:
    names = ("one", "two", "three")[: 1 + draw.byte() % 3]
    markers = {name: (draw.choice(MARKERS), draw.choice(MARKERS)) for name in names}
    options = {
        "begin": draw.choice((None, None, "one")),
        "nested": draw.flag(),
        "keep_markers": draw.flag(),
        "on_incomplete": draw.choice(("emit", "drop", "raise")),
    }
    return (markers,), options


def stop(draw: Draw) -> Any:
    return [draw.choice(MARKERS) for _ in range(1 + draw.byte() % 4)], {"include": draw.flag()}


def splitter(draw: Draw) -> Any:
    size = 1 + draw.byte() % 12
    options = {
        "overlap": draw.byte() % size,
        "separators": draw.choice(
            (("\n\n", "\n", " ", ""), ("ab", "b", ""), ("aa", "a"), ("aba", "ba", ""), ())
        ),
        "length": draw.choice(("chars", "bytes", len)),
        "keep": draw.choice(("end", "start", "none")),
        "strip": draw.flag(),
        "as_": draw.choice(("chunk", str)),
    }
    return (size,), options


def sections_joined(items: list[Any]) -> list[Any]:
    """Neighbouring pieces of one section as one."""
    whole: list[Any] = []
    for _, name, text, start, done in items:
        if whole and whole[-1][0] == name and not whole[-1][3]:
            whole[-1] = [name, whole[-1][1] + text, whole[-1][2], done]
        else:
            whole.append([name, text, start, done])
    return [[name, text or "", start, done] for name, text, start, done in whole]


def pieces_joined(items: list[Any]) -> Any:
    return items[0][:0].join(items) if items else None


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
        play_engine(
            draw,
            make,
            draw.choice(whole),
            flow,
            keywords.get("borrow", False),
            keywords.get("as_") == "snapshot",
        )

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
    "length_prefixed": engine("LengthPrefixedEngine", length_prefixed),
    "content_defined": engine(
        "ContentDefinedEngine", content_defined, (bytes, lambda data: data * (1 + 2000 // (len(data) + 1)))
    ),
    "utf8": engine("UTF8Engine", lambda draw: ((draw.choice(HANDLERS),), {}), flow="".join),
    "words": engine("WordsEngine", words, (bytes, as_text, as_pairs)),
    "json_deltas": engine(
        "JSONDeltasEngine", json_deltas, (json_bytes, json_str, bytes, as_text), deltas_joined
    ),
    "sections": engine("SectionsEngine", sections, (bytes, as_text, as_pairs), sections_joined),
    "stop": engine("StopEngine", stop, (bytes, as_text, as_pairs), pieces_joined),
    "sse": engine("ServerSentEventsEngine", events, (bytes, as_events, as_events)),
    "splitter": engine("TextSplitterEngine", splitter, (as_text, as_pairs)),
    # without batches, which have the lines
    "json_lines": engine("JSONLinesEngine", records, (bytes, as_records, as_records), list),
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
