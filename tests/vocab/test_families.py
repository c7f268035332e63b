"""Small models of the shape of open ones, trained here: ids, text and streams are those of ``tokenizers``."""

from __future__ import annotations

import os
import random

import pytest
from tokenizer_peers import assert_same, core_of

from streamcore import BPE

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
TEXTS = int(os.environ.get("STREAMCORE_TEST_TEXTS", 400 * SCALE))
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORDS = [
    "the", "The", "ing", "of", "a", "A", "b", "n't", "'s", "'LL", "x1", "12", "333", "_", ".", ", ", "//", "{", "}",
    "\u4e2d\u6587", "Stra\u00dfe", "e\u0301", "\u00e9", "\u0301", "\u0327", "\u212b", "\ufb01", "\u0915\u094d",
    "\U0001f600", " ", "  ", "   ", "\n", "\r\n", "\t", "\u3000", "\u00a0", "\x1c", "\x85", "\u200b",
]  # fmt: skip
RUNS = [" " * size for size in range(2, 25)]


def added(tokenizers, names, **flags):
    return [tokenizers.AddedToken(name, **{"normalized": False, **flags}) for name in names]


def roberta(tokenizers, model):
    """Ids of special tokens first, and a mask that takes the blanks before it."""
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    special = added(tokenizers, ("<s>", "<pad>", "</s>", "<unk>"), normalized=True)
    return [*special, *added(tokenizers, ("<mask>",), lstrip=True)], []


def opt(tokenizers, model):
    """A special token that is normalized, before each text."""
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.post_processor = tokenizers.processors.TemplateProcessing(
        single="</s> $A", pair="</s> $A </s> $B", special_tokens=[("</s>", 1)]
    )
    return added(tokenizers, ("<pad>", "</s>"), normalized=True), []


def phi4(tokenizers, model):
    """Tokens that take the blanks on both sides."""
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(CL100K), "removed", invert=True)
    plain = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, plain])
    names = (
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|im_sep|>",
        "<|dummy_1|>",
        "<|dummy_10|>",
        "<|fim|>",
    )
    return [], added(tokenizers, names, lstrip=True, rstrip=True, special=True)


def modernbert(tokenizers, model):
    """Runs of blanks that are tokens, not special, of normalized text."""
    model.normalizer = tokenizers.normalizers.NFC()
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain = ["|||IP_ADDRESS|||", "<|padding|>", *RUNS, "[unused0]", "\u00e9\u4e2d"]
    tokens = [
        *added(tokenizers, plain, normalized=True),
        *added(tokenizers, ("<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]"), special=True),
        *added(tokenizers, ("[MASK]",), lstrip=True, special=True),
        *added(tokenizers, ("word",), single_word=True, normalized=True),
    ]
    return [], tokens


def trained(tmp_path, shape):
    """The model of a shape, as both libraries have it, and the names of its tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.decoder = tokenizers.decoders.ByteLevel()
    first, later = shape(tokenizers, model)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=700, special_tokens=first, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    rng = random.Random(3)
    model.train_from_iterator(["".join(rng.choices(WORDS, k=30)) for _ in range(300)], trainer)
    for token in later:
        (model.add_special_tokens if token.special else model.add_tokens)([token])
    path = tmp_path / "tokenizer.json"
    model.save(str(path))
    return BPE.from_tokenizer_json(path), model, [token.content for token in (*first, *later)]


def random_text(rng, names):
    """Names beside blanks, letters, marks and each other, and beginnings of them."""
    pool = rng.choice([[*WORDS, *names], [*rng.sample(WORDS, 4), *rng.sample(names, 2), " ", "\n"], WORDS])
    parts = rng.choices(pool, k=rng.randrange(1, 14))
    if rng.random() < 0.2:
        name = rng.choice(names)
        parts.insert(rng.randrange(len(parts) + 1), name[: rng.randrange(len(name))])
    return "".join(parts)


@pytest.mark.parametrize("shape", [roberta, opt, phi4, modernbert])
def test_model_of_a_shape(backend, tmp_path, shape):
    bpe, theirs, names = trained(tmp_path, shape)
    core = core_of(backend, bpe)
    rng = random.Random(11)
    for _ in range(TEXTS):
        text = random_text(rng, names)
        assert_same(backend, core, theirs, rng, text)
    for text in ("", "a", f"{names[0]} the ", " the"):
        ids = core.encode_to_list(text, allowed_special="all", add_special_tokens=True)
        assert ids == theirs.encode(text).ids
