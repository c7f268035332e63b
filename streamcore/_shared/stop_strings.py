"""The strings that end a stream of text, as callers give them."""

from __future__ import annotations

from collections.abc import Iterable

from .text_input import exact_str


def checked_stops(stop: str | Iterable[str]) -> list[str]:
    """The strings, exact ``str`` each (both backends); TypeError or ValueError for what cannot end a text."""
    texts = [stop] if isinstance(stop, str) else list(stop)
    for i, text in enumerate(texts):
        if not issubclass(type(text), str):
            raise TypeError(f"stop must hold str, not {type(text).__name__}")
        texts[i] = exact_str(text)
        if not texts[i]:
            raise ValueError("stop must not hold an empty str")
    return texts
