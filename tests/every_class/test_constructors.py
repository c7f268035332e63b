"""Foreign code in the middle of a constructor: what it is given converts itself, pulls, raises, or starts it over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from backends import Backend
from foreign import FORMS, Hook, Oops, may_raise
from native_classes import ALLOWED, SPECIAL, Argument, Box, core, fresh, tried, value, vocabulary

from streamcore.vocab.encodings import R50K

PATTERN = R50K
MERGES = [(b"t", b"h"), (b"e", b"r"), (b" ", b"th"), (b" th", b"er")]


def core_of(box: Box, ranks: Any, special: Any, merges: Any, cache_bytes: Any) -> Any:
    made = box.backend.BPECore.__new__(box.backend.BPECore)
    box.subject = made
    made.__init__(ranks, PATTERN, special, merges=merges, cache_bytes=cache_bytes)
    return [made.encode_to_list("other there"), made.decode([97, 259]), made.n_vocab]


def again(box: Box) -> None:
    """What foreign code can do to a core that is being made."""
    tried(lambda: box.subject.encode("there"))
    tried(lambda: box.subject.decode_bytes([97]))
    tried(lambda: box.subject.__init__(vocabulary(), PATTERN))
    tried(lambda: box.subject.offsets("there"))


def constructor(
    make: Callable[..., Any], *arguments: Argument
) -> tuple[Callable[..., Any], tuple[Argument, ...]]:
    return make, arguments


def simple(name: str, show: Callable[[Any], Any], *arguments: Argument, **fixed: Any) -> Any:
    return constructor(lambda box, *args: show(getattr(box.backend, name)(*args, **fixed)), *arguments)


CONSTRUCTORS = {
    "RingBuffer": simple("RingBuffer", lambda made: made.capacity, value("int", 10)),
    "Channel": simple("Channel", lambda made: made.capacity, value("int", 10)),
    "FixedSizeEngine": simple("FixedSizeEngine", lambda made: made.feed(b"abcdef"), value("int", 3)),
    "DelimitedEngine": simple(
        "DelimitedEngine", lambda made: made.feed(b"a;b c"), value("buffer", b";"), value("buffer", b" ")
    ),
    "ContentDefinedEngine": constructor(
        lambda box, average, least, most, level, seed: [
            len(item)
            for item in box.backend.ContentDefinedEngine(
                average, least, most, normalization=level, seed=seed
            ).feed(bytes(range(256)) * 20)
        ],
        value("int", 256),
        value("int", 64),
        value("int", 1024),
        value("int", 2),
        value("int", 5),
    ),
    "LengthPrefixedEngine": constructor(
        lambda box, prefix, offset, adjust, size, keep: box.backend.LengthPrefixedEngine(
            prefix, offset=offset, adjust=adjust, max_size=size, keep_head=keep
        ).feed(b"x\4abcx\2ab"),
        value("str", "u8"),
        value("int", 1),
        value("int", -1),
        value("int", 5),
        value("flag", True),
    ),
    "UTF8Engine": simple("UTF8Engine", lambda made: made.feed(b"a"), value("str", "replace")),
    "LinesEngine": constructor(
        lambda box, size, keep, borrow: box.backend.LinesEngine(
            max_size=size, keepends=keep, borrow=borrow
        ).feed(b"ab\ncd\n"),
        value("int", 5),
        value("flag", True),
        value("flag", True),
    ),
    "WordsEngine": constructor(
        lambda box, size, keep: box.backend.WordsEngine(keep, max_size=size).feed(b"a bc "),
        value("int", 5),
        value("str", "none"),
    ),
    "StopEngine": simple("StopEngine", lambda made: made.feed("a b c"), value("str", "c"), value("str", "b")),
    "SectionsEngine": constructor(
        lambda box, markers, begin, nested: [
            item.text
            for item in box.backend.SectionsEngine(markers, begin=begin, nested=nested).feed("a <b c>")
        ],
        fresh("mapping", lambda: {"one": ("<", ">")}),
        value("str", "one"),
        value("flag", True),
    ),
    "JSONDeltasEngine": constructor(
        lambda box, strict, depth, size: repr(
            box.backend.JSONDeltasEngine(strict=strict, max_depth=depth, max_size=size).feed('{"a":[1]}')
        ),
        value("flag", True),
        value("int", 5),
        value("int", 5),
    ),
    "TextSplitterEngine": constructor(
        lambda box, size, separators, keep: box.backend.TextSplitterEngine(
            size, separators=separators, keep=keep, as_=str
        ).feed("one two three"),
        value("int", 5),
        value("items", [" ", ""]),
        value("str", "start"),
    ),
    "TextChunk": constructor(
        lambda box, *args: repr(box.backend.TextChunk(*args)),
        value("str", "text"),
        value("int", 5),
        value("int", 9),
    ),
    "Section": constructor(
        lambda box, *args: repr(box.backend.Section(*args)),
        value("str", "name"),
        value("str", "text"),
        value("int", 5),
        value("flag", True),
    ),
    "ServerSentEventsEngine": constructor(
        lambda box, size, stop: box.backend.ServerSentEventsEngine(max_size=size, stop=stop, as_=str).feed(
            b"data: ab\n\n"
        ),
        value("int", 5),
        value("str", "c"),
    ),
    "JSONLinesEngine": constructor(
        lambda box, size, on_error, sequence: box.backend.JSONLinesEngine(
            int, max_size=size, on_error=on_error, sequence=sequence
        ).feed(b"\x1e1\n\x1ex\n\x1e"),
        value("int", 5),
        value("str", "skip"),
        value("flag", True),
    ),
    "InvalidRecord": constructor(
        lambda box, line, offset: repr(box.backend.InvalidRecord(line, offset, b"{", ValueError("no"))),
        value("int", 5),
        value("int", 9),
    ),
    "Event": constructor(
        lambda box, *args: repr(box.backend.Event(*args)),
        value("str", "name"),
        value("str", "data"),
        value("str", "7"),
        value("int", 5),
    ),
    "View": simple("View", bytes, value("buffer", b"abcdef" * 20)),
    "StopFinder": simple("StopFinder", lambda made: made.feed("a stop", True), value("items", ["stop", "x"])),
    "TakeStep": constructor(
        lambda box, count: list(
            box.backend.closing_iterator(iter([1, 2, 3]), (), steps=[box.backend.TakeStep(count)])
        ),
        value("int", 2),
    ),
    "SkipStep": constructor(
        lambda box, count: list(
            box.backend.closing_iterator(iter([1, 2, 3]), (), steps=[box.backend.SkipStep(count)])
        ),
        value("int", 2),
    ),
    "EnumerateStep": constructor(
        lambda box, start: list(
            box.backend.closing_iterator(iter([1, 2, 3]), (), steps=[box.backend.EnumerateStep(start)])
        ),
        value("int", 2),
    ),
    "closing_iterator": constructor(
        lambda box, owned: list(box.backend.closing_iterator(iter([1, 2]), owned)),
        fresh("items", lambda: [iter([1]), iter([2])]),
    ),
    "BPEDecoder": constructor(
        lambda box, prompt, stop: box.backend.BPEDecoder(core(box.backend), prompt=prompt, stop=stop).feed(
            [0xB8, 0xAD, 97, 98]
        ),
        value("ids", [97, 0xE4]),
        value("items", ["b", "x"]),
    ),
    "BPEEncoder": constructor(
        lambda box, allowed, size: box.backend.BPEEncoder(
            core(box.backend), allowed_special=allowed, disallowed_special=(), max_size=size
        ).feed("there <|end|> "),
        ALLOWED,
        value("int", 100),
    ),
    "BPECore": constructor(
        core_of,
        fresh("mapping", vocabulary),
        value("mapping", SPECIAL),
        fresh("items", lambda: list(MERGES)),
        value("int", 5000),
    ),
}


def outcome(backend: Backend, name: str, place: int, form: str, action: Callable[[Box], None]) -> list[Any]:
    make, kinds = CONSTRUCTORS[name]
    box = Box()
    box.backend = backend
    hook = Hook(lambda: action(box))
    arguments = [argument.make() for argument in kinds]
    arguments[place] = FORMS[kinds[place].kind][form](arguments[place], hook)
    made = tried(lambda: make(box, *arguments))
    hook.armed = False
    return [hook.fired, made]


def raises(box: Box) -> None:
    raise Oops("of a hook")


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_constructors(name: str) -> None:
    backends = Backend("native"), Backend("pure")
    wrong = []
    for place, argument in enumerate(CONSTRUCTORS[name][1]):
        for form in FORMS[argument.kind]:
            quiet = outcome(backends[0], name, place, form, lambda box: None)
            for action in (lambda box: None, again, raises):
                if action is raises and not may_raise(form):
                    continue
                one, twin = (outcome(backend, name, place, form, action) for backend in backends)
                if one[0] == twin[0] and one != twin:
                    wrong.append(
                        f"{name}({place}: {form}), {action.__name__}: {one} natively, {twin} in the twin"
                    )
                if action is again and one[0] and name != "BPECore" and one != quiet:
                    wrong.append(f"{name}({place}: {form}): {one}, not {quiet}")
    assert not wrong, f"{len(wrong)} cases:\n" + "\n".join(wrong[:30])
