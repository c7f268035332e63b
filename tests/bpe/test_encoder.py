"""The streaming BPE encoder: ids equal to the whole text's for every cut, out as early as can be, in bounded state.

``STREAMCORE_TEST_SCALE`` multiplies the number of random fragmentations (1 is for each test run).
"""

from __future__ import annotations

import os
import random
from functools import cache
from itertools import product

import numpy as np
import pytest
from bpe_oracle import (
    BYTES,
    END,
    PARTS,
    PATTERNS,
    QWEN,
    SPECIAL,
    flat,
    random_core,
    random_cuts,
    random_text,
    stream,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import Source

from streamcore import InvalidEncoding, ItemTooLarge
from streamcore.vocab.encodings import CL100K, GPT2, O200K, R50K
from streamcore.vocab.gpt2 import load_gpt2

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))


@pytest.fixture(scope="module", params=PATTERNS)
def core(backend, request):
    """GPT-2's first ranks under each pattern: what is long in one family is short in another."""
    ranks = {token: rank for token, rank in load_gpt2().ranks.items() if rank < 8000}
    return backend.BPECore(ranks, PATTERNS[request.param], SPECIAL)


@cache
def core_of_all_ranks(backend, pattern):
    """The twin takes a second to make what streams need of 50,000 tokens."""
    return backend.BPECore(load_gpt2().ranks, pattern, {})


# ---- the law


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world! It's 12345 we'll  see\n\n  it.",
        "\n   x\n   \n   y  ",
        "don't 'LL 'S '\u017f 'x''l 're",
        "\u4e2dABC \u4e2dABCd \u4e2d'll ABC'LL aB'",
        "e\u0301 \u0301\u0301x \u01c5\u02b0 .\u0301 ..\u0301\n/\n",
        "1234567 \u06611234 \U0001f600\U0001f600 \U0001d400\U00020000",
        "\u3000\u3000a \t\tb\r\n\r\n\u00a0c",
    ],
)
def test_every_cut_in_two_and_single_characters_give_the_ids_of_the_whole(backend, core, text):
    wanted = core.encode_ordinary_to_list(text)
    for whole in (text, text.encode()):
        cuts = [[whole[:i], whole[i:]] for i in range(len(whole) + 1)]
        cuts.append([whole[i : i + 1] for i in range(len(whole))])
        for fragments in cuts:
            assert stream(backend, core, fragments, disallowed_special=()) == (wanted, None)


@pytest.mark.parametrize(
    "options", [{"allowed_special": "all"}, {"allowed_special": {END}, "disallowed_special": ()}]
)
def test_cut_inside_a_special_token(backend, core, options):
    text = f"a <{END} <|end<|endof<<|end\n   {END}"
    wanted = core.encode_to_list(text, **options)
    for i in range(len(text) + 1):
        for j in range(i, len(text) + 1):
            fragments = [text[:i], text[i:j], text[j:]]
            assert stream(backend, core, fragments, **options) == (wanted, None)


@pytest.mark.parametrize("seed", range(int(15 * SCALE)))
def test_random_vocabularies_texts_and_cuts(backend, seed):
    rng = random.Random(seed)
    core = random_core(backend, rng)
    options = rng.choice([{"disallowed_special": ()}, {"allowed_special": "all"}])
    for _ in range(25):
        text = random_text(rng)
        wanted = core.encode_to_list(text, **options)
        for whole in (text, text.encode()):
            assert stream(backend, core, random_cuts(rng, whole), **options) == (wanted, None)


@pytest.mark.parametrize("seed", range(int(6 * SCALE)))
def test_random_texts_and_cuts_with_real_ranks(backend, core, seed):
    rng = random.Random(1000 + seed)
    for _ in range(20):
        text = random_text(rng, 120)
        wanted = core.encode_to_list(text, allowed_special="all")
        assert stream(backend, core, random_cuts(rng, text), allowed_special="all") == (wanted, None)


@settings(max_examples=int(30 * SCALE), deadline=None)
@given(data=st.data())
def test_any_text_and_any_cut(backend, core, data):
    text = data.draw(
        st.text(st.one_of(st.characters(), st.sampled_from(" \n\t'sltAB\u4e2d\u0301<|")), max_size=60)
    )
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    fragments = [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]
    wanted = core.encode_ordinary_to_list(text)
    assert stream(backend, core, fragments, disallowed_special=()) == (wanted, None)


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_large_fragments_take_the_fast_path_to_the_same_ids(backend, core, size):
    rng = random.Random(size)
    text = "".join(rng.choices(PARTS, k=6000))
    wanted = core.encode_ordinary_to_list(text)
    fragments = [text[i : i + size] for i in range(0, len(text), size)]
    assert stream(backend, core, fragments, disallowed_special=()) == (wanted, None)


@pytest.mark.parametrize("seed", range(int(4 * SCALE)))
def test_invalid_utf8_gives_the_ids_of_the_whole_however_it_is_cut(backend, core, seed):
    rng = random.Random(seed)
    for errors in ("replace", "ignore"):
        data = bytes(byte if rng.random() < 0.8 else rng.randrange(256) for byte in random_text(rng).encode())
        wanted = core.encode_to_list(data, disallowed_special=(), errors=errors)
        got = stream(backend, core, random_cuts(rng, data), disallowed_special=(), errors=errors)
        assert got == (wanted, None)


@pytest.mark.parametrize("text", ["\ud83d\ude00", "a\ud83db", "\ud83d\ud83d\ude00", "x\ud83d"])
def test_surrogates_are_joined_across_fragments(backend, core, text):
    wanted = core.encode_to_list(text)
    assert stream(backend, core, list(text)) == (wanted, None)
    assert stream(backend, core, [text]) == (wanted, None)


def test_normalization_holds_what_the_next_character_may_join(backend):
    ranks = BYTES | {"\u00e9".encode(): 300, "\u1ebf".encode(): 301, "\uac01".encode(): 302}
    core = backend.BPECore(ranks, GPT2, {"<>": 400}, normalization="NFC")
    for text in (
        "e\u0301",
        "e\u0302\u0301",
        "\u1100\u1161\u11a8",
        "xe\u0323\u0301",
        "a\u0301<>\u0301b",
        "\u0301",
    ):
        wanted = core.encode_to_list(text, allowed_special="all")
        assert stream(backend, core, list(text), allowed_special="all") == (wanted, None)
    assert core.encode_to_list("e\u0301") == [300]


def test_fragments_of_any_bytes_like_kind(backend, core):
    data = "Größe 中文".encode()
    wanted = core.encode_to_list(data)
    for kind in (bytearray, memoryview, lambda part: np.frombuffer(part, np.uint8)):
        assert stream(backend, core, [kind(data[:4]), kind(data[4:])]) == (wanted, None)


def test_empty_stream_and_empty_fragments(backend, core):
    assert stream(backend, core, []) == ([], None)
    assert stream(backend, core, ["", "", ""]) == ([], None)
    assert stream(backend, core, [b"", b"a", b""]) == (core.encode_to_list("a"), None)


def test_ids_come_as_one_uint32_array_a_call_or_none(backend, core):
    engine = backend.BPEEncoder(core)
    assert engine.feed("") == []
    (ids,) = engine.feed("hello world and more ")
    assert ids.dtype == np.uint32
    assert len(ids) > 1
    assert len(engine.finish()) == 1
    assert engine.finish() == []


# ---- eagerness


@pytest.mark.parametrize(
    ("fed", "wanted"),
    [
        ("Hello", ""),
        ("Hello ", "Hello"),
        ("Hello world", "Hello"),
        ("Hello world.", "Hello world"),
        ("Hello  ", "Hello "),
        ("it's ", "it's"),
        ("a\n", "a"),
    ],
)
def test_id_comes_as_soon_as_its_piece_has_ended(backend, fed, wanted):
    core = core_of_all_ranks(backend, R50K)
    engine = backend.BPEEncoder(core)
    got = [number for char in fed for number in flat(engine.feed(char))]
    assert core.decode(got) == wanted


def common(one, other):
    size = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    return one[: min(len(one), len(other)) if size is None else size]


@pytest.mark.parametrize("seed", range(int(12 * SCALE)))
def test_no_id_comes_before_it_is_sure_nor_later_than_that(backend, seed):
    # one piece of letters, so that the pattern has no say: ids are sure that all continuations share
    rng = random.Random(seed)
    letters = rng.choice(["ab", "abc"])
    ranks = dict(BYTES)
    tokens = [letter.encode() for letter in letters]
    for _ in range(rng.randrange(1, 14)):
        token = rng.choice(tokens) + rng.choice(tokens)
        if token not in ranks and len(token) <= 5:
            ranks[token] = len(ranks)
            tokens.append(token)
    core = backend.BPECore(ranks, GPT2, {})
    for _ in range(4):
        text = "".join(rng.choices(letters, k=rng.randrange(1, 9)))
        engine = backend.BPEEncoder(core)
        got = [number for char in text for number in flat(engine.feed(char))]
        sure = core.encode_to_list(text)
        for length in range(7):
            for more in product(letters, repeat=length):
                sure = common(sure, core.encode_to_list(text + "".join(more)))
        assert got == sure


@pytest.mark.parametrize("seed", range(int(12 * SCALE)))
def test_no_id_comes_before_it_is_sure_in_any_kind_of_piece(backend, seed):
    rng = random.Random(seed)
    for _ in range(4):
        core = random_core(backend, rng)
        parts = rng.sample(PARTS, 4)
        text = "".join(rng.choices(parts, k=5))
        engine = backend.BPEEncoder(core, disallowed_special=())
        got = [number for char in text for number in flat(engine.feed(char))]
        endings = ["", *PARTS, *(one + other for one in parts for other in parts)]
        for ending in endings:
            assert core.encode_ordinary_to_list(text + ending)[: len(got)] == got


def test_piece_that_may_become_a_token_that_merging_cannot_make_is_held(backend):
    # merging makes "ab" + "cd" of "abcd", but a piece that equals the token "abcd" is that token
    core = backend.BPECore(BYTES | {b"ab": 256, b"cde": 257, b"abcdef": 258}, GPT2, {})
    assert core.encode_to_list("abcdef") == [258]
    for text, wanted in ("abcdef", [258]), ("abcdefg", [256, *b"cdefg"]), ("abcdeg", [256, *b"cdeg"]):
        engine = backend.BPEEncoder(core)
        came = [flat(engine.feed(char)) for char in text]
        assert came[:5] == [[]] * 5
        assert (
            [number for ids in came for number in ids] + flat(engine.finish())
            == core.encode_to_list(text)
            == wanted
        )


# ---- state


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [
        (R50K, "a"),
        (R50K, " "),
        (CL100K, " "),
        (O200K, "A"),
        (O200K, "中"),
        (CL100K, "-"),
        (CL100K, "\n"),
        (QWEN, "xyz"),
    ],
)
def test_piece_without_end_gives_ids_all_along_and_holds_little(backend, pattern, unit):
    core = core_of_all_ranks(backend, pattern)
    engine = backend.BPEEncoder(core, max_size=600)
    fragment = unit * (1000 // len(unit))
    given = 0
    for i in range(1, 21):
        given += sum(len(core.decode_bytes(ids)) for ids in engine.feed(fragment))
        assert i * len(fragment.encode()) - given < 600
    ids = flat(engine.finish())
    assert given + len(core.decode_bytes(ids)) == 20 * len(fragment.encode())


def test_ids_of_a_long_run_are_those_of_the_whole(backend, core):
    for unit in ("a", " ", "A", "中", "\n", "-", "1", "\n "):
        text = unit * (6000 // len(unit)) + "b"
        fragments = [text[i : i + 997] for i in range(0, len(text), 997)]
        assert stream(backend, core, fragments) == (core.encode_to_list(text), None)


def test_text_that_two_futures_encode_otherwise_is_held_up_to_max_size(backend):
    # after a line end, blanks belong to one piece with it if another line end follows, else they are their own
    blank = b"\n  "
    core = backend.BPECore(BYTES | {b"\n ": 256, blank: 257, b"   ": 259, b"  ": 258}, CL100K, {})
    text = "\n" + " " * 1000
    for tail in ("x", "\n"):
        assert stream(backend, core, [*text, tail]) == (core.encode_to_list(text + tail), None)
    engine = backend.BPEEncoder(core, max_size=100)
    with pytest.raises(ItemTooLarge) as caught:
        for char in "ab" + text:
            engine.feed(char)
    assert (caught.value.size, caught.value.limit, caught.value.offset) == (101, 100, 2)
    assert engine.error is caught.value


def test_pattern_of_no_known_family_is_held_until_the_end(backend):
    pytest.importorskip("regex", reason="other patterns run through the regex module")
    core = backend.BPECore(load_gpt2().ranks, r"\w+|\W", {END: 60000})
    text = f"Hello, world!{END}more"
    wanted = core.encode_to_list(text, allowed_special="all")
    assert stream(backend, core, list(text), allowed_special="all") == (wanted, None)
    got, error = stream(backend, core, list(text), allowed_special="all", max_size=5)
    assert got == []
    assert error == "item at offset 0 has at least 6 bytes, max_size is 5"


# ---- errors


def test_disallowed_special_token_raises_after_the_ids_before_it(backend, core):
    text = f"Hello world {END} more"
    wanted = core.encode_to_list("Hello world ")
    with pytest.raises(ValueError, match="disallowed special token") as whole:
        core.encode(text)
    for fragments in ([text], list(text), [text[:15], text[15:]]):
        got, error = stream(backend, core, fragments)
        assert got == wanted
        assert error == str(whole.value)


def test_error_is_raised_at_once_if_nothing_comes_before_it_and_ever_after(backend, core):
    engine = backend.BPEEncoder(core)
    with pytest.raises(ValueError, match="disallowed special token"):
        engine.feed(END)
    for call in (lambda: engine.feed("a"), engine.finish, lambda: engine.feed("")):
        with pytest.raises(ValueError, match="disallowed special token"):
            call()
    engine.reset()
    assert engine.error is None
    assert flat(engine.feed("a ")) + flat(engine.finish()) == core.encode_to_list("a ")


def test_error_is_stored_when_ids_come_before_it(backend, core):
    engine = backend.BPEEncoder(core)
    assert flat(engine.feed(f"a{END}")) == core.encode_to_list("a")
    assert isinstance(engine.error, ValueError)
    with pytest.raises(ValueError, match="disallowed special token"):
        engine.feed("b")


def test_invalid_utf8_under_strict_raises_with_the_offset_in_the_stream(backend, core):
    data = "Größe ".encode() + b"\xff" + b"abc"
    for size in (1, 2, 3, 100):
        engine = backend.BPEEncoder(core, errors="strict")
        got = []
        with pytest.raises(InvalidEncoding) as caught:
            for i in [*range(0, len(data), size), len(data)]:
                got += flat(engine.feed(data[i : i + size]))
        assert caught.value.offset == 8
        assert got == core.encode_to_list("Größe ")
    engine = backend.BPEEncoder(core, errors="strict")
    engine.feed(b"\xe4\xb8")
    with pytest.raises(InvalidEncoding, match="unexpected end of data"):
        engine.finish()


def test_note_names_the_engine_and_the_place(backend, core):
    engine = backend.BPEEncoder(core)
    with pytest.raises(ValueError, match="disallowed") as caught:
        engine.feed(END)
    assert caught.value.__notes__ == ["in BPEEncoder, at byte 13 of its input"]


@pytest.mark.parametrize("bad", [None, 1, 1.5, ["a"]])
def test_fragment_of_another_type_is_refused_and_changes_nothing(backend, core, bad):
    engine = backend.BPEEncoder(core)
    got = flat(engine.feed("Hello wor"))
    with pytest.raises(
        TypeError, match=f"BPEEncoder takes str or bytes-like fragments, not {type(bad).__name__}"
    ):
        engine.feed(bad)
    assert got + flat(engine.feed("ld")) + flat(engine.finish()) == core.encode_to_list("Hello world")


def test_str_and_bytes_do_not_mix_in_one_stream(backend, core):
    engine = backend.BPEEncoder(core)
    engine.feed("a")
    with pytest.raises(
        TypeError, match="fragments must be all str or all bytes-like, got bytes after the other"
    ):
        engine.feed(b"b")
    engine.reset()
    engine.feed(b"b")
    with pytest.raises(TypeError, match="got str after the other"):
        engine.feed("a")


def test_no_fragment_after_finish_until_reset(backend, core):
    engine = backend.BPEEncoder(core)
    engine.feed("a")
    engine.finish()
    with pytest.raises(ValueError, match=r"feed\(\) after finish\(\): call reset\(\) first"):
        engine.feed("b")
    engine.reset()
    assert flat(engine.feed("b ")) + flat(engine.finish()) == core.encode_to_list("b ")


def test_reset_in_the_middle_forgets_everything(backend, core):
    engine = backend.BPEEncoder(core, allowed_special="all")
    for held in ("Hello wor", "<|endof", "\ud83d", "\n    ", "\u4e2dABC"):
        engine.feed(held)
        engine.reset()
        assert engine.offset == 0
        assert flat(engine.feed("ld")) + flat(engine.finish()) == core.encode_to_list("ld")
        engine.reset()


def test_reset_forgets_what_was_given_out_of_the_open_piece(backend):
    # found by fuzzing: the next stream took itself to hold 2**64 bytes less the given ones, hence ItemTooLarge
    engine = backend.BPEEncoder(backend.BPECore(BYTES, PATTERNS["cl100k"]), max_size=8)
    assert flat(engine.feed("ab cd ef")) == list(b"ab cd ef")
    engine.reset()
    assert flat(engine.feed("ab cd ef")) == list(b"ab cd ef")
    assert engine.error is None
    assert engine.finish() == []


def test_offset_counts_bytes_or_characters_taken_in(backend, core):
    engine = backend.BPEEncoder(core)
    engine.feed("中a")
    assert engine.offset == 2
    engine.reset()
    engine.feed("中a".encode())
    assert engine.offset == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"errors": "other"}, "errors must be 'strict', 'replace' or 'ignore', got 'other'"),
        ({"max_size": 0}, "max_size must be positive, got 0"),
        ({"allowed_special": "x"}, 'allowed_special must be "all" or a collection of special tokens'),
    ],
)
def test_bad_options_are_refused(backend, core, options, message):
    with pytest.raises(ValueError, match=message):
        backend.BPEEncoder(core, **options)


# ---- iterate


def test_iterate_pulls_no_more_than_it_needs_and_closes_once(backend, core):
    source = Source("word " for _ in iter(int, 1))
    run = backend.BPEEncoder(core).iterate(source)
    assert source.pulled == 0
    first = next(run)
    assert core.decode(first) == "word"
    assert source.pulled <= 2
    run.close()
    run.close()
    assert source.closed == 1


def test_iterate_closes_its_source_when_it_ends_or_fails(backend, core):
    source = Source(["a", "b"])
    assert flat(backend.BPEEncoder(core).iterate(source)) == core.encode_to_list("ab")
    assert source.closed == 1
    source = Source(["a ", END, "b"])
    run = backend.BPEEncoder(core).iterate(source)
    got = []
    with pytest.raises(ValueError, match="disallowed"):
        for ids in run:
            got += ids.tolist()
    assert got == core.encode_to_list("a ")
    assert (source.pulled, source.closed) == (2, 1)


def test_an_encoder_is_made_again_by_its_constructor(backend):
    core = backend.BPECore(BYTES, PATTERNS["cl100k"])
    engine = backend.BPEEncoder(core)
    engine.feed(b"ab \xc3")
    engine.__init__(core)
    assert engine.offset == 0
    assert flat(engine.feed("x y")) + flat(engine.finish()) == [*b"x y"]


def test_an_encoder_that_was_not_made_refuses(backend):
    engine = backend.BPEEncoder.__new__(backend.BPEEncoder)
    for call in (lambda: engine.feed("a"), engine.finish, lambda: engine.iterate(["a"]), engine.reset):
        with pytest.raises((RuntimeError, AttributeError)):
            call()
