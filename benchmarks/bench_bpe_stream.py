"""S19 and M3: the streaming BPE encoder against encoding at once (``BPECore.encode``), native.

Steady: new text, after other text of the kind. Warm: the same text again. A ratio is between two lines of one group;
both sides have the same fragments and texts, made before. On a machine that others use, compare the minima.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
from bpe_corpora import KINDS, PATTERNS, ranks, text

FRAGMENT = {"4 KiB": 4096, "64 KiB": 65536}
SPECIAL = {"<|endoftext|>": 300_000, "<|endofprompt|>": 300_001}
MEGABYTE = 1 << 20


def core_of(name: str) -> Any:
    return pytest.importorskip("streamcore._native.bpe.core").BPECore(ranks(name), PATTERNS[name], SPECIAL)


def streamed(core: Any, fragments: list[Any]) -> list[Any]:
    from streamcore._native.bpe.encoder import BPEEncoder

    engine = BPEEncoder(core)
    arrays = [ids for fragment in fragments for ids in engine.feed(fragment)]
    return arrays + engine.finish()


@pytest.mark.parametrize("way", ["at once", *FRAGMENT])
@pytest.mark.parametrize("state", ["steady", "warm"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sort", ["str", "bytes"])
@pytest.mark.parametrize("name", PATTERNS)
def test_s19_streaming_encode(benchmark, name: str, sort: str, kind: str, state: str, way: str) -> None:
    import numpy as np

    whole: Any = text(kind) if sort == "str" else text(kind).encode()
    half = len(whole) // 2
    timed = whole[half:] if sort == "str" else whole[half:].decode(errors="ignore").encode()
    first = whole[:half]
    core = core_of(name)
    run: Callable[[], Any]
    if way == "at once":

        def run() -> Any:
            return core.encode(timed)

    else:
        size = FRAGMENT[way]
        fragments = [timed[i : i + size] for i in range(0, len(timed), size)]
        assert (np.concatenate(streamed(core, fragments)) == core.encode(timed)).all()

        def run() -> Any:
            return streamed(core, fragments)

    def setup() -> None:
        nonlocal core
        if state == "steady":
            core = core_of(name)
            core.encode(first)

    benchmark.group = f"S19 {name} {kind} {sort} {state}"
    benchmark.extra_info["bytes"] = len(timed.encode() if isinstance(timed, str) else timed)
    benchmark.pedantic(run, setup=setup, rounds=5 if state == "steady" else 15)


def endless(what: str) -> str:
    source = random.Random(what)
    if what == "random letters":
        return "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=65536))
    if what == "random han":
        return "".join(chr(source.randrange(0x4E00, 0x9FA5)) for _ in range(21845))
    return {"a": "a", "spaces": " ", "ab": "ab", "digits": "0123456789"}[what] * 65536


@pytest.mark.parametrize("way", ["at once", *FRAGMENT])
@pytest.mark.parametrize("what", ["a", "spaces", "ab", "digits", "random letters", "random han"])
@pytest.mark.parametrize("name", PATTERNS)
def test_m3_piece_without_end(benchmark, name: str, what: str, way: str) -> None:
    """16 MB; the ids are those of the whole, and the state stays under 64 KiB."""
    from streamcore._native.bpe.encoder import BPEEncoder

    core = core_of(name)
    unit = endless(what).encode()
    whole = (unit * (16 * MEGABYTE // len(unit) + 1))[: 16 * MEGABYTE] if what != "random han" else unit * 256
    wanted = core.encode(whole)

    def run() -> int:
        engine, count, most = BPEEncoder(core, max_size=65536), 0, 0
        size = FRAGMENT[way]
        for i in range(0, len(whole), size):
            for ids in engine.feed(whole[i : i + size]):
                assert (ids[-1:] == wanted[count + len(ids) - 1]).all()
                count += len(ids)
            most = max(most, sys.getsizeof(engine))
        assert most < 65536
        return count + sum(map(len, engine.finish()))

    benchmark.group = f"M3 {name}, 16 MB of {what}"
    benchmark.extra_info["bytes"] = len(whole)
    if way == "at once":
        benchmark.pedantic(lambda: core.encode(whole), rounds=3)
    else:
        assert run() == len(wanted)
        benchmark.pedantic(run, rounds=3)
