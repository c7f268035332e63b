"""The config around the code of a stage, which a Runnable that is called in it inherits.

Twin: ``_native.streams.surroundings``.
"""

from __future__ import annotations

from typing import Any

from ..._shared.surroundings import SURROUNDING

__all__ = ["surrounding"]


def surrounding() -> Any:
    """The config around the code that runs here, or None."""
    return SURROUNDING.get() or None
