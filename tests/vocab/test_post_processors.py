"""Post-processors of ``tokenizer.json``: the special tokens around a text are those of ``tokenizers``."""

from __future__ import annotations

import json
import pickle
import random
from itertools import pairwise

import pytest

from streamcore import BPE
from streamcore.vocab.tokenizer_json import byte_alphabet

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SINGLE = {"type": "Split", "pattern": {"Regex": r"\d"}, "behavior": "Isolated", "invert": False}
PLAIN = BYTE_LEVEL | {"use_regex": False}
TEXTS = ["", "a", "Hello, world 12", "<s>", "a<s></s>", "\u00e9\U0001f600"]


def special(name, *ids):
    return {name: {"id": name, "ids": list(ids), "tokens": [name] * len(ids)}}


def token(name):
    return {"SpecialToken": {"id": name, "type_id": 0}}


def template(*single, special_tokens=None):
    return {
        "type": "TemplateProcessing",
        "single": [
            {"Sequence": {"id": "A", "type_id": 0}} if piece == "A" else token(piece) for piece in single
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": special("<s>", 256) | special("</s>", 257, 256)
        if special_tokens is None
        else special_tokens,
    }


ROBERTA = {
    "type": "RobertaProcessing", "sep": ["</s>", 257], "cls": ["<s>", 256],
    "trim_offsets": True, "add_prefix_space": False,
}  # fmt: skip
BERT = {"type": "BertProcessing", "sep": ["</s>", 257], "cls": ["<s>", 256]}
CASES = {
    "none": None,
    "byte level": BYTE_LEVEL,
    "llama": template("<s>", "A"),
    "both": template("<s>", "<s>", "A", "</s>"),
    "only after": template("A", "</s>"),
    "only the text": template("A"),
    "roberta": ROBERTA,
    "bert": BERT,
    "llama 3": {"type": "Sequence", "processors": [BYTE_LEVEL, template("<s>", "A")]},
    "one in another": {"type": "Sequence", "processors": [BERT, template("</s>", "A", "<s>")]},
}


def document(post_processor, **sections):
    added = [
        {"id": 256 + i, "content": name, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for i, name in enumerate(("<s>", "</s>"))
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": BYTE_LEVEL, "post_processor": post_processor, "decoder": BYTE_LEVEL,
        "model": {"type": "BPE", "vocab": byte_alphabet(), "merges": []},
    } | sections  # fmt: skip


def loaded(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    return BPE.from_tokenizer_json(path)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"normalizer": {"type": "NFC"}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [SINGLE, PLAIN]}},
    ],
    ids=["known", "nfc", "unknown"],
)
def test_tokens_around_a_text_are_those_of_tokenizers(backend, tmp_path, name, sections):
    tokenizers = pytest.importorskip("tokenizers")
    content = document(CASES[name], **sections)
    bpe = loaded(tmp_path, content)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(content))
    core = backend.BPECore(
        bpe.ranks, bpe.pattern, bpe.special_tokens,
        merges=bpe.merges, normalization=bpe.normalization, template=bpe.template,
    )  # fmt: skip
    rng = random.Random(name)
    wanted = [theirs.encode(text).ids for text in TEXTS]
    options = {"allowed_special": "all", "add_special_tokens": True}
    engine = backend.BPEEncoder(core, **options)
    for text, ids in zip(TEXTS, wanted, strict=True):
        assert core.encode_to_list(text, **options) == core.encode(text, **options).tolist() == ids
        assert (
            core.encode_to_list(text, allowed_special="all")
            == theirs.encode(text, add_special_tokens=False).ids
        )
        cut = rng.randrange(len(text) + 1)
        arrays = engine.feed(text[:cut]) + engine.feed(text[cut:]) + engine.finish()
        assert [number for array in arrays for number in array.tolist()] == ids
        engine.reset()
    ids, offsets = core.encode_many(TEXTS, **options)
    assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == wanted
    ids, offsets = core.encode_many([], **options)
    assert (ids.tolist(), offsets.tolist()) == ([], [0])


def test_first_tokens_come_with_the_first_fragment_and_the_last_only_at_an_end_without_error(
    backend, tmp_path
):
    bpe = loaded(tmp_path, document(ROBERTA))
    core = backend.BPECore(bpe.ranks, bpe.pattern, bpe.special_tokens, template=bpe.template)
    engine = backend.BPEEncoder(core, add_special_tokens=True)
    assert [ids.tolist() for ids in engine.feed("")] == [[256]]
    assert [ids.tolist() for ids in engine.finish()] == [[257]]
    engine.reset()
    ids = engine.feed("a b<s>c")
    with pytest.raises(ValueError, match="disallowed special token '<s>'"):
        engine.finish()
    assert [number for array in ids for number in array.tolist()] == [256, 97, 32, 98]


def test_stage_batch_and_pickle_keep_the_template(tmp_path):
    bpe = pickle.loads(pickle.dumps(loaded(tmp_path, document(ROBERTA))))
    stage = bpe.encoder(add_special_tokens=True)
    assert stage.invoke("ab").tolist() == [256, 97, 98, 257]
    for batch in (bpe.encode_batch(["a", ""], add_special_tokens=True), stage.encode_batch(["a", ""])):
        assert [each.tolist() for each in batch] == [[256, 97, 257], [256, 257]]


@pytest.mark.parametrize(
    ("post_processor", "message"),
    [
        ({"type": "Other"}, "post_processor: must be null or one of .*, got 'Other'"),
        (5, "post_processor: must be null or one of .*, got '5'"),
        (template("A", "A"), r"post_processor.single\[1\].Sequence: must be A, once"),
        (template("<s>"), "post_processor.single: must have the Sequence A"),
        (template("<x>", "A"), r"single\[0\].SpecialToken.id: '<x>' is not among the special_tokens"),
        (template("<s>", "A", special_tokens=special("<s>", -1)), r"ids\[0\]: an id must be from 0"),
        (
            template("<s>", "A", special_tokens=special("<s>", 999)),
            "has the id 999, which is not in the vocabulary",
        ),
        (template("<s>", "A", special_tokens=[]), "post_processor.special_tokens: must be an object"),
        (template("<s>", "A") | {"single": None}, "post_processor.single: must be an array, got null"),
        (template("<s>", "A") | {"single": [{}]}, r"single\[0\]: must be a SpecialToken or a Sequence"),
        (template("<s>", "A") | {"more": 1}, "post_processor.more: is not supported, got 1"),
        (ROBERTA | {"cls": ["<s>"]}, "post_processor.cls: must be a token and its id"),
        (ROBERTA | {"sep": ["</s>", "x"]}, r"post_processor.sep\[1\]: must be an integer, got 'x'"),
        ({"type": "Sequence", "processors": {}}, "post_processor.processors: must be an array"),
        ({"type": "Sequence", "processors": [{"type": "X"}]}, r"processors\[0\]: must be null or one of"),
    ],
)
def test_what_is_no_template_is_named(tmp_path, post_processor, message):
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path, document(post_processor))


@pytest.mark.parametrize(
    ("template", "error", "message"),
    [
        (([1],), TypeError, "template must be two sequences of ids"),
        ((["a"], []), TypeError, "template must be two sequences of ids"),
        (([], [300]), ValueError, "template has an id that is not in the vocabulary: 300"),
        (([10**5000], []), ValueError, "template has an id that is not in the vocabulary: an int of"),
    ],
)
def test_template_is_checked(backend, template, error, message):
    ranks = {bytes((value,)): value for value in range(256)}
    with pytest.raises(error, match=message):
        backend.BPECore(ranks, BPE.gpt2().pattern, template=template)
