"""The mark of a cancellation by which a time limit ends a pull: who sees it may say where the pull was."""

from __future__ import annotations

__all__ = ["LIMIT", "is_limit"]

LIMIT = "the time limit of the stream"
"""The message of such a cancellation: this very object."""


def is_limit(error: BaseException) -> bool:
    """Whether ``error`` is the cancellation of a pull whose time is over."""
    return not isinstance(error, Exception) and any(arg is LIMIT for arg in error.args)
