"""The section ``post_processor`` of a ``tokenizer.json``: the special tokens around a text."""

from __future__ import annotations

from .._shared.template import NO_TEMPLATE, Template
from .pre_tokenizers import only_fields, type_of
from .reading import Part, shown

__all__ = ["template_of"]


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
            first, last = template_of(members[i])
            made = first + made[0], made[1] + last
        return made
    if kind == "TemplateProcessing":
        return _of_template(section)
    if kind in ("RobertaProcessing", "BertProcessing"):
        only_fields(section, ("sep", "cls", "trim_offsets", "add_prefix_space"))
        return (_named(section["cls"]),), (_named(section["sep"]),)
    if kind != "ByteLevel":
        kinds = "TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel, Sequence"
        raise section.error(f"must be null or one of {kinds}, got {shown(kind)}")
    return NO_TEMPLATE


def _named(part: Part) -> int:
    """The id of ``[text, id]``."""
    if len(part.expect(list)) != 2:
        raise part.error(f"must be a token and its id, got {shown(part.value)}")
    part[0].expect(str)
    return part[1].identifier()


def _of_template(section: Part) -> Template:
    only_fields(section, ("single", "pair", "special_tokens"))
    single = section["single"]
    sides: list[list[int]] = [[]]
    for i in range(len(single.expect(list))):
        piece = single[i]
        piece.expect(dict)
        only_fields(piece, ("SpecialToken", "Sequence"))
        if len(piece.value) != 1:
            raise piece.error("must be a SpecialToken or a Sequence")
        if "Sequence" in piece.value:
            piece["Sequence"].expect(dict)
            if piece["Sequence"]["id"].expect(str) != "A" or len(sides) == 2:
                raise piece["Sequence"].error("must be A, once")
            sides.append([])
        else:
            sides[-1] += _special(section["special_tokens"], piece["SpecialToken"])
    if len(sides) != 2:
        raise single.error("must have the Sequence A")
    return tuple(sides[0]), tuple(sides[1])


def _special(tokens: Part, piece: Part) -> list[int]:
    tokens.expect(dict)
    piece.expect(dict)
    name = piece["id"].expect(str)
    if name not in tokens.value:
        raise piece["id"].error(f"{shown(name)} is not among the special_tokens")
    tokens[name].expect(dict)
    ids = tokens[name]["ids"]
    return [ids[i].identifier() for i in range(len(ids.expect(list)))]
