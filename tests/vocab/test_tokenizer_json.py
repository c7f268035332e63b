"""``tokenizer.json`` files: the ids of Hugging Face tokenizers, and what is refused."""

from __future__ import annotations

import json
import os
import random

import pytest

from streamcore import BPE
from streamcore.vocab.gpt2 import load_gpt2
from streamcore.vocab.tokenizer_json import byte_alphabet

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
END = "<|endoftext|>"
CHARACTERS = {value: char for char, value in byte_alphabet().items()}
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")
# fmt: off
PARTS = [
    "a", "b", "the", "ing", "S", "'s", "'LL", "'ve", "'", "A", "HTML", "1", "22", "333", ".", ",", "//", "!", "_",
    "\u4e2d", "\u6587", "e\u0301", "\u00e9", "\u0301", "\u00fc", "\U0001f600",
    " ", "  ", "   ", "\n", "\r\n", "\n  ", "\t", "\u3000", "\u00a0", END, "<tool>", "<|",
]
# fmt: on


def written(token):
    return "".join(CHARACTERS[value] for value in token)


def byte_level(**options):
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
        **options,
    }


def split(pattern, behavior="Isolated", invert=False):
    step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}
    return {"type": "Sequence", "pretokenizers": [step, byte_level(use_regex=False)]}


def added(content, number, **options):
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": number, "content": content, **flags, **options}


def document(vocab, merges, **sections):
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {written(token): number for token, number in vocab.items()},
        "merges": [" ".join(map(written, pair)) for pair in merges],
    }
    model |= sections.pop("model", {})
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        # tokenizers numbers added tokens on from the size of the vocabulary, whatever the file says
        "added_tokens": [added(END, len(vocab), special=True), added("<tool>", len(vocab) + 1)],
        "normalizer": None,
        "pre_tokenizer": byte_level(),
        "post_processor": None,
        "decoder": byte_level(),
        "model": model,
        **sections,
    }


@pytest.fixture(scope="module")
def gpt2_merges():
    """The pairs that make GPT-2's tokens: in the order of ranks, what the tokens before make of each."""
    ranks = load_gpt2().ranks
    merges = []
    for token, rank in ranks.items():
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            pairs = [ranks.get(parts[i] + parts[i + 1], rank) for i in range(len(parts) - 1)]
            i = pairs.index(min(pairs))
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges


def both(tmp_path, content):
    """The file as BPE and as tokenizers read it."""
    tokenizers = pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    return BPE.from_tokenizer_json(path), tokenizers.Tokenizer.from_file(str(path))


def assert_same_ids(bpe, theirs, seed, texts):
    rng = random.Random(seed)
    for _ in range(texts):
        parts = rng.choice([PARTS, rng.sample(PARTS, 3), rng.sample(PARTS, 8)])
        text = "".join(rng.choices(parts, k=rng.randrange(1, 20)))
        wanted = theirs.encode(text, add_special_tokens=False).ids
        assert bpe.encode_to_list(text, allowed_special="all") == wanted
        assert streamed(bpe, text) == wanted


def streamed(bpe, text):
    """The ids of the text fed by characters."""
    engine = bpe.encoder(allowed_special="all").engine()
    arrays = [ids for char in text for ids in engine.feed(char)] + engine.finish()
    return [number for ids in arrays for number in ids.tolist()]


# ---- the families


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({}, id="gpt2"),
        pytest.param({"pre_tokenizer": split(LLAMA3), "model": {"ignore_merges": True}}, id="llama3"),
        pytest.param({"pre_tokenizer": split(QWEN), "normalizer": {"type": "NFC"}}, id="qwen"),
        pytest.param(
            {
                "pre_tokenizer": split(LLAMA3, "Removed", invert=True),
                "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
            },
            id="inverted",
        ),
        pytest.param(
            {
                "pre_tokenizer": split(QWEN),
                "normalizer": {
                    "type": "Sequence",
                    "normalizers": [
                        {"type": "NFKD"},
                        {"type": "StripAccents"},
                        {"type": "Lowercase"},
                        {"type": "Replace", "pattern": {"Regex": "\\s{2,}"}, "content": " "},
                        {"type": "Replace", "pattern": {"String": "//"}, "content": "/"},
                    ],
                },
            },
            id="normalizers",
        ),
    ],
)
def test_gpt2_merges_under_each_pre_tokenizer(tmp_path, gpt2_merges, sections):
    bpe, theirs = both(tmp_path, document(load_gpt2().ranks, gpt2_merges, **sections))
    assert_same_ids(bpe, theirs, 1, int(100 * SCALE))


@pytest.mark.parametrize("normalizer", [None, {"type": "NFC"}])
@pytest.mark.parametrize("pattern", [LLAMA3, QWEN])
def test_code_points_alone_and_in_context(tmp_path, gpt2_merges, pattern, normalizer):
    sections = {"pre_tokenizer": split(pattern), "normalizer": normalizer}
    bpe, theirs = both(tmp_path, document(load_gpt2().ranks, gpt2_merges, **sections))
    step = 1 if SCALE >= 10 else 173
    points = [
        *range(0x250),
        *range(0x300, 0x370),
        *range(0x370, 0xD800, step),
        *range(0xE000, 0x110000, 4 * step),
    ]
    for shape in ("{}", "a{}B", " {}\n", "1{}'s", "{0}{0}", "\u0301{}x", "a{}\u0327\u0301", "\u0327{}"):
        texts = [shape.format(chr(point)) for point in points]
        for text, wanted in zip(texts, theirs.encode_batch(texts, add_special_tokens=False), strict=True):
            assert bpe.encode_to_list(text) == wanted.ids, ascii(text)


@pytest.fixture(scope="module")
def unicode_9(backend, tmp_path_factory, gpt2_merges):
    """A core of the backend with NFC, and what tokenizers makes of the same file."""
    sections = {"pre_tokenizer": split(QWEN), "normalizer": {"type": "NFC"}}
    bpe, theirs = both(tmp_path_factory.mktemp("nfc"), document(load_gpt2().ranks, gpt2_merges, **sections))
    core = backend.BPECore(
        bpe.ranks, bpe.pattern, bpe.special_tokens, merges=bpe.merges, whole_pieces=False, normalization="NFC"
    )
    return core, theirs


# Marks of Unicode 10 and later, of which tokenizers knows nothing, and one pair that Unicode 13 composes.
@pytest.mark.parametrize(
    "char", "\u07fd\u0898\u1ac0\u1df6\U00010f46\U0001e2ec\u0897\U00010efd\U00011930\U000105c9"
)
def test_normalization_is_that_of_unicode_9_as_in_tokenizers(backend, unicode_9, char):
    core, theirs = unicode_9
    for text in (
        f"a\u0301{char}\u0327x",
        f"\u0301{char}",
        f"{char}\u0327\u0301",
        f"a{char}\u0301",
        f"\U00011935{char}",
    ):
        wanted = theirs.encode(text).ids
        assert core.encode_to_list(text) == wanted
        engine = backend.BPEEncoder(core)
        arrays = [ids for each in text for ids in engine.feed(each)] + engine.finish()
        assert [number for ids in arrays for number in ids.tolist()] == wanted


def test_merges_may_be_pairs(tmp_path, gpt2_merges):
    content = document(load_gpt2().ranks, gpt2_merges)
    content["model"]["merges"] = [list(map(written, pair)) for pair in gpt2_merges]
    bpe, theirs = both(tmp_path, content)
    assert_same_ids(bpe, theirs, 2, 50)


@pytest.mark.parametrize("pattern", [r"\S+|\s+", r"\d", r"[a-z]+|."])
def test_other_pattern_keeps_the_text_between_its_matches(tmp_path, gpt2_merges, pattern):
    pytest.importorskip("regex", reason="other patterns run through the regex module")
    bpe, theirs = both(tmp_path, document(load_gpt2().ranks, gpt2_merges, pre_tokenizer=split(pattern)))
    for text in ("ab 12, cd.", "Hello\nworld 3", "...", "a1b2"):
        assert bpe.encode_to_list(text) == theirs.encode(text).ids


def test_embedded_gpt2_is_the_model_of_the_same_merges(tmp_path, gpt2_merges):
    bpe, _ = both(tmp_path, document(load_gpt2().ranks, gpt2_merges))
    text = "Merges in a list and ranks of tokens agree, it's   so \u4e2d\u6587 \U0001f600 \n\n 12345"
    assert bpe.encode_to_list(text) == BPE.gpt2().encode_to_list(text)


@pytest.mark.parametrize("seed", range(int(4 * SCALE)))
@pytest.mark.parametrize("ignore_merges", [False, True])
def test_merges_in_any_order_give_the_ids_of_tokenizers(tmp_path, seed, ignore_merges):
    # such a vocabulary has tokens that no merge makes, and pairs that join to a token but are not listed
    rng = random.Random(seed)
    tokens = [bytes((value,)) for value in range(256)]
    merges = []
    for _ in range(rng.randrange(5, 120)):
        pieces = [part.encode() for part in PARTS]
        left, right = rng.choice([*tokens[97:123], *tokens[256:], rng.choice(pieces)[:1]]), rng.choice(tokens)
        if rng.random() < 0.7:
            right = rng.choice([*tokens[256:], rng.choice(pieces)[:1]])
        if left + right not in tokens and len(left + right) < 12:
            tokens.append(left + right)
        if left + right in tokens:
            merges.append((left, right))
    rng.shuffle(merges)
    numbers = rng.sample(range(len(tokens)), len(tokens))
    content = document(
        dict(zip(tokens, numbers, strict=True)),
        merges,
        pre_tokenizer=split(rng.choice([LLAMA3, QWEN])),
        model={"ignore_merges": ignore_merges},
    )
    bpe, theirs = both(tmp_path, content)
    assert_same_ids(bpe, theirs, seed, 50)


def test_trained_model(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=[END],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = random.Random(3)
    model.train_from_iterator(["".join(rng.choices(PARTS[:-4], k=30)) for _ in range(300)], trainer)
    path = tmp_path / "tokenizer.json"
    model.save(str(path))
    bpe = BPE.from_tokenizer_json(path)
    assert_same_ids(bpe, model, 4, 80)
    text = "the ing \u4e2d\u6587 \U0001f600"
    assert bpe.decode(bpe.encode(text)) == model.decode(model.encode(text).ids) == text


def test_token_that_is_added_and_in_the_vocabulary_is_special(tmp_path, gpt2_merges):
    content = document(load_gpt2().ranks, gpt2_merges, added_tokens=[added(END, 50256, special=True)])
    content["model"]["vocab"][END] = 50256
    bpe, theirs = both(tmp_path, content)
    assert bpe.special_tokens == {END: 50256}
    assert_same_ids(bpe, theirs, 5, 50)


# ---- what is refused


SMALL = {bytes((value,)): value for value in range(256)} | {b"ab": 256}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"type": "WordPiece"}}, "model.type: must be BPE, got 'WordPiece'"),
        ({"model": {"dropout": 0.1}}, "model.dropout: is not supported, got 0.1"),
        (
            {"model": {"end_of_word_suffix": "</w>", "byte_fallback": True}},
            "model.byte_fallback: is not supported with ByteLevel and a prefix or suffix",
        ),
        ({"model": {"byte_fallback": 1}}, "model.byte_fallback: must be true or false, got 1"),
        ({"model": {"vocab": []}}, "model.vocab: must be an object, got an array of 0"),
        ({"model": {"merges": None}}, "model.merges: must be an array, got null"),
        ({"model": {"merges": ["a"]}}, r"model.merges\[0\]: must be two tokens, got 'a'"),
        ({"model": {"merges": ["a b", "a b c"]}}, r"model.merges\[1\]: must be two tokens, got 'a b c'"),
        ({"model": {"merges": ["a b", "b c"]}}, r"model.merges\[1\]: b'bc' is not in the vocabulary"),
        ({"model": {"merges": ["a \u4e2d"]}}, r"model.merges\[0\]: .* which stands for no byte"),
        (
            {"normalizer": {"type": "BertNormalizer"}},
            "normalizer: must be null or one of NFC, .*, got 'BertNormalizer'",
        ),
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip"}]}},
            r"normalizer.normalizers\[1\].strip_left: must be true or false, got null",
        ),
        (
            {"normalizer": {"type": "Replace", "pattern": {"Regex": "^a"}, "content": ""}},
            r"normalizer.pattern.Regex: the pattern '\^a': an unescaped \^",
        ),
        ({"pre_tokenizer": 5}, "pre_tokenizer: must be one of ByteLevel, Split, .*, got '5'"),
        (
            {"pre_tokenizer": {"type": "Metaspace"}},
            "pre_tokenizer.replacement: must be a string, got null",
        ),
        (
            {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [byte_level(), {"type": "Metaspace"}]}},
            r"pre_tokenizer.pretokenizers\[1\]: is not supported with ByteLevel",
        ),
        (
            {"added_tokens": [added("<m>", 300)]},
            r"added_tokens\[0\].id: must be 257, the id that tokenizers gives to '<m>', got 300",
        ),
        (
            {"added_tokens": [added("<m>", 257, stripped=True)]},
            r"added_tokens\[0\].stripped: is not supported, got True",
        ),
        ({"added_tokens": [{"id": 1}]}, r"added_tokens\[0\].content: must be a string, got null"),
        (
            {
                "normalizer": {"type": "Lowercase"},
                "added_tokens": [added("<m>", 257, normalized=True), added("<M>", 258, normalized=True)],
            },
            r"added_tokens\[1\].content: '<M>' is normalized to '<m>', which is empty or that of a token above",
        ),
    ],
)
def test_what_would_change_ids_is_refused(tmp_path, change, message):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document(SMALL, [(b"a", b"b")], **change)), "utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        BPE.from_tokenizer_json(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        ({"a": -1}, "model.vocab.a: an id must be from 0 to 4294967294, got -1"),
        ({"a": 1.5}, "model.vocab.a: must be an integer, got 1.5"),
        ({"\u4e2d": 300}, "model.vocab: the token .* which stands for no byte"),
        ({"": 300}, "model.vocab: a token is empty"),
        ({"zz": 97}, "model.vocab.zz: id 97 belongs to the token 'a' too"),
    ],
)
def test_bad_token_is_named(tmp_path, vocab, message):
    content = document(SMALL, [(b"a", b"b")])
    content["model"]["vocab"] |= vocab
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match=message):
        BPE.from_tokenizer_json(path)


def test_vocabulary_without_every_byte_is_refused(tmp_path):
    content = document(
        {token: number for token, number in SMALL.items() if token != b"z"}, [], added_tokens=[]
    )
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match="1 of the 256 single bytes have no token, first 0x7a"):
        BPE.from_tokenizer_json(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: not JSON"),
        (b'{\n"model": {,}\n}', "line 2: not JSON"),
        (b"[]", "the file: must be an object, got an array of 0"),
        (b"{}", "model: must be an object, got null"),
        (b'{"model": {"type": "BPE"}}', "model.vocab: must be an object, got null"),
        (b'"\xff"', "not UTF-8 at byte 1"),
    ],
)
def test_file_that_is_no_tokenizer_is_refused(tmp_path, data, message):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        BPE.from_tokenizer_json(path)


def test_added_tokens_that_are_not_special_are_found_by_default(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    content = document({bytes((n,)): n for n in range(256)}, [])
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    bpe, theirs = BPE.from_tokenizer_json(path), tokenizers.Tokenizer.from_file(str(path))
    text = "a<tool><tool> b"
    wanted = theirs.encode(text).ids
    assert wanted.count(257) == 2
    assert bpe.encode_to_list(text) == bpe.encode_batch([text]).ids.tolist() == wanted
    for size in range(1, 9):
        cuts = [text[at : at + size] for at in range(0, len(text), size)]
        assert [number for ids in bpe.encoder().transform(cuts) for number in ids.tolist()] == wanted
    with pytest.raises(ValueError, match="disallowed special token '<|end"):
        bpe.encode(text + END)
    assert bpe.vocabulary.special_tokens.keys() >= {END}
