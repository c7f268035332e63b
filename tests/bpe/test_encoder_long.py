"""The streaming BPE encoder on pieces without end: the same ids as the whole, the same from both backends at each call.

Pieces that are long are read in other ways than short ones: byte by byte, or, of a large fragment, from its end. Each
of these hands over to the other here, in the middle of what is final and of what two futures do not share.
"""

from __future__ import annotations

import os
import random
import sys
from importlib import import_module

import pytest

from streamcore.vocab.encodings import CL100K, GPT2, O200K
from streamcore.vocab.gpt2 import load_gpt2

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
PATTERNS = {"r50k": GPT2, "cl100k": CL100K, "o200k": O200K}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNITS = [
    "a",
    "ab",
    " ",
    "-",
    "=*",
    "\n",
    "\n ",
    " \n   ",
    "A",
    "\u4e2d",
    "\u4e2dA",
    "\u4e2dABC",
    "\u0301",
    "\t ",
]
BYTES = {bytes((value,)): value for value in range(256)}


def flat(arrays):
    return [number for ids in arrays for number in ids.tolist()]


def cut(text, sizes):
    fragments, at = [], 0
    for size in sizes:
        fragments.append(text[at : at + size])
        at += size
    return [*fragments, text[at:]]


def encoded(backend, core, fragments, **options):
    engine = backend.BPEEncoder(core, disallowed_special=(), **options)
    calls = [flat(engine.feed(fragment)) for fragment in fragments]
    return [*calls, flat(engine.finish())]


def random_ranks(rng, letters):
    """What training gives: each token is two earlier ones."""
    ranks = dict(BYTES)
    tokens = [letter.encode() for letter in letters]
    for _ in range(rng.randrange(1, 60)):
        token = rng.choice(tokens) + rng.choice(tokens)
        if token not in ranks and len(token) <= 40:
            ranks[token] = len(ranks)
            tokens.append(token)
    if rng.random() < 0.3:
        # and one that merging may not make
        ranks.setdefault("".join(rng.choices(letters, k=7)).encode(), len(ranks))
    return ranks


def joined(calls):
    return [number for ids in calls for number in ids]


@pytest.fixture(scope="module", params=PATTERNS)
def core(backend, request):
    ranks = {token: rank for token, rank in load_gpt2().ranks.items() if rank < 8000}
    return backend.BPECore(ranks, PATTERNS[request.param], {})


@pytest.mark.parametrize("unit", UNITS)
def test_long_piece_in_fragments_of_all_sizes_has_the_ids_of_the_whole(backend, core, unit):
    rng = random.Random(unit)
    ways = ([255, 1, 1, 1, 1], [1] * 300, [3, 600, 1, 600, 2, 1500], [4000], [200, 200, 2000, 7])
    for number, tail in enumerate(("", "x", " y", "\n", "'ll", "1")):
        text = unit * ((4000 if backend.name == "native" else 700) // len(unit)) + tail
        wanted = core.encode_ordinary_to_list(text)
        for sizes in ways if backend.name == "native" else ways[number % 2 :: 2]:  # the slow twin takes turns
            assert joined(encoded(backend, core, cut(text, sizes))) == wanted
        sizes = [rng.choice([1, 2, 30, 300, 1100]) for _ in range(12)]
        assert joined(encoded(backend, core, cut(text.encode(), sizes))) == wanted


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 1023, 1025])
def test_piece_whose_other_end_lies_where_the_reading_changes(backend, core, size):
    for text in (
        "\n" + " " * 700 + "x",
        " " * 700 + "\n" + " " * 700 + "x",
        "\u4e2d" + "AB" * 500 + "1",
        "a" * 1500 + "'ll",
    ):
        wanted = core.encode_ordinary_to_list(text)
        for sizes in ([size], [1, size], [size, 1, 1], [size - 1, 2], [3, size - 3, 300]):
            assert joined(encoded(backend, core, cut(text, sizes))) == wanted


@pytest.mark.parametrize("seed", range(int(20 * SCALE)))
def test_random_vocabularies_on_long_pieces(backend, seed):
    rng = random.Random(seed)
    letters = rng.choice(["ab", "abc", " \n", " \n\t", "-=", "A\u4e2d", "AB\u4e2d", "a "])
    core = backend.BPECore(random_ranks(rng, letters), rng.choice(list(PATTERNS.values())), {})
    for _ in range(3):
        parts = [
            "".join(rng.choices(letters, k=rng.randrange(1, 9))) * rng.randrange(1, 200) for _ in range(5)
        ]
        text = "".join(parts) + rng.choice(["", "x", "\n", "1"])
        sizes = [rng.choice([1, 5, 90, 400, 1200]) for _ in range(20)]
        whole = rng.choice([text, text.encode()])
        assert joined(encoded(backend, core, cut(whole, sizes))) == core.encode_ordinary_to_list(text)


@pytest.mark.parametrize("seed", range(int(20 * SCALE)))
def test_twins_give_the_same_ids_at_each_call(backend, seed):
    if backend.name == "pure":
        pytest.skip("the twins are compared on the native parameter")
    pure_core, pure_encoder = (
        import_module(f"streamcore._pure.{name}") for name in ("bpe.core", "bpe.encoder")
    )
    rng = random.Random(seed)
    letters = rng.choice(["ab", " \na", " \n\t", "-=\n", "A\u4e2d", "AB\u4e2da", "a 's", "'l"])
    ranks, pattern = random_ranks(rng, letters), rng.choice(list(PATTERNS.values()))
    native, pure = backend.BPECore(ranks, pattern, {}), pure_core.BPECore(ranks, pattern, {})
    for _ in range(3):
        parts = [
            "".join(rng.choices(letters, k=rng.randrange(1, 5))) * rng.randrange(1, 60) for _ in range(4)
        ]
        text = "".join(parts)
        fragments = cut(text, [rng.choice([1, 1, 1, 2, 40, 700]) for _ in range(60)])
        assert encoded(backend, native, fragments) == encoded(pure_encoder, pure, fragments)


def test_ids_given_in_both_futures_are_left_out_after_the_piece_ended(backend):
    # the blanks are given out while a further line end may come; then the piece turns out to end before them
    core = backend.BPECore(BYTES, O200K, {})
    for tail in ("\u0301d" + "e" * 600, "x", "1", "\n"):
        text = "ve\n   " + tail
        calls = encoded(backend, core, [text[:6], text[6:]])
        assert calls[0] == [*b"ve\n  "]
        assert joined(calls) == [*text.encode()]


@pytest.mark.parametrize("size", [100, 65536])
@pytest.mark.parametrize("unit", ["a", " ", "xyz", "\u4e2d\u6587", "-", "AB", "12", "\n  ", ""])
def test_state_is_small_however_long_the_piece(backend, core, unit, size):
    rng = random.Random(5)
    text = unit * (65536 // len(unit)) if unit else "".join(rng.choices(LETTERS, k=65536))
    text = text if backend.name == "native" else text[:6000]
    engine = backend.BPEEncoder(core, max_size=1 << 10)
    given, count = 0, max(1, int(SCALE * (4 if size > 100 else 1)))
    for _ in range(count):
        for i in range(0, len(text), size):
            for ids in engine.feed(text[i : i + size]):
                given += len(core.decode_bytes(ids))
        if backend.name == "native":
            assert sys.getsizeof(engine) < 65536
    assert count * len(text.encode()) - given < 1 << 10
    assert given + len(core.decode_bytes(flat(engine.finish()))) == count * len(text.encode())
