"""The streaming BPE decoder: text that is always valid, whole at the end, and never held longer than it must be."""

from __future__ import annotations

import codecs
import ctypes
import os
import pickle
import random
import sys
import threading
from array import array
from enum import IntEnum

import numpy as np
import pytest
from bpe_oracle import END
from hypothesis import given, settings
from hypothesis import strategies as st
from ids_oracle import CUTS, FEW, SMILE, grouped, slow_stop, token
from recorder import Source

from streamcore import BPE, InvalidEncoding
from streamcore.vocab.encodings import R50K
from streamcore.vocab.gpt2 import load_gpt2

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))


@pytest.fixture(scope="module")
def gpt2(backend):
    ranks, pattern, special, *_ = load_gpt2()
    return backend.BPECore(ranks, pattern, special)


@pytest.fixture(scope="module")
def plain(backend):
    """Each byte is a token, so that ids are bytes."""
    return backend.BPECore({bytes((value,)): value for value in range(256)}, R50K, {END: 300})


def decode(backend, core, fragments, **options):
    """The pieces of text of a stream."""
    engine = backend.BPEDecoder(core, **options)
    return [text for fragment in fragments for text in engine.feed(fragment)] + engine.finish()


@pytest.fixture(scope="module", params=["dense", "far apart"])
def cuts(backend, request):
    """A vocabulary of ``CUTS``, by their place; the ids of the other one leave so large holes that no table is made."""
    special = {END: 999 if request.param == "dense" else 4_000_000_000}
    return backend.BPECore({token: i for i, token in enumerate(CUTS)}, R50K, special)


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


class Eager:
    """The incremental decoder of ``codecs``, but for what that holds in vain: the beginning of a surrogate."""

    def __init__(self, errors):
        self.codec = codecs.getincrementaldecoder("utf-8")(errors)

    def decode(self, data, final=False):
        text = self.codec.decode(data, final)
        held, _ = self.codec.getstate()
        if len(held) == 2 and b"\xed\xa0" <= held <= b"\xed\xbf":
            text += self.codec.decode(b"", True)
        return text


@settings(max_examples=int(150 * SCALE), deadline=None)
@given(st.data())
def test_text_is_that_of_the_codec_for_any_tokens_and_cuts(backend, cuts, data):
    few = [number for number in FEW if number != 999 or number in cuts.special_tokens.values()]
    ids = data.draw(st.lists(st.sampled_from(few), max_size=40))
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    for errors in ("replace", "ignore"):
        codec = Eager(errors)
        engine = backend.BPEDecoder(cuts, errors=errors)
        taken = 0
        for fragment in grouped(ids, sizes):
            numbers = [fragment] if isinstance(fragment, int) else fragment
            assert "".join(engine.feed(fragment)) == codec.decode(b"".join(map(token, numbers)))
            taken += len(numbers)
            assert engine.offset == taken
        assert "".join(engine.finish()) == codec.decode(b"", True)


@settings(max_examples=int(150 * SCALE), deadline=None)
@given(st.data())
def test_strict_gives_the_text_before_the_first_error_and_its_offset(backend, cuts, data):
    some = [number for number in FEW if number != 999]
    ids = data.draw(st.lists(st.sampled_from(some), max_size=12))
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    whole = b"".join(map(token, ids))
    engine = backend.BPEDecoder(cuts, errors="strict")
    got = []
    try:
        for fragment in [*grouped(ids, sizes), []]:
            got += engine.feed(fragment)
        got += engine.finish()
    except InvalidEncoding as error:
        result = (error.offset, error.reason, error.object)
    else:
        result = None
    try:
        wanted = whole.decode()
    except UnicodeDecodeError as error:
        wanted = whole[: error.start].decode()
        bad = whole[error.start : error.end]
        assert result == (error.start, error.reason, bad)  # noqa: PT017 - there may be none
    else:
        assert result is None
    assert "".join(got) == wanted


@settings(max_examples=int(100 * SCALE), deadline=None)
@given(st.data())
def test_prompt_and_rest_make_the_whole(backend, cuts, data):
    # vllm-project/vllm#48853
    some = [number for number in FEW if number != 999]
    ids = data.draw(st.lists(st.sampled_from(some), max_size=20))
    shown = data.draw(st.integers(0, len(ids)))
    before = Eager("replace").decode(b"".join(map(token, ids[:shown])))
    rest = decode(backend, cuts, ids[shown:], prompt=ids[:shown])
    assert before + "".join(rest) == b"".join(map(token, ids)).decode("utf-8", "replace")


@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
def test_every_cut_of_every_pair_of_tokens(backend, cuts, errors):
    some = [i for i in FEW if i != 999]
    for left in some:
        for right in some:
            data = CUTS[left] + CUTS[right]
            results = []
            for fragments in (
                [[left, right]],
                [left, right],
                [[left], [], [right]],
                [np.array([left, right], np.uint16)],
            ):
                try:
                    results.append("".join(decode(backend, cuts, fragments, errors=errors)))
                except InvalidEncoding as error:
                    results.append((error.offset, error.reason))
            try:
                wanted = data.decode("utf-8", errors)
            except UnicodeDecodeError as error:
                wanted = (error.start, error.reason)
            assert results == [wanted] * 4


def test_every_id_of_the_vocabulary_alone_gives_the_text_of_its_bytes(backend, gpt2):
    engine = backend.BPEDecoder(gpt2)
    for number in range(50257):
        data = gpt2.decode_bytes([number])
        for _ in range(2 if number % 50 == 0 else 1):  # the second time it is known
            assert "".join(engine.feed(number) + engine.finish()) == data.decode("utf-8", "replace")
            engine.reset()


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
        lambda ids: (ctypes.c_uint32 * len(ids))(*ids),
        lambda ids: np.array(ids, ">u4"),
        lambda ids: np.array(ids, "<i8"),
        lambda ids: np.array(ids, np.uint16),
        lambda ids: np.array(ids, object),
        lambda ids: np.array([ids[::-1], ids[::-1]], np.int32)[0, ::-1],
        lambda ids: [np.uint32(number) for number in ids],
        lambda ids: [*ids[:-1], np.int64(ids[-1])],
        lambda ids: (number for number in ids),
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


@pytest.mark.parametrize("kind", "bBhHiIlLqQ")
def test_array_of_each_integer_type(backend, plain, kind):
    for data in (
        array(kind, list(b"Hello")),
        np.array(list(b"Hello"), kind),
        np.array(list(b"Hello"), np.dtype(kind).newbyteorder()),
    ):
        assert decode(backend, plain, [data]) == ["Hello"]
    if kind.islower():
        with pytest.raises(ValueError, match="unknown id -1 at position 0"):
            backend.BPEDecoder(plain).feed(np.array([-1], kind))
    assert decode(backend, plain, [np.dtype(kind).type(72), np.array(105, kind)]) == ["H", "i"]


def test_ids_that_are_ints_of_another_class(backend, plain):
    class Id(IntEnum):
        H = 72

    assert decode(backend, plain, [Id.H, [Id.H, 105], True, np.array([True, False])]) == [
        "H",
        "Hi",
        "\x01",
        "\x01\x00",
    ]


def test_array_larger_than_any_buffer(backend, plain):
    data = ("Größe 中文 \U0001f600 " * 5000).encode()
    for fragments in ([np.frombuffer(data, np.uint8)], [list(data)], [tuple(data)]):
        assert decode(backend, plain, fragments) == [data.decode()]


@pytest.mark.parametrize(
    "bad",
    [
        np.array([1.0]),
        np.array([[1, 2]]),
        np.array(["a"]),
        [[1]],
        [None],
        np.float32(1),
        [1, "2"],
        [np.int64(1), 2.5],
    ],
)
def test_what_holds_no_ids_is_refused_and_changes_nothing(backend, plain, bad):
    engine = backend.BPEDecoder(plain)
    assert engine.feed([72, 0xE4]) == ["H"]
    with pytest.raises(TypeError, match="ids must be int, not "):
        engine.feed(bad)
    assert (engine.feed([0xB8, 0xAD]), engine.offset) == (["中"], 4)


def test_released_memory_is_refused(backend, plain):
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(ValueError, match="released memoryview"):
        backend.BPEDecoder(plain).feed(view)


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


@pytest.mark.parametrize("bad", [1000, 2**31, 2**32, 2**64, -1, -(2**70)])
@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
def test_what_is_held_is_shown_before_an_unknown_id(backend, cuts, bad, errors):
    half = "中".encode()[0]
    for fragments in ([[97, half, bad]], [97, half, bad], [[97, half], (bad, 98)]):
        engine = backend.BPEDecoder(cuts, errors=errors)
        got = []
        with pytest.raises(ValueError, match=f"unknown id {bad} at position 2"):
            for fragment in [*fragments, []]:
                got += engine.feed(fragment)
        assert "".join(got) == {"strict": "a", "replace": "a\ufffd", "ignore": "a"}[errors]


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


@settings(max_examples=int(150 * SCALE), deadline=None)
@given(st.data())
def test_stop_strings_against_a_search_in_the_whole_text(backend, cuts, data):
    stop = data.draw(st.lists(st.text("ab<中\ufffd|", min_size=1, max_size=5), max_size=4))
    few = [97, 98, *b"<|>", 258, 257, 259, 272, 273, 274, 0x80]
    ids = data.draw(st.lists(st.sampled_from(few), max_size=30))
    sizes = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    whole = b"".join(map(token, ids)).decode("utf-8", "replace")
    wanted, found = slow_stop(whole, stop)
    engine = backend.BPEDecoder(cuts, stop=stop)
    shown = ""
    fragments = grouped(ids, sizes)
    sofar = []
    for fragment in fragments:
        shown += "".join(engine.feed(fragment))
        sofar += [fragment] if isinstance(fragment, int) else fragment
        assert engine.offset == len(sofar)
        # what is held back is at most the beginning of a stop string, or of a character
        codec = codecs.getincrementaldecoder("utf-8")("replace")
        text = codec.decode(b"".join(map(token, sofar)))
        before, stopped = slow_stop(text, stop)
        # a stop string is certain once none that began earlier can come
        earliest = next(
            (
                i
                for i in range(len(text))
                if any(each.startswith(text[i:]) for each in stop if each != text[i:])
            ),
            len(text),
        )
        if stopped is not None and len(before) <= earliest:
            assert (shown, engine.stopped) == (before, stopped)
            break
        assert (shown, engine.stopped) == (text[:earliest], None)
    shown += "".join(engine.finish())
    assert (shown, engine.stopped) == (wanted, found)


def test_long_stop_strings_cost_no_more_than_short_ones(backend, plain):
    # the work for each character is constant: 20,000 beginnings of the stop string are compared with none of them twice
    stop = "a" * 20_000 + "b"
    engine = backend.BPEDecoder(plain, stop=stop)
    assert engine.feed(list(b"a" * 60_000)) == ["a" * 40_000]
    assert engine.feed(list(b"c")) == ["a" * 20_000 + "c"]
    assert engine.feed(list(b"x" + stop.encode())) == ["x"]
    assert engine.stopped == stop


@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_what_comes_after_the_stop_string_is_no_error_however_it_is_cut(backend, plain, errors):
    for bad in ([0xFF], [999999], [0xE4, 999999]):
        ids = [*b"ab.\n", *bad]
        for fragments in ([ids], ids, [ids[:3], ids[3:]]):
            assert "".join(decode(backend, plain, fragments, stop=".\n", errors=errors)) == "ab"
    engine = backend.BPEDecoder(plain, stop=["abcd", "b"], errors="strict")
    assert engine.feed(list(b"xab")) == ["x"]  # "abcd" would come first
    assert engine.feed([0xFF]) == ["a"]
    assert (engine.stopped, engine.error) == ("b", None)


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


def test_iterate_tells_of_an_error_of_its_source_and_of_a_bad_fragment(backend, gpt2):
    def broken():
        yield 15496
        raise OSError("lost")

    run = backend.BPEDecoder(gpt2).iterate(broken())
    assert next(run) == "Hello"
    with pytest.raises(OSError, match="lost") as caught:
        next(run)
    assert caught.value.__notes__ == ["in BPEDecoder, at id 1 of its input"]
    assert list(run) == []
    source = Source([15496, 1.5, 995])
    run = backend.BPEDecoder(gpt2).iterate(source)
    assert next(run) == "Hello"
    with pytest.raises(TypeError, match="BPEDecoder takes ids, not float"):
        next(run)
    assert source.closed == 1


def test_iterate_gives_what_is_held_at_the_end(backend, plain):
    assert list(backend.BPEDecoder(plain, stop="ab").iterate([97, 0xE4, 97])) == ["a\ufffd", "a"]
    with pytest.raises(InvalidEncoding):
        list(backend.BPEDecoder(plain, errors="strict").iterate([97, 0xE4]))


def test_iterate_while_its_source_runs_is_refused(backend, gpt2):
    def source():
        yield 0
        with pytest.raises(ValueError, match="generator already executing"):
            next(run)
        yield 0

    run = backend.BPEDecoder(gpt2).iterate(source())
    assert list(run) == ["!", "!"]


def test_feed_within_feed_is_refused_and_harms_nothing(backend, plain):
    engine = backend.BPEDecoder(plain)

    def ids():
        yield 97
        for call in (lambda: engine.feed([98, 99]), engine.finish, engine.reset, lambda: engine.iterate([])):
            with pytest.raises(ValueError, match="^BPEDecoder engine already executing$"):
                call()
        yield 100

    assert engine.feed(ids()) == ["ad"]
    assert engine.offset == 2


def test_lists_belong_to_those_who_got_them(backend, gpt2):
    engine = backend.BPEDecoder(gpt2)
    first = engine.feed(15496)
    second = engine.feed(995)
    first.append("more")
    assert (first, second, engine.feed(0)) == (["Hello", "more"], [" world"], ["!"])
    engine.feed(0).clear()
    assert engine.feed(0) == ["!"]
    engine.feed(0).extend("abc")
    assert engine.feed(0) == ["!"]
    engine.feed(0).pop()
    assert engine.feed(0) == ["!"]
    kept = [engine.feed(number) for number in gpt2.encode_to_list(f"{SMILE} Hello")]
    assert (
        kept == [[], [], [], [SMILE], [" Hello"]]
        or "".join(x for each in kept for x in each) == f"{SMILE} Hello"
    )
    copies = [list(engine.feed(number)) for number in (15496, 47249, 995)]
    assert copies[0] == ["Hello"]


def test_several_threads_share_one_vocabulary(backend):
    ranks, pattern, special, *_ = load_gpt2()
    core = backend.BPECore(ranks, pattern, special)
    text = f"Several threads, one table of texts: {SMILE} 中文 \u0301 and so on. " * 20
    ids = core.encode_to_list(text)
    wrong = []

    def work():
        wrong.extend(i for i in range(5) if "".join(decode(backend, core, ids)) != text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_texts_are_shared_and_nothing_leaks(backend, gpt2):
    if backend.name == "pure":
        pytest.skip("the table of texts is native")
    first, second = (backend.BPEDecoder(gpt2).feed(15496)[0] for _ in range(2))
    assert first is second
    before = sys.getrefcount(first)
    for _ in range(100):
        engine = backend.BPEDecoder(gpt2)
        engine.feed(15496)
        list(engine.iterate([15496] * 10))
    del engine
    assert sys.getrefcount(first) == before


@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
def test_stage_gives_the_text_of_the_engine(errors):
    bpe = BPE.gpt2()
    text = f"A stage over ints: {SMILE} 中文. END and more"
    ids = bpe.encode_to_list(text)
    stage = bpe.decoder(errors=errors, stop=" END", prompt=ids[:2])
    wanted = text[len(bpe.decode(ids[:2])) :].partition(" END")[0]
    ids = ids[2:]
    for source in (ids, tuple(ids), bpe.encode(text)[2:], iter(ids), [ids[:5], ids[5:]]):
        assert "".join(stage.stream(source)) == stage.invoke(iter(ids)) == wanted
    assert "".join(pickle.loads(pickle.dumps(stage)).transform(iter(ids))) == wanted


def test_note_names_the_engine_and_the_place(backend, gpt2):
    with pytest.raises(ValueError, match="unknown id") as caught:
        list(backend.BPEDecoder(gpt2).iterate(iter([0, 99999])))
    assert caught.value.__notes__ == ["in BPEDecoder, at id 1 of its input"]
