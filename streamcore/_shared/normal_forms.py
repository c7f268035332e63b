"""Normal forms as Hugging Face tokenizers has them: by the tables of Unicode 9.0, whatever Unicode this Python knows.

A character that came later is to it one that nothing joins, moves past or takes apart. Newer tables would do so with
some hundred of them, more with each version of Python: the ids would depend on it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Literal
from unicodedata import combining as combining_class
from unicodedata import decomposition, is_normalized, normalize

__all__ = ["FORMS", "Form", "NormalFormStep", "normal_form"]

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD", "NFKC", "NFKD")

# What Unicode 10.0 to 18.0 brought that takes part in normalization, as whole blocks where these are new; the last four
# lines are characters that have compatibility decompositions only.
LATER = re.compile(
    "(["
    "\u07fd\u0897-\u089f\u08ca-\u08d3\u09fe\u0c3c\u0d3b-\u0d3c\u0eba\u1715\u1abf-\u1aff\u1df6-\u1dfa"
    "\ua82c\U000105c0-\U000105ff\U00010d24-\U00010d27\U00010d40-\U00010d8f\U00010eab-\U00010eac"
    "\U00010efa-\U00010eff\U00010f46-\U00010f50\U00010f82-\U00010f85\U00011070\U0001133b"
    "\U00011380-\U000113ff\U0001145e\U00011839-\U0001183a\U00011930-\U00011946\U000119e0\U00011a34"
    "\U00011a47\U00011a99\U00011d42-\U00011d45\U00011d97\U00011f00-\U00011f5f\U00016100-\U0001613f"
    "\U00016d40-\U00016d7f\U00016ff0-\U00016ff1\U0001e08f\U0001e130-\U0001e136\U0001e2ae"
    "\U0001e2ec-\U0001e2ef\U0001e4d0-\U0001e4ff\U0001e5d0-\U0001e5ff\U0001e6c0-\U0001e6ff"
    "\u0558\u058b-\u058c\u209d-\u209f\u32ff\ua7f1-\ua7f4\uab69"
    "\U00010781-\U00010785\U00010787-\U000107b0\U000107b2-\U000107bf"
    "\U0001b123-\U0001b126\U0001ccd6-\U0001ccf9\U0001d6a6\U0001df95\U0001dfcd-\U0001dfff\U0001e030-\U0001e06d"
    "\U0001f16c\U0001fbf0-\U0001fbf9"
    "]+)"
)


def normal_form(form: Form, text: str) -> str:
    """``text`` in a normal form by the tables of Unicode 9.0."""
    if is_normalized(form, text):  # then its parts are, too
        return text
    parts = LATER.split(text)
    parts[::2] = [normalize(form, part) for part in parts[::2]]
    return "".join(parts)


@cache
def combining() -> frozenset[str]:
    """The characters that NFC may join to the character before them, or move before it."""
    joined = {*map(chr, range(0x1161, 0x1176)), *map(chr, range(0x11A8, 0x11C3))}  # Hangul vowels and finals
    for char in map(chr, range(0x110000)):
        if combining_class(char):
            joined.add(char)
        parts = decomposition(char)
        if parts and not parts.startswith("<"):
            joined.update(chr(int(part, 16)) for part in parts.split()[1:])
    return frozenset(joined)


@lru_cache(maxsize=4096)
def _begins_with_mark(char: str) -> bool:
    return combining_class(normalize("NFKD", char)[0]) != 0


@lru_cache(maxsize=4096)
def _ends_with_mark(char: str) -> bool:
    return combining_class(normalize("NFKD", char)[-1]) != 0


def _depends_on_before(form: Form, char: str) -> bool:
    """Whether the form may join ``char`` to what stands before it, or move a part of it there."""
    if form in ("NFD", "NFKD"):
        return _begins_with_mark(char)
    return char in combining() or (form == "NFKC" and normalize("NFKD", char)[0] in combining())


class NormalFormStep:
    """A form of text that comes in fragments: holds back the last character and the marks behind it.

    For NFD and NFKD that character goes out at once where nothing of it can be moved. There is no bound on how many
    marks may stand in a row.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._held: list[str] = []
        self.held_size = 0  # in characters

    def feed(self, text: str, final: bool) -> str:
        """The text that no later character can change."""
        cut = len(text) if final else self._cut(text)
        if cut < 0:
            self._held.append(text)
            self.held_size += len(text)
            return ""
        ready = "".join((*self._held, text[:cut])) if self._held else text[:cut]
        self._held = [text[cut:]] if cut < len(text) else []
        self.held_size = len(text) - cut
        return normal_form(self._form, ready)

    def _cut(self, text: str) -> int:
        """Where the last character is that does not depend on those before it; -1 for none."""
        for i in range(len(text) - 1, -1, -1):
            if not _depends_on_before(self._form, text[i]):
                alone = i == len(text) - 1 and self._form in ("NFD", "NFKD") and not _ends_with_mark(text[i])
                return i + alone
        return -1
