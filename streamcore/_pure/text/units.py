"""Base of the engines that take text as well as bytes (native: ``_native.text.units``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..._shared.markers import other_kind
from ..buffers.view import freeze
from ..engine.span_engine import Engine

__all__ = ["UnitEngine"]


class UnitEngine(Engine):
    """Base of the engines that take ``str`` or bytes-like fragments; ``_data`` is then exact ``str`` or ``bytes``."""

    _data: Any

    def _clear(self) -> None:
        super()._clear()
        self._input: type | None = None  # what fragments were until now
        self._unit = "byte"

    def _accept(self, fragment: Any) -> Any:
        text = isinstance(fragment, str)
        if self._input is not None and (self._input is str) is not text:
            raise other_kind(self._name, fragment, not text)
        if text:
            data: Any = fragment if type(fragment) is str else str.__str__(fragment)
        elif type(fragment) is bytes:
            data = fragment
        else:
            try:
                data = freeze(fragment, self._name, False).tobytes()
            except TypeError:
                raise TypeError(
                    f"{self._name} takes str or bytes-like data, got {type(fragment).__name__}"
                ) from None
        self._unit = "character" if text else "byte"
        return data

    def _cut(self, data: Any) -> Iterator[Iterable[Any]]:
        self._input = type(data)
        return super()._cut(data)
