"""Pieces by patterns of no known family: they join to the text, are those of ``tokenizers``, and never hang."""

from __future__ import annotations

import json
import os
import random
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamcore import BPE
from streamcore._shared import regex_pieces
from streamcore._shared.regex_pieces import RegexPieces
from streamcore.errors import StreamTimeout
from streamcore.vocab.split_pattern import check_split_pattern
from streamcore.vocab.tokenizer_json import byte_alphabet

pytest.importorskip("regex")

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
RANKS = {bytes((value,)): value for value in range(256)} | {b"ab": 256, b"abc": 257, b"\n\n": 258}
CHARACTERS = {value: char for char, value in byte_alphabet().items()}
TEXTS = ["", "a", "abc", "a  \n\nb ", "aabbab1 23", "sS's\u017f", "éÉa中b.", "AbC a-b\r\nx", "   ", "'S b'b"]

# Each lost text when the pattern was pasted into a larger one, or because text between matches was left out.
GAPPY = [
    "", "a|", "|a", "a*", "a*?|", "(?x)a # (", "(?x) a|b # comment", r"\b|:+", "(?=b)", "(?<=a)b?", r"a\Kb",
    "(?|(a)|(b))", "(?P<n>a)(?P=n)?", r"(a)|\1b", "(?i)B", "a(?#)b", "(?(DEFINE)(?<n>a))(?&n)", "b(?i:A)|", "x{0}",
    "(?<!b)a++",
]  # fmt: skip


def written(token):
    return "".join(CHARACTERS[value] for value in token)


def document(pattern, behavior="Isolated", invert=False):
    step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    model = {
        "type": "BPE",
        "vocab": {written(token): number for token, number in RANKS.items()},
        "merges": ["a b", "ab c", "\u010a \u010a"],
    }
    steps = {"type": "Sequence", "pretokenizers": [step, level]}
    decoder = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return {"added_tokens": [], "pre_tokenizer": steps, "model": model, "decoder": decoder}


def loaded(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    return BPE.from_tokenizer_json(path)


def pieces(pattern, text):
    return [piece for block in RegexPieces(pattern)(text) for piece in block]


def theirs(pattern, behavior="isolated", invert=False):
    tokenizers = pytest.importorskip("tokenizers")
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), behavior, invert)
    return lambda text: [piece for piece, _ in split.pre_tokenize_str(text)]


def is_taken(pattern):
    try:
        check_split_pattern(pattern)
    except ValueError:
        return False
    return True


@pytest.fixture(params=["one-shot", "stream"])
def encode(request, backend):
    """``encode(pattern, text)``: the ids, through both ways into both backends."""

    def run(pattern, text):
        core = backend.BPECore(RANKS, pattern)
        if request.param == "one-shot":
            return core.encode_to_list(text)
        engine = backend.BPEEncoder(core)
        arrays = [ids for char in text for ids in engine.feed(char)] + engine.finish()
        return np.concatenate([np.empty(0, np.uint32), *arrays]).tolist()

    return run


# ---- nothing is lost


@pytest.mark.parametrize("pattern", GAPPY)
def test_text_that_no_match_covers_is_not_lost(backend, encode, pattern):
    core = backend.BPECore(RANKS, pattern)
    for text in TEXTS:
        assert core.decode(encode(pattern, text)) == text
        assert "".join(pieces(pattern, text)) == text


@pytest.mark.parametrize(
    "pattern", ["", "a|", "a*", "(?x)a # (", "(?x) a|b # comment", "[ab]+", "c", "[a[bc]]+"]
)
@pytest.mark.parametrize(("behavior", "invert"), [("Isolated", False), ("Removed", True)])
def test_file_whose_pattern_leaves_gaps_has_the_pieces_of_tokenizers_or_is_refused(
    tmp_path, pattern, behavior, invert
):
    content = document(pattern, behavior, invert)
    if pattern.startswith("(?x)") or (invert and pattern in ("", "a|", "a*")):
        with pytest.raises(
            ValueError, match=r"pre_tokenizer\.pretokenizers\[0\]\.pattern(\.Regex)?: the pattern"
        ):
            loaded(tmp_path, content)
        return
    bpe = loaded(tmp_path, content)
    for text in TEXTS:
        cut = theirs(pattern, behavior.lower(), invert)(text)
        assert bpe.decode(bpe.encode(text)) == "".join(cut)
        assert bpe.encode_to_list(text) == [
            number for piece in cut for number in bpe.encode_piece(piece.encode())
        ]


@given(st.sampled_from([*GAPPY, "[ab]", "c", "a.b|\\s+"]), st.text("abcAB:x #\n\u4e2d"), st.integers(1, 4))
def test_pieces_join_to_the_text_wherever_a_run_ends(pattern, text, run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regex_pieces, "RUN", run)
        found = pieces(pattern, text)
    assert "".join(found) == text
    assert found == pieces(pattern, text)
    assert "" not in found


# ---- the pieces of tokenizers


EMPTY = [
    "",
    "a|",
    "a*",
    "|a",
    "b*|a",
    "\\b|:+",
    "a{2}",
    "a|b|",
    "(?=b)",
    "(?<=a)",
    "(?!a)",
    "a*?",
    "(?:|a)+",
    "\\s*",
]


@pytest.mark.parametrize("pattern", [*EMPTY, "(?:a*)*b", "x|(?=a)b?", "[ab]*c?", "ab|c"])
def test_empty_matches_cut_where_those_of_tokenizers_do(pattern):
    rng = random.Random(pattern)
    cut = theirs(pattern)
    for _ in range(int(200 * SCALE)):
        text = "".join(rng.choices("aabbc: x", k=rng.randrange(12)))
        assert pieces(pattern, text) == cut(text), text


ATOMS = ["a", "b", "s", r"\s", r"\S", r"\d", r"\p{L}", r"\p{N}", r"\p{Lu}", "[ab]", r"[^a\s]", r"[^\r\n\p{L}]", " ",
         r"\n", ".", r"\.", "'", "[a-c-]", "[-x]", "\u00e9", r"\u00e9", r"\p{Han}", r"[\p{L}\p{M}]", "(?i:'S|b)", "A",
         r"[.\-]", r"\x41", r"\P{L}"]  # fmt: skip
REPEATS = [
    "",
    "",
    "",
    "",
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "++",
    "*+",
    "?+",
    "{2}",
    "{1,2}",
    "{0,3}",
    "{2,}",
    "{0}",
]
GROUPS = ["(?:", "(", "(?>", "(?=", "(?!", "(?<=", "(?<!"]


def random_pattern(rng, depth=2):
    parts = []
    for _ in range(rng.randrange(4)):
        if depth and rng.random() < 0.3:
            part = rng.choice(GROUPS) + random_pattern(rng, depth - 1) + ")"
        else:
            part = rng.choice(ATOMS)
        parts.append(part + rng.choice(REPEATS))
    both = [*parts, "|", random_pattern(rng, depth)] if rng.random() < 0.3 else parts
    return "".join(both)


@pytest.mark.parametrize("seed", range(int(6 * SCALE)))
def test_patterns_that_are_taken_mean_the_same_to_tokenizers(seed):
    rng = random.Random(seed)
    taken = 0
    while taken < 100:
        pattern = random_pattern(rng)
        if not is_taken(pattern):
            continue
        try:
            cut = theirs(pattern)
        except Exception:  # noqa: BLE001 - tokenizers raises the base class; it takes fewer lookbehinds
            continue
        taken += 1
        for text in [*TEXTS, *("".join(rng.choices("aabbs1 \n.'A\u4e2d\u00e9", k=12)) for _ in range(5))]:
            assert pieces(pattern, text) == cut(text), (pattern, text)


# What Oniguruma reads otherwise than the regex module, or what one of them does not take.
DIFFERENT = [
    r"\s+$|a", "^a", r"\p{N}{1,3}+", r"\h", "(?m)a.b", r"a\Z", "a{,2}x", r"\w+", "(?i:\u00df)",
    "b(?i)A|c", "(?i:[a-z])", "(?<n>a)", "(?P<n>a)", r"a\Kb", "(?|(a)|(b))", "(?R)", r"(a)\1", "(a)(?(1)b|c)",
    "(?x)a # c", "(?#a)b", r"\R", r"\X", r"\G", r"\pL", "[a&&b]", "[a--b]", "(?~ab)", "(?s).", "(?r)a", "(", ")", "[a",
    "[]a]", "a{2", "*", "a**", "(?=a)*", "(a*)*", "(?<=a+)b", "\\", r"\p{Foo}", "a{1001}", "a{2,1}", "(?i:i)",
    "(?i:ss)", "\ud800", r"\ud800", "(?i:b)?[^ac]", "[a-]b-c]", r"[\s-a]", "[b-a]", "a(*FAIL)", "(?<=(?<!a+)b)", "[^]",
    "(?i:b)+c",
    "(?:" * 51 + ")" * 51, "(?:" * 5000, "a" * 10_001, "(?:(?i:a))", r"(?i:\p{Lu})", "[a||b]", "[a~~b]",
    "(?i:\u4e2d)",
]  # fmt: skip


@pytest.mark.parametrize("pattern", DIFFERENT, ids=lambda pattern: ascii(pattern[:20]))
def test_pattern_that_is_read_in_two_ways_is_refused_with_the_place(tmp_path, pattern):
    place = r"tokenizer\.json, pre_tokenizer\.pretokenizers\[0\]\.pattern\.Regex: the pattern"
    with pytest.raises(ValueError, match=place) as caught:
        loaded(tmp_path, document(pattern))
    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 1000


# ---- patterns that take too long

EXPONENTIAL = r"(?:a|a)*\d"


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(regex_pieces, "SECONDS", 0.01)


def test_pattern_that_takes_exponential_time_is_stopped(short, encode):
    with pytest.raises(
        StreamTimeout, match=r"pattern takes more than 0\.01 seconds for the text from character 0 on"
    ):
        encode(rf"b|c|{EXPONENTIAL}", "a" * 60)


@pytest.mark.parametrize("method", ["encode", "count", "offsets", "encode_ordinary", "encode_many"])
def test_every_way_of_encoding_has_the_limit(short, backend, method):
    core = backend.BPECore(RANKS, EXPONENTIAL)
    text = "a" * 60
    with pytest.raises(StreamTimeout):
        getattr(core, method)([text] if method == "encode_many" else text)


def test_stream_gives_the_ids_before_the_pattern_took_too_long(monkeypatch, backend):
    monkeypatch.setattr(regex_pieces, "RUN", 2)
    monkeypatch.setattr(regex_pieces, "SECONDS", 1.0)
    engine = backend.BPEEncoder(backend.BPECore(RANKS, rf"b|c|{EXPONENTIAL}"))
    assert engine.feed("bcb") == engine.feed("a" * 60) == []
    assert [ids.tolist() for ids in engine.finish()] == [[98, 99]]
    for _ in range(2):
        with pytest.raises(StreamTimeout) as caught:
            engine.finish()
    assert caught.value.__notes__ == ["in BPEEncoder, at byte 63 of its input"]
    engine.reset()
    assert [ids.tolist() for ids in (*engine.feed("bc"), *engine.finish())] == [[98, 99]]


def test_empty_matches_share_one_limit(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(regex_pieces, "monotonic", lambda: next(now))
    with pytest.raises(StreamTimeout, match="for the text from character 8 on"):
        pieces("", "a" * 100)


def test_pattern_from_a_file_has_the_limit(short, tmp_path):
    bpe = loaded(tmp_path, document(EXPONENTIAL))
    with pytest.raises(StreamTimeout):
        bpe.encode("a" * 60)


def test_pattern_that_needs_too_much_memory_is_an_error(encode):
    # the pattern calls itself for ever
    with pytest.raises(ValueError, match="pattern takes too much memory for the text from character 0 on"):
        encode("(?R)", "a")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?:a{1000}){1000}{1000}", "repeats unroll to more than 100000 parts"),
        ("(?:(?:a{1000}){1000}){1000}", "repeats unroll to more than 100000 parts"),
        ("a{2147483648}", "repeats unroll to more than 100000 parts"),
        ("(?:(?:(?:a{50}b){50}){50}){50,}", "repeats unroll to more than 100000 parts"),
        ("[]a]{100001}", "repeats unroll to more than 100000 parts"),
        ("a{" + "9" * 5000 + "}", "repeats unroll to more than 100000 parts"),
        ("(?#[)(?:(?:a{1000}){1000}){1000}", "repeats unroll to more than 100000 parts"),
        ("(" * 5000 + ")" * 5000, "too large, or nested too deeply"),
        ("a" * 100_001, "100001 characters, at most 100000"),
        ("(?r)a", "must not search backwards"),
        ("(?V0)(?V1)a", "not a valid regular expression"),
        ("a**", "not a valid regular expression"),
        ("(", "not a valid regular expression"),
    ],
    ids=lambda value: value[:20],
)
def test_pattern_that_is_too_large_or_wrong_is_refused(backend, pattern, message):
    with pytest.raises(ValueError, match=message) as caught:
        backend.BPECore(RANKS, pattern)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize(
    "pattern", ["(?:ab?){0,2000000000}", r"\d{4}-\d{2}-\d{2}", r"\(a{99}", "[a{5}]{1000}", "x{1,99999}"]
)
def test_large_repeats_that_need_no_room_are_taken(encode, pattern):
    assert encode(pattern, "xab-ab") == [120, 256, 45, 256]


@given(st.text("ab()[]{}|*+?\\^$.-,:=!<>P#xiKGpLuN123 ", max_size=30))
def test_any_pattern_is_a_value_error_or_splits(pattern):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regex_pieces, "SECONDS", 0.2)
        try:
            cut = RegexPieces(pattern)
        except ValueError:
            assert not is_taken(pattern)
            return
        with suppress(StreamTimeout):
            assert "".join(piece for block in cut("ab (a)\n12") for piece in block) == "ab (a)\n12"
