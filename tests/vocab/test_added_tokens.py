"""Added tokens with flags: ids and text of ``tokenizers``, whole and over every cut, in both backends."""

from __future__ import annotations

import json
import os
import pickle
import random
from itertools import pairwise

import pytest
from tokenizer_peers import assert_same, core_of, streamed

from streamcore import BPE, ItemTooLarge
from streamcore.vocab.encodings import GPT2
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


# ---- without the peer


def small(backend, tokens, flags, **options):
    ranks = {bytes((value,)): value for value in range(256)}
    return backend.BPECore(ranks, GPT2, tokens, token_flags=flags, **options)


FLAGGED = (
    {"<mask>": 300, "  ": 301, "ab": 302, "abab": 303},
    {"<mask>": ["lstrip", "rstrip"], "  ": ["normalized", "rstrip"], "ab": ["single_word"]},
)


@pytest.mark.parametrize("part", [" ", "<mask> ", "<mas", "ab", "xab ", "\t<mask>"])
def test_time_and_memory_of_a_long_run_are_those_of_its_length(backend, part):
    core = small(backend, *FLAGGED)
    text = part * (20_000 // len(part))
    wanted = core.encode_to_list(text, allowed_special="all")
    assert streamed(backend, core, (text[i : i + 7] for i in range(0, len(text), 7))) == wanted
    # what would need a look at all that is held for each fragment does not end with this many
    blanks = " " * 1_000_000
    engine = backend.BPEEncoder(core, allowed_special="all")
    assert engine.feed(blanks) == engine.feed(blanks) == []
    arrays = engine.feed("<mask>") + engine.finish()
    assert [number for ids in arrays for number in ids.tolist()] == [300]


def test_surrogates_and_bytes_in_pieces(backend):
    core = small(backend, *FLAGGED)
    for text in ("a \ud83d\ude00 <mask>\ud800 ab", "ab\ud800", "\udc00ab<mask>"):
        assert streamed(backend, core, list(text)) == core.encode_to_list(text, allowed_special="all")
    data = "\u00e9 <mask>\u4e2d ab\u3000<mask>\u3000".encode()
    cut = [data[i : i + 1] for i in range(len(data))]
    assert streamed(backend, core, cut) == core.encode_to_list(data, allowed_special="all")


def test_what_is_disallowed_is_found_where_normalization_makes_it(backend):
    core = small(backend, {"FOO": 300, "<e>": 301}, {"FOO": ["normalized"]}, normalization="Lowercase")
    for text in ("x foo", "FoO", "x FOO", "a<e>"):
        with pytest.raises(ValueError, match="text holds the disallowed special token"):
            core.encode(text)
        engine = backend.BPEEncoder(core)
        with pytest.raises(ValueError, match="text holds the disallowed special token"):
            for char in text:
                engine.feed(char)
            engine.finish()
        assert 300 not in core.encode_to_list(text, disallowed_special=())
    assert core.encode_to_list("a Foo<e>", allowed_special="all") == [97, 32, 300, 301]
    assert core.decode([300]) == "foo"
    copy = pickle.loads(pickle.dumps(core))
    assert copy.token_flags == core.token_flags == {"FOO": ("normalized",)}
    assert copy.encode_to_list("a Foo", allowed_special="all") == [97, 32, 300]


def test_held_whitespace_is_bounded_and_no_id_waits_for_more_than_it_must(backend):
    core = small(backend, *FLAGGED)
    engine = backend.BPEEncoder(core, allowed_special="all", max_size=100)
    engine.feed("a")
    engine.feed("\t" * 99)
    with pytest.raises(ItemTooLarge, match="item at offset 1 "):
        engine.feed("\t" * 2)
        engine.feed("")
    engine = backend.BPEEncoder(core, allowed_special="all")
    assert [ids.tolist() for ids in engine.feed("<mask>")] == [[300]]
    assert engine.feed("ab") == []  # another letter may follow
    assert next(ids.tolist() for ids in engine.feed("."))[0] == 302


def test_what_is_always_found(backend):
    """Whatever is allowed; only its own name in ``disallowed_special`` is against it."""
    names = {"<t>": 300, "<e>": 301}
    core = small(backend, names, {"<t>": ["always"]})
    assert core.encode_to_list("<t><t>") == core.encode_many(["<t><t>"])[0].tolist() == [300, 300]
    for options in (
        {"disallowed_special": ()},
        {"allowed_special": {"<e>"}},
        {"disallowed_special": {"<e>"}},
    ):
        assert core.encode_to_list("a<t>", **options)[-1] == 300
        engine = backend.BPEEncoder(core, **options)
        ids = [*engine.feed("a<"), *engine.feed("t>"), *engine.finish()]
        assert [number for array in ids for number in array.tolist()] == core.encode_to_list(
            "a<t>", **options
        )
        assert core.count("a<t>", **options) == 2
    assert 300 not in core.encode_ordinary_to_list("<t>")
    for text, options in (("<t><e>", {}), ("<t>", {"disallowed_special": {"<t>"}})):
        with pytest.raises(ValueError, match="disallowed special token"):
            core.encode_to_list(text, **options)
        with pytest.raises(ValueError, match="disallowed special token"):
            core.encode_many([text], **options)
        engine = backend.BPEEncoder(core, **options)
        with pytest.raises(ValueError, match="disallowed special token"):
            [*engine.feed(text), *engine.finish(), *engine.feed("")]
    every = small(backend, names, {name: ["always"] for name in names})
    assert every.encode_to_list("<e><t>") == [301, 300]


def test_flags_are_checked(backend):
    for flags, error, message in [
        ({"a": ["lstrip"]}, ValueError, "token_flags has 'a', which is not among the special tokens"),
        ({"<e>": "lstrip"}, TypeError, "token_flags of '<e>' must be a collection of flags, not str"),
        (
            {"<e>": ["left"]},
            ValueError,
            "must be of lstrip, rstrip, single_word, normalized, always, got 'left'",
        ),
        ({"<e>": 3}, TypeError, "must be a collection of flags, not int"),
    ]:
        with pytest.raises(error, match=message):
            small(backend, {"<e>": 300}, flags)
    with pytest.raises(ValueError, match="special tokens 'A' and 'a' are normalized to the same text"):
        small(
            backend,
            {"A": 300, "a": 301},
            {"A": ["normalized"], "a": ["normalized"]},
            normalization="Lowercase",
        )
    with pytest.raises(ValueError, match="special token '  ' is normalized to nothing"):
        small(backend, {"  ": 300}, {"  ": ["normalized"]}, normalization=[("Strip", True, True)])
    with pytest.raises(ValueError, match="the tokenizer leaves out or adds text"):
        small(backend, *FLAGGED).truncate("a", 1)
