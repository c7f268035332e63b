"""What a tokenizer is made of and asked with: copied before it is checked, the same answer of both backends."""

from __future__ import annotations

import re

import numpy as np
import pytest

from streamcore import BPE, TokenBatch

PATTERN = BPE.gpt2().pattern
BYTES = {bytes((value,)): value for value in range(256)}
HUGE = 10**5000


class Mapping:
    """No dict, and says something else each time it is asked for a value."""

    def __init__(self, contents, later):
        self.contents, self.later, self.asked = contents, later, 0

    def keys(self):
        return self.contents.keys()

    def items(self):
        return self.contents.items()

    def __contains__(self, key):
        return key in self.contents

    def __iter__(self):
        return iter(self.contents)

    def __len__(self):
        return len(self.contents)

    def __getitem__(self, key):
        return self.later(key, self.contents[key])


class Name(str):
    def encode(self, *_):
        return b"z" * 1_000_000

    def __len__(self):
        return 1 << 30


class Token(bytes):
    def __len__(self):
        return 1 << 30

    def __add__(self, other):
        return b"zz"


class Id(int):
    def __index__(self):
        return 1 << 40

    def __lt__(self, other):
        return True


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (lambda key, number: 1 << 40, "rank of b'.*' must be from 0 to 4294967294, got 1099511627776"),
        (lambda key, number: -1, "rank of b'.*' must be from 0 to 4294967294, got -1"),
        (lambda key, number: 7, "rank 7 belongs to two tokens"),
        (lambda key, number: HUGE, "rank of b'.*' must be from 0 to 4294967294, got an int of 16610 bits"),
    ],
)
def test_ranks_that_answer_otherwise_when_copied_are_refused(backend, later, message):
    with pytest.raises(ValueError, match=message):
        backend.BPECore(Mapping(BYTES, later), PATTERN)


def test_ranks_are_asked_once(backend):
    asked = set()

    def later(key, number):
        first = key not in asked
        asked.add(key)
        return number if first else 1 << 60

    core = backend.BPECore(Mapping(BYTES, later), PATTERN, Mapping({"<x>": 300}, later))
    assert core.encode_to_list("abc<x>", allowed_special="all") == [97, 98, 99, 300]
    assert core.decode([97, 300]) == "a<x>"


def test_special_tokens_that_answer_otherwise_when_copied_are_refused(backend):
    special = Mapping({"<x>": 300}, lambda key, number: 1 << 40)
    with pytest.raises(ValueError, match="id of special token '<x>' must be from 0 to 4294967294"):
        backend.BPECore(BYTES, PATTERN, special)


def test_tokens_names_and_ids_of_classes_with_odd_methods_are_what_they_hold(backend):
    ranks = {Token(token): Id(number) for token, number in BYTES.items()} | {Token(b"ab"): Id(256)}
    core = backend.BPECore(ranks, PATTERN, {Name("<x>"): Id(300)}, merges=[(Token(b"a"), Token(b"b"))])
    assert core.encode_to_list("ab<x>", allowed_special="all") == [256, 300]
    assert core.encode_to_list("a<x>", allowed_special={Name("<x>")}) == [97, 300]
    assert core.decode([256, 300]) == "ab<x>"
    assert {type(key) for key in core.ranks} == {bytes}
    assert core.max_token_length == 2
    offsets = core.offsets("ab<x>", allowed_special="all")
    assert offsets.bytes.tolist() == [0, 2, 5]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None, PATTERN), TypeError, "ranks must be a mapping, not NoneType"),
        (([(b"a", 1)], PATTERN), TypeError, "ranks must be a mapping, not list"),
        ((BYTES, None), TypeError, "pattern must be str, not NoneType"),
        ((BYTES, PATTERN, 5), TypeError, "special_tokens must be a mapping, not int"),
        ((BYTES, PATTERN, {"x": 3.5}), TypeError, "special_tokens must map str to int, got 'x': 3.5"),
        ((BYTES | {"x": 3}, PATTERN), TypeError, "ranks must map bytes to int, got 'x': 3"),
        ((BYTES | {b"x": 3.0}, PATTERN), TypeError, "ranks must map bytes to int, got b'x': 3.0"),
        ((BYTES | {b"ab": HUGE}, PATTERN), ValueError, "got an int of 16610 bits"),
    ],
)
def test_what_is_no_vocabulary_is_refused(backend, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        backend.BPECore(*arguments)


@pytest.mark.parametrize(
    ("merges", "error", "message"),
    [
        ([(b"a",)], TypeError, "merge 0 must be a pair of bytes"),
        ([(b"a", "b")], TypeError, "merge 0 must be a pair of bytes"),
        ([b"ab"], TypeError, "merge 0 must be a pair of bytes"),
        ([5], TypeError, "merge 0 must be a pair of bytes"),
        ([(b"a", b"c")], ValueError, "merge 0 (b'a', b'c') needs a token that ranks lack: b'ac'"),
    ],
)
def test_what_are_no_merges_are_refused(backend, merges, error, message):
    with pytest.raises(error, match=re.escape(message)):
        backend.BPECore(BYTES | {b"ab": 256}, PATTERN, merges=merges)


def test_merges_that_run_once_are_enough(backend):
    core = backend.BPECore(BYTES | {b"ab": 256}, PATTERN, merges=iter([(b"a", b"b")]))
    assert core.encode_to_list("abc") == [256, 99]


def test_core_is_made_once_and_not_from_within_its_own_making(backend):
    made = []

    def later(key, number):
        if not made:
            made.append(0)
            with pytest.raises(RuntimeError, match="a BPECore is initialized once"):
                core.__init__(BYTES, PATTERN)
        return number

    core = backend.BPECore.__new__(backend.BPECore)
    core.__init__(Mapping(BYTES, later), PATTERN)
    assert made
    with pytest.raises(RuntimeError, match="a BPECore is initialized once"):
        core.__init__(BYTES | {b"ab": 256}, PATTERN)
    assert core.encode_to_list("ab") == [97, 98]


def test_core_whose_making_failed_may_be_made_again(backend):
    core = backend.BPECore.__new__(backend.BPECore)
    with pytest.raises(ValueError, match="ranks lack"):
        core.__init__({b"a": 1}, PATTERN)
    with pytest.raises(ValueError, match="needs a token"):
        core.__init__(BYTES, PATTERN, merges=[(b"a", b"b")])
    core.__init__(BYTES, PATTERN)
    assert core.encode_to_list("ab") == [97, 98]


@pytest.mark.parametrize("call", ["encode", "encode_to_list", "count", "offsets"])
def test_core_that_was_not_made_encodes_nothing(backend, call):
    core = backend.BPECore.__new__(backend.BPECore)
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        getattr(core, call)("a")
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        core.decode([97])
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        backend.BPEDecoder(core).feed(97)
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        backend.BPEEncoder(core).feed("a")


def test_name_added_to_the_special_tokens_later_is_no_id(backend):
    core = backend.BPECore(BYTES, PATTERN, {"<x>": 300})
    core.special_tokens["<y>"] = 4_000_000_000
    core.special_tokens["<x>"] = 4_000_000_000
    for call in (core.offsets, core.encode_to_list):
        try:
            call("<x><y>", allowed_special="all", disallowed_special=())
        except ValueError as error:
            assert "unknown id 4000000000" in str(error)  # noqa: PT017 - or it is text, or the new id
    with pytest.raises(ValueError, match="unknown id"):
        core.decode([4_000_000_000])


# ---- numbers, names, texts


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


NUMBERS = [
    0,
    1,
    3,
    Index(1),
    True,
    -1,
    -HUGE,
    HUGE,
    1 << 63,
    1 << 64,
    1.0,
    None,
    "1",
    np.int64(1),
    np.array(1),
]
NUMBERS += [Index(-1), Index(HUGE), Index(KeyError("no")), np.float64(1), 10**400]


@pytest.fixture(scope="module")
def both():
    pytest.importorskip("streamcore._native.bpe.core", reason="no native core")
    from streamcore._native.bpe.core import BPECore as Native

    from streamcore._pure.bpe.core import BPECore as Pure

    return [each(BYTES | {b"bc": 256}, PATTERN, {"<x>": 300}) for each in (Native, Pure)]


def answer(call, *arguments):
    try:
        found = call(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, the twins raise the same
        return type(error), str(error)
    return "gives", [each.tolist() for each in found] if isinstance(found, tuple) else found


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: repr(type(number)))
@pytest.mark.parametrize("argument", ["n", "limit", "threads"])
def test_twins_answer_alike_to_odd_numbers(both, argument, number):
    calls = {
        "n": lambda core: core.truncate("a bc d", number),
        "limit": lambda core: core.count_until("a bc d", number),
        "threads": lambda core: core.encode_many(["a", "bc"], number),
    }
    native, pure = (answer(lambda core: calls[argument](core), core) for core in both)
    assert native == pure


SIZES = [
    0,
    1,
    1000,
    Index(100),
    True,
    -1,
    -HUGE,
    1.0,
    None,
    "1",
    np.int64(1),
    Index(-1),
    Index(KeyError("no")),
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: repr(type(size)))
def test_twins_answer_alike_to_odd_sizes_of_the_cache(both, size):
    native, pure = (
        answer(lambda core: type(core)(BYTES, PATTERN, cache_bytes=size).cache_bytes, core) for core in both
    )
    assert native == pure


def test_cache_without_a_bound_takes_what_helps(backend):
    core = backend.BPECore(BYTES, PATTERN, cache_bytes=HUGE)
    assert core.encode_to_list("ab") == [97, 98]
    assert core.cache_bytes == HUGE


def test_limit_beyond_any_count_is_none(backend):
    core = backend.BPECore(BYTES, PATTERN)
    for huge in (1 << 63, 1 << 64, HUGE):
        assert core.truncate("abc", huge) == "abc"
        assert core.count_until("abc", huge) == 3
    with pytest.raises(ValueError, match="n must not be negative, got an int of 16610 bits"):
        core.truncate("abc", -HUGE)


NAMES = [
    "all", (), [], None, 5, "x", b"x", ["<x>"], {"<x>": 1}, [5], [None], [["<x>"]], [""], {"a"}, [b"a"], Name("all"),
    frozenset({"<x>"}), np.array(["<x>"]),
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES, ids=repr)
@pytest.mark.parametrize("argument", ["allowed_special", "disallowed_special"])
@pytest.mark.parametrize("method", ["encode_to_list", "count", "offsets", "encode_many"])
@pytest.mark.parametrize("text", ["ab", "a<x>"])
def test_twins_answer_alike_to_odd_names_of_special_tokens(both, argument, names, method, text):
    given = [text] * 3 if method == "encode_many" else text
    options = {argument: names}
    native, pure = (answer(lambda core: getattr(core, method)(given, **options), core) for core in both)
    assert native == pure


def test_names_that_can_be_iterated_once_count_for_all_texts_of_a_batch(backend):
    core = backend.BPECore(BYTES, PATTERN, {"<x>": 300})
    ids, _ = core.encode_many(["<x>"] * 3, allowed_special=iter(["<x>"]))
    assert ids.tolist() == [300] * 3


TEXTS = {
    "bytearray": bytearray(b"ab"),
    "strided": memoryview(b"a-b-")[::2],
    "two dimensions": memoryview(b"abcd").cast("B", (2, 2)),
    "array": np.array([97, 98], np.uint8),
    "array of more": np.array([97], np.uint16),
    "None": None,
    "int": 5,
    "list": [97],
    "invalid": b"a\xff",
}


@pytest.mark.parametrize("what", TEXTS)
@pytest.mark.parametrize("method", ["encode_to_list", "count", "offsets", "encode_piece", "truncate"])
def test_twins_answer_alike_to_odd_texts(both, what, method):
    arguments = (TEXTS[what], 1) if method == "truncate" else (TEXTS[what],)
    native, pure = (answer(lambda core: getattr(core, method)(*arguments), core) for core in both)
    assert native == pure


@pytest.mark.parametrize("errors", ["strict", "other", None, 5, Name("strict"), b"strict"])
@pytest.mark.parametrize("text", [b"a\xff", "a"])
def test_twins_answer_alike_to_odd_error_handlers(both, errors, text):
    native, pure = (answer(lambda core: core.encode_to_list(text, errors=errors), core) for core in both)
    assert native == pure


@pytest.mark.parametrize(
    "stop", [None, 5, [None], ["", "a"], "", b"a", ["a", 5], {"a": 1}, iter("ab"), [Name("b")]]
)
def test_twins_answer_alike_to_odd_stop_strings(both, stop):
    from streamcore._native.bpe.decoder import BPEDecoder as Native

    from streamcore._pure.bpe.decoder import BPEDecoder as Pure

    stop = list(stop) if hasattr(stop, "__next__") else stop
    makers = zip((Native, Pure), both, strict=True)
    native, pure = (answer(lambda make, core: make(core, stop=stop).feed([97, 98]), *each) for each in makers)
    assert native == pure


def test_methods_that_a_subclass_overrides_break_nothing(backend):
    class Odd(backend.BPECore):
        def encode(self, *_, **__):
            return np.array([1 << 31], np.uint32)

        def decode_bytes(self, _):
            return bytearray(b"\xe4")

        def count_until(self, *_, **__):
            return None

    core = Odd(BYTES, PATTERN)
    assert core.offsets("ab").ids.tolist() == [97, 98]
    assert backend.BPEDecoder(core, prompt=[97]).feed(98) == ["b"]


# ---- the batch


def test_arrays_of_a_batch_are_read_only():
    batch = BPE.gpt2().encode_batch(["Hello world"] * 20_000)
    for array in (batch.ids, batch.offsets, batch[0], *list(BPE.gpt2().encode_batch(["a"]))):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    for name in ("ids", "offsets"):
        with pytest.raises(AttributeError):
            setattr(batch, name, None)


def test_offsets_of_a_batch_are_a_copy_that_was_checked():
    ids, offsets = np.arange(5, dtype=np.uint32), np.array([0, 2, 5])
    batch = TokenBatch(ids, offsets)
    offsets[:] = 1 << 40
    assert [each.tolist() for each in batch] == [[0, 1], [2, 3, 4]]
    with pytest.raises(ValueError, match="read-only"):
        batch.ids[0] = 1
    ids[0] = 7  # the caller's own array stays writable


@pytest.mark.parametrize(
    ("ids", "offsets", "error", "message"),
    [
        ([1, 2], [0, 3], ValueError, "offsets must begin with 0, never fall and end with 2"),
        ([1, 2], [0, 5, 2], ValueError, "offsets must begin with 0"),
        ([1, 2], [1, 2], ValueError, "offsets must begin with 0"),
        ([1, 2], [0, -1, 2], ValueError, "offsets must begin with 0"),
        ([1, 2], [], ValueError, "offsets must have one value more than there are texts, got none"),
        ([[1, 2]], [0, 2], ValueError, "must have one dimension, got 2 and 1"),
        ([1.5], [0, 1], TypeError, "ids must be integers, not float64"),
        ([1], [0.0, 1.0], TypeError, "offsets must be integers, not float64"),
        ([-1], [0, 1], ValueError, "ids must be from 0 to 4294967295"),
        ([1 << 32], [0, 1], ValueError, "ids must be from 0 to 4294967295"),
    ],
)
def test_batch_of_arrays_that_do_not_fit_is_refused(ids, offsets, error, message):
    with pytest.raises(error, match=message):
        TokenBatch(ids, offsets)
