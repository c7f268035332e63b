"""What a step of a stream answers for an item that goes no further."""

from __future__ import annotations

__all__ = ["DROPPED"]

DROPPED = object()
