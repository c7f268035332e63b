"""WordsEngine and Words: what comes when, whitespace, limits, item types; random cuts are in test_words_properties."""

from __future__ import annotations

import gc
import io
import sys

import pytest
from backends import stage_on

import streamcore
from streamcore.errors import InvalidEncoding, ItemTooLarge


def drive(engine, fragments):
    """All items of the fragments, and the error that ended it."""
    items = []
    try:
        for fragment in fragments:
            items += engine.feed(fragment)
        items += engine.finish()
        engine.finish()
    except Exception as error:  # noqa: BLE001 - handed to the test
        return items, error
    return items, None


def units(whole):
    return [whole[i : i + 1] for i in range(len(whole))]


@pytest.mark.parametrize(
    ("whole", "trailing", "none"),
    [
        ("", [], []),
        ("word", ["word"], ["word"]),
        ("Hello World", ["Hello ", "World"], ["Hello", "World"]),
        ("  lead and trail \n", ["  ", "lead ", "and ", "trail \n"], ["lead", "and", "trail"]),
        (" \t\n", [" \t\n"], []),
        ("a\u3000b\u2028\x85c", ["a\u3000", "b\u2028\x85", "c"], ["a", "b", "c"]),
        ("a\u200bb\ufeffc\u180ed", ["a\u200bb\ufeffc\u180ed"], ["a\u200bb\ufeffc\u180ed"]),
    ],
)
def test_words_at_every_split(backend, whole, trailing, none):
    for keep, expected in (("trailing", trailing), ("none", none)):
        for at in range(len(whole) + 1):
            assert drive(backend.WordsEngine(keep), [whole[:at], whole[at:]]) == (expected, None)
        assert drive(backend.WordsEngine(keep), units(whole)) == (expected, None)
    assert "".join(trailing) == whole
    assert none == whole.split()


def test_every_code_point_is_whitespace_as_str_isspace_says(backend):
    engine = backend.WordsEngine("none")
    for start in range(0, sys.maxunicode + 1, 0x1000):
        points = [chr(c) for c in range(start, start + 0x1000)]
        text = "".join(f"x{c}" for c in points)
        engine.reset()
        items, _ = drive(engine, [text])
        assert items == text.split()
        assert "".join(items) == "".join("x" if c.isspace() else f"x{c}" for c in points)


def test_every_byte_is_whitespace_as_bytes_isspace_says(backend):
    spaces = {b for b in range(256) if bytes([b]).isspace()}
    assert spaces == set(b" \t\n\r\v\f")
    for b in range(256):
        data = b"a" + bytes([b]) + b"c"
        expected = [data[:2], b"c"] if b in spaces else [data]
        assert drive(backend.WordsEngine(), [data])[0] == expected
        assert drive(backend.WordsEngine("none"), [data])[0] == data.split()


def test_a_word_comes_as_soon_as_its_end_is_decided(backend):
    engine = backend.WordsEngine()
    assert engine.feed("one") == []
    assert engine.feed(" ") == []
    assert engine.feed(" t") == ["one  "]
    assert engine.feed("wo\n") == []
    assert engine.finish() == ["two\n"]
    engine = backend.WordsEngine("none")
    assert engine.feed("one") == []
    assert engine.feed(" ") == ["one"]
    assert engine.feed(" t") == []
    assert engine.feed("wo three f") == ["two", "three"]
    assert engine.finish() == ["f"]


@pytest.mark.parametrize("wide", ["a", "é", "漢", "😀"])
@pytest.mark.parametrize("other", ["b", "ü", "字", "👍"])
def test_an_unfinished_word_may_be_of_any_width(backend, wide, other):
    whole = f"{wide}{other}x {other}{wide}"
    assert drive(backend.WordsEngine(), units(whole)) == ([f"{wide}{other}x ", f"{other}{wide}"], None)
    items, _ = drive(backend.WordsEngine("none"), [f"zz{wide}", f"{other} z", "z"])
    assert items == [f"zz{wide}{other}", "zz"]


def test_items_are_of_the_type_of_the_input_unless_asked_otherwise(backend):
    for as_, text, data in (
        (None, ["ä ", "b"], [b"\xc3\xa4 ", b"b"]),
        (str, ["ä ", "b"], ["ä ", "b"]),
        (bytes, [b"\xc3\xa4 ", b"b"], [b"\xc3\xa4 ", b"b"]),
    ):
        assert drive(backend.WordsEngine(as_=as_), ["ä b"])[0] == text
        assert drive(backend.WordsEngine(as_=as_), ["ä b".encode()])[0] == data
    for source in ("ä b", "ä b".encode()):
        items, _ = drive(backend.WordsEngine(as_="view"), [source])
        assert [type(item) for item in items] == [type(backend.View(b""))] * 2
        assert [item.tobytes() for item in items] == [b"\xc3\xa4 ", b"b"]


def test_invalid_utf8_in_a_word_of_bytes(backend):
    data = b"ok fine b\xffd more"
    for keep, before in (("trailing", ["ok ", "fine "]), ("none", ["ok", "fine"])):
        for cuts in ([data], units(data), [data[:10], data[10:]]):
            items, error = drive(backend.WordsEngine(keep, as_=str), cuts)
            assert items == before
            assert isinstance(error, InvalidEncoding)
            assert (error.offset, error.object, error.reason) == (9, b"\xff", "invalid start byte")
            assert error.__notes__ == ["in Words, at byte 9 of its input"]


def test_a_lone_surrogate_cannot_be_encoded(backend):
    text = "ok 漢 b\udc80d more"
    for cuts in ([text], units(text), [text[:6], text[6:]]):
        items, error = drive(backend.WordsEngine(as_=bytes), cuts)
        assert items == [b"ok ", "漢 ".encode()]
        assert isinstance(error, UnicodeEncodeError)
        assert (error.object, error.start, error.end) == ("b\udc80d ", 1, 2)
        assert error.reason == "surrogates not allowed"
        assert error.__notes__ == ["in Words, at character 6 of its input"]
    assert drive(backend.WordsEngine(), [text]) == (["ok ", "漢 ", "b\udc80d ", "more"], None)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("a", b"b", "Words takes fragments of one type, got bytes after str"),
        (b"a", "b", "Words takes fragments of one type, got str after bytes"),
        ("", bytearray(b"b"), "Words takes fragments of one type, got bytearray after str"),
        ("a", 3, "Words takes fragments of one type, got int after str"),
        (b"a", 3, "Words takes str or bytes-like data, got int"),
    ],
)
def test_text_and_bytes_do_not_mix(backend, first, second, message):
    engine = backend.WordsEngine()
    engine.feed(first)
    with pytest.raises(TypeError, match=f"^{message}$"):
        engine.feed(second)
    assert engine.error is None
    assert engine.feed(first) == [], "nothing was taken in"
    engine.reset()
    if not isinstance(second, int):
        assert engine.feed(second) == []


def test_bad_fragments_and_options(backend):
    with pytest.raises(TypeError, match="^Words takes str or bytes-like data, got NoneType$"):
        backend.WordsEngine().feed(None)
    with pytest.raises(ValueError, match="^keep must be 'trailing' or 'none', got 'all'$"):
        backend.WordsEngine("all")
    with pytest.raises(ValueError, match="^keep must be 'trailing' or 'none', got None$"):
        backend.WordsEngine(None)
    with pytest.raises(ValueError, match="max_size must be positive, got 0"):
        backend.WordsEngine(max_size=0)
    with pytest.raises(TypeError, match="max_size must be an int, got float"):
        backend.WordsEngine(max_size=1.5)
    with pytest.raises(ValueError, match="as_ must be bytes, str or 'view', got 3"):
        backend.WordsEngine(as_=3)
    with pytest.raises(ValueError, match="on_oversize must be 'raise', 'skip' or 'truncate', got 'drop'"):
        backend.WordsEngine(on_oversize="drop")
    with pytest.raises(TypeError):
        backend.WordsEngine(on_incomplete="emit")


# ---- limits ----

LIMITED = "aa bbbbbb  c ddd e     f"


@pytest.mark.parametrize(
    "whole", [LIMITED, LIMITED.encode(), LIMITED.replace("b", "漢"), LIMITED.replace("b", "😀")]
)
@pytest.mark.parametrize("keep", ["trailing", "none"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_limits_are_exact_for_every_split(backend, whole, keep, limit):
    engine = backend.WordsEngine(keep, max_size=None)
    items, _ = drive(engine, [whole])
    offsets, at = [], 0
    for item in items:
        at = whole.index(item, at)
        offsets.append(at)
        at += len(item)
    large = [i for i, item in enumerate(items) if len(item) > limit]
    cuts = [[whole], units(whole), *([whole[:i], whole[i:]] for i in range(len(whole)))]
    for cut in cuts:
        got, error = drive(backend.WordsEngine(keep, max_size=limit), cut)
        if large:
            assert got == items[: large[0]]
            assert isinstance(error, ItemTooLarge)
            assert (error.size, error.limit, error.offset) == (limit + 1, limit, offsets[large[0]])
            unit = "character" if isinstance(whole, str) else "byte"
            assert error.__notes__ == [f"in Words, at {unit} {error.offset} of its input"]
        else:
            assert (got, error) == (items, None)
        engine = backend.WordsEngine(keep, max_size=limit, on_oversize="skip")
        assert drive(engine, cut) == ([item for item in items if len(item) <= limit], None)
        assert engine.skipped == len(large)
        engine = backend.WordsEngine(keep, max_size=limit, on_oversize="truncate")
        assert drive(engine, cut) == ([item[:limit] for item in items], None)


def test_an_oversized_item_is_refused_as_soon_as_it_is_known(backend):
    engine = backend.WordsEngine(max_size=3)
    assert engine.feed("abc") == []
    with pytest.raises(ItemTooLarge, match="item at offset 0 has at least 4"):
        engine.feed(" ")
    engine = backend.WordsEngine("none", max_size=3)
    assert engine.feed("abc") == []
    assert engine.feed("  ") == ["abc"], "whitespace that is not kept is not held"
    engine = backend.WordsEngine(max_size=3, on_oversize="truncate")
    assert engine.feed("abcdef") == ["abc"]
    assert engine.feed("ghi jk") == []
    assert engine.finish() == ["jk"]


def test_a_truncated_str_of_bytes_ends_at_a_character(backend):
    data = "ab漢字 c".encode()
    for limit, cut in ((3, "ab"), (4, "ab"), (5, "ab漢"), (6, "ab漢"), (8, "ab漢字")):
        for fragments in ([data], units(data)):
            engine = backend.WordsEngine(as_=str, max_size=limit, on_oversize="truncate")
            assert drive(engine, fragments) == ([cut, "c"], None)


# ---- cost ----


@pytest.mark.parametrize("keep", ["trailing", "none"])
@pytest.mark.parametrize("piece", [b"x" * 1024, "x" * 1024, "é" * 1024, "漢" * 1024, "😀" * 1024])
def test_a_long_word_is_joined_once(backend, keep, piece):
    """Quadratic text folding: langchain-ai/langchainjs#11148, PR 31231; open-webui/open-webui#28817."""
    engine = backend.WordsEngine(keep)
    count = 4096
    for _ in range(count):
        assert engine.feed(piece) == []
    (word,) = engine.finish()
    assert len(word) == count * 1024
    assert word == piece * count


def test_a_long_word_may_become_wider(backend):
    pieces = ["a" * 3000, "é" * 3000, "漢" * 3000, "b" * 3000, "😀", "c" * 3000]
    assert drive(backend.WordsEngine(), [*pieces, " d"]) == (["".join(pieces) + " ", "d"], None)
    assert drive(backend.WordsEngine(), [*"ab", *"é漢", " ", "x"]) == (["abé漢 ", "x"], None)


def test_large_fragments_of_every_width(backend):
    for word in (b"word ", "word ", "wörd ", "漢字\u3000", "a😀\u2003"):
        whole = word * 100_000
        assert backend.WordsEngine().feed(whole) == [word] * 99_999
        stripped = word[:-1]
        assert list(backend.WordsEngine("none").iterate(iter([whole]))) == [stripped] * 100_000


# ---- iterate and batches ----


def test_iterate_pulls_only_what_it_needs_and_closes_the_source(backend):
    pulled = []

    def source():
        try:
            for fragment in ("a b", " c", "d e"):
                pulled.append(fragment)
                yield fragment
        finally:
            pulled.append("closed")

    words = backend.WordsEngine().iterate(source())
    assert next(words) == "a "
    assert pulled == ["a b"]
    assert next(words) == "b "
    assert pulled == ["a b", " c"]
    words.close()
    words.close()
    assert pulled[-1] == "closed"
    del words
    gc.collect()
    assert pulled.count("closed") == 1


def test_a_source_that_raises(backend):
    def source():
        yield "one two thr"
        raise OSError("gone")

    words = backend.WordsEngine().iterate(source())
    assert [next(words), next(words)] == ["one ", "two "]
    with pytest.raises(OSError, match="gone") as caught:
        next(words)
    assert caught.value.__notes__ == ["in Words, at character 11 of its input"]
    assert list(words) == []


@pytest.mark.parametrize("keep", ["trailing", "none"])
@pytest.mark.parametrize("as_", [None, str, bytes])
def test_batches_hold_the_items_with_their_offsets(backend, keep, as_):
    numpy = pytest.importorskip("numpy")
    for whole in (
        b" some bytes  and\tmore",
        " plain text  and\tmore",
        " é ü  à\u00a0o",
        " 漢字 a\u3000b",
        "😀 a b ",
    ):
        for size in (1, 2, 7, 100):
            fragments = [whole[i : i + size] for i in range(0, len(whole), size)]
            expected, _ = drive(backend.WordsEngine(keep, as_=as_), fragments)
            items = []
            for batch in backend.WordsEngine(keep, as_=as_).batches(iter(fragments)):
                assert isinstance(batch, streamcore.Batch)
                assert len(batch)
                assert batch.offsets.dtype == numpy.int64
                data = batch.data
                spans = zip(batch.offsets[:-1], batch.offsets[1:], strict=True)
                raw = [data[a:b] for a, b in spans]
                assert raw == [item.encode() if isinstance(item, str) else item for item in batch]
                assert batch.offsets[0] == 0
                assert batch.offsets[-1] == len(data)
                assert [batch[i] for i in range(len(batch))] == list(batch)
                items += batch
            assert items == expected


def test_batches_are_bounded_and_end_with_their_fragment(backend):
    batches = list(backend.WordsEngine().batches(iter(["a b c ", "d " * 200_000])))
    assert [len(batch) for batch in batches][:1] == [2]
    assert max(len(batch) for batch in batches) <= 1 << 17
    assert sum(len(batch) for batch in batches) == 200_003


def test_batches_with_limits(backend):
    whole = "aa bbbbbb c dd"
    for fragments in ([whole], units(whole)):
        batches = backend.WordsEngine(max_size=3, on_oversize="skip").batches(iter(fragments))
        assert [item for batch in batches for item in batch] == ["aa ", "c ", "dd"]
        batches = backend.WordsEngine(max_size=3).batches(iter(fragments))
        assert [list(next(batches))] == [["aa "]]
        with pytest.raises(ItemTooLarge):
            next(batches)


# ---- the stage ----


def test_the_stage(backend, tmp_path):
    stage = stage_on(streamcore.Words(), backend)
    assert stage.invoke("Hello  World") == ["Hello  ", "World"]
    assert stage.invoke(b"Hello World") == [b"Hello ", b"World"]
    assert list(stage.stream(["Hel", "lo W", "orld"])) == ["Hello ", "World"]
    assert list(stage.stream(io.StringIO("a b"))) == ["a ", "b"]
    assert list(stage.stream(io.BytesIO(b"a b"))) == [b"a ", b"b"]
    path = tmp_path / "words.txt"
    path.write_bytes("ä b".encode())
    assert list(stage.stream(path)) == ["ä ".encode(), b"b"]
    assert list(stage_on(streamcore.Words(as_=str), backend).stream(path)) == ["ä ", "b"]
    assert repr(streamcore.Words("none", max_size=10)) == "Words('none', max_size=10)"
    assert [list(batch) for batch in stage.batches("a b")] == [["a "], ["b"]]
    chain = stage_on(streamcore.UTF8(), backend) | stage_on(streamcore.Words("none"), backend)
    assert list(chain.stream([b"\xc3", b"\xa4 b\xe2\x80", b"\x83c"])) == ["ä", "b", "c"]
