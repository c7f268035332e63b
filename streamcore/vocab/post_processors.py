"""The section ``post_processor`` of a ``tokenizer.json``: the special tokens around a text."""

from __future__ import annotations

from collections.abc import Iterator

from .._shared.template import NO_TEMPLATE, Template
from .pre_tokenizers import only_fields, type_of
from .reading import Part, shown

__all__ = ["template_of"]

_WITHOUT_EFFECT = ("trim_offsets", "add_prefix_space")


def template_of(section: Part) -> Template:
    """The ids before a text and after it; ValueError for what is no template for one text."""
    if section.value is None:
        return NO_TEMPLATE
    kind = type_of(section)
    if kind == "Sequence":
        only_fields(section, ("processors",))
        members = section["processors"]
        made = NO_TEMPLATE
        for i in range(len(members.expect(list))):
            members[i].expect(dict)
            first, last = template_of(members[i])
            made = first + made[0], made[1] + last
        return made
    if kind == "TemplateProcessing":
        return _of_template(section)
    if kind in ("RobertaProcessing", "BertProcessing"):
        only_fields(section, ("sep", "cls", *_WITHOUT_EFFECT))
        _check_flags(section)
        return (_named(section["cls"]),), (_named(section["sep"]),)
    if kind != "ByteLevel":
        kinds = "TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel, Sequence"
        raise section.error(f"must be null or one of {kinds}, got {shown(kind)}")
    only_fields(section, (*_WITHOUT_EFFECT, "use_regex"))
    _check_flags(section)
    return NO_TEMPLATE


def _check_flags(section: Part) -> None:
    """What says where tokens lie in text, which is not asked for."""
    for flag in (*_WITHOUT_EFFECT, "use_regex"):
        section[flag].expect(bool, or_null=True)


def _named(part: Part) -> int:
    """The id of ``[text, id]``."""
    if len(part.expect(list)) != 2:
        raise part.error(f"must be a token and its id, got {shown(part.value)}")
    part[0].expect(str)
    return part[1].identifier()


def _of_template(section: Part) -> Template:
    only_fields(section, ("single", "pair", "special_tokens"))
    sides: list[list[int]] = [[]]
    for kind, piece in _pieces(section["single"]):
        if kind == "SpecialToken":
            sides[-1] += _special(section["special_tokens"], piece)
        elif piece["id"].value != "A" or len(sides) == 2:
            raise piece.error("must be A, once")
        else:
            sides.append([])
    if len(sides) != 2:
        raise section["single"].error("must have the Sequence A")
    if section["pair"].value is not None:
        for kind, piece in _pieces(section["pair"]):
            if kind == "SpecialToken":
                _special(section["special_tokens"], piece)
    return tuple(sides[0]), tuple(sides[1])


def _pieces(part: Part) -> Iterator[tuple[str, Part]]:
    """The kind and the content of each piece of a template."""
    for i in range(len(part.expect(list))):
        piece = part[i]
        piece.expect(dict)
        only_fields(piece, ("SpecialToken", "Sequence"))
        if len(piece.value) != 1:
            raise piece.error("must be a SpecialToken or a Sequence")
        (kind,) = piece.value
        content = piece[kind]
        content.expect(dict)
        only_fields(content, ("id", "type_id"))
        content["id"].expect(str)
        content["type_id"].expect(int, or_null=True)
        yield kind, content


def _special(tokens: Part, piece: Part) -> list[int]:
    tokens.expect(dict)
    name = piece["id"].value
    if name not in tokens.value:
        raise piece["id"].error(f"{shown(name)} is not among the special_tokens")
    entry = tokens[name]
    entry.expect(dict)
    only_fields(entry, ("id", "ids", "tokens"))
    entry["id"].expect(str, or_null=True)
    entry["tokens"].expect(list, or_null=True)
    return [entry["ids"][i].identifier() for i in range(len(entry["ids"].expect(list)))]
