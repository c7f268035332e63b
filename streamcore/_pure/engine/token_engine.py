"""What the streaming token engines share: a fragment gives at most one item, and they count what they took in."""

from __future__ import annotations

from typing import Any

from .engine import BaseEngine

__all__ = ["TokenEngine"]


class TokenEngine(BaseEngine):
    """Base of the encoder and the decoder: a fragment gives at most one item, which ``_take()`` finds."""

    _offset = 0

    @property
    def offset(self) -> int:
        """How much was taken in so far, in bytes; for str input in code points, for ids in ids."""
        return self._offset

    def _clear(self) -> None:
        super()._clear()
        self._offset = 0

    def _blocks_of(self, fragment: Any) -> list[list[Any]]:
        return [self._take(fragment)]

    def _finish(self) -> list[Any]:
        self._ended = self._changing = True
        return self._end()

    # ---- for engines to fill ----

    def _take(self, fragment: Any) -> list[Any]:
        """Take in a fragment: first look at it, then set ``_changing``, then change the state."""
        raise NotImplementedError

    def _end(self) -> list[Any]:
        raise NotImplementedError
