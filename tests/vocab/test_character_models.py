"""Models whose symbols are characters (Llama 2, Mistral, Gemma, CLIP): ids and text of ``tokenizers``, streamed too."""

from __future__ import annotations

import json
import os
import random
from functools import cache

import pytest

from streamcore import BPE, ItemTooLarge
from streamcore._shared.symbols import Symbols
from streamcore.vocab.tokenizer_json import load_tokenizer_json

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
BYTES = [f"<0x{value:02X}>" for value in range(256)]
# fmt: off
PARTS = [
    "a", "b", "the", "ing", "S", "'s", "HTML", "1", "22", "333", ".", ",", "//", "!", "_", "zq", "xj",
    "\u4e2d", "\u6587", "e\u0301", "\u00e9", "\u0301", "\u00fc", "\U0001f600", "\U0001f601", "\u4e00", "\u3042\u3043",
    "\x01",
    " ", " ", "  ", "   ", "\n", "\r\n", "\t", "\u3000", "\u00a0", "\u2581", "<0x41>", "<unk>", "\ufffd", "</w>", "##",
]
# fmt: on
TRAINED = PARTS[:19] + PARTS[28:34]


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}


def replace(text, by):
    return {"type": "Replace", "pattern": {"String": text}, "content": by}


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


BLANKS = replace(" ", "\u2581")
LLAMA_DECODER = sequence(
    "decoders",
    replace("\u2581", " "),
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
)
ALL_BYTES = {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}
CLIP_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
SHAPES = {
    "llama 2": {
        "model": ALL_BYTES,
        "normalizer": sequence("normalizers", {"type": "Prepend", "prepend": "\u2581"}, BLANKS),
        "decoder": LLAMA_DECODER,
    },
    "mistral": {"model": ALL_BYTES, "pre_tokenizer": metaspace("first", False), "decoder": LLAMA_DECODER},
    "gemma": {
        "model": ALL_BYTES,
        "normalizer": sequence("normalizers", BLANKS),
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "decoder": sequence("decoders", *LLAMA_DECODER["decoders"][:3]),
    },
    "metaspace, split": {
        "model": ALL_BYTES,
        "pre_tokenizer": metaspace("always", True),
        "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    },
    "unknown": {"model": {"unk_token": "<unk>"}, "normalizer": sequence("normalizers", BLANKS)},
    "unknown, fused": {
        "model": {"unk_token": "<unk>", "fuse_unk": True},
        "pre_tokenizer": metaspace("never", False),
    },
    "unknown, fused in pieces": {
        "model": {"unk_token": "<unk>", "fuse_unk": True},
        "pre_tokenizer": {"type": "Whitespace"},
    },
    "nothing for what is unknown": {"pre_tokenizer": metaspace("first", True)},
    "some bytes": {
        "model": ALL_BYTES,
        "bytes": BYTES[0x80:],
        "normalizer": sequence("normalizers", BLANKS),
    },
    "some bytes, not fused": {"model": {**ALL_BYTES, "fuse_unk": False}, "bytes": BYTES[0x60:0xE1:2]},
    "clip": {
        "model": {"unk_token": "<unk>", "end_of_word_suffix": "</w>"},
        "pre_tokenizer": sequence(
            "pretokenizers",
            {"type": "Split", "pattern": {"Regex": CLIP_SPLIT}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ),
        "decoder": {"type": "BPEDecoder", "suffix": "</w>"},
    },
    "a suffix of characters": {
        "model": {"unk_token": "<unk>", "end_of_word_suffix": "</w>"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "decoder": {"type": "BPEDecoder", "suffix": "</w>"},
    },
    "a suffix and bytes": {
        "model": {**ALL_BYTES, "end_of_word_suffix": "</w>"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "decoder": LLAMA_DECODER,
    },
    "a prefix": {
        "model": {"unk_token": "<unk>", "continuing_subword_prefix": "##"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
    },
    "whole pieces": {
        "model": {**ALL_BYTES, "ignore_merges": True},
        "pre_tokenizer": metaspace("always", True),
    },
}
SLOW = {"nothing for what is unknown", "some bytes", "some bytes, not fused", "a prefix"}


@cache
def trained(shape):
    """What ``tokenizers`` trains in this shape, as text."""
    tokenizers = pytest.importorskip("tokenizers")
    given = SHAPES[shape]
    model = given.get("model", {})
    affixes = {key: model[key] for key in ("continuing_subword_prefix", "end_of_word_suffix") if key in model}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=model.get("unk_token"), **affixes))
    empty = json.loads(made.to_str())
    sections = {key: given.get(key) for key in ("normalizer", "pre_tokenizer")}
    made = tokenizers.Tokenizer.from_str(json.dumps(empty | sections))
    special = (["<unk>"] if model.get("unk_token") else []) + ["<s>", "<t>"]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False, max_token_length=16, **affixes
    )
    if shape == "clip":
        trainer.initial_alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    rng = random.Random(1)
    made.train_from_iterator(["".join(rng.choices(TRAINED, k=12)) for _ in range(300)], trainer)
    content = json.loads(made.to_str())
    vocab = content["model"]["vocab"]
    if model.get("byte_fallback"):
        for token in given.get("bytes", BYTES):
            vocab.setdefault(token, len(vocab))
    content["model"] |= {"fuse_unk": False, "byte_fallback": False, **model}
    content["decoder"] = given.get("decoder")
    return json.dumps(content)


def both(backend, tmp_path, content):
    """The file as a core of the backend, and as ``tokenizers`` reads it."""
    tokenizers = pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    path.write_text(content, "utf-8")
    return core_of(backend, path), tokenizers.Tokenizer.from_file(str(path))


def core_of(backend, path):
    made = load_tokenizer_json(path)._asdict()
    made.pop("source")
    return backend.BPECore(made.pop("ranks"), made.pop("pattern"), made.pop("special_tokens"), **made)


def streamed(backend, core, text, rng, data=False):
    engine = backend.BPEEncoder(core, allowed_special="all")
    text = text.encode() if data else text
    out, at = [], 0
    while at < len(text):
        size = rng.choice([1, 1, 2, 3, 9])
        out += engine.feed(text[at : at + size])
        at += size
    return [number for ids in out + engine.finish() for number in ids.tolist()]


def texts_of(seed, count):
    rng = random.Random(seed)
    for _ in range(count):
        parts = rng.choice([PARTS, TRAINED, rng.sample(PARTS, 3), [*rng.sample(PARTS, 8), "<s>"]])
        yield "".join(rng.choices(parts, k=rng.randrange(1, 16)))


@pytest.mark.parametrize("shape", SHAPES)
def test_ids_and_text_are_those_of_tokenizers(backend, tmp_path, shape):
    core, theirs = both(backend, tmp_path, trained(shape))
    assert (core._plan.slow is not None) == (shape in SLOW)
    rng = random.Random(2)
    texts = ["", " ", "  ", "<s>", "a<s>", "<s> a", "<s><s>", "\x01\x02", *texts_of(3, int(350 * SCALE))]
    for text, theirs_ in zip(texts, theirs.encode_batch(texts, add_special_tokens=False), strict=True):
        wanted = theirs_.ids
        assert core.encode_to_list(text, allowed_special="all") == wanted, ascii(text)
        if rng.random() < 0.4:
            assert streamed(backend, core, text, rng, rng.random() < 0.5) == wanted, ascii(text)
        if rng.random() < 0.3:
            assert core.decode(wanted) == theirs.decode(wanted, skip_special_tokens=False)
            assert core.decode(wanted, skip_special_tokens=True) == theirs.decode(wanted)
            engine = backend.BPEDecoder(core)
            assert "".join([t for i in wanted for t in engine.feed(i)] + engine.finish()) == core.decode(
                wanted
            )
            assert core.count(text, allowed_special="all") == len(wanted)


@pytest.mark.parametrize("shape", ["llama 2", "mistral", "gemma", "unknown, fused", "clip", "some bytes"])
def test_long_runs(backend, tmp_path, shape):
    core, theirs = both(backend, tmp_path, trained(shape))
    size = int(3_000 * SCALE)
    rng = random.Random(4)
    for run in ("a", " ", "\U0001f600", "\u4e2d", "\x01", "the ing ", "\u3042a", "a\U0001f600"):
        text = run * (size // len(run))
        wanted = theirs.encode(text, add_special_tokens=False).ids
        assert core.encode_to_list(text) == wanted
        engine = backend.BPEEncoder(core)
        cuts = [text[i : i + 97] for i in range(0, len(text), 97)]
        assert [i for cut in cuts for ids in engine.feed(cut) for i in ids.tolist()] + [
            i for ids in engine.finish() for i in ids.tolist()
        ] == wanted
        assert (
            streamed(backend, core, text[:200], rng)
            == theirs.encode(text[:200], add_special_tokens=False).ids
        )


@pytest.mark.parametrize("shape", ["llama 2", "mistral", "gemma", "unknown, fused", "metaspace, split"])
def test_ids_come_early(backend, tmp_path, shape):
    core, _ = both(backend, tmp_path, trained(shape))
    engine = backend.BPEEncoder(core, max_size=200)
    rng = random.Random(5)
    early = [len(ids) for _ in range(400) for ids in engine.feed("".join(rng.choices(TRAINED, k=3)))]
    assert sum(early) > 300
    engine.finish()


def test_the_slow_way_holds_text_within_its_bound(backend, tmp_path):
    core, _ = both(backend, tmp_path, trained("some bytes"))
    engine = backend.BPEEncoder(core, max_size=20)
    assert engine.feed("a" * 20) == []
    with pytest.raises(ItemTooLarge):
        engine.feed("a")


@pytest.mark.parametrize("seed", range(int(20 * SCALE)))
def test_random_small_models(backend, tmp_path, seed):
    """Merges in any order, of byte tokens, of the unknown token, of tokens that nothing makes; few tokens or one."""
    rng = random.Random(seed)
    chars = rng.sample(
        ["a", "b", "c", "\u00e9", "\u4e2d", "\U0001f600", "\u2581", "<", "0"], rng.randrange(1, 9)
    )
    tokens = dict.fromkeys(chars)
    options = {"fuse_unk": rng.random() < 0.5, "byte_fallback": rng.random() < 0.5, "unk_token": None}
    if options["byte_fallback"]:
        tokens.update(dict.fromkeys(BYTES if rng.random() < 0.7 else rng.sample(BYTES, 200)))
    if rng.random() < 0.7:
        options["unk_token"] = rng.choice(["<unk>", "<unk>", chars[0]])
        tokens[options["unk_token"]] = None
    merges = []
    for _ in range(rng.randrange(40)):
        pool = list(tokens) if rng.random() < 0.1 else [token for token in tokens if token not in BYTES]
        left, right = rng.choice(pool), rng.choice(pool)
        if len(left + right) < 14:
            tokens[left + right] = None
            merges.append([left, right])
    rng.shuffle(merges)
    numbers = rng.sample(range(len(tokens)), len(tokens))
    options["ignore_merges"] = rng.random() < 0.2
    model = {"type": "BPE", "vocab": dict(zip(tokens, numbers, strict=True)), "merges": merges, **options}
    empty = dict.fromkeys(
        ("truncation", "padding", "post_processor", "decoder", "pre_tokenizer", "normalizer")
    )
    if rng.random() < 0.5:
        empty["pre_tokenizer"] = metaspace(rng.choice(["first", "always", "never"]), rng.random() < 0.5)
    content = {"version": "1.0", "added_tokens": [], "model": model, **empty}
    core, theirs = both(backend, tmp_path, json.dumps(content))
    letters = [*chars, "a", " ", "\u4e00", "\U0001f601", "<0x41>", "z"]
    for _ in range(40):
        text = "".join(rng.choices(letters, k=rng.randrange(1, 14)))
        wanted = theirs.encode(text, add_special_tokens=False).ids
        assert core.encode_to_list(text) == wanted, (ascii(text), content)
        assert streamed(backend, core, text, rng) == wanted, (ascii(text), content)


def test_surrogates_and_bad_bytes(backend, tmp_path):
    core, theirs = both(backend, tmp_path, trained("llama 2"))
    assert core.encode_to_list("a\ud83d\ude00b\ud800") == theirs.encode("a\U0001f600b\ufffd").ids
    assert core.encode_to_list(b"a\xffb") == theirs.encode("a\ufffdb").ids
    engine = backend.BPEEncoder(core)
    ids = engine.feed("a\ud83d") + engine.feed("\ude00b\ud800") + engine.finish()
    assert [number for part in ids for number in part.tolist()] == theirs.encode("a\U0001f600b\ufffd").ids


def test_a_bpe_of_characters_is_a_bpe(tmp_path):
    import pickle

    path = tmp_path / "tokenizer.json"
    path.write_text(trained("llama 2"), "utf-8")
    bpe = BPE.from_tokenizer_json(path)
    text = "the ing \u4e2d \U0001f601"
    ids = bpe.encode_to_list(text)
    assert bpe.decode(ids) == bpe.decoder().invoke(ids) == text
    assert bpe.encoder().invoke(text).tolist() == ids
    assert [part.tolist() for part in bpe.encode_batch([text, "", text], threads=2)] == [ids, [], ids]
    assert bpe.count_until(text, len(ids)) == len(ids)
    assert bpe.count_until(text, len(ids) - 1) is None
    again = pickle.loads(pickle.dumps(bpe))
    assert again.encode_to_list(text) == ids
    assert again.ranks == bpe.ranks
    assert bpe.ranks[b"<0x41>"] == json.loads(trained("llama 2"))["model"]["vocab"]["<0x41>"]
    for call in (bpe.offsets, lambda text: bpe.truncate(text, 2)):
        with pytest.raises(ValueError, match="no places in the text"):
            call(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unk_token": "<no>", "byte_fallback": False}, "model.unk_token: '<no>' is not in the vocabulary"),
        ({"vocab": {}, "merges": []}, "model.vocab: has no token"),
        ({"merges": [["a", "\u4e00"]]}, r"model.merges\[0\]: b'\\xe4\\xb8\\x80' is not in the vocabulary"),
        ({"fuse_unk": 1}, "model.fuse_unk: must be true or false, got 1"),
        ({"dropout": 0.5}, "model.dropout: is not supported, got 0.5"),
        ({"vocab": {"\ud800": 999}, "merges": []}, "model.vocab: the token .* has half a pair of surrogates"),
    ],
)
def test_bad_models_are_refused(tmp_path, change, message):
    content = json.loads(trained("llama 2"))
    content["model"] |= change
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match=message):
        load_tokenizer_json(path)


@pytest.mark.parametrize(
    ("symbols", "error"),
    [
        (5, TypeError),
        ((b"a",), TypeError),
        (Symbols(unknown="a"), TypeError),
        (Symbols(space=("ab", "always", True)), ValueError),
        (Symbols(space=("a", "odd", True)), ValueError),
        (Symbols(unknown=b"none"), ValueError),
    ],
)
def test_a_core_checks_its_symbols(backend, symbols, error):
    with pytest.raises(error, match=r"symbols|unknown token"):
        backend.BPECore({b"a": 0}, [("",)], merges=[], symbols=symbols)
