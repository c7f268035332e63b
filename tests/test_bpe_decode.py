"""The streaming BPE decoder: text that is always valid, whole at the end, and never held longer than it must be."""

from __future__ import annotations

import os
import random
from array import array

import numpy as np
import pytest

from streamcore import InvalidEncoding
from streamcore.vocab.gpt2 import load_gpt2

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
END = "<|endoftext|>"
SMILE = "\U0001f600"


@pytest.fixture(scope="module")
def gpt2(backend):
    ranks, pattern, special, *_ = load_gpt2()
    return backend.BPECore(ranks, pattern, special)


@pytest.fixture(scope="module")
def plain(backend):
    """Each byte is a token, so that ids are bytes."""
    return backend.BPECore({bytes((value,)): value for value in range(256)}, load_gpt2().pattern, {END: 300})


def decode(backend, core, fragments, **options):
    """The pieces of text of a stream."""
    engine = backend.BPEDecoder(core, **options)
    return [text for fragment in fragments for text in engine.feed(fragment)] + engine.finish()


# ---- characters


def test_ids_give_text_at_once(backend, gpt2):
    engine = backend.BPEDecoder(gpt2)
    assert [engine.feed(number) for number in gpt2.encode_to_list("Hello world, again")] == [
        ["Hello"],
        [" world"],
        [","],
        [" again"],
    ]
    assert engine.finish() == []


def test_character_over_several_tokens_comes_when_it_is_whole_and_once(backend, gpt2):
    # huggingface/tokenizers#1141, #31598 (a character twice)
    text = f"a{SMILE}b中国\u0301"
    pieces = decode(backend, gpt2, gpt2.encode_to_list(text))
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)


@pytest.mark.parametrize("char", ["é", "中", SMILE])
def test_only_an_incomplete_character_is_held_back(backend, plain, char):
    data = char.encode()
    engine = backend.BPEDecoder(plain)
    assert [engine.feed(byte) for byte in b"a" + data] == [["a"], *([[]] * (len(data) - 1)), [char]]
    for cut in range(1, len(data)):
        engine.reset()
        assert engine.feed(list(b"a" + data[:cut])) == ["a"]
        # whatever does not complete it shows that it never will
        assert engine.feed(ord("x")) == ["\ufffdx"]


@pytest.mark.parametrize("seed", range(int(20 * SCALE)))
@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_any_bytes_give_the_text_of_the_codec_however_they_are_cut(backend, plain, seed, errors):
    # vllm-project/vllm#17448: never an exception on an invalid prefix
    rng = random.Random(seed)
    alphabet = [*"aé中".encode(), *SMILE.encode(), 0xFF, 0xC0, 0xED, 0xA0, 0xF4, 0x90, rng.randrange(256)]
    data = bytes(rng.choices(alphabet, k=60))
    wanted = data.decode("utf-8", errors)
    for size in (1, 2, 7, 60):
        fragments = [list(data[i : i + size]) for i in range(0, len(data), size)]
        assert "".join(decode(backend, plain, fragments, errors=errors)) == wanted


def test_replacement_characters_do_not_make_it_hold_more(backend, plain):
    # sgl-project/sglang PR 34852: the window grew for ever after U+FFFD
    engine = backend.BPEDecoder(plain)
    for _ in range(100):
        assert engine.feed(0xFF) == ["\ufffd"]
    assert engine.feed(0xE4) == []
    assert engine.finish() == ["\ufffd"]


def test_strict_raises_after_the_text_before_the_bad_byte(backend, plain):
    for size in (1, 2, 3, 100):
        data = b"ab\xe4\xb8\xadc\xffd"
        engine = backend.BPEDecoder(plain, errors="strict")
        got = []
        with pytest.raises(InvalidEncoding) as caught:
            for i in [*range(0, len(data), size), len(data)]:
                got += engine.feed(list(data[i : i + size]))
        assert "".join(got) == "ab中c"
        assert caught.value.offset == 6
    engine = backend.BPEDecoder(plain, errors="strict")
    engine.feed([0xE4, 0xB8])
    with pytest.raises(InvalidEncoding, match="unexpected end of data"):
        engine.finish()


def test_special_tokens_are_text(backend, gpt2):
    assert decode(backend, gpt2, [64, 50256, 65]) == ["a", END, "b"]


# ---- fragments


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.array,
        lambda ids: np.array(ids, np.uint32),
        lambda ids: np.array(ids, np.int64)[::1],
        lambda ids: array("I", ids),
        lambda ids: memoryview(array("q", ids)),
        iter,
    ],
)
def test_fragment_is_a_list_or_an_array(backend, gpt2, kind):
    ids = gpt2.encode_to_list(f"Hello {SMILE} world")
    assert "".join(decode(backend, gpt2, [kind(ids[:3]), kind(ids[3:])])) == f"Hello {SMILE} world"


def test_fragment_is_an_id_of_any_integer_kind(backend, gpt2):
    assert decode(backend, gpt2, [15496, np.uint32(995), np.int64(0), np.array(11)]) == [
        "Hello",
        " world",
        "!",
        ",",
    ]


def test_every_other_element_of_an_array(backend, gpt2):
    ids = np.array([15496, 0, 995, 0], np.uint32)
    assert decode(backend, gpt2, [ids[::2]]) == ["Hello world"]


def test_empty_fragments_give_nothing(backend, gpt2):
    assert decode(backend, gpt2, [[], np.array([], np.uint32), (), []]) == []


@pytest.mark.parametrize("bad", ["text", b"\x00", bytearray(b"\x00"), None, 1.5])
def test_what_is_no_id_is_refused_and_changes_nothing(backend, gpt2, bad):
    engine = backend.BPEDecoder(gpt2)
    smile = gpt2.encode_to_list(SMILE)
    engine.feed(smile[:1])
    with pytest.raises(TypeError, match=f"BPEDecoder takes ids, not {type(bad).__name__}"):
        engine.feed(bad)
    with pytest.raises(TypeError, match="ids must be int, not float"):
        engine.feed([1, 2.5])
    assert engine.feed(smile[1:]) == [SMILE]


# ---- unknown ids


@pytest.mark.parametrize("bad", [50257, 2**40, -1])
def test_unknown_id_raises_with_its_position_after_the_text_before_it(backend, gpt2, bad):
    for fragments in ([[15496, 995, bad, 0]], [15496, 995, bad, 0], [[15496], [995, bad], [0]]):
        engine = backend.BPEDecoder(gpt2)
        got = []
        with pytest.raises(ValueError, match=f"unknown id {bad} at position 2"):
            for fragment in [*fragments, []]:
                got += engine.feed(fragment)
        assert "".join(got) == "Hello world"
        with pytest.raises(ValueError, match="unknown id"):
            engine.finish()
        engine.reset()
        assert engine.feed(0) == ["!"]


# ---- prompt


def test_prompt_that_ends_inside_a_character_is_completed(backend, gpt2):
    # vllm-project/vllm#48853
    ids = gpt2.encode_to_list(f"Hi {SMILE}!")
    whole = gpt2.decode(ids)
    for at in range(len(ids) + 1):
        shown = "".join(decode_without_end(backend, gpt2, ids[:at]))
        rest = decode(backend, gpt2, ids[at:], prompt=ids[:at])
        assert shown + "".join(rest) == whole


def decode_without_end(backend, core, ids):
    engine = backend.BPEDecoder(core)
    return [text for number in ids for text in engine.feed(number)]


def test_prompt_gives_no_text_of_its_own_and_is_there_again_after_reset(backend, plain):
    data = SMILE.encode()
    engine = backend.BPEDecoder(plain, prompt=list(b"abc" + data[:2]))
    for _ in range(2):
        assert engine.feed(list(data[2:])) == [SMILE]
        engine.reset()
    assert engine.finish() == ["\ufffd"]


def test_prompt_of_unknown_ids_is_refused(backend, gpt2):
    with pytest.raises(ValueError, match="unknown id 99999 at position 1"):
        backend.BPEDecoder(gpt2, prompt=[0, 99999])


# ---- stop strings


def test_text_ends_before_the_stop_string(backend, gpt2):
    ids = gpt2.encode_to_list("Hello world. END and more")
    for fragments in (ids, [ids]):
        engine = backend.BPEDecoder(gpt2, stop=[" END"])
        assert "".join(text for part in fragments for text in engine.feed(part)) == "Hello world."
        assert engine.stopped == " END"
        assert engine.feed(ids) == []
        assert engine.finish() == []


def test_stop_string_over_several_tokens_is_held_only_as_long_as_it_may_come(backend, plain):
    engine = backend.BPEDecoder(plain, stop="<end>")
    assert [engine.feed(byte) for byte in b"a<<enx<end"] == [
        ["a"],
        [],
        ["<"],
        [],
        [],
        ["<enx"],
        [],
        [],
        [],
        [],
    ]
    assert engine.stopped is None
    assert engine.feed(ord(">")) == []
    assert engine.stopped == "<end>"
    engine.reset()
    assert engine.stopped is None
    assert engine.feed(list(b"a<en")) == ["a"]
    assert engine.finish() == ["<en"]


@pytest.mark.parametrize("seed", range(int(20 * SCALE)))
def test_first_stop_string_counts_however_ids_are_cut(backend, plain, seed):
    rng = random.Random(seed)
    text = "".join(rng.choices("ab<é", k=40))
    stop = ["".join(rng.choices("ab<é", k=rng.randrange(2, 6))) for _ in range(3)]
    ends = [text.find(each) for each in stop if each in text]
    wanted = text[: min(ends)] if ends else text
    data = text.encode()
    for size in (1, 3, 80):
        fragments = [list(data[i : i + size]) for i in range(0, len(data), size)]
        assert "".join(decode(backend, plain, fragments, stop=stop)) == wanted


def test_shortest_of_stop_strings_that_begin_at_one_place_ends_the_text(backend, plain):
    engine = backend.BPEDecoder(plain, stop=["abc", "ab"])
    assert engine.feed(list(b"xab")) == ["x"]
    assert engine.stopped == "ab"


@pytest.mark.parametrize(
    ("stop", "error", "message"),
    [
        ([""], ValueError, "stop must not hold an empty str"),
        ([b"x"], TypeError, "stop must hold str, not bytes"),
    ],
)
def test_bad_stop_strings_are_refused(backend, plain, stop, error, message):
    with pytest.raises(error, match=message):
        backend.BPEDecoder(plain, stop=stop)


# ---- the protocol


def test_no_ids_after_finish_until_reset(backend, gpt2):
    engine = backend.BPEDecoder(gpt2)
    engine.feed(0)
    engine.finish()
    assert engine.finish() == []
    with pytest.raises(ValueError, match=r"feed\(\) after finish\(\): call reset\(\) first"):
        engine.feed(0)
    engine.reset()
    assert engine.feed(0) == ["!"]
    assert engine.offset == 1


def test_unknown_errors_handler_is_refused(backend, gpt2):
    with pytest.raises(ValueError, match="errors must be 'strict', 'replace' or 'ignore', got 'other'"):
        backend.BPEDecoder(gpt2, errors="other")


class Source:
    def __init__(self, fragments):
        self.fragments = iter(fragments)
        self.pulled = self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.pulled += 1
        return next(self.fragments)

    def close(self):
        self.closed += 1


def test_iterate_closes_its_source_however_it_ends(backend, gpt2):
    source = Source([15496, 995])
    assert list(backend.BPEDecoder(gpt2).iterate(source)) == ["Hello", " world"]
    assert source.closed == 1
    source = Source(0 for _ in iter(int, 1))
    run = backend.BPEDecoder(gpt2).iterate(source)
    assert next(run) == "!"
    run.close()
    assert (source.pulled, source.closed) == (1, 1)


def test_iterate_pulls_nothing_after_the_stop_string(backend, gpt2):
    source = Source([15496, 0, 995, 995])
    assert list(backend.BPEDecoder(gpt2, stop="!").iterate(source)) == ["Hello"]
    assert (source.pulled, source.closed) == (2, 1)


def test_note_names_the_engine_and_the_place(backend, gpt2):
    with pytest.raises(ValueError, match="unknown id") as caught:
        list(backend.BPEDecoder(gpt2).iterate(iter([0, 99999])))
    assert caught.value.__notes__ == ["in BPEDecoder, at id 1 of its input"]
