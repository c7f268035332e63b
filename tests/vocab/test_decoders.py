"""The section ``decoder``: text equal to that of ``tokenizers``, for every cut of the ids."""

from __future__ import annotations

import json
import os
import random

import pytest

from streamcore import BPE, InvalidEncoding
from streamcore._shared.text_decoders import Decoding
from streamcore.vocab.decoders import decoder_steps
from streamcore.vocab.encodings import R50K
from streamcore.vocab.reading import Part

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
# fmt: off
TOKENS = [
    "▁", "a", "▁a", "b▁", "▁▁", "</w>", "a</w>", "</w></w>b", "é", "Ġ", " ", "  ", " a ", "<0x41>", "<0xE4>", "<0xB8>",
    "<0xAD>", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "<0xed>", "<0xA0>", "<0x+F>", "<0xZZ>", "\ufffd", "<", "0x4",
    "1>", "aba", "ab", "Ã", "©", "ĠÃ", "中", "<0x", "<0xC3>", "<0xA9>", "<0xEF>", "<0xBF>", "<0xBD>",
]
# fmt: on
STEPS = [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "Replace", "pattern": {"String": "ab"}, "content": "b"},
    {"type": "Replace", "pattern": {"String": "aa"}, "content": "a<0x"},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    {"type": "Strip", "content": "a", "start": 2, "stop": 0},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": False},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "BPEDecoder", "suffix": "a"},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
]
LLAMA = [STEPS[0], STEPS[3], STEPS[4], STEPS[5]]


def sequence(steps):
    return {"type": "Sequence", "decoders": steps}


def steps_of(section):
    return decoder_steps(Part("f", "decoder", section))


def core_of(backend, section, tokens=TOKENS, special=None):
    """A core that decodes these tokens, behind 256 bytes that no core does without."""
    ranks = {bytes((value,)): 1000 + value for value in range(256)}
    names = {token: number for number, token in enumerate(tokens)} | (special or {})
    return backend.BPECore(ranks, R50K, names, decoding=Decoding(steps_of(section), False, range_of(tokens)))


def range_of(tokens):
    return tuple(range(len(tokens)))


def theirs_of(section, tokens=TOKENS):
    tokenizers = pytest.importorskip("tokenizers")
    vocab = {token: number for number, token in enumerate(tokens)}
    model = {"type": "BPE", "vocab": vocab, "merges": []}
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor"))
    content = {"version": "1.0", **empty, "added_tokens": [], "decoder": section, "model": model}
    return tokenizers.Tokenizer.from_str(json.dumps(content))


def streamed(backend, core, ids, rng, **options):
    engine = backend.BPEDecoder(core, **options)
    texts, at = [], 0
    while at < len(ids):
        size = rng.choice([1, 1, 1, 2, 3])
        texts += engine.feed(ids[at] if size == 1 else ids[at : at + size])
        at += size
    return "".join(texts + engine.finish())


def test_every_chain_of_steps_is_that_of_tokenizers_for_every_cut(backend, capfd):
    rng = random.Random(1)
    chains = [None, *STEPS, sequence([]), sequence(LLAMA), sequence(LLAMA[:3]), sequence([sequence(LLAMA)])]
    chains += [sequence(rng.choices(STEPS, k=rng.randrange(2, 5))) for _ in range(int(100 * SCALE))]
    for section in chains:
        core, theirs = core_of(backend, section), theirs_of(section)
        for _ in range(30):
            tokens = rng.choice([range(len(TOKENS)), rng.sample(range(len(TOKENS)), 4)])
            ids = rng.choices(tokens, k=rng.randrange(9))
            wanted = theirs.decode(ids)
            case = section, [TOKENS[number] for number in ids]
            assert core.decode(ids) == wanted, case
            assert streamed(backend, core, ids, rng) == wanted, case


def test_a_run_of_byte_tokens_is_shown_when_it_ends(backend):
    core = core_of(backend, sequence(LLAMA))
    smile, middle = [17, 18, 19, 20], [14, 15, 16]
    engine = backend.BPEDecoder(core)
    given = [engine.feed(number) for number in [2, *smile, *middle, 1, 2, 17, 1]]
    assert given == [["a"], [], [], [], [], [], [], [], ["\U0001f600中a"], [" a"], [], ["\ufffda"]]
    # what is bad makes the whole run bad, and from there on comes at once
    engine = backend.BPEDecoder(core)
    given = [engine.feed(number) for number in [*middle, 14, 14, 15, 1]]
    assert given == [[], [], [], [], ["\ufffd" * 5], ["\ufffd"], ["a"]]
    # the replacement character itself is a character as any other
    assert streamed(backend, core, [38, 39, 40, 1], random.Random(2)) == "\ufffda"


def test_errors_say_what_bad_byte_tokens_become(backend):
    core = core_of(backend, sequence(LLAMA))
    ids = [1, 14, 15, 1, 16, 1]
    assert core.decode(ids) == "a\ufffd\ufffda\ufffda"
    assert (
        core.decode(ids, "ignore") == streamed(backend, core, ids, random.Random(3), errors="ignore") == "aaa"
    )
    with pytest.raises(InvalidEncoding, match="byte tokens that are no character"):
        core.decode(ids, "strict")
    engine = backend.BPEDecoder(core, errors="strict")
    assert engine.feed(ids[:3]) == ["a"]
    with pytest.raises(InvalidEncoding, match="no character"):
        engine.feed(ids[3:])


def test_a_prompt_gives_no_text_and_is_gone_on_from(backend):
    core = core_of(backend, sequence(LLAMA))
    engine = backend.BPEDecoder(core, prompt=[2, 14, 15, 16, 14, 15])
    assert engine.feed([16, 2]) == ["中 a"]
    engine.reset()
    assert engine.feed([16, 2]) == ["中 a"]
    assert backend.BPEDecoder(core, prompt=[2]).feed(2) == [" a"]
    assert backend.BPEDecoder(core).feed(2) == ["a"]


def test_stop_strings_and_unknown_ids(backend):
    core = core_of(backend, sequence(LLAMA))
    engine = backend.BPEDecoder(core, stop="a a")
    assert [engine.feed(number) for number in (3, 2, 2, 2)] == [["b "], [" "], [], []]
    assert engine.stopped == "a a"
    engine = backend.BPEDecoder(core)
    assert engine.feed([2, 14, 999, 2]) == ["a\ufffd"]
    assert str(engine.error).startswith("unknown id 999 at position 2")
    with pytest.raises(ValueError, match="unknown id 999 at position 1"):
        core.decode([2, 999])


def test_special_tokens_may_be_skipped(backend):
    for section in (sequence(LLAMA), None, STEPS[-1]):
        core = core_of(backend, section, TOKENS, {"<s>": 500, "</s>": 501})
        shown = [2, 1, 2]
        ids = [500, 2, 1, 501, 501, 2, 500]
        wanted = core.decode(shown)
        assert core.decode(ids, skip_special_tokens=True) == wanted
        rng = random.Random(4)
        assert streamed(backend, core, ids, rng, skip_special_tokens=True) == wanted
        assert "<s>" in core.decode(ids)
        engine = backend.BPEDecoder(core, skip_special_tokens=True, prompt=[500])
        assert engine.feed([500, 2, 501, 999])[:1] == [core.decode([2])]
        assert str(engine.error).startswith("unknown id 999 at position 3")
        assert engine.offset == 3


def test_special_tokens_are_skipped_of_a_byte_level_vocabulary_too(backend):
    core = backend.BPECore({bytes((value,)): value for value in range(256)}, R50K, {"<s>": 300})
    ids = [300, 0xE4, 300, 0xB8, 0xAD, 300, 97]
    assert core.decode(ids, skip_special_tokens=True) == "中a"
    engine = backend.BPEDecoder(core, skip_special_tokens=True)
    assert [engine.feed(number) for number in ids] == [[], [], [], [], ["中"], [], ["a"]]
    assert backend.BPEDecoder(core, skip_special_tokens=True).feed(ids) == ["中a"]


def test_long_runs_are_linear(backend):
    core = core_of(backend, sequence(LLAMA))
    size = int(20_000 * SCALE)
    engine = backend.BPEDecoder(core)
    assert all(engine.feed(number) == [] for number in [17, 18, 19, 20] * size)
    assert engine.finish() == ["\U0001f600" * size]
    engine = backend.BPEDecoder(core)
    given = [text for number in [15] * size for text in engine.feed(number)]
    assert "".join(given) == "\ufffd" * size
    assert len(given) == size


def test_stages_take_the_option(tmp_path):
    bpe = BPE.gpt2()
    ids = [50256, *bpe.encode_to_list("one two")]
    assert bpe.decoder(skip_special_tokens=True).invoke(ids) == "one two"
    assert bpe.decode(ids, skip_special_tokens=True) == "one two"
    assert bpe.decoder().invoke(ids) == "<|endoftext|>one two"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "decoder: must be null or one of .*'WordPiece'",
        ),
        ({"type": "CTC"}, "decoder: must be null or one of .*'CTC'"),
        ("Fuse", "decoder: must be null or one of"),
        (sequence([{"type": "Fuse", "by": 1}]), r"decoder.decoders\[0\].by: is not supported, got 1"),
        (
            {"type": "Replace", "pattern": {"Regex": "a"}, "content": ""},
            "decoder.pattern.Regex: is not supported",
        ),
        (
            {"type": "Replace", "pattern": {"String": ""}, "content": ""},
            "decoder.pattern.String: must not be empty",
        ),
        ({"type": "Strip", "content": "ab", "start": 1, "stop": 0}, "decoder.content: must be one character"),
        ({"type": "Strip", "content": "a", "start": -1, "stop": 0}, "decoder.start: "),
        (
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "x"},
            "decoder.prepend_scheme: must be always",
        ),
        (
            {"type": "Metaspace", "replacement": "▁", "add_prefix_space": False},
            "decoder.add_prefix_space: is false, but",
        ),
        ({"type": "BPEDecoder", "suffix": ""}, "decoder.suffix: must not be empty"),
        (sequence([{"type": "Fuse"}] * 33), "decoder: has 33 steps, at most 32"),
    ],
)
def test_other_steps_are_refused(section, message):
    with pytest.raises(ValueError, match=message):
        steps_of(section)


@pytest.mark.parametrize(
    ("decoding", "error"),
    [
        (5, TypeError),
        ((5,), TypeError),
        (((("odd",),),), ValueError),
        (((("replace", "a"),),), ValueError),
        (((("replace", "", "a"),),), ValueError),
        (((("strip", "ab", 1, 1),),), ValueError),
        (((("strip", "a", -1, 1),),), ValueError),
        ((((),),), ValueError),
        ((None, False, ("a",)), TypeError),
        (((("fuse",),) * 33,), ValueError),
    ],
)
def test_a_core_checks_its_steps(backend, decoding, error):
    with pytest.raises(error, match="decoding"):
        backend.BPECore({bytes((value,)): value for value in range(256)}, R50K, decoding=decoding)
