"""Ids equal to tiktoken's on both backends, and the traps that others fell into.

Vocabularies: GPT-2's is embedded, cl100k and o200k come from ``quicktok-v1``. ``STREAMCORE_TEST_SCALE`` multiplies the
number of random texts.
"""

from __future__ import annotations

import os
import random

import pytest
from quicktok_ranks import quicktok_ranks

from streamcore.vocab.encodings import ENCODINGS
from streamcore.vocab.gpt2 import load_gpt2

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
BYTES = {bytes((value,)): value for value in range(256)}
# fmt: off
PARTS = [
    "a", "b", "s", "t", "ll", "ve", "re", "the", "hello", "A", "B", "S", "HTML", "camelCase", "\u4e2d", "\u4e2d\u6587",
    "\u4e2dABC", "\u0301", "\u01c5", "\u02b0", "\u00aa", "\u017f", "\u00e9", "\u0e01\u0e33", "\uac00", "\u0627\u0644",
    "'", "''", "'s", "'LL", "'v", "'l", "'\u017f", "1", "22", "333", "4444", "\u0661", "\u2167", ".", ",", "/", "//",
    "--", "!", "_", "\U0001f600", "\U0001f468\u200d\U0001f469", "\U00020000", "\U0001d400", "\x1c", "\x00", "\ufeff",
    " ", "  ", "    ", "\t", "\n", "\r", "\r\n", "\n\n", "\n   ", "\u3000", "\u00a0", "\x85", "\u2028", "\u180e",
    "<|endoftext|>", "\ud83d", "\ude00",
]
# fmt: on


def ranks_of(name):
    if name == "r50k_base":
        return dict(load_gpt2().ranks)
    return quicktok_ranks(name.removesuffix("_base"))


@pytest.fixture(scope="module", params=["r50k_base", "cl100k_base", "o200k_base"])
def pair(backend, request):
    """Our core and tiktoken's encoding of one vocabulary."""
    tiktoken = pytest.importorskip("tiktoken", reason="the oracle is tiktoken")
    known, ranks = ENCODINGS[request.param], ranks_of(request.param)
    theirs = tiktoken.Encoding(
        request.param, pat_str=known.pattern, mergeable_ranks=ranks, special_tokens=known.special_tokens
    )
    return backend.BPECore(ranks, known.pattern, known.special_tokens), theirs


def test_random_texts(pair):
    ours, theirs = pair
    rng = random.Random(1)
    for _ in range(int(1500 * SCALE)):
        parts = rng.choice([PARTS, rng.sample(PARTS, 3), rng.sample(PARTS, 8)])
        text = "".join(rng.choices(parts, k=rng.randrange(1, 30)))
        assert ours.encode_ordinary_to_list(text) == theirs.encode_ordinary(text)
        wanted = theirs.encode(text, allowed_special="all")
        assert ours.encode_to_list(text, allowed_special="all") == wanted
        assert ours.count(text, allowed_special="all") == len(wanted)


def test_random_code_points(pair):
    ours, theirs = pair
    rng = random.Random(2)
    for _ in range(int(400 * SCALE)):
        text = "".join(map(chr, rng.choices(range(0x110000), k=rng.randrange(1, 40))))
        assert ours.encode_ordinary_to_list(text) == theirs.encode_ordinary(text)


def test_code_points_of_each_class_in_context(pair):
    ours, theirs = pair
    rng = random.Random(3)
    points = sorted(
        {*range(0x500), *rng.sample(range(0x500, 0xD800), 3000), *rng.sample(range(0xE000, 0x110000), 2000)}
    )
    for shape in ("{}", "a{}B", "A{}1", " {}\n", ".{}.", "{0}{0}'s"):
        text = "\x00".join(shape.format(chr(point)) for point in points)
        assert ours.encode_ordinary_to_list(text) == theirs.encode_ordinary(text)


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "A", "\u4e2d", "'", "1", ".", "\u0301", "\n ", "aB", "\u4e2dA", "xyzzy"]
)
def test_ids_on_long_pieces(pair, unit):
    # wrong in riptoken, tokie and iree-tokenizer
    ours, theirs = pair
    rng = random.Random(unit)
    for size in (99, 100, 101, 500, 3000):
        text = unit * (size // len(unit)) + rng.choice(["", "b", " ", "\n", "b c"])
        assert ours.encode_ordinary_to_list(text) == theirs.encode_ordinary(text)
    letters = "".join(rng.choices("abcdefghij", k=3000))
    assert ours.encode_ordinary_to_list(letters) == theirs.encode_ordinary(letters)


def test_decoding(pair):
    ours, theirs = pair
    rng = random.Random(4)
    for _ in range(200):
        ids = [rng.randrange(50000) for _ in range(rng.randrange(10))]
        assert ours.decode_bytes(ids) == theirs.decode_bytes(ids)
        assert ours.decode(ids) == theirs.decode(ids)


@pytest.mark.parametrize(
    ("allowed", "disallowed"),
    [
        (set(), "all"),
        ("all", "all"),
        (set(), ()),
        ({"<|endoftext|>"}, "all"),
        ("all", ()),
        (set(), {"<|endoftext|>"}),
    ],
)
def test_special_tokens_are_allowed_and_refused_alike(pair, allowed, disallowed):
    ours, theirs = pair
    for text in ("a<|endoftext|>b", "<|endofprompt|>", "<|endof", "plain", "x<|endoftext|><|endoftext|>"):
        try:
            wanted = theirs.encode(text, allowed_special=allowed, disallowed_special=disallowed)
        except ValueError:
            with pytest.raises(ValueError, match="disallowed special token"):
                ours.encode(text, allowed_special=allowed, disallowed_special=disallowed)
        else:
            got = ours.encode_to_list(text, allowed_special=allowed, disallowed_special=disallowed)
            assert got == wanted


# ---- traps, with ids that show the pieces: every token of one piece is one id


def pieces_of(backend, name, text):
    """How the pattern of ``name`` splits ``text``: each piece of it is made a token."""
    pattern = ENCODINGS[name].pattern
    parts = {text[i:j].encode() for i in range(len(text)) for j in range(i + 1, len(text) + 1)} - set(BYTES)
    core = backend.BPECore(BYTES | {part: 256 + i for i, part in enumerate(sorted(parts))}, pattern, {})
    return [core.decode([number]) for number in core.encode_to_list(text)]


def test_long_s_is_a_contraction_where_case_is_ignored(backend):
    # `(?i:s)` also matches U+017F
    assert pieces_of(backend, "cl100k_base", "it'\u017fx") == ["it", "'\u017f", "x"]
    assert pieces_of(backend, "o200k_base", "it'\u017fx") == ["it'\u017f", "x"]
    assert pieces_of(backend, "r50k_base", "it'\u017fx") == ["it", "'", "\u017fx"]


@pytest.mark.parametrize("char", "\x1c\x1d\x1e\x1f")
def test_information_separators_are_no_blanks(backend, char):
    # `\s` is 25 code points, not str.isspace()
    assert char.isspace()
    for name in ENCODINGS:
        assert pieces_of(backend, name, f" {char}!") == [f" {char}!"]


@pytest.mark.parametrize("char", "\t\x0b\x0c\x85\u00a0\u1680\u2000\u2028\u2029\u202f\u205f\u3000")
def test_blanks_of_unicode_are_blanks(backend, char):
    for name in ENCODINGS:
        assert pieces_of(backend, name, f"1{char}{char}") == ["1", char * 2]


def test_letter_without_case_ends_a_word_of_capitals_unless_small_letters_follow(backend):
    # o200k's upper and lower sets overlap
    assert pieces_of(backend, "o200k_base", "\u4e2dAB") == ["\u4e2d", "AB"]
    assert pieces_of(backend, "o200k_base", "\u4e2dABc") == ["\u4e2dABc"]
    assert pieces_of(backend, "o200k_base", "A\u4e2dB's") == ["A\u4e2d", "B's"]


def test_blanks_at_the_end_are_one_piece_even_with_line_ends_in_cl100k(backend):
    assert pieces_of(backend, "cl100k_base", "a\n  ") == ["a", "\n  "]
    assert pieces_of(backend, "cl100k_base", "a\n  b") == ["a", "\n", " ", " b"]
    assert pieces_of(backend, "o200k_base", "a\n  ") == ["a", "\n", "  "]


def test_count_of_chunks_is_the_count_of_the_whole_at_every_edge(backend):
    # izikeros/count_tokens PR 7: counts were wrong at the edges of chunks
    ranks, pattern, *_ = load_gpt2()
    core = backend.BPECore(ranks, pattern, {})
    text = "Tokens at the edge, it's  \n\n 12345 wor\u4e2dld"
    for at in range(len(text) + 1):
        engine = backend.BPEEncoder(core)
        arrays = engine.feed(text[:at]) + engine.feed(text[at:]) + engine.finish()
        assert sum(map(len, arrays)) == core.count(text)


def test_cache_of_the_pure_core_never_grows_beyond_its_size():
    # marcelroed/gigatoken#36; the native cache is one allocation of a fixed size
    from streamcore._pure.bpe.core import ENTRY_BYTES, BPECore

    core = BPECore(BYTES, load_gpt2().pattern, {}, cache_bytes=100 * ENTRY_BYTES)
    for i in range(1000):
        core.encode_to_list(f"{i} {'x' * 100}")
        assert len(core._cache) <= 100
        assert max(map(len, core._cache), default=0) <= 24
