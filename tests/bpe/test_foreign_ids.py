"""Ids from arrays and objects of all kinds: one answer of both backends, and nothing is read that was not checked."""

from __future__ import annotations

import gc
import sys
import threading
from array import array
from enum import IntEnum

import numpy as np
import pytest

from streamcore import BPE
from streamcore.vocab.gpt2 import load_gpt2

PATTERN = BPE.gpt2().pattern
BYTES = {bytes((value,)): value for value in range(256)}
LONG = {b"x" * 500: 300}


@pytest.fixture(scope="module")
def core(backend):
    return backend.BPECore(BYTES | LONG, PATTERN)


@pytest.fixture(scope="module")
def both():
    """The same tokenizer on both backends."""
    pytest.importorskip("streamcore._native.bpe.core", reason="no native core")
    from streamcore._native.bpe.core import BPECore as Native
    from streamcore._native.bpe.decoder import BPEDecoder as NativeDecoder

    from streamcore._pure.bpe.core import BPECore as Pure
    from streamcore._pure.bpe.decoder import BPEDecoder as PureDecoder

    return (Native(BYTES | LONG, PATTERN), NativeDecoder), (Pure(BYTES | LONG, PATTERN), PureDecoder)


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


class Liar(int):
    """An int whose methods say otherwise."""

    def __index__(self):
        return 1 << 40

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 98


class Listed:
    """Something with a ``tolist`` that gives whatever it is told."""

    def __init__(self, made):
        self.made = made

    def tolist(self):
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


class OddList(list):
    def __iter__(self):
        return iter([100, 101])

    def __len__(self):
        return 1 << 20


class OddArray(np.ndarray):
    def tolist(self):
        return [104, 105]


class Growing:
    """A sequence that gets longer while it is iterated."""

    def __init__(self):
        self.items = [97]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        if index < 600 and index == len(self.items) - 1:
            self.items.append(98)
        return self.items[index]


class Number(IntEnum):
    A = 97


def unaligned(kind):
    memory = np.zeros(33, np.uint8)
    row = memory[1:].view(kind)
    row[:] = [97 + i for i in range(len(row))]
    return row


def bool_of_five():
    return np.array([5, 0, 1], np.uint8).view(np.bool_)


wide = np.array([[97, 98], [99, 100]], np.uint32)
ODD = {
    "int": lambda: 97,
    "bool": lambda: True,
    "int of a class": lambda: Number.A,
    "int with odd methods": lambda: Liar(97),
    "ints with odd methods": lambda: [Liar(97), 98],
    "scalar": lambda: np.uint32(97),
    "scalar float": lambda: np.float32(97),
    "array of no dimension": lambda: np.array(97),
    "array of one": lambda: np.array([97]),
    "two dimensions": lambda: wide,
    "two dimensions, columns first": lambda: np.asfortranarray(wide),
    "two dimensions, one row": lambda: wide[:1],
    "memoryview of two dimensions": lambda: memoryview(wide),
    "no rows": lambda: np.empty((0, 2), np.uint32),
    "masked": lambda: np.ma.array([97, 98], np.uint32, mask=[False, True]),
    "masked, nothing hidden": lambda: np.ma.array([97, 98], np.uint32),
    "unaligned 2": lambda: unaligned(np.uint16),
    "unaligned 4": lambda: unaligned(np.uint32),
    "unaligned 8": lambda: unaligned(np.int64),
    "big-endian": lambda: np.array([97, 98], ">u4"),
    "big-endian signed": lambda: np.array([97, 98], ">i8"),
    "strided": lambda: np.arange(97, 117, dtype=np.uint32)[::3],
    "strided backwards": lambda: np.arange(97, 117, dtype=np.uint32)[::-2],
    "strided by nothing": lambda: np.broadcast_to(np.uint32(97), 20),
    "empty and strided": lambda: np.arange(0, dtype=np.uint32)[::-2],
    "empty": lambda: np.empty(0, np.uint32),
    "empty floats": lambda: np.empty(0),
    "floats": lambda: np.array([97.0, 98.0]),
    "small floats": lambda: np.array([97, 98], np.float32),
    "half floats": lambda: np.array([97, 98], np.float16),
    "complex": lambda: np.array([97 + 0j]),
    "list of floats": lambda: [97.0],
    "list with a float": lambda: [97, 98.0],
    "list with a float of numpy": lambda: [np.int64(97), np.float64(98)],
    "bools": lambda: [True, False],
    "array of bools": lambda: np.array([True, False]),
    "array of bools that are five": bool_of_five,
    "bool of numpy in a list": lambda: [np.True_],
    "objects": lambda: np.array([97, 98], object),
    "objects, none": lambda: np.array([97, None], object),
    "text": lambda: np.array(["a"]),
    "bytes in an array": lambda: np.array([b"a"]),
    "dates": lambda: np.array(["2020-01-01"], "datetime64[D]"),
    "records": lambda: np.array([(97, 98)], [("a", "u4"), ("b", "u4")]),
    "array of ours": lambda: np.array([97, 98], np.uint32).view(OddArray),
    "memory map's twin": lambda: np.array([97, 98], np.uint32).view(np.memmap),
    "array module": lambda: array("H", [97, 98]),
    "array module, floats": lambda: array("d", [97, 98]),
    "array module, text": lambda: array("w" if sys.version_info >= (3, 13) else "u", "ab"),
    "memoryview": lambda: memoryview(b"ab"),
    "memoryview backwards": lambda: memoryview(b"abcdef")[::-2],
    "memoryview of bools": lambda: memoryview(b"\x61\x00").cast("?"),
    "memoryview of characters": lambda: memoryview(b"ab").cast("c"),
    "memoryview of floats": lambda: memoryview(np.array([97.0])),
    "memoryview of no dimension": lambda: memoryview(np.array(97, np.uint32)),
    "str": lambda: "ab",
    "bytes": lambda: b"ab",
    "bytearray": lambda: bytearray(b"ab"),
    "None": lambda: None,
    "float": lambda: 97.0,
    "object": lambda: object(),
    "class": lambda: list,
    "set": lambda: {97},
    "dict": lambda: {97: 1},
    "range": lambda: range(97, 100),
    "generator": lambda: (97 + i for i in range(3)),
    "generator that fails": lambda: (1 // (97 - i) for i in range(97, 99)),
    "list of a class": lambda: OddList([97]),
    "sequence that grows": Growing,
    "index": lambda: [Index(97), Index(98)],
    "index that is none": lambda: [Index("a")],
    "index of another class": lambda: [Index(Number.A)],
    "index out of range": lambda: [Index(-1)],
    "tolist gives a tuple": lambda: Listed((97, 98)),
    "tolist gives a list": lambda: Listed([97, 98]),
    "tolist gives an int": lambda: Listed(97),
    "tolist gives None": lambda: Listed(None),
    "tolist gives text": lambda: Listed("ab"),
    "tolist gives bytes": lambda: Listed(b"ab"),
    "tolist gives another list": lambda: Listed(OddList([97])),
    "tolist gives lists": lambda: Listed([[97]]),
    "tolist fails": lambda: Listed(KeyError("no list")),
    "nested": lambda: [[97]],
    "unknown": lambda: [97, 256],
    "unknown in an array": lambda: np.array([97, 256, 98], np.uint16),
    "negative": lambda: np.array([97, -1], np.int8),
    "largest": lambda: np.array([97, 2**64 - 1], np.uint64),
    "huge": lambda: [1 << 70],
    "huge, negative": lambda: [-(1 << 70)],
    "of thousands of digits": lambda: [97, 10**5000],
    "long": lambda: np.full(400, 300),
    "long list": lambda: [300, 97] * 400,
}


def answer(call):
    try:
        return "gives", call()
    except Exception as error:  # noqa: BLE001 - whatever it is, the twins raise the same
        return type(error), str(error)


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("method", ["decode", "decode_bytes", "feed", "prompt", "iterate"])
def test_twins_answer_alike_to_odd_ids(both, method, what):
    answers = []
    for core, decoder in both:
        ids = ODD[what]()
        if method == "feed":
            engine = decoder(core)
            answers.append((answer(lambda: engine.feed(ids)), engine.offset, answer(engine.finish)))  # noqa: B023
        elif method == "prompt":
            answers.append(answer(lambda: decoder(core, prompt=ids).feed([97])))  # noqa: B023
        elif method == "iterate":
            answers.append(answer(lambda: list(decoder(core).iterate([[97], ids]))))  # noqa: B023
        else:
            answers.append(answer(lambda: getattr(core, method)(ids)))  # noqa: B023
    assert answers[0] == answers[1]


FLOATS = [k for k in ODD if "float" in k and k != "empty floats"]


@pytest.mark.parametrize("what", [*FLOATS, "complex"])
def test_floats_are_no_ids(backend, core, what):
    for call in (core.decode, core.decode_bytes, backend.BPEDecoder(core).feed):
        with pytest.raises(TypeError, match=r"ids must be int|takes ids, not float"):
            call(ODD[what]())


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("unaligned 4", "abcdefgh"),
        ("big-endian", "ab"),
        ("strided", "adgjmps"),
        ("strided backwards", "tsrqponmlkjihgfedcba"[::2]),
        ("masked, nothing hidden", "ab"),
        ("empty and strided", ""),
        ("array of bools that are five", "\x01\x00\x01"),
        ("int with odd methods", "a"),
        ("tolist gives another list", "de"),
    ],
)
def test_odd_arrays_of_ids_are_decoded_as_their_lists(backend, core, what, text):
    assert core.decode(ODD[what]()) == text
    assert "".join(backend.BPEDecoder(core).feed(ODD[what]())) == text


@pytest.mark.parametrize("what", ["two dimensions", "two dimensions, columns first", "masked"])
def test_arrays_that_are_no_row_of_ids_are_refused(backend, core, what):
    for call in (core.decode, core.decode_bytes, backend.BPEDecoder(core).feed):
        with pytest.raises(TypeError, match="ids must be int"):
            call(ODD[what]())


def test_unknown_id_of_thousands_of_digits_is_told_by_its_size(backend, core):
    for call in (core.decode, backend.BPEDecoder(core).feed):
        with pytest.raises(ValueError, match="unknown id an int of 16610 bits at position 0"):
            call([10**5000])


def test_list_that_tolist_gives_stays_as_it_is(core):
    made = [Index(97), 98]
    assert core.decode(Listed(made)) == "ab"
    assert isinstance(made[0], Index)


def flipping(row, values, stop):
    """Write one value and another, without the interpreter's lock, until told to stop."""
    large = [np.full(len(row), value, row.dtype) for value in values]
    while not stop.is_set():
        for one in large:
            np.copyto(row, one)


@pytest.mark.parametrize("kind", [np.uint32, np.int64])
def test_array_that_another_thread_writes_gives_tokens_and_nothing_else(backend, kind):
    # 97 and 98 differ in one byte, so that an id is never read half written
    core = backend.BPECore(BYTES | {b"b": 300, b"x" * 500: 98}, PATTERN)
    row = np.full(20_000, 97, kind)
    stop = threading.Event()
    writer = threading.Thread(target=flipping, args=(row, (97, 98), stop))
    writer.start()
    try:
        for _ in range(15 if backend.name == "native" else 3):
            for call in (core.decode_bytes, lambda ids: "".join(backend.BPEDecoder(core).feed(ids)).encode()):
                found = call(row)
                assert set(found) <= set(b"ax")
                assert (len(found) - found.count(b"a")) % 500 == 0
    finally:
        stop.set()
        writer.join()


def test_unknown_id_in_an_array_leaves_what_came_before(backend, core):
    engine = backend.BPEDecoder(core)
    assert engine.feed(np.array([97, 98, 999, 97], np.uint16)) == ["ab"]
    with pytest.raises(ValueError, match="unknown id 999 at position 2"):
        engine.feed(97)


def test_decoding_from_within_the_ids_of_a_call(backend, core):
    """One tokenizer may be used by code that runs within its own calls."""

    def ids():
        yield 97
        assert core.decode([98]) == "b"
        gc.collect()
        assert core.encode_to_list("c") == [99]
        yield 100

    assert core.decode(ids()) == "ad"


def test_ids_of_gpt2_from_every_kind_of_array(backend):
    ranks, pattern, special, *_ = load_gpt2()
    core = backend.BPECore(ranks, pattern, special)
    wanted = core.encode_to_list("Hello world")
    for kind in ("<u2", ">u2", "<u4", ">u4", "<i8", ">i8", object):
        assert core.decode(np.array(wanted, kind)) == "Hello world"
