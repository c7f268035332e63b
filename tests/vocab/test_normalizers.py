"""Normalizers: the text of ``tokenizers``, whole and over every cut, and what a stream holds back."""

from __future__ import annotations

import os
import random

import pytest
from tokenizer_peers import in_cuts, unless_panic

from streamcore._shared.normalizers import Normalizer, checked_normalization

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
LLAMA2 = (("Prepend", "\u2581"), ("Replace", "String", " ", "\u2581"))
# fmt: off
STEPS = [
    ("NFC",), ("NFD",), ("NFKC",), ("NFKD",), ("Lowercase",), ("StripAccents",), ("Nmt",),
    ("Strip", True, True), ("Strip", True, False), ("Strip", False, True), ("Strip", False, False),
    ("Prepend", "\u2581"), ("Prepend", "\u0301"),
    ("Replace", "String", " ", "\u2581"), ("Replace", "String", "aa", "b"), ("Replace", "String", "aab", ""),
    ("Replace", "String", "\u0301", "\\1"), ("Replace", "Regex", r"\s+", " "), ("Replace", "Regex", " {2,3}", "\\g"),
    ("Replace", "Regex", "``|''|a", '"'), ("Replace", "Regex", r"\p{L}", "x"), ("Replace", "Regex", "a b+|A", "-"),
    ("Replace", "Regex", "[0-9a]++", "0"), ("Replace", "Regex", r"ab|a\+|abc", "="), ("Replace", "Regex", ".", "!"),
    ("Replace", "Regex", "a{2}", "2"),
]
PARTS = [
    "a", "aa", "aab", "A", "b", "B", " ", "  ", "   ", "\n", "\t", "\u3000", "\u2581", "``", "''", "1", "23", "+", "c",
    "\u0301", "\u0327", "\u0345", "e\u0301", "\u00e9", "\u1ebf", "\u1100", "\u1161", "\u11a8", "\uac01", "\ufb01",
    "\uff76", "\uff9e", "\u03a3", "\u0130", "\u1e9e", "\u0344", "\u01c5", "\u2126", "\u0f71\u0f72", "\u0897",
    "\u1e9b\u0323", "\u0001", "\u200b", "\ua7cb", "\U00010d50", "\U0001e030", "\U0001d15e", "\U00011938", "\u1cf2",
    "\x1c", "\x85", "\ufdfa", "\\",
]
# fmt: on


def theirs(steps):
    normalizers = pytest.importorskip("tokenizers").normalizers
    regex = pytest.importorskip("tokenizers").Regex
    made = []
    for name, *fields in steps:
        if name == "Replace":
            kind, pattern, content = fields
            made.append(normalizers.Replace(pattern if kind == "String" else regex(pattern), content))
        else:
            made.append(getattr(normalizers, name)(*fields))
    return normalizers.Sequence(made)


def normalized(wanted, text):
    """The text of ``tokenizers``; None where it falls."""
    return unless_panic(lambda: wanted.normalize_str(text))


def streamed(normalizer, fragments):
    stream = normalizer.begin()
    parts = [stream.feed(fragment, False) for fragment in fragments]
    text = "".join([*parts, stream.feed("", True)])
    assert stream.held_size == 0
    return text


@pytest.mark.parametrize("length", [1, 3])
def test_random_texts_are_those_of_tokenizers(length):
    pytest.importorskip("regex")
    rng = random.Random(length)
    for _ in range(int(300 * SCALE)):
        steps = rng.choices(STEPS, k=length)
        normalizer, wanted = Normalizer(checked_normalization(steps)), theirs(steps)
        for _ in range(12):
            parts = rng.choice([PARTS, rng.sample(PARTS, 4), ["a", "b", " ", "aab"]])
            text = "".join(rng.choices(parts, k=rng.randrange(12)))
            normal = normalized(wanted, text)
            if normal is None:
                normal = normalizer(text)
            assert normalizer(text) == normal, (steps, ascii(text))
            assert streamed(normalizer, in_cuts(rng, text)) == normal, (steps, ascii(text))


def test_each_character_is_as_in_tokenizers():
    step = 1 if SCALE >= 10 else 7
    points = [
        *range(0x3000),
        *range(0xA000, 0xB000),
        *range(0xF900, 0x11000, step),
        *range(0x11000, 0x20000, step),
    ]
    for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
        normalizer, wanted = Normalizer(name), theirs([(name,)])
        for point in points:
            if not 0xD800 <= point < 0xE000:
                text = f"a{chr(point)}\u0327"
                assert normalizer(text) == wanted.normalize_str(text), (name, hex(point))


def test_what_a_stream_holds_back():
    def held(steps, *fragments):
        stream = Normalizer(checked_normalization(steps)).begin()
        return [stream.feed(fragment, False) for fragment in fragments], stream.held_size

    assert held(LLAMA2, "", "a b", " ") == (["", "\u2581a\u2581b", "\u2581"], 0)
    assert held("NFC", "ab", "\u0301c") == (["a", "b\u0301"], 1)
    assert held("NFD", "ab\u00e9", "\u0327x") == (["ab", "e\u0327\u0301x"], 0)
    assert held([("Strip", True, True)], " ", " a  ", "", "b ") == (["", "a", "", "  b"], 1)
    assert held([("Replace", "String", "aab", "x")], "aa", "a", "b", "aa") == (["", "a", "x", ""], 2)
    assert held([("Replace", "Regex", r"\s+", "_")], "a ", "", " ", "b") == (["a", "", "", "_b"], 0)
    assert held([("Replace", "Regex", "a b+", "_")], "a b", "c") == (["", ""], 4)
    assert held(["Lowercase", "StripAccents", "Nmt"], "A\u0301\t") == (["a "], 0)


@pytest.mark.parametrize("steps", [[step] for step in STEPS])
def test_a_long_run_costs_its_length(steps):
    pytest.importorskip("regex")
    normalizer = Normalizer(checked_normalization(steps))
    for part in (" ", "a", "\u0301"):
        stream = normalizer.begin()
        whole = "".join([stream.feed(part, False) for _ in range(20_000)]) + stream.feed("", True)
        assert whole == normalizer(part * 20_000)


def test_normalization_is_checked():
    assert checked_normalization(None) is checked_normalization([]) is None
    assert (
        checked_normalization("NFC")
        == checked_normalization([("NFC",)])
        == checked_normalization(["NFC"])
        == "NFC"
    )
    assert checked_normalization([["Prepend", "a"]]) == (("Prepend", "a"),)
    for steps, error, message in [
        ("NFX", ValueError, "normalization must be one of NFC, .*, Replace, got 'NFX'"),
        ("Prepend", TypeError, "normalization: Prepend takes str"),
        (b"NFC", TypeError, "normalization must be None, a name or a sequence of steps, not bytes"),
        (1, TypeError, "not int"),
        ([1], TypeError, "step 0 of normalization must be a name or a sequence, not int"),
        ([()], ValueError, "step 0 of normalization must be one of .*, got nothing"),
        ([([],)], ValueError, r"got \[\]"),
        (["NFC", ("Strip", 1, 0)], TypeError, "step 1 of normalization: Strip takes bool, bool"),
        ([("NFC", 1)], TypeError, "NFC takes nothing more"),
        ([("Replace", "String", "", "a")], ValueError, "Replace of '': an empty pattern"),
        ([("Replace", "Glob", "a", "a")], ValueError, "Replace takes String or Regex, got 'Glob'"),
        ([("Prepend", "\ud800")], ValueError, "half a pair of surrogates"),
        (["NFC"] * 33, ValueError, "at most 32 steps, got 33"),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            checked_normalization(steps)
