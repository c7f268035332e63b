"""Pre-tokenizers of ``tokenizer.json`` in sequences: the ids of ``tokenizers``, at once and streamed."""

from __future__ import annotations

import json
import os
import random

import pytest

from streamcore import BPE
from streamcore._shared.safe_cuts import safe_cuts
from streamcore._shared.split_steps import Split, pieces_of

tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("regex", reason="such patterns run through the regex module")

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
# fmt: off
PARTS = [
    "a", "b", "the", "ing", " of", "'s", "'LL", "'", "A", "HTML", "1", "22", "3333", ".", ",", "//", "!?", "_", "$",
    "\u4e2d\u6587", "\u30ab", "e\u0301", "\u00e9", "\u00b2", "\u0660", "\u2167", "\u00bd", "\U0001f600", "\u3002",
    " ", "  ", "   ", "\n", "\r\n", "\n  ", "\t", "\u3000", "\u00a0", "\u200b", "\u0964", "|", "(", "-",
]
# fmt: on


def byte_level(use_regex=True, add_prefix_space=False):
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


PLAIN = byte_level(use_regex=False)
DIGITS, DIGIT = ({"type": "Digits", "individual_digits": alone} for alone in (False, True))
SPACES, WORDS = {"type": "WhitespaceSplit"}, {"type": "Whitespace"}
BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
CASES = {
    "deepseek": sequence(
        split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(DEEPSEEK), PLAIN
    ),
    "starcoder": sequence(DIGIT, byte_level()),
    "digits": sequence(DIGITS, byte_level()),
    "bloom": sequence(split(BLOOM), PLAIN),
    "opt": byte_level(add_prefix_space=True),
    "prefix in pieces": sequence(DIGIT, byte_level(add_prefix_space=True)),
    "prefix alone": byte_level(False, True),
    "one piece": PLAIN,
    "nested": sequence(sequence(SPACES), sequence(DIGIT, PLAIN)),
    "whitespace": sequence(WORDS, PLAIN),
    "falcon": sequence(
        {"type": "Punctuation", "behavior": "Contiguous"}, byte_level(), DIGITS, split("[0-9][0-9][0-9]")
    ),
    "bytes": sequence(PLAIN, DIGIT, split("\u0120", "MergedWithNext", kind="String")),
    "bytes with a prefix": sequence(SPACES, byte_level(add_prefix_space=True), DIGITS),
    "falcon without digits": sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level()),
    "cl100k after digits": sequence(DIGIT, split(CL100K, "Removed", True), PLAIN),
    "removed twice": sequence(split(" ", "Removed", kind="String"), split(r"\d+", "Removed"), PLAIN),
}
CASES |= {
    f"{behavior} {invert} {pattern}": sequence(split(pattern, behavior, invert), PLAIN)
    for behavior in BEHAVIORS
    for invert in (False, True)
    for pattern in (r"\d", r"a+|[.,]")
}
CASES |= {
    f"punctuation {behavior}": sequence({"type": "Punctuation", "behavior": behavior}, PLAIN)
    for behavior in BEHAVIORS
}


@pytest.fixture(scope="module")
def trained():
    """A small model that was trained on the parts, as the content of a file."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = random.Random(3)
    model.train_from_iterator(["".join(rng.choices(PARTS, k=30)) for _ in range(300)], trainer)
    return json.loads(model.to_str())


def both(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    return BPE.from_tokenizer_json(path), tokenizers.Tokenizer.from_file(str(path))


def core_of(backend, bpe):
    """The same tokenizer on the backend."""
    return backend.BPECore(
        bpe.ranks, bpe.pattern, bpe.special_tokens, merges=bpe.merges, whole_pieces=bpe.whole_pieces
    )


def streamed(backend, core, text, rng):
    """The ids of the text in random cuts."""
    engine = backend.BPEEncoder(core)
    arrays, at = [], 0
    while at < len(text):
        size = rng.choice((1, 1, 2, 3, 7))
        arrays += engine.feed(text[at : at + size])
        at += size
    return [number for ids in arrays + engine.finish() for number in ids.tolist()]


def random_text(rng):
    parts = rng.choice([PARTS, rng.sample(PARTS, 3), rng.sample(PARTS, 8)])
    return "".join(rng.choices(parts, k=rng.randrange(1, 20)))


@pytest.mark.parametrize("name", CASES)
def test_pieces_are_those_of_tokenizers(backend, tmp_path, trained, name):
    bpe, theirs = both(tmp_path, trained | {"pre_tokenizer": CASES[name]})
    core = core_of(backend, bpe)
    rng = random.Random(name)
    texts = ["", *(random_text(rng) for _ in range(int(40 * SCALE)))]
    for text, wanted in zip(texts, theirs.encode_batch(texts, add_special_tokens=False), strict=True):
        assert core.encode_to_list(text) == wanted.ids, ascii(text)
        assert core.decode(wanted.ids) == theirs.decode(wanted.ids)
        assert streamed(backend, core, text, rng) == wanted.ids, ascii(text)


def test_classes_of_characters_are_those_of_tokenizers(tmp_path, trained):
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000][:: 1 if SCALE > 1 else 61]
    text = "a".join(map(chr, points))
    for step in (DIGITS, WORDS, SPACES, {"type": "Punctuation"}):
        bpe, _ = both(tmp_path, trained | {"pre_tokenizer": sequence(step, PLAIN)})
        theirs = tokenizers.pre_tokenizers.PreTokenizer
        theirs = {
            "Digits": lambda: tokenizers.pre_tokenizers.Digits(individual_digits=False),
            "Whitespace": tokenizers.pre_tokenizers.Whitespace,
            "WhitespaceSplit": tokenizers.pre_tokenizers.WhitespaceSplit,
            "Punctuation": tokenizers.pre_tokenizers.Punctuation,
        }[step["type"]]()
        ours = [piece for pieces in bpe._split(text) for piece in pieces]
        assert ours == [piece for piece, _ in theirs.pre_tokenize_str(text)]


def test_ids_come_at_blanks(backend, tmp_path, trained):
    """Each family gives ids before the text ends, and holds no more than a word."""
    for name in ("deepseek", "starcoder", "digits", "bloom", "opt", "whitespace", "nested", "falcon"):
        core = core_of(backend, both(tmp_path, trained | {"pre_tokenizer": CASES[name]})[0])
        engine = backend.BPEEncoder(core, max_size=12)
        given = [number for word in ["the", " thing"] * 200 for ids in engine.feed(word) for number in ids]
        assert given == core.encode_to_list("the thing" * 200)[: len(given)], name
        rest = [number for ids in engine.finish() for number in ids]
        assert given + rest == core.encode_to_list("the thing" * 200)
        assert len(given) > 20 * len(rest)


@pytest.mark.parametrize(
    ("pattern", "cuts"),
    [
        (r"\s+(?!\S)|\s+|\S+", "a."),
        (r"\S+", "a."),
        (r" ?[a-z]+", "a"),
        (r"[^ ]", "a."),
        (r".+", ""),
        (r"\S+ |\s", ""),
        (r"\S+(?= )|\s", ""),
        (r"\S+(?! a)|\s", ""),
        (r"\S(?:\.|\s)?|\s", ""),
        (r"(?:\s|\S)+", ""),
        (r"(?:\s\S)+|\s+|\S", ""),
        (r"(?:\s?\S){1}|\s", "a."),
        (r"(?:\s?\S){2}|\s", ""),
        (r"\S*\x20|\s", ""),
        (r"\S\u0020|\s", ""),
        (r"(?<=\S)\s|\S+", ""),
        (r"\S+$|\s", ""),
        (r"\b\S+|\s", ""),
        (r"\S*", ""),
        (r"(\S)\1|\s", ""),
        (r"\d+", ""),
        (r"(?i)a|\s", ""),
        (r"[a-z]++", ""),
        (r"[^\S\r\n]+|\S+", ""),
        (((r"\d", "contiguous"), (r"\s|\S+",)), ""),
        (((r"\d",), (r"[a-z]+",)), "a"),
    ],
)
def test_cuts_are_where_no_match_goes_or_looks_over_them(pattern, cuts):
    splits = pattern if isinstance(pattern, str) else tuple(Split(*split) for split in pattern)
    found = safe_cuts(splits)
    assert [char for char in "a." if found and found.search(f"{char} ")] == list(cuts)
    if found is None:
        return
    rng = random.Random(str(pattern))
    pieces = pieces_of(splits)
    for _ in range(int(200 * SCALE)):
        text = random_text(rng)
        whole = [piece for each in pieces(text) for piece in each]
        for match in found.finditer(text):
            halves = text[: match.end()], text[match.end() :]
            assert [piece for half in halves for each in pieces(half) for piece in each] == whole


def test_truncate_needs_all_of_the_text(backend, tmp_path, trained):
    for name in ("opt", "whitespace"):
        core = core_of(backend, both(tmp_path, trained | {"pre_tokenizer": CASES[name]})[0])
        with pytest.raises(ValueError, match="the tokenizer leaves out or adds text"):
            core.truncate("one two", 1)
    core = core_of(backend, both(tmp_path, trained | {"pre_tokenizer": CASES["starcoder"]})[0])
    assert core.truncate("12 34", 2) == "12"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([byte_level() | {"flag": 1}], r"pretokenizers\[0\].flag: is not supported, got 1"),
        ([byte_level() | {"use_regex": 1}], r"\[0\].use_regex: must be true or false, got 1"),
        ([byte_level(), byte_level()], "must have one ByteLevel, got 'ByteLevel, ByteLevel'"),
        ([{"type": "Metaspace"}, PLAIN], r"pretokenizers\[0\]: is not supported with ByteLevel"),
        ([DIGIT | {"individual_digits": "x"}, PLAIN], r"individual_digits: must be true or false, got 'x'"),
        ([split("a", "Dropped"), PLAIN], r"\[0\].behavior: must be one of Isolated, .*, got 'Dropped'"),
        ([split("a", None), PLAIN], r"\[0\].behavior: must be a string, got null"),
        ([split("", kind="String"), PLAIN], r"pattern.String: must be text of whole characters, got ''"),
        ([split("a", kind="Glob"), PLAIN], r"pattern.Glob: is not supported, got 'a'"),
        ([split("a") | {"pattern": {}}, PLAIN], r"\[0\].pattern: must be a String or a Regex"),
        ([split("a") | {"pattern": "a"}, PLAIN], r"\[0\].pattern: must be an object, got 'a'"),
        ([split("a*", "Removed"), PLAIN], r"\[0\].pattern: the pattern may match nothing"),
        ([split("[a[^b]]"), PLAIN], r"pattern.Regex: the pattern .*: a set in a set"),
        ([split("^a"), PLAIN], r"pattern.Regex: the pattern '\^a': an unescaped \^"),
        ([split("a")] * 40 + [PLAIN], "pre_tokenizer: has 40 splits, at most 32"),
        ([SPACES | {"x": None}, PLAIN], r"\[0\].x: is not supported, got null"),
    ],
)
def test_what_is_not_supported_is_named(tmp_path, trained, steps, message):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(trained | {"pre_tokenizer": sequence(*steps)}), "utf-8")
    with pytest.raises(ValueError, match=message):
        BPE.from_tokenizer_json(path)


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        ([], ValueError, "pattern must be of 1 to 32 splits, got 0"),
        ([("a",)] * 33, ValueError, "pattern must be of 1 to 32 splits, got 33"),
        (b"a", TypeError, "pattern must be str, not bytes"),
        ([5], TypeError, "split 0 of the pattern must be"),
        ([("a", "b")], ValueError, "split 0 of the pattern: behavior must be one of isolated"),
        ([("a", "bytes")], ValueError, "bytes goes with no pattern"),
        ([("", "bytes")] * 2, ValueError, "pattern must have the behavior bytes once at most"),
        ([("(", "isolated")], ValueError, "pattern is not a valid regular expression"),
    ],
)
def test_splits_are_checked(backend, pattern, error, message):
    with pytest.raises(error, match=message):
        backend.BPECore({bytes((value,)): value for value in range(256)}, pattern)
