"""All cases by name."""

from __future__ import annotations

from collections.abc import Iterable

from . import footprint, framing, passing, text, tokens
from .case import Case

__all__ = ["CASES", "chosen"]

CASES: dict[str, Case] = {
    case.name: case for family in (framing, text, tokens, passing, footprint) for case in family.CASES
}


def chosen(names: Iterable[str]) -> list[Case]:
    """The cases of these names, each once and in the order of the catalogue; all without a name.

    An unknown name is a ValueError that lists the names there are.
    """
    wanted = set(names)
    if unknown := sorted(wanted - CASES.keys()):
        raise ValueError(f"no case is named {', '.join(unknown)}; there are {', '.join(CASES)}")
    return [case for case in CASES.values() if not wanted or case.name in wanted]
