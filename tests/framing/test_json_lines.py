"""JSON Lines and JSON text sequences: bad records, white space, limits, what loads may do, how records are written."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle

import pytest
from backends import stage_on
from recorder import Source
from traced_memory import traced_peak

from streamcore import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge, JSONLines
from streamcore.testing import check_laws


def every_cut(engine, data):
    """Items, error with notes, and how many were skipped, of each way to cut ``data`` in two; all the same."""
    outcomes = []
    for parts in [[data], [data[i : i + 1] for i in range(len(data))]] + [
        [data[:i], data[i:]] for i in range(1, len(data))
    ]:
        items, error = [], None
        try:
            for part in parts:
                items += engine.feed(part)
            items += engine.finish()
        except Exception as raised:  # noqa: BLE001 - compared
            error = raised
        error = error or engine.error
        outcomes.append((items, None if error is None else (error, error.__notes__), engine.skipped))
        engine.reset()
    assert len({repr(outcome) for outcome in outcomes}) == 1
    return outcomes[0]


def test_lines_end_at_lf_only(backend):
    data = '"a\u2028b\x85c\u2029d\x7f"\r\n\n \t\r\n2'.encode()
    assert backend.JSONLinesEngine().feed(data + b"\n") == ["a\u2028b\x85c\u2029d\x7f", 2]


OTHERS = ['{"a": 1}'.encode(each) for each in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")]


@pytest.mark.parametrize("bad", [b"{", b"\xff", b"nul", b"[" * 100_000, *OTHERS])
def test_a_bad_record_does_not_spoil_the_next(backend, bad):
    data = b"1\n\n" + bad + b"\n2\n"
    engine = backend.JSONLinesEngine(on_error="skip")
    assert (engine.feed(data), engine.skipped) == ([1, 2], 1)
    first, record, last = backend.JSONLinesEngine(on_error="yield").feed(data)
    assert (first, last, record.line, record.offset, record.raw) == (1, 2, 3, 3, bad)
    engine = backend.JSONLinesEngine()
    assert engine.feed(data) == [1]
    with pytest.raises((ValueError, RecursionError)) as caught:
        engine.finish()
    assert caught.value.__notes__ == [f"in JSONLines, line 3, at byte 3 of its input: {bad[:80]!r}"]


def test_the_note_has_the_number_of_the_line_its_offset_and_its_first_bytes(backend):
    bad = b'{"a": ' + b"x" * 100
    items, (error, notes), _ = every_cut(
        backend.JSONLinesEngine(), b"\xef\xbb\xbf1\n \r\n\n2\n" + bad + b"\n3\n"
    )
    assert items == [1, 2]
    assert type(error) is json.JSONDecodeError
    assert notes == [f"in JSONLines, line 5, at byte 11 of its input: {bad[:80]!r}"]
    for source in (b"1\n{\n", [b"1\n{\n"]):
        with pytest.raises(json.JSONDecodeError) as caught:
            list(stage_on(JSONLines(), backend).stream(source))
        assert caught.value.__notes__ == ["in JSONLines, line 2, at byte 2 of its input: b'{'"]


def test_the_note_is_the_only_one_on_a_loop(backend):
    async def drive():
        items = stage_on(JSONLines(), backend).astream(b"1\n{\n")
        first = await anext(items)
        with pytest.raises(json.JSONDecodeError) as caught:
            await anext(items)
        return first, caught.value.__notes__

    assert asyncio.run(drive()) == (1, ["in JSONLines, line 2, at byte 2 of its input: b'{'"])


def test_text_that_is_not_utf_8(backend):
    data = b'"a"\n"\xc3"\n'
    _, (error, notes), _ = every_cut(backend.JSONLinesEngine(as_=str), data)
    assert (type(error), error.offset, error.object) == (InvalidEncoding, 5, b"\xc3")
    assert notes == ["in JSONLines, line 2, at byte 4 of its input: b'\"\\xc3\"'"]
    engine = backend.JSONLinesEngine(as_=str, on_error="skip")
    assert every_cut(engine, data + b"2\n") == (["a", 2], None, 1)
    (batch,) = engine.batches(iter([data + b"2\n"]))
    assert (list(batch), engine.skipped) == (['"a"', "2"], 1)


@pytest.mark.parametrize("way", ["feed", "iterate"])
@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
def test_a_stop_of_loads_ends_no_stream_in_silence(backend, way, kind):
    def loads(line):
        if line == b"2":
            raise kind
        return line

    engine = backend.JSONLinesEngine(loads)
    with pytest.raises((RuntimeError, StopAsyncIteration)) as caught:
        list(engine.iterate(iter([b"1\n2\n3\n"]))) if way == "iterate" else [
            engine.feed(b"1\n2\n"),
            engine.finish(),
        ]
    assert (caught.type is RuntimeError) == (kind is StopIteration)
    assert caught.value.__notes__ == ["in JSONLines, line 2, at byte 2 of its input: b'2'"]

    async def drive():
        return [item async for item in stage_on(JSONLines(loads), backend).astream(b"1\n2\n3\n")]

    with pytest.raises(RuntimeError):
        asyncio.run(drive())


def test_loads_is_called_when_its_item_is_wanted(backend):
    seen = []
    source = Source([b"1\n2\n3\n", b"4\n"])
    items = backend.JSONLinesEngine(lambda line: seen.append(line) or line).iterate(source)
    assert (next(items), seen) == (b"1", [b"1"])
    assert (next(items), seen) == (b"2", [b"1", b"2"])
    items.close()
    assert (source.closed, source.pulled) == (1, 1)


def test_loads_cannot_use_the_engine(backend):
    def loads(line):
        for call in (
            lambda: engine.feed(b"9\n"),
            engine.finish,
            engine.reset,
            lambda: engine.iterate(iter([])),
        ):
            with pytest.raises(ValueError, match="already executing"):
                call()
        return int(line)

    engine = backend.JSONLinesEngine(loads)
    assert engine.feed(b"1\n2\n") == [1, 2]
    assert list(engine.iterate(iter([b"3\n", b"4"]))) == [3, 4]


def test_a_keyboard_interrupt_of_loads_is_not_skipped(backend):
    def loads(line):
        if line == b"2":
            raise KeyboardInterrupt
        return line

    for way in ("feed", "iterate"):
        engine = backend.JSONLinesEngine(loads, on_error="skip")
        with pytest.raises(KeyboardInterrupt):
            list(engine.iterate(iter([b"1\n2\n3\n"])) if way == "iterate" else engine.feed(b"1\n2\n3\n"))
        assert engine.skipped == 0


def test_an_interrupt_takes_nothing_in_or_is_told(backend):
    interrupts = []

    def loads(line):
        if line == b"2" and interrupts:
            raise interrupts.pop()
        return line

    for kind in (MemoryError, KeyboardInterrupt):
        interrupts.append(kind)
        engine = backend.JSONLinesEngine(loads, on_error="skip")
        with pytest.raises(kind):
            engine.feed(b"1\n2\n")
        if backend.name == "native":
            assert engine.feed(b"1\n2\n") == [b"1", b"2"]
        else:
            with pytest.raises(RuntimeError, match="stopped in the middle"):
                engine.feed(b"1\n2\n")
        engine.reset()
        assert engine.feed(b"1\n2\n") == [b"1", b"2"]


@pytest.mark.parametrize(("as_", "kind"), [(bytes, "bytes"), (str, "str"), ("view", "memoryview")])
def test_what_loads_gets(backend, as_, kind):
    seen = []
    backend.JSONLinesEngine(seen.append, as_=as_).feed(b"[1]\r\n")
    assert type(seen[0]).__name__ == kind
    assert (seen[0] if as_ is str else bytes(seen[0]).decode()) == "[1]\r"


def test_text_sequences(backend):
    data = b'\x1e{"a":\n1}\n\x1e\x1e5\n\x1e"x"'
    assert every_cut(backend.JSONLinesEngine(sequence=True), data) == ([{"a": 1}, 5, "x"], None, 0)
    for data, offset, number in (
        (b"\n1\x1e2\n\x1e", 0, 0),
        (b"\x1e2\x1e", 1, 1),
        (b"\x1e1\n\x1e\n\x1e true", 6, 3),
    ):
        items, (error, notes), _ = every_cut(backend.JSONLinesEngine(sequence=True), data)
        assert (items, type(error), error.offset) == ([1][: number // 3], InvalidFrame, offset)
        assert notes[0].startswith(f"in JSONLines, text {number}, at byte {offset} of its input: b'")
    engine = backend.JSONLinesEngine(sequence=True, on_error="skip")
    assert every_cut(engine, b"x\x1e[1]\x1e12\x1e3\n\x1e") == ([[1], 3], None, 2)


def test_the_last_text_of_a_sequence_is_whole_with_its_line_end(backend):
    for on_incomplete in ("drop", "raise", "emit"):
        engine = backend.JSONLinesEngine(sequence=True, on_incomplete=on_incomplete)
        assert every_cut(engine, b"\x1e1\n\x1e[2]\n \r") == ([1, [2]], None, 0)
    for data in (b"\x1e1\n\x1e[2]", b"\x1e1\n\x1e[2\n] "):
        assert every_cut(backend.JSONLinesEngine(sequence=True, on_incomplete="drop"), data) == ([1], None, 0)
        items, (error, _), _ = every_cut(backend.JSONLinesEngine(sequence=True, on_incomplete="raise"), data)
        assert (items, error.args) == ([1], (len(data) - 4, 4))


def test_limits_and_the_end(backend):
    items, (error, notes), _ = every_cut(backend.JSONLinesEngine(max_size=3), b"1\n\n[123]\n")
    assert (items, error.args) == ([1], (4, 3, 3))
    assert notes == ["in JSONLines, line 3, at byte 3 of its input"]
    engine = backend.JSONLinesEngine(max_size=3)
    engine.feed(b"[12")
    with pytest.raises(ItemTooLarge):
        engine.feed(b"3")  # the byte that decides
    engine = backend.JSONLinesEngine(max_size=3, on_oversize="skip")
    assert every_cut(engine, b"[12345]\n[1]\n") == ([[1]], None, 1)
    assert every_cut(backend.JSONLinesEngine(max_size=1), b"\xef\xbb\xbf1\n") == ([1], None, 0)
    for on_incomplete, wanted in (("emit", [1, 2]), ("drop", [1])):
        assert every_cut(backend.JSONLinesEngine(on_incomplete=on_incomplete), b"1\n2") == (wanted, None, 0)
    items, (error, notes), _ = every_cut(backend.JSONLinesEngine(on_incomplete="raise"), b"1\n2")
    assert (items, type(error), error.args) == ([1], IncompleteItem, (1, 2))
    assert notes == ["in JSONLines, line 2, at byte 3 of its input"]
    assert every_cut(backend.JSONLinesEngine(on_incomplete="raise"), b"1\n \r") == ([1], None, 0)


def test_blank_lines_do_not_count(backend):
    blank = b" \t\r" * 5
    for data in (blank + b"\n1\n" + blank, b"\xef\xbb\xbf" + blank + b"\n1"):
        for on_oversize in ("raise", "skip"):
            engine = backend.JSONLinesEngine(max_size=1, on_oversize=on_oversize, on_incomplete="emit")
            assert every_cut(engine, data) == ([1], None, 0)
    items, (error, _), _ = every_cut(backend.JSONLinesEngine(max_size=3), b"1\n" + blank + b"2\n")
    assert (items, error.args) == ([1], (4, 3, 2))
    assert every_cut(backend.JSONLinesEngine(max_size=3, on_oversize="skip"), blank + b"2\n3") == (
        [3],
        None,
        1,
    )


@pytest.mark.parametrize("options", [{}, {"sequence": True}, {"max_size": 5, "on_oversize": "skip"}])
def test_white_space_without_end_is_not_held(backend, options):
    before = f"engine = backend.JSONLinesEngine(int, **{options!r})\nwhite = b' ' * (1 << 16)"
    traced = "for _ in range(200): assert engine.feed(white) == []"
    assert traced_peak(backend, before, traced) < 400_000
    engine = backend.JSONLinesEngine(bytes, **options)
    mark = b"\x1e" if options.get("sequence") else b""
    engine.feed(mark)
    for _ in range(20):
        engine.feed(b" " * 10_000)
    items = engine.feed(b"[7]\n" + mark + b"8\n" + mark)
    assert (
        items == [b"8"] if "max_size" in options else [b"[7]" + b"\n" * bool(mark), b"8" + b"\n" * bool(mark)]
    )


def test_a_long_record_that_is_left_out_is_not_held(backend):
    before = "engine = backend.JSONLinesEngine(int, max_size=10, on_oversize='skip')\npart = b'[' * (1 << 16)"
    assert traced_peak(backend, before, "for _ in range(200): engine.feed(part)") < 400_000


def test_going_on_after_a_stream_was_closed(backend):
    engine = backend.JSONLinesEngine()
    items = engine.iterate(iter([b"1\n{\n"]))
    assert next(items) == 1
    items.close()
    with pytest.raises(ValueError, match="Unexpected UTF-8 BOM") as caught:
        engine.feed(b"\xef\xbb\xbf\n")  # no mark, since this is not the start
    assert "at byte 4 of its input" in caught.value.__notes__[0]


def test_bad_options(backend):
    with pytest.raises(ValueError, match="on_oversize must be 'raise' or 'skip', got 'truncate'"):
        backend.JSONLinesEngine(on_oversize="truncate")
    with pytest.raises(ValueError, match="on_error must be 'raise', 'skip' or 'yield', got 'x'"):
        backend.JSONLinesEngine(on_error="x")
    with pytest.raises(TypeError, match="loads must be callable, got int"):
        backend.JSONLinesEngine(5)


def test_an_invalid_record_is_a_value(backend):
    made = backend.InvalidRecord
    error = ValueError("no")
    record = made(2, 5, b"{", error)
    assert (record.line, record.offset, record.raw, record.error) == (2, 5, b"{", error)
    assert record == made(2, 5, b"{", ValueError("no"))
    for other in (
        made(1, 5, b"{", error),
        made(2, 4, b"{", error),
        made(2, 5, b"", error),
        made(2, 5, b"{", KeyError()),
        1,
    ):
        assert record != other
    assert len({record, made(2, 5, b"{", ValueError("no"))}) == 1
    assert pickle.loads(pickle.dumps(record)) == record == copy.deepcopy(record)
    assert repr(record) == "InvalidRecord(line=2, offset=5, raw=b'{', error=ValueError('no'))"
    match record:
        case made(line, offset, raw, refused):
            assert (line, offset, raw, refused) == (2, 5, b"{", error)
    with pytest.raises(AttributeError):
        record.line = 3
    (found,) = backend.JSONLinesEngine(on_error="yield").feed(b"{\n")
    assert found.error.__traceback__ is None


def test_batches_have_the_lines(backend):
    stage = stage_on(JSONLines(), backend)
    assert [list(batch) for batch in stage.batches(b"[1]\n{\n\n2")] == [[b"[1]", b"{"], [b"2"]]


@pytest.mark.parametrize("options", [{}, {"sequence": True}, {"as_": str}])
def test_laws(backend, options):
    mark = b"\x1e" if "sequence" in options else b""
    check_laws(
        stage_on(JSONLines(**options), backend), [b"", mark + b"[1]\n" + mark + b'"a"\n', mark + b"[1]"]
    )


def test_the_encoder_gives_lines():
    items = [{"a": [1, "é\n"]}, None]
    assert JSONLines().invoke(b"".join(JSONLines.encoder().stream(items))) == items
    with pytest.raises(ValueError, match="dumps must give one line, got a line end at byte 1"):
        JSONLines.encoder(lambda item: "[\n]").invoke([1])
    with pytest.raises(TypeError, match="dumps must give str or bytes, got int"):
        JSONLines.encoder(len).invoke(["abc"])
    with pytest.raises(TypeError, match="dumps must be callable, got int"):
        JSONLines.encoder(5)
    assert repr(JSONLines.encoder()) == "JSONLines.encoder()"
    assert repr(JSONLines.encoder(str)) == "JSONLines.encoder(str)"


class Text(str):
    @classmethod
    def of(cls, line):
        return cls(line, "utf-8")


def test_repr_and_pickle():
    assert repr(JSONLines()) == "JSONLines()"
    stage = JSONLines(int, on_error="skip", as_=str)
    assert repr(stage) == "JSONLines(int, on_error='skip', as_=str)"
    assert eval(repr(stage)).invoke(b"1\nx\n") == [1]
    assert pickle.loads(pickle.dumps(stage)).invoke(b"1\nx\n2") == [1, 2]
    assert repr(JSONLines(json.JSONDecoder().decode)).startswith(
        "JSONLines(<bound method JSONDecoder.decode of "
    )
    assert repr(JSONLines(Text.of)).endswith("Text.of)")
