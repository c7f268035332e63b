"""Vocabulary files that are not trusted: whatever they hold, they load and work, or one ValueError says where."""

from __future__ import annotations

import base64
import copy
import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamcore import BPE
from streamcore.vocab import reading
from streamcore.vocab.encodings import CL100K
from streamcore.vocab.reading import load_json
from streamcore.vocab.tiktoken_file import read_tiktoken
from streamcore.vocab.tokenizer_json import byte_alphabet, load_tokenizer_json

CHARACTERS = {value: char for char, value in byte_alphabet().items()}
TEXT = "abc \u00e9\u4e2d <end> \n\n'll 12"
BYTES = [bytes((value,)) for value in range(256)]
# Stands in JSON for what Python's json does not write: put in as text.
RAW = {
    "@nan": "NaN",
    "@infinity": "-Infinity",
    "@digits": "9" * 5000,
    "@float": "1e999",
    "@deep": "[" * 900 + "]" * 900,
}
WRONG = [
    None, True, False, 0, 1, -1, 7, 2**31, 2**32 - 1, 2**32, 2**63, 10**9, 10**19, 1.5, -0.0, "", "a", "\ud800",
    "\u4e2d", "x" * 5000, "BPE", [], [[]], ["a"], ["a", "b", "c"], ["a", 1], {}, {"a": {}}, {"type": "NFC"},
    {"type": 3},
    {"type": ["Sequence"]},
    {"type": "Sequence", "pretokenizers": None}, {"type": "Sequence", "normalizers": 5}, {"type": "Split"}, *RAW,
]  # fmt: skip


def document():
    """A file that has every field the loader reads."""
    vocab = {CHARACTERS[value]: value for value in range(256)} | {
        "ab": 256,
        "abc": 257,
        "<end>": 300,
        "<pad>": 301,
    }
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    split = {"type": "Split", "pattern": {"Regex": "[ab]+|c"}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    options = dict.fromkeys(("dropout", "continuing_subword_prefix", "end_of_word_suffix", "unk_token"))
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": 300, "content": "<end>", **flags},
            {"id": 301, "content": "<pad>", **flags},
        ],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
        "model": {
            "type": "BPE",
            **options,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": vocab,
            "merges": ["a b", ["ab", "c"]],
        },
    }


def places(value, path=()):
    """Where the loader may find something, one byte of the vocabulary for all of them."""
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        if path != ("model", "vocab") or key in ("a", "b", "ab", "abc", "<end>", "<pad>"):
            yield from places(child, (*path, key))


PLACES = list(places(document()))


def text_of(content):
    text = json.dumps(content)
    for mark, raw in RAW.items():
        text = text.replace(f'"{mark}"', raw)
    return text


def changed(path, change):
    """The file with ``change(holder, key)`` made at ``path``."""
    content = {"": document()}
    holder, key = content, ""
    for step in path:
        holder, key = holder[key], step
    change(holder, key)
    return text_of(content.get(""))


def check(path, data):
    """It loads and works, or a ValueError names the file and the place."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    try:
        found = load_tokenizer_json(path)
    except ValueError as error:
        refused = error
    else:
        options = {"merges": found.merges, "symbols": found.symbols}
        bpe = BPE.from_ranks(found.ranks, found.pattern, found.special_tokens, **options)
        text = TEXT
        if found.symbols is not None:  # of characters, which have no blanks to be found by
            bpe.encode(text, disallowed_special=())
            return None
        found_texts = [
            bpe.decode(bpe.encode(text, disallowed_special=())),
            bpe.decode(bpe.encode(text, allowed_special="all")),
        ]
        if not isinstance(found.pattern, str) and any(split.prefix for split in found.pattern):
            # blanks come before the pieces
            text, found_texts = text.replace(" ", ""), [each.replace(" ", "") for each in found_texts]
        assert found_texts == [text, text]
        return None
    assert type(refused) is ValueError
    message = str(refused)
    assert message.startswith(f"{path}, "), message
    assert len(message) < len(str(path)) + 500
    assert "\n" not in message
    message.encode()
    return message.removeprefix(f"{path}, ")


def test_the_whole_file_is_taken_as_it_is(tmp_path):
    assert check(tmp_path / "tokenizer.json", text_of(document())) is None


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_wrong_value_anywhere_in_a_tokenizer_json(tmp_path, path):
    for wrong in WRONG:

        def change(holder, key, wrong=wrong):
            holder[key] = copy.deepcopy(wrong)

        check(tmp_path / "tokenizer.json", changed(path, change))


@pytest.mark.parametrize("path", PLACES[1:], ids=lambda path: ".".join(map(str, path)))
def test_missing_value_anywhere_in_a_tokenizer_json(tmp_path, path):
    check(tmp_path / "tokenizer.json", changed(path, lambda holder, key: holder.pop(key)))


@pytest.mark.parametrize("path", [path for path in PLACES if path and isinstance(path[-1], str)], ids=str)
def test_key_that_stands_twice_is_named(tmp_path, path):
    marked = json.loads(changed(path, lambda holder, key: holder.update({"@twice": holder[key]})))
    text = json.dumps(marked).replace('"@twice"', json.dumps(path[-1]))
    assert "stands twice" in check(tmp_path / "tokenizer.json", text)


@pytest.mark.parametrize(
    ("path", "wrong", "message"),
    [
        (("model", "vocab", "a"), "@nan", "model.vocab.a: not a number of JSON, or too large: NaN"),
        (("version",), "@infinity", "version: not a number of JSON, or too large: -Infinity"),
        (
            ("model", "vocab", "b"),
            "@digits",
            "model.vocab.b: not a number of JSON, or too large: 99999999999999999999...",
        ),
        (("model", "vocab", "b"), True, "model.vocab.b: must be an integer, got True"),
        (("model", "vocab", "b"), 1e9, "model.vocab.b: must be an integer, got 1000000000.0"),
        (("model", "vocab", "b"), 2**32 - 1, "model.vocab.b: an id must be from 0 to 4294967294, got 4294967295"),
        (("model", "vocab", "b"), -1, "model.vocab.b: an id must be from 0 to 4294967294, got -1"),
        (("model", "vocab", "b"), 97, "model.vocab.b: id 97 belongs to the token 'a' too"),
        (("model", "vocab", "b"), 301, "model.vocab.b: id 301 belongs to the token '<pad>' too"),
        (("model", "vocab", "<end>"), 302, "model.vocab['<end>']: id 302 is not that of the added token, 300"),
        (("model", "vocab"), {}, "model.vocab: 256 of the 256 single bytes have no token, first 0x00"),
        (("model", "merges", 1), ["ab"], "model.merges[1]: must be two tokens, got an array of 1"),
        (("model", "merges", 1), ["ab", None], "model.merges[1]: must be two tokens, got an array of 2"),
        (("model", "merges", 0), "b a", "model.merges[0]: b'ba' is not in the vocabulary"),
        (
            ("model", "merges", 0),
            "\ud800 a",
            "model.merges[0]: the token '\\ud800' has '\\ud800', which stands for no byte",
        ),
        (("model", "ignore_merges"), "yes", "model.ignore_merges: must be true or false, got 'yes'"),
        (("model", "type"), {}, "model.type: must be a string, got an object of 0"),
        (("added_tokens",), {}, "added_tokens: must be an array, got an object of 0"),
        (("added_tokens", 1), "x", "added_tokens[1]: must be an object, got 'x'"),
        (("added_tokens", 1, "id"), 300, "added_tokens[1]: the token '<pad>' or its id 300 stands above already"),
        (("added_tokens", 1, "id"), 97, "model.vocab.a: id 97 belongs to the token '<pad>' too"),
        (
            ("added_tokens", 1, "id"),
            2**63,
            "added_tokens[1].id: an id must be from 0 to 4294967294, got 9223372036854775808",
        ),
        (
            ("added_tokens", 1, "content"),
            "<end>",
            "added_tokens[1]: the token '<end>' or its id 301 stands above already",
        ),
        (
            ("added_tokens", 1, "content"),
            "\udc00",
            "added_tokens[1].content: must be text of whole characters, got '\\udc00'",
        ),
        (("added_tokens", 1, "lstrip"), 1, "added_tokens[1].lstrip: must be true or false, got 1"),
        (("normalizer", "normalizers"), 5, "normalizer.normalizers: must be an array, got 5"),
        (("normalizer", "normalizers"), [3], "normalizer.normalizers[0]: must be null or one of "
         "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Nmt, Strip, Prepend, Replace, Sequence, got '3'"),
        (
            ("pre_tokenizer", "pretokenizers", 0, "pattern"),
            "x",
            "pre_tokenizer.pretokenizers[0].pattern: must be an object, got 'x'",
        ),
        (
            ("pre_tokenizer", "pretokenizers", 0, "invert"),
            0,
            "pre_tokenizer.pretokenizers[0].invert: must be true or false, got 0",
        ),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_place_in_a_tokenizer_json_is_named(tmp_path, path, wrong, message):
    def change(holder, key):
        holder[key] = wrong

    assert check(tmp_path / "tokenizer.json", changed(path, change)) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 100_000, "line 1: nested too deeply"),
        (b'{"a":\n' * 100_000, "line 100000: nested too deeply"),
        (b'"[[[[\\"[[[["\n' + b"[" * 100_000, "line 1: nested too deeply"),
        (b"\xff", "byte 0: not UTF-8"),
        (b'"\xed\xa0\x80"', "byte 1: not UTF-8"),
        ("{}".encode("utf-16"), "byte 0: not UTF-8"),
        (b"", "line 1: not JSON"),
        (b"\x00", "line 1: not JSON"),
        (b'{"a": 1', "line 1: not JSON"),
        (b'\n{"a": "' + b"x" * 1_000_000, "line 2: not JSON"),
        (b"\xef\xbb\xbf[]", "the file: must be an object, got an array of 0"),
        (b"NaN", "the file: not a number of JSON"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_file_that_is_no_json_is_refused(tmp_path, data, message):
    found = check(tmp_path / "tokenizer.json", data)
    if b'\\"' in data:
        assert "not JSON" in found or message in found
    else:
        assert message in found


def test_byte_order_mark_is_left_out(tmp_path):
    assert check(tmp_path / "tokenizer.json", b"\xef\xbb\xbf" + text_of(document()).encode()) is None


@pytest.mark.parametrize("size", [9, 10, 11])
def test_file_beyond_the_limit_is_refused(tmp_path, monkeypatch, size):
    monkeypatch.setattr(reading, "LARGEST", 10)
    monkeypatch.setattr(reading, "BLOCK", 4)
    path = tmp_path / "f"
    path.write_bytes(b"x" * size)
    if size <= 10:
        assert reading.read_file(path, "f") == b"x" * size
        return
    for load in (BPE.from_tiktoken, BPE.from_tokenizer_json):
        with pytest.raises(ValueError, match=f"{path}, byte 10: the file is larger than that"):
            load(path)


def test_ids_far_apart_make_no_table(tmp_path, backend):
    content = document()
    content["model"]["vocab"] |= {"ab": 2**32 - 2, "abc": 10**9}
    content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "[abc]{3}|[ab]+"
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    found = load_tokenizer_json(path)
    core = backend.BPECore(found.ranks, found.pattern, found.special_tokens, merges=found.merges)
    assert core.encode_to_list("abcab") == [10**9, 2**32 - 2]
    assert core.decode([10**9, 2**32 - 2]) == "abcab"
    assert core.n_vocab == 2**32 - 1
    engine = backend.BPEDecoder(core)
    assert "".join([*engine.feed([10**9, 2**32 - 2]), *engine.finish()]) == "abcab"
    encoder = backend.BPEEncoder(core)
    assert [ids.tolist() for ids in (*encoder.feed("abcab"), *encoder.finish())] == [[10**9, 2**32 - 2]]
    assert core.offsets("abcab").bytes.tolist() == [0, 3, 5]


INSERTED = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "\\ud800",
    "null",
    "NaN",
    "1e999",
    "-1",
    "9" * 30,
    "\x00",
    "\ufeff",
    '"a"',
    "true",
]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 40), st.sampled_from(["", *INSERTED])),
        min_size=1,
        max_size=4,
    )
)
def test_random_changes_to_a_tokenizer_json(tmp_path_factory, changes):
    text = text_of(document())
    for at, size, inserted in changes:
        at %= len(text)
        text = text[:at] + inserted + text[at + size :]
    check(tmp_path_factory.getbasetemp() / "tokenizer.json", text)


# ---- .tiktoken files


def file_of(tokens):
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in tokens)


VALID = file_of([*((token, rank) for rank, token in enumerate(BYTES)), (b"ab", 256), (b"abc", 300)])
FIELDS = [
    b"", b" ", b"x", b"=", b"====", b"YQ", b"YQ==", b"YWI=", b"YW I=", b"-1", b"+1", b"0x1", b"1.0",
    b"1e3", b"NaN", b"true",
    b"null", b"9" * 5000, b"4294967294", b"4294967295", b"18446744073709551616", b"97",
    b"\xff\xfe", b"\xd9\xa1", b"\x00",
    b"_1", b"1_0", b"#",
    b"[" * 5000, b"Y" * 100_001, b"\xef\xbb\xbfYWI=", b"\xed\xa0\x80",
]  # fmt: skip


def check_ranks(data):
    try:
        ranks = read_tiktoken(data, "file")
    except ValueError as error:
        refused = error
    else:
        bpe = BPE.from_ranks(ranks, CL100K)
        assert bpe.decode(bpe.encode(TEXT)) == TEXT
        return None
    assert type(refused) is ValueError
    message = str(refused)
    assert message.startswith(("file, line ", "file: ")), message
    assert len(message) < 300
    assert "\n" not in message
    return message


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: str(field[:12]))
def test_wrong_field_in_a_tiktoken_file(field):
    lines = VALID.split(b"\n")
    for number in (0, 97, 257):
        token, rank = lines[number].split()
        for line in (
            field,
            field + b" " + rank,
            token + b" " + field,
            lines[number] + field,
            lines[number] + b" " + field,
        ):
            message = check_ranks(b"\n".join([*lines[:number], line, *lines[number + 1 :]]))
            if message and "single bytes" not in message and "already" not in message:
                assert message.startswith(f"file, line {number + 1}: ")


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 20), st.sampled_from([*FIELDS, b"\n", b"\r"])),
        min_size=1,
        max_size=4,
    )
)
def test_random_changes_to_a_tiktoken_file(changes):
    data = VALID
    for at, size, inserted in changes:
        at %= len(data)
        data = data[:at] + inserted + data[at + size :]
    check_ranks(data)


@pytest.mark.parametrize("seed", range(4))
def test_lines_in_any_order_and_cut_anywhere(seed):
    rng = random.Random(seed)
    lines = VALID.splitlines(keepends=True)
    rng.shuffle(lines)
    data = b"".join(lines)
    assert check_ranks(data) is None
    for _ in range(20):
        check_ranks(data[: rng.randrange(len(data))])


def test_later_error_of_a_file_names_it(tmp_path):
    path = tmp_path / "own.tiktoken"
    path.write_bytes(VALID)
    with pytest.raises(
        ValueError, match=r"own\.tiktoken: .*special token '<x>' has the id of the ordinary token"
    ):
        BPE.from_tiktoken(path, pattern=CL100K, special_tokens={"<x>": 256})


@pytest.mark.parametrize("name", ["\ud800", "a\udc00", "\udc00\ud800"], ids=ascii)
def test_special_token_with_half_a_pair_of_surrogates_is_named(backend, name):
    with pytest.raises(ValueError, match="special token .* has half a pair of surrogates") as caught:
        backend.BPECore({token: i for i, token in enumerate(BYTES)}, "a", {name: 300})
    assert type(caught.value) is ValueError
    assert ascii(name)[1:-1] in str(caught.value)


# ---- what JSON may hold

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANY_JSON)
def test_any_json_is_read_as_python_reads_it(value):
    text = json.dumps(value)
    if re.search(r"\d{20}", text):
        return  # text of that kind may look like a number that is refused
    assert load_json(text.encode(), "file").value == value
