"""Which bytes at the end of UTF-8 are worth waiting with (both backends).

The rule of maximal subparts (Unicode 16, 3.9, table 3-8); native code has it in ``utf8_char.h``.
"""

from __future__ import annotations

from codecs import utf_8_decode

__all__ = ["may_be_completed", "unfinished"]


def may_be_completed(rest: bytes) -> bool:
    """Whether later bytes can make a character of what ``codecs.utf_8_decode`` left.

    It waits in vain after ED A0 to ED BF, which only begin a surrogate. Decode again with ``final`` then.
    """
    return not (len(rest) == 2 and rest[0] == 0xED and rest[1] >= 0xA0)


def unfinished(data: bytes) -> bytes:
    """The bytes at the end of ``data`` that begin a character which later bytes may complete: 0 to 3."""
    # at most the last three; of continuation bytes alone nothing can come
    tail = data[-3:].lstrip(bytes(range(0x80, 0xC0))) if len(data) > 3 else data
    rest = tail[utf_8_decode(tail, "replace", False)[1] :]
    return rest if may_be_completed(rest) else b""
