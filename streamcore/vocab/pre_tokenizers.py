"""The section ``pre_tokenizer`` of a ``tokenizer.json`` as a pattern, or as a sequence of splits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from .._shared.patterns import recognise, splitter
from .._shared.split_classes import in_regex
from .._shared.split_steps import MOST_SPLITS, Split, checked_pattern
from .._shared.unicode_classes import SPACE
from .._shared.vocabulary import is_unicode
from .encodings import GPT2
from .reading import Part, shown
from .split_pattern import check_split_pattern, without_inner_sets

__all__ = ["character_pattern_of", "has_byte_level", "only_fields", "pattern_of", "scheme_of", "type_of"]

BEHAVIORS = {
    "Isolated": "isolated",
    "Removed": "removed",
    "MergedWithPrevious": "merged_with_previous",
    "MergedWithNext": "merged_with_next",
    "Contiguous": "contiguous",
}
_SPACE = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in SPACE)


def type_of(part: Part) -> str:
    """The type of a section; what it is, where it is none."""
    if not isinstance(part.value, dict):
        return shown(part.value)
    return str(part["type"].expect(str))


def only_fields(part: Part, known: Collection[str]) -> None:
    """ValueError for a field that is not known, besides the ``type`` of what has one."""
    for key in part.value:
        if key not in known and (key != "type" or not isinstance(part.value[key], str)):
            raise part[key].error(f"is not supported, got {shown(part.value[key])}")


def pattern_of(section: Part) -> str | tuple[Split, ...]:
    """What splits text, in sequences however nested: splits, ByteLevel, and splits that see bytes as characters."""
    steps = list(_steps(section))
    kinds = [type_of(step) for step in steps]
    if "Metaspace" in kinds:
        raise steps[kinds.index("Metaspace")].error("is not supported with ByteLevel")
    if kinds.count("ByteLevel") != 1:
        raise section.error(f"must have one ByteLevel, got {shown(', '.join(kinds))}")
    splits: list[Split] = []
    for i, step in enumerate(steps):
        splits += _SPLITS[kinds[i]](step)
        if kinds[i] == "ByteLevel" and i + 1 < len(steps):
            splits.append(Split("", "bytes"))
    if len(splits) > MOST_SPLITS:
        raise section.error(f"has {len(splits)} splits, at most {MOST_SPLITS}")
    return checked_pattern(splits or [Split("")])


def has_byte_level(section: Part) -> bool:
    """Whether the pre-tokenizers make characters that stand for bytes."""
    if section.value is None or type_of(section) == "Metaspace":
        return False
    return any(type_of(step) == "ByteLevel" for step in _steps(section))


def character_pattern_of(
    section: Part, normalization: Any
) -> tuple[str | tuple[Split, ...], tuple[str, str, bool] | None]:
    """What splits text into pieces of characters, and the blanks of a Metaspace, which must be the first step."""
    steps = [] if section.value is None else list(_steps(section))
    space: tuple[str, str, bool] | None = None
    splits: list[Split] = []
    for i, step in enumerate(steps):
        if type_of(step) != "Metaspace":
            if not (i == 0 and _finds_nothing(step, normalization)):
                splits += _SPLITS[type_of(step)](step)
            continue
        if i:
            raise step.error("is supported as the first step alone")
        only_fields(step, ("replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"))
        char = step["replacement"].expect(str)
        if len(char) != 1:
            raise step["replacement"].error(f"must be one character, got {shown(char)}")
        space = char, scheme_of(step), step["split"].expect(bool, or_null=True) is not False
        if space[2]:
            char = re.escape(char)
            splits.append(Split(f"{char}[^{char}]*+|[^{char}]++"))
    if len(splits) > MOST_SPLITS:
        raise section.error(f"has {len(splits)} splits, at most {MOST_SPLITS}")
    return checked_pattern(splits or [Split("")]), space


def _finds_nothing(step: Part, normalization: Any) -> bool:
    """Whether a Split is at blanks, of which the last step of the normalization leaves none (Gemma)."""
    last: tuple[Any, ...] = normalization[-1] if isinstance(normalization, tuple) else ()
    return (
        type_of(step) == "Split"
        and step["pattern"].value == {"String": " "}
        and not step["invert"].value
        and last[:3] == ("Replace", "String", " ")
        and " " not in last[3]
    )


def scheme_of(part: Part) -> str:
    """Where a Metaspace puts its character before text: ``"always"``, ``"first"`` or ``"never"``."""
    scheme: str = part["prepend_scheme"].expect(str, or_null=True) or "always"
    if scheme not in ("always", "first", "never"):
        raise part["prepend_scheme"].error(f"must be always, first or never, got {shown(scheme)}")
    if part["add_prefix_space"].expect(bool, or_null=True) is False and scheme != "never":
        raise part["add_prefix_space"].error(f"is false, but prepend_scheme {shown(scheme)}")
    return scheme


def _steps(part: Part) -> Iterator[Part]:
    """The steps of a section, without the sequences around them."""
    kind = type_of(part)
    if kind == "Sequence":
        members = part["pretokenizers"]
        for i in range(len(members.expect(list))):
            yield from _steps(members[i])
        return
    if kind not in _SPLITS and kind != "Metaspace":
        raise part.error(f"must be one of {', '.join(_SPLITS)}, got {shown(kind)}")
    yield part


def _byte_level(step: Part) -> Iterator[Split]:
    only_fields(step, ("add_prefix_space", "trim_offsets", "use_regex"))
    step["trim_offsets"].expect(bool, or_null=True)
    prefix = bool(step["add_prefix_space"].expect(bool, or_null=True))
    uses_regex = step["use_regex"].expect(bool, or_null=True) is not False
    if prefix or uses_regex:
        yield Split(GPT2 if uses_regex else "", prefix=prefix)


def _digits(step: Part) -> Iterator[Split]:
    only_fields(step, ("individual_digits",))
    alone = step["individual_digits"].expect(bool, or_null=True)
    yield Split(f"[{in_regex('numbers')}]" + ("" if alone else "++"))


def _punctuation(step: Part) -> Iterator[Split]:
    only_fields(step, ("behavior",))
    yield _with_behavior(step, f"[{in_regex('punctuation')}]", "Isolated")


def _whitespace(step: Part) -> Iterator[Split]:
    only_fields(step, ())
    word = in_regex("word")
    # the last alternative is never come to; it says that all but whitespace is matched
    yield Split(rf"[{word}]++|[^{word}{_SPACE}]++|\S++", "removed", True)


def _whitespace_split(step: Part) -> Iterator[Split]:
    only_fields(step, ())
    yield Split(r"\S++", "removed", True)


def _split(step: Part) -> Iterator[Split]:
    """A Split: with a pattern that may match nothing only where its matches are pieces."""
    only_fields(step, ("pattern", "behavior", "invert"))
    step["pattern"].expect(dict)
    only_fields(step["pattern"], ("String", "Regex"))
    if len(step["pattern"].value) != 1:
        raise step["pattern"].error("must be a String or a Regex")
    inverted = bool(step["invert"].expect(bool, or_null=True))
    text, empty = _pattern(step["pattern"])
    split = _with_behavior(step, text)
    if empty and split.behavior != "isolated":
        raise step["pattern"].error("the pattern may match nothing, which needs the behavior Isolated")
    if inverted and split.behavior == "removed" and recognise(text) is not None:
        split = Split(text)  # its matches are all of the text
    yield split if split.behavior == "isolated" else split._replace(inverted=inverted)


def _pattern(part: Part) -> tuple[str, bool]:
    """The regular expression, and whether it may match nothing."""
    if "String" in part.value:
        literal: str = part["String"].expect(str)
        if not literal or not is_unicode(literal):
            raise part["String"].error(f"must be text of whole characters, got {shown(literal)}")
        return re.escape(literal), False
    regex = part["Regex"]
    text: str = regex.expect(str)
    try:
        text = without_inner_sets(text) or "(?:)"
        empty = check_split_pattern(text)
        splitter(text)
    except ValueError as error:
        raise regex.error(f"the pattern {shown(text)}: {error}") from None
    return text, empty


def _with_behavior(step: Part, pattern: str, default: str | None = None) -> Split:
    behavior = step["behavior"].expect(str, or_null=default is not None) or default
    if behavior not in BEHAVIORS:
        raise step["behavior"].error(f"must be one of {', '.join(BEHAVIORS)}, got {shown(behavior)}")
    if behavior == "Contiguous" and pattern.startswith("[") and default is not None:
        return Split(pattern + "++")
    return Split(pattern, BEHAVIORS[behavior])


_SPLITS = {
    "ByteLevel": _byte_level,
    "Split": _split,
    "Digits": _digits,
    "Punctuation": _punctuation,
    "Whitespace": _whitespace,
    "WhitespaceSplit": _whitespace_split,
}
