"""Added tokens with flags: ids and text of ``tokenizers``, whole and over every cut, in both backends."""

from __future__ import annotations

import json
import os
import random
from itertools import pairwise

import pytest
from tokenizer_peers import assert_same, core_of

from streamcore import BPE
from streamcore.vocab.tokenizer_json import byte_alphabet

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
# names that are beginnings, ends and parts of each other, whitespace, and what normalizers change
NAMES = [
    "<m>", "<m", "m>", "A", "AA", "aB", "Ab", "a b", " ", "  ", "   ", "\n", " <m>", "<m> ", "_", "\u1ebf",
    "e\u0302\u0301", "\u0301", "\u4e2d", "\ufb01", "\u2581", "b\u00df", "\u0120q", "1", "<|x|>", "<|x|> <|x|>",
    "\u3000", "E\u0327",
]  # fmt: skip
PARTS = [
    *NAMES, "a", "b", "B", "e", "x", ".", "-", "\u0327", "\u00df", "\t", "\x1c", "\x85", "\u0345", "fi", "12", "'s",
    "\U0001f600", "<", ">", "|",
]  # fmt: skip
NORMALIZERS = [
    None, None, {"type": "NFC"}, {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Prepend", "prepend": "\u2581"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}, {"type": "StripAccents"},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
]  # fmt: skip


def added(tokens, first=256):
    return [
        {"id": first + i, "content": name, **{flag: flag in flags for flag in FLAGS}}
        for i, (name, flags) in enumerate(tokens)
    ]


def document(tokens, normalizer=None, **sections):
    vocab = byte_alphabet()
    entries = added(tokens)
    following = len(vocab)
    for entry in entries:  # as tokenizers numbers them
        entry["id"] = vocab.get(entry["content"], following)
        following += entry["content"] not in vocab
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": entries, "normalizer": normalizer,
        "pre_tokenizer": BYTE_LEVEL, "post_processor": None, "decoder": BYTE_LEVEL,
        "model": {"type": "BPE", "vocab": vocab, "merges": []}, **sections,
    }  # fmt: skip


def loaded(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    return BPE.from_tokenizer_json(path)


def test_random_tokens_with_random_flags_in_random_texts(backend, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("regex")
    rng = random.Random(5)
    done = 0
    while done < int(120 * SCALE):
        names = rng.sample(NAMES, rng.randrange(1, 7))
        tokens = [(name, [flag for flag in FLAGS if rng.random() < rng.choice((0.2, 0.5))]) for name in names]
        content = document(tokens, rng.choice(NORMALIZERS))
        try:
            bpe = loaded(tmp_path, content)
        except ValueError as error:
            if "is normalized to" not in str(error):
                raise
            continue
        done += 1
        core, theirs = core_of(backend, bpe), tokenizers.Tokenizer.from_str(json.dumps(content))
        for _ in range(25):
            parts = rng.choice([PARTS, [*names, " ", "a"], rng.sample(PARTS, 3) + names])
            assert_same(backend, core, theirs, rng, "".join(rng.choices(parts, k=rng.randrange(10))))
        ids, offsets = core.encode_many(["a<m> ", "<m>"], 2, allowed_special="all")
        wanted = [core.encode_to_list(text, allowed_special="all") for text in ("a<m> ", "<m>")]
        assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == wanted
        assert core.count("a<m> ", allowed_special="all") == len(wanted[0])
