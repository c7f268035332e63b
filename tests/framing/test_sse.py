"""Server-sent events: what the standard says of each field, limits, the end of a stream, and how events are written."""

from __future__ import annotations

import copy
import pickle

import pytest
from backends import stage_on
from hypothesis import given
from hypothesis import strategies as st
from traced_memory import traced_peak

from streamcore import IncompleteItem, ItemTooLarge, ServerSentEvents
from streamcore.testing import check_laws

SAMPLES = [
    b"",
    b"data: a\n\n",
    b"\xef\xbb\xbfdata: a\r\rid: 1\r\n\r\ndata\n\n: c\nretry: 5\n",
    b"event: x\ndata: b\n\n",
]


def cut(backend, data, **options):
    """The items, cut whole and byte by byte."""
    engine = backend.ServerSentEventsEngine(**options)
    whole = engine.feed(data) + engine.finish()
    engine.reset()
    single = [item for byte in data for item in engine.feed(bytes((byte,)))] + engine.finish()
    assert whole == single
    return whole, engine


def fields(items):
    return [(item.event, item.data, item.id, item.retry) for item in items]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\ndata:b\ndata\n\n", [("message", "a\nb\n", "", None)]),
        (b"data\n\n", [("message", "", "", None)]),
        (b"event: x\n\ndata: a\n\n", [("message", "a", "", None)]),
        (b"event: x\nevent: y\nevent\ndata: a\n\n", [("message", "a", "", None)]),
        (b"id: 1\n\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "1", None), ("message", "b", "", None)]),
        (b"id: a\0b\ndata: a\n\n", [("message", "a", "", None)]),
        (b"retry: 5x\nretry:\nretry: 9223372036854775808\ndata: a\n\n", [("message", "a", "", None)]),
        (b"retry: 10\n\ndata: a\n\n", [("message", "a", "", None)]),
        (b"retry: 007\ndata: a\n\n", [("message", "a", "", 7)]),
        (b"data: \xff\n\n", [("message", "\ufffd", "", None)]),
        (b"data: \xc3\n\n", [("message", "\ufffd", "", None)]),
        (b"data: \0\n\n", [("message", "\0", "", None)]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "", None)]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a", "", None)]),
        (b"\xef\xbb\xbf\rdata: q\r\r", [("message", "q", "", None)]),
        (b"Data: a\n data: b\ndata : c\n\n", []),
        ("data: \u2028\x85\x0b\x0c\n\n".encode(), [("message", "\u2028\x85\x0b\x0c", "", None)]),
    ],
)
def test_fields(backend, data, events):
    items, _ = cut(backend, data)
    assert fields(items) == events


def test_a_bom_split_over_fragments_does_not_swallow_the_first_event(backend):
    engine = backend.ServerSentEventsEngine()
    data = b"\xef\xbb\xbfdata: a\n\n"
    parts = [data[:1], data[1:2], data[2:3], data[3:]]
    assert [event.data for part in parts for event in engine.feed(part)] == ["a"]


def test_crlf_over_two_fragments_gives_one_event(backend):
    engine = backend.ServerSentEventsEngine()
    parts = [b"data: a\r", b"\n", b"data: b\r", b"\n\r", b"\ndata: c\r\n\r", b"\n"]
    assert [[event.data for event in engine.feed(part)] for part in parts] == [
        [],
        [],
        [],
        ["a\nb"],
        ["c"],
        [],
    ]


def test_a_cr_ends_its_line_at_once(backend):
    assert len(backend.ServerSentEventsEngine().feed(b"data: a\r\r")) == 1


def test_a_limit_holds_over_all_fragments_and_line_ends(backend):
    for end in (b"\n", b"\r", b"\r\n"):
        engine = backend.ServerSentEventsEngine(max_size=10)
        with pytest.raises(ItemTooLarge) as caught:
            for part in (b": c" + end, b"data: 12345", end, b"data: 67890" + end):
                engine.feed(part)
        assert caught.value.args == (11, 10, len(b": c" + end))


def test_the_last_id_is_kept_from_blocks_that_ended_and_no_others(backend):
    items, engine = cut(backend, b"id: 1\n\nid: 2\ndata: a\n\nid: 3\nretry: 4\n")
    assert fields(items) == [("message", "a", "2", None)]
    assert (engine.last_event_id, engine.retry) == ("2", 4)


def test_id_and_retry_are_those_of_the_item_given_last(backend):
    data = b"id: 1\ndata: a\n\nid: 2\nretry: 5\ndata: b\n\ndata: c\n\n"
    engine = backend.ServerSentEventsEngine()
    items = engine.iterate(iter([data]))
    next(items)
    assert (engine.last_event_id, engine.retry) == ("1", None)
    items.close()
    assert (engine.last_event_id, engine.retry) == ("1", None)
    assert engine.feed(b"data: d\n\n")[0].id == "1"


class Source:
    def __init__(self, parts):
        self.parts, self.closed = iter(parts), 0

    def __iter__(self):
        return self

    def __next__(self):
        assert not self.closed
        return next(self.parts)

    def close(self):
        self.closed += 1


@pytest.mark.parametrize("stop", ["[DONE]", b"[DONE]"])
@pytest.mark.parametrize("as_", ["event", str, bytes, "view"])
def test_stop_ends_the_stream_and_closes_the_source(backend, stop, as_):
    stage = stage_on(ServerSentEvents(stop=stop, as_=as_), backend)
    source = Source([b"data: a\n\ndata: [DO", b"NE]\r\rdata: b\n\n", b"data: c\n\n"])
    items = stage.stream(source)
    assert bytes(items.__next__() if as_ in (bytes, "view") else b"a") == b"a"
    assert len(list(items)) == (0 if as_ in (bytes, "view") else 1)
    assert source.closed == 1


def test_only_data_that_equals_stop_exactly_stops(backend):
    data = b"data: [DONE] \n\ndata: [DONE]\ndata\n\ndata: [DONE]x\n\ndata: [DONE]\n\ndata: z\n\n"
    items, engine = cut(backend, data, stop="[DONE]")
    assert [event.data for event in items] == ["[DONE] ", "[DONE]\n", "[DONE]x"]
    assert engine.done
    engine.reset()
    assert not engine.done
    assert len(engine.feed(data)) == 3
    assert engine.feed(b"data: more\n\n") == engine.finish() == []


def test_what_ends_without_a_blank_line(backend):
    data = b"data: a\n\nid: 5\nevent: e\ndata: b"
    assert fields(cut(backend, data)[0]) == [("message", "a", "", None)]
    assert fields(cut(backend, data, on_incomplete="emit")[0])[1:] == [("e", "b", "5", None)]
    engine = backend.ServerSentEventsEngine(on_incomplete="raise")
    engine.feed(data)
    with pytest.raises(IncompleteItem) as caught:
        engine.finish()
    assert caught.value.args == (22, 9)
    assert cut(backend, b"data: a\n\nid: 5\n: c", on_incomplete="raise")[1].error is None
    assert [event.data for event in cut(backend, b"data", on_incomplete="emit")[0]] == [""]


def test_what_is_passed_over_never_counts(backend):
    data = b": " + b"c" * 100 + b"\n\n" + b"other: " + b"x" * 100 + b"\n" + b"y" * 100 + b"\ndata: a\n\n"
    assert [event.data for event in cut(backend, data, max_size=1)[0]] == ["a"]
    assert fields(cut(backend, b"id: \0" + b"x" * 100 + b"\ndata: a\n\n", max_size=1)[0])[0][2] == ""


def test_an_event_that_is_skipped(backend):
    data = b"id: 1\nevent: e\ndata: 123456\ndata: x\nretry: 5\n\ndata: a\n\n"
    items, engine = cut(backend, data, max_size=6, on_oversize="skip")
    assert fields(items) == [("message", "a", "1", None)]
    assert (engine.skipped, engine.retry) == (1, 5)


def test_an_event_that_is_truncated(backend):
    data = b"data: 1234\ndata: \xe2\x82\xac6789\ndata: x\n\ndata: ok\n\n"
    items, _ = cut(backend, data, max_size=6, on_oversize="truncate")
    assert [event.data for event in items] == ["1234\n", "ok"]
    items, _ = cut(backend, data, max_size=6, on_oversize="truncate", as_=bytes)
    assert items == [b"1234\n\xe2", b"ok"]


@pytest.mark.parametrize(
    ("parts", "limit"),
    [
        ([b"data: "] + [b"x" * 65536] * (65 * 16), 64 << 20),
        ([(b"data: " + b"x" * 1024 + b"\n") * 50] * 1400, 64 << 20),
    ],
)
def test_the_default_limit(backend, parts, limit):
    engine = backend.ServerSentEventsEngine()
    with pytest.raises(ItemTooLarge) as caught:
        for part in parts:
            engine.feed(part)
    assert caught.value.args == (limit + 1, limit, 0)


@pytest.mark.parametrize("filler", [b": " + b"c" * 4000, b"\n" * 4000, b"other: x\n" * 400, b"x" * 4000])
def test_what_is_passed_over_is_not_held(backend, filler):
    before = f"""
engine = backend.ServerSentEventsEngine()
filler = {filler}
engine.feed(filler)
"""
    assert traced_peak(backend, before, "for _ in range(75): engine.feed(filler)") < 100_000


def test_a_large_event_in_small_fragments(backend):
    engine = backend.ServerSentEventsEngine(max_size=None, as_=bytes)
    size = 4 << 20
    parts = [b"data: ", *[b"x" * 1024] * (size >> 10), b"\n\n"]
    (item,) = [item for part in parts for item in engine.feed(part)]
    assert item == b"x" * size


def test_bad_options(backend):
    for options, error, text in [
        ({"as_": "events"}, ValueError, "as_ must be 'event', bytes, str or 'view', got 'events'"),
        ({"stop": 5}, TypeError, "stop must be a str, bytes or None, got int"),
        ({"max_size": 0}, ValueError, "max_size must be positive, got 0"),
        (
            {"on_incomplete": "x"},
            ValueError,
            "on_incomplete must be 'emit', 'drop' or 'raise', got 'x'",
        ),
    ]:
        with pytest.raises(error) as caught:
            backend.ServerSentEventsEngine(**options)
        assert str(caught.value) == text


def test_a_str_is_no_event_stream(backend):
    with pytest.raises(TypeError):
        backend.ServerSentEventsEngine().feed("data: a\n\n")


@pytest.mark.parametrize(
    "options", [{}, {"stop": "a"}, {"as_": str, "on_incomplete": "emit"}, {"as_": "view"}]
)
def test_laws(backend, options):
    check_laws(stage_on(ServerSentEvents(**options), backend), SAMPLES)


# ---- events ----


def test_an_event_is_a_value(backend):
    event = backend.Event("e", "d", "1", 5)
    (decoded,) = backend.ServerSentEventsEngine().feed(event.encode())
    for other in (decoded, copy.copy(event), copy.deepcopy(event)):
        assert other == event
        assert hash(other) == hash(event)
    assert repr(event) == "Event(event='e', data='d', id='1', retry=5)"
    assert event != backend.Event("e", "d", "1")
    assert event != ("e", "d", "1", 5)
    assert backend.Event() == backend.Event(event="")
    back = pickle.loads(pickle.dumps(event))
    assert fields([back]) == fields([event])
    match event:
        case backend.Event(name, data, id, retry):
            assert (name, data, id, retry) == ("e", "d", "1", 5)
    for name in ("event", "data", "id", "retry", "other"):
        with pytest.raises(AttributeError):
            setattr(event, name, "x")
    with pytest.raises(TypeError, match="is made already"):
        event.__init__("x")


def test_the_text_is_made_once(backend):
    (event,) = backend.ServerSentEventsEngine().feed(b"event: abc\ndata: one two\n\n")
    assert event.data is event.data
    assert event.event is event.event


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"event": 5}, "event must be a str, got int"),
        ({"data": b""}, "data must be a str, got bytes"),
        ({"id": None}, "id must be a str, got NoneType"),
        ({"retry": "5"}, "retry must be an int or None, got str"),
        ({"retry": True}, "retry must be an int or None, got bool"),
    ],
)
def test_an_event_of_wrong_types_is_refused(backend, arguments, text):
    with pytest.raises(TypeError) as caught:
        backend.Event(**arguments)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "arguments",
    [
        {"event": "a\nb"},
        {"event": "\r"},
        {"id": "a\n"},
        {"id": "\r"},
        {"id": "\0"},
        {"retry": -1},
        {"retry": 1 << 63},
    ],
)
def test_what_no_stream_can_say_is_not_encoded(backend, arguments):
    with pytest.raises(ValueError, match="must"):
        backend.Event(**arguments).encode()


def test_an_encoded_event(backend):
    assert backend.Event().encode() == b"data: \n\n"
    event = backend.Event("e", "a\r\nb\rc\n", "7", 0)
    assert event.encode() == b"event: e\nid: 7\nretry: 0\ndata: a\ndata: b\ndata: c\ndata: \n\n"


PLAIN = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)))


TEXT = st.text(st.characters(exclude_characters="\r", exclude_categories=("Cs",)))


@given(PLAIN, TEXT, PLAIN, st.none() | st.integers(0, (1 << 63) - 1))
def test_decoding_gives_the_event_back(backend, event, data, id, retry):
    made = backend.Event(event, data, id, retry)
    assert backend.ServerSentEventsEngine().feed(made.encode()) == [made]


def test_the_encoder_takes_events_and_text():
    encoder = ServerSentEvents.encoder()
    whole = b"".join(encoder.stream(["a", "b\nc"]))
    assert ServerSentEvents(as_=str).invoke(whole) == ["a", "b\nc"]
    assert repr(encoder) == "ServerSentEvents.encoder()"
    assert list(pickle.loads(pickle.dumps(encoder)).stream(["x"])) == [b"data: x\n\n"]
    with pytest.raises(TypeError, match="an Event or a str is due here, got int"):
        encoder.invoke([5])


def test_batches_of_events(backend):
    stage = stage_on(ServerSentEvents(), backend)
    (batch,) = stage.batches(b"id: 1\nretry: 3\ndata: a\xff\n\ndata: bc\n\n")
    assert [event.data for event in batch] == ["a\ufffd", "bc"]
    assert (batch.data, batch.offsets.tolist(), batch.nbytes) == ("a\ufffdbc".encode(), [0, 4, 6], 6)
    assert list(batch[1:]) == [batch[1]]
    assert fields(pickle.loads(pickle.dumps(batch))) == fields(batch)


def test_batches_of_events_in_arrow():
    from streamcore._backend import BACKEND

    pyarrow = pytest.importorskip("pyarrow", reason="the consumer here is pyarrow")
    if BACKEND == "pure":
        pytest.skip("the Arrow interface is native")
    data = b"id: 1\nretry: 3\ndata: a\n\nevent: e\ndata: bc\n\n"
    table = pyarrow.RecordBatchReader.from_stream(ServerSentEvents().batches([data, data])).read_all()
    row = {"event": "message", "data": "a", "id": "1", "retry": 3}
    assert table.to_pylist() == [row, {"event": "e", "data": "bc", "id": "1", "retry": None}] * 2
    assert str(table.schema.field("data").type) == "large_string"
    (batch,) = ServerSentEvents().batches(data)
    assert pyarrow.record_batch(batch[1:]).to_pylist() == table.to_pylist()[1:2]


def test_what_came_before_an_error_is_known(backend):
    data = b"retry: 5\nid: a\n\nid: b\n\ndata: abcdefg\n\n"
    for size in (len(data), 1, 7):
        engine = backend.ServerSentEventsEngine(max_size=3)
        with pytest.raises(ItemTooLarge):
            for at in range(0, len(data), size):
                engine.feed(data[at : at + size])
        assert (engine.last_event_id, engine.retry) == ("b", 5)
        engine = backend.ServerSentEventsEngine(max_size=3)
        with pytest.raises(ItemTooLarge):
            list(engine.iterate(iter([data])))
        assert (engine.last_event_id, engine.retry) == ("b", 5)
