"""Where the first record of a range starts, found without reading what lies before the range.

A record starts at 0 and after each separator that counts; occurrences count from the left, as long as they do not
overlap one that counted. So one without an occurrence in the ``len(separator) - 1`` bytes before it counts, whatever
stands further left, and from the first of a chain of overlapping occurrences on, all is decided. Going back costs the
length of the chain.
"""

from __future__ import annotations

from .reading import Ranges


def first_start(file: Ranges, start: int, end: int, separator: bytes) -> int | None:
    """The first place from ``start`` to before ``end`` where a record starts; None if there is none.

    Reads up to ``end``, no further; back from ``start`` as far as occurrences overlap.
    """
    if start == 0:
        return 0 if end > 0 else None
    end = min(end, file.size)
    width = len(separator)
    at = decided(file, max(start - width, 0), separator)
    held, read = b"", at  # ``held`` are the bytes before ``read`` that are not searched yet
    while read < end - 1:
        data = file.read(read, min(read + file.block, end - 1))
        held, read = held + data, read + len(data)
        found, searched = held.find(separator), 0
        while found >= 0:
            searched = found + width
            place = read - len(held) + searched
            if place >= start:
                return place
            found = held.find(separator, searched)
        held = held[max(searched, len(held) - width + 1) :]
    return None


def decided(file: Ranges, at: int, separator: bytes) -> int:
    """The last place up to ``at`` that no occurrence of the separator straddles."""
    width = len(separator)
    if width == 1 or not at:
        return at
    held, first = b"", at  # ``held`` are the bytes from ``first`` on
    while at > 0:
        low = max(at - width + 1, 0)
        if low < first or at + width - 1 > first + len(held):
            first = max(at + width - file.block, 0) if low else 0
            first = min(first, low)
            held = file.read(first, min(at + width - 1, file.size))
        # an occurrence that starts from ``low`` to before ``at``, and so reaches beyond ``at``
        found = held.find(separator, low - first, at - first + width - 1)
        if found < 0:
            return at
        at = first + found
    return 0
