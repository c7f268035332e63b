"""Slow and obvious: what Sections and Stop give for the whole of a text, looked at from every place in it.

``final=False`` tells what is certain when nothing but this much has come: so the same function says what must be held
back, and no more.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

__all__ = [
    "joined",
    "plain",
    "random_case",
    "random_cuts",
    "random_marker",
    "random_text",
    "sections",
    "stopped",
]

Plain = tuple[str, Any, int, bool]


def first_marker(
    text: Any, at: int, markers: list[Any], final: bool, *, longest: bool
) -> tuple[int, Any | None]:
    """Where the first marker stands and which it is; or where no more is certain, and None."""
    for i in range(at, len(text)):
        rest = text[i:]
        whole = [marker for marker in markers if rest.startswith(marker)]
        may_come = not final and any(
            len(rest) < len(marker) and marker.startswith(rest) for marker in markers
        )
        if longest and may_come:
            return i, None
        if whole:
            return i, (max if longest else min)(whole, key=len)
        if may_come:
            return i, None
    return len(text), None


def sections(
    text: Any,
    markers: dict[str, tuple[Any, Any]],
    *,
    default: str = "text",
    begin: str | None = None,
    nested: bool = False,
    keep_markers: bool = False,
    on_incomplete: str = "emit",
    final: bool = True,
) -> list[Plain]:
    """Sections whole, (name, text, start, done); for an IncompleteItem ("raise", size, offset) comes last."""
    items: list[Plain] = []
    inside, at, start, began, depth = begin, 0, 0, 0, 0
    while True:
        if inside is None:
            wanted = [first for first, _ in markers.values()]
        else:
            wanted = [markers[inside][1], *([markers[inside][0]] if nested else [])]
        place, found = first_marker(text, at, wanted, final, longest=True)
        if found is None:
            if (
                keep_markers and inside is not None and not final
            ):  # where the marker ends, it is text all the same
                place, found = first_marker(text, at, wanted, True, longest=True)
                place += len(found or "")
            break
        after = place + len(found)
        if inside is None:
            if start < place:
                items.append((default, text[start:place], start, False))
            inside = next(name for name, (first, _) in markers.items() if first == found)
            start, began, depth = place if keep_markers else after, place, 0
        elif found != markers[inside][1]:
            depth += 1
        elif depth:
            depth -= 1
        else:
            stop = after if keep_markers else place
            items.append((inside, text[start:stop], start, True))
            inside, start = None, after
        at = after
    closes = final and inside is not None and on_incomplete == "emit"
    if closes or start < place:
        items.append((inside or default, text[start:place], start, closes))
    if final and inside is not None and on_incomplete == "raise":
        items.append(("raise", text[:0], len(text) - began, False))
        items.append(("at", text[:0], began, False))
    return items


def stopped(text: Any, strings: list[Any], *, include: bool = False, final: bool = True) -> tuple[Any, Any]:
    """The text and the string that ended it."""
    place, found = first_marker(text, 0, strings, final, longest=False)
    if found is None and include and not final:
        place, early = first_marker(text, 0, strings, True, longest=False)
        return text[: place + len(early or "")], None
    return text[: place + (len(found) if found is not None and include else 0)], found


def plain(item: Any) -> Plain:
    return item.name, item.text, item.start, item.done


def joined(items: list[Plain]) -> list[Plain]:
    """Neighbouring pieces of one section as one."""
    whole: list[Plain] = []
    for name, text, start, done in items:
        if whole and whole[-1][0] == name and not whole[-1][3]:
            assert start == whole[-1][2] + len(whole[-1][1])
            whole[-1] = (name, whole[-1][1] + text, whole[-1][2], done)
        else:
            whole.append((name, text, start, done))
    return whole


ALPHABETS = ("ab", "ab", "aab<", "é中a", "a\U0001f600", "x\ud800")


def random_text(rnd: random.Random, alphabet: str, most: int = 30) -> str:
    return "".join(rnd.choices(alphabet, k=rnd.randrange(most)))


def random_marker(rnd: random.Random, alphabet: str) -> str:
    return "".join(rnd.choices(alphabet, k=rnd.choice((1, 1, 2, 2, 3, 4, 6))))


def random_case(rnd: random.Random) -> tuple[dict[str, tuple[str, str]], dict[str, Any], str]:
    """Markers, options and a text full of them."""
    alphabet = rnd.choice(ALPHABETS)
    nested = rnd.random() < 0.3
    markers: dict[str, tuple[str, str]] = {}
    for name in ("one", "two", "three")[: rnd.choice((1, 2, 3))]:
        first, last = random_marker(rnd, alphabet), random_marker(rnd, alphabet)
        if first not in [other for other, _ in markers.values()] and not (nested and first == last):
            markers[name] = first, last
    if not markers:
        markers["one"] = "a", "b"
    options = {
        "nested": nested,
        "keep_markers": rnd.random() < 0.4,
        "begin": rnd.choice([None, None, *markers]),
        "on_incomplete": rnd.choice(["emit", "drop", "raise"]),
    }
    parts = [*alphabet, *(marker for pair in markers.values() for marker in pair)]
    text = "".join(rnd.choices(parts, k=rnd.randrange(25)))
    return markers, options, text


def random_cuts(rnd: random.Random, whole: Any) -> list[Any]:
    places = sorted(rnd.choices(range(len(whole) + 1), k=rnd.choice((0, 1, 2, 5, 2 * len(whole)))))
    edges = [0, *places, len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]
