"""Foreign code in the middle of a constructor: what it is given converts itself, pulls, raises, or starts it over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from backends import Backend
from foreign import FORMS, Hook, Oops, may_raise
from native_classes import ALLOWED, SPECIAL, Argument, Box, core, fresh, tried, value, vocabulary

from streamcore.vocab.gpt2 import load_gpt2

PATTERN = load_gpt2().pattern
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
    "View": simple("View", bytes, value("buffer", b"abcdef" * 20)),
    "StopFinder": simple("StopFinder", lambda made: made.feed("a stop", True), value("items", ["stop", "x"])),
    "take_iterator": constructor(
        lambda box, count: list(box.backend.take_iterator(iter([1, 2, 3]), count)), value("int", 2)
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
