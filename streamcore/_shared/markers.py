"""Strings that mark places in a stream, as callers give them (both backends)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .options import flag_option, shown
from .text_input import exact_str

__all__ = [
    "SectionMarkers",
    "checked_section",
    "include_option",
    "marker_string",
    "other_kind",
    "section_markers",
    "stop_strings",
]

SectionMarkers = list[tuple[str, str, str]]
"""Of each section its name, what it begins with and what it ends with."""


def marker_string(what: str, value: Any) -> str:
    """A marker as an exact ``str`` that is not empty; TypeError or ValueError for anything else."""
    if not issubclass(type(value), str):
        raise TypeError(f"{what} must be a str, got {type(value).__name__}")
    text = exact_str(value)
    if not text:
        raise ValueError(f"{what} must not be empty")
    return text


def stop_strings(strings: Iterable[Any]) -> list[str]:
    """The strings that end a text: at least one."""
    texts = [marker_string("a stop string", text) for text in strings]
    if not texts:
        raise ValueError("at least one stop string is needed")
    return texts


def include_option(*, include: Any = False) -> bool:
    """The option of this name."""
    return flag_option("include", include)


def section_markers(markers: Any, default: Any, begin: Any, nested: bool) -> tuple[str, SectionMarkers, int]:
    """The name of outside, the sections, and which of them (from 1 on, 0: none) the stream begins in.

    TypeError or ValueError for what cannot mean anything.
    """
    if not isinstance(markers, Mapping):
        raise TypeError(f"markers must be a mapping of names to pairs, got {type(markers).__name__}")
    outside = marker_string("default", default)
    sections: SectionMarkers = []
    begins: dict[str, str] = {}
    for key, pair in list(markers.items()):
        name = marker_string("the name of a section", key)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"the markers of {name!r} must be a pair of str, got {type(pair).__name__}")
        first, last = (marker_string(f"a marker of {name!r}", marker) for marker in pair)
        if name == outside:
            raise ValueError(f"{name!r} is both a section and the default")
        if first in begins:
            raise ValueError(f"{begins[first]!r} and {name!r} both begin with {first!r}")
        if nested and first == last:
            raise ValueError(f"nested=True, but {name!r} begins and ends with {first!r}")
        begins[first] = name
        sections.append((name, first, last))
    if not sections:
        raise ValueError("markers must name at least one section")
    if begin is None:
        return outside, sections, 0
    first = marker_string("begin", begin)
    names = [name for name, _, _ in sections]
    if first not in names:
        raise ValueError(f"begin must be None or one of {', '.join(map(repr, names))}, got {first!r}")
    return outside, sections, names.index(first) + 1


def checked_section(name: Any, text: Any, start: Any, done: Any) -> tuple[str, str | bytes, int, bool]:
    """The fields of a ``Section``; TypeError or ValueError for others."""
    if not issubclass(type(name), str):
        raise TypeError(f"name must be a str, got {type(name).__name__}")
    kind = type(text)
    if not issubclass(kind, (str, bytes)):
        raise TypeError(f"text must be str or bytes, got {kind.__name__}")
    if type(start) is not int:
        raise TypeError(f"start must be an int, got {type(start).__name__}")
    if not 0 <= start < 1 << 63:
        raise ValueError(f"start must be from 0 to {(1 << 63) - 1}, got {shown(start)}")
    exact = exact_str(text) if issubclass(kind, str) else bytes.__getitem__(text, slice(None))
    return exact_str(name), exact, start, bool(done)


def other_kind(name: str, fragment: Any, text: bool) -> TypeError:
    """The error for a fragment of another kind than the ones before it, which were ``text`` or bytes."""
    return TypeError(
        f"{name} takes fragments of one type, got {type(fragment).__name__} after {'str' if text else 'bytes'}"
    )
