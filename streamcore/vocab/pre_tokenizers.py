"""The section ``pre_tokenizer`` of a ``tokenizer.json`` as a pattern, or as a sequence of splits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from .._shared.patterns import recognise, splitter
from .._shared.split_classes import in_regex
from .._shared.split_steps import MOST_SPLITS, Split, checked_pattern
from .._shared.unicode_classes import SPACE
from .._shared.vocabulary import is_unicode
from .encodings import GPT2
from .reading import Part, shown
from .split_pattern import check_split_pattern, without_inner_sets

__all__ = ["only_fields", "pattern_of", "type_of"]

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


def _steps(part: Part) -> Iterator[Part]:
    """The steps of a section, without the sequences around them."""
    kind = type_of(part)
    if kind == "Sequence":
        members = part["pretokenizers"]
        for i in range(len(members.expect(list))):
            yield from _steps(members[i])
        return
    if kind not in _SPLITS:
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
