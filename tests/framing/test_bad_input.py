"""Bad input, format by format: what each gives first, and then which error with which numbers, whatever the cut.

A row of the table is a test; ``outcome`` cuts the input whole, in single elements, in two at each place, and with
empty fragments between.
"""

from __future__ import annotations

import json

import pytest
from chunks_oracle import fastcdc2020

from streamcore.errors import IncompleteItem, InvalidFrame, ItemTooLarge


def ways(data):
    single = [data[at : at + 1] for at in range(len(data))]
    yield [data]
    yield single
    yield [part for each in single for part in (data[:0], each)]
    yield from ([data[:at], data[at:]] for at in range(1, len(data)))


def driven(engine, cuts, iterate):
    items, error = [], None
    try:
        if iterate:
            items.extend(engine.iterate(iter(cuts)))  # keeps what came before an error
        else:
            for cut in cuts:
                items += engine.feed(cut)
            items += engine.finish()
            error = engine.error
    except (ValueError, EOFError, RecursionError) as raised:
        error = raised
    return items, error


def outcome(make, data):
    """Items, and type, arguments and notes of the error: one and the same for every cut of ``data``."""
    seen = {}
    for cuts in ways(data):
        for iterate in (False, True):
            items, error = driven(make(), cuts, iterate)
            told = None if error is None else (type(error), error.args, error.__notes__)
            shown = [bytes(item) if isinstance(item, memoryview) else item for item in items]
            seen.setdefault(repr((shown, told)), (items, error, cuts))
    assert len(seen) == 1, seen
    return next(iter(seen.values()))[:2]


def fails(make, data, kind, numbers):
    items, error = outcome(make, data)
    assert (type(error), items) == (kind, [])
    found = error.offset if kind is InvalidFrame else error.args
    assert found == numbers, data


# ---- frames ----


def test_a_length_of_4_gib(backend):
    make = backend.LengthPrefixedEngine
    fails(make, b"\xff\xff\xff\xffabc", ItemTooLarge, (4294967295, 67108864, 0))
    assert make().feed(b"\xff\xff\xff") == []


def test_varints(backend):
    def make():
        return backend.LengthPrefixedEngine("varint")

    fails(make, b"\xff" * 10, InvalidFrame, 0)
    assert outcome(make, b"\x80\x80\x00") == ([b""], None)
    fails(make, b"\x80", IncompleteItem, (1, 0))


def test_a_body_of_less_than_nothing(backend):
    fails(lambda: backend.LengthPrefixedEngine("u8", adjust=-3), b"\x02ab", InvalidFrame, 0)


def test_netstrings(backend):
    def make():
        return backend.LengthPrefixedEngine("ascii")

    for data in (b"03:abc,", b"3:abc;", b"-1:", b":", b"1" * 30):
        fails(make, data, InvalidFrame, 0)
        items, error = outcome(make, b"1:x," + data)
        assert (items, error.offset) == ([b"x"], 4)


# ---- events ----


def test_fields_of_events_that_raise_nothing(backend):
    message = ("message", "a", "", None)
    for data, wanted in (
        (b"retry: 5x\ndata: a\n\n", [message]),
        (b"retry:\ndata: a\n\n", [message]),
        (b"id: a\0b\ndata: a\n\n", [message]),
        (b"data: \xff\n\n", [("message", "\ufffd", "", None)]),
        (b"data: \xc3\n\n", [("message", "\ufffd", "", None)]),
        (b"data: a\0b\n\n", [("message", "a\0b", "", None)]),
        (b"\xef\xbb\xbfdata: a\n\n", [message]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: a\n\n", [message]),
        (b"data: a\n\ndata", [message]),
    ):
        items, error = outcome(backend.ServerSentEventsEngine, data)
        assert error is None
        assert [(item.event, item.data, item.id, item.retry) for item in items] == wanted, data


def test_a_mark_in_three_fragments_is_passed_over(backend):
    engine = backend.ServerSentEventsEngine()
    parts = (b"\xef", b"\xbb", b"\xbf", b"data: a\n\n")
    assert [item.data for part in parts for item in engine.feed(part)] == ["a"]


def test_comments_of_65_mib(backend):
    """They never count; 65 MiB of one line, and of many lines in one event, are in ``test_sse.py``."""
    engine, comment = backend.ServerSentEventsEngine(), b": " + b"c" * (1 << 20)
    assert not any(engine.feed(comment) for _ in range(65))
    assert not any(engine.feed(comment + b"\n") for _ in range(2))


# ---- records ----


def test_records_that_are_none(backend):
    for bad in (b"{", b"\xff", b"[" * 100_000):
        data = b"1\n\n" + bad
        if len(bad) < 100:
            items, error = outcome(backend.JSONLinesEngine, data)
        else:  # deeper than any stack
            items, error = driven(backend.JSONLinesEngine(), [data[:5000], data[5000:]], False)
        assert items == [1]
        assert isinstance(error, (ValueError, RecursionError))
        assert error.__notes__ == [f"in JSONLines, line 3, at byte 3 of its input: {bad[:80]!r}"]


def test_records_in_other_encodings(backend):
    """``json.loads`` itself takes a text in UTF-16 or UTF-32."""
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
        bad = "[1]".encode(encoding)
        items, error = outcome(backend.JSONLinesEngine, b"1\n" + bad)
        assert (items, isinstance(error, ValueError)) == ([1], True)
        assert error.__notes__ == [f"in JSONLines, line 2, at byte 2 of its input: {bad!r}"]


def test_an_interrupt_of_loads_passes_through(backend):
    def loads(line):
        if line == b"2":
            raise KeyboardInterrupt
        return json.loads(line)

    for on_error in ("raise", "skip", "yield"):
        items = backend.JSONLinesEngine(loads, on_error=on_error).iterate(iter([b"1\n2\n3\n"]))
        assert next(items) == 1
        with pytest.raises(KeyboardInterrupt):
            next(items)


# ---- chunks by content ----


def test_chunks_of_next_to_nothing_and_of_zeros(backend):
    def make():
        return backend.ContentDefinedEngine(256, 64, 1024)

    assert outcome(make, b"") == ([], None)
    assert [bytes(item) for item in outcome(make, b"x")[0]] == [b"x"]
    zeros = bytes(3000)
    wanted = [size for _, size in fastcdc2020(zeros, 256, 64, 1024, 1, 0)]
    for odd in (1, 3, 63, 65, 255, 257, 1023, 1025):
        cuts = [zeros[at : at + odd] for at in range(0, 3000, odd)]
        assert [len(item) for item in driven(make(), cuts, True)[0]] == wanted


# ---- text and growing JSON ----


def test_texts_that_are_hard_to_split(backend):
    make = backend.TextSplitterEngine
    with pytest.raises(ValueError, match="size must be positive, got 0"):
        make(0)
    with pytest.raises(ValueError, match="overlap must be smaller than size, 5, got 5"):
        make(5, overlap=5)
    for options, text, wanted in (
        ({"separators": ()}, "one long piece", ["one long piece"]),
        ({}, " \n\n \t ", []),
        ({}, "abcdefgh", ["abc", "def", "gh"]),
        ({}, "a\ud800 \udc00b", ["a\ud800", "\udc00b"]),
    ):
        items, error = outcome(lambda options=options: make(3, as_=str, **options), text)
        assert (items, error) == (wanted, None)


def test_json_that_goes_wrong(backend):
    for text, offset, path in (
        ('{"a":1,}', 7, ()),
        ("01", 1, ()),
        ("]", 0, ()),
        ("1 2", 2, ()),
        ("[" * 6, 5, (0,) * 5),
    ):
        for whole in (text, text.encode()):
            for cuts in ways(whole):
                engine = backend.JSONDeltasEngine(max_depth=5)
                _, error = driven(engine, cuts, False)
                assert (type(error), error.offset, error.path) == (InvalidFrame, offset, path)
    for text in ("", '"\\ud83d', "[1", '{"a"'):
        for whole in (text, text.encode()):
            for cuts in ways(whole):
                _, error = driven(backend.JSONDeltasEngine(), cuts, False)
                assert (type(error), error.args) == (IncompleteItem, (len(text), 0)), cuts
