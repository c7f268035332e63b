"""T1: random input of each stage in random cuts, both backends against the oracles of the property tests."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import bpe_oracle
import framing_oracle
import ids_oracle
import utf8_oracle
import words_oracle
from backends import find
from framing_oracle import Ends, Oracle
from soak import formats

from streamcore.vocab.encodings import GPT2

__all__ = ["soak"]

ENGINES = {
    name: {backend: find(backend, name) for backend in ("native", "pure")}
    for name in ("LinesEngine", "DelimitedEngine", "FixedSizeEngine", "WordsEngine", "UTF8Engine", "BPECore",
                 "BPEEncoder", "BPEDecoder")
}  # fmt: skip
TEXT = [b"a", b"bc", b"\n", b"\r", b"\r\n", b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x99\x82", b"\xff"]
DELIMITERS = [
    (b"|",),
    (b"ab", b"abcd"),
    (b"aabaaab",),
    (b"a", b"aaab"),
    (b"b", b"abbbc"),
    (b"\r\n", b"\n", b"\r"),
]
ERRORS = ("strict", "replace", "ignore", "backslashreplace")


class Backend:
    """One backend, as the fixture of the tests."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        return ENGINES[name][self.name]


BACKENDS = (Backend("native"), Backend("pure"))


def framed(name: str, stage: str, arguments: tuple[Any, ...], options: dict[str, Any], policies: dict[str, Any],
           data: bytes, ends: Ends, rng: random.Random) -> int:  # fmt: skip
    keep = bool(options.get("keepends") or options.get("keep"))
    done = 0
    for backend in BACKENDS:
        engine = getattr(backend, name)(*arguments, **options, **policies)
        done += framing_oracle.check(engine, stage, data, Oracle(keep=keep, **policies), ends, rng)
    return done


def lines(rng: random.Random) -> int:
    data = framing_oracle.random_data(rng, TEXT)
    options = {"newline": rng.choice(("lf", "universal")), "keepends": rng.random() < 0.5}
    ends = framing_oracle.line_ends(data, options["newline"])
    return framed("LinesEngine", "Lines", (), options, framing_oracle.random_policies(rng), data, ends, rng)


def delimited(rng: random.Random) -> int:
    delimiters = rng.choice(DELIMITERS)
    letters = sorted({bytes([byte]) for each in delimiters for byte in each} | {b"x"})
    data = framing_oracle.random_data(rng, [*delimiters, *letters])
    ends = framing_oracle.delimiter_ends(data, delimiters)
    policies = framing_oracle.random_policies(rng)
    return framed(
        "DelimitedEngine", "Delimited", delimiters, {"keep": rng.random() < 0.5}, policies, data, ends, rng
    )


def fixed_size(rng: random.Random) -> int:
    size = rng.choice((1, 2, 3, 7, 64))
    data = framing_oracle.random_data(rng, [b"a", b"bcd", "é".encode(), b"\x00"])
    ends = Ends([((i + 1) * size, (i + 1) * size) for i in range(len(data) // size)], len(data))
    every = framing_oracle.random_policies(rng)
    policies = {key: every[key] for key in ("on_incomplete", "as_")}
    return framed("FixedSizeEngine", "FixedSize", (size,), {}, policies, data, ends, rng)


def words(rng: random.Random) -> int:
    whole, options = words_oracle.random_whole(rng), words_oracle.random_options(rng)
    expected, done = words_oracle.expect(whole, options), 0
    for way in ("feed", "iterate", "batches"):
        cuts = words_oracle.random_cuts(rng, whole)
        for backend in BACKENDS:
            engine = backend.WordsEngine(options.keep, **options.arguments())
            assert words_oracle.run(engine, cuts, way) == expected, (backend.name, options, cuts, way)
            done += 1
    return done


def utf8(rng: random.Random) -> int:
    data, errors, done = utf8_oracle.random_data(rng), rng.choice(ERRORS), 0
    expected = utf8_oracle.decode(data, errors)
    for feed in (True, False):
        cuts = utf8_oracle.random_cuts(rng, data)
        for backend in BACKENDS:
            assert utf8_oracle.run(backend.UTF8Engine(errors), cuts, feed) == expected, (
                backend.name,
                errors,
                cuts,
            )
            done += 1
    return done


def encoder(rng: random.Random) -> int:
    seed, done = rng.random(), 0
    cores = [
        bpe_oracle.random_core(backend, random.Random(seed), cache_bytes=1 << 14) for backend in BACKENDS
    ]
    for _ in range(60):
        text = bpe_oracle.random_text(rng)
        ids = [core.encode_to_list(text, allowed_special="all") for core in cores]
        assert ids[0] == ids[1], text
        for _ in range(4):
            cuts = bpe_oracle.random_cuts(rng, text)
            for backend, core in zip(BACKENDS, cores, strict=True):
                got = bpe_oracle.stream(backend, core, cuts, allowed_special="all")
                assert got == (ids[0], None), (backend.name, cuts)
                done += 1
    return done


RANKS = {token: i for i, token in enumerate(ids_oracle.CUTS)}
HARD = [backend.BPECore(RANKS, GPT2, {bpe_oracle.END: 999}, cache_bytes=0) for backend in BACKENDS]


def decoder(rng: random.Random) -> int:
    ids = rng.choices(ids_oracle.FEW, k=rng.randrange(40))
    errors, done = rng.choice(("replace", "ignore")), 0
    stop = rng.choices(("a", "<|", "|>", "STOP", "xx", "é", "中"), k=rng.choice((0, 0, 1, 2)))
    text = b"".join(map(ids_oracle.token, ids)).decode("utf-8", errors)
    expected = ids_oracle.slow_stop(text, stop)
    for _ in range(3):
        cuts = ids_oracle.grouped(ids, [rng.randrange(6) for _ in range(rng.choice((1, 2, 4)))])
        for backend, core in zip(BACKENDS, HARD, strict=True):
            engine = backend.BPEDecoder(core, errors=errors, stop=stop)
            got = "".join(part for cut in cuts for part in engine.feed(cut)) + "".join(engine.finish())
            assert (got, engine.stopped) == expected, (backend.name, errors, stop, cuts)
            done += 1
    return done


STAGES: dict[str, Callable[[random.Random], int]] = {
    "fixed_size": fixed_size,
    "lines": lines,
    "delimited": delimited,
    "utf8": utf8,
    "words": words,
    "bpe_encoder": encoder,
    "bpe_decoder": decoder,
    **formats.STAGES,
}


def part(job: tuple[str, int, int]) -> tuple[str, int]:
    """At least so many cuts of one stage, from this seed."""
    name, count, seed = job
    rng, done = random.Random(f"{name} {seed}"), 0
    while done < count:
        done += STAGES[name](rng)
    return name, done


def soak(count: int, names: list[str], jobs: int, seed: int) -> int:
    """``count`` cuts in total, the same number of each stage, each run on one of the backends."""
    share, size = -(-count // len(names)), 5000
    work = [(name, min(size, share - at), seed + at) for at in range(0, share, size) for name in names]
    total: Counter[str] = Counter()
    began = time.perf_counter()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for number, (name, done) in enumerate(pool.map(part, work), 1):
            total[name] += done
            if number % 40 == 0:
                print(f"{sum(total.values())} cuts, {time.perf_counter() - began:.0f} s", flush=True)
    for name, done in total.items():
        print(f"{name:16} {done:9} cuts")
    print(
        f"{sum(total.values())} cuts in {time.perf_counter() - began:.0f} s: native = pure = one-shot = oracle"
    )
    return 0
