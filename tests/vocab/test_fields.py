"""Every field of a ``tokenizer.json``: what it holds means what it means to ``tokenizers``, or it is refused."""

from __future__ import annotations

import copy
import json

import pytest

from streamcore import BPE
from streamcore.vocab.tokenizer_json import byte_alphabet

TEXTS = ["", "Hello,  <s> 12 world's  <mask>b", "E\u0301<s>\u00e9 \ufb01 \u4e2d", " ab12  ab", "<mask> <s>x"]
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPLIT = {"type": "Split", "pattern": {"Regex": "b+"}, "behavior": "Isolated", "invert": False}
REPLACE = {"type": "Replace", "pattern": {"String": "l"}, "content": "L"}
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [258], "tokens": ["<s>"]}},
}
ROBERTA = {
    "type": "RobertaProcessing", "sep": ["<mask>", 259], "cls": ["<s>", 258], "trim_offsets": True,
    "add_prefix_space": False,
}  # fmt: skip


def document():
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    digits = [{"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"}]
    strip = {"type": "Strip", "strip_left": False, "strip_right": False}
    return copy.deepcopy({
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 258, "content": "<s>", **flags}, {"id": 259, "content": "<mask>", **flags}],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, strip, REPLACE, {"type": "Prepend", "prepend": "_"},
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, *digits, LEVEL]},
        "post_processor": {"type": "Sequence", "processors": [copy.deepcopy(TEMPLATE), {**LEVEL}]},
        "decoder": {"type": "Sequence", "decoders": [{**LEVEL}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {**byte_alphabet(), "ab": 256, "he": 257}, "merges": [["a", "b"], ["h", "e"]],
        },
    })  # fmt: skip


ODD = (3, "no", [], {})
FLAG = ([True, False], [0, "true", [], {}])
NORMALIZER = ("normalizer", "normalizers")
PRE = ("pre_tokenizer", "pretokenizers")
POST = ("post_processor", "processors")
# of each place: what it may hold, and what it may not
FIELDS = {
    ("version",): (["1.0"], ["2.0", 1.0, [], {}]),
    ("truncation",): ([None, {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0}], []),
    ("padding",): ([None], []),
    ("other",): ([], [None, 1]),
    ("added_tokens",): ([], [{}, "a", 1]),
    ("added_tokens", 0): ([], ODD),
    ("added_tokens", 0, "id"): ([258], [259, 97, 300, -1, None, "258", 1.0, True, 2**40]),
    ("added_tokens", 0, "content"): (["<s>", "<s", " "], ["w", "<mask>", "", None, 1, "\ud800", "\u00e9"]),
    ("added_tokens", 0, "other"): ([], [None, False]),
    **{("added_tokens", 0, flag): FLAG for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")},
    ("normalizer",): (
        [None, *[{"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt")]],
        [*ODD, {"type": "BertNormalizer"}, {"type": "Precompiled"}, {"type": "ByteLevel"}, {"type": None}],
    ),
    (*NORMALIZER,): ([[]], [None, 1, {}, "NFC", [None], [{"type": "NFX"}], [REPLACE] * 33]),
    (*NORMALIZER, 0, "other"): ([], [None, 1]),
    (*NORMALIZER, 1, "strip_left"): ([True, False], [None, 0, "true"]),
    (*NORMALIZER, 1, "strip_right"): ([True, False], [None, 0, "true"]),
    (*NORMALIZER, 2, "pattern"): (
        [{"String": "l"}, {"Regex": "\\s+"}, {"Regex": "l|E"}, {"Regex": "[ab]{2,}"}],
        [None, {}, "l", {"String": ""}, {"String": 1}, {"Regex": "^a"}, {"Regex": "a*"}, {"Regex": "("},
         {"String": "a", "Regex": "a"}, {"Glob": "a"}],
    ),
    (*NORMALIZER, 2, "content"): (["", "\\1", "xy"], [None, 1, "\udc00"]),
    (*NORMALIZER, 3, "prepend"): (["_", "\u2581 "], ["", None, 1, "\udc00"]),
    ("pre_tokenizer",): ([LEVEL, None], [*ODD, {"type": "BertPreTokenizer"}, {"type": "Metaspace"}]),
    (*PRE,): ([[LEVEL], [], [SPLIT]], [None, {}, [LEVEL, LEVEL], [LEVEL, None]]),
    (*PRE, 0, "pattern"): ([{"String": "l"}, {"Regex": "\\d"}], [None, {}, "l", {"String": ""}, {"Regex": "$"}]),
    (*PRE, 0, "behavior"): (
        ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"], [None, "isolated", 1, "Other"],
    ),
    (*PRE, 0, "invert"): FLAG,
    (*PRE, 0, "other"): ([], [None, 1]),
    (*PRE, 1, "individual_digits"): FLAG,
    (*PRE, 2, "behavior"): (["Removed", "Contiguous"], ["isolated", 1]),
    (*PRE, 3, "add_prefix_space"): FLAG,
    (*PRE, 3, "use_regex"): FLAG,
    (*PRE, 3, "trim_offsets"): FLAG,
    (*PRE, 3, "other"): ([], [None, 1]),
    ("post_processor",): (
        [None, LEVEL, ROBERTA, {"type": "BertProcessing", "sep": ["<s>", 258], "cls": ["<s>", 258]}],
        [*ODD, {"type": "Other"}, {**ROBERTA, "sep": None}, {**ROBERTA, "cls": ["<s>"]}, {**ROBERTA, "sep": [1, 1]},
         {**ROBERTA, "sep": ["<s>", 999]}, {**ROBERTA, "other": 1}, {**ROBERTA, "trim_offsets": 1}],
    ),
    (*POST,): ([[]], [None, 1, {}, [None]]),
    (*POST, 0, "single"): (
        [["A", "<s>", "<s>"], ["A"]],
        [None, {}, [], ["<s>"], ["A", "A"], ["B"], ["A", "<x>"], ["A", {}], ["A", {"Other": {}}]],
    ),
    (*POST, 0, "single", 0, "SpecialToken", "id"): (["<s>"], [None, 1, "<mask>"]),
    (*POST, 0, "single", 0, "SpecialToken", "type_id"): ([0, 1], ["0", []]),
    (*POST, 0, "single", 0, "SpecialToken", "other"): ([], [None, 1]),
    (*POST, 0, "pair"): ([["A", "<s>", "B"]], [1, {}, ["<x>"], [1]]),
    (*POST, 0, "special_tokens", "<s>"): (
        [{"id": "<s>", "ids": [258, 259], "tokens": ["<s>", "<mask>"]}],
        [None, 1, {}, {"id": "<s>", "ids": ["a"], "tokens": []}, {"id": "<s>", "ids": [258], "other": 1}],
    ),
    (*POST, 0, "other"): ([], [None, 1]),
    (*POST, 1, "trim_offsets"): FLAG,
    ("decoder",): ([None, LEVEL], [*ODD, {"type": "WordPiece"}]),
    ("decoder", "decoders"): ([], [None, 1, [None], [{"type": "CTC"}]]),
    ("decoder", "decoders", 0, "other"): ([], [None, 1]),
    ("model",): ([], [None, *ODD]),
    ("model", "type"): (["BPE"], ["WordPiece", "Unigram", "WordLevel", "bpe", 1]),
    ("model", "dropout"): ([None, 0.0], [0.1, 1, True, "0", []]),
    ("model", "unk_token"): ([None, "ab"], [0, [], False]),
    ("model", "fuse_unk"): ([None, False, True], [0, "true"]),
    ("model", "byte_fallback"): ([None, False, True], [0, "true"]),
    ("model", "continuing_subword_prefix"): ([None], [0, [], False]),
    ("model", "end_of_word_suffix"): ([None, "", "</w>"], [0, [], False]),
    ("model", "ignore_merges"): ([None, False, True], [0, "true"]),
    ("model", "vocab"): ([], [None, [], {}, "a"]),
    ("model", "vocab", "a"): ([97], [98, None, "97", 97.0, -1, 2**32]),
    ("model", "merges"): ([[], ["a b"], ["h e", "a b"], [["h", "e"]]], [None, {}, ["ab"], [["a"]], ["a c"], [1]]),
    ("model", "other"): ([], [None, 1]),
}  # fmt: skip


def piece(short):
    if not isinstance(short, str):
        return short
    kind = "Sequence" if short in ("A", "B") else "SpecialToken"
    return {kind: {"id": short, "type_id": 0}}


def with_value(path, value):
    content = document()
    holder = content
    for step in path[:-1]:
        holder = holder[step]
    if path[-1] in ("single", "pair") and isinstance(value, list):
        value = [piece(short) for short in value]
    holder[path[-1]] = copy.deepcopy(value)
    return json.dumps(content)


def name_of(path):
    made = ""
    for step in path:
        made += f"[{step}]" if isinstance(step, int) else f".{step}" if step.isidentifier() else f"[{step!r}]"
    return made.lstrip(".")


@pytest.mark.parametrize("path", FIELDS, ids=name_of)
def test_field(tmp_path, path):
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("regex")
    file = tmp_path / "tokenizer.json"
    good, bad = FIELDS[path]
    for value in good:
        file.write_text(with_value(path, value), "utf-8")
        bpe, theirs = BPE.from_tokenizer_json(file), tokenizers.Tokenizer.from_file(str(file))
        theirs.no_truncation()
        for text in TEXTS:
            wanted = theirs.encode(text).ids
            assert bpe.encode_to_list(text, allowed_special="all", add_special_tokens=True) == wanted, (
                value,
                text,
            )
            for skip in (False, True):
                expected = theirs.decode(wanted, skip_special_tokens=skip)
                assert bpe.decode(wanted, skip_special_tokens=skip) == expected, (value, text)
    for value in bad:
        file.write_text(with_value(path, value), "utf-8")
        with pytest.raises(ValueError, match=", ") as caught:
            BPE.from_tokenizer_json(file)
        place = str(caught.value).removeprefix(f"{file}, ")
        # where a value only clashes with another one, the message may name that one
        clash = (
            "model.vocab",
            "added_tokens[1]: ",
            "normalizer: has 33",
            "post_processor: has the id",
            "pre_tokenizer",
            "model.merges",
            "post_processor.processors[0]",
        )
        assert place.startswith((name_of(path), *clash)), (value, place)


def test_every_field_of_the_document_has_its_row():
    fields = set()

    def walk(value):
        if isinstance(value, dict):
            fields.update(key for key in value if len(key) > 2)
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(child)

    walk({**document(), "model": {**document()["model"], "vocab": {}}})
    rows = {path[-1] for path in FIELDS} | {path[-2] for path in FIELDS if len(path) > 1}
    # the others are in rows of what holds them
    assert fields - rows == {"Sequence", "String", "Regex", "ids", "tokens"}
