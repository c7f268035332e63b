"""Streaming byte-pair encoder: fragments of text in, ids out, equal to those of the whole text for every cut.

Goals: an id is given out as soon as no later text can change it; the state is bounded. Plan: ``text_stream`` makes
text of the fragments and cuts it at special tokens, ``open_piece`` encodes what lies between.

What is held back: an unfinished character, the beginning of a special token, with NFC the last character, and of the
piece that has not ended the tokens that its continuations do not share. Seen at most, byte by byte: in r50k, cl100k
and o200k 33 bytes of letters, 10 of random letters, 147 of blanks, 127 of dashes (tokens have up to 128). No bound
below the length of the piece holds for every vocabulary: hence ``max_size``. Two kinds of text reach it with the
published ones, and must: blanks after a line end, which belong to one piece with it if another line end follows, and in
o200k capitals after a letter without case, if a small letter follows. Where the encodings of the two futures first
differ, no id is sure until that comes. A pattern of no known family is
held up to a blank (``safe_cuts``) or as a whole.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..._shared.options import core_option
from ..._shared.text_encoder import EncoderOptions, TextEncoder, UnknownPattern, as_fragment
from ..engine.token_engine import TokenEngine
from .core import BPECore
from .open_piece import OpenPieces

__all__ = ["BPEEncoder"]


class BPEEncoder(TokenEngine):
    """Engine that turns text into ids: ``feed(fragment)`` gives a list of uint32 arrays (one, or none).

    Fragments are all ``str`` or all bytes-like. The other options are those of ``BPE.encode``; a disallowed special
    token raises ValueError after the ids before it. ``max_size`` bounds the bytes of text whose ids cannot be given out
    yet, beyond it ``ItemTooLarge`` is raised (None for no bound). With a pattern of no known family, text is held up
    to the last blank after a word where the pattern is seen to cut there, else until ``finish()``.
    """

    _name = "BPEEncoder"

    def __init__(
        self,
        core: BPECore,
        *,
        allowed_special: str | Collection[str] = (),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
        max_size: int | None = 1 << 26,
        add_special_tokens: bool = False,
    ) -> None:
        core_option(core, BPECore)
        options = EncoderOptions(
            core, allowed_special, disallowed_special, errors, max_size, add_special_tokens
        )
        family = core._family
        self._text = TextEncoder(
            core,
            options,
            lambda: UnknownPattern(core) if family is None else OpenPieces(core, family),
        )
        self._clear()

    def _clear(self) -> None:
        super()._clear()
        self._text.reset()

    def _take(self, fragment: Any) -> list[Any]:
        fragment = as_fragment(fragment)
        self._text.check_kind(fragment)
        self._changing = True
        out = self._text.feed(fragment)
        self._offset = self._text.offset
        return self._array(out)

    def _end(self) -> list[Any]:
        return self._array(self._text.finish())

    def _array(self, out: list[int]) -> list[Any]:
        items = []
        if out:
            import numpy as np

            items.append(np.array(out, np.uint32))
        if self._text.error is not None:
            self._fail(self._text.error, self._offset)
        return items
