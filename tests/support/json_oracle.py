"""What JSONDeltas has to give, made from ``json.loads`` of the whole; and where a text can be no JSON any more.

``first_wrong`` asks for each prefix whether some ending makes ``json.loads`` take it: slow, and knows nothing of a
grammar but what closes what.
"""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise
from typing import Any

__all__ = [
    "broken",
    "deltas_of",
    "first_wrong",
    "joined",
    "plain",
    "random_cuts",
    "random_document",
    "without_number",
]

LITERALS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
ENDS = [
    "",
    '"',
    '""',
    '0"',
    '00"',
    '000"',
    '0000"',
    "0",
    *{name[at:] for name in LITERALS for at in range(1, len(name))},
]
AFTER = ["", ":0", "0", '"":0']


class Pairs(list[Any]):
    """The members of an object, all of them, in order."""


def deltas_of(text: str | bytes) -> list[tuple[Any, Any, bool]]:
    """(path, value, done) with strings whole."""
    items: list[tuple[Any, Any, bool]] = []

    def walk(path: tuple[Any, ...], value: Any) -> None:
        if type(value) is Pairs:
            items.append((path, {}, False))
            for key, member in value:
                walk((*path, key), member)
            items.append((path, {}, True))
        elif type(value) is list:
            items.append((path, [], False))
            for index, member in enumerate(value):
                walk((*path, index), member)
            items.append((path, [], True))
        else:
            items.append((path, value, True))

    walk((), json.loads(text, object_pairs_hook=Pairs))
    return items


def plain(delta: Any) -> tuple[Any, Any, bool]:
    return delta.path, delta.value, delta.done


def joined(items: list[tuple[Any, Any, bool]]) -> list[Any]:
    """The pieces of each string as one; as text, for NaN is not equal to itself and 1 is to True."""
    whole: list[Any] = []
    for path, value, done in items:
        if whole and type(value) is str and not whole[-1][2] and type(whole[-1][1]) is str:
            assert whole[-1][0] is path, "one path for all pieces"
            whole[-1] = (path, whole[-1][1] + value, done)
        else:
            whole.append((path, value, done))
    return [repr(item) for item in whole]


def closers(text: str) -> str:
    """What closes the brackets that are open in it."""
    stack: list[str] = []
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "[{":
            stack.append("]" if char == "[" else "}")
        elif char in "]}" and stack:
            stack.pop()
    return "".join(reversed(stack))


def is_inside_a_string(text: str) -> bool:
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside = True
    return inside


def is_taken(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def first_wrong(text: str) -> int | None:
    """Where the first character stands that nothing can follow; None if ``text`` is whole, or may become so."""
    for size in range(1, len(text) + 1):
        part = text[:size]
        closing = closers(part)
        if not any(is_taken(part + end + after + closing) for end in ENDS for after in AFTER):
            return size - 1
    return None


def without_number(text: str) -> str:
    """Without the number that it ends with."""
    return text if is_inside_a_string(text) else re.sub(r"(-|-?[0-9][-+0-9.eE]*)\Z", "", text)


STRINGS = (
    '""',
    '"a"',
    '"key"',
    '"é中\U0001f600"',
    r'"\n\u00e9\ud83d\ude00\/"',
    '"\ud800"',
    r'"\ud83dx\udc00"',
    '"a b"',
)
NUMBERS = ("0", "-0", "12", "-3", "1.5", "-0.25e-3", "1E9", "123456789012345678901234567890", "1e999", "NaN")


def random_value(rnd: random.Random, depth: int) -> str:
    kind = rnd.random()
    blank = rnd.choice(("", "", "", " ", "\n "))
    if depth and kind < 0.25:
        inside = ",".join(random_value(rnd, depth - 1) for _ in range(rnd.randrange(4)))
        return f"{blank}[{inside}{blank}]"
    if depth and kind < 0.5:
        members = [
            f"{rnd.choice(STRINGS)}{blank}:{random_value(rnd, depth - 1)}" for _ in range(rnd.randrange(4))
        ]
        return f"{blank}{{{blank}{','.join(members)}{blank}}}"
    if kind < 0.7:
        return blank + rnd.choice(STRINGS) + blank
    if kind < 0.85:
        return blank + rnd.choice(NUMBERS) + blank
    return blank + rnd.choice(LITERALS) + blank


def random_document(rnd: random.Random) -> str:
    return random_value(rnd, rnd.choice((0, 1, 2, 4)))


def broken(rnd: random.Random, text: str) -> str:
    """The document with a few characters changed."""
    chars = list(text)
    for _ in range(rnd.choice((1, 1, 2))):
        at = rnd.randrange(len(chars) + 1)
        chars[at : at + rnd.choice((0, 1))] = rnd.choice(
            ["", *'{}[],:"\\01-.eEtfnN \x01\x7fé\ufeff', "\\u", "ud8", "nul", "//", "\ud800"]
        )
    return "".join(chars)


def random_cuts(rnd: random.Random, whole: Any) -> list[Any]:
    places = sorted(rnd.choices(range(len(whole) + 1), k=rnd.choice((0, 1, 2, 5, 2 * len(whole)))))
    return [whole[a:b] for a, b in pairwise([0, *places, len(whole)])]
