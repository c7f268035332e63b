"""Which special tokens a text may hold, and what is said of one that it must not."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NoReturn

from .text_input import exact_str


def one_of(names: Collection[str]) -> re.Pattern[str]:
    """A pattern that finds the first of ``names``, the longest where several begin at one place."""
    return re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))


def special_names(
    special: frozenset[str],
    always: frozenset[str],
    allowed_special: str | Collection[str],
    disallowed_special: str | Collection[str],
) -> tuple[frozenset[str], frozenset[str]]:
    """The special tokens to look for, and the names that must not be in a text; ``always`` are looked for anyway."""
    allowed = (
        special if is_all(allowed_special) else checked_names("allowed_special", allowed_special) & special
    )
    allowed |= always
    if is_all(disallowed_special):
        return allowed, special - allowed
    return allowed, checked_names("disallowed_special", disallowed_special)


def is_all(names: str | Collection[str]) -> bool:
    """Whether that is ``"all"``."""
    return issubclass(type(names), str) and str.__eq__(names, "all") is True  # type: ignore[operator]


def checked_names(argument: str, names: str | Collection[str]) -> frozenset[str]:
    """A collection of special tokens as a set of exact ``str``."""
    if isinstance(names, str):
        raise ValueError(f'{argument} must be "all" or a collection of special tokens, got {names!r}')
    found = list(names)
    for i, name in enumerate(found):
        if not issubclass(type(name), str):
            raise TypeError(f"{argument} must hold str, not {type(name).__name__}")
        found[i] = exact_str(name)
    return frozenset(found)


def raise_disallowed(name: str, position: int) -> NoReturn:
    """Raise the error for a special token in text that does not allow it; ``position`` is in characters."""
    raise disallowed_error(name, position)


def disallowed_error(name: str, position: int) -> ValueError:
    """The error that ``raise_disallowed`` raises."""
    return ValueError(
        f"text holds the disallowed special token {name!r} at character {position}; name it in allowed_special to "
        "encode it as one token, or pass disallowed_special=() to encode such text as ordinary text"
    )
