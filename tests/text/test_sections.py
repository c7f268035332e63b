"""``Sections`` and ``Stop``: what they cut, when, what they refuse, and how a stream ends."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from recorder import Source
from sections_oracle import joined, plain

import streamcore
from streamcore import Section, Sections, Stop
from streamcore.errors import IncompleteItem
from streamcore.testing import check_laws

THINK = {"think": ("<think>", "</think>"), "code": ("```", "```")}


def fed(engine, *fragments):
    return [[plain(item) for item in engine.feed(fragment)] for fragment in fragments]


def whole(backend, text, markers=THINK, **options):
    engine = backend.SectionsEngine(markers, **options)
    return joined([plain(item) for item in [*engine.feed(text), *engine.finish()]])


def test_sections_bear_their_names_and_places(backend):
    assert whole(backend, "a<think>b</think>c```d```") == [
        ("text", "a", 0, False),
        ("think", "b", 8, True),
        ("text", "c", 17, False),
        ("code", "d", 21, True),
    ]


def test_an_empty_section_shows(backend):
    assert whole(backend, "<think></think>``````") == [("think", "", 7, True), ("code", "", 18, True)]


def test_bytes_are_cut_as_bytes_and_places_count_them(backend):
    assert whole(backend, "é<think>é".encode()) == [
        ("text", b"\xc3\xa9", 0, False),
        ("think", b"\xc3\xa9", 9, True),
    ]
    assert whole(backend, "é<é>x", {"e": ("<é>", "!")})[1] == ("e", "x", 4, True)
    assert whole(backend, "é<é>x".encode(), {"e": ("<é>", "!")})[1] == ("e", b"x", 6, True)
    assert whole(backend, bytearray(b"a<think>")) == [("text", b"a", 0, False), ("think", b"", 8, True)]


def test_a_marker_is_held_back_until_a_character_rules_it_out(backend):
    engine = backend.SectionsEngine(THINK)
    assert fed(engine, "a<", "t", "h", "x<thi", "nk", ">y", "<", "/thin", "g") == [
        [("text", "a", 0, False)],
        [],
        [],
        [("text", "<thx", 1, False)],
        [],
        [("think", "y", 12, False)],
        [],
        [],
        [("think", "</thing", 13, False)],
    ]


def test_what_is_no_marker_here_is_not_held_back(backend):
    """The end of a section is text outside, and the begin of another one is text within."""
    engine = backend.SectionsEngine(THINK)
    assert fed(engine, "</think", "`", "``", "<think", "``") == [
        [("text", "</think", 0, False)],
        [],
        [],
        [("code", "<think", 10, False)],
        [],
    ]


def test_the_longest_of_the_markers_that_begin_first(backend):
    markers = {"one": ("<a", ";"), "two": ("<ab", ";")}
    engine = backend.SectionsEngine(markers)
    assert fed(engine, "<a", "x;", "<a", "b", "x;") == [
        [],
        [("one", "x", 2, True)],
        [],
        [],
        [("two", "x", 7, True)],
    ]
    assert whole(backend, "<a", markers) == [("one", "", 2, True)]


def test_what_was_looked_at_for_a_longer_marker_is_read_again(backend):
    markers = {"one": ("a", "b"), "two": ("abcd", "x")}
    assert whole(backend, "abce", markers) == [("one", "", 1, True), ("text", "ce", 2, False)]


def test_nested_sections_count(backend):
    markers = {"b": ("{", "}")}
    assert whole(backend, "{a{b}c}d", markers, nested=True) == [
        ("b", "a{b}c", 1, True),
        ("text", "d", 7, False),
    ]
    assert whole(backend, "{a{b}c}d", markers) == [("b", "a{b", 1, True), ("text", "c}d", 5, False)]


def test_a_stream_may_begin_inside(backend):
    assert whole(backend, "b</think>c", begin="think") == [
        ("think", "b", 0, True),
        ("text", "c", 9, False),
    ]
    assert whole(backend, "", begin="think") == [("think", "", 0, True)]


def test_kept_markers_join_to_the_input(backend):
    text = "a<think>b</think>``````c<think>{"
    items = whole(backend, text, keep_markers=True)
    assert "".join(item[1] for item in items) == text
    assert items[1] == ("think", "<think>b</think>", 1, True)


@pytest.mark.parametrize(
    ("on_incomplete", "expected"),
    [
        ("emit", [("think", "b", 7, False), ("think", "</t", 8, True)]),
        ("drop", [("think", "b", 7, False), ("think", "</t", 8, False)]),
    ],
)
def test_a_section_without_its_end(backend, on_incomplete, expected):
    engine = backend.SectionsEngine(THINK, on_incomplete=on_incomplete)
    assert [plain(item) for item in [*engine.feed("<think>b</t"), *engine.finish()]] == expected


def test_a_section_without_its_end_may_be_an_error(backend):
    engine = backend.SectionsEngine(THINK, on_incomplete="raise")
    assert fed(engine, "ab<think>c<") == [[("text", "ab", 0, False), ("think", "c", 9, False)]]
    assert [plain(item) for item in engine.finish()] == [("think", "<", 10, False)]
    with pytest.raises(IncompleteItem) as caught:
        engine.finish()
    assert (caught.value.size, caught.value.offset) == (9, 2)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ((["a"],), {}, TypeError, "markers must be a mapping of names to pairs, got list"),
        (({},), {}, ValueError, "markers must name at least one section"),
        (({"a": "xy"},), {}, TypeError, "the markers of 'a' must be a pair of str, got str"),
        (({"a": ("x", b"y")},), {}, TypeError, "a marker of 'a' must be a str, got bytes"),
        (({"a": ("x", "")},), {}, ValueError, "a marker of 'a' must not be empty"),
        (({1: ("x", "y")},), {}, TypeError, "the name of a section must be a str, got int"),
        (({"text": ("x", "y")},), {}, ValueError, "'text' is both a section and the default"),
        (({"a": ("x", "y"), "b": ("x", "z")},), {}, ValueError, "'a' and 'b' both begin with 'x'"),
        (({"a": ("x", "x")},), {"nested": True}, ValueError, "nested=True, but 'a' begins and ends with 'x'"),
        (({"a": ("x", "y")},), {"begin": "b"}, ValueError, "begin must be None or one of 'a', got 'b'"),
        (({"a": ("x", "y")},), {"begin": 3}, TypeError, "begin must be a str, got int"),
        (
            ({"a": ("x", "y")},),
            {"on_incomplete": "no"},
            ValueError,
            "on_incomplete must be 'emit', 'drop' or 'raise', got 'no'",
        ),
    ],
)
def test_options_that_cannot_mean_anything(backend, arguments, options, kind, message):
    with pytest.raises(kind) as caught:
        backend.SectionsEngine(*arguments, **options)
    assert str(caught.value) == message


def test_fragments_are_of_one_type(backend):
    engine = backend.SectionsEngine(THINK)
    engine.feed("a")
    with pytest.raises(TypeError, match="Sections takes fragments of one type, got bytes after str"):
        engine.feed(b"a")
    with pytest.raises(TypeError, match="Sections takes str or bytes-like data, got int"):
        backend.SectionsEngine(THINK).feed(3)
    assert fed(engine, "b") == [[("text", "b", 1, False)]]


def test_an_iterator_closed_midway_forgets_what_is_unfinished(backend):
    engine = backend.SectionsEngine(THINK, begin="code", on_incomplete="raise")
    source = Source(["x```a<think>b", "c"])
    run = engine.iterate(source)
    assert plain(next(run)) == ("code", "x", 0, True)
    run.close()
    assert source.closed == 1
    assert fed(engine, "y") == [[("code", "y", 13, False)]]
    with pytest.raises(IncompleteItem) as caught:
        engine.finish()
    assert (caught.value.size, caught.value.offset) == (1, 13)


def test_there_are_no_batches_of_sections(backend):
    with pytest.raises(TypeError, match="Sections has no batches"):
        backend.SectionsEngine(THINK).batches(iter(["a"]))
    with pytest.raises(TypeError, match="Sections has no batches"):
        Sections(THINK).batches("a")


def test_a_section_is_a_value(backend):
    one = backend.Section("a", "b", 3, True)
    assert one == backend.Section("a", "b", 3, True) != backend.Section("a", "b", 3, False)
    assert one != ("a", "b", 3, True)
    assert backend.Section("a", "b") != backend.Section("a", b"b")
    assert hash(one) == hash(backend.Section("a", "b", 3, 1))
    assert repr(one) == "Section(name='a', text='b', start=3, done=True)"
    assert pickle.loads(pickle.dumps(one)) == one
    match one:
        case backend.Section(name, text, start, done):
            assert (name, text, start, done) == ("a", "b", 3, True)
    for name in ("name", "text", "start", "done"):
        with pytest.raises(AttributeError):
            setattr(one, name, None)
        with pytest.raises((AttributeError, TypeError)):
            delattr(one, name)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((1, "a"), TypeError, "name must be a str, got int"),
        (("a", 1), TypeError, "text must be str or bytes, got int"),
        (("a", "a", "1"), TypeError, "start must be an int, got str"),
        (("a", "a", -1), ValueError, "start must be from 0 to 9223372036854775807, got -1"),
    ],
)
def test_a_section_of_something_else(backend, arguments, kind, message):
    with pytest.raises(kind) as caught:
        backend.Section(*arguments)
    assert str(caught.value) == message


class Characters(Sections):
    """The same with every character as an item, which is what the laws compare a flow by."""

    def collect(self, chunks):
        return [
            part
            for piece in chunks
            for part in [*((piece.name, char) for char in piece.text), *([piece.name] if piece.done else [])]
        ]


@pytest.mark.parametrize("options", [{}, {"keep_markers": True, "begin": "b"}, {"on_incomplete": "raise"}])
def test_sections_obey_the_laws(options):
    markers = {"a": ("<a", ">"), "b": ("<ab", "<<")}
    samples = ["x<a", "<ab<<>", "a<a>>b<ab", "", b"<a>x<"]
    check_laws(Characters(markers, **options), samples, cuts=10)
    check_laws(
        Sections(markers, **options), samples, cuts=10, laws=("completeness", "fragmentation", "cleanup")
    )


def test_sections_invoked_are_whole():
    assert Sections(THINK).invoke(["a<thi", "nk>b", "c</think>"]) == [
        Section("text", "a", 0, False),
        Section("think", "bc", 8, True),
    ]


@pytest.mark.parametrize("stage", [Sections(THINK, begin="code", nested=False), Stop("a", "b", include=True)])
def test_stages_can_be_pickled_and_show_how_they_are_made(stage):
    again = pickle.loads(pickle.dumps(stage))
    assert repr(again) == repr(stage)
    assert repr(eval(repr(stage), vars(streamcore).copy())) == repr(stage)


# ---- Stop ----


def test_the_beginning_of_a_stop_string_does_not_leak(backend):
    """vllm-project/vllm#3574, SharpAI/SwiftLM#126"""
    engine = backend.StopEngine("STOP", "<|end|>")
    assert [engine.feed(text) for text in ("one ST", "O", "P two")] == [["one "], [], []]
    assert (engine.matched, engine.rest, engine.done) == ("STOP", " two", True)
    assert engine.finish() == []


def test_nothing_is_held_back_for_nothing(backend):
    """smg-project/smg PR 2203: not a window as long as the longest string."""
    engine = backend.StopEngine("a long stop string")
    assert [engine.feed(text) for text in ("one", " two", " a", " b", "a lon", "e")] == [
        ["one"],
        [" two"],
        [" "],
        ["a b"],
        [],
        ["a lone"],
    ]


def test_the_last_piece_before_the_end_is_not_lost(backend):
    """LostRuins/koboldcpp PR 1031"""
    engine = backend.StopEngine("</s>")
    assert engine.feed("the end</s>") == ["the end"]
    engine.reset()
    assert engine.feed("the end</") == ["the end"]
    assert engine.finish() == ["</"]
    assert (engine.matched, engine.rest, engine.done) == (None, "", False)


def test_a_think_marker_cut_in_two(backend):
    """sgl-project/sglang PR 31009"""
    engine = backend.SectionsEngine(THINK, begin="think")
    assert fed(engine, "so</th", "ink>", "yes") == [
        [("think", "so", 0, False)],
        [("think", "", 2, True)],
        [("text", "yes", 10, False)],
    ]


def test_the_first_of_the_stop_strings_and_of_those_the_shortest(backend):
    engine = backend.StopEngine("abcd", "bc", "b")
    assert engine.feed("xab") == ["x"]
    assert engine.feed("cx!") == ["a"]
    assert (engine.matched, engine.rest) == ("b", "cx!")
    engine.reset()
    assert engine.feed("xabc") == ["x"]
    assert engine.finish() == ["a"]
    assert (engine.matched, engine.rest) == ("b", "c")


def test_a_stop_string_can_be_included(backend):
    engine = backend.StopEngine("END", include=True)
    assert [engine.feed("xE"), engine.feed("ND."), engine.feed("y")] == [["xE"], ["ND"], []]
    assert engine.offset == 6


def test_bytes_are_stopped_as_bytes(backend):
    engine = backend.StopEngine("é")
    assert [engine.feed(b"a\xc3"), engine.feed(b"\xa9b")] == [[b"a"], []]
    assert (engine.matched, engine.rest) == ("é", b"b")


@pytest.mark.parametrize(
    ("strings", "kind", "message"),
    [
        ((), ValueError, "at least one stop string is needed"),
        (("a", ""), ValueError, "a stop string must not be empty"),
        ((b"a",), TypeError, "a stop string must be a str, got bytes"),
    ],
)
def test_stop_strings_that_cannot_mean_anything(backend, strings, kind, message):
    with pytest.raises(kind) as caught:
        backend.StopEngine(*strings)
    assert str(caught.value) == message


def test_the_source_is_not_looked_at_after_the_stop_string(backend):
    source = Source(["a", "bST", "OPc", "d", "e"])
    engine = backend.StopEngine("STOP")
    assert list(engine.iterate(source)) == ["a", "b"]
    assert (source.pulled, source.closed) == (3, 1)
    assert (engine.matched, engine.rest) == ("STOP", "c")


def test_an_endless_async_source_is_closed_at_the_stop_string():
    closed = []

    async def endless():
        try:
            while True:
                yield "word "
                yield "ST"
                yield "OP"
        finally:
            closed.append(True)

    async def run():
        return [text async for text in Stop("STOP").astream(endless())], list(closed)

    assert asyncio.run(run()) == (["word "], [True])


@pytest.mark.parametrize("include", [False, True])
def test_stop_obeys_the_laws(include):
    check_laws(Stop("ab", "abcd", "cx", include=include), ["xxabab", "abc", "acacx", "", b"xcab"], cuts=10)
