"""The section ``decoder`` of a ``tokenizer.json``: the steps that make text of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._shared.text_decoders import MOST_STEPS
from .pre_tokenizers import only_fields, scheme_of, type_of
from .reading import Part, shown

__all__ = ["decoder_steps"]

Step = tuple[Any, ...]


def decoder_steps(section: Part) -> tuple[Step, ...]:
    """The steps of ``Decoding``; ValueError for what is none."""
    if section.value is None:
        return (("join",),)
    steps = tuple(_steps(section))
    if len(steps) > MOST_STEPS:
        raise section.error(f"has {len(steps)} steps, at most {MOST_STEPS}")
    return steps


def _steps(part: Part) -> Iterator[Step]:
    kind = type_of(part)
    if kind == "Sequence":
        only_fields(part, ("decoders",))
        members = part["decoders"]
        for i in range(len(members.expect(list))):
            yield from _steps(members[i])
        return
    if kind not in _READERS:
        known = ", ".join(("Sequence", *_READERS))
        raise part.error(f"must be null or one of {known}, got {shown(kind)}")
    yield _READERS[kind](part)


def _byte_level(part: Part) -> Step:
    only_fields(part, ("add_prefix_space", "trim_offsets", "use_regex"))
    return ("byte_level",)


def _byte_fallback(part: Part) -> Step:
    only_fields(part, ())
    return ("byte_fallback",)


def _fuse(part: Part) -> Step:
    only_fields(part, ())
    return ("fuse",)


def _replace(part: Part) -> Step:
    only_fields(part, ("pattern", "content"))
    part["pattern"].expect(dict)
    only_fields(part["pattern"], ("String",))
    text = part["pattern"]["String"].expect(str)
    if not text:
        raise part["pattern"]["String"].error("must not be empty")
    return "replace", text, part["content"].expect(str)


def _strip(part: Part) -> Step:
    only_fields(part, ("content", "start", "stop"))
    char = _character(part["content"])
    return "strip", char, part["start"].identifier(), part["stop"].identifier()


def _metaspace(part: Part) -> Step:
    only_fields(part, ("replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"))
    return "metaspace", _character(part["replacement"]), scheme_of(part) != "never"


def _suffix(part: Part) -> Step:
    only_fields(part, ("suffix",))
    suffix = part["suffix"].expect(str)
    if not suffix:
        raise part["suffix"].error("must not be empty")
    return "suffix", suffix


def _character(part: Part) -> str:
    char: str = part.expect(str)
    if len(char) != 1:
        raise part.error(f"must be one character, got {shown(char)}")
    return char


_READERS = {
    "ByteLevel": _byte_level,
    "ByteFallback": _byte_fallback,
    "Fuse": _fuse,
    "Replace": _replace,
    "Strip": _strip,
    "Metaspace": _metaspace,
    "BPEDecoder": _suffix,
}
