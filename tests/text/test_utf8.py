"""UTF8Engine and UTF8: what comes when, errors, handlers, limits; random cuts are in test_utf8_properties."""

from __future__ import annotations

import codecs
import gc

import pytest
from backends import stage_on

import streamcore
from streamcore.errors import InvalidEncoding


def drive(engine, fragments):
    """All text of the fragments, and the error that ended it."""
    chunks = []
    try:
        for fragment in fragments:
            chunks += engine.feed(fragment)
        chunks += engine.finish()
        engine.finish()
    except Exception as error:  # noqa: BLE001 - handed to the test
        return "".join(chunks), error
    assert all(chunks), "an empty chunk was emitted"
    return "".join(chunks), None


# Table 3-7 of the Unicode standard: the bytes at the borders of each row, and around them.
BORDERS = [
    0x00,
    0x41,
    0x7F,
    0x80,
    0x8F,
    0x90,
    0x9F,
    0xA0,
    0xBF,
    0xC0,
    0xC1,
    0xC2,
    0xDF,
    0xE0,
    0xE1,
    0xEC,
    0xED,
    0xEE,
]
BORDERS += [0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF]

# Tables 3-8 to 3-11: what U+FFFD replaces.
MAXIMAL_SUBPARTS = [
    (b"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "\ufffd" * 8 + "A"),
    (b"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "\ufffd" * 8 + "A"),
    (b"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "\ufffd" * 5 + "A" + "\ufffd" * 2 + "B"),
    (b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\ufffd" * 4 + "A"),
]


@pytest.mark.parametrize(("data", "text"), MAXIMAL_SUBPARTS)
def test_bad_bytes_are_replaced_by_maximal_subparts_at_every_split(backend, data, text):
    for at in range(len(data) + 1):
        assert drive(backend.UTF8Engine("replace"), [data[:at], data[at:]]) == (text, None)
    assert drive(backend.UTF8Engine("replace"), [data[i : i + 1] for i in range(len(data))]) == (text, None)


@pytest.mark.parametrize("lead", [b for b in BORDERS if b >= 0x80])
def test_every_border_of_the_table_of_sequences(backend, lead):
    """All sequences of up to three border bytes after a lead, whole and byte by byte, under three handlers."""
    sequences = [bytes([lead])]
    for _ in range(2):
        sequences += [s + bytes([b]) for s in sequences for b in BORDERS]
    engines = [backend.UTF8Engine(errors) for errors in ("strict", "replace", "ignore")]
    for sequence in [*sequences, *(s + b"\x80" for s in sequences), *(s + b"\xbfA" for s in sequences)]:
        for engine in engines:
            whole, by_bytes = [], []
            for into, fragments in (
                (whole, [sequence]),
                (by_bytes, [sequence[i : i + 1] for i in range(len(sequence))]),
            ):
                engine.reset()
                text, error = drive(engine, fragments)
                into += [text, error and (error.offset, error.reason, error.object)]
            try:
                expected = [sequence.decode("utf-8", engine.errors), None]
            except UnicodeDecodeError as error:
                bad = sequence[error.start : error.end]
                expected = [sequence[: error.start].decode(), (error.start, error.reason, bad)]
            assert whole == by_bytes == expected


def test_every_code_point_cut_at_every_byte(backend):
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000, 7), 0x10FFFF]))
    data = text.encode()
    engine = backend.UTF8Engine()
    assert drive(engine, [data])[0] == text
    engine.reset()
    assert drive(engine, [data[i : i + 1021] for i in range(0, len(data), 1021)])[0] == text
    for character in "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff":
        encoded = character.encode()
        for at in range(1, len(encoded)):
            engine.reset()
            assert engine.feed(encoded[:at]) == []
            assert engine.feed(encoded[at:]) == [character]


@pytest.mark.parametrize("character", ["é", "€", "漢", "😀"])
def test_a_character_cut_between_chunks_does_not_become_u_fffd(backend, character):
    """open-metadata/OpenMetadata#29531, omnigent-ai/omnigent PR 30."""
    data = f"a{character}b".encode()
    for at in range(len(data) + 1):
        for errors in ("strict", "replace", "ignore"):
            assert drive(backend.UTF8Engine(errors), [data[:at], data[at:]]) == (f"a{character}b", None)


def test_nothing_is_withheld_but_a_character_that_may_be_completed(backend):
    engine = backend.UTF8Engine("replace")
    assert engine.feed(b"ab\xf0\x9f\x98") == ["ab"]
    assert engine.feed(b"\x80") == ["😀"]
    assert engine.feed(b"\xed") == []
    assert engine.feed(b"\xa0") == ["\ufffd\ufffd"], "ED A0 can only be wrong (codecs waits for a third byte)"
    assert engine.feed(b"\xf0\x80") == ["\ufffd\ufffd"]
    assert engine.feed(b"\xe2\x82") == []
    assert engine.feed(b"A") == ["\ufffdA"]
    assert engine.feed(b"\xff") == ["\ufffd"]
    assert engine.finish() == []


def test_a_byte_order_mark_is_a_character(backend):
    data = codecs.BOM_UTF8 + b"a" + codecs.BOM_UTF8
    assert drive(backend.UTF8Engine(), [data])[0] == "\ufeffa\ufeff" == data.decode("utf-8")


@pytest.mark.parametrize(
    "end", [b"\xe6\xbc\xef", b"\xc0", b"\xf0\x9f\xf0\x9f", b"\xf5", b"\xe6\xbc", b"\xf0\x9f\x98\xc3"]
)
def test_bad_bytes_at_the_end_of_a_block(backend, end):
    """A lead is found to be bad by what follows it, which may be in the next block or be nothing."""
    for size in range(140):
        for filler in (b"a" * size, "é".encode() * (size // 2), "漢".encode() * (size // 3)):
            data = filler + end
            for errors in ("replace", "surrogateescape"):
                expected = (data.decode("utf-8", errors), None)
                assert drive(backend.UTF8Engine(errors), [data]) == expected
                assert drive(backend.UTF8Engine(errors), [data[:-1], data[-1:]]) == expected


def test_empty_fragments_and_no_fragments(backend):
    assert drive(backend.UTF8Engine(), []) == ("", None)
    assert drive(backend.UTF8Engine(), [b"", b"\xc3", b"", b"", b"\xa9", b""]) == ("é", None)


@pytest.mark.parametrize(
    ("data", "text", "offset", "reason", "bad"),
    [
        (b"abc\xff", "abc", 3, "invalid start byte", b"\xff"),
        (b"\x80", "", 0, "invalid start byte", b"\x80"),
        (b"ab\xe2\x82Z", "ab", 2, "invalid continuation byte", b"\xe2\x82"),
        (b"ab\xed\xa0\x80", "ab", 2, "invalid continuation byte", b"\xed"),
        ("ä€".encode() + b"\xf0\x9f\x98", "ä€", 5, "unexpected end of data", b"\xf0\x9f\x98"),
        (b"x\xc3", "x", 1, "unexpected end of data", b"\xc3"),
    ],
)
def test_strict_gives_the_text_before_then_the_error_with_its_offset(
    backend, data, text, offset, reason, bad
):
    with pytest.raises(UnicodeDecodeError) as built_in:
        data.decode()
    assert (built_in.value.start, built_in.value.reason) == (offset, reason)
    seen = set()
    for cuts in ([data], [data[i : i + 1] for i in range(len(data))], [data[:2], data[2:]]):
        got, error = drive(backend.UTF8Engine(), cuts)
        assert got == text
        assert isinstance(error, InvalidEncoding)
        assert isinstance(error, UnicodeDecodeError)
        assert (error.encoding, error.object, error.start, error.end) == ("utf-8", bad, 0, len(bad))
        assert (error.offset, error.reason) == (offset, reason)
        assert error.__notes__ == [f"in UTF8, at byte {offset} of its input"]
        seen.add(str(error))
    assert seen == {f"utf-8: {reason}: {bad!r} at offset {offset}"}


def test_an_error_is_raised_again_until_reset(backend):
    engine = backend.UTF8Engine()
    assert engine.feed(b"good \xff bad") == ["good "]
    first = engine.error
    assert isinstance(first, InvalidEncoding)
    for call in (lambda: engine.feed(b"x"), engine.finish, lambda: list(engine.iterate(iter([b"x"])))):
        with pytest.raises(InvalidEncoding) as caught:
            call()
        assert caught.value is first
    engine.reset()
    assert engine.error is None
    assert engine.feed(b"x") == ["x"]
    assert engine.offset == 1


def test_feed_after_finish_and_a_second_finish(backend):
    engine = backend.UTF8Engine()
    assert engine.feed(b"a\xc3") == ["a"]
    with pytest.raises(InvalidEncoding, match="unexpected end of data"):
        engine.finish()
    engine.reset()
    engine.feed(b"a")
    assert engine.finish() == []
    assert engine.finish() == []
    with pytest.raises(ValueError, match=r"feed\(\) after finish\(\): call reset\(\) first"):
        engine.feed(b"b")


@pytest.mark.parametrize("errors", ["backslashreplace", "surrogateescape", "surrogatepass"])
def test_pythons_other_handlers(backend, errors):
    data = (
        b"a\xffb\xed\xb2\x80\xe2\x82c\xed\xa0\x80"
        if errors != "surrogatepass"
        else b"a\xed\xb2\x80b\xed\xa0\x80"
    )
    expected = data.decode("utf-8", errors)
    for at in range(len(data) + 1):
        assert drive(backend.UTF8Engine(errors), [data[:at], data[at:]]) == (expected, None)
    assert drive(backend.UTF8Engine(errors), [data[i : i + 1] for i in range(len(data))]) == (expected, None)


def test_surrogatepass_still_refuses_what_is_no_surrogate(backend):
    for data, offset, reason in (
        (b"ab\xed\xa0", 2, "invalid continuation byte"),
        (b"ab\xed\xa0A", 2, "invalid continuation byte"),
        (b"ab\xed", 2, "unexpected end of data"),
        (b"\xed\xa0\x80\xff", 3, "invalid start byte"),
    ):
        with pytest.raises(UnicodeDecodeError) as built_in:
            data.decode("utf-8", "surrogatepass")
        for cuts in ([data], [data[i : i + 1] for i in range(len(data))]):
            text, error = drive(backend.UTF8Engine("surrogatepass"), cuts)
            assert text == data[:offset].decode("utf-8", "surrogatepass")
            assert isinstance(error, InvalidEncoding)
            assert (error.offset, error.reason) == (offset, reason)
            assert (built_in.value.start, built_in.value.reason) == (offset, reason)


@pytest.fixture
def handler():
    """Registers an error handler under a name of its own."""

    def register(function):
        name = f"streamcore.test.{id(function)}"
        codecs.register_error(name, function)
        return name

    return register


def test_a_registered_handler_sees_the_bad_bytes_alone(backend, handler):
    seen = []

    def bracket(error):
        seen.append((error.object, error.start, error.end, error.encoding, error.reason))
        return f"<{error.object.hex()}>", error.end

    name = handler(bracket)
    for cuts in ([b"ab\xe2\x82c\xff"], [b"ab\xe2", b"\x82", b"c\xff"]):
        seen.clear()
        assert drive(backend.UTF8Engine(name), cuts) == ("ab<e282>c<ff>", None)
        assert seen == [
            (b"\xe2\x82", 0, 2, "utf-8", "invalid continuation byte"),
            (b"\xff", 0, 1, "utf-8", "invalid start byte"),
        ]


def test_a_handler_may_resume_inside_of_the_bad_bytes(backend, handler):
    name = handler(lambda error: ("?", error.start + 1))
    assert drive(backend.UTF8Engine(name), [b"a\xf0\x9f", b"\x98b"]) == ("a???b", None)
    assert b"a\xf0\x9f\x98b".decode("utf-8", name) == "a???b"


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (("?", 2), IndexError, "position 2 from error handler out of bounds"),
        (("?", 0), IndexError, "position 0 from error handler out of bounds"),
        (("?", -2), IndexError, "position -1 from error handler out of bounds"),
        ("?", TypeError, r"decoding error handler must return \(str, int\) tuple"),
        ((b"?", 1), TypeError, r"decoding error handler must return \(str, int\) tuple"),
    ],
)
def test_a_handler_with_a_bad_answer(backend, handler, answer, kind, message):
    text, error = drive(backend.UTF8Engine(handler(lambda _: answer)), [b"ab\xffcd"])
    assert text == "ab"
    with pytest.raises(kind, match=message):
        raise error


def test_a_handler_that_raises(backend, handler):
    def refuse(error):
        raise RuntimeError("no")

    def give_up(error):
        raise error

    text, error = drive(backend.UTF8Engine(handler(refuse)), [b"ab\xffcd"])
    assert (text, type(error), error.__notes__) == ("ab", RuntimeError, ["in UTF8, at byte 2 of its input"])
    text, error = drive(backend.UTF8Engine(handler(give_up)), [b"ab", b"\xe2\x82", b"cd"])
    assert (text, type(error), error.offset) == ("ab", InvalidEncoding, 2)
    text, error = drive(backend.UTF8Engine("xmlcharrefreplace"), [b"ab\xffcd"])
    assert (text, type(error)) == ("ab", TypeError)


@pytest.mark.parametrize(
    ("errors", "kind", "message"),
    [
        (None, TypeError, "errors must be a str, got NoneType"),
        (3, TypeError, "errors must be a str, got int"),
        ("no such", LookupError, "unknown error handler name 'no such'"),
    ],
)
def test_bad_options(backend, errors, kind, message):
    with pytest.raises(kind, match=message):
        backend.UTF8Engine(errors)


@pytest.mark.parametrize(
    ("fragment", "name"), [("text", "str"), (3, "int"), (None, "NoneType"), ([b"a"], "list")]
)
def test_fragments_that_are_no_bytes(backend, fragment, name):
    engine = backend.UTF8Engine()
    engine.feed(b"a\xc3")
    with pytest.raises(TypeError, match=f"^UTF8 takes bytes-like data, got {name}$"):
        engine.feed(fragment)
    assert engine.error is None
    assert engine.feed(b"\xa9") == ["é"], "nothing was taken in"


def test_every_kind_of_buffer(backend):
    from array import array

    data = "aé漢😀".encode()
    for fragment in (bytearray(data), memoryview(data), memoryview(bytearray(data)), array("B", data)):
        assert drive(backend.UTF8Engine(), [fragment]) == ("aé漢😀", None)
    assert drive(backend.UTF8Engine(), [array("I", [0x61626364])])[0] in ("dcba", "abcd")
    with pytest.raises((BufferError, ValueError)):
        backend.UTF8Engine().feed(memoryview(data)[::2])


def test_a_mutable_fragment_may_be_used_again(backend):
    buffer = bytearray(b"\xe2\x82")
    engine = backend.UTF8Engine()
    assert engine.feed(buffer) == []
    buffer[:] = b"\xac"
    assert engine.feed(buffer) == ["€"]


def test_large_fragments_come_in_bounded_chunks(backend):
    data = "äb€😀".encode() * 300_000
    chunks = list(backend.UTF8Engine().iterate(iter([data])))
    assert "".join(chunks).encode() == data
    assert max(map(len, chunks)) <= 1 << 20
    assert backend.UTF8Engine().feed(data) == chunks


def test_iterate_pulls_only_what_it_needs_and_closes_the_source(backend):
    pulled = []

    def source():
        try:
            for fragment in (b"a", b"\xc3", b"\xa9", b"z"):
                pulled.append(fragment)
                yield fragment
        finally:
            pulled.append("closed")

    chunks = backend.UTF8Engine().iterate(source())
    assert next(chunks) == "a"
    assert pulled == [b"a"]
    assert next(chunks) == "é"
    assert pulled == [b"a", b"\xc3", b"\xa9"]
    chunks.close()
    assert pulled[-1] == "closed"
    del chunks
    gc.collect()
    assert pulled.count("closed") == 1


def test_the_stage(backend):
    stage = stage_on(streamcore.UTF8(), backend)
    assert stage.invoke("aé漢".encode()) == "aé漢"
    assert stage.invoke([b"\xe6\xbc", b"\xa2"]) == "漢"
    assert list(stage.stream([b"a\xc3", b"\xa9b"])) == ["a", "éb"]
    assert repr(streamcore.UTF8("replace")) == "UTF8('replace')"
    assert [list(batch) for batch in stage.batches([b"ab", b"\xc3", b"\xa9"])] == [["ab"], ["é"]]
    with pytest.raises(TypeError):
        stage.invoke("text")


@pytest.mark.parametrize("way", ["feed", "iterate"])
def test_lent_fragment_that_leaves_nothing_to_carry(backend, way):
    # found by fuzzing: memmove() of no bytes from and to NULL, which UndefinedBehaviorSanitizer stops at
    engine = backend.UTF8Engine()
    lent = [bytearray(b"aaaaa"), memoryview(bytearray(b"bb"))]
    if way == "feed":
        assert [engine.feed(part) for part in lent] == [["aaaaa"], ["bb"]]
        assert engine.finish() == []
    else:
        assert list(engine.iterate(iter(lent))) == ["aaaaa", "bb"]
