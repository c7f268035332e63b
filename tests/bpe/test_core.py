"""The BPE core: ids, special tokens, counting, cutting, offsets, decoding, and what it refuses."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

from streamcore import InvalidEncoding
from streamcore.vocab.gpt2 import load_gpt2

PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BYTES = {bytes((value,)): value for value in range(256)}
END = "<|endoftext|>"


def gpt2_core(backend, **options):
    ranks, pattern, special, *_ = load_gpt2()
    return backend.BPECore(ranks, pattern, special, **options)


@pytest.fixture(scope="module")
def gpt2(backend):
    return gpt2_core(backend)


def tiny(backend, *tokens, **options):
    """A vocabulary of the single bytes and ``tokens``."""
    ranks = BYTES | {token: 256 + i for i, token in enumerate(tokens)}
    return backend.BPECore(ranks, options.pop("pattern", PATTERN), options.pop("special", {}), **options)


# ---- ids


def test_text_gives_the_ids_of_gpt2(gpt2):
    assert gpt2.encode_to_list("Hello world") == [15496, 995]
    assert gpt2.encode_to_list("hello  world!\n\n") == [31373, 220, 995, 0, 628]


def test_ids_are_a_uint32_array(gpt2):
    ids = gpt2.encode("Hello world")
    assert isinstance(ids, np.ndarray)
    assert ids.dtype == np.uint32
    assert ids.tolist() == [15496, 995]
    assert gpt2.encode_ordinary("Hello world").tolist() == [15496, 995]


@pytest.mark.parametrize("text", ["", b"", bytearray(), memoryview(b"")])
def test_no_text_gives_an_empty_array(gpt2, text):
    ids = gpt2.encode(text)
    assert ids.dtype == np.uint32
    assert ids.shape == (0,)
    assert gpt2.encode_to_list(text) == []


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(data).cast("b")])
def test_bytes_give_the_ids_of_their_text(gpt2, kind):
    text = "Größe 中文 \U0001f600 'll"
    assert gpt2.encode_to_list(kind(text.encode())) == gpt2.encode_to_list(text)


def test_pair_with_the_lowest_rank_merges_first_and_of_equals_the_leftmost(backend):
    bpe = tiny(backend, b"bc", b"ab", b"aa")
    assert bpe.encode_to_list("abc") == [ord("a"), 256]
    assert bpe.encode_to_list("aaa") == [258, ord("a")]


def test_piece_that_is_a_token_is_looked_up_before_merging(backend):
    # "abc" cannot be made by merges: "bc" is no token, and neither "ab" nor "a" + "bc" leads there
    assert tiny(backend, b"abc").encode_to_list("abc") == [256]
    assert tiny(backend, b"abc", whole_pieces=False).encode_to_list("abc") == [*b"abc"]


def test_with_merges_only_listed_pairs_merge_in_their_order(backend):
    tokens = (b"ab", b"bc", b"abc")
    merges = [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")]
    bpe = tiny(backend, *tokens, merges=merges, whole_pieces=False)
    assert bpe.encode_to_list("abc") == [ord("a"), 257]
    assert bpe.encode_to_list("ab") == [256]
    # a pair that is listed twice counts where it stands last
    again = tiny(backend, *tokens, merges=[*merges, (b"b", b"c")], whole_pieces=False)
    assert again.encode_to_list("abc") == [258]


def test_hole_in_the_ranks_is_no_token(backend):
    bpe = backend.BPECore(BYTES | {b"ab": 300, b"cd": 400}, PATTERN, {END: 350})
    assert bpe.n_vocab == 401
    assert bpe.encode_to_list("abcd" + END, allowed_special="all") == [300, 400, 350]
    with pytest.raises(ValueError, match="unknown id 299 at position 1"):
        bpe.decode([300, 299])


def test_sizes_of_the_vocabulary(gpt2):
    assert gpt2.n_vocab == 50257
    assert gpt2.max_token_length == 128
    assert len(gpt2.ranks) == 50256
    assert gpt2.special_tokens == {END: 50256}


def test_text_is_normalized_between_special_tokens_if_asked(backend):
    bpe = tiny(backend, "\u00e9".encode(), special={"e<>": 500}, normalization="NFC")
    assert bpe.encode_to_list("e\u0301") == [256]
    assert bpe.encode_to_list("e<>\u0301", allowed_special="all") == [500, *"\u0301".encode()]
    assert tiny(backend, "\u00e9".encode()).encode_to_list("e\u0301") == [*"e\u0301".encode()]


# ---- text that is no valid Unicode


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ud83d\ud83d\ude00\ude00", "\ufffd\U0001f600\ufffd"),
        ("x\ud83d", "x\ufffd"),
    ],
)
def test_lone_surrogates_become_replacement_characters_and_pairs_are_joined(gpt2, text, valid):
    assert gpt2.encode_to_list(text) == gpt2.encode_to_list(valid)


@pytest.mark.parametrize("data", [b"a\xffb", b"\xe4\xb8", b"\xed\xa0\x80", b"\xf0\x9f\x98z", b"\xc0\x80"])
@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_invalid_utf8_is_treated_as_the_codecs_do(gpt2, data, errors):
    assert gpt2.encode_to_list(data, errors=errors) == gpt2.encode_to_list(data.decode("utf-8", errors))


def test_invalid_utf8_under_strict_names_the_offset(gpt2):
    with pytest.raises(InvalidEncoding, match="utf-8: invalid start byte: b'\\\\xff' at offset 3") as caught:
        gpt2.encode(b"ab " + b"\xff", errors="strict")
    assert caught.value.offset == 3


# ---- special tokens


def test_special_token_in_text_raises_unless_told_otherwise(gpt2):
    with pytest.raises(
        ValueError, match="disallowed special token '<|endoftext|>' at character 2".replace("|", "\\|")
    ):
        gpt2.encode(f"a {END}")
    assert gpt2.encode_to_list(f"a {END}", allowed_special="all") == [64, 220, 50256]
    assert gpt2.encode_to_list(f"a{END}", allowed_special={END}) == [64, 50256]
    ordinary = gpt2.encode_to_list(f"a {END}", disallowed_special=())
    assert 50256 not in ordinary
    assert gpt2.encode_ordinary_to_list(f"a {END}") == ordinary
    assert gpt2.decode(ordinary) == f"a {END}"


def test_only_named_special_tokens_are_disallowed_or_allowed(backend):
    bpe = tiny(backend, special={"<a>": 500, "<b>": 501})
    assert bpe.encode_to_list("<a><b>", allowed_special={"<a>"}, disallowed_special=()) == [500, *b"<b>"]
    assert bpe.encode_to_list("<a>", disallowed_special={"<b>"}) == [*b"<a>"]
    with pytest.raises(ValueError, match="'<b>' at character 3"):
        bpe.encode("<a><b>", allowed_special={"<a>"})
    with pytest.raises(ValueError, match="'x' at character 0"):
        bpe.encode("x", disallowed_special=["x"])


def test_longest_special_token_wins_where_several_begin(backend):
    bpe = tiny(backend, special={"<a": 500, "<a>": 501, "<a>>": 502})
    assert bpe.encode_to_list("<a<a><a>>", allowed_special="all") == [500, 501, 502]
    assert bpe.encode_to_list("<a>>", allowed_special={"<a", "<a>"}, disallowed_special=()) == [501, *b">"]


def test_text_beside_a_special_token_is_split_as_if_it_stood_alone(gpt2):
    # blanks at the end of a text are one piece, before a word the last one belongs to the word
    assert gpt2.encode_to_list(f"a   {END}b", allowed_special="all") == [
        *gpt2.encode_to_list("a   "),
        50256,
        *gpt2.encode_to_list("b"),
    ]


def test_two_special_tokens_may_share_an_id(backend):
    bpe = tiny(backend, special={"<first>": 500, "<second>": 500})
    assert bpe.encode_to_list("<second><first>", allowed_special="all") == [500, 500]
    assert bpe.decode([500]) == "<first>"


@pytest.mark.parametrize("argument", ["allowed_special", "disallowed_special"])
def test_name_that_is_not_all_is_no_collection(gpt2, argument):
    with pytest.raises(
        ValueError, match=f"{argument} must be \"all\" or a collection of special tokens, got 'x'"
    ):
        gpt2.encode("a", **{argument: "x"})


# ---- many texts, counting, cutting


def test_batch_is_one_array_with_offsets(gpt2):
    texts = ["Hello world", "", b"a b c", END]
    ids, offsets = gpt2.encode_many(texts, disallowed_special=())
    assert ids.dtype == np.uint32
    assert offsets.dtype == np.int64
    assert offsets.tolist() == [0, 2, 2, 5, 12]
    for text, start, end in zip(texts, offsets[:-1], offsets[1:], strict=True):
        assert ids[start:end].tolist() == gpt2.encode_ordinary_to_list(text)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_batch_on_threads_is_in_order(gpt2, threads):
    texts = [f"text {i} " * (i % 50) for i in range(300)]
    ids, offsets = gpt2.encode_many(iter(texts), threads=threads)
    assert ids.tolist() == [number for text in texts for number in gpt2.encode_to_list(text)]
    assert len(offsets) == 301


def test_empty_batch(gpt2):
    ids, offsets = gpt2.encode_many([])
    assert ids.tolist() == []
    assert offsets.tolist() == [0]


def test_batch_refuses_one_text_and_no_threads(gpt2):
    with pytest.raises(TypeError, match="texts must be an iterable of texts, not str"):
        gpt2.encode_many("abc")
    with pytest.raises(ValueError, match="threads must be positive, got 0"):
        gpt2.encode_many(["a"], threads=0)


def test_bad_text_in_a_batch_raises(gpt2):
    with pytest.raises(TypeError, match="text must be str or bytes-like, not int"):
        gpt2.encode_many(["a", 1])
    with pytest.raises(ValueError, match="disallowed special token"):
        gpt2.encode_many(["a", END], threads=2)


def test_count(gpt2):
    text = "Hello world, it's 12345 \n\n  times" * 20
    assert gpt2.count(text) == len(gpt2.encode(text))
    assert gpt2.count(text + END, allowed_special="all") == len(gpt2.encode(text)) + 1
    with pytest.raises(ValueError, match="disallowed special token"):
        gpt2.count(END)


def test_count_until_gives_the_count_or_none_beyond_the_limit(gpt2):
    text = "one two three"
    assert [gpt2.count_until(text, limit) for limit in range(5)] == [None, None, None, 3, 3]
    assert gpt2.count_until("", 0) == 0
    with pytest.raises(ValueError, match="limit must not be negative, got -1"):
        gpt2.count_until(text, -1)


def test_truncate_keeps_the_first_tokens(gpt2):
    text = "one two three"
    assert [gpt2.truncate(text, n) for n in range(5)] == ["", "one", "one two", text, text]
    assert gpt2.truncate(text.encode(), 2) == b"one two"
    assert gpt2.truncate(f"a{END}b", 2, allowed_special="all") == f"a{END}"
    with pytest.raises(ValueError, match="n must not be negative, got -1"):
        gpt2.truncate(text, -1)


def test_truncated_text_ends_between_characters_and_has_no_more_tokens(gpt2):
    text = "\U0001f600 中文字 \n\n  x\U0001f468\u200d\U0001f469" * 3
    for n in range(gpt2.count(text) + 1):
        cut = gpt2.truncate(text, n)
        assert text.startswith(cut)
        assert gpt2.count(cut) <= n
        assert gpt2.truncate(text.encode(), n) == cut.encode()


def test_truncated_text_may_not_have_more_tokens_than_it_had_in_the_whole(backend):
    # "中AAa" is one piece, but "中AA" are two: the beginning "中AA" of one token would have two
    words = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
    small = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    clitic = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    pattern = (
        rf"{words}*{small}+{clitic}|{words}+{small}*{clitic}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    wide = "中".encode()
    bpe = tiny(backend, wide[:2], wide, b"AA", wide + b"AA", b"bc", pattern=pattern)
    assert bpe.encode_to_list("中AAbc") == [259, 260]
    assert bpe.encode_to_list("中AA") == [257, 258]
    assert bpe.truncate("中AAbc", 1) == ""
    assert bpe.truncate("中AAbc", 2) == "中AAbc"


# ---- offsets


def test_offsets_of_tokens_in_bytes_and_characters(gpt2):
    text = "añ \U0001f600b"
    ids, in_bytes, in_chars = gpt2.offsets(text)
    data = text.encode()
    assert ids.tolist() == gpt2.encode_to_list(text)
    assert in_bytes.dtype == in_chars.dtype == np.int64
    assert in_bytes[0] == 0
    assert in_bytes[-1] == len(data)
    assert in_chars[-1] == len(text)
    for i, number in enumerate(ids.tolist()):
        assert data[in_bytes[i] : in_bytes[i + 1]] == gpt2.decode_bytes([number])
        before = data[: in_bytes[i]].decode("utf-8", "ignore")
        assert in_chars[i] == len(before)


def test_offsets_with_special_tokens(gpt2):
    found = gpt2.offsets(f"a{END}b", allowed_special="all")
    assert found.bytes.tolist() == [0, 1, 14, 15]
    assert found.chars.tolist() == [0, 1, 14, 15]


def test_offsets_of_no_text(gpt2):
    ids, in_bytes, in_chars = gpt2.offsets("")
    assert (ids.tolist(), in_bytes.tolist(), in_chars.tolist()) == ([], [0], [0])


# ---- decoding


@pytest.mark.parametrize("kind", [list, tuple, np.array, iter, lambda ids: np.array(ids, np.uint32)])
def test_decode_takes_sequences_and_arrays(gpt2, kind):
    assert gpt2.decode(kind([15496, 995])) == "Hello world"
    assert gpt2.decode_bytes(kind([15496, 995])) == b"Hello world"


def test_decode_of_bytes_that_are_no_text(gpt2):
    smile = gpt2.encode_to_list("\U0001f600")[:-1]
    assert gpt2.decode(smile) == "\ufffd"
    assert gpt2.decode(smile, errors="ignore") == ""
    with pytest.raises(UnicodeDecodeError):
        gpt2.decode(smile, errors="strict")


@pytest.mark.parametrize("bad", [50257, 10**12, -1])
def test_unknown_id_is_named_with_its_position(gpt2, bad):
    with pytest.raises(ValueError, match=f"unknown id {bad} at position 1"):
        gpt2.decode([0, bad, 1])


@pytest.mark.parametrize("bad", ["a", 1.5, None])
def test_id_that_is_no_int_is_refused(gpt2, bad):
    with pytest.raises(TypeError, match="ids must be int, got .* at position 1"):
        gpt2.decode([0, bad])


def test_special_tokens_decode_to_their_names(gpt2):
    assert gpt2.decode([64, 50256]) == f"a{END}"


# ---- what is refused


@pytest.mark.parametrize("text", [None, 1, 1.5, ["a"]])
def test_text_of_another_type_is_refused(gpt2, text):
    for call in (gpt2.encode, gpt2.count, gpt2.offsets, gpt2.encode_ordinary_to_list):
        with pytest.raises(TypeError, match=f"text must be str or bytes-like, not {type(text).__name__}"):
            call(text)


def test_unknown_errors_handler_is_refused(gpt2):
    with pytest.raises(ValueError, match="errors must be 'strict', 'replace' or 'ignore', got 'other'"):
        gpt2.encode("a", errors="other")


@pytest.mark.parametrize(
    ("ranks", "error", "message"),
    [
        ({}, ValueError, "ranks lack 256 of the 256 single bytes: 0x00, 0x01"),
        (
            {key: value for key, value in BYTES.items() if value != 7},
            ValueError,
            "1 of the 256 single bytes: 0x07",
        ),
        (BYTES | {b"ab": 5}, ValueError, "rank 5 belongs to two tokens: b'\\\\x05' and b'ab'"),
        (BYTES | {b"": 300}, ValueError, "rank 300 has a token of no bytes"),
        (BYTES | {b"ab": -1}, ValueError, "rank of b'ab' must be from 0 to 4294967294, got -1"),
        (BYTES | {b"ab": 2**32}, ValueError, "rank of b'ab' must be from 0 to 4294967294, got 4294967296"),
        (BYTES | {b"ab": 1.5}, TypeError, "ranks must map bytes to int, got b'ab': 1.5"),
        (BYTES | {"ab": 300}, TypeError, "ranks must map bytes to int, got 'ab': 300"),
    ],
)
def test_bad_ranks_are_refused(backend, ranks, error, message):
    with pytest.raises(error, match=message):
        backend.BPECore(ranks, PATTERN, {})


@pytest.mark.parametrize(
    ("special", "error", "message"),
    [
        ({"": 300}, ValueError, "special token 300 has no text"),
        ({"<a>": -1}, ValueError, "id of special token '<a>' must be from 0"),
        ({"<a>": 97}, ValueError, "special token '<a>' has the id of the ordinary token b'a': 97"),
        ({b"<a>": 300}, TypeError, "special_tokens must map str to int"),
    ],
)
def test_bad_special_tokens_are_refused(backend, special, error, message):
    with pytest.raises(error, match=message):
        backend.BPECore(BYTES, PATTERN, special)


def test_bad_options_are_refused(backend):
    with pytest.raises(TypeError, match="pattern must be str, not bytes"):
        backend.BPECore(BYTES, b"x", {})
    with pytest.raises(ValueError, match="normalization must be one of NFC, .*, got 'NFX'"):
        backend.BPECore(BYTES, PATTERN, {}, normalization="NFX")
    with pytest.raises(ValueError, match="cache_bytes must not be negative, got -1"):
        backend.BPECore(BYTES, PATTERN, {}, cache_bytes=-1)
    with pytest.raises(ValueError, match=r"merge 0 \(b'a', b'b'\) needs a token that ranks lack: b'ab'"):
        backend.BPECore(BYTES, PATTERN, {}, merges=[(b"a", b"b")])


# ---- the object


def test_pickled_copy_gives_the_same_ids(backend):
    bpe = tiny(
        backend,
        b"ab",
        b"abc",
        special={END: 900},
        merges=[(b"a", b"b")],
        whole_pieces=False,
        normalization="NFC",
        cache_bytes=4096,
    )
    copy = pickle.loads(pickle.dumps(bpe))
    assert type(copy) is type(bpe)
    for text in ("abcab", "e\u0301", END):
        assert copy.encode_to_list(text, allowed_special="all") == bpe.encode_to_list(
            text, allowed_special="all"
        )
    assert copy.cache_bytes == 4096


@pytest.mark.parametrize("cache_bytes", [0, 1, 1000, 1 << 20])
def test_size_of_the_cache_does_not_change_ids(backend, gpt2, cache_bytes):
    text = " ".join(f"word{i} Größe{i % 7}" for i in range(2000))
    assert gpt2_core(backend, cache_bytes=cache_bytes).encode_to_list(text) == gpt2.encode_to_list(text)


def test_several_threads_use_one_object(gpt2):
    texts = [" ".join(f"w{i * j} \u4e2d{j}" for j in range(200)) for i in range(8)]
    wanted = [gpt2.encode_to_list(text) for text in texts]
    got: dict[int, list[int]] = {}
    threads = [
        threading.Thread(
            target=lambda i=i: got.__setitem__(i, [gpt2.encode_to_list(texts[i]) for _ in range(5)][-1])
        )
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[i] for i in range(8)] == wanted


@pytest.mark.parametrize("unit", ["a", " ", "\n", "中", "ab", "A", "\u0301", "'", "9"])
def test_long_run_is_linear_and_does_not_overflow(gpt2, unit):
    # openai/tiktoken#195, and kitoken's stack overflow between 0.5 and 1 MB of blanks
    text = unit * (200_000 // len(unit))
    ids = gpt2.encode_to_list(text)
    assert gpt2.decode(ids) == text
