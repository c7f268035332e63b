"""Engine that ends a stream before the first of some strings (native: ``_native.text.stop``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..._shared.markers import include_option, stop_strings
from .marked import of_both_kinds
from .units import UnitEngine

__all__ = ["StopEngine"]


class StopEngine(UnitEngine):
    """Gives text or bytes up to the first of some strings, and with ``include`` that string; then it is ``done``.

    The first is the one that begins first, of those the shortest. ``matched`` is that string, ``rest`` what stood
    behind it in its fragment; later fragments are passed over. Held back is only what one of the strings may begin
    with.
    """

    def __init__(self, *strings: str, include: bool = False) -> None:
        self._include = include_option(include=include)
        self._strings = stop_strings(strings)
        self._markers = of_both_kinds(self._strings, False)
        super().__init__("Stop")

    def _clear(self) -> None:
        super()._clear()
        self._held: Any = ""
        self._given = 0  # units of it that came already, because they are text in any case
        self.matched: str | None = None
        self._rest: Any = None

    @property
    def rest(self) -> Any:
        """What stood behind it in its fragment, else empty."""
        if self.matched is not None:
            return self._rest
        return b"" if self._input is bytes else ""

    @property
    def done(self) -> bool:
        return self.matched is not None

    def _is_done(self) -> bool:
        return self.matched is not None

    def _cut(self, data: Any) -> Iterator[Any]:
        """A fragment gives one piece at most, so no generator is needed."""
        self._input = type(data)
        self._data = data
        text = None
        try:
            if self.matched is None and not self._held and self._markers[type(data)].entered(data, 0) < 0:
                text = data
            elif self.matched is None:
                text = self._feed(self._held + data if self._held else data, False)
            self._base += len(data)
        finally:
            self._data = None
        return iter(((text,),) if text else ())

    def _feed(self, text: Any, final: bool) -> Any:
        markers = self._markers[type(text)]
        start = self._given
        found, sure, tail = markers.find(text, 0, final, self._include)
        if found is not None:
            self.matched = self._strings[markers.numbers[found] - 1]
            self._rest = text[tail + len(found) :]
            self._held = text[:0]
            return text[start:sure]
        self._held, self._given = text[tail:], sure - tail
        return text[start:sure]

    def _end(self) -> list[Any]:
        if self.matched is not None:
            return []
        text = self._feed(self._held or (b"" if self._input is bytes else ""), True)
        return [text] if text else []
