"""``JSONDeltas``: what it gives and when, what it refuses and where, and documents as others broke them."""

from __future__ import annotations

import decimal
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from json_oracle import plain
from recorder import Source

import streamcore
from streamcore import JSONDelta, JSONDeltas
from streamcore.errors import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge
from streamcore.testing import check_laws


def fed(engine, *fragments):
    return [[plain(item) for item in engine.feed(fragment)] for fragment in fragments]


def snapshots(engine, *fragments):
    """As text, for they are changed later."""
    return [[json.dumps(item) for item in engine.feed(fragment)] for fragment in fragments]


def failure(backend, text, **options):
    engine = backend.JSONDeltasEngine(**options)
    with pytest.raises((ValueError, EOFError)) as caught:
        for _ in range(9):
            engine.feed(text) if not engine.error else engine.feed("")
            if not engine.error:
                engine.finish()
    return caught.value


def test_strings_come_in_pieces_and_everything_else_when_it_is_complete(backend):
    engine = backend.JSONDeltasEngine()
    assert fed(
        engine, '{"te', 'xt": "on', "e", '", "n": 1', "2", ", ", '"t": tru', "e, ", '"e": ""', "}"
    ) == [
        [((), {}, False)],
        [(("text",), "on", False)],
        [(("text",), "e", False)],
        [(("text",), "", True)],
        [],
        [(("n",), 12, True)],
        [],
        [(("t",), True, True)],
        [(("e",), "", True)],
        [((), {}, True)],
    ]
    assert engine.finish() == []


def test_one_path_for_all_pieces_of_a_value(backend):
    engine = backend.JSONDeltasEngine()
    items = [item for char in '[{"a": "xyz"}]' for item in engine.feed(char)]
    strings = [item for item in items if isinstance(item.value, str)]
    assert [item.value for item in strings] == ["x", "y", "z", ""]
    assert len({id(item.path) for item in strings}) == 1
    assert strings[0].path == (0, "a")
    opened, closed = (item for item in items if item.value == {})
    assert opened.path is closed.path


def test_a_number_at_the_top_is_complete_at_the_end(backend):
    engine = backend.JSONDeltasEngine()
    assert fed(engine, "-1", "2.5e", "1") == [[], [], []]
    assert [plain(item) for item in engine.finish()] == [((), -125.0, True)]


def test_escapes_and_pairs_come_whole(backend):
    engine = backend.JSONDeltasEngine()
    assert fed(engine, '"a\\', "n\\u00", "e9\\ud83d", "\\ude0", "0b") == [
        [((), "a", False)],
        [((), "\n", False)],
        [((), "é", False)],
        [],
        [((), "\U0001f600b", False)],
    ]


def test_a_character_of_utf_8_comes_whole(backend):
    engine = backend.JSONDeltasEngine()
    assert fed(engine, b'"\xc3', b"\xa9\xf0\x9f", b"\x98", b'\x80"') == [
        [],
        [((), "é", False)],
        [],
        [((), "\U0001f600", True)],
    ]


def test_no_character_is_lost_while_an_escape_is_open(backend):
    """assistant-ui/assistant-ui PR 6355: the arguments vanish from a snapshot."""
    engine = backend.JSONDeltasEngine(as_="snapshot")
    assert snapshots(engine, '{"a": "x', "\\", "u00", '41"') == [['{"a": "x"}'], [], [], ['{"a": "xA"}']]


def test_a_pair_of_surrogates_in_two_fragments(backend):
    """json-c/json-c#616"""
    engine = backend.JSONDeltasEngine()
    assert fed(engine, '"\\ud834', '\\udd1e"') == [[], [((), "\U0001d11e", True)]]


def test_a_namespace_of_php_is_kept_as_it_is_written(backend):
    """anthropics/anthropic-sdk-typescript#986: an escape that is none kills the call."""
    text = '{"class": "App\\Http\\User", "u": "C:\\users"}'
    assert failure(backend, text).offset == 15
    engine = backend.JSONDeltasEngine(strict=False)
    assert backend.json_folded([*engine.feed(text), *engine.finish()]) == {
        "class": "App\\Http\\User",
        "u": "C:\\users",
    }


def test_what_is_held_does_not_grow_with_the_document(backend):
    """earendil-works/pi#9265: parsed again at each delta. A machine has nothing left to parse again."""
    engine = backend.JSONDeltasEngine()
    engine.feed("[")
    for _ in range(2000):
        assert len(engine.feed('{"key": "some text"},')) == 3


def test_snapshots_show_no_number_that_may_grow_and_no_key_without_value(backend):
    engine = backend.JSONDeltasEngine(as_="snapshot")
    assert snapshots(engine, '{"a": "', "b", '", "c', '": 1', "2", ', "d": [nul', "l, ", '"e') == [
        ['{"a": ""}'],
        ['{"a": "b"}'],
        [],
        [],
        [],
        ['{"a": "b", "c": 12, "d": []}'],
        ['{"a": "b", "c": 12, "d": [null]}'],
        ['{"a": "b", "c": 12, "d": [null, "e"]}'],
    ]


def test_a_snapshot_is_one_value_changed_in_place(backend):
    engine = backend.JSONDeltasEngine(as_="snapshot")
    first, second, last = engine.feed('["a')[0], engine.feed("b")[0], engine.feed('"]')
    assert first is second
    assert first == ["ab"]
    assert last == [] or last[0] is first


def test_a_string_of_a_snapshot_that_is_kept_does_not_change(backend):
    engine = backend.JSONDeltasEngine(as_="snapshot")
    kept = []
    for char in '["abcdefgh':
        kept += [item[0] for item in engine.feed(char) if item]
    assert kept == ["", "a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"]


def test_whole_strings(backend):
    engine = backend.JSONDeltasEngine(whole_strings=True)
    assert fed(engine, '["a', "b", '\\n", "c"') == [
        [((), [], False)],
        [],
        [((0,), "ab\n", True), ((1,), "c", True)],
    ]


@pytest.mark.parametrize(
    ("text", "offset", "path", "expected"),
    [
        ('{"a":1,}', 7, (), "a string as key"),
        ("01", 1, (), "the end of the document"),
        ("]", 0, (), "a value"),
        ("1 2", 2, (), "the end of the document"),
        ("[1 2]", 3, (), "',' or ']'"),
        ('{"a" 1}', 5, ("a",), "':'"),
        ('{"a":1 "b"}', 7, (), "',' or '}'"),
        ("{1:2}", 1, (), "a string as key or '}'"),
        ("[,]", 1, (), "a value or ']'"),
        ('{"a":[1,x]}', 8, ("a", 1), "a value"),
        ('{"a":truth}', 8, ("a",), "the literal true"),
        ("-x", 1, (), "a digit"),
        ("1.e5", 2, (), "a digit"),
        ('["a\x01"]', 3, (0,), "no control character in a string"),
        (r'["a\q"]', 4, (0,), "an escape"),
        (r'{"a\u12x4":1}', 7, (), "a hexadecimal digit"),
        ("\ufeff1", 0, (), "a value"),
    ],
)
def test_what_cannot_stand_where_it_stands(backend, text, offset, path, expected):
    error = failure(backend, text)
    assert type(error) is InvalidFrame
    assert (error.reason, error.offset, error.path) == (f"expected {expected}", offset, path)
    assert str(error) == f"expected {expected} at offset {offset}, path {path!r}"
    assert pickle.loads(pickle.dumps(error)).path == path


def test_depth_513(backend):
    engine = backend.JSONDeltasEngine()
    assert len(engine.feed("[" * 512)) == 512
    error = failure(backend, "[" * 513)
    assert (error.reason, error.offset, error.path) == ("expected no more than 512 levels", 512, (0,) * 512)
    assert failure(backend, '{"a":[', max_depth=1).offset == 5


@pytest.mark.parametrize("text", ["", " \n", '"\\ud83d', "[1", '{"a"', "tru", "-", "12.", '"abc', "[[]"])
def test_an_end_inside(backend, text):
    error = failure(backend, text)
    assert type(error) is IncompleteItem
    assert (error.size, error.offset) == (len(text), 0)


def test_bytes_that_are_no_utf_8(backend):
    engine = backend.JSONDeltasEngine()
    assert fed(engine, b'["ab\xff"]') == [[((), [], False), ((0,), "ab", False)]]
    with pytest.raises(InvalidEncoding) as caught:
        engine.finish()
    assert (caught.value.offset, caught.value.object) == (4, b"\xff")
    assert failure(backend, b"[\xc3\xa9]").offset == 1
    assert failure(backend, b"\xef\xbb\xbf\xef\xbb\xbf1").offset == 3


def test_a_mark_at_the_beginning_of_bytes_is_passed_over(backend):
    engine = backend.JSONDeltasEngine()
    assert fed(engine, b"\xef", b"\xbb", b"\xbf[", b"]") == [[], [], [((), [], False)], [((), [], True)]]


def test_a_key_a_number_and_a_whole_string_are_bounded(backend):
    assert failure(backend, '{"abcd": 1}', max_size=3).args == (4, 3, 2)
    assert failure(backend, "[12345", max_size=4).args == (5, 4, 1)
    assert failure(backend, '["abcd"]', max_size=3, whole_strings=True).args == (4, 3, 2)
    assert type(failure(backend, '{"éé": 1}'.encode(), max_size=3)) is ItemTooLarge
    engine = backend.JSONDeltasEngine(max_size=3)
    assert len(engine.feed('{"abc": ["some text", 123]}')) == 6


def test_the_error_of_int_or_parse_float_keeps_its_type(backend):
    error = failure(backend, "[1, " + "1" * 5000 + "]")
    assert type(error) is ValueError
    assert error.__notes__ == ["in JSONDeltas, at character 4 of its input"]

    def refuse(text):
        raise LookupError(text)

    engine = backend.JSONDeltasEngine(parse_float=refuse)
    assert len(engine.feed("[1, 2.5]")) == 2
    with pytest.raises(LookupError, match=r"2\.5"):
        engine.feed("")


def test_floats_are_made_by_parse_float(backend):
    engine = backend.JSONDeltasEngine(parse_float=decimal.Decimal)
    values = [item.value for item in engine.feed("[1, 0.1, 1e2, NaN]") if item.path]
    assert values[:3] == [1, decimal.Decimal("0.1"), decimal.Decimal("1e2")]
    assert values[3] != values[3]


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ('```json\n{"a": [1, 2,],}\n```\nThat is it.', {"a": [1, 2]}, "That is it."),
        ("```\n[]```", [], ""),
        ("[1] and so on", [1], "and so on"),
        ('["a\nb\tc"]', ["a\nb\tc"], ""),
        ('{"a": "b', {"a": "b"}, ""),
        ('{"a": [1, 2', {"a": [1, 2]}, ""),
        ('{"a": 1.', {"a": 1}, ""),
        ('{"a": 1, "b', {"a": 1}, ""),
        ('{"a": 1, "b":', {"a": 1}, ""),
        ('{"a": -', {}, ""),
        ("[tru", [], ""),
        ('"a\\ud83d', "a\ud83d", ""),
        ('"a\\u12', "a", ""),
        ("1e", 1, ""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_is_taken_where_it_is_not_strict(backend, text, value, rest, size):
    engine = backend.JSONDeltasEngine(strict=False)
    items = [item for at in range(0, len(text), size) for item in engine.feed(text[at : at + size])]
    assert backend.json_folded([*items, *engine.finish()]) == value
    assert engine.rest == rest
    engine = backend.JSONDeltasEngine(strict=False, as_="snapshot")
    items = [item for at in range(0, len(text), size) for item in engine.feed(text[at : at + size])]
    assert [*items, *engine.finish()][-1] == value


@pytest.mark.parametrize(
    "text", ["", "tru", "-", "```json\n", "so: {}", "[,]", "{,}", "'a'", "[1 2]", "{a: 1}"]
)
def test_what_is_refused_where_it_is_not_strict(backend, text):
    assert isinstance(failure(backend, text, strict=False), (InvalidFrame, IncompleteItem))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"max_depth": 0}, ValueError, "max_depth must be positive, got 0"),
        ({"max_size": -1}, ValueError, "max_size must be positive, got -1"),
        ({"as_": "dict"}, ValueError, "as_ must be 'delta' or 'snapshot', got 'dict'"),
        ({"parse_float": 1}, TypeError, "parse_float must be callable, got int"),
    ],
)
def test_options_that_cannot_mean_anything(backend, options, kind, message):
    with pytest.raises(kind) as caught:
        backend.JSONDeltasEngine(**options)
    assert str(caught.value) == message


def test_a_delta_is_a_value(backend):
    one = backend.JSONDelta(("a", 1), "text", False)
    assert one == backend.JSONDelta(("a", 1), "text", False) != backend.JSONDelta(("a", 1), "text")
    assert backend.JSONDelta((), 1) != backend.JSONDelta((), True)
    assert hash(backend.JSONDelta((), {}, False)) == hash(backend.JSONDelta((), {}, False))
    assert repr(one) == "JSONDelta(path=('a', 1), value='text', done=False)"
    assert pickle.loads(pickle.dumps(one)) == one
    match one:
        case backend.JSONDelta(path, value, done):
            assert (path, value, done) == (("a", 1), "text", False)
    with pytest.raises(AttributeError):
        one.value = 1
    with pytest.raises(TypeError, match="path must be a tuple, got list"):
        backend.JSONDelta([], 1)


def test_what_is_no_document_does_not_fold(backend):
    delta = backend.JSONDelta
    for items in (
        [delta(("a",), 1)],
        [delta((), [], False), delta((1,), 1)],
        [delta((), [], False), delta((0,), "a", False), delta((1,), 1)],
    ):
        with pytest.raises(ValueError, match="these are not the deltas of one document"):
            backend.json_folded(items)
    with pytest.raises(TypeError, match="deltas fold to a value, got int"):
        backend.json_folded([1])
    with pytest.raises(IncompleteItem):
        backend.json_folded([])
    assert backend.json_folded([delta((), [], False), delta((0,), "a", False)]) == ["a"]


def test_an_iterator_closed_midway_begins_a_new_document(backend):
    engine = backend.JSONDeltasEngine()
    source = Source(["[1, 2, 3", "]"])
    run = engine.iterate(source)
    assert [plain(next(run)), plain(next(run))] == [((), [], False), ((0,), 1, True)]
    run.close()
    assert source.closed == 1
    assert fed(engine, "[") == [[((), [], False)]]
    with pytest.raises(IncompleteItem) as caught:
        engine.finish()
    assert (caught.value.size, caught.value.offset) == (1, 8)


class Characters(JSONDeltas):
    """The same with every character of a string as an item, which is what the laws compare a flow by."""

    def collect(self, chunks):
        parts = []
        for delta in chunks:
            if isinstance(delta.value, str):
                parts += [(delta.path, char) for char in delta.value]
                parts += [(delta.path, "done")] if delta.done else []
            else:
                parts.append(plain(delta))
        return parts


SAMPLES = [
    '{"a": [1, "xy"]}',
    '"\\ud83d\\ude00"',
    "12",
    "[tru]",
    "",
    '{"é": "é"}'.encode(),
    b'"\xff',
    "[1 2]",
]


@pytest.mark.parametrize("options", [{}, {"strict": False}, {"whole_strings": True}])
def test_deltas_obey_the_laws(options):
    laws = ("completeness", "fragmentation", "order", "cleanup", "errors")
    check_laws(Characters(**options), SAMPLES, cuts=8)
    check_laws(JSONDeltas(**options), SAMPLES[:6], cuts=8, laws=laws)


def test_snapshots_obey_the_laws():
    laws = ("completeness", "fragmentation", "order", "cleanup")
    check_laws(JSONDeltas(as_="snapshot"), SAMPLES[:6], cuts=8, laws=laws)


def test_the_stage():
    stage = JSONDeltas(as_="snapshot", strict=False)
    assert repr(stage) == "JSONDeltas(strict=False, as_='snapshot')"
    assert repr(eval(repr(stage), vars(streamcore).copy())) == repr(stage)
    assert repr(pickle.loads(pickle.dumps(stage))) == repr(stage)
    assert JSONDeltas().invoke(['{"a": [1', "2, 3.5]}"]) == {"a": [12, 3.5]}
    assert list(JSONDeltas().stream(b"[]")) == [JSONDelta((), [], False), JSONDelta((), [], True)]
    with pytest.raises(TypeError, match="JSONDeltas has no batches"):
        JSONDeltas().batches("[]")


# ---- parsing cases, of the kinds that "Parsing JSON is a Minefield" (seriot.ch, JSONTestSuite) has ----

DATA = Path(__file__).parents[1] / "data"


def cases(name: str) -> list[str]:
    """The texts in a file, each a JSON string in a line of its own."""
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


REFUSED, TAKEN = cases("json_refused.txt"), cases("json_taken.txt")


def by_loads(text: str | bytes) -> tuple[bool, str]:
    try:
        return True, repr(json.loads(text))
    except (ValueError, RecursionError):
        return False, ""


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(
    "kind", [str, lambda text: text.encode("utf-8", "surrogatepass")], ids=["str", "bytes"]
)
def test_parsing_cases(backend, kind: Callable[[str], str | bytes], size: int):
    """Taken if ``json.loads`` takes it, and then with the same value."""
    taken = 0
    for text in [*REFUSED, *TAKEN]:
        whole = kind(text)
        engine = backend.JSONDeltasEngine()
        fragments = [whole[at : at + size] for at in range(0, len(whole), size)]
        try:
            outcome = True, repr(backend.json_folded(list(engine.iterate(iter(fragments)))))
        except (ValueError, EOFError):
            outcome = False, ""
        assert outcome == by_loads(whole), text
        taken += outcome[0]
    assert 90 < taken < len(TAKEN) + 5


@pytest.mark.parametrize("kind", [str, str.encode], ids=["str", "bytes"])
def test_a_sign_a_digit_a_control_and_a_late_escape_at_their_limits(backend, kind):
    for text, offset in (
        ("[1e5+3]", 4),
        (r'["\u000g"]', 7),
        ('["\x1f"]', 2),
        ('["' + "x" * 60 + '\x1f"]', 62),
    ):
        with pytest.raises(InvalidFrame) as caught:
            list(backend.JSONDeltasEngine().iterate(iter([kind(text)])))
        assert caught.value.offset == offset, text
    for before in range(70):
        text = '["' + "x" * before + "\\n" + "y" * (70 - before) + '"]'
        items = list(backend.JSONDeltasEngine().iterate(iter([kind(text)])))
        assert backend.json_folded(items) == ["x" * before + "\n" + "y" * (70 - before)]


def test_a_character_that_ends_an_escape_is_refused_and_not_measured(backend):
    for data, at in ((b'"\\u\xf0\x9f\x98\x80"', 3), (b'"\\ud8\xed\xa0\x803d"', 5), (b'{"\\u0\xf0\x9f"', 5)):
        whole = data[:1] == b'"'
        limit = at - (1 if whole else 2)  # the bytes before it are just as many as may be
        for stop in range(at + 1, len(data) + 1):
            for fragments in ([data[:stop]], [data[i : i + 1] for i in range(stop)]):
                engine = backend.JSONDeltasEngine(max_size=limit, whole_strings=whole)
                with pytest.raises(InvalidFrame) as raised:
                    for fragment in [*fragments, b""]:
                        engine.feed(fragment)
                assert raised.value.offset == at
