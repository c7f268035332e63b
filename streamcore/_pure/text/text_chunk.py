"""``TextChunk``: a part of a text and where it lies (native: ``_native.text.text_chunk``)."""

from __future__ import annotations

from typing import Any, NoReturn

from ..._shared.options import shown

__all__ = ["TextChunk"]


class TextChunk:
    """TextChunk(text, start, stop)
    --

    A part of a text: ``text`` is ``source[start:stop]``, in code points of the whole stream. It cannot be changed.
    """

    __slots__ = ("start", "stop", "text")
    __match_args__ = ("text", "start", "stop")

    text: str
    start: int
    stop: int

    def __init__(self, text: str, start: int, stop: int) -> None:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        for name, value in (("start", start), ("stop", stop)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an int, got {type(value).__name__}")
            if not 0 <= value < 1 << 63:
                raise ValueError(f"{name} must be from 0 to {(1 << 63) - 1}, got {shown(value)}")
        if hasattr(self, "text"):
            raise TypeError("TextChunk is made already and does not change")
        _set_text(self, str.__str__(text))
        _set_start(self, int(start))
        _set_stop(self, int(stop))

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("type 'TextChunk' is not an acceptable base type")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a TextChunk cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a TextChunk cannot be changed")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TextChunk):
            return NotImplemented
        return self.start == other.start and self.stop == other.stop and self.text == other.text

    def __hash__(self) -> int:
        return hash((self.text, self.start, self.stop))

    def __reduce__(self) -> tuple[Any, ...]:
        return TextChunk, (self.text, self.start, self.stop)

    def __repr__(self) -> str:
        return f"TextChunk(text={self.text!r}, start={self.start}, stop={self.stop})"


_set_text = TextChunk.__dict__["text"].__set__
_set_start = TextChunk.__dict__["start"].__set__
_set_stop = TextChunk.__dict__["stop"].__set__
