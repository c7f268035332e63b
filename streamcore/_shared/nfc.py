"""NFC as Hugging Face tokenizers have it: with the tables of Unicode 9.0, whatever Unicode this Python knows.

A character that came later is to them one that nothing joins or moves past. Newer tables move or join 98 of these
(Python 3.11, Unicode 14), or 108 (3.13, Unicode 15.1): the ids would depend on the version of Python.
"""

from __future__ import annotations

import re
from unicodedata import is_normalized, normalize

__all__ = ["nfc"]

# What Unicode 10.0 to 17.0 brought that takes part in normalization, as whole blocks where these are new.
LATER = re.compile(
    "(["
    "\u07fd\u0897-\u089f\u08ca-\u08d3\u09fe\u0c3c\u0d3b-\u0d3c\u0eba\u1715\u1abf-\u1aff\u1df6-\u1dfa"
    "\ua82c\U000105c0-\U000105ff\U00010d24-\U00010d27\U00010d40-\U00010d8f\U00010eab-\U00010eac"
    "\U00010efa-\U00010eff\U00010f46-\U00010f50\U00010f82-\U00010f85\U00011070\U0001133b"
    "\U00011380-\U000113ff\U0001145e\U00011839-\U0001183a\U00011930-\U00011946\U000119e0\U00011a34"
    "\U00011a47\U00011a99\U00011d42-\U00011d45\U00011d97\U00011f00-\U00011f5f\U00016100-\U0001613f"
    "\U00016d40-\U00016d7f\U00016ff0-\U00016ff1\U0001e08f\U0001e130-\U0001e136\U0001e2ae"
    "\U0001e2ec-\U0001e2ef\U0001e4d0-\U0001e4ff\U0001e5d0-\U0001e5ff\U0001e6c0-\U0001e6ff"
    "]+)"
)


def nfc(text: str) -> str:
    """``text`` in NFC by the tables of Unicode 9.0."""
    if is_normalized("NFC", text):  # then its parts are, too
        return text
    parts = LATER.split(text)
    parts[::2] = [normalize("NFC", part) for part in parts[::2]]
    return "".join(parts)
