"""What stages keep of their options, how they show them, and how they refuse them."""

import decimal
import functools
import hashlib
import json
import pickle

import numpy as np
import pytest

import streamcore
from streamcore import (
    ContentDefined,
    JSONDeltas,
    JSONLines,
    LengthPrefixed,
    Sections,
    ServerSentEvents,
    TextSplitter,
)

FLAGS = [
    (streamcore.Lines, "keepends"),
    (streamcore.Lines, "borrow"),
    (functools.partial(streamcore.FixedSize, 3), "borrow"),
    (functools.partial(streamcore.Delimited, b"a"), "keep"),
    (functools.partial(streamcore.Delimited, b"a"), "borrow"),
    (LengthPrefixed, "includes_prefix"),
    (LengthPrefixed, "keep_head"),
    (LengthPrefixed, "borrow"),
    (JSONLines, "sequence"),
    (ContentDefined, "borrow"),
    (functools.partial(TextSplitter, 3), "strip"),
    (JSONDeltas, "strict"),
    (JSONDeltas, "whole_strings"),
    (functools.partial(Sections, {"t": ("<", ">")}), "nested"),
    (functools.partial(Sections, {"t": ("<", ">")}), "keep_markers"),
    (functools.partial(streamcore.Stop, "x"), "include"),
]


def test_a_flag_is_a_bool():
    for made, name in FLAGS:
        for value in (1, 0, "false", None, np.bool_(True), [], float("nan")):
            with pytest.raises(TypeError, match=f"^{name} must be a bool, got {type(value).__name__}$"):
                made(**{name: value})


def test_what_is_refused_is_named():
    large = 10**5000  # Python does not write it
    for made, name, value, message in (
        (JSONLines, "max_size", np.array([5, 6]), "max_size must be an int, got ndarray"),
        (JSONLines, "max_size", int, "max_size must be an int, got type"),
        (LengthPrefixed, "adjust", np.array([5, 6]), "adjust must be an int, got ndarray"),
        (LengthPrefixed, "as_", large, "as_ must be bytes, str or 'view', got an int of"),
        (LengthPrefixed, "prefix", large, "prefix must be .* got an int of"),
        (ServerSentEvents, "as_", large, "as_ must be 'event', .* got an int of"),
        (ServerSentEvents, "stop", "\ud800", "stop must be text that has an encoding, got '.ud800'"),
        (functools.partial(TextSplitter, 3), "length", large, "length must be .* got an int of"),
        (functools.partial(TextSplitter, 3), "as_", large, "as_ must be .* got an int of"),
        (functools.partial(TextSplitter, 3), "separators", 5, "separators must be several strings, got int"),
        (
            functools.partial(TextSplitter, 3),
            "separators",
            str,
            "separators must be several strings, got type",
        ),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{message}"):
            made(**{name: value})


def test_an_engine_names_what_it_refuses(backend):
    with pytest.raises(TypeError, match="^separators must be several strings, got int$"):
        backend.TextSplitterEngine(3, separators=5)
    with pytest.raises(TypeError, match="^nested must be a bool, got str$"):
        backend.SectionsEngine({"t": ("<", ">")}, nested="no")
    with pytest.raises(TypeError, match="^sequence must be a bool, got int$"):
        backend.JSONLinesEngine(sequence=1)


def test_a_stage_does_not_change_with_what_it_was_made_of():
    stop, pair, separators = bytearray(b"x"), ["<", ">"], ["a"]
    markers = {"t": pair}
    events, sections = ServerSentEvents(stop=stop, as_=str), Sections(markers)
    shared = Sections({"t": ("<", ">")} | markers)
    splitter = TextSplitter(3, separators=separators)
    stop[:], pair[0], separators[0] = b"y", "Q", "b"
    markers["u"] = ("(", ")")
    assert events.invoke(b"data: y\n\ndata: x\n\n") == ["y"]
    assert [piece.text for piece in sections.invoke("Q<a>")] == ["Q", "a"]
    assert repr(shared) == repr(sections) == "Sections({'t': ('<', '>')})"
    assert repr(splitter) == "TextSplitter(3, separators=('a',))"


def test_an_option_is_read_once():
    class Falling:
        value = 9

        def __index__(self):
            self.value -= 1
            return self.value

    stage = LengthPrefixed("u8", offset=Falling(), max_size=Falling())
    assert repr(stage) == "LengthPrefixed('u8', offset=8, max_size=8)"
    assert stage.invoke(b"h" * 8 + b"\x01a") == [b"a"]
    assert stage.encode(b"a", b"h" * 8) == b"h" * 8 + b"\x01a"


class Text(str):
    __slots__ = ()


def test_the_repr_builds_the_stage():
    names = {name: getattr(streamcore, name) for name in streamcore.__all__}
    names |= {
        "decimal": decimal,
        "functools": functools,
        "json": json,
        "_hashlib": pytest.importorskip("_hashlib"),
    }
    for stage, shown in (
        (JSONLines(functools.partial(json.loads, parse_float=decimal.Decimal)),
         "JSONLines(functools.partial(json.loads, parse_float=decimal.Decimal))"),
        (JSONLines(loads=json.loads), "JSONLines()"),
        (JSONDeltas(parse_float=decimal.Decimal), "JSONDeltas(parse_float=decimal.Decimal)"),
        (TextSplitter(5, length=len), "TextSplitter(5, length=len)"),
        (ContentDefined(4096, digest=hashlib.sha256), "ContentDefined(4096, digest=_hashlib.openssl_sha256)"),
        (ContentDefined(np.int64(4096), seed=np.uint64(1 << 63)), "ContentDefined(4096, seed=9223372036854775808)"),
        (ServerSentEvents(stop=memoryview(b"x")), "ServerSentEvents(stop=b'x')"),
        (Sections({Text("t"): [Text("<"), ">"]}, begin=Text("t")), "Sections({'t': ('<', '>')}, begin='t')"),
    ):  # fmt: skip
        assert repr(stage) == shown
        assert repr(eval(shown, dict(names))) == shown
        assert repr(pickle.loads(pickle.dumps(stage))) == shown
