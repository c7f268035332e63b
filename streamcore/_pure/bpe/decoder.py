"""Streaming byte-pair decoder: ids in, text out that is always valid and held back no longer than a character needs."""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Iterable
from typing import Any

from ..._shared.eager_utf8 import may_be_completed, unfinished
from ..._shared.options import core_option
from ..._shared.text_input import check_errors, invalid_utf8
from ..._shared.token_ids import id_list, join_tokens, unknown_id
from ...errors import InvalidEncoding
from ..engine.token_engine import TokenEngine
from .core import BPECore
from .stop_strings import StopFinder

__all__ = ["BPEDecoder"]


class BPEDecoder(TokenEngine):
    """Engine that turns ids into text: ``feed(ids)`` takes an int, a list or an array and gives a list of str (one, or
    none).

    A character whose bytes have not all come is held back and nothing else is; bytes that are no UTF-8 are treated as
    ``errors`` says (``"strict"``, ``"replace"`` or ``"ignore"``). ``prompt`` are ids whose text was shown before: they
    give no text, but a character that they leave unfinished is completed. At the first of the strings ``stop`` the text
    ends before it, ``stopped`` is that string, and further ids are ignored. An id that is not in the vocabulary raises
    ValueError with its position, after the text before it. With ``skip_special_tokens``, special tokens give no text.
    """

    _name = "BPEDecoder"
    _unit = "id"

    def __init__(
        self,
        core: BPECore,
        *,
        errors: str = "replace",
        prompt: Iterable[int] = (),
        stop: str | Iterable[str] = (),
        skip_special_tokens: bool = False,
    ) -> None:
        core_option(core, BPECore)
        self._errors = check_errors(errors)
        self._bytes_of = core._bytes_of
        self._stop = StopFinder(stop)
        self._texts = core._texts
        self._hidden = core._hidden if skip_special_tokens else frozenset()
        self._prompt = [number for number in id_list(prompt, "prompt") if number not in self._hidden]
        self._unfinished = unfinished(join_tokens(self._prompt, self._bytes_of))
        self._clear()

    def _clear(self) -> None:
        super()._clear()
        self._stop.reset()
        self._held = self._unfinished
        self._decoded = -len(self._held)  # bytes given to the codec
        self._steps = None if self._texts is None else self._texts.run(self._errors)
        if self._steps is not None:
            self._steps.begin_after(self._prompt)

    @property
    def stopped(self) -> str | None:
        """The stop string that ended the text."""
        return self._stop.found

    def _take(self, fragment: Any) -> list[Any]:
        ids = id_list(fragment, self._name)
        end = self._offset + len(ids)
        self._changing = True
        if self.stopped is not None:
            self._offset = end
            return []
        unknown: ValueError | None = None
        if not self._bytes_of.keys() >= set(ids):
            known = next(i for i, number in enumerate(ids) if number not in self._bytes_of)
            unknown = unknown_id(ids[known], self._offset + known)
            ids = ids[:known]
        self._offset += len(ids)
        text = self._stop.feed(self._text_of(ids), self.error is not None)
        if unknown is not None and self.error is None and self.stopped is None:
            # what is held is shown as it is, as in front of any error
            text += self._stop.feed(self._rest(), True)
            self._fail(unknown, self._offset)
        if self.stopped is not None:
            self._offset, self.error = end, None  # what came after the stop string does not matter
        return [text] if text else []

    def _text_of(self, ids: list[int]) -> str:
        """The text that known ids make final."""
        if self._hidden:
            ids = [number for number in ids if number not in self._hidden]
        if self._steps is None:
            return self._decode(b"".join(map(self._bytes_of.__getitem__, ids)), False)
        try:
            return self._steps.feed(ids)
        except InvalidEncoding as error:
            self._fail(error, self._offset)
            return ""

    def _rest(self) -> str:
        """The text held back; no ids follow."""
        if self._steps is None:
            return self._decode(b"", True)
        try:
            return self._steps.finish()
        except InvalidEncoding as error:
            self._fail(error, self._offset)
            return ""

    def _decode(self, data: bytes, final: bool) -> str:
        data = self._held + data if self._held else data
        try:
            text, used = utf_8_decode(data, self._errors, final)
            if used < len(data) and not may_be_completed(data[used:]):
                text, used = utf_8_decode(data, self._errors, True)
        except UnicodeDecodeError as error:
            self._held = b""
            self._fail(invalid_utf8(error, self._decoded), self._offset)
            return data[: error.start].decode()
        self._held = data[used:]
        self._decoded += used
        return text

    def _end(self) -> list[Any]:
        if self.stopped is not None:
            return []
        text = self._stop.feed(self._rest(), True)
        if self.stopped is not None:
            self.error = None
        return [text] if text else []

    def _is_done(self) -> bool:
        return self.stopped is not None
