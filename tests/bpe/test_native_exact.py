"""The native BPE core gives the ids of plain merging, and of tiktoken, for every vocabulary and every text.

``STREAMCORE_TEST_SCALE`` multiplies the number of random texts (1 is for each test run; 100 is a million of them).
The comparisons with tiktoken need ``tiktoken`` and ``quicktok-v1`` (which carries the vocabularies).
"""

from __future__ import annotations

import os
import random
import sys
import threading
from itertools import pairwise

import pytest
from quicktok_ranks import quicktok_ranks

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))

R50K = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|"""
    r"""\s*[\r\n]|\s+(?!\S)|\s"""
)
LLAMA3 = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"""
    r"""\s*[\r\n]+|\s+(?!\S)|\s+"""
)
QWEN = LLAMA3.replace("{1,3}", "")
O200K = "|".join(
    (
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""",
        r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
        r"""\s*[\r\n]+""",
        r"""\s+(?!\S)""",
        r"""\s+""",
    )
)
PATTERNS = {"r50k": R50K, "cl100k": CL100K, "llama3": LLAMA3, "qwen": QWEN, "o200k": O200K}

# What the scanners tell apart: blanks, line ends, contractions, digits, capitals, letters without case, marks, symbols.
WORDS = (
    "' '' 's 'S 't 'll 'LL 'lL 're 've 'vE 'd 'm '\u017f \u017f \u212a 0 1 12 123 1234 12345 \u0661 \xb2 \u2167 \u4e09 "
    "a b s t l re ve A B S HTML Parser camelCase XMLHttp the ing \xe9 \xc9 e\u0301 \u01c5 \u02b0 \u0301 \u0300\u0301 "
    "\u0903 \u093f \u0915 \u0e01\u0e33 \u4e2d\u6587 \u65e5\u672c\u8a9e \u3042 \uac00 \u0430 \u0411 \u0431\u0443 \u05d0 "
    "\u0627\u0644 \U0001f600 \ufe0f \u200d \U0001f468\u200d\U0001f469 \U0001d400 \U00020000 . , ! ? ... -- / // /* */ "
    "( ) _ __ $ # \u201c \u201d \u2014 \x00 \x01 \x7f \ufeff \uffff \ud800 \udc00 \ud83d\ude00"
)
BLANKS = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\xa0",
    "\u2003",
    "\u2028",
    "\u3000",
]
PARTS = [*WORDS.split(" "), *BLANKS, "\n/", "\n//", "\r/\n", ";\n", "{\n", "}\n\n", " the", " World"]
ASCII_PARTS = [part for part in PARTS if part.isascii()]


def random_text(source: random.Random) -> str:
    kind, n = source.random(), source.choice([1, 2, 3, 5, 8, 13, 21, 40, 80])
    if kind < 0.4:
        return "".join(source.choices(PARTS, k=n))
    if kind < 0.6:
        return "".join(source.choices(source.sample(PARTS, 6), k=n))
    if kind < 0.8:
        return "".join(source.choices(ASCII_PARTS, k=2 * n))
    if kind < 0.9:
        return "".join(source.choices(source.sample(ASCII_PARTS, 4), k=4 * n))
    ends = [0x80, 0x800, 0x10000, 0x110000]
    return "".join(chr(source.randrange(source.choice(ends))) for _ in range(n))


def random_ranks(source: random.Random, kind: str) -> dict[bytes, int]:
    """A vocabulary over few letters: "grown" ranks each token above its parts, "shuffled" in any order, "wild" adds
    tokens that merging may never make."""
    letters = [bytes((value,)) for value in source.sample(range(97, 123), source.randint(1, 4))]
    tokens = list(letters)
    for _ in range(source.randint(1, 60)):
        token = source.choice(tokens) + source.choice(tokens)
        if kind == "wild" and source.random() < 0.3:
            token = b"".join(source.choices(letters, k=source.randint(2, 9)))
        if token not in tokens and len(token) < 40:
            tokens.append(token)
    tokens = tokens[len(letters) :]
    if kind != "grown":
        source.shuffle(tokens)
    order = [bytes((value,)) for value in range(256)] + tokens
    if kind != "grown":
        source.shuffle(order)
    step = source.choice([1, 1, 7])
    return {token: step * rank + (step > 1) for rank, token in enumerate(order)}


def merged(ranks: dict[bytes, int], piece: bytes) -> list[int]:
    """What tiktoken does, in its plainest form."""
    if piece in ranks:
        return [ranks[piece]]
    tokens = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        pairs = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(tokens)) if a + b in ranks]
        if not pairs:
            return [ranks[token] for token in tokens]
        i = min(pairs)[1]
        tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]


def merged_by_pairs(order: dict[tuple[bytes, bytes], int], piece: bytes) -> list[bytes]:
    """What Hugging Face tokenizers do, in its plainest form."""
    tokens = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        pairs = [(order[pair], i) for i, pair in enumerate(pairwise(tokens)) if pair in order]
        if not pairs:
            return tokens
        i = min(pairs)[1]
        tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]


@pytest.fixture(scope="module")
def native():
    return pytest.importorskip("streamcore._native.bpe.core").BPECore


@pytest.mark.parametrize("kind", ["grown", "shuffled", "wild"])
def test_pieces_are_merged_by_rank_for_any_vocabulary(backend, kind):
    source = random.Random(f"ranks {kind}")
    for _ in range(int(60 * SCALE)):
        ranks = random_ranks(source, kind)
        letters = sorted({token[:1] for token in ranks if len(token) > 1}) or [b"a"]
        core = backend.BPECore(ranks, R50K, cache_bytes=source.choice([0, 1 << 12, 1 << 17]))
        for _ in range(40):
            piece = b"".join(source.choices(letters, k=source.choice([1, 2, 3, 5, 8, 15, 16, 17, 40, 90])))
            assert core.encode_piece(piece) == merged(ranks, piece), (ranks, piece)


@pytest.mark.parametrize("whole_pieces", [False, True])
def test_pieces_are_merged_in_the_order_of_merges(backend, whole_pieces):
    source = random.Random("merges")
    for _ in range(int(60 * SCALE)):
        letters = [bytes((value,)) for value in source.sample(range(97, 123), source.randint(1, 4))]
        tokens, merges = list(letters), []
        for _ in range(source.randint(1, 50)):
            pair = source.choice(tokens), source.choice(tokens)
            if len(pair[0] + pair[1]) < 30:
                merges.append(pair)
                tokens.append(pair[0] + pair[1])
        if source.random() < 0.5:
            source.shuffle(merges)
        known = [bytes((value,)) for value in range(256)]
        known += sorted(set(tokens) - set(known), key=lambda _: source.random())
        ranks = {token: i for i, token in enumerate(known)}
        order = {pair: i for i, pair in enumerate(merges)}
        core = backend.BPECore(ranks, R50K, merges=merges, whole_pieces=whole_pieces, cache_bytes=0)
        assert core.ranks == ranks
        for _ in range(40):
            piece = b"".join(source.choices(letters, k=source.choice([1, 2, 3, 5, 8, 13, 30])))
            expected = [ranks[token] for token in merged_by_pairs(order, piece)]
            if whole_pieces and piece in ranks:
                expected = [ranks[piece]]
            assert core.encode_piece(piece) == expected, (merges, piece)


@pytest.fixture(
    scope="module", params=[("cl100k", "cl100k"), ("o200k", "o200k"), ("cl100k", "r50k"), ("cl100k", "qwen")]
)
def pair(request, native):
    """The same encoding by the native core and by tiktoken; the patterns of r50k and Qwen with the ranks of cl100k."""
    ranks_name, pattern = request.param
    tiktoken = pytest.importorskip("tiktoken")
    ranks = quicktok_ranks(ranks_name)
    text = PATTERNS[pattern]
    return native(ranks, text), tiktoken.Encoding(
        pattern, pat_str=text, mergeable_ranks=ranks, special_tokens={}
    )


def test_random_texts_have_the_ids_of_tiktoken(pair):
    core, peer = pair
    source = random.Random(1)
    for _ in range(int(2500 * SCALE)):
        text = random_text(source)
        assert core.encode_ordinary_to_list(text) == peer.encode_ordinary(text), repr(text)


def test_every_code_point_alone_and_in_context_has_the_ids_of_tiktoken(pair):
    core, peer = pair
    step = 1 if SCALE >= 10 else 16
    source = random.Random(2)
    places = [" ", "a", "A", "1", "!", "'", "\n", "\u4e2d", "\u0301", ""]
    for first in range(0, 0x110000, 1 << 10):
        points = [chr(c) for c in range(first + source.randrange(step), first + (1 << 10), step)]
        for text in ("".join(point + place + point + "x" for point in points) for place in places):
            assert core.encode_ordinary_to_list(text) == peer.encode_ordinary(text), (hex(first), text)
        for point in points:
            assert core.encode_ordinary_to_list(point) == peer.encode_ordinary(point), hex(ord(point))


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "'", "\u4e2d", "random letters", "random han", "\u0301", "ab \n"]
)
def test_long_pieces_have_the_ids_of_tiktoken(pair, unit):
    core, peer = pair
    source = random.Random(3)
    size = 30_000
    if unit == "random letters":
        text = "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=size))
    elif unit == "random han":
        text = "".join(chr(source.randrange(0x4E00, 0x9FA5)) for _ in range(size))
    else:
        text = unit * (size // len(unit))
    assert core.encode_ordinary_to_list(text) == peer.encode_ordinary(text)


@pytest.mark.parametrize("kind", ["grown", "shuffled", "wild"])
def test_long_pieces_with_a_period_have_the_ids_of_the_twin(native, kind):
    """The native core leaps over repeats: from one period to another, and over an interruption."""
    from streamcore._pure.bpe.core import BPECore

    source = random.Random(kind)
    for _ in range(int(40 * SCALE)):
        ranks = random_ranks(source, kind)
        core, twin = native(ranks, CL100K), BPECore(ranks, CL100K)
        units = [b"".join(source.choices(list(ranks)[-12:], k=source.randint(1, 3))) for _ in range(2)]
        piece = b"".join(
            source.choice(units) * source.choice([1, 7, 300]) + units[0][: source.randint(0, 5)]
            for _ in range(4)
        )
        assert core.encode_piece(piece) == twin.encode_piece(piece)


@pytest.mark.parametrize("unit", ["a", " ", "\n", "\u4e2d", "'s", "ab1!"])
def test_a_piece_of_16_mb_is_encoded_without_recursion(native, unit):
    source = random.Random(4)
    core = native(random_ranks(source, "grown"), CL100K)
    size = (1 << 24) // len(unit.encode())
    assert core.decode_bytes(core.encode_ordinary(unit * size)) == (unit * size).encode()


def test_several_threads_share_one_core(native):
    source = random.Random(5)
    core = native(random_ranks(source, "grown"), O200K, cache_bytes=1 << 16)
    texts = [
        "".join(random_text(source) for _ in range(50)).encode("utf-8", "replace").decode() for _ in range(40)
    ]
    expected = [core.encode_ordinary_to_list(text * 40) for text in texts]
    wrong: list[int] = []

    def work(seed: int) -> None:
        order = random.Random(seed).sample(range(len(texts)), len(texts))
        wrong.extend(i for i in order if core.encode_ordinary_to_list(texts[i] * 40) != expected[i])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="set_nomemory is of CPython")
@pytest.mark.fails_allocations
def test_every_allocation_that_fails_is_survived(native):
    testcapi = pytest.importorskip("_testcapi")
    source = random.Random(6)
    ranks = random_ranks(source, "wild")
    text = "".join(random_text(source) for _ in range(30)) + "a" * 5000
    expected = native(ranks, CL100K).encode_ordinary_to_list(text)
    core = native(ranks, CL100K, cache_bytes=1 << 17)
    for first in range(1, 200):
        testcapi.set_nomemory(first, first + 1)
        try:
            found = core.encode_ordinary_to_list(text)
        except MemoryError:
            found = None
        finally:
            testcapi.remove_mem_hooks()
        assert found in (None, expected)
        if found is not None and first > 20:
            break
    assert core.encode_ordinary_to_list(text) == expected


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="set_nomemory is of CPython")
@pytest.mark.fails_allocations
@pytest.mark.fails_allocations_in_python
def test_every_allocation_of_the_constructor_that_fails_is_survived(native):
    testcapi = pytest.importorskip("_testcapi")
    source = random.Random(6)
    ranks = random_ranks(source, "wild")
    text = "".join(random_text(source) for _ in range(30)) + "a" * 5000
    expected = native(ranks, CL100K).encode_ordinary_to_list(text)
    for first in range(1, 1200, 3):
        testcapi.set_nomemory(first, first + 1)
        try:
            made = native(ranks, CL100K, cache_bytes=1 << 17)
        except MemoryError:
            made = None
        finally:
            testcapi.remove_mem_hooks()
        assert made is None or made.encode_ordinary_to_list(text) == expected
