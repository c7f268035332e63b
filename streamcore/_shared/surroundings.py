"""The config around the code of a stage, which a Runnable that is called in it inherits."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

__all__ = ["SURROUNDING", "leave"]

SURROUNDING: ContextVar[Any] = ContextVar("streamcore_surrounding", default=None)
"""That of the innermost call which has one; a checked config, or None."""


def leave(token: Token[Any]) -> None:
    """Put back what was around before."""
    try:
        SURROUNDING.reset(token)
    except ValueError:  # a coroutine that is closed in another context than it ran in: there it was never set
        return
