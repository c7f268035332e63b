"""``FixedSize``: pieces of equal size."""

from __future__ import annotations

from typing import Any

from .stage import Stage

__all__ = ["FixedSize"]


class FixedSize(Stage):
    """Cuts a byte stream into items of ``size`` bytes; the last one may be shorter.

    ``as_`` is ``"view"`` (no copy where an item lies inside one fragment), ``bytes`` or ``str`` (each item is decoded
    as UTF-8 by itself). ``on_incomplete`` says what becomes of a shorter last item: ``"emit"``, ``"drop"`` or
    ``"raise"`` (``IncompleteItem``). With ``borrow`` mutable fragments are not copied: do not change them
    while items live.
    """

    _engine = "FixedSizeEngine"

    def __init__(
        self, size: int, *, on_incomplete: str = "emit", as_: Any = "view", borrow: bool = False
    ) -> None:
        super().__init__(size, on_incomplete=on_incomplete, as_=as_, borrow=borrow)
