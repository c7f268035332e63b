"""Faults that other framers had, each under its issue: the same input on both backends."""

from __future__ import annotations

import json
import random

import pytest
from chunks_oracle import fastcdc2020
from traced_memory import traced_peak

from streamcore.errors import ItemTooLarge


def events(engine, *parts):
    return [item.data for part in parts for item in engine.feed(part)]


def test_a_mark_split_over_fragments_swallows_no_event(backend):
    """elizaOS/eliza#19260: the first event was lost where its BOM came in several fragments."""
    data = b"\xef\xbb\xbfdata: first\n\ndata: second\n\n"
    for one in range(1, 5):
        for two in range(one, 6):
            engine = backend.ServerSentEventsEngine()
            assert events(engine, data[:one], data[one:two], data[two:]) == ["first", "second"]


def test_a_cap_counts_over_fragments_and_knows_all_line_ends(backend):
    """NousResearch/hermes-agent#112456: the end of an event was looked for in one fragment, and CR was none."""
    for end in (b"\n", b"\r", b"\r\n"):
        data = (b"data: 12345" + end + b"data: 6789" + end + end) * 50
        for size in (1, 2, 7, 30, len(data)):
            engine = backend.ServerSentEventsEngine(max_size=10)
            parts = [data[at : at + size] for at in range(0, len(data), size)]
            assert events(engine, *parts) == ["12345\n6789"] * 50
            engine = backend.ServerSentEventsEngine(max_size=9)
            with pytest.raises(ItemTooLarge):
                events(engine, *parts, b"")


def test_several_data_lines_are_one_text(backend):
    """1jehuang/jcode#565: the last of several data lines won."""
    for end in ("\n", "\r", "\r\n"):
        lines = ["data: {", 'data: "a": 1', "data: }", "", ""]
        (item,) = events(backend.ServerSentEventsEngine(), end.join(lines).encode())
        assert json.loads(item) == {"a": 1}


def test_events_of_a_crlf_stream_come_as_they_end(backend):
    """1jehuang/jcode#565: where lines ended with CRLF, all events came with the end of the stream."""
    engine = backend.ServerSentEventsEngine()
    for number in range(5):
        assert events(engine, b"data: %d\r\n" % number) == []
        assert events(engine, b"\r\n") == [str(number)]


def test_cr_and_lf_in_two_fragments_are_one_line_end(backend):
    """rexxars/eventsource-parser#17: CR | LF was a line end and an empty line, so one event became two."""
    data = b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"
    for at in range(len(data) + 1):
        assert events(backend.ServerSentEventsEngine(), data[:at], data[at:]) == ["a\nb", "c"]


def test_a_retry_that_is_no_number_is_none(backend):
    """gravitational/teleport PR 67042: ``retry`` was taken as it stood."""
    for value in (
        "",
        " ",
        "5x",
        "x5",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x10",
        "1_0",
        " 1",
        "1 ",
        "\u0661",
        "9" * 30,
    ):
        engine = backend.ServerSentEventsEngine()
        (item,) = engine.feed(f"retry: {value}\ndata: a\n\n".encode())
        assert (item.retry, engine.retry) == (None, None), value
    (item,) = backend.ServerSentEventsEngine().feed(b"retry:15\ndata: a\n\n")
    assert item.retry == 15


def test_no_body_is_allocated_by_its_length(backend):
    """stratum-mining/stratum#2327, tinfoilsh/encrypted-http-body-protocol#101: memory for it came before the check."""
    heads = {
        "u32be": b"\x7f\xff\xff\xff",
        "u64le": b"\0\0\0\0\x7f\0\0\0",
        "varint": b"\xff" * 6 + b"\1",
        "ascii": b"9" * 15 + b":",
    }
    before = f"engines = [backend.LengthPrefixedEngine(prefix, max_size=None) for prefix in {list(heads)!r}]"
    traced = f"for engine, head in zip(engines, {list(heads.values())!r}): assert engine.feed(head + b'x' * 500) == []"
    assert traced_peak(backend, before, traced) < 50_000


def test_frames_have_a_limit_unless_told_otherwise(backend):
    """johnhenry/wsh#6: there was none."""
    for prefix, head in (("u32be", b"\x04\0\0\1"), ("u64be", b"\0\0\0\0\x04\0\0\1"), ("ascii", b"67108865:")):
        with pytest.raises(ItemTooLarge) as caught:
            backend.LengthPrefixedEngine(prefix).feed(head)
        assert caught.value.args == (67108865, 67108864, 0)


def test_no_record_is_cut_at_what_unicode_calls_a_line_end(backend):
    """volcengine/OpenViking PR 3988, wbolster/jsonlines#53: ``str.splitlines`` cut strings."""
    records = [{"text": f"a{end}b"} for end in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"]
    data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    raw = data.replace(b"\\u000b", b"\x0b").replace(b"\\f", b"\x0c")
    for size in (1, 3, len(data)):
        engine = backend.JSONLinesEngine()
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        assert list(engine.iterate(iter(parts))) == records
        lines = backend.JSONLinesEngine(bytes).iterate(
            iter([raw[at : at + size] for at in range(0, len(raw), size)])
        )
        assert list(lines) == raw.split(b"\n")[:-1]


def test_a_blank_line_is_no_error(backend):
    """cucumber/common PR 1181: one blank line was."""
    assert list(backend.JSONLinesEngine().iterate(iter([b"\n1\n", b"\n\r\n", b" \t\n2\n\n"]))) == [1, 2]


# Chunks of a text that anybody can make again. They must not change: stores find their chunks by them.
FROZEN = [358, 374, 533, 511, 440, 327, 287, 405, 367, 280, 363, 376, 509, 299, 67]


def frozen_data():
    state, made = 1, bytearray()
    while len(made) < 5496:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        made.append(state >> 56)
    return bytes(made)


def test_the_byte_that_matched_opens_the_next_chunk(backend):
    """google/cdc-file-transfer#76 wants that frozen; Oxen-AI/Oxen PR 887 moved boundaries, and every store missed."""
    data = frozen_data()
    found = backend.ContentDefinedEngine(300, 256, 1024)
    sizes = [len(item) for item in found.feed(data) + found.finish()]
    assert sizes == [size for _, size in fastcdc2020(data, 300, 256, 1024, 1, 0)]
    assert sizes == FROZEN


def test_a_view_of_a_chunk_stays_what_it_was(backend):
    """pyfastcdc's ``cut_stream``: the view of a chunk showed the next one later."""
    data, buffer, views, wanted = random.Random(5).randbytes(60_000), bytearray(700), [], []
    engine = backend.ContentDefinedEngine(512, 128, 1024)
    for at in range(0, len(data), len(buffer)):
        part = data[at : at + len(buffer)]
        buffer[: len(part)] = part
        new = engine.feed(memoryview(buffer)[: len(part)])
        views += new
        wanted += [bytes(view) for view in new]
    views += engine.finish()
    assert [bytes(view) for view in views[: len(wanted)]] == wanted
    assert b"".join(map(bytes, views)) == data
