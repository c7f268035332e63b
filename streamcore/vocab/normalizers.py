"""The section ``normalizer`` of a ``tokenizer.json`` as the steps of ``_shared.normalizers``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._shared.normalizers import MOST_STEPS, PLAIN, Normalization, checked_normalization
from .._shared.vocabulary import is_unicode
from .pre_tokenizers import only_fields, type_of
from .reading import Part, shown
from .split_pattern import check_split_pattern, without_inner_sets

__all__ = ["normalization_of"]

KINDS = (*PLAIN, "Strip", "Prepend", "Replace", "Sequence")


def normalization_of(section: Part) -> Normalization:
    """The steps of the section, in sequences however nested; ValueError for a kind that is not known."""
    if section.value is None:
        return None
    steps = list(_steps(section))
    if len(steps) > MOST_STEPS:
        raise section.error(f"has {len(steps)} steps, at most {MOST_STEPS}")
    return checked_normalization(steps)


def _steps(part: Part) -> Iterator[tuple[Any, ...]]:
    kind = type_of(part)
    if kind not in KINDS:
        raise part.error(f"must be null or one of {', '.join(KINDS)}, got {shown(kind)}")
    if kind == "Sequence":
        only_fields(part, ("normalizers",))
        members = part["normalizers"]
        for i in range(len(members.expect(list))):
            yield from _steps(members[i])
    elif kind == "Strip":
        only_fields(part, ("strip_left", "strip_right"))
        yield kind, part["strip_left"].expect(bool), part["strip_right"].expect(bool)
    elif kind == "Prepend":
        only_fields(part, ("prepend",))
        text = _text(part["prepend"])
        if not text:
            raise part["prepend"].error("is empty, which is not supported")
        yield kind, text
    elif kind == "Replace":
        only_fields(part, ("pattern", "content"))
        yield kind, *_pattern(part["pattern"]), _text(part["content"])
    else:
        only_fields(part, ())
        yield (kind,)


def _text(part: Part) -> str:
    text: str = part.expect(str)
    if not is_unicode(text):
        raise part.error(f"must be text of whole characters, got {shown(text)}")
    return text


def _pattern(part: Part) -> tuple[str, str]:
    """How the pattern is written, and the pattern."""
    part.expect(dict)
    only_fields(part, ("String", "Regex"))
    if len(part.value) != 1:
        raise part.error("must be a String or a Regex")
    (kind,) = part.value
    text = _text(part[kind])
    if not text:
        raise part[kind].error("is empty, which is not supported")
    if kind == "Regex":
        try:
            text = without_inner_sets(text)
            if check_split_pattern(text):
                raise ValueError("may match nothing, which is not supported")
            checked_normalization([("Replace", kind, text, "")])
        except ValueError as error:
            raise part[kind].error(f"the pattern {shown(text)}: {error}") from None
    return kind, text
