"""Which fields a ``tokenizer.json`` may have, and of which type: one that is not known is refused, not left out."""

from __future__ import annotations

from .reading import Part, shown

__all__ = ["check_fields", "check_model_fields"]

VERSION = "1.0"
SECTIONS = (
    "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
    "model",
)  # fmt: skip
MODEL: dict[str, type | None] = {
    "type": str,
    "dropout": None,
    "unk_token": str,
    "continuing_subword_prefix": str,
    "end_of_word_suffix": str,
    "fuse_unk": bool,
    "byte_fallback": bool,
    "ignore_merges": bool,
    "vocab": dict,
    "merges": list,
}


def check_fields(whole: Part) -> None:
    """ValueError for a section or a version that is not known; ``truncation`` and ``padding`` may hold anything."""
    for name, value in whole.value.items():
        if name not in SECTIONS:
            raise whole[name].error(f"is not supported, got {shown(value)}")
    if whole["version"].value not in (None, VERSION):
        raise whole["version"].error(f"must be {VERSION!r}, got {shown(whole['version'].value)}")


def check_model_fields(model: Part) -> None:
    """ValueError for a field of the model that is not known, or is of another type; null stands for none."""
    for name, value in model.value.items():
        if name not in MODEL:
            raise model[name].error(f"is not supported, got {shown(value)}")
    dropout = model["dropout"]
    if dropout.value is not None and (isinstance(dropout.value, bool) or dropout.value != 0):
        raise dropout.error(f"is not supported, got {shown(dropout.value)}")
    for name, kind in MODEL.items():
        if kind is not None and name not in ("vocab", "merges"):
            model[name].expect(kind, or_null=True)
