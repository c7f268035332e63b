"""``LengthPrefixed``: what a frame is, what bad input does, and that no cut of the input shows."""

from __future__ import annotations

import os
import pickle
import random
import struct

import pytest
from frames_oracle import FramesOracle, random_frame_options, random_frames
from framing_oracle import Ends, check
from traced_memory import traced_peak

from streamcore import LengthPrefixed
from streamcore.errors import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge
from streamcore.testing import check_laws

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))


def plain(items):
    return [item if isinstance(item, (bytes, str)) else bytes(item) for item in items]


def every_split(data):
    """Whole, byte by byte, and all ways to cut ``data`` in two or three."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            yield [data[:first], data[first:second], data[second:]]


def cut(engine, cuts):
    return plain(engine.iterate(iter(cuts)))


def test_frames_equal_the_oracle_however_the_input_is_cut(backend):
    rng = random.Random(SEED)
    for _ in range(int(2500 * SCALE)):
        options = random_frame_options(rng)
        data = random_frames(rng, options)
        engine = backend.LengthPrefixedEngine(**options)
        check(engine, "LengthPrefixed", data, FramesOracle(**options), Ends(), rng)


# ---- formats of others: Netty's and tokio's options, and protocols ----

FORMATS = [
    ({}, b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c", [b"ab", b"", b"c"]),
    ({"prefix": "u8"}, b"\x02ab\0\x01c", [b"ab", b"", b"c"]),
    ({"prefix": "u16be"}, b"\0\x02ab\0\0", [b"ab", b""]),
    ({"prefix": "u16le"}, b"\x02\0ab\0\0", [b"ab", b""]),
    ({"prefix": "u24be"}, b"\0\0\x02ab", [b"ab"]),
    ({"prefix": "u24le"}, b"\x02\0\0ab", [b"ab"]),
    ({"prefix": "u32le"}, b"\x02\0\0\0ab", [b"ab"]),
    ({"prefix": "u64be"}, b"\0\0\0\0\0\0\0\x02ab", [b"ab"]),
    ({"prefix": "u64le"}, b"\x02\0\0\0\0\0\0\0ab", [b"ab"]),
    ({"prefix": "varint"}, b"\x02ab\x80\x01" + b"x" * 128, [b"ab", b"x" * 128]),
    ({"prefix": "varint"}, b"\x80\0\x82\x80\0ab", [b"", b"ab"]),
    ({"prefix": "ascii"}, b"2:ab,0:,10:0123456789,", [b"ab", b"", b"0123456789"]),
    ({"offset": 1}, b"\0\0\0\0\x02ab\x01\0\0\0\x01c", [b"ab", b"c"]),  # gRPC
    ({"prefix": "u24le", "adjust": 1}, b"\x02\0\0\0ab\x01\0\0\x01c", [b"\0ab", b"\x01c"]),  # MySQL
    ({"offset": 1, "includes_prefix": True}, b"C\0\0\0\x06abS\0\0\0\x04", [b"ab", b""]),  # PostgreSQL
    ({"prefix": "u16be", "includes_prefix": True}, b"\0\x04ab", [b"ab"]),
    ({"prefix": "u16be", "offset": 2, "adjust": -2}, b"xx\0\x04ab", [b"ab"]),
    ({"prefix": "u8", "offset": 1, "keep_head": True}, b"x\x02aby\0", [b"x\x02ab", b"y\0"]),
    ({"prefix": "ascii", "keep_head": True}, b"2:ab,0:,", [b"2:ab,", b"0:,"]),
]  # fmt: skip


@pytest.mark.parametrize(("options", "data", "expected"), FORMATS, ids=repr)
def test_formats_at_every_split(backend, options, data, expected):
    for cuts in [[data]] if len(data) > 60 else every_split(data):
        assert cut(backend.LengthPrefixedEngine(**options), cuts) == expected
    stage = LengthPrefixed(**options)
    if options.get("offset"):
        return
    if not options.get("keep_head") and data[:1] not in b"\x80":
        assert b"".join(map(stage.encode, expected)) == data


def test_a_frame_is_given_with_its_last_byte(backend):
    for prefix, head, tail in (("u16le", b"\x03\0", b""), ("varint", b"\x03", b""), ("ascii", b"3:", b",")):
        engine = backend.LengthPrefixedEngine(prefix)
        for byte in head + b"ab" + b"c"[: len(tail)]:
            assert engine.feed(bytes((byte,))) == []
        assert engine.feed(tail or b"c") == [b"abc"]
    assert backend.LengthPrefixedEngine().feed(b"\0\0\0\0") == [b""]


# ---- bad input ----

DIGIT = "the length has {} where a digit or ':' belongs"
INVALID = [
    ({"prefix": "varint"}, b"\xff" * 9, b"\xff", "the length is a varint of 2**64 or more"),
    ({"prefix": "varint"}, b"\x80" * 9, b"\x02", "the length is a varint of 2**64 or more"),
    ({"prefix": "u8", "adjust": -3}, b"", b"\x02", "the length 2 makes a body of -1 bytes"),
    ({"prefix": "u16be", "includes_prefix": True}, b"\0", b"\x01", "the length 1 makes a body of -1 bytes"),
    ({"prefix": "ascii"}, b"0", b"3", "the length has a leading zero"),
    ({"prefix": "ascii"}, b"3:abc", b";", "the body is followed by b';' instead of ','"),
    ({"prefix": "ascii"}, b"", b"-", DIGIT.format("b'-'")),
    ({"prefix": "ascii"}, b"", b":", DIGIT.format("b':'")),
    ({"prefix": "ascii"}, b"12", b"\xff", DIGIT.format("b'\\xff'")),
    ({"prefix": "ascii"}, b"1" * 20, b"1", "the length has more than 20 digits"),
    ({"prefix": "ascii", "max_size": 2, "on_oversize": "skip"}, b"3:abc", b"x",
     "the body is followed by b'x' instead of ','"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "data", "last", "reason"), INVALID, ids=repr)
@pytest.mark.parametrize("first", [False, True])
def test_a_wrong_frame_is_an_error_at_the_byte_that_decides(backend, options, data, last, reason, first):
    """``last`` is the byte that decides; ``first``: a good frame stands before the bad one."""
    stage = LengthPrefixed(**{key: made for key, made in options.items() if key in ("prefix", "adjust")})
    good = b"" if first or "includes_prefix" in options else stage.encode(b"g")
    for at in range(len(data) + 1):
        engine = backend.LengthPrefixedEngine(**options)
        found = engine.feed(good + data[:at]) + engine.feed(data[at:])
        assert found == ([b"g"] if good else [])
        with pytest.raises(InvalidFrame) as caught:
            engine.feed(last + b"never looked at")
        assert (caught.value.reason, caught.value.offset) == (reason, len(good))
        assert caught.value.__notes__ == [f"in LengthPrefixed, at byte {len(good)} of its input"]


def test_a_length_over_the_limit_is_an_error_before_any_body_is_held(backend):
    engine = backend.LengthPrefixedEngine()
    assert engine.feed(b"\xff\xff\xff") == []
    with pytest.raises(ItemTooLarge) as caught:
        engine.feed(b"\xff")
    assert caught.value.args == (4294967295, 67108864, 0)
    for prefix, data, size in (
        ("u64le", b"\xff" * 8, 2**64 - 1),
        ("varint", b"\xff" * 9 + b"\x01", 2**64 - 1),
        ("ascii", b"99999999999999999999:", 10**20 - 1),
        ("ascii", b"18446744073709551615:", 2**64 - 1),
        ("ascii", b"18446744073709551616:", 2**64),
    ):
        for adjust in (0, 7, -7, 2**62, -(2**62)):
            engine = backend.LengthPrefixedEngine(prefix, adjust=adjust)
            with pytest.raises(ItemTooLarge) as caught:
                engine.feed(data)
            assert caught.value.args == (size + adjust, 67108864, 0)


def test_what_a_frame_declares_is_not_allocated(backend):
    for max_size in (None, 1 << 40):
        before = f"engine = backend.LengthPrefixedEngine(max_size={max_size})"
        traced = r"""
assert engine.feed(b"\xff\xff\xff\xff" + b"x" * 100) == []
assert engine.feed(b"x" * 100) == []
"""
        assert traced_peak(backend, before, traced) < 20_000
        engine = backend.LengthPrefixedEngine(max_size=max_size)
        assert engine.feed(b"\xff\xff\xff\xff" + b"x" * 200) == []
        with pytest.raises(IncompleteItem) as caught:
            engine.finish()
        assert caught.value.args == (204, 0)
    engine = backend.LengthPrefixedEngine("u64be", max_size=None)
    assert engine.feed(b"\xff" * 9) == []
    with pytest.raises(IncompleteItem):
        engine.finish()


@pytest.mark.parametrize("prefix", ["u64be", "ascii"])
def test_a_frame_that_is_skipped_is_not_held_and_the_next_one_is_right(backend, prefix):
    size = 40 << 20
    head = struct.pack(">Q", size) if prefix == "u64be" else b"%d:" % size
    tail, small = (b"", struct.pack(">Q", 3)) if prefix == "u64be" else (b",", b"3:")
    before = f"""
engine = backend.LengthPrefixedEngine({prefix!r}, max_size=3, on_oversize="skip")
assert engine.feed({head[:3]}) == []
assert engine.feed({head[3:] + b"x"}) == []
part = b"x" * (1 << 20)
"""
    traced = "for _ in range(39): assert engine.feed(part) == []"
    assert traced_peak(backend, before, traced) < 50_000
    engine = backend.LengthPrefixedEngine(prefix, max_size=3, on_oversize="skip")
    assert engine.feed(head + b"x") == []
    part = b"x" * (1 << 20)
    for _ in range(39):
        assert engine.feed(part) == []
    assert engine.skipped == 1
    assert engine.feed(part[1:] + tail + small + b"abc" + tail) == [b"abc"]
    assert engine.finish() == []


def test_a_frame_is_truncated_once_its_beginning_is_there(backend):
    engine = backend.LengthPrefixedEngine("u8", max_size=3, on_oversize="truncate")
    assert engine.feed(b"\x05ab") == []
    assert engine.feed(b"c") == [b"abc"]
    assert engine.feed(b"de\x01f") == [b"f"]
    engine = backend.LengthPrefixedEngine("u8", max_size=3, on_oversize="truncate", keep_head=True)
    assert engine.feed(b"\x05abcde\x01f") == [b"\x05abc", b"\x01f"]
    engine = backend.LengthPrefixedEngine("u8", max_size=4, on_oversize="truncate", as_=str)
    assert engine.feed(b"\x06" + "aé€".encode()) == ["aé"]


@pytest.mark.parametrize("data", [b"\x80", b"\x03", b"\x03ab", b"x" * 0 + b"\x81"])
def test_input_that_ends_in_a_frame(backend, data):
    engine = backend.LengthPrefixedEngine("varint")
    assert engine.feed(b"\x01a" + data) == [b"a"]
    with pytest.raises(IncompleteItem) as caught:
        engine.finish()
    assert caught.value.args == (len(data), 2)
    for on_incomplete, keep_head, expected in (
        ("drop", False, []), ("emit", False, [b"ab"]), ("emit", True, [b"\x03ab"]),
    ):  # fmt: skip
        engine = backend.LengthPrefixedEngine("varint", on_incomplete=on_incomplete, keep_head=keep_head)
        assert engine.feed(data) == []
        assert engine.finish() == (expected if data == b"\x03ab" else [])


def test_a_netstring_without_its_comma_is_incomplete(backend):
    engine = backend.LengthPrefixedEngine("ascii", on_incomplete="emit")
    assert engine.feed(b"3:abc") == []
    assert engine.finish() == [b"abc"]


def test_the_offset_of_an_error_beyond_32_bits(backend):
    engine = backend.LengthPrefixedEngine("ascii", max_size=9, on_oversize="skip")
    size = (4 << 30) + 5
    engine.feed(b"%d:" % size)
    part = bytes(1 << 28)
    for _ in range(16):
        engine.feed(part)
    with pytest.raises(InvalidFrame) as caught:
        engine.feed(bytes(5) + b",1:a,1:a;")
        engine.feed(b"")
    assert caught.value.offset == 11 + size + 1 + 4
    assert engine.offset == 11 + size + 9


BAD_OPTIONS = [
    (("u128",), {}, ValueError, "prefix must be 'u8', 'u16be', "),
    ((None,), {}, ValueError, "prefix must be 'u8', 'u16be', "),
    ((), {"offset": -1}, ValueError, "offset must not be negative, got -1"),
    ((), {"offset": 1.0}, TypeError, "offset must be an int, got float"),
    ((), {"offset": 1 << 70}, ValueError, "offset must be at most "),
    ((), {"adjust": "1"}, TypeError, "adjust must be an int, got str"),
    ((), {"adjust": True}, TypeError, "adjust must be an int, got bool"),
    ((), {"adjust": 1 << 63}, ValueError, "adjust must be from -2**62 to 2**62, got 9223372036854775808"),
    (("ascii",), {"offset": 2}, ValueError, "offset must be 0 with prefix='ascii', got 2"),
    (("ascii",), {"includes_prefix": True}, ValueError, "includes_prefix must be false with prefix='ascii', got True"),
    (
        ("varint",),
        {"includes_prefix": True},
        ValueError,
        "includes_prefix must be false with prefix='varint', got True",
    ),
    (("varint",), {"includes_prefix": 1}, TypeError, "includes_prefix must be a bool, got int"),
    (("u8",), {"adjust": -256}, ValueError, "no frame has a size: prefix='u8' holds at most 255, and -256 is added"),
    ((), {"max_size": 0}, ValueError, "max_size must be positive, got 0"),
    ((), {"on_oversize": "drop"}, ValueError, "on_oversize must be 'raise', 'skip' or 'truncate', got 'drop'"),
    ((), {"on_incomplete": None}, ValueError, "on_incomplete must be 'emit', 'drop' or 'raise', got None"),
    ((), {"as_": "bytes"}, ValueError, "as_ must be bytes, str or 'view', got 'bytes'"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD_OPTIONS)
def test_a_bad_option_is_refused_with_its_value(backend, arguments, options, error, message):
    for make in (backend.LengthPrefixedEngine, LengthPrefixed):
        with pytest.raises(error) as caught:
            make(*arguments, **options)
        assert str(caught.value).startswith(message)


def test_one_long_frame_in_small_fragments_is_joined_once(backend):
    body = bytes(range(256)) * 4096
    data = struct.pack(">I", len(body)) + body
    engine = backend.LengthPrefixedEngine()
    assert cut(engine, [data[at : at + 1021] for at in range(0, len(data), 1021)]) == [body]


def test_batches_hold_frames_of_any_width(backend):
    bodies = [b"x" * (n * 37 % 400) for n in range(60_000)]
    for prefix in ("u16le", "varint", "ascii"):
        stage = LengthPrefixed(prefix)
        data = b"".join(map(stage.encode, bodies))
        for options in ({}, {"keep_head": True}, {"as_": "view"}):
            wanted = list(map(stage.encode, bodies)) if "keep_head" in options else bodies
            for size in (len(data), 70_001):
                cuts = [data[at : at + size] for at in range(0, len(data), size)]
                batches = list(backend.LengthPrefixedEngine(prefix, **options).batches(iter(cuts)))
                assert plain(item for batch in batches for item in batch) == wanted
                assert b"".join(batch.data for batch in batches) == b"".join(wanted)
                assert plain(batch[len(batch) // 2] for batch in batches)[-1] in wanted[-20_000:]


# ---- the stage ----


def test_the_stage_holds_the_laws():
    samples = [b"", b"\x01a", b"\x03abc\0\x02de", b"\x05ab", b"\x80\x00\x01a" + b"\xff" * 10]
    report = check_laws(LengthPrefixed("varint"), samples)
    assert report.checked["fragmentation"] > 200
    without = [law for law, number in report.checked.items() if not number]
    assert without in ([], ["twins"])  # there are none without a native core
    check_laws(
        LengthPrefixed("ascii", max_size=3, on_oversize="truncate", as_=str), [b"3:abc,5:abcde,0:,", b"03:"]
    )


def test_encoding_is_undone_by_decoding():
    rng = random.Random(SEED)
    for _ in range(int(300 * SCALE)):
        options = random_frame_options(rng)
        made = {key: options[key] for key in ("prefix", "offset", "adjust", "includes_prefix")}
        stage = LengthPrefixed(**made)
        bodies = [bytes(rng.choices(b"ab,:\xff", k=rng.choice((4, 9, 100)))) for _ in range(5)]
        head = bytes(rng.choices(b"xyz", k=made["offset"]))
        frames = list(stage.encoder(head).stream(bodies))
        assert frames == [stage.encode(body, head) for body in bodies]
        assert stage.invoke(frames) == bodies
        kept = LengthPrefixed(**made, keep_head=True)
        assert kept.invoke(b"".join(frames)) == frames


def test_a_body_that_the_field_cannot_hold():
    with pytest.raises(ItemTooLarge) as caught:
        LengthPrefixed("u8").encode(bytes(256))
    assert caught.value.args == (256, 255, 0)
    with pytest.raises(ItemTooLarge) as caught:
        LengthPrefixed("u16be", includes_prefix=True).encode(bytes(65534))
    assert caught.value.args == (65534, 65533, 0)
    with pytest.raises(ItemTooLarge) as caught:
        LengthPrefixed("u24le", adjust=1).encode(b"")
    assert caught.value.__notes__ == ["its length in a frame of prefix='u24le' would be -1"]
    assert LengthPrefixed("u8").encode(bytes(255)) == b"\xff" + bytes(255)
    with pytest.raises(ValueError, match="head must be the 1 bytes before the length, got 0"):
        LengthPrefixed(offset=1).encode(b"a")
    with pytest.raises(ValueError, match="head must be the 0 bytes before the length, got 2"):
        LengthPrefixed().encoder(b"ab")
    with pytest.raises(TypeError, match="body must be bytes-like, got str"):
        LengthPrefixed().encode("a")
    assert LengthPrefixed().encode(memoryview(b"abcd")[::2]) == b"\0\0\0\x02ac"


def test_stage_and_encoder_show_and_pickle():
    stage = LengthPrefixed("u24le", adjust=1, as_=str)
    assert repr(stage) == "LengthPrefixed('u24le', adjust=1, as_=str)"
    assert repr(pickle.loads(pickle.dumps(stage))) == repr(stage)
    encoder = LengthPrefixed(offset=1).encoder(b"\0")
    assert repr(encoder) == "LengthPrefixed('u32be', offset=1).encoder(b'\\x00')"
    assert pickle.loads(pickle.dumps(encoder)).invoke([b"a"]) == [b"\0\0\0\0\x01a"]
    chain = encoder | LengthPrefixed(offset=1)
    assert list(chain.stream([b"a", b"", b"bc"])) == [b"a", b"", b"bc"]


def test_text_that_is_none_is_an_error_at_its_offset(backend):
    for cuts in every_split(b"\x02ok\x03a\xffb"):
        items = backend.LengthPrefixedEngine("u8", as_=str).iterate(iter(cuts))
        assert next(items) == "ok"
        with pytest.raises(InvalidEncoding) as caught:
            next(items)
        assert caught.value.offset == 5
