"""Every name of ``_backend`` on both cores: the same face, the same results, the same refusals (law 8).

A name that comes new to ``_backend`` is a row of ``ROWS``; this fails until it is there.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import AsyncIterator, Callable
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from backends import Backend
from native_classes import CLASSES, Native, core, tried, vocabulary

import streamcore._backend as choice
from streamcore.vocab.encodings import R50K


def typed() -> dict[str, str]:
    """The names that ``_backend`` shows to type checkers, and the modules that have them."""
    assert choice.__file__
    tree = ast.parse(Path(choice.__file__).read_text(encoding="utf-8"))
    return {
        alias.name: f"streamcore.{node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("_pure.")
        for alias in node.names
    }


PURE = {name: f"streamcore._pure.{home}" for name, home in choice.HOME.items()}
BACKENDS = {name: Backend(name) for name in ("native", "pure")}  # kept, as the cores made of them are


@dataclass(frozen=True)
class Row:
    """Arguments that are right, made for a backend, and calls that are not, of the name's object and the backend."""

    good: Callable[[Any], tuple[Any, ...]]
    bad: tuple[Callable[[Any, Any], Any], ...]


def row(*good: Any, bad: tuple[Callable[[Any, Any], Any], ...]) -> Row:
    return Row(lambda backend: good, bad)


def options(**each: Any) -> tuple[Callable[[Any, Any], Any], ...]:
    """Each option with its value alone, no other argument."""
    return tuple(lambda made, backend, pair=pair: made(**dict([pair])) for pair in each.items())


async def nothing() -> AsyncIterator[None]:
    for item in ():
        yield item


LIMITS = options(max_size=0, on_oversize="no", on_incomplete="no", as_=int)
PATTERN = R50K
CALLS = (
    lambda made, backend: made(),
    lambda made, backend: made(1, "a", 2),
    lambda made, backend: made(1, "a")(2),
)

ROWS: dict[str, Row] = {
    "BPECore": row(
        vocabulary(),
        PATTERN,
        bad=(
            lambda made, backend: made({}, PATTERN),
            lambda made, backend: made({b"a": 0}, PATTERN),
            lambda made, backend: made(vocabulary(), "("),
            lambda made, backend: made(vocabulary(), PATTERN, {"": 300}),
            lambda made, backend: made(vocabulary(), PATTERN, {"<|end|>": 0}),
            lambda made, backend: made(vocabulary(), PATTERN, merges=[(b"t", b"none")]),
            lambda made, backend: made(vocabulary(), PATTERN, normalization="NFX"),
            lambda made, backend: made(vocabulary(), PATTERN, cache_bytes=-1),
        ),
    ),
    "BPEDecoder": Row(
        lambda backend: (core(backend),),
        (
            lambda made, backend: made(None),
            lambda made, backend: made(object()),
            lambda made, backend: made(core(backend), errors="no"),
            lambda made, backend: made(core(backend), prompt=[-1]),
            lambda made, backend: made(core(backend), prompt=[99999]),
            lambda made, backend: made(core(backend), stop=[""]),
            lambda made, backend: made(core(backend)).feed([99999]),
            lambda made, backend: made(core(backend)).feed("a"),
        ),
    ),
    "BPEEncoder": Row(
        lambda backend: (core(backend),),
        (
            lambda made, backend: made(None),
            lambda made, backend: made(object()),
            lambda made, backend: made(core(backend), errors="no"),
            lambda made, backend: made(core(backend), max_size=0),
            lambda made, backend: made(core(backend), allowed_special="some"),
            lambda made, backend: made(core(backend)).feed("<|end|>"),
            lambda made, backend: made(core(backend)).feed(1),
        ),
    ),
    "Channel": row(
        5,
        bad=(
            lambda made, backend: made(0),
            lambda made, backend: made(5, size=1),
            lambda made, backend: made(5, buffer_bytes=0),
            lambda made, backend: made(5).get(timeout=0),
            lambda made, backend: made(5).put_many(1),
            lambda made, backend: made(5).close(1),
        ),
    ),
    "Chunk": row(
        b"data",
        bad=(
            lambda made, backend: made(b"a", "b"),
            lambda made, backend: made(b"a", 1.5),
            lambda made, backend: made(b"a", 2**70),
            lambda made, backend: setattr(made(b"a"), "data", b"b"),
        ),
    ),
    "ContentDefinedEngine": row(
        bad=(
            *options(avg_size=0, min_size=0, max_size=1, normalization=9, seed=-1, algorithm="no"),
            *options(digest=1, as_=int),
            lambda made, backend: made().feed("text"),
        ),
    ),
    "DelimitedEngine": row(
        b";",
        bad=(
            lambda made, backend: made(),
            lambda made, backend: made(b""),
            lambda made, backend: made("a"),
            *(lambda made, backend, call=call: call(lambda **o: made(b";", **o), backend) for call in LIMITS),
        ),
    ),
    "Event": row(
        bad=(
            *options(event=1, data=1, id="a\nb", retry="1"),
            lambda made, backend: made(retry=-1),
            lambda made, backend: made().__init__(),
            lambda made, backend: setattr(made(), "data", "new"),
        ),
    ),
    "DistinctStep": row(bool, "distinct", bad=CALLS),
    "EnumerateStep": row(4, bad=(lambda made, backend: made(), lambda made, backend: made("a"))),
    "FilterStep": row(bool, "filter", bad=CALLS),
    "FixedSizeEngine": row(
        4,
        bad=(
            lambda made, backend: made(),
            lambda made, backend: made(0),
            lambda made, backend: made(4, on_incomplete="no"),
            lambda made, backend: made(4, as_=int),
            lambda made, backend: made(4).feed("text"),
        ),
    ),
    "JSONDelta": row(
        ("key", 0),
        "value",
        bad=(
            lambda made, backend: made(1, None),
            lambda made, backend: made(["key"], None),
            lambda made, backend: made((1.5,), None),
            lambda made, backend: setattr(made((), 1), "value", 2),
            lambda made, backend: delattr(made((), 1), "path"),
        ),
    ),
    "InvalidRecord": row(
        1,
        0,
        b"{",
        ValueError("no"),
        bad=(
            lambda made, backend: made(),
            lambda made, backend: made(-1, 0, b"", ValueError()),
            lambda made, backend: made("1", 0, b"", ValueError()),
            lambda made, backend: made(1, 2**70, b"", ValueError()),
            lambda made, backend: made(1, 0, "text", ValueError()),
            lambda made, backend: made(1, 0, b"", KeyboardInterrupt()),
            lambda made, backend: setattr(made(1, 0, b"", ValueError()), "raw", b"b"),
            lambda made, backend: delattr(made(1, 0, b"", ValueError()), "line"),
        ),
    ),
    "JSONLinesEngine": row(
        bad=(
            lambda made, backend: made().feed("text"),
            lambda made, backend: made().feed(b"{\n"),
            lambda made, backend: made(sequence=True).feed(b"1\x1e2\x1e"),
            lambda made, backend: made(max_size=2).feed(b"long"),
            lambda made, backend: made(5),
            lambda made, backend: made(on_error="no"),
            lambda made, backend: made(on_oversize="truncate"),
            lambda made, backend: made(max_size=0),
            lambda made, backend: made(on_incomplete="no"),
            lambda made, backend: made(as_=int),
        ),
    ),
    "JSONDeltasEngine": row(
        bad=(
            *options(max_depth=0, max_size=0, as_="no", parse_float=1),
            lambda made, backend: made().feed(1),
            lambda made, backend: made().feed("[1,]"),
            lambda made, backend: made(max_depth=1).feed("[[1]]"),
            lambda made, backend: [made().feed("[1"), made().finish()],
            lambda made, backend: made().batches([]),
        ),
    ),
    "LengthPrefixedEngine": row(
        bad=(
            *LIMITS,
            *options(prefix="u32", offset=-1, adjust="x"),
            lambda made, backend: made().feed("text"),
            lambda made, backend: made(max_size=2).feed(bytes((0, 0, 0, 9))),
            lambda made, backend: [made("u8").feed(b"\x05abc"), made("u8").finish()],
        ),
    ),
    "LinesEngine": row(
        bad=(*LIMITS, *options(newline="crlf"), lambda made, backend: made(max_size=2).feed(b"long")),
    ),
    "MapStep": row(abs, "map", bad=(lambda made, backend: made(), lambda made, backend: made(abs, "a")("b"))),
    "RingBuffer": row(
        9,
        bad=(
            lambda made, backend: made(0),
            lambda made, backend: made(9).write("text"),
            lambda made, backend: made(9).consume(1),
            lambda made, backend: made(9).commit(1),
            lambda made, backend: made(9).grant(0),
            lambda made, backend: made(9).readinto(b"abc"),
        ),
    ),
    "Section": row(
        "name", "text", bad=(lambda made, backend: made(), lambda made, backend: made("a", "b", "c"))
    ),
    "SectionsEngine": row(
        {"one": ("<", ">")},
        bad=(
            lambda made, backend: made({}),
            lambda made, backend: made({"one": ("<",)}),
            lambda made, backend: made({"one": ("", ">")}),
            lambda made, backend: made({"one": ("<", ">")}, begin="two"),
            lambda made, backend: made({"one": ("<", ">")}, on_incomplete="no"),
            lambda made, backend: made({"one": ("<", ">")}).batches([]),
        ),
    ),
    "ServerSentEventsEngine": row(
        bad=(
            *LIMITS,
            *options(stop=1),
            lambda made, backend: made().feed("text"),
            lambda made, backend: made().feed(1),
            lambda made, backend: made(max_size=2).feed(b"data: long"),
        ),
    ),
    "ScanStep": row(
        max,
        "scan",
        3,
        bad=(
            lambda made, backend: made(max, "scan"),
            lambda made, backend: made(max, "scan", 3, 4),
            lambda made, backend: made(max, "scan", 3)("a"),
        ),
    ),
    "SkipStep": row(2, bad=(lambda made, backend: made(), lambda made, backend: made("a"))),
    "SkipWhileStep": row(bool, "skip_while", bad=CALLS),
    "Step": row(bad=(lambda made, backend: made()(1),)),
    "StopEngine": row(
        "stop",
        bad=(lambda made, backend: made(), lambda made, backend: made(""), lambda made, backend: made(b"a")),
    ),
    "Stream": row(  # asked for its instances only
        iter(()),
        bad=(
            lambda made, backend: isinstance(iter(()), made),
            lambda made, backend: isinstance(backend.closing_iterator(iter(()), ()), made),
        ),
    ),
    "TakeStep": row(2, bad=(lambda made, backend: made(), lambda made, backend: made("a"))),
    "TakeWhileStep": row(bool, "take_while", bad=CALLS),
    "TapStep": row(bool, "tap", bad=CALLS),
    "TextChunk": row(
        "text",
        0,
        4,
        bad=(
            lambda made, backend: made(1, 0, 1),
            lambda made, backend: made("a", -1, 0),
            lambda made, backend: made("a", "0", 1),
            lambda made, backend: made("a", 0, 2**70),
            lambda made, backend: setattr(made("a", 0, 1), "text", "b"),
        ),
    ),
    "TextSplitterEngine": row(
        9,
        bad=(
            lambda made, backend: made(0),
            lambda made, backend: made(9, overlap=9),
            lambda made, backend: made(9, separators=1),
            lambda made, backend: made(9, length="no"),
            lambda made, backend: made(9, keep="no"),
            lambda made, backend: made(9, as_=int),
            lambda made, backend: made(9).feed(b"bytes"),
        ),
    ),
    "UTF8Engine": row(bad=(*options(errors="no"), lambda made, backend: made().feed(b"a\xff"))),
    "View": row(
        b"abc",
        bad=(
            lambda made, backend: made(),
            lambda made, backend: made("text"),
            lambda made, backend: made(memoryview(b"abcd")[::2]),
            lambda made, backend: made(b"abc")[3],
            lambda made, backend: made(b"abc").cast("no"),
        ),
    ),
    "WordsEngine": row(bad=options(keep="no", max_size=0, on_oversize="no", as_=int)),
    "async_closing_iterator": Row(
        lambda backend: (nothing(), ()),
        (
            lambda made, backend: made(),
            lambda made, backend: made(1, ()),
            lambda made, backend: made(1, 2),
            lambda made, backend: made(nothing(), (), beside=iter([1])),
            lambda made, backend: made(nothing(), (), beside=[], blocks=True),
            lambda made, backend: made(nothing(), (), beside=[], opened=object()),
            lambda made, backend: made(nothing(), (), steps=[backend.TakeStep(1)], opened=object()),
        ),
    ),
    "close_all": row(
        (), None, bad=(lambda made, backend: made(1, None), lambda made, backend: made([1], None))
    ),
    "closing_iterator": row(
        iter(()),
        (),
        bad=(
            lambda made, backend: made(),
            lambda made, backend: made(1, ()),
            lambda made, backend: made(1, 2),
        ),
    ),
    "Meter": row(
        lambda: 1.0,
        bad=(
            lambda made, backend: made(),
            lambda made, backend: made(lambda: 1.0).count(),
            lambda made, backend: made(lambda: 1 / 0).wait(),
        ),
    ),
    "metered_iterator": Row(
        lambda backend: (backend.Meter(lambda: 1.0), lambda: iter("ab"), list, print, None),
        (
            lambda made, backend: made(),
            lambda made, backend: made(1, list, list, print),
            lambda made, backend: list(made(backend.Meter(lambda: 1.0), lambda: 1, list, id)),
            lambda made, backend: list(made(backend.Meter(lambda: 1.0), lambda: next(iter(())), list, id)),
        ),
    ),
    "SharedSource": Row(
        lambda backend: (iter([1, 2]), 4, 0, False),
        (
            lambda made, backend: made(),
            lambda made, backend: made(1, 4, 0, False),
            lambda made, backend: made([1], 4, 0, False),
            lambda made, backend: made(iter([1]), "4", 0, False),
        ),
    ),
    "SharedStream": Row(
        lambda backend: (backend.SharedSource(iter([1, 2]), 4, 0, False),),
        (
            lambda made, backend: made(),
            lambda made, backend: made(None),
            lambda made, backend: made(iter([1])),
        ),
    ),
    "surrounding": row(bad=(lambda made, backend: made(1), lambda made, backend: made(1, 2))),
    "flat_iterator": Row(
        lambda backend: (iter([[1], [2]]), [nothing()]),
        (
            lambda made, backend: made(),
            lambda made, backend: made(1, []),
            lambda made, backend: made(iter(()), ()),
            lambda made, backend: list(made(iter([1]), [], "flat")),
            lambda made, backend: list(made(iter([map(int, "1a")]), [], None, repr)),
            lambda made, backend: list(made(iter([map(int, "1a")]), [], None, len)),
        ),
    ),
    "column_type": row((), False, bad=(lambda made, backend: made(),)),
    "export_columns": row((), 0, 0, None, False, bad=(lambda made, backend: made(),)),
    "export_lists": row((), (), bad=(lambda made, backend: made(),)),
    "joined": row(
        b"",
        bytes(8),
        b"",
        bad=(
            lambda made, backend: made("", bytes(8), b""),
            lambda made, backend: made(b"", [0], b""),
            lambda made, backend: made(b"", bytes(8), None),
        ),
    ),
    "json_folded": row(
        [],
        bad=(
            lambda made, backend: made(1),
            lambda made, backend: made([1]),
            lambda made, backend: made([backend.JSONDelta(("none", 0), 1)]),
        ),
    ),
    "list_type": row(bad=(lambda made, backend: made(1),)),
}

# Arrow's capsules are made in C; what the pure core says instead is in arrow/test_twin.py.
NATIVE_RESULTS = {"column_type", "export_columns", "export_lists", "list_type"}
# What differs is what it costs, and the pure view is a ``memoryview``, with the words of CPython.
OWN_WORDS = {"BPECore", "BPECore.encode_many", "View"}


# Bases that nobody makes: the native constructors are those of what derives from them.
UNCOUNTED = {"Step", "Stream"}


def test_every_name_has_a_row() -> None:
    assert typed() == PURE
    assert ROWS.keys() == PURE.keys()
    assert all(each.bad for each in ROWS.values())


def both(name: str) -> tuple[Any, Any]:
    assert BACKENDS["native"].View  # skips where it is not built
    homes = (PURE[name].replace("._pure.", "._native."), PURE[name])
    native, pure = (getattr(import_module(home), name) for home in homes)
    return native, pure


def parameters(made: Any) -> list[tuple[Any, ...]] | None:
    """Names, kinds and defaults; None where CPython cannot see them, as of a constructor in C."""
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):
        return None
    return [(each.name, each.kind, each.default) for each in signature.parameters.values()]


@pytest.mark.parametrize("name", PURE)
def test_the_names_are_in_the_same_places(name: str) -> None:
    native, pure = both(name)
    assert pure.__module__ == PURE[name]
    assert native.__module__.replace("._native.", ".") == pure.__module__.replace("._pure.", ".")
    assert native.__qualname__ == pure.__qualname__ == name
    assert isinstance(native, type) == isinstance(pure, type)
    assert name in OWN_WORDS or inspect.getdoc(native) == inspect.getdoc(pure)


@pytest.mark.parametrize("name", PURE)
def test_the_parameters_are_the_same(name: str) -> None:
    native, pure = both(name)
    seen, wanted = parameters(native), parameters(pure)
    assert wanted is not None
    if seen is not None:
        assert seen == wanted
        return
    backend = BACKENDS["native"]
    good = ROWS[name].good(backend)
    many = any(kind is inspect.Parameter.VAR_POSITIONAL for _, kind, _ in wanted)
    for place, (parameter, kind, default) in enumerate(wanted):
        if kind is inspect.Parameter.VAR_POSITIONAL:
            native(*good, *good)
        elif kind is inspect.Parameter.KEYWORD_ONLY or place >= len(good):
            native(*good, **{parameter: default})
        else:
            native(
                *good[:place], **dict(zip([each[0] for each in wanted[place:]], good[place:], strict=False))
            )
    if name in UNCOUNTED:
        return
    with pytest.raises(TypeError):
        native(*good, no_such_option=1)
    positional = sum(kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for _, kind, _ in wanted)
    if not many:
        with pytest.raises(TypeError):
            native(*good, *[1] * (positional + 1 - len(good)))


@pytest.mark.parametrize("name", [name for name in PURE if isinstance(getattr(BACKENDS["pure"], name), type)])
def test_the_public_members_are_the_same(name: str) -> None:
    native, pure = both(name)
    ours = native(*ROWS[name].good(BACKENDS["native"]))
    twin = pure(*ROWS[name].good(BACKENDS["pure"]))
    public = [{each for each in dir(made) if not each.startswith("_")} for made in (ours, twin)]
    assert public[0] == public[1]
    for member in public[1] if name != "View" else ():
        one, other = getattr(type(ours), member, None), getattr(type(twin), member, None)
        if one is None or other is None:  # an attribute of the instances
            continue
        assert callable(one) == callable(other), member
        if callable(other):
            assert parameters(one) == parameters(other), member
        assert f"{name}.{member}" in OWN_WORDS or inspect.getdoc(one) == inspect.getdoc(other), member


@pytest.mark.parametrize("name", [name for name in PURE if name not in NATIVE_RESULTS])
def test_bad_input_is_refused_in_the_same_words(name: str) -> None:
    outcomes = [
        [refusal(lambda: call(made, BACKENDS[backend])) for call in ROWS[name].bad]  # noqa: B023
        for made, backend in zip(both(name), ("native", "pure"), strict=True)
    ]
    assert outcomes[0] == outcomes[1]


COUNTED = re.compile(r"positional argument|takes no arguments")
OF_A_TYPE = re.compile(r"'streamcore\._native\.[\w.]+\.(\w+)' object")  # CPython's name of a type made in C


def refusal(call: Callable[[], Any]) -> Any:
    """What becomes of the call; CPython and Cython count arguments in words of their own."""
    made = tried(call)
    if not (isinstance(made, list) and len(made) == 3 and isinstance(made[1], str)):
        return made
    if COUNTED.search(made[1]):
        return "the number of arguments"
    return [made[0], OF_A_TYPE.sub(r"'\1' object", made[1]), made[2]]


class Odd:
    def __repr__(self) -> str:
        return "Odd()"


# Made anew for each call: some of them are filled.
ODD: tuple[Any, ...] = (None, -1, 1.5, "x", b"x", (), [1], {"a": 1}, True, 2**70, Odd())


@pytest.mark.parametrize("label", [native.label for native in CLASSES])
def test_odd_arguments_of_every_method_have_the_same_outcome(label: str) -> None:
    native = next(native for native in CLASSES if native.label == label)
    wrong = []
    for call in native.calls:
        for place, argument in enumerate(call.arguments):
            for odd in ODD if argument.kind != "seconds" else ("x", b"x", (), Odd()):  # others may wait
                made = [
                    odd_outcome(BACKENDS[backend], native, call, place, odd) for backend in ("native", "pure")
                ]
                if made[0] != made[1]:
                    wrong.append(f"{call.name}({place}: {odd!r}): {made[0]} natively, {made[1]} in the twin")
    assert not wrong, f"{len(wrong)} cases:\n" + "\n".join(wrong[:20])


def odd_outcome(backend: Backend, native: Native, call: Any, place: int, odd: Any) -> Any:
    box = native.boxed(backend)
    arguments = [argument.make() for argument in call.arguments]
    arguments[place] = copy(odd)
    return tried(lambda: call.run(box, *arguments))
