"""Options of ``TextSplitter``: ``length`` (characters, bytes, the tokens of a BPE, or a function) and ``as_``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .options import seen

__all__ = ["chunk_option", "measure_option", "not_text"]


def measure_option(length: Any) -> Callable[[str], int] | str | None:
    """None for characters, ``"bytes"``, or a function of text."""
    if isinstance(length, str) and length == "chars":
        return None
    if isinstance(length, str) and length == "bytes":
        return "bytes"
    bpe = sys.modules.get("streamcore.bpe")  # who has a BPE has imported it
    if bpe is not None and isinstance(length, bpe.BPE):
        return Tokens(length)
    if not callable(length):
        raise TypeError(f"length must be 'chars', 'bytes', a BPE or a function of a str, got {seen(length)}")
    return length  # type: ignore[no-any-return]


class Tokens:
    """How many ids a BPE makes of a text, whose special tokens are text like any other."""

    def __init__(self, bpe: Any) -> None:
        self.bpe = bpe

    def __call__(self, text: str) -> int:
        return self.bpe.count(text, disallowed_special=())  # type: ignore[no-any-return]


def chunk_option(as_: Any) -> bool:
    """Whether items are plain ``str``."""
    if as_ is str:
        return True
    if isinstance(as_, str) and as_ == "chunk":
        return False
    raise ValueError(f"as_ must be 'chunk' or str, got {seen(as_)}")


def not_text(fragment: Any) -> TypeError:
    """The error for a fragment that is no ``str``."""
    return TypeError(f"TextSplitter takes str, got {type(fragment).__name__}: put UTF8() before it for bytes")
